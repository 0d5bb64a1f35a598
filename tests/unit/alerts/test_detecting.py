"""Every kind is found, nothing that comes later matters, and an ordinary place is left in peace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from core import errors
from metering.alerts import command, detect, rules, table
from metering.alerts.clock import by_clock

DAYS = 200
AT = 120  # the day on which each fault begins
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday


def home(seed: int = 1, days: int = DAYS) -> np.ndarray:
    """A home that sleeps, wakes, cooks and looks at films; a little different each hour."""
    random = np.random.default_rng(seed)
    hour = np.arange(24)
    shape = 0.2 + 0.3 * np.exp(-((hour - 8) ** 2) / 4) + 0.8 * np.exp(-((hour - 19) ** 2) / 8)
    weekend = 1 + 0.2 * (np.arange(days) % 7 >= 5)
    return shape * weekend[:, None] * random.lognormal(0, 0.2, (days, 24))


def told(hours: np.ndarray, **more: object) -> list[tuple[str, int, int]]:
    return [(one.kind, one.start, one.end) for one in detect(hours[None], **more)]  # type: ignore[arg-type]


def stuck(hours: np.ndarray, value: float, count: int) -> None:
    hours.reshape(-1)[AT * 24 + 5 : AT * 24 + 5 + count] = value


FAULTS: dict[str, Callable[[np.ndarray], object]] = {
    "SPIKE": lambda h: h.__setitem__((AT, 14), 6.0),
    "HIGH_DAY": lambda h: h.__setitem__(AT, h[AT] * 2.2),
    "STEP_UP": lambda h: h.__setitem__(slice(AT, None), h[AT:] * 1.5),
    "NIGHT_BASE": lambda h: h.__setitem__((slice(AT, None), slice(0, 5)), h[AT:, :5] * 1.8),
    "DRIFT_UP": lambda h: h.__setitem__(slice(AT, None), h[AT:] * (1 + 0.012 * np.arange(1, DAYS - AT + 1))[:, None]),
    "LEAK": lambda h: h.__setitem__(slice(AT, None), h[AT:] + 0.25),
    "FLAT": lambda h: stuck(h, 0.31, 40),
    "ZERO": lambda h: stuck(h, 0.0, 30),
    "DEAD_METER": lambda h: stuck(h, np.nan, 24 * 10),
}


def test_an_ordinary_place_is_left_in_peace() -> None:
    assert [one for seed in range(6) for one in told(home(seed))] == []


@pytest.mark.parametrize("kind", rules.KINDS)
def test_each_kind_is_found_by_its_name_where_it_began(kind: str) -> None:
    hours = home()
    FAULTS[kind](hours)
    found = [one for one in told(hours) if one[0] == kind]
    assert len(found) == 1  # one event, one alert
    _, start, end = found[0]
    assert AT * 24 <= end <= (AT + 60) * 24
    assert (AT - 1) * 24 <= start < end


@pytest.mark.parametrize("kind", rules.KINDS)
def test_what_comes_later_never_changes_what_was_told(kind: str) -> None:
    hours = home()
    FAULTS[kind](hours)
    whole = told(hours)
    for cut in (AT * 24 + 17, (AT + 1) * 24, (AT + 3) * 24 + 9, (AT + 6) * 24, (AT + 30) * 24 + 1, (AT + 45) * 24):
        days = -(-cut // 24)
        short = hours[:days].copy()
        short.reshape(-1)[cut:] = np.nan
        assert told(short, until=cut) == [one for one in whole if one[2] <= cut]


def test_what_comes_later_may_be_anything() -> None:
    hours = home()
    wild = hours.copy()
    wild[AT:] = np.random.default_rng(5).exponential(20, wild[AT:].shape)
    assert [one for one in told(wild) if one[2] <= AT * 24] == told(hours[:AT]) == []


def test_a_new_account_is_quiet_until_there_is_enough_to_judge_by() -> None:
    hours = home(days=60)
    hours[30] *= 4
    hours[35, 3] = 30
    assert told(hours[:41]) == []


def test_gaps_are_no_events_and_a_day_with_a_hole_is_judged_by_the_rest() -> None:
    hours = home()
    hours[60:62] = np.nan
    hours[90, 3:6] = np.nan
    assert told(hours) == []
    hours[AT] *= 2.0
    hours[AT, 2:4] = np.nan
    assert [one[0] for one in told(hours)] == ["HIGH_DAY"]


def test_coming_home_is_no_step() -> None:
    hours = home()
    hours[100:114] *= 0.3
    assert told(hours) == []


def test_the_weather_explains_what_it_explains() -> None:
    random = np.random.default_rng(4)
    days = 400
    warmth = 12 - 12 * np.cos(np.arange(days) / 365 * 2 * np.pi) + random.normal(0, 3, days)
    hours = home(days=days) + np.maximum(15 - warmth, 0)[:, None] * 0.08
    degrees = np.repeat(warmth[:, None], 24, axis=1)
    levels = {"HIGH_DAY", "STEP_UP", "DRIFT_UP", "NIGHT_BASE", "LEAK"}
    knowing = [one for one in told(hours, degrees=degrees) if one[0] in levels]
    assert len(knowing) <= 1
    hours[350:] *= 1.5
    assert any(one[0] in levels and one[2] > 350 * 24 for one in told(hours, degrees=degrees))


def test_what_all_places_share_is_the_weather() -> None:
    many = np.stack([home(seed) for seed in range(40)])
    many[:, AT : AT + 2] *= 2.2  # a heat wave for all
    many[7, AT + 30] *= 3.0  # a feast for one
    found = [(one.series, one.kind) for one in detect(many, peers=True)]
    assert (7, "HIGH_DAY") in found and len(found) <= 3
    assert len({one.series for one in detect(many) if one.kind == "HIGH_DAY"}) > 30


def test_patience_and_holidays_make_margins_wider() -> None:
    hours = home()
    hours[AT] *= 1.9
    assert [one[0] for one in told(hours)] == ["HIGH_DAY"]
    assert told(hours, patience={"HIGH_DAY": np.full(1, 2.0)}) == []
    special = np.arange(DAYS) == AT
    hours[AT] *= 1.6 / 1.9
    assert [one[0] for one in told(hours)] == ["HIGH_DAY"]
    assert told(hours, special=special) == []


def test_an_hour_far_beyond_all_before_is_told_where_spikes_are_no_news() -> None:
    hours = home()
    hours[100, 19] = 12.0
    hours[160, 19] = 3.8  # against five weeks it is less than the one before was
    hours[180, 19] = 2.8
    spikes = [start // 24 for kind, start, _ in told(hours) if kind == "SPIKE"]
    assert spikes == [100, 160]
    blind = rules.Rules(ever_above=99.0)
    assert [one.start // 24 for one in detect(hours[None], by=blind) if one.kind == "SPIKE"] == [100]
    still = home()
    still[:100] = 0.0  # nobody lived there: the first use is no alarm each day
    assert [one for one in told(still) if one[0] == "SPIKE" and one[1] > 130 * 24] == []


def test_days_of_23_and_25_hours() -> None:
    ordinary = list(range(24))
    back = [0, 1, 1, *range(2, 24)]
    forward = [0, 1, *range(3, 24)]
    cells = np.array(ordinary + [24 + hour for hour in back] + [48 + hour for hour in forward])
    laid = by_clock(np.arange(len(cells), dtype=float)[None], cells, 3)[0]
    assert laid.shape == (3, 24)
    assert laid[1, 1] == (25 + 26) / 2 and laid[1, 2] == 27
    assert laid[2, 2] == laid[2, 1] and laid[2, 3] == laid[2, 1] + 1


# --- the file ---------------------------------------------------------------------------------------------


def write(path: Path, hours: np.ndarray, minutes: int = 60, start: datetime = START) -> Path:
    each = 60 // minutes
    lines = ["timestamp_utc,kwh"]
    for n, kwh in enumerate(hours.reshape(-1)):
        for part in range(each):
            at = start + timedelta(hours=n, minutes=part * minutes)
            lines.append(f"{at:%Y-%m-%dT%H:%M:%SZ},{'' if np.isnan(kwh) else round(kwh / each, 5)}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_the_same_is_found_in_files_of_any_interval(tmp_path: Path, minutes: int) -> None:
    hours = home()
    hours[AT] *= 2.0
    (one,) = command.run(write(tmp_path / "reads.csv", hours, minutes))
    assert one.kind == "HIGH_DAY"
    assert START + timedelta(days=AT - 1) < one.start < START + timedelta(days=AT + 1)
    assert one.excess_kwh > 0 and one.end - one.start == timedelta(days=1)


def test_a_file_cut_short_tells_the_same_up_to_there(tmp_path: Path) -> None:
    hours = home()
    FAULTS["ZERO"](hours)
    hours[150:] *= 1.6
    hours[60:64] = np.nan
    lines = write(tmp_path / "reads.csv", hours).read_text().splitlines()
    lines = [line for line in lines if not line.endswith(",")]  # a gap without rows
    (tmp_path / "reads.csv").write_text("\n".join(lines))
    whole = command.run(tmp_path / "reads.csv", timezone="America/New_York")
    assert {one.kind for one in whole} >= {"DEAD_METER", "ZERO", "STEP_UP"}
    for cut in range(1300, len(lines), 371):
        (tmp_path / "short.csv").write_text("\n".join(lines[:cut]))
        end = datetime.fromisoformat(lines[cut - 1].split(",")[0]) + timedelta(hours=1)
        short = command.run(tmp_path / "short.csv", timezone="America/New_York")
        assert short == [one for one in whole if one.end <= end]


@pytest.mark.parametrize("rows", [[], ["2026-01-01T00:00:00Z,1"], [f"2026-01-0{d}T00:00:00Z,1" for d in (1, 2)]])
def test_hardly_any_history_tells_nothing(tmp_path: Path, rows: list[str]) -> None:
    (tmp_path / "reads.csv").write_text("\n".join(["timestamp_utc,kwh", *rows[:1]]))
    assert command.run(tmp_path / "reads.csv") == []


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "header"),
        ("when,what\n", 1, "header"),
        ("timestamp_utc,kwh\n2026-01-01T00:00:00Z,much\n", 2, "not a number"),
        ("timestamp_utc,kwh\n2026-01-01T00:00:00Z,inf\n", 2, "not a number"),
        ("timestamp_utc,kwh\n2026-01-01T00:00:00Z,-1\n", 2, "cannot be"),
        ("timestamp_utc,kwh\nyesterday,1\n", 2, "instant"),
        ("timestamp_utc,kwh\n2026-01-01T00:00:00Z\n", 2, "values"),
        ("timestamp_utc,kwh,temp_c\n2026-01-01T00:00:00Z,1,300\n", 2, "°C"),
        ("timestamp_utc,kwh\n2026-01-01,1\n2026-01-02,1\n2026-01-03,1\n", 1, "minutes apart"),
    ],
)
def test_a_bad_file_is_refused_in_words(tmp_path: Path, text: str, line: int, reason: str) -> None:
    (tmp_path / "reads.csv").write_text(text)
    with pytest.raises(errors.Invalid) as caught:
        command.run(tmp_path / "reads.csv")
    assert caught.value.data["line"] == line
    assert reason in str(caught.value.data["reason"])


def test_of_two_rows_for_an_instant_the_first_counts_and_order_does_not_matter() -> None:
    rows = ["2026-01-01T01:00:00Z,2", "2026-01-01T00:00:00Z,1", "2026-01-01T01:00:00Z,9", "2026-01-01T03:00:00Z,4"]
    read = table.parse("\n".join(["timestamp_utc,kwh", *rows]))
    assert read is not None
    assert read.kwh[:2].tolist() == [1, 2] and np.isnan(read.kwh[2]) and read.kwh[3] == 4
