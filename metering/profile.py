"""Spreading a quantity over time by a shape, and filling gaps by what is usual. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core import periods

Ints = NDArray[np.int64]

# a household's day by the hour of the local clock, as weights: low at night, a rise at breakfast, high in the evening
HOUSEHOLD = (28, 25, 23, 22, 23, 27, 35, 43, 44, 41, 39, 39, 41, 40, 39, 41, 47, 56, 63, 65, 63, 58, 52, 46)


def spread(total: int, weights: Sequence[int]) -> Ints:
    """This will share a total among intervals by weight, in whole numbers that sum to it exactly."""
    reached = np.cumsum(np.asarray(weights, dtype=object))
    if len(reached) == 0 or reached[-1] == 0:
        raise ValueError("there is nothing to spread over")
    edges = np.array([total * int(mark) // int(reached[-1]) for mark in reached], dtype=np.int64)
    shares: Ints = np.diff(edges, prepend=0)
    return shares


def by_local_hour(starts_at: datetime, hours: int, timezone: str) -> list[int]:
    """This will give the household weight of each hour from an instant on."""
    zone = periods.zone(timezone)
    return [HOUSEHOLD[(starts_at + timedelta(hours=n)).astimezone(zone).hour] for n in range(hours)]


def fill(wh: Ints, per_week: int) -> tuple[Ints, NDArray[np.bool_]]:
    """This will estimate what is missing (-1): short gaps in a line between their neighbours, long ones by
    like hours.

    Like hours are the same hour of the four weeks on either side; where there is none, the median of
    everything known. Gives the filled reads and where it did so; where nothing is known at all, it stays
    missing.
    """
    filled = wh.astype(np.int64).copy()
    missing = wh < 0
    if not missing.any() or missing.all():
        return filled, np.zeros(len(wh), dtype=bool)
    middle = round(float(np.median(wh[~missing])))
    for start, end in _runs(missing):
        short = (end - start) * 168 <= per_week * 2 and start > 0 and end < len(wh)  # two hours at most
        if short:
            line = np.linspace(wh[start - 1], wh[end], end - start + 2)[1:-1]
            filled[start:end] = np.rint(line).astype(np.int64)
            continue
        for at in range(start, end):
            like = [
                int(wh[other])
                for week in range(-4, 5)
                if week and 0 <= (other := at + week * per_week) < len(wh) and wh[other] >= 0
            ]
            filled[at] = round(float(np.median(like))) if like else middle
    return filled, missing


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
