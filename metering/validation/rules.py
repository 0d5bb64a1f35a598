"""The rules, one function each: (values, context) -> findings. Pure.

`values` is Wh [n, per_day], below zero where nothing was read. Severity: E the value cannot be and is not used, an
estimate stands for it and what came is kept; W the value stands and wants a look; I noted. An E is only ever said of
what is physically impossible. What each is measured in stands in its finding (`unit`).

The set is that of Oracle's meter data management with what head-ends have taught others since: consecutive interval
and missing quantity (GAP, DST_HOUR, FUTURE), duplicate, dynamic comparison (UNUSUAL_USE), sibling exists
(SIBLING_MISSING), final measurement replacement (REPLACED), high/low, inactive measurement (NO_AGREEMENT,
OUTSIDE_METER), interval size, interval spike, multiplier, negative consumption, prolonged estimation, sum check
(REGISTER_SUM, DIAL_BACK), unit of measure, zero consumption.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from metering.originals import Cause
from metering.validation.context import Context, Ints, Mask

Severity = Literal["E", "W", "I"]
Rule = Callable[[Ints, Context], "Findings"]

# a counter of so many bits that is full, or has just turned over
FULL_COUNTS = tuple(2**bits - less for bits in (15, 16, 24, 31) for less in (1, 0))
_MULTIPLES = (10, 100, 1000)


@dataclass(frozen=True)
class Findings:
    """f findings of one rule: the row, its intervals from `start` (in) to `end` (out), what was measured and what is
    the most or the least allowed."""

    code: str
    severity: Severity
    unit: str
    row: Ints
    start: Ints
    end: Ints
    measured: Ints
    limit: Ints

    def __len__(self) -> int:
        return len(self.row)


# what cannot be


def negative(values: Ints, context: Context) -> Findings:
    """Energy does not flow below zero; what is sent out has a register of its own."""
    return _runs("NEGATIVE", "E", values, context.told & (values < 0), np.zeros(len(values), dtype=np.int64), np.min)


def too_high(values: Ints, context: Context) -> Findings:
    """More than the connection of such a customer can carry."""
    most = context.limit("max_watts") * context.minutes // 60
    return _runs("TOO_HIGH", "E", values, context.told & (values > most[:, None]), most, np.max)


def pulse_overflow(values: Ints, context: Context) -> Findings:
    """A counter that is full, far above everything that was read before."""
    full = np.rint(np.array(FULL_COUNTS)[None, :] * context.multiplier[:, None]).astype(np.int64)
    believed = context.limit("overflow_times") * np.maximum(context.top_wh, _third(values))
    struck = context.told & (values[:, :, None] == full[:, None, :]).any(axis=2) & (values > believed[:, None])
    return _runs("PULSE_OVERFLOW", "E", values, struck, believed, np.max)


# what wants a look: single intervals


def spike(values: Ints, context: Context) -> Findings:
    """The highest of the day far above its third highest, and above everything in the history."""
    at = values.argmax(axis=1)
    top = values[np.arange(len(values)), at]
    limit = _third(values) * (100 + context.limit("spike_percent")) // 100
    floor = context.limit("spike_floor_watts") * context.minutes // 60
    told = context.told[np.arange(len(values)), at]
    struck = told & (top > limit) & (top > floor) & (top > context.top_wh) & (_known(values).sum(axis=1) >= 3)
    return _days("SPIKE", "W", struck, top, np.maximum(limit, floor), start=at, end=at + 1)


def gap(values: Ints, context: Context) -> Findings:
    """Intervals of the day that nobody read; a short gap is bridged and only noted (short_gap)."""
    missing, most = _gaps(values, context)
    return _holes("GAP", "W", _missing(values, context), missing > most, missing, most)


def short_gap(values: Ints, context: Context) -> Findings:
    """The same, as short as may be bridged by a line."""
    missing, most = _gaps(values, context)
    return _holes("GAP", "I", _missing(values, context), (missing > 0) & (missing <= most), missing, most)


def dst_hour(values: Ints, context: Context) -> Findings:
    """All that is missing lies around the change of the clocks: a head-end that knows no day of 23 or 25 hours."""
    per_hour = max(1, context.per_day // 24)
    number = np.arange(context.per_day)[None, :]
    near = (number >= context.dst_at[:, None] - per_hour) & (number < context.dst_at[:, None] + per_hour)
    missing = _missing(values, context)
    struck = (context.dst_at >= 0) & missing.any(axis=1) & ~(missing & ~near).any(axis=1)
    return _holes("DST_HOUR", "W", missing, struck, missing.sum(axis=1), np.zeros(len(values), dtype=np.int64))


def future(values: Ints, context: Context) -> Findings:
    """Reads of intervals that are not over yet: the clock of the meter is wrong."""
    late = _known(values) & context.told & (np.arange(context.per_day)[None, :] >= context.future_from[:, None])
    return _runs("FUTURE", "W", values, late, context.future_from, None)


def outside_meter(values: Ints, context: Context) -> Findings:
    """Reads from before the meter was installed or after it was removed."""
    struck = _known(values) & context.outside
    return _runs("OUTSIDE_METER", "W", values, struck, np.zeros(len(values), dtype=np.int64), None)


def meter_overlap(values: Ints, context: Context) -> Findings:
    """Two meters of one point read the same intervals around an exchange: the newer one's count."""
    struck = _known(values) & context.sibling
    return _runs("METER_OVERLAP", "W", values, struck, np.zeros(len(values), dtype=np.int64), None)


