"""Estimating what was not read: the one estimator of the house. Pure, in whole Wh, rounding half up.

In this order: a line between the neighbours where the gap is short; else the mean of the nearest days of the same kind
(working day, Saturday, Sunday or holiday), those of a like temperature counting more; else the mean of the same time of
day; else the meter's usual day, or that of its class, in the shape of its class. Where the dial says what was used over
a stretch, the estimates in it are scaled so that everything adds up to it. A read is never changed.

Methods after the interval estimation rules published for California's market (interpolation up to two hours, then
like days) and the names Oracle gives them; that the days nearest in time count and not the last three is our own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core import periods
from metering.originals import Method

Ints = NDArray[np.int64]
Codes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SHORT_MINUTES = 120
LIKE_DAYS = 4
WARM_SPAN = 20  # degrees Fahrenheit apart at which a like day counts least

# a day by the hour of the local clock, as weights: a home is low at night, rises at breakfast and is high in the
# evening; a business is busy from eight to six. Shapes of the house's own making, scaled to what is known.
HOUSEHOLD = (28, 25, 23, 22, 23, 27, 35, 43, 44, 41, 39, 39, 41, 40, 39, 41, 47, 56, 63, 65, 63, 58, 52, 46)
BUSINESS = (22, 21, 21, 21, 22, 25, 33, 46, 60, 68, 72, 74, 73, 74, 73, 71, 67, 58, 46, 38, 33, 29, 26, 23)
SHAPES = {"RESIDENTIAL": HOUSEHOLD, "BUSINESS": BUSINESS}


@dataclass(frozen=True)
class Calendar:
    """Where each interval of a stretch lies on the wall clock: day (ordinal), slot in the day by the clock, hour, and
    kind of day (0 working day, 1 Saturday, 2 Sunday or holiday)."""

    day: Ints
    slot: Ints
    hour: Ints
    kind: Ints
    per_day: int


@dataclass(frozen=True)
class Total:
    """What a dial says was used from interval `start` (in) to `end` (out)."""

    start: int
    end: int
    wh: int


@dataclass(frozen=True)
class Known:
    """What is known beside the reads: the class, its usual day (None: nobody says), the dial, the weather by day."""

    kind: str = "RESIDENTIAL"
    class_daily_wh: int | None = None
    totals: Sequence[Total] = ()
    warmth: dict[int, int] = field(default_factory=dict)  # ordinal of a day: its high in degrees Fahrenheit


def calendar(
    starts_at: datetime, count: int, minutes: int, timezone: str, holidays: frozenset[date] = frozenset()
) -> Calendar:
    """This will lay intervals on the wall clock of a zone."""
    zone, step = periods.zone(timezone), timedelta(minutes=minutes)
    day, slot, hour, kind = (np.empty(count, dtype=np.int64) for _ in range(4))
    for n in range(count):
        at = (starts_at + n * step).astimezone(zone)
        on = at.date()
        day[n], hour[n] = on.toordinal(), at.hour
        slot[n] = (at.hour * 60 + at.minute) // minutes
        kind[n] = 2 if on in holidays else max(0, on.weekday() - 4)
    return Calendar(day, slot, hour, kind, 1440 // minutes)


def estimate(wh: Ints, trusted: Mask, where: Calendar, known: Known | None = None) -> tuple[Ints, Codes]:
    """This will fill what is missing (below zero) and give the values and the method of each that was made.

    `trusted` are the reads that may serve as a pattern. Where nothing at all is known it stays missing, method NONE.
    """
    known = known or Known()
    out = np.asarray(wh, dtype=np.int64).copy()
    made = np.zeros(len(out), dtype=np.uint8)
    missing = out < 0
    pattern = np.asarray(trusted, dtype=np.bool_) & ~missing
    if not missing.any():
        return out, made
    per_day = where.per_day
    short = per_day * SHORT_MINUTES // 1440
    for start, end in runs(missing):
        if end - start <= short and start > 0 and end < len(out) and pattern[start - 1] and pattern[end]:
            out[start:end] = interpolate(int(wh[start - 1]), int(wh[end]), end - start)
            made[start:end] = Method.INTERPOLATED
    for day in np.unique(where.day[missing & (made == 0)]).tolist():
        _fill_day(out, made, np.flatnonzero((where.day == day) & missing & (made == 0)), wh, pattern, where, known)
    for total in known.totals:
        _scale(out, made, missing, total)
    return out, made


def interpolate(before: int, after: int, count: int) -> Ints:
    """This will give the values on the line between two neighbours."""
    steps = np.arange(1, count + 1, dtype=np.int64)
    return _half_up(before * (count + 1) + (after - before) * steps, count + 1)


def spread(total: int, weights: Sequence[int]) -> Ints:
    """This will share a total among intervals by weight, in whole numbers that sum to it exactly."""
    reached = np.cumsum(np.asarray(weights, dtype=object))
    if len(reached) == 0 or reached[-1] == 0:
        raise ValueError("there is nothing to spread over")
    edges = np.array([total * int(mark) // int(reached[-1]) for mark in reached], dtype=np.int64)
    shares: Ints = np.diff(edges, prepend=0)
    return shares


def by_local_hour(starts_at: datetime, hours: int, timezone: str) -> list[int]:
    """This will give the household weight of each hour from an instant on."""
    zone = periods.zone(timezone)
    return [HOUSEHOLD[(starts_at + timedelta(hours=n)).astimezone(zone).hour] for n in range(hours)]


def runs(mask: Mask) -> list[tuple[int, int]]:
    """This will give the runs of true: start (in), end (out)."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def like_days(gap_day: int, slots: Ints, wh: Ints, pattern: Mask, where: Calendar, *, same_kind: bool) -> list[Ints]:
    """This will find the nearest days that have every slot of a gap: the positions of those slots, nearest day first.

    A slot that a clock change shows twice counts once; of two days equally near the earlier comes first.
    """
    kind = int(where.kind[where.day == gap_day][0])
    usable = pattern & np.isin(where.slot, slots) & (where.day != gap_day)
    if same_kind:
        usable &= where.kind == kind
    days, counts = np.unique(where.day[usable], return_counts=True)
    wanted = len(np.unique(slots))
    days = days[counts >= wanted]
    nearest = days[np.lexsort((days, np.abs(days - gap_day)))][:LIKE_DAYS]
    out = []
    for day in nearest.tolist():
        at = np.flatnonzero(usable & (where.day == day))
        first = dict(zip(where.slot[at][::-1].tolist(), at[::-1].tolist(), strict=True))
        if len(first) == wanted:
            out.append(np.array([first[slot] for slot in slots.tolist()], dtype=np.int64))
    return out


