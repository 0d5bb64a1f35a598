"""Files in files: gzip and zip, opened with a guard against bombs. Pure.

Nothing is written to a disk. What comes out is counted while it comes: past a size, or a ratio that no honest file of
reads has, the rest is not read. An archive in an archive is not opened.
"""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from metering.formats import streams

MOST_BYTES = 4 << 30
MOST_RATIO = 250  # a Green Button feed has 40 to 100
_FREE = 16 << 20  # below it no ratio is asked
MOST_MEMBERS = 1000
GZIP, ZIP = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True)
class Member:
    """A file in an archive, open for reading once, or the reason in words why not."""

    name: str
    stream: streams.Stream | None
    refusal: str | None = None


def is_archive(head: bytes) -> bool:
    """This will say whether a file that begins so is an archive."""
    return head.startswith(GZIP) or head.startswith(ZIP)


def members(stream: BinaryIO, head: bytes) -> Iterator[Member]:
    """This will open what is in an archive that can be sought in, one after another."""
    size = _size(stream)
    if head.startswith(GZIP):
        yield _refuse_nested("", Guarded(gzip.GzipFile(fileobj=stream), size))
        return
    try:
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as exc:
        yield Member("", None, f"the zip archive cannot be opened: {exc}")
        return
    with archive:
        yield from _zipped(archive, size)


class Guarded:
    """A stream that says in words when it breaks, and stops when too much comes out of too little."""

    def __init__(self, inner: streams.Stream, size: int, spent: int = 0) -> None:
        self._inner = inner
        self._size = max(1, size)
        self._held = b""
        self.spent = spent

    def read(self, size: int = -1, /) -> bytes:
        """This will read as any stream does; Broken when it cannot."""
        if self._held:
            held, self._held = self._held, b""
            return held
        try:
            piece = self._inner.read(streams.PIECE if size < 0 else min(size, streams.PIECE))
        except EOFError:
            raise streams.Broken("the archive breaks off here; what comes after it is not there") from None
        except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, ValueError) as exc:
            raise streams.Broken(f"the archive is damaged from here on ({exc})") from exc
        self.spent += len(piece)
        if self.spent > MOST_BYTES:
            raise streams.Broken(f"more than {MOST_BYTES >> 30} GiB come out of the archive: it is not read on")
        if self.spent > max(_FREE, self._size * MOST_RATIO):
            raise streams.Broken(f"more than {MOST_RATIO} times its size comes out of the archive: it is not read on")
        return piece

    def peek(self) -> bytes:
        """This will show what comes next."""
        self._held = self._held or self.read(streams.PIECE)
        return self._held


def _zipped(archive: zipfile.ZipFile, size: int) -> Iterator[Member]:
    files = [info for info in archive.infolist() if not info.is_dir()]
    if len(files) > MOST_MEMBERS:
        yield Member("", None, f"the archive has {len(files)} files; {MOST_MEMBERS} at most are read")
        return
    spent = 0
    for info in files:
        name = "".join(char if char.isprintable() else "?" for char in info.filename)[:200]
        if info.flag_bits & 1:
            yield Member(name, None, "it is encrypted")
            continue
        try:
            inner = archive.open(info)
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError) as exc:
            yield Member(name, None, f"it cannot be opened ({exc})")
            continue
        with inner:
            guarded = Guarded(inner, size, spent)
            yield _refuse_nested(name, guarded)
            spent = guarded.spent


def _refuse_nested(name: str, guarded: Guarded) -> Member:
    try:
        head = guarded.peek()
    except streams.Broken as exc:
        return Member(name, None, exc.reason)
    if is_archive(head):
        return Member(name, None, "it is an archive in an archive, which is not opened")
    return Member(name, guarded)


def _size(stream: BinaryIO) -> int:
    place = stream.tell()
    size = stream.seek(0, 2)
    stream.seek(place)
    return size
