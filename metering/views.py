"""What metering tells others: frozen, plain, no rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Direction = Literal["DELIVERED", "RECEIVED"]
Ints = NDArray[np.int64]
Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Meter:
    """A device; `interval_minutes` is None where it has a register only. `digits` is the width of the dial."""

    id: int
    number: str
    service_point_id: int
    interval_minutes: int | None
    installed_on: date
    removed_on: date | None
    digits: int
    multiplier: Decimal
    direction: str


@dataclass(frozen=True)
class RegisterRead:
    """What a dial showed, in register units."""

    id: int
    meter_id: int
    read_at: datetime
    value: Decimal
    quality: str


@dataclass(frozen=True)
class Series:
    """The reads of one service point on a grid from `starts_at` (UTC).

    wh[k] is -1 where missing; quality is metering.quality.
    """

    starts_at: datetime
    interval_minutes: int
    wh: Ints
    quality: Codes


@dataclass(frozen=True)
class Matrix:
    """The same for many: wh[n, k], in the order of `service_point_ids`."""

    service_point_ids: tuple[int, ...]
    starts_at: datetime
    interval_minutes: int
    wh: Ints
    quality: Codes


@dataclass(frozen=True)
class DayUsage:
    """One civil day.

    `estimated` and `missing` count intervals; `intervals` is how many the day has (DST: 23 or 25 h).
    """

    day: date
    wh: int
    estimated: int
    missing: int
    intervals: int


@dataclass(frozen=True)
class PeriodUsage:
    """Usage over civil days `starts_on` (in) to `ends_on` (out); `days_with_reads` is what the average stands
    on.
    """

    starts_on: date
    ends_on: date
    wh: int
    days_with_reads: int
    complete: bool

    @property
    def daily_wh(self) -> int | None:
        """Average per day that has reads; None when there is none."""
        return round(self.wh / self.days_with_reads) if self.days_with_reads else None


@dataclass(frozen=True)
class UsageComparison:
    """This bill period so far beside the same number of days of the one before and of a year ago.

    Days with a missing read are left out of sums and averages. Changes are in percent of the daily averages,
    None where the other side has no reads.
    """

    this_period: PeriodUsage
    previous: PeriodUsage
    last_year: PeriodUsage
    change_previous: int | None
    change_last_year: int | None
    busiest_day: DayUsage | None


@dataclass(frozen=True)
class LatestUsage:
    """Today so far, in the civil day of the service point's zone, and how fresh it is."""

    day: date
    wh: int
    until: datetime | None
    intervals: tuple[tuple[datetime, int], ...]
    usual_wh: int | None  # median of the same hours on the same weekday, last four weeks
    interval_minutes: int


@dataclass(frozen=True)
class Anomaly:
    """Use out of the ordinary on a day, as recorded."""

    id: int
    service_point_id: int
    day: date
    kind: str
    excess_wh: int
    expected_wh: int
    recorded_at: datetime
    starts_at: datetime
    ends_at: datetime  # up to when it was seen
    closed_at: datetime | None
    cost_cents: int | None
    feedback: str | None  # OURS or PROBLEM


@dataclass(frozen=True)
class MeterCounts:
    """For staff: how many meters there are, how many are late, and how much waits for a look."""

    active: int
    interval: int
    register: int
    stale: int
    open_exceptions: int
    readings_to_check: int
    alerts_last_week: int


@dataclass(frozen=True)
class Counts:
    """What became of reads: read = stored + unchanged + excepted + unreadable."""

    stored: int
    unchanged: int
    excepted: int
    unreadable: int = 0

    @property
    def read(self) -> int:
        return self.stored + self.unchanged + self.excepted + self.unreadable

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.stored + other.stored,
            self.unchanged + other.unchanged,
            self.excepted + other.excepted,
            self.unreadable + other.unreadable,
        )


@dataclass(frozen=True)
class Submitted:
    """What became of a customer's reading; see operations.submit_reading for the reasons."""

    id: int
    status: str
    reason: str | None
    usage_wh: int | None
    previous_value: Decimal | None


@dataclass(frozen=True)
class SimilarHomes:
    """A home beside homes like it: Wh a day over the same days. What is None was no part of the comparison."""

    dwelling: str | None
    size_from: int | None  # square feet
    size_until: int | None
    heating: str | None
    starts_on: date
    ends_on: date
    homes: int
    mean_wh: int
    frugal_wh: int  # the fifth that uses least stays below it
    own_wh: int

    @property
    def percent(self) -> int:
        """How much more the home uses than the others do, in percent."""
        return round(100 * (self.own_wh - self.mean_wh) / self.mean_wh)
