"""A file of prices is taken whole, or each line that is wrong is told."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import index_file, prices, rating
from core import errors, periods
from ops_admin.seed import market

ZONE = "America/New_York"
DAY = periods.Days(date(2026, 10, 5), date(2026, 10, 6))


def rows(days=DAY, minutes=60, zone=ZONE, price="40.00"):
    at, out = periods.midnight(days.starts_on, zone), []
    while at < periods.midnight(days.ends_on, zone):
        out.append(f"{at:%Y-%m-%dT%H:%M}Z,{price}")
        at += timedelta(minutes=minutes)
    return out


def parse(lines, head="timestamp_utc,price", unit="MWh", **more):
    data = "\n".join([head, *lines]).encode()
    return index_file.parse(data, unit=unit, **({"currency": "USD", "timezone": ZONE} | more))


def test_prices_become_millionths_per_kwh():
    (day,) = parse(rows(price="41.237")).days
    assert set(day.micros) == {41_237} and len(day.micros) == 24
    assert day.starts_at == datetime(2026, 10, 5, 4, tzinfo=UTC)
    assert set(parse(rows(price="0.041237"), unit="kWh").days[0].micros) == {41_237}
    assert set(parse(rows(price="-12.5")).days[0].micros) == {-12_500}
    rounded = parse(rows(price="41.2375"))
    assert set(rounded.days[0].micros) == {41_238} and rounded.rounded == 24
    assert parse(rows()[::-1]).days == parse(rows()).days
    assert parse([line.replace("Z,", "+00:00,") for line in rows()]).days == parse(rows()).days


@pytest.mark.parametrize("minutes", [15, 30, 60])
@pytest.mark.parametrize("day, hours", [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 7, 1), 24)])
def test_days_are_as_long_as_they_are(minutes, day, hours):
    (made,) = parse(rows(periods.Days(day, day + timedelta(days=1)), minutes)).days
    assert len(made.micros) == hours * 60 // minutes


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda r: [*r[:7], *r[9:]], {"hole": [8]}),
        (lambda r: r[:-1], {"hole": [24]}),
        (lambda r: r[3:], {"hole": [1]}),
        (lambda r: [*r, r[4]], {"overlap": [26]}),
        (lambda r: [*r[:2], r[2].replace("40.00", "much"), *r[3:]], {"price": [4], "hole": [3]}),
        (lambda r: [*r[:2], r[2].replace("40.00", "NaN"), *r[3:]], {"price": [4], "hole": [3]}),
        (lambda r: [*r[:2], r[2].replace("40.00", "90000"), *r[3:]], {"absurd": [4], "hole": [3]}),
        (lambda r: [*r[:2], r[2].replace("Z", "-04:00"), *r[3:]], {"timestamp": [4], "hole": [3]}),
        (lambda r: [*r[:2], r[2] + ",EUR", *r[3:]], {"line": [4], "hole": [3]}),
        (lambda r: [*r[:2], r[2].replace(":00Z", ":20Z"), *r[3:]], {"interval": [5]}),
        (lambda r: [], {"empty": [1]}),
        (lambda r: r[:1], {"hole": [2]}),
        (lambda r: [line.replace("40.00", "0.04") for line in r], {"unit": [1]}),
        (lambda r: [line.replace("40.00", "40000") for line in r], {"absurd": list(range(2, 26))}),
        (lambda r: [line.replace("40.00", "4000") for line in r], {"unit": [1]}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_nothing_is_taken(change, found):
    said = parse(change(rows()))
    assert said.days == ()
    assert {code: [p.line for p in said.problems if p.code == code] for code in said.counts()} == found


def test_a_unit_that_was_looked_at_is_believed():
    assert parse(rows(price="0.04"), sure=True).problems == ()


@pytest.mark.parametrize("data", [b"", b"when,price\n", b"\xff\xfe", b"timestamp_utc;price\n"])
def test_what_is_no_such_file_is_refused(data):
    with pytest.raises(errors.Invalid, match=r"file\.unreadable"):
        index_file.parse(data, unit="MWh", currency="USD", timezone=ZONE)


@given(st.dates(date(2024, 1, 1), date(2027, 12, 1)), st.integers(1, 20))
def test_the_demonstrations_market_is_whole_on_every_day_and_the_same_again(first, count):
    days = periods.Days(first, first + timedelta(days=count))
    said = market.parsed(days, ZONE, 7)
    assert said.problems == () and len(said.days) == count
    alone = market.parsed(periods.Days(days.ends_on - timedelta(days=1), days.ends_on), ZONE, 7)
    assert alone.days[0] == said.days[-1]


def test_the_demonstrations_market_is_believable():
    year = market.parsed(periods.Days(date(2026, 1, 1), date(2027, 1, 1)), ZONE, 7)
    all_of_them = np.concatenate([d.micros for d in year.days]) / 1000
    assert 45 < all_of_them.mean() < 70 and all_of_them.min() < 0 and 120 < all_of_them.max() < 500
    hours = np.array([d.micros for d in year.days if len(d.micros) == 24]).mean(axis=0)
    assert 17 <= int(hours.argmax()) <= 19 and 1 <= int(hours.argmin()) <= 4


@given(st.integers(0, 10**6), st.sampled_from([0.02, 0.3, 0.9]))
def test_hours_that_lack_take_those_of_the_week_around_and_known_ones_stay(seed, share):
    random = np.random.default_rng(seed)
    micros, known = random.integers(-50_000, 900_000, 720), random.random(720) < share
    series = prices.Series("X", "USD", datetime(2026, 3, 1, tzinfo=UTC), 60, micros, known)
    out = prices.filled(series)
    assert (out[known] == series.micros[known]).all()
    for at in np.flatnonzero(~known).tolist():
        before = [n for n in range(at - 168, -1, -168) if known[n]]
        after = [n for n in range(at + 168, 720, 168) if known[n]]
        if before or after:
            assert out[at] == micros[(before or after)[0]]
        elif known.any():
            assert micros[known].min() <= out[at] <= micros[known].max()


@given(st.integers(1, 27), st.sampled_from([15, 30, 60]), st.data())
def test_the_hours_add_up_to_the_line_and_a_split_period_to_the_whole(cut, minutes, data):
    """Also over the day of 25 hours, with the prices on another grid than the reads."""
    plan = rating.Plan(
        "S", "Spot", (rating.EnergyPeriod("", (rating.Tier(Decimal(0)),)),), ((0,) * 24,) * 12, ((0,) * 24,) * 12,
        index=rating.Index("X", Decimal("1.04"), Decimal("0.009")),
    )  # fmt: skip
    days = periods.Days(date(2026, 10, 20), date(2026, 11, 17))
    starts_at = periods.midnight(days.starts_on, ZONE)
    hours = (periods.midnight(days.ends_on, ZONE) - starts_at) // timedelta(hours=1)
    assert hours == 28 * 24 + 1
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    wh = random.integers(0, 4000, (1, hours * 60 // minutes))
    micros = random.integers(-50_000, 400_000, hours)
    used = rating.Usage(starts_at, minutes, ZONE, wh)
    known = rating.Prices("X", starts_at, 60, micros)
    whole = rating.rate(plan, used, days, prices=known)
    by_hour = wh.reshape(hours, -1).sum(axis=1)
    exact = Decimal(int(by_hour @ micros)) / 10**9 * Decimal("1.04")
    (line,) = [x for x in whole.lines() if x.code == "energy.index"]
    assert abs(line.amount - exact) <= Decimal("0.005")
    middle = days.starts_on + timedelta(days=cut)
    parts = [periods.Days(days.starts_on, middle), periods.Days(middle, days.ends_on)]
    series = [
        rating.Prices("X", a, 60, micros[(a - starts_at) // timedelta(hours=1) : (b - starts_at) // timedelta(hours=1)])
        for part in parts
        for a, b in [(periods.midnight(part.starts_on, ZONE), periods.midnight(part.ends_on, ZONE))]
    ]
    split = rating.rate_segments([rating.Segment(part, plan) for part in parts], used, prices=series)
    assert abs(split.total() - whole.total()) <= Decimal("0.02") and split.kwh() == whole.kwh()
    alone = [rating.rate(plan, used, part, prices=one) for part, one in zip(parts, series, strict=True)]
    assert sum((bill.total() for bill in alone), Decimal(0)) == split.total()