def _fill_day(out: Ints, made: Codes, gap: Ints, wh: Ints, pattern: Mask, where: Calendar, known: Known) -> None:
    """The missing intervals of one civil day."""
    day, slots = int(where.day[gap[0]]), where.slot[gap]
    for same_kind in (True, False):
        alike = like_days(day, slots, wh, pattern, where, same_kind=same_kind)
        if alike:
            weights = [_weight(known, day, int(where.day[at[0]])) for at in alike]
            sums = sum((wh[at] * weight for at, weight in zip(alike, weights, strict=True)), np.zeros_like(gap))
            out[gap], made[gap] = _half_up(sums, sum(weights)), Method.LIKE_DAYS
            return
    for at in gap.tolist():
        same = wh[pattern & (where.slot == where.slot[at])]
        if len(same):
            out[at], made[at] = _half_up(same.sum(), len(same)), Method.OWN_HOUR
    rest = gap[made[gap] == 0]
    if not len(rest):
        return
    shape = np.asarray(SHAPES.get(known.kind, HOUSEHOLD), dtype=np.int64)
    own = wh[pattern]
    if len(own):
        # the known hours say how large a day of this shape is
        seen = 24 * int(shape[where.hour[pattern]].sum())
        daily, method = _half_up(own.sum() * shape.sum() * where.per_day, seen), Method.PROFILE
    elif known.class_daily_wh is not None:
        daily, method = np.array(known.class_daily_wh, dtype=np.int64), Method.CLASS_PROFILE
    else:
        return
    out[rest] = _half_up(daily * shape[where.hour[rest]] * 24, int(shape.sum()) * where.per_day)
    made[rest] = method


def _weight(known: Known, day: int, like: int) -> int:
    """1 where the weather of either is not known; else 1 to WARM_SPAN + 1, the nearer in temperature the more."""
    if day not in known.warmth or like not in known.warmth:
        return 1
    return 1 + max(0, WARM_SPAN - abs(known.warmth[day] - known.warmth[like]))


def _scale(out: Ints, made: Codes, missing: Mask, total: Total) -> None:
    """What the dial leaves over is shared among the gaps inside its stretch, in the shape they were given."""
    inside = np.zeros(len(out), dtype=bool)
    inside[max(total.start, 0) : total.end] = True
    gaps = inside & missing
    if total.start < 0 or total.end > len(out) or not gaps.any() or (out[inside] < 0).any():
        return
    left = total.wh - int(out[inside & ~missing].sum())
    if left < 0:
        return  # the reads alone are more than the dial says: that is for a person, not for an estimate
    weights = out[gaps].tolist()
    out[gaps] = spread(left, weights if any(weights) else [1] * len(weights))
    made[gaps] = Method.DIAL


def _half_up(numerator: Ints | np.int64, denominator: int) -> Ints:
    return np.asarray((2 * numerator + denominator) // (2 * denominator), dtype=np.int64)
