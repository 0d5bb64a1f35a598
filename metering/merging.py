"""Which read stands: the one rule of quality, for one read as for millions. Pure.

An offered read replaces one of lower or equal rank (metering.quality). Of several for one interval in the same message
the last of the best rank is the one that is offered.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metering import quality
from metering.quality import Quality
from metering.views import Codes, Ints

Bools = NDArray[np.bool_]

HIGHEST_WH_PER_HOUR = 10_000_000  # 10 MW behind one meter: beyond it is a fault, not a customer
FAULTS = ("", "OUTSIDE_METER", "NEGATIVE", "TOO_HIGH", "DUPLICATE", "WRONG_INTERVAL")


@dataclass(frozen=True)
class Merged:
    """Days as they will stand, [n, k]; `changed` where an offered read now stands and did not before, `replaced` where
    one that was known gave way to it.
    """

    wh: Ints
    codes: Codes
    changed: Bools
    replaced: Bools


def check(wh: Ints, codes: Codes, outside: Bools, interval_minutes: int) -> Codes:
    """This will say of each read what is wrong with it, as its place in FAULTS; 0 is nothing.

    A read that says nothing (MISSING) cannot be wrong.
    """
    faults = np.zeros(wh.shape, dtype=np.uint8)
    faults[wh > HIGHEST_WH_PER_HOUR * interval_minutes // 60] = 3
    faults[wh < 0] = 2
    faults[outside] = 1
    faults[codes <= Quality.MISSING] = 0
    return faults


def pick(places: Ints, wh: Ints, codes: Codes) -> tuple[Ints, Bools]:
    """This will pick, of reads for the same place, the last of the best rank.

    Gives which reads are offered, and which of the others said something else than the one picked.
    """
    count = len(places)
    if count < 2 or (np.diff(places) > 0).all():
        return np.arange(count), np.zeros(count, dtype=bool)
    order = np.lexsort((np.arange(count), codes, places))
    last = np.append(places[order][1:] != places[order][:-1], True)
    picked = order[last]
    group = np.concatenate(([0], np.cumsum(last[:-1])))
    other = np.zeros(count, dtype=bool)
    other[order] = wh[order] != wh[picked][group]
    return picked, other


def merge(wh: Ints, codes: Codes, stood: Ints, ranks: Codes) -> Merged:
    """This will set offered reads against those that stand, [n, k] each; code MISSING offers nothing."""
    changed = (codes > Quality.MISSING) & (codes >= ranks) & ((wh != stood) | (codes > ranks))
    return Merged(
        wh=np.where(changed, wh, stood),
        codes=np.where(changed, codes, ranks).astype(np.uint8),
        changed=changed,
        replaced=changed & (ranks > Quality.MISSING),
    )


def nothing(shape: tuple[int, ...]) -> tuple[Ints, Codes]:
    """This will give days of which nothing is known."""
    return np.full(shape, quality.MISSING_WH, dtype=np.int64), np.zeros(shape, dtype=np.uint8)
