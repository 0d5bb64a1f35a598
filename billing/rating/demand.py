"""Demand: what is paid for the highest average power of an interval."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from billing.rating import calendar, exact, scene, terms, usage
from core import errors, periods

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Power:
    """A demand for each account: `watts` / `scale` is kW, exactly."""

    watts: Ints
    scale: int


def of_steps(s: scene.Scene, history: usage.History | None) -> Power:
    """This will give the demand that energy steps per kW grow with: the highest of the reads, or what a ratchet over
    steps makes of it. Zero where the plan has no such steps.
    """
    scale = s.per_kwh * s.interval_minutes
    if not any(tier.unit in terms.PER_KW for period in s.plan.energy for tier in period.tiers):
        return Power(np.zeros(s.n, dtype=np.int64), scale)
    demand = s.plan.demand
    if demand is None or demand.ratchet is None or "STEPS" not in demand.ratchet.over:
        return Power(_highest(s.wh * 60), scale)
    own = _own(s, demand, s.wh * 60, np.arange(s.wh.shape[1]), s.pieces)
    return Power(np.maximum(own, _ratcheted(s, demand, history, scale)), scale)


def columns(s: scene.Scene, demand: terms.Demand, history: usage.History | None) -> tuple[list[usage.Column], Ints]:
    """This will give the demand lines, and the highest demand of the segment in whole watts."""
    energy, index_of = _windows(s, demand)
    minutes = s.interval_minutes * (s.wh.shape[1] // energy.shape[1]) if energy.shape[1] else s.interval_minutes
    scale = s.per_kwh * minutes  # energy x 60 / scale is kW, exactly
    power = energy * 60
    lines = _flat(s, demand, history, power, index_of, scale) if demand.flat else []
    if demand.periods:
        lines += _by_period(s, demand, history, power, index_of, scale)
    return lines, exact.divide(_highest(power), 1000, scale, "HALF_UP")


def _flat(
    s: scene.Scene,
    demand: terms.Demand,
    history: usage.History | None,
    power: Ints,
    index_of: Ints,
    scale: int,
) -> list[usage.Column]:
    """One ladder per season: a bill that crosses a season has a highest demand, and a share of the month, in
    each.
    """
    floor = _least(s, demand, history, scale, "FLAT")
    lines: list[usage.Column] = []
    for number in dict.fromkeys(demand.flat_months[piece.starts_on.month - 1] for piece in s.pieces):
        pieces = tuple(p for p in s.pieces if demand.flat_months[p.starts_on.month - 1] == number)
        highest = np.maximum(_own(s, demand, power, index_of, pieces), floor)
        lines += _ladder(s, "demand.flat", "Demand", demand.flat[number], highest, scale, pieces)
    return lines


def _by_period(
    s: scene.Scene,
    demand: terms.Demand,
    history: usage.History | None,
    power: Ints,
    index_of: Ints,
    scale: int,
) -> list[usage.Column]:
    of_interval = calendar.period_index(s.grid, demand.weekday, demand.weekend, s.plan.holidays)[index_of]
    by_month = demand.ratchet is not None and "PERIODS_BY_MONTH" in demand.ratchet.over
    least = _least(s, demand, history, scale, "PERIODS_BY_MONTH" if by_month else "PERIODS")
    if by_month:
        least = np.maximum(least, _own(s, demand, power, index_of, s.pieces))
    lines: list[usage.Column] = []
    for number, period in enumerate(demand.periods):
        inside = of_interval == number
        pieces = tuple(
            piece
            for piece in s.pieces
            if number in {*demand.weekday[piece.starts_on.month - 1], *demand.weekend[piece.starts_on.month - 1]}
        )
        if not inside.any() or not pieces:
            continue
        highest = least if by_month else np.maximum(_highest(power[:, inside]), least)
        lines += _ladder(s, "demand.period", "Demand", period, highest, scale, pieces)
    return lines


def _ladder(
    s: scene.Scene,
    code: str,
    label: str,
    period: terms.DemandPeriod,
    highest: Ints,
    scale: int,
    pieces: scene.Pieces,
) -> list[usage.Column]:
    tops = tuple(_kw(tier.limit, scale) for tier in period.tiers if tier.limit is not None)
    if period.tiers[-1].limit is not None:
        if (highest > tops[-1]).any():
            raise errors.Invalid(
                "rating.terms", reason="demand goes beyond the last step, and the tariff has no price there", where=code
            )
        tops = tops[:-1]
    filled = exact.steps(highest, np.array([tops], dtype=np.int64).reshape(1, len(tops)))
    share = s.factor("demand", pieces)
    several = len(period.tiers) > 1
    crosses = sum(len(piece) for piece in pieces) != len(s.days)
    span = periods.Days(pieces[0].starts_on, pieces[-1].ends_on) if crosses else None
    return [
        s.column(
            "demand",
            code,
            ", ".join(filter(None, [label, period.name, f"tier {step + 1}" if several else ""])),
            "kW",
            tier.price,
            filled[:, step],
            scale,
            share=share,
            days=span,
            args={"period": period.name} | ({"tier": str(step + 1)} if several else {}),
        )
        for step, tier in enumerate(period.tiers)
        if tier.price != 0 and filled[:, step].any()
    ]


def _windows(s: scene.Scene, demand: terms.Demand) -> tuple[Ints, Ints]:
    """Energy per demand window, and the interval each window starts with.

    A coarser read stands for its windows.
    """
    count = s.wh.shape[1]
    window = demand.window_minutes
    if window is None or window <= s.interval_minutes:
        return s.wh, np.arange(count)
    if window % s.interval_minutes:
        raise errors.Invalid(
            "rating.terms",
            reason=f"a demand window of {window} minutes is not a multiple of the reads' {s.interval_minutes}",
            where="demand.window_minutes",
        )
    each = window // s.interval_minutes
    whole = count // each * each
    return s.wh[:, :whole].reshape(s.n, -1, each).sum(axis=2), np.arange(0, whole, each)


def _own(s: scene.Scene, demand: terms.Demand, power: Ints, index_of: Ints, pieces: scene.Pieces) -> Ints:
    """The highest demand of some months of the segment; months that a ratchet shares count by their percentage."""
    ratchet = demand.ratchet
    month_of = s.grid.month[index_of]
    months = sorted({piece.starts_on.month for piece in pieces})
    shared = [m for m in months if ratchet is not None and m in ratchet.shared_months]
    highest = _highest(power[:, np.isin(month_of, [m - 1 for m in months if m not in shared])])
    for month in shared:
        assert ratchet is not None
        share = Fraction(ratchet.share(month)) / 100
        own = exact.divide(_highest(power[:, month_of == month - 1]), share.numerator, share.denominator, "HALF_UP")
        highest = np.maximum(highest, own)
    return highest


def _least(
    s: scene.Scene, demand: terms.Demand, history: usage.History | None, scale: int, over: terms.RatchetOver
) -> Ints:
    if demand.ratchet is not None and over in demand.ratchet.over:
        return _ratcheted(s, demand, history, scale)
    return np.full(s.n, _kw(demand.minimum_kw, scale))


def _ratcheted(s: scene.Scene, demand: terms.Demand, history: usage.History | None, scale: int) -> Ints:
    """The least demand that is billed: the tariff's minimum, or a share of an earlier month's."""
    least = np.full(s.n, _kw(demand.minimum_kw, scale))
    ratchet = demand.ratchet
    if ratchet is None or ratchet.months == 0 or not any(ratchet.percents or (ratchet.percent,)):
        return least
    wanted = _months_before(s.whole, ratchet)
    missing = [month for month in wanted if history is None or month not in history.months]
    if missing or history is None:
        raise errors.Invalid(
            "rating.demand_history",
            reason="the demand of earlier months is needed: "
            + ", ".join(f"{year}-{month:02d}" for year, month in missing),
            where="demand.ratchet",
        )
    for year, month in wanted:
        earlier = np.maximum(history.watts[:, history.months.index((year, month))], 0)
        share = Fraction(ratchet.share(month)) / 100 * Fraction(scale, 1000)
        least = np.maximum(least, exact.divide(earlier, share.numerator, share.denominator, "HALF_UP"))
    return least


def _months_before(whole: periods.Days, ratchet: terms.Ratchet) -> list[tuple[int, int]]:
    first = whole.starts_on.replace(day=1)
    before = [periods.add_months(first, -n) for n in range(1, ratchet.months + 1)]
    return [(d.year, d.month) for d in before if not ratchet.of_months or d.month in ratchet.of_months]


def _kw(value: object, scale: int) -> int:
    return exact.whole(Fraction(str(value)) * scale)


def _highest(power: Ints) -> Ints:
    highest: Ints = power.max(axis=1, initial=0)
    return highest
