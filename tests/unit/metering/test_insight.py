"""What is said of a home beside its figures: what the weather takes, homes alike and who may be shown, links."""

import random
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import errors
from metering import peers, picture_links, weather_model

FIRST = date(2025, 11, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(365)]
FELT = {day: 54 - 24 * float(np.cos(2 * np.pi * (n - 75) / 365)) for n, day in enumerate(DAYS)}


def home(noise: float = 0.0, seed: int = 1) -> dict[date, int]:
    """8 kWh always, 2 more on weekends, 300 Wh a degree below 56, 900 above 68."""
    draw = random.Random(seed)
    return {
        day: round(
            8000
            + 2000 * (day.weekday() >= 5)
            + 300 * max(0.0, 56 - FELT[day])
            + 900 * max(0.0, FELT[day] - 68)
            + draw.gauss(0, noise)
        )
        for day in DAYS
    }


# --- the weather ------------------------------------------------------------------------------------------------------


def test_a_home_that_is_all_weather_is_found_out() -> None:
    found = weather_model.fit(home(), FELT)
    assert found is not None
    assert (found.heating_below_f, found.cooling_above_f) == (56, 68)
    assert [round(x) for x in (found.base_wh, found.weekend_wh, found.heating_wh, found.cooling_wh)] == [
        8000, 2000, 300, 900,
    ]  # fmt: skip
    assert found.explained > 0.99


def test_a_party_and_a_dead_meter_do_not_bend_the_line() -> None:
    """One day in twelve is far off, all on the same side: the line moves by less than three percent of a day."""
    spoilt = {day: (wh * 4 if n % 12 == 0 else wh) for n, (day, wh) in enumerate(home(300).items())}
    clean, bent = weather_model.fit(home(300), FELT), weather_model.fit(spoilt, FELT)
    assert clean is not None and bent is not None
    for felt in (25.0, 45.0, 62.0, 76.0):
        right = clean.expected_wh(date(2026, 1, 7), felt)
        assert abs(bent.expected_wh(date(2026, 1, 7), felt) - right) < 0.05 * right


def test_only_the_weather_changed_is_no_news_and_a_new_appliance_is() -> None:
    days = DAYS[-30:]
    model = weather_model.fit({d: wh for d, wh in home(400).items() if d < days[0]}, FELT)
    assert model is not None
    same = weather_model.expect(model, home(400), FELT, days)
    more = weather_model.expect(model, {d: wh + 6000 for d, wh in home(400).items()}, FELT, days)
    assert same is not None and more is not None
    assert not same.notable and abs(same.percent) <= 3
    assert more.notable and more.percent > 30 and more.days == 30
    assert more.expected_wh == same.expected_wh  # what is judged has no part in what is expected of it


def test_what_cannot_be_learnt_is_not_said() -> None:
    few = dict(list(home().items())[:40])
    assert weather_model.fit(few, FELT) is None
    assert weather_model.fit(home(), dict.fromkeys(DAYS, 60.0)) is None  # it was never colder nor warmer
    assert weather_model.fit(dict.fromkeys(DAYS, 0), FELT) is None
    model = weather_model.fit(home(), FELT)
    assert model is not None
    assert weather_model.expect(model, {}, FELT, DAYS) is None
    assert weather_model.expect(model, home(), {}, DAYS) is None


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(0, 3000))
def test_expectations_are_finite_and_never_below_nothing(seed: int, noise: int) -> None:
    found = weather_model.fit(home(noise, seed), FELT)
    assert found is not None
    assert found.heating_wh >= 0 and found.cooling_wh >= 0 and 0 <= found.explained <= 1
    assert all(found.expected_wh(day, felt) >= 0 for day, felt in ((FIRST, -20.0), (FIRST, 55.0), (FIRST, 110.0)))


# --- homes alike ------------------------------------------------------------------------------------------------------

RULE = {"members": 15, "share_percent": 15}
GROUP = peers.Group("Harbor", "HOUSE", "1200", peers.ANY)


def test_fourteen_homes_are_too_few_and_fifteen_are_enough() -> None:
    assert peers.averages({GROUP: np.full(14, 20_000.0)}, **RULE) == {}
    shown = peers.averages({GROUP: np.full(15, 20_000.0)}, **RULE)
    assert shown[GROUP] == peers.Average(15, 20_000, 20_000)


def test_an_average_that_is_mostly_one_home_is_not_shown() -> None:
    """Of 100 homes one uses a sixth of all: its use could be read off the average."""
    crowd = np.append(np.full(99, 10_000.0), 200_000.0)
    assert peers.averages({GROUP: crowd}, **RULE) == {}
    assert peers.averages({GROUP: np.append(np.full(99, 10_000.0), 150_000.0)}, **RULE)  # 13 percent


def test_a_home_is_compared_from_narrow_to_wide() -> None:
    known = list(peers.groups_of("Harbor", "HOUSE", 1500, "ELECTRIC"))
    assert [(g.dwelling, g.size, g.heating) for g in known] == [
        ("HOUSE", "1200", "ELECTRIC"), ("HOUSE", "1200", "ANY"), ("HOUSE", "ANY", "ANY"), ("ANY", "ANY", "ANY"),
    ]  # fmt: skip
    assert len(list(peers.groups_of("Harbor", None, 1500, "ELECTRIC"))) == 1
    assert [peers.size_of(each) for each in (100, 699, 700, 2599, 50_000)] == ["0", "0", "700", "1800", "2600"]
    assert peers.size_until("1200") == 1800 and peers.size_until("2600") is None


# --- links to pictures ------------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
PICTURE = picture_links.Picture("DAYS", 7, 9, "2026-11-16", "2026-11-23", "es")


def test_a_link_gives_its_picture_until_it_runs_out() -> None:
    path = picture_links.path("key", PICTURE, now=NOW)
    token = path.removeprefix("/pictures/").removesuffix(".png")
    assert picture_links.read("key", token, now=NOW + timedelta(days=6)) == PICTURE
    with pytest.raises(errors.NotFound):
        picture_links.read("key", token, now=NOW + timedelta(days=8))


def test_a_link_cannot_be_made_changed_or_read() -> None:
    path = picture_links.path("key", PICTURE, now=NOW)
    token = path.removeprefix("/pictures/").removesuffix(".png")
    assert "2026" not in token and path != picture_links.path("key", PICTURE, now=NOW)
    for wrong in ("", "x", token[:-2], token[:40] + ("A" if token[40] != "A" else "B") + token[41:]):
        with pytest.raises(errors.NotFound):
            picture_links.read("key", wrong, now=NOW)
    with pytest.raises(errors.NotFound):
        picture_links.read("another key", token, now=NOW)
