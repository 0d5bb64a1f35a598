"""One segment of a bill period, set out for pricing: its days, its reads on the local calendar, its share of
a month.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from billing.rating import calendar, exact, terms, usage
from core import periods

Ints = NDArray[np.int64]
Pieces = tuple[periods.Days, ...]


@dataclass(frozen=True)
class Scene:
    plan: terms.Plan
    days: periods.Days
    whole: periods.Days
    grid: calendar.Grid
    starts_at: datetime
    wh: Ints
    export_wh: Ints | None
    interval_minutes: int
    per_kwh: int
    settles: bool = False

    @property
    def n(self) -> int:
        return len(self.wh)

    @cached_property
    def used(self) -> Ints:
        """What everybody used, in grains of a kWh: [n]."""
        return np.asarray(self.wh.sum(axis=1), dtype=np.int64)

    @property
    def split(self) -> bool:
        """Whether the bill period has other segments beside this one."""
        return self.days != self.whole

    @property
    def pieces(self) -> Pieces:
        """The segment cut at the ends of calendar months."""
        return by_month(self.days)

    def factor(self, what: terms.Prorated, pieces: Pieces) -> Fraction:
        """This will give what the days count for: months where the plan prorates this charge, else a share of
        the bill.
        """
        plan, whole = self.plan, len(self.whole)
        window = plan.proration_window
        days = sum(len(piece) for piece in pieces)
        as_whole = window is not None and window[0] <= whole <= window[1]
        if what not in plan.prorates or plan.proration == "NONE" or as_whole:
            return Fraction(days, whole)
        if plan.proration == "DAYS_30":
            return Fraction(days, 30)
        if plan.proration == "DAYS_365_12":
            return Fraction(days * 12, 365)
        return sum((Fraction(len(piece), len(periods.month_of(piece.starts_on))) for piece in pieces), Fraction(0))

    def between(self, days: periods.Days) -> slice:
        """This will give the intervals that fall on some days of the segment."""
        ends = [days.starts_on.toordinal(), days.ends_on.toordinal()]
        first, last = np.searchsorted(self.grid.day, ends)
        return slice(int(first), int(last))

    def column(
        self,
        component: terms.Component,
        code: str,
        description: str,
        unit: str,
        price: Decimal,
        quantity: Ints | int,
        scale: int,
        *,
        share: Fraction = Fraction(1),
        present: NDArray[np.bool_] | None = None,
        days: periods.Days | None = None,
        args: Mapping[str, str] | None = None,
    ) -> usage.Column:
        """This will price a line for everybody; quantity/scale x price x share, rounded once."""
        amounts = np.broadcast_to(np.asarray(quantity, dtype=np.int64), (self.n,))
        dates = days if days is not None else self.days if self.split else None
        said = dict(args or {})
        if dates is not None:
            said |= {"from": dates.starts_on.isoformat(), "to": dates.ends_on.isoformat()}
            description = f"{description} ({dates.starts_on} to {dates.ends_on - timedelta(days=1)})"
        # a percentage stands on cents of the base, so its hundredth is in the scale
        return usage.Column(
            component=component,
            code=code,
            description=description,
            unit=unit,
            unit_price=price if share == 1 or unit == "%" else shown(Fraction(price) * share),
            quantity=amounts,
            scale=scale,
            cents=exact.cents(amounts, scale * (100 if unit == "%" else 1), price, share, self.plan.rounding),
            present=(amounts != 0) & (price != 0) if present is None else present,
            args=said,
        )


def by_month(days: periods.Days) -> Pieces:
    """This will cut days at the ends of calendar months."""
    pieces: list[periods.Days] = []
    start = days.starts_on
    while start < days.ends_on:
        end = min(periods.month_of(start).ends_on, days.ends_on)
        pieces.append(periods.Days(start, end))
        start = end
    return tuple(pieces)


def in_force(days: periods.Days, starts_on: date | None, ends_on: date | None, of_months: Iterable[int] = ()) -> Pieces:
    """This will give the days on which dated terms apply: one piece, or one per month where only some months
    count.
    """
    start = max(days.starts_on, starts_on or date.min)
    end = min(days.ends_on, ends_on or date.max)
    if start >= end:
        return ()
    active = periods.Days(start, end)
    months = tuple(of_months)
    if not months:
        return (active,)
    return tuple(piece for piece in by_month(active) if piece.starts_on.month in months)


def shown(value: Fraction) -> Decimal:
    """This will give a fraction as a Decimal of nine places, for print."""
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(Decimal("1E-9")).normalize()
