"""Reads of one meter, in any order, as runs of consecutive ones. Pure."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from metering.formats import told
from metering.views import Codes, Direction, Ints

LENGTHS = (5, 15, 30, 60)
DAY = 1440
# A read above it is a fault, not a customer. It stands alone in its run, as one below zero does: its line is known.
SUSPECT_WH_PER_HOUR = 10_000_000
LATEST = 4_102_444_800  # the year 2100; none is before 1970
_DAYS = frozenset({86400, 82800, 90000, 84600, 88200})  # also the days on which clocks are moved, by an hour or a half


def minutes_of(seconds: int) -> int | None:
    """This will give the length of an interval in minutes; a day has 23 to 25 hours; None for what is not supported."""
    if seconds in _DAYS:
        return DAY
    minutes, rest = divmod(seconds, 60)
    return minutes if not rest and minutes in LENGTHS else None


def is_a_time(second: int) -> bool:
    """This will say whether a number of seconds since 1970 can be when something was read."""
    return 0 <= second < LATEST


def of(
    meter: str,
    direction: Direction,
    minutes: int,
    starts: Ints,
    wh: Ints,
    quality: Codes,
    lines: Sequence[int] | Ints,
) -> Iterator[told.Run]:
    """This will give the reads as runs in order of time; `starts` are seconds since 1970.

    An interval told twice begins another run, and so does a gap. A value that is suspect has a run of its own.
    """
    if not len(starts):
        return
    numbers = np.asarray(lines, dtype=np.int64)
    if (np.diff(starts) < 0).any():
        order = np.argsort(starts, kind="stable")
        starts, wh, quality, numbers = starts[order], wh[order], quality[order], numbers[order]
    suspect = (wh < 0) | (wh > SUSPECT_WH_PER_HOUR * minutes // 60)
    cuts = (np.diff(starts) != minutes * 60) | suspect[1:] | suspect[:-1]
    edges = [0, *(np.flatnonzero(cuts) + 1).tolist(), len(starts)]
    for first, end in itertools.pairwise(edges):
        at = datetime.fromtimestamp(int(starts[first]), UTC)
        yield told.Run(
            meter, direction, at, minutes, wh[first:end], quality[first:end].astype(np.uint8), int(numbers[first])
        )
