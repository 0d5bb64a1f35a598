"""What goes into rating (`Usage`, `History`, `Prices`, `State`, `Segment`) and comes out of it (`Rated`, `Line`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from billing.rating import terms
from core import money, periods

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Usage:
    """What n accounts used, on one grid of equal intervals.

    `starts_at` is aware; `wh` is int64 [n, k], never negative and without gaps (estimate first); a single
    account may be given as [k]. `export_wh` is what they sent out, of the same shape. `per_kwh` says how many
    of the integers make one kWh: 1000 is Wh; finer grains (a power of ten up to 10**6) serve files that have
    more places. An interval belongs to the civil day and the hour in which it starts.
    """

    starts_at: datetime
    interval_minutes: int
    timezone: str
    wh: Ints
    export_wh: Ints | None = None
    per_kwh: int = 1000


@dataclass(frozen=True)
class History:
    """Highest demand of earlier months, for ratchets: `watts[n, m]`, one column per month in `months` (year,
    month).
    """

    months: tuple[tuple[int, int], ...]
    watts: Ints


@dataclass(frozen=True)
class Prices:
    """Prices per kWh in millionths of the currency, on a grid of equal intervals: `micros[k]` from `starts_at`.

    An interval of the reads takes the price in force at its start.
    """

    code: str
    starts_at: datetime
    interval_minutes: int
    micros: Ints


@dataclass(frozen=True)
class State:
    """What one bill hands to the next, for n accounts.

    `bank` is kWh carried per time-of-use period [n, periods], `excess` the running total of all export over
    all use [n], both in grains of a kWh; `credit_cents` is money carried [n].
    """

    bank: Ints
    excess: Ints
    credit_cents: Ints

    def only(self, rows: Ints) -> "State":
        """This will give that of some of them."""
        return State(self.bank[rows], self.excess[rows], self.credit_cents[rows])


@dataclass(frozen=True)
class Segment:
    """Days of a bill period under one plan (a switch or a new version splits the period).

    `settles` says that these are the last days of all: what is carried is settled as at the year's end.
    """

    days: periods.Days
    plan: terms.Plan
    settles: bool = False


@dataclass(frozen=True)
class Line:
    """One printed line.

    quantity x unit_price is the amount before rounding (percent lines: quantity is the base).

    `unit` is kWh, kW, day, month or %. `code` and `args` let the wording say it in a language (energy,
    energy.tier, demand.flat, demand.period, fixed.month, fixed.day, minimum, credit.export, rider.<kind>,
    tax).
    """

    component: terms.Component
    description: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount_cents: int
    code: str
    args: Mapping[str, str] = field(default_factory=dict)

    @property
    def amount(self) -> Decimal:
        return money.from_cents(self.amount_cents)


@dataclass(frozen=True)
class Column:
    """The same line of all n accounts: quantities in `scale`-ths of the unit, cents, and who has the line at
    all.
    """

    component: terms.Component
    code: str
    description: str
    unit: str
    unit_price: Decimal
    quantity: Ints
    scale: int
    cents: Ints
    present: NDArray[np.bool_]
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rated:
    """What n accounts owe. total = the sum of the lines; the energy quantities sum to what was metered."""

    currency: str
    columns: tuple[Column, ...]
    total_cents: Ints
    metered: Ints  # in 1/per_kwh kWh
    per_kwh: int = 1000
    peak_watts: Ints | None = None  # highest demand of the bill period, where the plan charges for demand
    state: State | None = None  # to hand to the next bill, where the plan carries kWh or credits
    toward_minimum: Ints | None = None  # cents that count towards an annual minimum, where the plan has one

    def __len__(self) -> int:
        return len(self.total_cents)

    def total(self, i: int = 0) -> Decimal:
        """This will give what account i owes."""
        return money.from_cents(int(self.total_cents[i]))

    def kwh(self, i: int = 0) -> Decimal:
        """This will give what account i used."""
        return Decimal(int(self.metered[i])) / self.per_kwh

    def lines(self, i: int = 0) -> tuple[Line, ...]:
        """This will give the printed lines of account i, in printing order."""
        return tuple(
            Line(
                component=c.component,
                description=c.description,
                quantity=Decimal(int(c.quantity[i])) / c.scale,
                unit=c.unit,
                unit_price=c.unit_price,
                amount_cents=int(c.cents[i]),
                code=c.code,
                args=c.args,
            )
            for c in self.columns
            if c.present[i]
        )

    def sum_cents(self, *components: terms.Component) -> Ints:
        """This will give the cents of some components, per account."""
        chosen = [c.cents for c in self.columns if c.component in components]
        return np.sum(chosen, axis=0, dtype=np.int64) if chosen else np.zeros(len(self), dtype=np.int64)
