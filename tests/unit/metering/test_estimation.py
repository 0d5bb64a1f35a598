"""Estimates against sums worked by hand."""

from datetime import UTC, date, datetime, timedelta

import numpy as np

from core import periods
from metering import estimation
from metering.estimation import Known, Total
from metering.originals import Method

ZONE = "America/New_York"
MONDAY = date(2026, 9, 7)  # Labor Day, a holiday


def weeks(count=3, hourly=None):
    """Whole local days from a Monday: each hour the number of its day x 10 + its hour, or `hourly`."""
    start = periods.midnight(MONDAY, ZONE)
    where = estimation.calendar(start, count * 168, 60, ZONE, frozenset({MONDAY}))
    wh = (where.day - where.day[0]) * 100 + where.hour if hourly is None else np.full(count * 168, hourly)
    return np.asarray(wh, dtype=np.int64), where


def test_a_short_gap_is_a_line_between_its_neighbours():
    assert estimation.interpolate(100, 400, 2).tolist() == [200, 300]
    assert estimation.interpolate(100, 101, 1).tolist() == [101]  # 100.5, half up
    assert estimation.interpolate(10, 0, 3).tolist() == [8, 5, 3]  # 7.5, 5, 2.5
    wh, where = weeks(hourly=100)
    wh[50:52], wh[52] = -1, 400
    out, made = estimation.estimate(wh, wh >= 0, where)
    assert out[50:52].tolist() == [200, 300] and made[50:52].tolist() == [Method.INTERPOLATED] * 2
    assert made.sum() == 2 * Method.INTERPOLATED  # and nothing else was touched
    quarter = np.full(96 * 14, 25)
    quarter[700:708] = -1  # two hours are eight quarters
    at = estimation.calendar(datetime(2026, 9, 7, 4, tzinfo=UTC), len(quarter), 15, ZONE)
    assert estimation.estimate(quarter, quarter >= 0, at)[1][700] == Method.INTERPOLATED
    quarter[700:709] = -1
    assert estimation.estimate(quarter, quarter >= 0, at)[1][700] == Method.LIKE_DAYS


def test_a_neighbour_that_is_not_trusted_is_no_end_of_a_line():
    wh, where = weeks(hourly=100)
    wh[50], wh[51] = -1, 90_000
    out, made = estimation.estimate(wh, (wh >= 0) & (wh < 50_000), where)
    assert (out[50], made[50]) == (100, Method.LIKE_DAYS)


def test_a_longer_gap_is_the_mean_of_the_nearest_days_of_its_kind():
    wh, where = weeks()
    gap = slice(24 * 9 + 8, 24 * 9 + 12)  # Wednesday of the second week, 8 to 12
    wh[gap] = -1
    out, made = estimation.estimate(wh, wh >= 0, where)
    # nearest working days of day 9: 8 and 10, then 11 and (7 before 11's equal is 12) 7: (7 + 8 + 10 + 11) / 4 = 9
    assert out[gap].tolist() == [908, 909, 910, 911] and set(made[gap].tolist()) == {Method.LIKE_DAYS}
    sunday = slice(24 * 13, 24 * 14)
    wh[sunday] = -1
    out, _ = estimation.estimate(wh, wh >= 0, where)
    # Sundays and the holiday: days 6, 20 and 0, so (0 + 6 + 20) / 3 = 8.67 x 100 and the hour, half up
    assert out[sunday][:3].tolist() == [867, 868, 869]


def test_days_of_a_like_temperature_count_more():
    wh, where = weeks()
    gap = slice(24 * 9, 24 * 10)
    wh[gap] = -1
    first = int(where.day[0])
    warmth = {first + 9: 80, first + 7: 80, first + 8: 60, first + 10: 60, first + 11: 75}
    out, _ = estimation.estimate(wh, wh >= 0, where, Known(warmth=warmth))
    # weights 21, 1, 1, 16 of days 7, 8, 10, 11: (147 + 8 + 10 + 176) / 39 = 8.7436 x 100, and the hour
    assert out[gap][:2].tolist() == [874, 875]


