"""Many rows at once: laid out by numpy for PostgreSQL's binary COPY, with ids taken beforehand.

Where thousands of rows differ only in a few numbers, `Layout` makes them all at once: no Python object per row, and
nothing for the server to parse. `db.copy_laid_out` sends them.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from core import db, periods

Item = TypeVar("Item")
Ints = NDArray[np.int64]
Octets = NDArray[np.uint8]

_TEXT_OID = 25


def take_ids(session: Session, table: str, count: int) -> Ints:
    """This will take `count` ids from a table's own counter, rising; others may take theirs in between."""
    taken = session.scalar(
        text(
            "SELECT string_agg(int8send(nextval(own.counter)), ''::bytea)"
            " FROM (SELECT CAST(pg_get_serial_sequence(:table, 'id') AS regclass) AS counter OFFSET 0) AS own,"
            " generate_series(1, :count)"
        ),
        {"table": table, "count": count},
    )
    return db.ints(taken)


def slices(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """This will cut a sequence into parts of at most `size`."""
    return (items[i : i + size] for i in range(0, len(items), size))


def patterns(marks: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], Ints]]:
    """This will give each row of marks [n, k] that occurs, and where it does; k is below 63."""
    weights = np.left_shift(np.int64(1), np.arange(marks.shape[1], dtype=np.int64))
    numbers = marks @ weights
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        yield marks[rows[0]], rows


class Layout:
    """A binary COPY row under construction: what is the same in all rows is written once, the rest has its place."""

    def __init__(self) -> None:
        self._template = bytearray()
        self._places: dict[str, tuple[int, int]] = {}

    def row(self, fields: int) -> None:
        """This will begin a row of so many fields; a layout may hold several rows, one after the other."""
        self._template += struct.pack(">h", fields)

    def same(self, value: bytes | None) -> None:
        """This will add a field that is the same in all rows, as the server's binary form; None is NULL."""
        self._template += struct.pack(">i", -1 if value is None else len(value)) + (value or b"")

    def own(self, name: str, width: int) -> None:
        """This will add a field of `width` bytes that differs by row, to be given to `fill` under its name."""
        self._template += struct.pack(">i", width)
        self._places[name] = (len(self._template), width)
        self._template += bytes(width)

    def fill(self, count: int, values: Mapping[str, Octets]) -> Octets:
        """This will make the rows: uint8 [count, width]."""
        out = np.empty((count, len(self._template)), dtype=np.uint8)
        out[:] = np.frombuffer(bytes(self._template), dtype=np.uint8)
        for name, (at, width) in self._places.items():
            out[:, at : at + width] = values[name]
        return out


def int8(value: int) -> bytes:
    return struct.pack(">q", value)


def int8s(values: Ints) -> Octets:
    """This will give whole numbers as bigint fields, [n, 8]."""
    return values.astype(">i8").view(np.uint8).reshape(len(values), 8)


def int8_arrays(columns: Sequence[Ints], count: int) -> Octets:
    """This will give `count` bigint[] fields, each of one number of every column: [count, 20 + 12 per column]."""
    if not columns:
        return np.broadcast_to(np.frombuffer(db.EMPTY_BIGINTS, dtype=np.uint8), (count, 12))
    out = np.empty(count, dtype=[("head", "V20"), ("elements", db.BIGINT_ELEMENT, (len(columns),))])
    out["head"] = np.void(struct.pack(">iiiii", 1, 0, db.BIGINT_OID, len(columns), 1))
    out["elements"]["length"] = 8
    for at, values in enumerate(columns):
        out["elements"]["value"][:, at] = values
    return out.view(np.uint8).reshape(count, -1)


def bools(values: NDArray[np.bool_]) -> Octets:
    return values.astype(np.uint8).reshape(len(values), 1)


def day(value: date) -> bytes:
    return struct.pack(">i", db.day_number(value))


def int4s(values: NDArray[np.integer[Any]]) -> Octets:
    """This will give whole numbers as integer fields, or numbered days as date fields: [n, 4]."""
    return values.astype(">i4").view(np.uint8).reshape(len(values), 4)


def instant(value: datetime) -> bytes:
    since = periods.aware(value) - periods.midnight(db.EPOCH, "UTC")
    return int8(since // timedelta(microseconds=1))


def string(value: str) -> bytes:
    return value.encode()


def jsonb(text_: str) -> bytes:
    return b"\x01" + text_.encode()


def strings(values: Sequence[str]) -> bytes:
    """This will give a text[] field."""
    if not values:
        return struct.pack(">iii", 0, 0, _TEXT_OID)
    parts = b"".join(struct.pack(">i", len(v.encode())) + v.encode() for v in values)
    return struct.pack(">iiiii", 1, 0, _TEXT_OID, len(values), 1) + parts


def digits(values: Ints, width: int) -> Octets:
    """This will write numbers out, filled with zeros to `width` digits: [n, width]."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (values[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def digests(head: Any, rows: NDArray[Any]) -> Octets:
    """This will give the digest of a head, begun already, and each row: [n, 32]."""
    if not rows.size:
        return np.zeros((0, 32), dtype=np.uint8)
    octets, width = memoryview(rows.data).cast("B"), rows.shape[1] * rows.itemsize
    done = []
    for at in range(0, len(octets), width):
        digest = head.copy()
        digest.update(octets[at : at + width])
        done.append(digest.digest())
    return np.frombuffer(b"".join(done), dtype=np.uint8).reshape(len(rows), 32)
