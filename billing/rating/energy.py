"""Energy: kWh by time-of-use period and step."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from billing.rating import calendar, exact, scene, terms, usage
from core import errors, periods

Ints = NDArray[np.int64]
Limits = tuple[tuple[Fraction, terms.TierUnit], ...]


def columns(s: scene.Scene, netted: Ints | None = None) -> list[usage.Column]:
    """This will give one line per period and step that was used; their quantities sum to what was metered.

    `netted` [n, periods] stands for the reads where export was set off against them.
    """
    quantities = _quantities(s) if netted is None else _netted_quantities(s, netted)
    lines: list[usage.Column] = []
    for number, period in enumerate(s.plan.energy):
        for step, tier in enumerate(period.tiers):
            quantity = quantities[:, number, step]
            if not quantity.any():
                continue
            args = {"period": period.name} | ({"tier": str(step + 1)} if len(period.tiers) > 1 else {})
            lines.append(
                s.column(
                    "energy",
                    "energy.tier" if len(period.tiers) > 1 else "energy",
                    ", ".join(["Energy", *filter(None, [period.name, f"tier {step + 1}" * (len(period.tiers) > 1)])]),
                    "kWh",
                    tier.price,
                    quantity,
                    s.per_kwh,
                    present=quantity != 0,
                    args=args,
                )
            )
    return lines


def _quantities(s: scene.Scene) -> Ints:
    """[n, periods, steps] in grains of a kWh."""
    plan = s.plan
    index = index_of(s)
    deepest = max(len(period.tiers) for period in plan.energy)
    filled = np.zeros((s.n, len(plan.energy), deepest), dtype=np.int64)
    if deepest == 1:
        filled[:, :, 0] = by_period(s.wh, index, len(plan.energy))
    elif plan.tier_scope == "PER_PERIOD":
        used = by_period(s.wh, index, len(plan.energy))
        for number, period in enumerate(plan.energy):
            own = tuple(piece for piece in s.pieces if number in _active(plan, piece))
            tops = _tops(s, _limits(period), own or s.pieces)
            filled[:, number, : tops.shape[1] + 1] = exact.steps(used[:, number], tops)
    else:
        for limits, pieces in _ladders(s):
            span = s.between(periods.Days(pieces[0].starts_on, pieces[-1].ends_on))
            tops = _tops(s, limits, pieces)
            share = _prorata if plan.tier_scope == "TOTAL_PRORATA" else _chronological
            part = share(s.wh[:, span], index[span], len(plan.energy), tops)
            filled[:, :, : tops.shape[1] + 1] += part
    return filled


def _netted_quantities(s: scene.Scene, used: Ints) -> Ints:
    """Steps of what net metering leaves: known by period alone, so one set of limits must hold."""
    plan = s.plan
    deepest = max(len(period.tiers) for period in plan.energy)
    filled = np.zeros((s.n, len(plan.energy), deepest), dtype=np.int64)
    if deepest == 1:
        filled[:, :, 0] = used
    elif plan.tier_scope == "PER_PERIOD":
        for number, period in enumerate(plan.energy):
            own = tuple(piece for piece in s.pieces if number in _active(plan, piece))
            tops = _tops(s, _limits(period), own or s.pieces)
            filled[:, number, : tops.shape[1] + 1] = exact.steps(used[:, number], tops)
    elif plan.tier_scope == "TOTAL_PRORATA" and len(ladders := _ladders(s)) == 1:
        tops = _tops(s, *ladders[0])
        filled[:, :, : tops.shape[1] + 1] = exact.spread(used, exact.steps(used.sum(axis=1), tops))
    else:
        raise errors.Invalid(
            "rating.terms",
            reason="net metering knows the use of a bill by period only, which cannot fill these steps",
            where="tier_scope" if plan.tier_scope == "CHRONOLOGICAL" else "energy",
        )
    return filled


def _prorata(wh: Ints, index: Ints, count: int, tops: Ints) -> Ints:
    used = by_period(wh, index, count)
    return exact.spread(used, exact.steps(used.sum(axis=1), tops))


def _chronological(wh: Ints, index: Ints, count: int, tops: Ints) -> Ints:
    reached = wh.cumsum(axis=1)
    below = np.zeros((len(wh), count), dtype=np.int64)
    parts = []
    for top in tops.T:
        upto = by_period(np.diff(np.minimum(reached, top[:, None]), prepend=0), index, count)
        parts.append(upto - below)
        below = upto
    parts.append(by_period(wh, index, count) - below)
    return np.stack(parts, axis=2)


def _ladders(s: scene.Scene) -> list[tuple[Limits, scene.Pieces]]:
    """Runs of months whose periods share one set of limits; a period that crosses a change of limits is cut
    there.
    """
    runs: list[tuple[Limits, scene.Pieces]] = []
    for piece in s.pieces:
        ladders = {_limits(s.plan.energy[number]) for number in _active(s.plan, piece)}
        if len(ladders) > 1:
            raise errors.Invalid(
                "rating.terms",
                reason="periods of one month have different step limits, which only tier_scope PER_PERIOD can price",
                where="energy",
            )
        limits = ladders.pop()
        if runs and runs[-1][0] == limits:
            runs[-1] = (limits, (*runs[-1][1], piece))
        else:
            runs.append((limits, (piece,)))
    return runs


def _active(plan: terms.Plan, piece: periods.Days) -> set[int]:
    month = piece.starts_on.month - 1
    return set(plan.weekday[month]) | set(plan.weekend[month])


def _limits(period: terms.EnergyPeriod) -> Limits:
    return tuple((Fraction(tier.limit), tier.unit) for tier in period.tiers if tier.limit is not None)


def _tops(s: scene.Scene, limits: Limits, pieces: scene.Pieces) -> Ints:
    """Limits in whole grains for the days of the pieces, halves up: [1, m], or [n, m] where they go by
    demand.
    """
    days = sum(len(piece) for piece in pieces)
    months = s.factor("tiers", pieces)
    if any(unit == "KWH_PER_KW" for _, unit in limits):
        highest = s.wh.max(axis=1, initial=0)  # in grains an interval; x 60 / minutes is grains an hour
        ratios = [limit * months * Fraction(60, s.interval_minutes) for limit, _ in limits]
        return np.stack([exact.divide(highest, r.numerator, r.denominator, "HALF_UP") for r in ratios], axis=1)
    tops = [exact.whole(limit * s.per_kwh * (days if unit == "KWH_DAILY" else months)) for limit, unit in limits]
    return np.array([tops], dtype=np.int64).reshape(1, len(limits))


def index_of(s: scene.Scene) -> Ints:
    """This will give the time-of-use period of each interval."""
    return calendar.period_index(s.grid, s.plan.weekday, s.plan.weekend, s.plan.holidays)


def by_period(wh: Ints, index: Ints, count: int) -> Ints:
    """This will sum by period: [n, k] to [n, count], by runs of intervals in the same period."""
    sums = np.zeros((len(wh), count), dtype=np.int64)
    if wh.shape[1] == 0:
        return sums
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    runs = np.add.reduceat(wh, starts, axis=1)
    for number in np.unique(index):
        sums[:, number] = runs[:, index[starts] == number].sum(axis=1)
    return sums
