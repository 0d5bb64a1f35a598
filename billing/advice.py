"""What an account could do to pay less, by its own reads. Pure: each tip is a changed year, priced by the caller.

A tip says what would change in the use; what that saves is found by the same engine as the bill, never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from billing import rating
from billing.rating import calendar

Ints = NDArray[np.int64]

SHIFT_SHARE = Decimal("0.30")  # of the use in the dear hours that a household can move
BASE_CUT = Decimal("0.25")  # of what runs all night
TRIM = Decimal("0.05")  # a twentieth of all use, for those at the dear end of their steps
_NIGHT = (1, 2, 3, 4)
BASE_FLOOR_WATTS = 150  # below this the night is as quiet as it gets
WEEKEND_RATIO = Decimal("1.35")


@dataclass(frozen=True)
class Change:
    """One changed year: a code, the use of each month afterwards, and what a sentence about it wants to know."""

    code: str
    usages: tuple[rating.Usage, ...]
    data: dict[str, str]


def changes(plan: rating.Plan, usages: Sequence[rating.Usage]) -> tuple[Change, ...]:
    """This will give the changes worth pricing for an account on a plan, from twelve months of its own reads."""
    found = (shift_peak(plan, usages), _night_base(usages), _tier_overrun(plan, usages), _weekend(usages))
    return tuple(change for change in found if change is not None)


def shift(wh: Ints, dear: Ints, cheap: Ints) -> int:
    """This will move SHIFT_SHARE of the use of some intervals evenly to others, in place; gives the Wh moved."""
    take = wh[dear] * int(SHIFT_SHARE * 100) // 100
    moved = int(take.sum())
    wh[dear] -= take
    wh[cheap] += _even(moved, len(cheap))
    return moved


def shift_peak(plan: rating.Plan, usages: Sequence[rating.Usage]) -> Change | None:
    """This will move part of the use in each day's dearest hours to its cheapest ones."""
    prices = [max(t.price for t in period.tiers) for period in plan.energy]
    if len(set(prices)) < 2:
        return None
    out = []
    moved = peak = 0
    for used in usages:
        wh, period, day = _laid(plan, used)
        cost = np.array([int(p * 1_000_000) for p in prices], dtype=np.int64)[period]
        after = wh.copy()
        for d in np.unique(day):
            here = np.flatnonzero(day == d)
            dear, cheap = here[cost[here] == cost[here].max()], here[cost[here] == cost[here].min()]
            if cost[dear[0]] == cost[cheap[0]]:
                continue
            peak += int(wh[dear].sum())
            moved += shift(after, dear, cheap)
        out.append(_with(used, after))
    if not moved:
        return None
    total = sum(int(u.wh.sum()) for u in usages)
    data = {"peak_share": _share(peak, total), "moved_kwh": _kwh(moved), "share": str(SHIFT_SHARE)}
    return Change("shift_peak", tuple(out), data)


def _night_base(usages: Sequence[rating.Usage]) -> Change | None:
    """Cut part of what runs all night, every hour of the year."""
    night: list[int] = []
    for used in usages:
        grid = _grid(used)
        night += used.wh[0][np.isin(grid.hour, _NIGHT)].tolist()
    if not night:
        return None
    step = usages[0].interval_minutes
    base = int(np.percentile(np.array(night), 25))
    watts = base * 60 // step
    if watts < BASE_FLOOR_WATTS:
        return None
    cut = base * int(BASE_CUT * 100) // 100
    out = tuple(_with(used, np.maximum(used.wh[0] - cut, 0)) for used in usages)
    saved = sum(int(u.wh.sum()) for u in usages) - sum(int(u.wh.sum()) for u in out)
    return Change("night_base", out, {"watts": str(watts), "cut_watts": str(cut * 60 // step), "kwh": _kwh(saved)})


def _tier_overrun(plan: rating.Plan, usages: Sequence[rating.Usage]) -> Change | None:
    """Use a twentieth less, where part of the use falls on the dear step."""
    tops = [t.limit for period in plan.energy for t in period.tiers if t.limit is not None and t.unit == "KWH"]
    if not tops:
        return None
    first = min(tops)
    over = [used for used in usages if Decimal(int(used.wh.sum())) / used.per_kwh > first]
    if not over:
        return None
    keep = 100 - int(TRIM * 100)
    out = tuple(_with(used, used.wh[0] * keep // 100) for used in usages)
    excess = sum(int(u.wh.sum()) - int(first * u.per_kwh) for u in over)
    data = {"limit_kwh": str(first), "months_over": str(len(over)), "over_kwh": _kwh(excess), "trim": str(TRIM)}
    return Change("tier_overrun", out, data)


def _weekend(usages: Sequence[rating.Usage]) -> Change | None:
    """Bring weekend days halfway down to what a weekday uses, where they use much more."""
    week = [0, 0]
    days = [0, 0]
    for used in usages:
        grid = _grid(used)
        for kind in (0, 1):
            mask = grid.weekend == bool(kind)
            week[kind] += int(used.wh[0][mask].sum())
            days[kind] += len(np.unique(grid.day[mask]))
    if 0 in days or not week[0]:
        return None
    ratio = Decimal(week[1]) / days[1] / (Decimal(week[0]) / days[0])
    if ratio < WEEKEND_RATIO:
        return None
    keep = int((1 + 1 / ratio) / 2 * 1000)
    out = []
    for used in usages:
        after = used.wh[0].copy()
        mask = _grid(used).weekend
        after[mask] = after[mask] * keep // 1000
        out.append(_with(used, after))
    return Change("weekend", tuple(out), {"more": str((ratio - 1).quantize(Decimal("0.01")))})


def _laid(plan: rating.Plan, used: rating.Usage) -> tuple[Ints, Ints, Ints]:
    grid = _grid(used)
    index = calendar.period_index(grid, plan.weekday, plan.weekend, plan.holidays)
    return used.wh[0], index, grid.day.astype(np.int64)


def _grid(used: rating.Usage) -> calendar.Grid:
    return calendar.grid(used.starts_at, used.interval_minutes, used.wh.shape[1], used.timezone)


def _with(used: rating.Usage, wh: Ints) -> rating.Usage:
    return rating.Usage(used.starts_at, used.interval_minutes, used.timezone, wh[None, :], None, used.per_kwh)


def _even(total: int, count: int) -> Ints:
    out = np.full(count, total // count, dtype=np.int64)
    out[: total % count] += 1
    return out


def _share(part: int, whole: int) -> str:
    return str((Decimal(part) / whole).quantize(Decimal("0.01"))) if whole else "0"


def _kwh(wh: int) -> str:
    return str((Decimal(wh) / 1000).quantize(Decimal(1)))
