"""The bytes of a file of reads, a piece or a line at a time, so that no file is ever held whole. Pure."""

import codecs
from collections.abc import Iterator
from typing import Protocol

PIECE = 1 << 16
LONGEST_LINE = 4 << 20
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Stream(Protocol):
    """Anything bytes are read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class Broken(Exception):
    """The bytes end, or make no sense, where there should be more; `reason` says it in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def pieces(stream: Stream) -> Iterator[bytes]:
    """This will read on and on in pieces; Broken where the file behind it is."""
    while piece := stream.read(PIECE):
        yield piece


def lines(stream: Stream) -> Iterator[tuple[int, bytes | None]]:
    """This will give each line with its number, from 1, without its end; None for one of more than 4 MiB."""
    number, rest, too_long = 0, b"", False
    for piece in _in_ascii_steps(pieces(stream)):
        parts = (rest + piece).split(b"\n")
        rest = parts.pop()
        for part in parts:
            number += 1
            yield number, None if too_long else part.removesuffix(b"\r")
            too_long = False
        if len(rest) > LONGEST_LINE:
            rest, too_long = b"", True
    if rest or too_long:
        yield number + 1, None if too_long else rest.removesuffix(b"\r")


def _in_ascii_steps(given: Iterator[bytes]) -> Iterator[bytes]:
    """UTF-8 without its mark; what begins with the mark of UTF-16 is turned into UTF-8."""
    first = next(given, b"")
    name = _WIDE.get(first[:2])
    if name is None:
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from given
        return
    decoder = codecs.getincrementaldecoder(name)("replace")
    yield decoder.decode(first[2:]).encode()
    for piece in given:
        yield decoder.decode(piece).encode()
