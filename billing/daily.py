"""Usage by civil days, and what can be asked of it: without a day, with the days to come. Pure arithmetic."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from billing import rating
from core import periods

Ints = NDArray[np.int64]

LIKELY_SPREAD = 1.28  # standard deviations: four times out of five the bill lies inside the range
MODEL_ERROR = 0.02  # of the days to come, beside their own scatter


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


def extend(laid: Laid, past: periods.Days, whole: periods.Days, done: int) -> Guess:
    """This will fill the days of a period that are still to come with the usual day of the same kind.

    `laid` holds the days of `past`, which ends where the future begins. The range comes from the scatter of those days.
    """
    per_day = int(np.median(np.bincount(laid.day, minlength=len(past))))
    rows = [_row(laid, i, per_day) for i in range(len(past))]
    recent = list(range(max(0, len(past) - 28), len(past)))
    kind = [_kind(day) for day in past]
    usual = {k: _mean([rows[i] for i in recent if kind[i] == k] or [rows[i] for i in recent]) for k in (0, 1)}
    begun = len(past) - done
    parts = [rows[begun + i] for i in range(done)] if done > 0 else []
    coming = [day for i, day in enumerate(whole) if i >= done]
    totals = np.array([rows[i].sum() for i in recent], dtype=float)
    scatter = float(totals.std() / totals.mean()) if totals.mean() > 0 else 0.0
    spread = LIKELY_SPREAD * scatter / max(1, len(coming)) ** 0.5 + (MODEL_ERROR if coming else 0)
    out = []
    for factor in (max(0.0, 1 - spread), 1.0, 1 + spread):
        days = [*parts, *(np.rint(usual[_kind(day)] * factor).astype(np.int64) for day in coming)]
        out.append(np.concatenate(days))
    return Guess(_to_grid(np.array(out, dtype=np.int64), per_day, whole))


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
