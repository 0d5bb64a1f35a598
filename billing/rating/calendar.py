"""Which day, month and hour each interval falls on in a zone, and which days are holidays.

Daylight saving lives only here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from billing.rating import terms
from core import errors, periods

_FEW = 64


@dataclass(frozen=True)
class Grid:
    """For each interval, by the local clock at its start: day (proleptic ordinal), month (0-11), hour,
    weekend or not.
    """

    day: NDArray[np.int32]
    month: NDArray[np.int8]
    hour: NDArray[np.int8]
    weekend: NDArray[np.bool_]


@lru_cache(maxsize=_FEW)
def grid(starts_at: datetime, interval_minutes: int, count: int, timezone: str) -> Grid:
    """This will lay the local calendar over `count` intervals."""
    zone = periods.zone(timezone)
    starts_at = periods.aware(starts_at)
    step = timedelta(minutes=interval_minutes)
    clock = [(starts_at + n * step).astimezone(zone) for n in range(count)]
    day = np.array([c.toordinal() for c in clock], dtype=np.int32)
    return Grid(
        day=day,
        month=np.array([c.month - 1 for c in clock], dtype=np.int8),
        hour=np.array([c.hour for c in clock], dtype=np.int8),
        weekend=(day + 6) % 7 >= 5,  # ordinal 1 was a Monday
    )


def period_index(
    laid: Grid, weekday: terms.Schedule, weekend: terms.Schedule, holidays: terms.Holidays
) -> NDArray[np.int64]:
    """This will give the period each interval belongs to, by the two 12 x 24 schedules; holidays go by the
    weekend's.
    """
    if len(laid.day) == 0:
        return np.zeros(0, dtype=np.int64)
    off = laid.weekend
    if holidays.names or holidays.dates:
        years = range(date.fromordinal(int(laid.day[0])).year, date.fromordinal(int(laid.day[-1])).year + 1)
        off = off | np.isin(laid.day, [d.toordinal() for y in years for d in holidays_of(holidays, y)])
    chosen = np.where(off, np.asarray(weekend)[laid.month, laid.hour], np.asarray(weekday)[laid.month, laid.hour])
    return chosen.astype(np.int64)


@lru_cache(maxsize=_FEW)
def holidays_of(holidays: terms.Holidays, year: int) -> frozenset[date]:
    """This will give the days of a year that are holidays by a plan's list; Invalid for a name it does not
    know.
    """
    days = {day for day in holidays.dates if day.year == year}
    for name in holidays.names:
        rule = NAMED.get(name)
        if rule is None:
            raise errors.Invalid("rating.terms", reason=f"the holiday {name!r} is not known", where="holidays")
        # New Year's Day of the next year may be kept on 31 December of this one
        days |= {kept for y in (year, year + 1) if (kept := _kept(rule(y), holidays.observance)).year == year}
    return frozenset(days)


def _kept(day: date, observance: terms.Observance) -> date:
    if day.weekday() == 6 and observance != "ACTUAL":
        return day + timedelta(days=1)
    if day.weekday() == 5 and observance == "NEAREST_WEEKDAY":
        return day - timedelta(days=1)
    return day


def _fixed(month: int, day: int) -> Callable[[int], date]:
    return lambda year: date(year, month, day)


def _nth(month: int, weekday: int, n: int, plus: int = 0) -> Callable[[int], date]:
    """The n-th such weekday of a month; n = -1 is the last."""

    def find(year: int) -> date:
        if n > 0:
            first = date(year, month, 1)
            found = first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))
        else:
            last = periods.add_months(date(year, month, 1), 1) - timedelta(days=1)
            found = last - timedelta(days=(last.weekday() - weekday) % 7)
        return found + timedelta(days=plus)

    return find


def _easter(plus: int) -> Callable[[int], date]:
    """Days from Easter Sunday (Gregorian computus, Meeus/Jones/Butcher)."""

    def find(year: int) -> date:
        a, b, c = year % 19, year // 100, year % 100
        h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
        i = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
        m = (a + 11 * h + 22 * i) // 451
        month, day = divmod(h + i - 7 * m + 114, 31)
        return date(year, month, day + 1) + timedelta(days=plus)

    return find


NAMED: dict[str, Callable[[int], date]] = {
    "NEW_YEARS_DAY": _fixed(1, 1),
    "MARTIN_LUTHER_KING_DAY": _nth(1, 0, 3),
    "PRESIDENTS_DAY": _nth(2, 0, 3),
    "GOOD_FRIDAY": _easter(-2),
    "EASTER_MONDAY": _easter(1),
    "MEMORIAL_DAY": _nth(5, 0, -1),
    "JUNETEENTH": _fixed(6, 19),
    "INDEPENDENCE_DAY": _fixed(7, 4),
    "LABOR_DAY": _nth(9, 0, 1),
    "COLUMBUS_DAY": _nth(10, 0, 2),
    "VETERANS_DAY": _fixed(11, 11),
    "THANKSGIVING": _nth(11, 3, 4),
    "DAY_AFTER_THANKSGIVING": _nth(11, 3, 4, plus=1),
    "CHRISTMAS_EVE": _fixed(12, 24),
    "CHRISTMAS_DAY": _fixed(12, 25),
    "BOXING_DAY": _fixed(12, 26),
}
