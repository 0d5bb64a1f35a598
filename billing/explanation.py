"""Why one bill differs from another. Pure: two priced periods in, reasons out that add up to the difference.

The part that goes by use is priced again with one thing changed at a time, on the earlier period's own terms: first its
length, then the use; what then remains is price. Fixed charges and taxes are set side by side as printed.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from billing import daily, rating
from billing.rating import terms
from core import periods

Ints = NDArray[np.int64]
KINDS = ("DAYS", "USAGE", "RATE", "FIXED", "TAX", "EXPORT")
_BY_USE: tuple[terms.Component, ...] = ("energy", "demand", "rider", "credit", "minimum")


@dataclass(frozen=True)
class Side:
    """One of the two bills: its days, its terms, its use, and the cents printed on it by component.

    `prices` are those of the hours, where its last plan goes by them, from its first day on and as far as the other
    bill is long.
    """

    days: periods.Days
    segments: tuple[rating.Segment, ...]
    usage: rating.Usage
    printed: Mapping[str, int]
    prices: tuple[rating.Prices, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.printed.values())

    def by_use(self) -> int:
        return sum(self.printed.get(c, 0) for c in _BY_USE)


def drivers(now: Side, before: Side) -> dict[str, int]:
    """This will give cents per reason (DAYS, USAGE, RATE, FIXED, TAX; EXPORT where a plan pays for energy sent out).

    They add up to now.total - before.total.
    """
    fixed = now.printed.get("fixed", 0) - before.printed.get("fixed", 0)
    tax = now.printed.get("tax", 0) - before.printed.get("tax", 0)
    plan = frozen(before.segments[-1].plan, before.days)
    then = _rows(before)
    longer = stretch(then, len(now.days))
    today = align(_rows(now), now.days, before.days)
    same_length = periods.Days(before.days.starts_on, before.days.starts_on + timedelta(days=len(now.days)))
    cost_then = _price(plan, then, before.days, before)
    cost_longer = _price(plan, longer, same_length, before)
    cost_today = _price(plan, today, same_length, before)
    days = cost_longer - cost_then
    usage = cost_today - cost_longer
    rate = now.by_use() - before.by_use() - days - usage
    reasons = {"DAYS": days, "USAGE": usage, "RATE": rate, "FIXED": fixed, "TAX": tax}
    if any(s.plan.export.pays for side in (now, before) for s in side.segments):
        sent = _sent(now) - _sent(before)
        reasons |= {"RATE": rate - sent, "EXPORT": sent}
    return reasons


def _sent(side: Side) -> int:
    """What energy sent out, and what was carried, changed: the bill as printed less what use alone would have cost."""
    alone = frozen(side.segments[-1].plan, side.days)
    return side.by_use() - _price(alone, _rows(side), side.days, side)


def frozen(plan: rating.Plan, days: periods.Days) -> rating.Plan:
    """This will give a plan with the riders and without the taxes of a period's last day, in force for ever.

    It knows neither export nor a year's minimum: those do not go by the use of the period.
    """
    last = days.ends_on - timedelta(days=1)
    riders = tuple(
        dataclasses.replace(r, starts_on=None, ends_on=None)
        for r in plan.riders
        if (r.starts_on is None or r.starts_on <= last) and (r.ends_on is None or last < r.ends_on)
    )
    return dataclasses.replace(plan, riders=riders, taxes=(), export=terms.Export(), minimum_annual=Decimal(0))


def stretch(rows: Sequence[Ints], count: int) -> list[Ints]:
    """This will give `count` days like those given: the same average, weekday after weekday."""
    total = sum(int(row.sum()) for row in rows)
    out = [rows[i if i < len(rows) else i - 7 * (1 + (i - len(rows)) // 7)] for i in range(count)]
    return _scaled(out, round(total * count / len(rows)))


def align(rows: Sequence[Ints], own: periods.Days, onto: periods.Days) -> list[Ints]:
    """This will turn a period's days so that its weekdays meet those of another; nothing is lost."""
    shift = (onto.starts_on.weekday() - own.starts_on.weekday()) % 7
    return [rows[(i + shift) % len(rows)] for i in range(len(rows))]


def _rows(side: Side) -> list[Ints]:
    laid = daily.lay(side.usage, side.days)
    return [laid.wh[laid.day == i] for i in range(len(side.days))]


def _scaled(rows: list[Ints], target: int) -> list[Ints]:
    flat = np.concatenate(rows)
    total = int(flat.sum())
    if total == 0 or total == target:
        return rows
    scaled = flat * target // total
    scaled[int(np.argmax(scaled))] += target - int(scaled.sum())
    return list(np.split(scaled, np.cumsum([len(row) for row in rows])[:-1]))


def _price(plan: rating.Plan, rows: Sequence[Ints], days: periods.Days, side: Side) -> int:
    """Cents of what goes by use, when these days' use falls on other days (an hour more or less is made up for)."""
    used = side.usage
    step = timedelta(minutes=used.interval_minutes)
    out = []
    for row, day in zip(rows, days, strict=True):
        wanted = int(
            (periods.midnight(day + timedelta(days=1), used.timezone) - periods.midnight(day, used.timezone)) / step
        )
        out.append(_fit(row, wanted))
    wh = np.concatenate(out)[None, :]
    priced = rating.rate(
        plan,
        rating.Usage(periods.midnight(days.starts_on, used.timezone), used.interval_minutes, used.timezone, wh),
        days,
        history=_none(plan, days),
        prices=side.prices,
    )
    return int(priced.sum_cents(*_BY_USE)[0])


def _fit(row: Ints, wanted: int) -> Ints:
    if len(row) == wanted:
        return row
    if len(row) < wanted:
        return np.concatenate([row, np.zeros(wanted - len(row), dtype=np.int64)])
    kept = row[:wanted].copy()
    kept[-1] += int(row[wanted:].sum())
    return kept


def _none(plan: rating.Plan, days: periods.Days) -> rating.History | None:
    if plan.demand is None or plan.demand.ratchet is None:
        return None
    first = days.starts_on.replace(day=1)
    months = [periods.add_months(first, -k) for k in range(plan.demand.ratchet.months, 0, -1)]
    return rating.History(tuple((m.year, m.month) for m in months), np.zeros((1, len(months)), dtype=np.int64))
