"""How a day's level of use stands to what is ordinary: by the weekday, the weather, and the weeks before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metering.alerts.robust import TINY, Floats, quantile, rise, trail

BACK = 126  # days before a day that its statistics look at
_REFIT = 28
_YEAR = 365
_FIT_DAYS = 42
_HEAT, _COOL = (12.0, 15.0, 18.0), (18.0, 21.0)  # °C from which heating and cooling may begin
_STRANGE = 0.05  # for each degree beyond what was ever seen


@dataclass(frozen=True)
class Levels:
    """[n, days] each, logarithms: how far a day, some days, or four weeks of growth lie above the ordinary."""

    day: Floats
    step: tuple[Floats, Floats, Floats]  # over 5, 9 and 14 days
    drift: Floats
    spread: Floats  # how far days usually lie from what is ordinary, the slow turn of the seasons in it
    unrest: Floats  # how far they usually lie from the week before


@dataclass(frozen=True)
class _Fit:
    base: Floats
    heat: Floats
    cool: Floats
    heat_from: Floats
    cool_from: Floats
    lowest: float
    highest: float

    def at(self, degrees: Floats) -> Floats:
        heat = self.heat[:, None] * np.maximum(self.heat_from[:, None] - degrees, 0)
        cool = self.cool[:, None] * np.maximum(degrees - self.cool_from[:, None], 0)
        out: Floats = self.base[:, None] + heat + cool
        return out

    def strange(self, degrees: Floats) -> Floats:
        beyond = np.maximum(np.maximum(self.lowest - degrees, degrees - self.highest), 0)
        return np.asarray(_STRANGE * np.nan_to_num(beyond))


def levels(level: Floats, degrees: Floats | None) -> Levels:
    """This will judge the level of each day of [n, days] by the days before it.

    `degrees` [days] is the mean temperature (°C) where it is known. The weather's share is fitted anew every four
    weeks, on the year before.
    """
    least = 0.05 * np.nan_to_num(quantile(level[:, :_FIT_DAYS]))[:, None] + TINY
    if degrees is None:
        return _judge(level, least, np.zeros(level.shape[1]))
    parts: list[Levels] = [_judge(level[:, :_FIT_DAYS], least, np.zeros(min(_FIT_DAYS, level.shape[1])))]
    for begin in range(_FIT_DAYS, level.shape[1], _REFIT):
        end, since = min(begin + _REFIT, level.shape[1]), max(0, begin - BACK)
        learned = slice(max(0, begin - _YEAR), begin)
        fit = _fit(level[:, learned], degrees[learned])
        usual = quantile(level[:, learned])[:, None]
        expected = np.maximum(fit.at(degrees[since:end]), np.maximum(0.25 * usual, TINY))
        middle = np.maximum(quantile(expected[:, : begin - since])[:, None], TINY)
        judged = _judge(level[:, since:end] / expected * middle, least, fit.strange(degrees[since:end]))
        parts.append(_cut(judged, begin - since))
    return _join(parts)


def _judge(level: Floats, least: Floats, strange: Floats) -> Levels:
    log = np.log(np.maximum(level, least))
    weeks = np.stack([trail(log, 7 * week, 1)[..., 0] for week in range(1, 9)], axis=-1)
    usual = quantile(weeks, least=3)
    usual = np.where(np.isnan(usual), quantile(trail(log, 1, 28), least=10), usual)
    above = log - usual
    lately = quantile(trail(above, 1, 7), least=3)
    return Levels(
        day=above - rise(lately) - strange,
        step=(
            _step(above, 5, 0.5, 14) - strange,
            _step(above, 9, 0.4, 14) - strange,
            _step(above, 14, 0.45, 21) - strange,
        ),
        drift=_drift(log) - strange,
        spread=_usually(above),
        unrest=_usually(above - lately),
    )


def _usually(off: Floats) -> Floats:
    """The usual size of something over the eight weeks before, as a standard deviation that outliers do not move."""
    return np.nan_to_num(1.4826 * quantile(np.abs(trail(off, 1, 56)), least=14))


def _step(above: Floats, days: int, q: float, before: int) -> Floats:
    """The level of some days against that of the days before them; coming back from below is no step."""
    now = quantile(trail(above, 0, days), q, least=days - days // 4)
    out: Floats = now - rise(quantile(trail(above, days, before), least=5))
    return out


def _drift(log: Floats) -> Floats:
    """Growth over four weeks, in both halves of them and nearly never back, to a level none of the ten before had."""
    week = [quantile(trail(log, ago, 7), least=5) for ago in (0, 7, 14, 21, 28)]
    before = np.fmax.reduce([quantile(trail(log, ago, 14), least=7) for ago in (35, 49, 63, 77)])
    grown = week[0] - week[4]
    steps = [week[n] - week[n + 1] > -0.1 * grown for n in range(4)]
    halves = [week[n] - week[n + 2] > 0.2 * grown for n in (0, 2)]
    steady = np.all(steps + halves, axis=0)
    out: Floats = np.where(steady & (grown > 0), np.minimum(grown, week[0] - before + 0.05), np.minimum(grown, 0.0))
    return out


def _fit(level: Floats, degrees: Floats) -> _Fit:
    """A straight line below one temperature and above another, robust; the best of a few pairs for each series."""
    n = len(level)
    best = np.full(n, np.inf)
    chosen = np.zeros((5, n))
    felt = np.nan_to_num(degrees, nan=15.0)
    known = ~np.isnan(degrees)[None, :] & ~np.isnan(level)
    for heat_from in _HEAT:
        for cool_from in _COOL:
            shape = np.stack(
                [np.ones_like(felt), np.maximum(heat_from - felt, 0), np.maximum(felt - cool_from, 0)], axis=-1
            )
            found, error = _line(np.where(known, level, 0.0), shape, known)
            better = error < best
            best = np.where(better, error, best)
            tried = np.vstack([found.T, np.full((1, n), heat_from), np.full((1, n), cool_from)])
            chosen = np.where(better, tried, chosen)
    seen = degrees[~np.isnan(degrees)]
    lowest, highest = (np.quantile(seen, 0.01), np.quantile(seen, 0.99)) if len(seen) else (-np.inf, np.inf)
    return _Fit(chosen[0], chosen[1], chosen[2], chosen[3], chosen[4], float(lowest), float(highest))


def _line(level: Floats, shape: Floats, known: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Least squares, thrice, the second and third time with less weight for what lies far off; no slope below zero."""
    weight: Floats = known.astype(np.float64)
    for _ in range(3):
        left = np.einsum("nd,di,dj->nij", weight, shape, shape, optimize=True) + np.diag([1e-6, 1.0, 1.0])
        right = (weight * level) @ shape
        found = np.linalg.solve(left, right[..., None])[..., 0]
        found[:, 1:] = np.maximum(found[:, 1:], 0)
        found[:, 0] += ((level - found @ shape.T) * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1)
        off = np.abs(level - found @ shape.T)
        scale = 1.4826 * quantile(np.where(known, off, np.nan))[:, None] + TINY
        weight = np.where(known, np.minimum(1.0, 1.5 * scale / np.maximum(off, TINY)), 0.0)
    return found, np.where(known, np.minimum(off, 3 * scale) ** 2, 0).sum(axis=1)


def _cut(part: Levels, first: int) -> Levels:
    return Levels(
        part.day[:, first:],
        (part.step[0][:, first:], part.step[1][:, first:], part.step[2][:, first:]),
        part.drift[:, first:],
        part.spread[:, first:],
        part.unrest[:, first:],
    )


def _join(parts: list[Levels]) -> Levels:
    def whole(of: list[Floats]) -> Floats:
        return np.concatenate(of, axis=1)

    return Levels(
        whole([p.day for p in parts]),
        (whole([p.step[0] for p in parts]), whole([p.step[1] for p in parts]), whole([p.step[2] for p in parts])),
        whole([p.drift for p in parts]),
        whole([p.spread for p in parts]),
        whole([p.unrest for p in parts]),
    )
