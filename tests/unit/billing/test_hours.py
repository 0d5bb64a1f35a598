"""Which hours of a day are cheap: by a schedule and by prices, on days of any length; and on which plans that is a
question at all."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D

import numpy as np
import pytest

from billing import catalogue, hourly, rating
from core import periods

ZONE = "America/New_York"
PLANS = {doc["label"]: catalogue.plan_of(doc) for doc in catalogue.published(date(2026, 11, 23))}
MONDAY, SUNDAY = date(2026, 11, 23), date(2026, 11, 22)


def spans(found, zone=ZONE):
    return [(periods.local(s.starts_at, zone).hour, periods.local(s.ends_at, zone).hour) for s in found]


def hours_in(found) -> float:
    return sum((s.ends_at - s.starts_at) / timedelta(hours=1) for s in found)


def flat_in_summer_and_winter() -> rating.Plan:
    """Another price from May to September, the same at every hour of a day."""
    flat = PLANS["RES-FLAT"]
    (period,) = flat.energy
    summer = replace(period, tiers=tuple(replace(t, price=t.price * 2) for t in period.tiers))
    year = tuple((1 if 5 <= month <= 9 else 0,) * 24 for month in range(1, 13))
    return replace(flat, energy=(period, summer), weekday=year, weekend=year)


def test_the_hour_matters_on_plans_by_the_hour_and_on_no_other() -> None:
    assert {code for code, plan in PLANS.items() if code.startswith("RES") and hourly.goes_by_hours(plan)} >= {
        "RES-TOU", "RES-EV", "RES-HOUR",
    }  # fmt: skip
    assert not hourly.goes_by_hours(PLANS["RES-FLAT"])
    assert not hourly.goes_by_hours(PLANS["RES-TIER"])  # steps, but at every hour alike
    assert not hourly.goes_by_hours(flat_in_summer_and_winter())


def test_by_a_schedule_all_hours_at_the_lowest_and_the_highest_price_are_told() -> None:
    day = hourly.of_advice(PLANS["RES-TOU"], None, MONDAY, ZONE)
    assert (spans(day.cheap), spans(day.dear)) == ([(0, 14), (20, 0)], [(14, 20)])
    # 0.086 and 0.186 with the riders of the day: fuel 0.0268, efficiency 0.0032
    assert (day.cheap[0].price, day.dear[0].price) == (D("0.116"), D("0.216"))
    assert [h.price for h in day.hours] == [D("0.216") if 14 <= n < 20 else D("0.116") for n in range(24)]
    car = hourly.of_advice(PLANS["RES-EV"], None, MONDAY, ZONE)
    assert (spans(car.cheap), spans(car.dear)) == ([(0, 6), (23, 0)], [(14, 20)])


@pytest.mark.parametrize("day", [SUNDAY, date(2026, 11, 26)])  # Thanksgiving
def test_a_day_at_one_price_has_no_cheap_hours(day: date) -> None:
    told = hourly.of_advice(PLANS["RES-TOU"], None, day, ZONE)
    assert (told.cheap, told.dear) == ((), ()) and {h.price for h in told.hours} == {D("0.116")}


@pytest.mark.parametrize(("day", "length", "night"), [(date(2026, 11, 1), 25, 7), (date(2027, 3, 14), 23, 5)])
def test_a_night_in_which_the_clocks_change_is_as_long_as_it_is(day: date, length: int, night: int) -> None:
    told = hourly.of_advice(PLANS["RES-EV"], None, day, ZONE)
    assert len(told.hours) == length
    assert [hours_in([span]) for span in told.cheap] == [night, 1]  # to six in the morning, and from eleven at night
    assert spans(told.cheap) == [(0, 6), (23, 0)]


def test_half_an_hour_more_is_told_as_half_an_hour() -> None:
    zone = "Australia/Lord_Howe"
    told = hourly.of_advice(PLANS["RES-EV"], None, date(2027, 4, 4), zone)
    assert len(told.hours) == 25 and hours_in(told.hours) == 24.5
    assert [hours_in([span]) for span in told.cheap] == [6.5, 1]


@pytest.mark.parametrize("day", [MONDAY, date(2026, 11, 1), date(2027, 3, 14)])
def test_by_the_market_the_hours_on_end_that_are_cheapest_on_average(day: date) -> None:
    starts_at = periods.midnight(day, ZONE)
    count = (periods.midnight(day + timedelta(days=1), ZONE) - starts_at) // timedelta(hours=1)
    micros = np.array([50_000 + abs(n - 12) * 1000 for n in range(count)], dtype=np.int64)  # cheapest in the middle
    told = hourly.of_advice(PLANS["RES-HOUR"], rating.Prices("X", starts_at, 60, micros), day, ZONE)
    assert len(told.hours) == count
    (cheap,), (dear,) = told.cheap, told.dear
    assert cheap.starts_at == starts_at + timedelta(hours=11) and hours_in([cheap]) == 3
    assert dear.starts_at == starts_at  # the first of two that cost the same, or the dearer one
    same = hourly.of_advice(
        PLANS["RES-HOUR"], rating.Prices("X", starts_at, 60, np.full(count, 5, dtype=np.int64)), day, ZONE
    )
    assert (same.cheap, same.dear) == ((), ())


def test_the_hours_for_a_load_are_those_on_end_that_cost_least_and_most() -> None:
    day = hourly.of_advice(PLANS["RES-EV"], None, MONDAY, ZONE)
    assert spans([hourly.on_end(day.hours, -1, 3), hourly.on_end(day.hours, 1, 2)]) == [(0, 3), (14, 16)]
    assert hours_in([hourly.on_end(day.hours[:2], 1, 5)]) == 2  # never longer than there are hours
