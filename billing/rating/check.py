"""What cannot be priced is refused here, in words, before a single sum is made."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from billing.rating import terms, usage
from core import errors, periods

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Reads:
    """The intervals that start inside the bill period: wh[n, k] from `starts_at`."""

    starts_at: datetime
    wh: Ints
    export_wh: Ints | None


def consecutive(segments: Sequence[usage.Segment]) -> periods.Days:
    """This will give the whole period of some segments; they follow each other without gap or overlap."""
    if not segments:
        raise errors.Invalid("rating.terms", reason="there is no period to price", where="segments")
    for before, after in itertools.pairwise(segments):
        if before.days.ends_on != after.days.starts_on:
            raise errors.Invalid("rating.terms", reason="segments leave a gap or overlap", where="segments")
        if before.plan.currency != after.plan.currency:
            raise errors.Invalid("rating.terms", reason="segments are in two currencies", where="segments")
    if any(len(segment.days) == 0 for segment in segments):
        raise errors.Invalid("rating.terms", reason="a period without days has no price", where="segments")
    return periods.Days(segments[0].days.starts_on, segments[-1].days.ends_on)


def reads(used: usage.Usage, period: periods.Days) -> Reads:
    """This will cut the usage to the period; it refuses gaps, missing and negative reads, and what does not
    cover it.
    """
    if used.interval_minutes <= 0 or used.per_kwh not in (1000, 10_000, 100_000, 1_000_000):
        raise errors.Invalid("rating.usage", reason="interval and grain must be known ones", where="usage")
    wh = _two_dimensional(used.wh)
    export = None if used.export_wh is None else _two_dimensional(used.export_wh)
    if export is not None and export.shape != wh.shape:
        raise errors.Invalid("rating.usage", reason="export and import differ in shape", where="export_wh")
    starts_at = periods.aware(used.starts_at)
    step = timedelta(minutes=used.interval_minutes)
    first = -((starts_at - periods.midnight(period.starts_on, used.timezone)) // step)
    last = -((starts_at - periods.midnight(period.ends_on, used.timezone)) // step)
    if first < 0 or last > wh.shape[1]:
        raise errors.Invalid(
            "rating.uncovered",
            reason=f"the reads do not cover {period.starts_on} to {period.ends_on} in {used.timezone}",
            where="usage",
        )
    cut = {"wh": wh[:, first:last]} | ({} if export is None else {"export_wh": export[:, first:last]})
    for name, values in cut.items():
        if values.size == 0:
            continue
        lowest = int(values.min())
        if lowest == -1:
            raise errors.Invalid("rating.missing_reads", reason="some reads are missing", where=name)
        if lowest < 0:
            raise errors.Invalid("rating.usage", reason="a read is below zero", where=name)
    wide = {name: values.astype(np.int64, copy=False) for name, values in cut.items()}
    return Reads(starts_at + first * step, wide["wh"], wide.get("export_wh"))


@lru_cache(maxsize=512)
def terms_of(plan: terms.Plan) -> None:
    """This will refuse a plan whose terms contradict themselves, or are in words that the engine does not know."""
    _words(plan, terms.Plan, "")
    if not re.fullmatch("[A-Z]{3}", plan.currency):
        _refuse(f"{plan.currency!r} is no currency", "currency")
    if not plan.energy:
        _refuse("it has no energy price", "energy")
    _schedule(plan.weekday, len(plan.energy), "weekday")
    _schedule(plan.weekend, len(plan.energy), "weekend")
    for number, period in enumerate(plan.energy):
        _steps(period, f"energy[{number}]")
    if plan.demand is not None:
        _demand(plan.demand)
    if (
        min(
            plan.fixed_monthly,
            plan.fixed_daily,
            plan.minimum_monthly,
            plan.minimum_daily,
            plan.minimum_annual,
        )
        < 0
    ):
        _refuse("a fixed or minimum charge is below zero", "fixed")
    if plan.export.metering.startswith("NET_METERING") and plan.tier_scope == "CHRONOLOGICAL" and _tiered(plan):
        _refuse("use that is netted over a bill has no order in time, so it cannot fill steps by it", "tier_scope")
    if plan.export.true_up_month is not None and not 1 <= plan.export.true_up_month <= 12:
        _refuse("the month of the settlement is none of the twelve", "export.true_up_month")
    if plan.export.metering.startswith("NET_METERING") and plan.index is not None:
        _refuse("use that is netted over a bill has no hour, so no price of the hour", "index")
    for rider in plan.riders:
        _in_force(rider, f"riders[{rider.code}]")
        if not all(1 <= month <= 12 for month in rider.of_months):
            _refuse("it names a month that is none of the twelve", f"riders[{rider.code}].of_months")
        if rider.kind == "PERCENT" and set(rider.over) & {"rider", "tax", "minimum"}:
            _refuse("a percentage rider cannot stand on riders, taxes or the minimum", f"riders[{rider.code}]")
    for tax in plan.taxes:
        _in_force(tax, f"taxes[{tax.code}]")
        if tax.percent < 0:
            _refuse("a tax is not below zero", f"taxes[{tax.code}].percent")
        if "tax" in tax.over:
            _refuse("a tax cannot stand on taxes", f"taxes[{tax.code}]")


def _words(value: Any, hint: Any, where: str) -> None:
    """An engine that meets a word it does not know would take it for another one, and charge by that."""
    if is_dataclass(value):
        for name, inner in get_type_hints(type(value)).items():
            _words(getattr(value, name), inner, f"{where}.{name}" if where else name)
    elif get_origin(hint) is Literal and value not in get_args(hint):
        _refuse(f"{value!r} is none of {', '.join(get_args(hint))}", where)
    elif isinstance(value, tuple) and value and (is_dataclass(value[0]) or get_origin(get_args(hint)[0]) is Literal):
        for number, each in enumerate(value):
            _words(each, get_args(hint)[0], f"{where}[{number}]")


def _in_force(dated: terms.Rider | terms.Tax, where: str) -> None:
    if dated.starts_on and dated.ends_on and dated.ends_on <= dated.starts_on:
        _refuse(f"it ends on {dated.ends_on}, before it begins", where)


def _tiered(plan: terms.Plan) -> bool:
    return any(len(period.tiers) > 1 for period in plan.energy)


def _steps(period: terms.EnergyPeriod, where: str) -> None:
    """Limits rise among those of one unit; whether two units rise together, only the days and the demand can say."""
    tiers = period.tiers
    per_kw = [tier.unit in terms.PER_KW for tier in tiers]
    if any(per_kw[:-1]) and not per_kw[0]:
        _refuse("steps that begin in kWh and go on per kW do not say where one ends and the other begins", where)
    for number, tier in enumerate(tiers[:-1]):
        if tier.limit is None and (per_kw[number] or not per_kw[number + 1]):
            _refuse("only the last step, or the last of a block, may be without a limit", where)
    for unit in dict.fromkeys(tier.unit for tier in tiers):
        limits = [tier.limit for tier in tiers if tier.unit == unit and tier.limit is not None]
        if any(low >= high for low, high in itertools.pairwise([Decimal(0), *limits])):
            _refuse("the limits of its steps do not rise", where)


def _demand(demand: terms.Demand) -> None:
    for where, ladders in (("flat", demand.flat), ("periods", demand.periods)):
        for number, period in enumerate(ladders):
            _ladder([tier.limit for tier in period.tiers], f"demand.{where}[{number}]")
    if demand.flat and (
        len(demand.flat_months) != 12 or not all(0 <= i < len(demand.flat) for i in demand.flat_months)
    ):
        _refuse("its months point at no price", "demand.flat_months")
    if demand.ratchet is not None and len(demand.ratchet.percents) not in (0, 12):
        _refuse("a ratchet by the month looked back at has twelve percentages", "demand.ratchet")
    if demand.periods:
        _schedule(demand.weekday, len(demand.periods), "demand.weekday")
        _schedule(demand.weekend, len(demand.periods), "demand.weekend")


def _schedule(schedule: terms.Schedule, count: int, where: str) -> None:
    if len(schedule) != 12 or any(len(hours) != 24 for hours in schedule):
        _refuse("a schedule is 12 months of 24 hours", where)
    if not all(0 <= index < count for hours in schedule for index in hours):
        _refuse("the schedule names a period that has no price", where)


def _ladder(limits: Sequence[object], where: str) -> None:
    if not limits:
        _refuse("it has no steps", where)
    tops = [limit for limit in limits if limit is not None]
    if None in limits[:-1]:
        _refuse("only the last step may be without a limit", where)
    if any(low >= high for low, high in itertools.pairwise([0, *tops])):  # type: ignore[operator]
        _refuse("the limits of its steps do not rise", where)


def _refuse(reason: str, where: str) -> None:
    raise errors.Invalid("rating.terms", reason=reason, where=where)


def _two_dimensional(values: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise errors.Invalid("rating.usage", reason="reads must be whole numbers", where="wh")
    if array.ndim == 1:
        array = array[None, :]
    if array.ndim != 2:
        raise errors.Invalid("rating.usage", reason="reads must be a row per account", where="wh")
    return array
