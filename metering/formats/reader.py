"""Any file of reads: what it is, is seen from how it begins, never from its name. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from metering.formats import archives, columns, espi, lines, mapping, streams, told

_XML = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\x00<")


@dataclass(frozen=True)
class Part:
    """A file, or a file of an archive (then with a name), and what is read from it."""

    name: str
    told: Iterator[told.Told]


def parts(stream: BinaryIO, said: mapping.Columns | None = None) -> Iterator[Part]:
    """This will open a file that can be sought in, or one after another those in it, of any format."""
    head = stream.read(4096)
    stream.seek(0)
    if not archives.is_archive(head):
        yield Part("", _of(stream, head, said))
        return
    found = False
    for member in archives.members(stream, head):
        found = True
        if member.stream is None:
            yield Part(member.name, iter([told.Unreadable(1, member.refusal or "it cannot be read")]))
        else:
            yield Part(member.name, _guarded(member.stream, said))
    if not found:
        yield Part("", iter([told.Unreadable(1, "there is no file in the archive")]))


def read(stream: BinaryIO, said: mapping.Columns | None = None) -> Iterator[told.Told]:
    """This will tell everything in a file, or in the files of an archive."""
    for part in parts(stream, said):
        yield from part.told


def _guarded(stream: streams.Stream, said: mapping.Columns | None) -> Iterator[told.Told]:
    head = stream.peek() if isinstance(stream, archives.Guarded) else b""
    return _of(stream, head[:4096], said)


def _of(stream: streams.Stream, head: bytes, said: mapping.Columns | None) -> Iterator[told.Told]:
    if not head.strip():
        return iter([told.Unreadable(1, "the file is empty")])
    begins = head.lstrip()
    if begins.startswith(_XML):
        return espi.parse(stream)
    if begins.startswith(b"{"):
        return lines.parse(stream)
    if b"\x00" in begins.partition(b"\n")[0] and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return iter([told.Unreadable(1, "it is neither XML, CSV nor JSON lines, alone or in a gzip or zip archive")])
    return columns.parse(stream, said)
