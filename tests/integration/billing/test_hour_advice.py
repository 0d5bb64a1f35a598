"""When power is cheap, and what moving use is worth, each cent with its sum beside it.

RES-TOU: 11.00 a month; 0.186 a kWh on working days from 2 to 8 pm, else 0.086; fuel 0.0268, efficiency 0.0032; taxes
5.9 % and 2 %. November 2026 has 721 hours and twenty working days without Thanksgiving: 120 dear hours.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D

from billing import operations as billing
from billing import queries
from core import periods
from tests.integration.billing.conftest import NOW, TODAY, ZONE
from tests.integration.billing.test_index import load


def advice(session, house, now=NOW):
    return queries.hour_advice(session, account_id=house.account_id, now=now)


def test_a_load_is_worth_the_difference_of_two_bills(session, make_house):
    found = advice(session, make_house(tariff="RES-TOU"))
    assert [day.day for day in found.days] == [TODAY, date(2026, 11, 24)]
    assert (found.by_index, found.saving_on) == (False, TODAY)
    dishes, car = found.savings
    assert [periods.local(at, ZONE).hour for at in (dishes.cheap.starts_at, dishes.dear.starts_at)] == [0, 14]
    assert (car.cheap.ends_at - car.cheap.starts_at, car.kwh) == (timedelta(hours=3), D(20))
    # 1.2 kWh: dear (121.2 x 0.186 = 22.54) + (601 x 0.086 = 51.69) = 74.23; cheap 22.32 + (602.2 x 0.086 = 51.79)
    # = 74.11. With 11.00 and riders 19.35 + 2.31: 106.89, taxes 6.31 + 2.14, against 106.77, taxes 6.30 + 2.14
    assert (dishes.code, dishes.saving) == ("dishwasher", D("0.13"))
    # 20 kWh: dear (140 x 0.186 = 26.04) + 51.69; cheap 22.32 + (621 x 0.086 = 53.41); with 11.00 and riders
    # 19.86 + 2.37: 110.96, taxes 6.55 + 2.22, against 108.96, taxes 6.43 + 2.18
    assert (car.code, car.saving) == ("car", D("2.16"))


def test_what_a_share_of_the_dear_hours_would_have_saved_in_the_cheap_ones(session, make_house):
    shift = advice(session, make_house(tariff="RES-TOU")).shift
    # 26 October to 22 November: 28 days, an hour more when the clocks go back, twenty working days of six dear hours
    assert (shift.days, shift.dear_kwh, shift.dear_share) == (28, D(120), D("0.18"))  # 120 of 673 kWh
    # 30 % of it are 36 kWh. As it was: 22.32 + 47.56, fixed 11.00 x (6/31 + 22/30) = 10.20, riders 18.04 + 2.15 =
    # 100.27, taxes 5.92 + 2.01. Moved: (84 x 0.186 = 15.62) + (589 x 0.086 = 50.65) = 96.66 in all, taxes 5.70 + 1.93
    assert (shift.share, shift.saving) == (D("0.30"), D("108.20") - D("104.29"))
    evening = make_house(tariff="RES-TOU", hourly_wh=lambda day, hour: 3000 if 14 <= hour < 20 else 100)
    assert advice(session, evening).shift.saving == D("11.66")  # three times as much use then
    early = make_house(tariff="RES-TOU", hourly_wh=lambda day, hour: 0 if 14 <= hour < 20 else 1000)
    assert advice(session, early).shift is None  # nothing to move, though the loads still have their hours
    assert advice(session, early).savings


def test_who_pays_one_price_at_every_hour_is_told_nothing(session, make_house):
    for plan in ("RES-FLAT", "RES-TIER"):
        assert advice(session, make_house(tariff=plan)) is None


def test_on_a_day_at_one_price_the_next_one_counts(session, make_house):
    house = make_house(tariff="RES-TOU")
    sunday = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
    found = advice(session, house, now=sunday)
    assert [bool(day.cheap) for day in found.days] == [False, True]
    assert found.saving_on == TODAY and len(found.savings) == 2
    saturday = advice(session, house, now=sunday - timedelta(days=1))
    assert [bool(day.cheap) for day in saturday.days] == [False, False]
    assert (saturday.saving_on, saturday.savings) == (None, ()) and saturday.shift is not None


def test_a_new_home_is_told_the_hours_and_not_yet_what_they_are_worth(session, make_house):
    found = advice(session, make_house(tariff="RES-TOU", starts_on=TODAY, reads_to=TODAY + timedelta(days=1)))
    assert [bool(day.cheap) for day in found.days] == [True, True]
    assert (found.savings, found.shift) == ((), None)


def test_below_the_minimum_a_load_saves_nothing_and_is_not_named(session, make_house):
    # 7 kWh a month: the dishwasher leaves it below the 15.00 that are due in any case. The car in dear hours, 3.94 +
    # 0.52 + 11.00 = 15.46, riders 0.73 + 0.09, taxes 0.96 + 0.33, goes beyond; in cheap ones it is 15.00, 0.93 + 0.32
    small = advice(session, make_house(tariff="RES-TOU", hourly_wh=10))
    assert [(load.code, load.saving) for load in small.savings] == [("car", D("0.50"))]


def test_a_plan_chosen_for_tomorrow_counts_from_tomorrow(session, make_house):
    house = make_house()
    tomorrow = TODAY + timedelta(days=1)
    billing.switch_tariff(
        session, account_id=house.account_id, tariff_code="RES-TOU", starts_on=tomorrow, key="s", now=NOW
    )
    found = advice(session, house)
    assert [day.day for day in found.days] == [tomorrow]
    assert found.saving_on == tomorrow and found.savings[1].saving == D("2.16")


def test_by_the_market_what_is_not_published_is_not_told(session, make_house):
    house = make_house(tariff="RES-HOUR")
    nothing = advice(session, house)
    assert (nothing.by_index, nothing.days, nothing.savings, nothing.shift) == (True, (), (), None)
    load(session, periods.Days(TODAY, TODAY + timedelta(days=1)))
    today = advice(session, house)
    assert [day.day for day in today.days] == [TODAY] and today.saving_on == TODAY
    # 20 kWh at midnight, 1 and 2 o'clock, or at 9, 10 and 11 at night: 21 x 4.31 apart per MWh, times 1.04, taxes
    assert abs(today.savings[1].saving - D("20") * D("0.09051") * D("1.04") * D("1.079")) <= D("0.02")
    assert today.shift is None  # the weeks before have no prices
    load(session, periods.Days(date(2026, 10, 26), TODAY))
    load(session, periods.Days(TODAY + timedelta(days=1), TODAY + timedelta(days=2)))
    whole = advice(session, house)
    assert len(whole.days) == 2
    assert (whole.shift.days, whole.shift.dear_share) == (28, D("0.12"))  # 28 x 3 of 673 hours
    assert whole.shift.saving > 0


def test_the_night_the_clocks_go_back_has_its_hour_more(session, make_house):
    house = make_house(tariff="RES-EV", reads_to=date(2026, 10, 31))
    found = advice(session, house, now=datetime(2026, 10, 31, 15, 0, tzinfo=UTC))
    assert [len(day.hours) for day in found.days] == [24, 25]
    assert [(s.ends_at - s.starts_at) // timedelta(hours=1) for s in found.days[1].cheap] == [7, 1]
