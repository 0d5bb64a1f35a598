"""Reads that come one at a time, of any number of meters at once, gathered into runs. Pure.

For each meter and direction it is inferred how long a read lasts: the step that comes most often. An hour that comes
twice in local time is told apart by the reads before it.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from metering.formats import runs, told
from metering.views import Direction, Ints

_MOST_OF_ONE = 4096
_MOST_OF_ALL = 1_000_000
_UNKNOWN = "how long it lasts cannot be told from the reads around it: say interval=MINUTES"


class _Series:
    __slots__ = ("backwards", "ends", "last", "lines", "minutes", "quality", "starts", "wh")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.wh: list[int] = []
        self.quality: list[int] = []
        self.lines: list[int] = []
        self.last = -1
        self.backwards = False
        self.minutes: int | None = None
        self.ends = False


class Collected:
    """What is kept back until it is a run."""

    def __init__(self, minutes: int | None) -> None:
        self._minutes = minutes
        self._usual: Counter[int] = Counter()
        self._series: dict[tuple[str, Direction], _Series] = {}
        self._dials: dict[tuple[str, Direction], int] = {}
        self._held = 0

    def add(
        self, whose: tuple[str, Direction], instants: tuple[int, ...], wh: int, quality: int, line: int, is_end: bool
    ) -> Iterator[told.Told]:
        """This will take a read; what is ready is told."""
        one = self._series.get(whose)
        if one is None:
            one = self._series[whose] = _Series()
            one.ends = is_end
        at = instants[0] if len(instants) == 1 else _which(instants, one.last, one.backwards)
        if at != one.last:
            one.backwards = at < one.last
        one.last = at
        one.starts.append(at)
        one.wh.append(wh)
        one.quality.append(quality)
        one.lines.append(line)
        self._held += 1
        if len(one.starts) >= _MOST_OF_ONE:
            yield from self._flush(whose, one)
        elif self._held >= _MOST_OF_ALL:
            for each, kept in self._series.items():
                yield from self._flush(each, kept)

    def dial(
        self, whose: tuple[str, Direction], instants: tuple[int, ...], value: Decimal, quality: int, line: int
    ) -> told.Told:
        """This will take what a dial showed."""
        if value < 0:
            return told.Unreadable(line, "a dial below zero")
        last = self._dials.get(whose, -1)
        at = instants[0] if len(instants) == 1 else _which(instants, last, False)
        self._dials[whose] = at
        return told.Dial(*whose, datetime.fromtimestamp(at, UTC), value, quality, line)

    def rest(self) -> Iterator[told.Told]:
        """This will tell everything, at the end; those of which one read came last, when others are known."""
        for whose, one in sorted(self._series.items(), key=lambda each: len(each[1].starts) < 2):
            yield from self._flush(whose, one)

    def _flush(self, whose: tuple[str, Direction], one: _Series) -> Iterator[told.Told]:
        if not one.starts:
            return
        starts = np.array(one.starts, dtype=np.int64)
        minutes = self._minutes or one.minutes or self._inferred(one, starts)
        columns = np.array(one.wh, dtype=np.int64), np.array(one.quality, dtype=np.uint8)
        lines = one.lines
        self._held -= len(starts)
        one.starts, one.wh, one.quality, one.lines = [], [], [], []
        if minutes is None:
            yield told.Unreadable(lines[0], _UNKNOWN, len(starts))
            return
        if one.ends:
            starts = starts - minutes * 60
        yield from runs.of(whose[0], whose[1], minutes, starts, *columns, lines)

    def _inferred(self, one: _Series, starts: Ints) -> int | None:
        steps = np.diff(np.unique(starts))
        found = Counter({step: count for step, count in Counter(steps.tolist()).items() if runs.minutes_of(step)})
        if found:
            one.minutes = runs.minutes_of(found.most_common(1)[0][0])
            self._usual[one.minutes or 0] += 1
            return one.minutes
        return self._usual.most_common(1)[0][0] if self._usual else None


def _which(instants: tuple[int, ...], last: int, backwards: bool) -> int:
    """An hour that comes twice: the first of it, unless it has gone by; read backwards, the second."""
    early, late = instants[0], instants[-1]
    if backwards:
        return late if last > late else early
    return early if last < early else late