def test_the_dial_says_how_much_and_like_days_in_what_shape():
    wh, where = weeks(hourly=100)
    wh[24 * 9 : 24 * 10] = -1
    wh[24 * 8 + 1] = 300
    total = Total(24 * 8, 24 * 11, 300 + 47 * 100 + 3605)  # 3605 are left over for the day
    out, made = estimation.estimate(wh, wh >= 0, where, Known(totals=(total,)))
    assert out[24 * 8 : 24 * 11].sum() == total.wh and out[24 * 9 : 24 * 10].sum() == 3605
    assert set(made[24 * 9 : 24 * 10].tolist()) == {Method.DIAL}
    less = Total(24 * 8, 24 * 11, 4000)  # the reads alone are more: like days stand, a person has to look
    assert estimation.estimate(wh, wh >= 0, where, Known(totals=(less,)))[1][24 * 9] == Method.LIKE_DAYS
    outside = Total(-5, 24 * 11, 10**6)
    assert estimation.estimate(wh, wh >= 0, where, Known(totals=(outside,)))[1][24 * 9] == Method.LIKE_DAYS


def test_without_like_days_the_same_hour_then_the_shape_of_the_class():
    wh, where = weeks(1)
    wh[:] = -1
    wh[30:36] = 430  # hours 6 to 11 of the Tuesday
    wh[60:66] = -1
    out, made = estimation.estimate(wh, wh >= 0, where)
    assert (out[24 * 2 + 7], made[24 * 2 + 7]) == (430, Method.OWN_HOUR)
    # weights of 6 to 11: 35+43+44+41+39+39 = 241; 2580 Wh for 241 of 1000 parts; hour 18 has 63
    # a day of 2580 x 1000 / 241 = 10,705.4, so 10,705 x 63 / 1000 = 674.4
    assert (out[24 * 2 + 18], made[24 * 2 + 18]) == (674, Method.PROFILE)


def test_where_nothing_is_known_the_class_says_or_nobody():
    _, where = weeks(1)
    nothing = np.full(168, -1)
    out, made = estimation.estimate(nothing, nothing >= 0, where)
    assert (out == -1).all() and not made.any()
    out, made = estimation.estimate(nothing, nothing >= 0, where, Known(class_daily_wh=29_500))
    # hour 0 has 28 parts of 1000: 29,500 x 28 / 1000 = 826
    assert out[0] == 826 and set(made.tolist()) == {Method.CLASS_PROFILE}
    assert abs(int(out[:24].sum()) - 29_500) <= 12
    shop, _ = estimation.estimate(nothing, nothing >= 0, where, Known("BUSINESS", 29_500))
    assert shop[12] > shop[20] and out[12] < out[20]


def test_the_clocks_change_and_the_hours_stay_in_their_place():
    start = periods.midnight(date(2026, 10, 26), ZONE)
    hours = int((periods.midnight(date(2026, 11, 9), ZONE) - start) / timedelta(hours=1))
    where = estimation.calendar(start, hours, 60, ZONE)
    wh = where.hour * 10
    gap = where.day == date(2026, 11, 1).toordinal()  # the Sunday of 25 hours
    assert gap.sum() == 25
    gappy = np.where(gap, -1, wh)
    out, _ = estimation.estimate(gappy, gappy >= 0, where)
    assert out[gap].tolist() == wh[gap].tolist()  # the doubled hour is estimated twice alike
    spring = estimation.calendar(periods.midnight(date(2027, 3, 14), ZONE), 23, 60, ZONE)
    assert 2 not in spring.hour.tolist() and len(set(spring.day.tolist())) == 1


def test_a_read_is_never_changed():
    rng = np.random.default_rng(3)
    wh, where = weeks(4)
    wh = np.where(rng.random(len(wh)) < 0.3, -1, rng.integers(0, 4000, len(wh)))
    out, made = estimation.estimate(wh, wh >= 0, where, Known(class_daily_wh=1000))
    assert (out[wh >= 0] == wh[wh >= 0]).all() and (made[wh >= 0] == 0).all()
    assert (out >= 0).all() and (made[wh < 0] > 0).all()
