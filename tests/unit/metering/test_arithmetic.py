"""The pure part of metering: forecasts, what is unusual, facts for tips, shares, files."""

import math
import pathlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import periods
from metering import estimation, forecast, plausibility, savings, usage
from metering.formats import csv

YEAR = np.load(pathlib.Path(__file__).parents[1] / "rating/data/pvsamv1_residential_load.npz")["mwh"] // 1000
FIRST = date(2018, 1, 1)
HOURS = YEAR.reshape(365, 24).astype(np.float64)
DAYS = [FIRST + timedelta(days=n) for n in range(365)]


# forecast


def test_a_steady_week_is_forecast_exactly_and_today_is_not_over() -> None:
    week = [10_000, 11_000, 10_500, 10_000, 12_000, 20_000, 18_000]
    daily = {
        date(2026, 9, 1) + timedelta(days=n): week[(date(2026, 9, 1) + timedelta(days=n)).weekday()] for n in range(84)
    }
    period = periods.Days(date(2026, 11, 5), date(2026, 12, 5))
    found = forecast.forecast(daily, period, date(2026, 11, 23))
    assert found is not None
    assert found.so_far_wh == sum(daily[d] for d in periods.Days(date(2026, 11, 5), date(2026, 11, 23)))
    assert found.likely_wh == sum(week[d.weekday()] for d in period)
    assert found.low_wh < found.likely_wh < found.high_wh
    assert (found.days_left, found.basis_days) == (12, 56)


def test_the_range_holds_about_as_often_as_it_says_and_narrows() -> None:
    totals = dict(zip(DAYS, HOURS.sum(axis=1).astype(int).tolist(), strict=True))
    held, widths = [], []
    for n in range(60, 334, 7):
        period = periods.Days(DAYS[n], DAYS[n] + timedelta(days=30))
        truth = sum(totals[day] for day in period)
        spans = []
        for today in (period.starts_on + timedelta(days=8), period.starts_on + timedelta(days=24)):
            found = forecast.forecast({d: wh for d, wh in totals.items() if d < today}, period, today)
            assert found is not None
            assert found.low_wh <= found.likely_wh <= found.high_wh
            assert found.low_wh >= found.so_far_wh
            held.append(found.low_wh <= truth <= found.high_wh)
            spans.append(found.high_wh - found.low_wh)
        widths.append(spans[1] < spans[0])
    assert 0.65 < np.mean(held) < 0.97
    assert np.mean(widths) > 0.95


