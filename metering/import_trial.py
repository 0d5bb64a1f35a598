"""What would become of the reads of a file, told without a database. Pure.

The same rules as when they are stored, as far as the file alone can tell: a read below zero, above any meter, off the
grid of its interval, told twice with different values, or inside one that is told by shorter intervals, is excepted;
told twice alike it is unchanged.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metering.formats import runs, told
from metering.quality import Quality
from metering.views import Codes, Direction, Ints

HIGHEST_DIAL = Decimal(10**9)
_SHORTEST_DAY = 82_800
_MOST_NOTES = 1000


@dataclass(frozen=True)
class Note:
    """What could not be used: where, why, and how many reads; `part` is the file in an archive."""

    line: int
    reason: str
    count: int
    part: str = ""


@dataclass
class Summary:
    """What became of a file. read = stored + unchanged + excepted + unreadable, always."""

    points: set[str] = field(default_factory=set)
    first: int | None = None
    last: int | None = None
    sum_wh: int = 0
    stored: int = 0
    unchanged: int = 0
    excepted: int = 0
    unreadable: int = 0
    notes: list[Note] = field(default_factory=list)

    @property
    def reads(self) -> int:
        return self.stored + self.unchanged + self.excepted + self.unreadable

    def note(self, line: int, reason: str, count: int, part: str = "") -> None:
        """This will remember why reads were not used; only the first thousand are told one by one."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(Note(line, reason, count, part))

    def spans(self, first: int, last: int) -> None:
        """This will widen what the file covers, in seconds since 1970."""
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def as_json(self) -> dict[str, Any]:
        """This will give the counts as they are printed."""
        return {
            "usage_points": len(self.points),
            "reads": self.reads,
            "first": _iso(self.first),
            "last": _iso(self.last),
            "sum_wh": self.sum_wh,
            "stored": self.stored,
            "unchanged": self.unchanged,
            "excepted": self.excepted,
            "unreadable": self.unreadable,
        }


@dataclass(frozen=True)
class _Column:
    """All the reads of one meter, direction and length, in the order told."""

    starts: Ints
    wh: Ints
    quality: Codes
    lines: Ints
    part: list[str]


