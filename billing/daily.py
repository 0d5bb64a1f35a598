"""Usage by civil days, and what can be asked of it: without a day, with the days to come. Pure arithmetic."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from billing import rating
from core import periods
from metering import forecast

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Laid:
    """One account's intervals [k], the day each belongs to [k], and Wh per day."""

    wh: Ints
    day: Ints
    per_day: Ints


@dataclass(frozen=True)
class Guess:
    """wh[3, k]: a whole period at the low, the likely and the high end."""

    wh: Ints


def lay(used: rating.Usage, days: periods.Days) -> Laid:
    """This will say which civil day each interval of a usage belongs to."""
    wh = used.wh[0] if used.wh.ndim == 2 else used.wh
    step = timedelta(minutes=used.interval_minutes)
    starts = periods.aware(used.starts_at)
    edges = [-((starts - periods.midnight(day, used.timezone)) // step) for day in (*days, days.ends_on)]
    counts = [last - first for first, last in itertools.pairwise(edges)]
    day = np.repeat(np.arange(len(days), dtype=np.int64), counts)[: len(wh)]
    wh = wh[: len(day)]
    return Laid(wh, day, np.bincount(day, weights=wh, minlength=len(days)).astype(np.int64))


def leave_one_out(laid: Laid) -> Ints:
    """This will give [2 + days, k]: the whole, nothing at all, and the whole without each of its days."""
    days = len(laid.per_day)
    out = np.tile(laid.wh, (days + 2, 1))
    out[1] = 0
    for day in range(days):
        out[day + 2, laid.day == day] = 0
    return out


def usage_of(like: rating.Usage, wh: Ints) -> rating.Usage:
    """This will give other Wh on the grid of a usage; what was sent out stays as it was."""
    sent = like.export_wh
    if sent is not None:
        sent = np.repeat(sent[:1], len(wh), axis=0) if sent.shape[1:] == wh.shape[1:] else None
    return rating.Usage(like.starts_at, like.interval_minutes, like.timezone, wh, sent, like.per_kwh)


def share(total: int, base: int, savings: Sequence[int], weights: Sequence[int]) -> list[int]:
    """This will share a total in cents over days: the base evenly, the rest by what each day's absence saves.

    The shares add up to the total. Where no absence saves anything, the rest goes by the weights, else evenly.
    """
    each = split(base, [1] * len(savings))
    rest = total - base
    positive = [max(0, s) for s in savings]
    scale = positive if sum(positive) else [max(0, int(w)) for w in weights]
    if not sum(scale):
        scale = [1] * len(savings)
    return [a + b for a, b in zip(each, split(rest, scale), strict=True)]


def split(cents: int, weights: Sequence[int]) -> list[int]:
    """This will split cents by weights into whole cents that add up; the largest remainders get the odd ones."""
    whole = sum(weights)
    exact = [divmod(cents * w, whole) for w in weights]
    out = [q for q, _ in exact]
    for i in sorted(range(len(weights)), key=lambda i: (-exact[i][1], i))[: cents - sum(out)]:
        out[i] += 1
    return out


def to_come(laid: Laid, past: periods.Days, whole: periods.Days, coming: forecast.Forecast) -> Guess:
    """This will lay a forecast of days out over the hours of a whole period: low, likely and high.

    `laid` holds the days of `past`, which ends where the future begins. A day that is over is as it was read; one to
    come has the hours of the usual day of its kind, and the kWh the forecast gives it.
    """
    per_day = int(np.median(np.bincount(laid.day, minlength=len(past))))
    rows = {day: _row(laid, i, per_day) for i, day in enumerate(past)}
    recent = list(past)[-28:]
    usual = {kind: _mean([rows[d] for d in recent if _kind(d) == kind] or [rows[d] for d in recent]) for kind in (0, 1)}
    daily = dict(coming.daily)
    ahead = sum(daily.values())
    out = []
    for end in (coming.low_wh, coming.likely_wh, coming.high_wh):
        factor = (end - coming.so_far_wh) / ahead if ahead else 1.0
        out.append(
            np.concatenate(
                [
                    rows[day] if day not in daily else _scaled(usual[_kind(day)], max(0.0, daily[day] * factor))
                    for day in whole
                ]
            )
        )
    return Guess(_to_grid(np.array(out, dtype=np.int64), per_day, whole))


def _scaled(shape: NDArray[np.float64], wh: float) -> Ints:
    """A day of some Wh in the shape of another; flat where that has none."""
    total = float(shape.sum())
    hours = shape * (wh / total) if total > 0 else np.full(len(shape), wh / len(shape))
    return np.rint(hours).astype(np.int64)


def _to_grid(wh: Ints, per_day: int, whole: periods.Days) -> Ints:
    """A day is `per_day` long here; a little more covers the hour a day in autumn has twice."""
    return np.concatenate([wh, wh[:, -per_day:]], axis=1)[:, : len(whole) * per_day + per_day // 12]


def _row(laid: Laid, i: int, per_day: int) -> Ints:
    row = laid.wh[laid.day == i]
    return row[:per_day] if len(row) >= per_day else np.concatenate([row, np.repeat(row[-1:], per_day - len(row))])


def _mean(rows: Sequence[Ints]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean(np.array(rows), axis=0)
    return mean


def _kind(day: date) -> int:
    return 1 if day.weekday() >= 5 else 0