def test_a_year_may_lie_as_far_off_as_its_weeks_do_from_those_around_them() -> None:
    least = 1.2816 * 0.08
    assert forecast.year_spread([24_000] * 364) == pytest.approx(least)
    season = [20_000 + round(10_000 * math.cos(n * math.tau / 364)) for n in range(364)]
    assert forecast.year_spread(season) == pytest.approx(least)  # a winter is no surprise
    assert forecast.year_spread([24_000] * 182) == pytest.approx(least * 2**0.5)  # half a year is known
    assert forecast.year_spread([24_000] * 30) == forecast.year_spread([]) == 0.5
    assert forecast.year_spread([0] * 364) == pytest.approx(least)
    # weeks of 20 and 10 kWh a day in turn: 20 over the mean of (20, 10, 20, 10, 20) = 16 is 1.25, 10 over 14 is 0.714;
    # they lie 0.268 from their mean, times 1.2816; a little less at the ends of the year
    turn = [20_000 if n // 7 % 2 else 10_000 for n in range(364)]
    assert forecast.year_spread(turn) == pytest.approx(0.343, abs=0.005)


def test_a_finished_period_is_a_fact_and_nothing_known_is_no_forecast() -> None:
    period = periods.Days(date(2026, 10, 1), date(2026, 11, 1))
    found = forecast.forecast(dict.fromkeys(period, 7), period, date(2026, 11, 5))
    assert found is not None
    assert (found.low_wh, found.likely_wh, found.high_wh, found.days_left) == (217, 217, 217, 0)
    assert forecast.forecast({}, period, date(2026, 10, 5)) is None
    assert forecast.forecast({date(2026, 10, 9): 5}, period, date(2026, 10, 5)) is None  # the future is not history


def test_last_years_season_is_leaned_on() -> None:
    cold = {date(2025, 9, 1) + timedelta(days=n): 10_000 if n < 90 else 20_000 for n in range(150)}
    this = {date(2026, 9, 1) + timedelta(days=n): 10_000 for n in range(90)}
    period = periods.Days(date(2026, 11, 30), date(2026, 12, 30))
    blind = forecast.forecast(this, period, date(2026, 11, 30))
    seeing = forecast.forecast(cold | this, period, date(2026, 11, 30))
    assert blind is not None and seeing is not None
    assert blind.likely_wh == 300_000
    assert seeing.likely_wh > 400_000
    assert seeing.high_wh >= 600_000 * 0.75


# facts for tips


def test_shares_of_a_made_up_load() -> None:
    hour = np.tile(np.arange(24, dtype=np.int8), 364)
    day = np.repeat(np.arange(364), 24)
    month = np.array([(date(2018, 1, 1) + timedelta(days=int(d))).month - 1 for d in day], dtype=np.int8)
    weekend = day % 7 >= 5
    wh = np.full(len(hour), 100, dtype=np.int64)
    wh[(hour >= 16) & (hour < 21) & ~weekend] = 500
    wh[month == 6] += 300
    load = savings.facts(wh, 60, hour, month, weekend)
    assert load is not None
    assert load.base_wh == 100
    assert load.peak_share == round(100 * wh[(hour >= 16) & (hour < 21) & ~weekend].sum() / wh.sum())
    assert load.summer_excess is not None and load.summer_excess > 40
    assert load.winter_excess == pytest.approx(0, abs=2)
    assert load.highest_hour_wh == 800
    assert savings.facts(wh[: 24 * 27], 60, hour[: 24 * 27], month[: 24 * 27], weekend[: 24 * 27]) is None


# shares and gaps


@given(st.integers(0, 10**9), st.lists(st.integers(0, 1000), min_size=1, max_size=60).filter(any))
@settings(max_examples=50)
def test_spreading_loses_nothing(total: int, weights: list[int]) -> None:
    shares = estimation.spread(total, weights)
    assert shares.sum() == total
    assert (shares >= 0).all()
    assert all(share <= total * weight / sum(weights) + 1 for share, weight in zip(shares, weights, strict=True))


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("00123", 123, None), ("12.345", 12345, None), ("12,345.6", 12345, None), ("12345,6", 12345, None),
        (" 12 345 kWh", 12345, None), ("-5", None, "NOT_A_NUMBER"), ("1e5", None, "NOT_A_NUMBER"),
        ("", None, "NOT_A_NUMBER"),
        ("٣٤٥", None, "NOT_A_NUMBER"), ("1234567", None, "TOO_MANY_DIGITS"), ("0012345", 12345, None),
    ],
)  # fmt: skip
def test_how_people_write_what_a_dial_shows(text: str, value: int | None, reason: str | None) -> None:
    found = plausibility.parse(text, 5)
    assert found == (None if value is None else Decimal(value), reason)


def test_bill_periods_run_from_cycle_day_to_cycle_day() -> None:
    assert usage.bill_period(5, date(2026, 11, 23)) == periods.Days(date(2026, 11, 5), date(2026, 12, 5))
    assert usage.bill_period(28, date(2026, 3, 1)) == periods.Days(date(2026, 2, 28), date(2026, 3, 28))
    assert usage.bill_period(5, date(2026, 11, 5)).starts_on == date(2026, 11, 5)


# files


def test_csv_comes_back_as_it_went() -> None:
    text = "start,kwh\n2026-11-01T00:00:00-04:00,0.100\n2026-11-01T00:15:00-04:00,0.2505\n"
    reads = csv.parse(text)
    assert reads.starts_at == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert (reads.interval_minutes, reads.kwh, reads.places) == (15, (Decimal("0.100"), Decimal("0.2505")), 4)
