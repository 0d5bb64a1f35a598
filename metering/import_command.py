"""Files of reads, tried or loaded: what ``wattline meter import`` does."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from msgspec import structs

from core import errors, heap
from core.hub import Hub
from metering import import_trial, loading
from metering.formats import mapping, reader, told
from metering.quality import Quality

SOURCE = "FILE"
_PIECE = 1 << 20

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Whose:
    """Which meter a usage point of a file is: one for all, or one for each; else it is called as in the file."""

    meter: str | None = None
    points: Mapping[str, str] = field(default_factory=dict)


def trial(path: Path, said: mapping.Columns | None, whose: Whose, progress: Progress) -> import_trial.Summary:
    """This will say what would become of a file. Invalid ``file.unreadable`` where it cannot be opened."""
    judge = import_trial.Trial()
    with _open(path) as stream:
        read = 0
        for item, part in _told(stream, said, whose):
            read += judge.add(item, part)
            progress(read)
    return judge.finish()


def load(
    hub: Hub, path: Path, said: mapping.Columns | None, whose: Whose, progress: Progress, *, now: datetime
) -> import_trial.Summary:
    """This will load a file. Invalid ``file.unreadable`` with a `reason` where it cannot be opened."""
    heap.keep()
    with _open(path) as stream:
        sha256 = _digest(stream, said, whose)
        seen = _Seen(progress)
        found = loading.load(hub, seen.through(_told(stream, said, whose)), source=SOURCE, sha256=sha256, now=now)
    summary = seen.summary
    summary.stored, summary.unchanged = found.stored, found.unchanged
    summary.excepted, summary.unreadable = found.excepted, found.unreadable
    return summary


class _Names:
    """Calls meters by their numbers."""

    def __init__(self, whose: Whose) -> None:
        self._whose = whose
        self._first: str | None = None

    def named(self, item: told.Told) -> told.Told:
        """With one number for all, the first usage point of the file has it; another keeps its own name."""
        if isinstance(item, told.Unreadable):
            return item
        if item.meter in self._whose.points:
            return _called(item, self._whose.points[item.meter])
        if self._whose.meter is None:
            return item
        self._first = item.meter if self._first is None else self._first
        return _called(item, self._whose.meter) if item.meter == self._first else item


def _called(item: told.Run | told.Dial, meter: str) -> told.Run | told.Dial:
    return structs.replace(item, meter=meter) if isinstance(item, told.Run) else replace(item, meter=meter)


class _Seen:
    """Looks on while a file is loaded."""

    def __init__(self, progress: Progress) -> None:
        self.summary = import_trial.Summary()
        self._progress = progress

    def through(self, items: Iterator[tuple[told.Told, str]]) -> Iterator[told.Told]:
        read = 0
        for item, part in items:
            read += self._look(item, part)
            self._progress(read)
            yield item

    def _look(self, item: told.Told, part: str) -> int:
        summary = self.summary
        if isinstance(item, told.Unreadable):
            summary.note(item.line, item.reason, item.count, part)
            return item.count
        summary.points.add(item.meter)
        if isinstance(item, told.Dial):
            summary.spans(int(item.read_at.timestamp()), int(item.read_at.timestamp()))
            return 1
        first = int(item.starts_at.timestamp())
        summary.spans(first, first + len(item.wh) * item.interval_minutes * 60)
        summary.sum_wh += int(item.wh[(item.quality != Quality.MISSING) & (item.wh > 0)].sum())
        return int((item.quality != Quality.MISSING).sum())


def _told(stream: BinaryIO, said: mapping.Columns | None, whose: Whose) -> Iterator[tuple[told.Told, str]]:
    names = _Names(whose)
    for part in reader.parts(stream, said):
        for item in part.told:
            yield names.named(item), part.name


def _open(path: Path) -> BinaryIO:
    try:
        if not path.is_file():
            raise errors.Invalid("file.unreadable", reason="there is no such file")
        return path.open("rb")
    except OSError as exc:
        raise errors.Invalid("file.unreadable", reason=(exc.strerror or "it cannot be opened").lower()) from exc


def _digest(stream: BinaryIO, said: mapping.Columns | None, whose: Whose) -> str:
    """Of the bytes, and of how they are to be read: the same file under another meter's number is another batch."""
    digest = hashlib.sha256()
    if said is not None or whose != Whose():
        digest.update(repr((said, whose.meter, sorted(whose.points.items()))).encode())
    while piece := stream.read(_PIECE):
        digest.update(piece)
    stream.seek(0)
    return digest.hexdigest()