# what wants a look: days


def zero(values: Ints, context: Context) -> Findings:
    """Nothing on a whole day where something is usual."""
    least = context.limit("zero_usual_wh")
    struck = _whole(values, context) & (values.sum(axis=1) == 0) & context.comparable & (context.usual_wh > least)
    return _days("ZERO", "W", struck, np.zeros(len(values), dtype=np.int64), least)


def flat(values: Ints, context: Context) -> Findings:
    """The same value all day, above zero, where reads used to differ."""
    first = values[:, 0]
    struck = _whole(values, context) & (values == first[:, None]).all(axis=1) & (first > 0) & context.varied
    return _days("FLAT", "W", struck, first, np.zeros(len(values), dtype=np.int64))


def high_use(values: Ints, context: Context) -> Findings:
    """A day far above the daily average of the weeks before."""
    used, usual = _sums(values), _or_none(context.usual_wh)
    most = np.maximum(usual * context.limit("high_percent") // 100, usual + context.limit("high_floor_wh"))
    struck = _judged(context) & context.comparable & (used > most) & ~_wrong_unit(values, context)
    return _days("HIGH_USE", "W", struck, used, most)


def low_use(values: Ints, context: Context) -> Findings:
    """A day far below it, but not nothing; noted, since people travel."""
    used = values.sum(axis=1)
    least = _or_none(context.usual_wh) * context.limit("low_percent") // 100
    struck = _whole(values, context) & context.comparable & (used > 0) & (used < least)
    return _days("LOW_USE", "I", struck & ~_wrong_unit(values, context), used, least)


def unusual_use(values: Ints, context: Context) -> Findings:
    """A day more standard deviations from the mean of the days before than is likely."""
    used, usual = _sums(values), _or_none(context.usual_wh)
    allowed = np.maximum(
        np.rint(np.nan_to_num(context.deviation_wh) * context.limit("unusual_deviations")).astype(np.int64),
        context.limit("unusual_floor_wh"),
    )
    struck = _whole(values, context) & context.comparable & (np.abs(used - usual) > allowed)
    return _days("UNUSUAL_USE", "I", struck, np.abs(used - usual), allowed)


def unit(values: Ints, context: Context) -> Findings:
    """About a thousand times too much or too little: kWh taken for Wh, or Wh for kWh."""
    return _days(
        "UNIT", "W", _wrong_unit(values, context), _sums(values), _or_none(context.usual_wh)
    )  # fmt: skip


def duplicate_day(values: Ints, context: Context) -> Findings:
    """The same values as the day before, interval for interval, where days used to differ: sent under another date."""
    same = _whole(values, context) & (values == context.before).all(axis=1) & ~context.repeats
    struck = same & (values != values[:, :1]).any(axis=1)
    return _days("DUPLICATE_DAY", "W", struck, _sums(values), np.zeros(len(values), dtype=np.int64))


def interval_size(values: Ints, context: Context) -> Findings:
    """Another length of interval than the meter is known to have."""
    minutes = np.full(len(values), context.minutes, dtype=np.int64)
    struck = (context.meter_minutes > 0) & (context.meter_minutes != minutes)
    return _days("INTERVAL_SIZE", "W", struck, minutes, context.meter_minutes, unit="minutes")


def register_sum(values: Ints, context: Context) -> Findings:
    """The intervals between two readings of the dial do not add up to what the dial says."""
    struck = _off_the_dial(context) & ~_by_a_factor(context)
    return _days("REGISTER_SUM", "W", struck, context.dial_sum_wh, context.dial_wh)


def multiplier(values: Ints, context: Context) -> Findings:
    """They would, by the multiplier of the meter or a power of ten."""
    return _days(
        "MULTIPLIER", "W", _off_the_dial(context) & _by_a_factor(context), context.dial_sum_wh, context.dial_wh
    )


def dial_back(values: Ints, context: Context) -> Findings:
    """A reading below the one before, and no turn of the dial that can be believed."""
    none = np.zeros(len(values), dtype=np.int64)
    return _days("DIAL_BACK", "W", context.dial_back > 0, -context.dial_back, none, unit="register units")


def no_agreement(values: Ints, context: Context) -> Findings:
    """Use where nobody takes service."""
    floor = context.limit("vacant_floor_wh")
    used = _sums(values)
    return _days("NO_AGREEMENT", "W", context.vacant & ~context.received & (used > floor), used, floor)


def no_generation(values: Ints, context: Context) -> Findings:
    """Energy sent out by a place that is not known to make any."""
    floor, used = context.limit("received_floor_wh"), _sums(values)
    struck = context.received & ~context.generates & (used > floor) & ~_reversed(values, context)
    return _days("NO_GENERATION", "W", struck, used, floor)


def reverse_rotation(values: Ints, context: Context) -> Findings:
    """Nothing delivered, and as much received as used to be delivered: the meter is wired the wrong way round."""
    least = _or_none(context.opposite_usual_wh) * context.limit("reverse_percent") // 100
    return _days("REVERSE_ROTATION", "W", _reversed(values, context), _sums(values), least)


def sibling_missing(values: Ints, context: Context) -> Findings:
    """The meter of the other direction on the same wall has not read this day."""
    struck = context.opposite_there & (context.opposite_wh < 0) & _known(values).any(axis=1)
    none = np.zeros(len(values), dtype=np.int64)
    return _days("SIBLING_MISSING", "I", struck, none, none)


def prolonged_estimation(values: Ints, context: Context) -> Findings:
    """Mostly estimated for many days in a row: somebody should go and look."""
    most = context.limit("prolonged_days")
    return _days("PROLONGED_ESTIMATION", "W", context.estimated_days >= most, context.estimated_days, most, unit="days")


def replaced(values: Ints, context: Context) -> Findings:
    """A read that stood was changed by another, by more than is left unseen."""
    allowed = context.replaced_wh * context.limit("replaced_percent") // 100
    difference = np.abs(_sums(values) - context.replaced_wh)
    struck = (context.replaced_wh >= 0) & (difference > allowed) & ~context.refused.any(axis=1)
    return _days("REPLACED", "W", struck, difference, allowed)


IMPOSSIBLE: tuple[tuple[Rule, Cause], ...] = (
    (negative, Cause.NEGATIVE), (pulse_overflow, Cause.PULSE_OVERFLOW), (too_high, Cause.TOO_HIGH),
)  # fmt: skip
DOUBTFUL: tuple[Rule, ...] = (
    spike, gap, short_gap, dst_hour, future, outside_meter, meter_overlap, zero, flat, high_use, low_use, unusual_use,
    unit, duplicate_day, interval_size, register_sum, multiplier, dial_back, no_agreement, no_generation,
    reverse_rotation, sibling_missing, prolonged_estimation, replaced,
)  # fmt: skip


def _known(values: Ints) -> Mask:
    return np.asarray(values >= 0, dtype=np.bool_)


def _missing(values: Ints, context: Context) -> Mask:
    """Where nothing came that should have; what came and was refused is another matter."""
    return np.asarray((values < 0) & ~context.refused & ~context.outside, dtype=np.bool_)


def _whole(values: Ints, context: Context) -> Mask:
    """Days without a gap that were told by a meter."""
    return np.asarray((values >= 0).all(axis=1) & context.told.all(axis=1), dtype=np.bool_)


def _judged(context: Context) -> Mask:
    """Days more than half of which a meter told."""
    return np.asarray(2 * context.told.sum(axis=1) > context.per_day, dtype=np.bool_)


def _sums(values: Ints) -> Ints:
    return np.asarray(np.where(values >= 0, values, 0).sum(axis=1), dtype=np.int64)


def _or_none(usual: NDArray[np.float64]) -> Ints:
    return np.asarray(np.rint(np.nan_to_num(usual, nan=-1)), dtype=np.int64)


def _third(values: Ints) -> Ints:
    if values.shape[1] < 3:
        return np.asarray(values.max(axis=1), dtype=np.int64)
    return np.asarray(np.maximum(np.partition(values, -3, axis=1)[:, -3], 0), dtype=np.int64)


def _gaps(values: Ints, context: Context) -> tuple[Ints, Ints]:
    missing = _missing(values, context).sum(axis=1)
    return missing, context.limit("short_gap_minutes") // context.minutes


def _wrong_unit(values: Ints, context: Context) -> Mask:
    used, usual, times = _sums(values), _or_none(context.usual_wh), context.limit("unit_times")
    apart = (used > usual * times) | ((used > 0) & (used * times < usual))
    return np.asarray(_judged(context) & context.comparable & (usual > 0) & apart, dtype=np.bool_)


def _off_the_dial(context: Context) -> Mask:
    allowed = np.maximum(context.dial_wh * context.limit("sum_percent") // 100, context.limit("sum_floor_wh"))
    short = (context.dial_missing == 0) & (context.dial_wh - context.dial_sum_wh > allowed)
    return np.asarray((context.dial_wh >= 0) & (short | (context.dial_sum_wh - context.dial_wh > allowed)))


def _by_a_factor(context: Context) -> Mask:
    factors = np.concatenate(
        [
            np.repeat(np.array(_MULTIPLES, dtype=np.float64)[None, :], len(context.dial_wh), 0),
            context.multiplier[:, None],
        ],
        axis=1,
    )
    factors = np.concatenate([factors, 1 / factors], axis=1)
    expected = context.dial_wh[:, None] * factors
    close = np.abs(context.dial_sum_wh[:, None] - expected) * 50 <= expected
    return np.asarray((close & (np.abs(factors - 1) > 0.01)).any(axis=1) & (context.dial_sum_wh > 0))


def _reversed(values: Ints, context: Context) -> Mask:
    least = _or_none(context.opposite_usual_wh) * context.limit("reverse_percent") // 100
    used = _sums(values)
    return np.asarray(context.received & (context.opposite_wh == 0) & (least > 0) & (used >= least), dtype=np.bool_)


def _days(
    code: str, severity: Severity, struck: Any, measured: Ints, limit: Ints, *, start: Ints | None = None,
    end: Ints | None = None, unit: str = "Wh",
) -> Findings:  # fmt: skip
    """One finding for each row that is struck; without a start it is about the whole day."""
    row = np.flatnonzero(struck)
    whole = np.full(len(row), -1, dtype=np.int64)
    return Findings(
        code, severity, unit, row, whole if start is None else start[row], whole if end is None else end[row],
        np.asarray(measured)[row].astype(np.int64), np.asarray(limit)[row].astype(np.int64),
    )  # fmt: skip


def _holes(code: str, severity: Severity, missing: Mask, struck: Any, measured: Ints, limit: Ints) -> Findings:
    """One finding per row, from its first missing interval to its last."""
    start = missing.argmax(axis=1)
    end = missing.shape[1] - missing[:, ::-1].argmax(axis=1)
    return _days(code, severity, struck, measured, limit, start=start, end=end, unit="intervals")


def _runs(
    code: str, severity: Severity, values: Ints, mask: Mask, limit: Ints, worst: Callable[[Ints], Any] | None
) -> Findings:
    """One finding per run of struck intervals; `worst` picks what was measured, else the intervals are counted."""
    edges = np.diff(mask.astype(np.int8), axis=1, prepend=0, append=0)
    row, start = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    spans = zip(row.tolist(), start.tolist(), end.tolist(), strict=True)
    if worst is None:
        measured = end - start
    else:
        measured = np.array([worst(values[r, a:b]) for r, a, b in spans], dtype=np.int64)
    unit = "intervals" if worst is None else "Wh"
    return Findings(code, severity, unit, row, start, end, measured.astype(np.int64), np.asarray(limit)[row])


def names(rules: Sequence[Rule]) -> tuple[str, ...]:
    """This will give the names of rules, for staff and tests."""
    return tuple(rule.__name__.upper() for rule in rules)