class Trial:
    """Takes what is told, and judges at the end, when everything is known."""

    def __init__(self) -> None:
        self.summary = Summary()
        self._runs: dict[tuple[str, Direction], dict[int, list[tuple[told.Run, str]]]] = defaultdict(dict)
        self._dials: dict[tuple[str, Direction, datetime], Decimal] = {}

    def add(self, item: told.Told, part: str = "") -> int:
        """This will take one thing told, and say how many reads it is."""
        if isinstance(item, told.Unreadable):
            self.summary.unreadable += item.count
            self.summary.note(item.line, item.reason, item.count, part)
            return item.count
        self.summary.points.add(item.meter)
        if isinstance(item, told.Dial):
            self._dial(item, part)
            return 1
        self._runs[item.meter, item.direction].setdefault(item.interval_minutes, []).append((item, part))
        return int((item.quality != Quality.MISSING).sum())

    def finish(self) -> Summary:
        """This will judge everything told so far."""
        for lengths in self._runs.values():
            shorter: list[tuple[int, Ints]] = []
            for minutes in sorted(lengths):
                accepted = self._judge(minutes, _column(lengths[minutes]), shorter)
                if len(accepted):
                    shorter.append((minutes, accepted))
        self.summary.notes.sort(key=lambda note: (note.part, note.line))
        return self.summary

    def _dial(self, item: told.Dial, part: str) -> None:
        key = item.meter, item.direction, item.read_at
        stood = self._dials.get(key)
        if item.value >= HIGHEST_DIAL:
            self._except(item.line, "more than a dial can show", 1, part)
        elif stood is None:
            self._dials[key] = item.value
            self.summary.stored += 1
            self.summary.spans(int(item.read_at.timestamp()), int(item.read_at.timestamp()))
        elif stood == item.value:
            self.summary.unchanged += 1
        else:
            self._except(item.line, "told twice with different values", 1, part)

    def _except(self, line: int, reason: str, count: int, part: str) -> None:
        self.summary.excepted += count
        self.summary.note(line, reason, count, part)

    def _judge(self, minutes: int, column: _Column, shorter: list[tuple[int, Ints]]) -> Ints:
        """Counts one column; gives the starts of the reads that would stand."""
        usable = column.quality != Quality.MISSING
        for reason, wrong in _wrongs(minutes, column, shorter):
            where = np.flatnonzero(usable & wrong)
            usable &= ~wrong
            self._note_each(column, where, reason)
        places = np.flatnonzero(usable)
        order = places[np.argsort(column.starts[places], kind="stable")]
        starts = column.starts[order]
        again = np.zeros(len(order), dtype=bool)
        again[1:] = starts[1:] == starts[:-1]
        self.summary.stored += int((~again).sum())
        standing = column.wh.copy()
        if again.any():
            self._repeated(column, order, again, standing)
        kept = order[~again]
        if minutes == runs.DAY:
            kept = self._days_apart(column, kept)
        if len(kept):
            span = minutes * 60
            self.summary.spans(int(column.starts[kept[0]]), int(column.starts[kept[-1]]) + span)
            self.summary.sum_wh += int(standing[kept].sum())
        return column.starts[kept]

    def _repeated(self, column: _Column, order: Ints, again: NDArray[np.bool_], standing: Ints) -> None:
        """Reads of an interval that was told before: the first stands, unless a better one comes."""
        first, rank = 0, 0
        for place, repeats in zip(order.tolist(), again.tolist(), strict=True):
            if not repeats:
                first, rank = place, int(column.quality[place])
                continue
            value, quality = int(column.wh[place]), int(column.quality[place])
            if quality > rank:
                standing[first], rank = value, quality
                self.summary.stored += 1
            elif value == standing[first] or quality < rank:
                self.summary.unchanged += 1
            else:
                self._note_each(column, np.array([place]), "told twice with different values")

    def _days_apart(self, column: _Column, kept: Ints) -> Ints:
        """Days begin an hour earlier or later where clocks are moved, never more."""
        apart, last = [], -_SHORTEST_DAY
        for place in kept.tolist():
            start = int(column.starts[place])
            if start - last < _SHORTEST_DAY:
                self.summary.stored -= 1
                self._note_each(column, np.array([place]), "overlaps the day before it")
            else:
                apart.append(place)
                last = start
        return np.array(apart, dtype=np.int64)

    def _note_each(self, column: _Column, where: Ints, reason: str) -> None:
        for line in np.unique(column.lines[where]).tolist():
            these = where[column.lines[where] == line]
            self._except(line, reason, len(these), column.part[int(these[0])] if column.part else "")


def _wrongs(minutes: int, column: _Column, shorter: list[tuple[int, Ints]]) -> list[tuple[str, NDArray[np.bool_]]]:
    highest = runs.SUSPECT_WH_PER_HOUR * minutes // 60
    found = [
        ("below zero", column.wh < 0),
        (f"more than {highest // 1000} kWh in {minutes} minutes", column.wh > highest),
    ]
    if minutes != runs.DAY:
        off = column.starts % (minutes * 60) != 0
        found.append((f"does not start on a whole interval of {minutes} minutes (UTC)", off))
    ends = column.starts + (_SHORTEST_DAY if minutes == runs.DAY else minutes * 60)
    for length, starts in shorter:
        inside = np.searchsorted(starts, column.starts - length * 60 + 1)
        overlaps = (inside < len(starts)) & (starts[np.minimum(inside, len(starts) - 1)] < ends)
        found.append((f"overlaps reads of {length} minutes", overlaps))
    return found


def _column(items: list[tuple[told.Run, str]]) -> _Column:
    starts = []
    for run, _ in items:
        starts.append(int(run.starts_at.timestamp()) + np.arange(len(run.wh)) * run.interval_minutes * 60)
    parts = [part for run, part in items for _ in range(len(run.wh))] if any(part for _, part in items) else []
    return _Column(
        np.concatenate(starts),
        np.concatenate([run.wh for run, _ in items]),
        np.concatenate([run.quality for run, _ in items]),
        np.concatenate([np.full(len(run.wh), run.line, dtype=np.int64) for run, _ in items]),
        parts,
    )


def _iso(second: int | None) -> str | None:
    return None if second is None else datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
