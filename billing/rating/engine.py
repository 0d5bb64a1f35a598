"""The engine: `rate` and `rate_segments`.

Whole numbers in, whole cents out; a line is rounded once, a total never.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from billing.rating import calendar, charges, check, demand, energy, export, indexed, terms, usage
from billing.rating.scene import Scene
from core import periods

Exempt = Mapping[str, NDArray[np.bool_]]
_PRINTED: tuple[terms.Component, ...] = ("fixed", "energy", "demand", "rider", "credit", "minimum", "tax")


def rate(
    plan: terms.Plan,
    used: usage.Usage,
    period: periods.Days,
    *,
    history: usage.History | None = None,
    exempt: Exempt | None = None,
    year_to_date: NDArray[np.int64] | None = None,
    state: usage.State | None = None,
    prices: usage.Prices | Sequence[usage.Prices] = (),
) -> usage.Rated:
    """This will price a bill period for n accounts on one plan.

    `used` must cover the civil days of `period` in its zone (it may be longer). `exempt` names, by the `key` of
    a tax, the accounts that do not pay it. `state` is what the bill before handed over (None: nothing); what is handed
    on stands in the result. `prices` are the series that the plans' `index` names. Raises Invalid:
    rating.uncovered, rating.missing_reads, rating.usage, rating.export_unpriceable, rating.demand_history,
    rating.year_to_date, rating.state, rating.prices, rating.terms - each with a `reason`
    in words for staff.
    """
    return rate_segments(
        [usage.Segment(days=period, plan=plan)],
        used,
        history=history,
        exempt=exempt,
        year_to_date=year_to_date,
        state=state,
        prices=prices,
    )


def rate_segments(
    segments: Sequence[usage.Segment],
    used: usage.Usage,
    *,
    history: usage.History | None = None,
    exempt: Exempt | None = None,
    year_to_date: NDArray[np.int64] | None = None,
    state: usage.State | None = None,
    prices: usage.Prices | Sequence[usage.Prices] = (),
) -> usage.Rated:
    """This will price a bill period in which the plan changes: consecutive segments of days, each on its own
    plan.

    Energy goes by the reads of each segment; monthly charges, steps and demand prices by its share of the
    days. One minimum is applied to the whole, and the taxes of each segment to its own lines.
    """
    whole = check.consecutive(segments)
    for segment in segments:
        check.terms_of(segment.plan)
    reads = check.reads(used, whole)
    grid = calendar.grid(reads.starts_at, used.interval_minutes, reads.wh.shape[1], used.timezone)
    scenes = [_scene(segment, whole, used, reads, grid) for segment in segments]
    columns: list[usage.Column] = []
    peaks: list[NDArray[np.int64]] = []
    charged = np.zeros(len(reads.wh), dtype=np.int64)
    counts: NDArray[np.int64] | None = None
    for number, scene in enumerate(scenes):
        if number and state is not None:
            state = export.hand_over(state, scenes[number - 1].plan, scene.plan, used.per_kwh)
        netted = export.net(scene, state)
        power = demand.of_steps(scene, history)
        own = [*charges.fixed(scene), *energy.columns(netted.scene, power, netted.used)]
        charged += netted.scene.used if netted.used is None else netted.used.sum(axis=1)
        if scene.plan.index is not None:
            own += indexed.columns(netted.scene, scene.plan.index, prices)
        if scene.plan.demand is not None:
            lines, highest = demand.columns(scene, scene.plan.demand, history)
            own += lines
            peaks.append(highest)
        own += charges.riders(scene, own)
        own += export.columns(scene, netted, power)
        carried, state = export.carry(scene, netted.state, own)
        own += carried
        if scene is scenes[-1]:
            lifts, reached = charges.minimum(scene, scenes, [*columns, *own], year_to_date)
            own += lifts
            counts = reached if scene.plan.minimum_annual else None
        columns += [*own, *charges.taxes(scene, own, exempt or {})]
    # the kWh of the energy first, then what is in money alone
    columns.sort(key=lambda column: (_PRINTED.index(column.component), not column.unit))
    rated = _rated(segments[0].plan.currency, columns, scenes, used.per_kwh, peaks, charged)
    return replace(rated, state=state, toward_minimum=counts)


def _scene(
    segment: usage.Segment,
    whole: periods.Days,
    used: usage.Usage,
    reads: check.Reads,
    grid: calendar.Grid,
) -> Scene:
    days = segment.days
    first, last = np.searchsorted(grid.day, [days.starts_on.toordinal(), days.ends_on.toordinal()])
    cut = slice(int(first), int(last))
    return Scene(
        plan=segment.plan,
        days=days,
        whole=whole,
        grid=calendar.Grid(grid.day[cut], grid.month[cut], grid.hour[cut], grid.weekend[cut]),
        starts_at=reads.starts_at + timedelta(minutes=int(first) * used.interval_minutes),
        wh=reads.wh[:, cut],
        export_wh=None if reads.export_wh is None else reads.export_wh[:, cut],
        interval_minutes=used.interval_minutes,
        per_kwh=used.per_kwh,
        settles=segment.settles,
    )


def _rated(
    currency: str,
    columns: list[usage.Column],
    scenes: Sequence[Scene],
    per_kwh: int,
    peaks: list[NDArray[np.int64]],
    charged: NDArray[np.int64],
) -> usage.Rated:
    metered = np.sum([scene.used for scene in scenes], axis=0)
    billed = sum((c.quantity for c in columns if c.component == "energy" and c.unit), np.zeros_like(metered))
    if not np.array_equal(billed, charged):
        raise AssertionError("energy lines do not add up to the metered total")
    total = sum((c.cents for c in columns), np.zeros(len(metered), dtype=np.int64))
    return usage.Rated(
        currency=currency,
        columns=tuple(columns),
        total_cents=total,
        metered=metered,
        per_kwh=per_kwh,
        peak_watts=np.max(peaks, axis=0) if peaks else None,
    )
