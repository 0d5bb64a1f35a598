"""Energy: kWh by time-of-use period and step."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from billing.rating import calendar, demand, exact, scene, terms, usage
from core import errors, periods

Ints = NDArray[np.int64]
Limits = tuple[tuple[Fraction | None, terms.TierUnit], ...]
_ENDLESS = 2**60  # grains: more than anybody uses


def columns(s: scene.Scene, power: demand.Power, netted: Ints | None = None) -> list[usage.Column]:
    """This will give one line per period and step that was used; their quantities sum to what was metered.

    `netted` [n, periods] stands for the reads where export was set off against them; `power` is the demand that
    steps per kW grow with.
    """
    quantities = fill(s, power) if netted is None else fill_netted(s, netted, power)
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


def fill(s: scene.Scene, power: demand.Power) -> Ints:
    """This will sort the reads into periods and steps: [n, periods, steps] in grains of a kWh."""
    plan = s.plan
    index, count = index_of(s), len(plan.energy)
    if _plain(plan):
        return s.used[:, None, None] if count == 1 else by_period(s.wh, index, count)[:, :, None]
    if plan.tier_scope == "PER_PERIOD":
        return _each_its_own(s, by_period(s.wh, index, count), power)
    filled = np.zeros((s.n, count, _deepest(plan)), dtype=np.int64)
    share = _prorata if plan.tier_scope == "TOTAL_PRORATA" else _chronological
    for limits, pieces in _ladders(s):
        span = s.between(periods.Days(pieces[0].starts_on, pieces[-1].ends_on))
        tops = _tops(s, limits, pieces, power)
        wh = s.wh[:, span]
        used = s.used if wh.shape == s.wh.shape else wh.sum(axis=1)
        _within(used, tops)
        if count == 1:  # whatever the order in time
            part = exact.steps(used, tops[:, :-1])[:, None]
        else:
            part = share(wh, index[span], count, tops[:, :-1])
        filled[:, :, : tops.shape[1]] += part
    return filled


def fill_netted(s: scene.Scene, used: Ints, power: demand.Power) -> Ints:
    """This will sort what net metering leaves into steps: it is known by period alone, so one set of limits must
    hold.
    """
    plan = s.plan
    if _plain(plan):
        return used[:, :, None]
    if plan.tier_scope == "PER_PERIOD":
        return _each_its_own(s, used, power)
    if plan.tier_scope == "TOTAL_PRORATA" and len(ladders := _ladders(s)) == 1:
        tops = _tops(s, *ladders[0], power)
        total = used.sum(axis=1)
        _within(total, tops)
        filled = np.zeros((s.n, len(plan.energy), _deepest(plan)), dtype=np.int64)
        filled[:, :, : tops.shape[1]] = exact.spread(used, exact.steps(total, tops[:, :-1]))
        return filled
    raise errors.Invalid(
        "rating.terms",
        reason="net metering knows the use of a bill by period only, which cannot fill these steps",
        where="tier_scope" if plan.tier_scope == "CHRONOLOGICAL" else "energy",
    )


def _plain(plan: terms.Plan) -> bool:
    return all(len(period.tiers) == 1 and period.tiers[0].limit is None for period in plan.energy)


def _deepest(plan: terms.Plan) -> int:
    return max(len(period.tiers) for period in plan.energy)


def _each_its_own(s: scene.Scene, used: Ints, power: demand.Power) -> Ints:
    """A ladder for each period, for the days on which it is in force."""
    plan = s.plan
    filled = np.zeros((s.n, len(plan.energy), _deepest(plan)), dtype=np.int64)
    for number, period in enumerate(plan.energy):
        own = tuple(piece for piece in s.pieces if number in _active(plan, piece))
        tops = _tops(s, _limits(period), own or s.pieces, power)
        _within(used[:, number], tops)
        filled[:, number, : tops.shape[1]] = exact.steps(used[:, number], tops[:, :-1])
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
    """The limits of a period's steps; where there is none, the unit does not matter."""
    last = len(period.tiers) - 1
    return tuple(
        (None, "KWH") if tier.limit is None and n == last and tier.unit not in terms.PER_KW
        else (None if tier.limit is None else Fraction(tier.limit), tier.unit)
        for n, tier in enumerate(period.tiers)
    )  # fmt: skip


def _tops(s: scene.Scene, limits: Limits, pieces: scene.Pieces, power: demand.Power) -> Ints:
    """Tops of all steps in whole grains for the days of the pieces, halves up: [1, m], or [n, m] where they go by
    demand. A top never lies below the one before: such a step is not used.
    """
    days = sum(len(piece) for piece in pieces)
    months = s.factor("tiers", pieces)
    many = s.n if any(unit in terms.PER_KW for _, unit in limits) else 1
    block = np.full(many, _ENDLESS, dtype=np.int64)
    below = np.zeros(many, dtype=np.int64)
    out = []
    for number, (limit, unit) in enumerate(limits):
        counts = Fraction(days) if unit in ("KWH_DAILY", "KWH_PER_KW_DAILY") else months
        if unit in terms.PER_KW:
            block = np.full(many, _ENDLESS, dtype=np.int64)
            if limit is not None:
                hours = limit * counts * s.per_kwh
                block = exact.divide(power.watts, hours.numerator, hours.denominator * power.scale, "HALF_UP")
            top = below if opens_block(limits, number) else block
        else:
            top = np.minimum(block, _ENDLESS if limit is None else exact.whole(limit * s.per_kwh * counts))
        below = np.maximum(below, top)
        out.append(below)
    return np.stack(out, axis=1)


def opens_block(limits: Limits, number: int) -> bool:
    """This will say whether a step per kW only opens a block, whose steps in kWh follow."""
    after = limits[number + 1 :]
    if not after or after[0][1] in terms.PER_KW:
        return False
    return not (len(after) == 1 and after[0][0] is None)  # "and the rest" is no block


def _within(used: Ints, tops: Ints) -> None:
    if (used > tops[:, -1]).any():
        raise errors.Invalid(
            "rating.terms", reason="use goes beyond the last step, and the tariff has no price there", where="energy"
        )


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
