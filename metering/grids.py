"""The reads of very many service points at once, each on the grid its own meters read on.

The server strings a meter's days together and sends them in PostgreSQL's binary form; numpy looks at the bytes as they
come, so that nothing is parsed and no object is made per day or per read.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from core import periods
from metering import blocks, quality
from metering.views import Matrix

_DAYS = """
COPY (
  SELECT m.service_point_id, string_agg(int4send(d.day - '{first}'::date), ''::bytea ORDER BY d.day),
         string_agg(d.wh, ''::bytea ORDER BY d.day), string_agg(d.quality, ''::bytea ORDER BY d.day)
    FROM meter m JOIN read_day d ON d.meter_id = m.id
   WHERE m.service_point_id = ANY('{ids}') AND m.direction = '{direction}'
     AND d.day >= '{first}' AND d.day < '{last}'
   GROUP BY m.id, octet_length(d.wh)
   ORDER BY m.installed_on, m.id
) TO STDOUT (FORMAT binary)
"""
_HEADER = 19

Ints = NDArray[np.int64]


def usage_grids(
    session: Session,
    *,
    service_point_ids: Sequence[int],
    starts_at: datetime,
    ends_at: datetime,
    direction: str = "DELIVERED",
) -> tuple[Matrix, ...]:
    """This will give the reads of many service points between two instants, one matrix per length of interval.

    A point stands in the matrix of the coarsest length it was read in, one without any read in that of 60 minutes.
    Where two meters overlap on the day of an exchange, the newer one's reads count.
    """
    first, last = blocks.utc_days(starts_at, ends_at)
    days = (last - first).days
    rows: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    width: dict[int, int] = {}
    for point, blob, count in _rows(session, service_point_ids, first, last, direction):
        rows[point].append((count, blob))
        per_day = _per_day(blob, count)
        width[point] = min(width.get(point, per_day), per_day)
    grids: dict[int, list[int]] = defaultdict(list)
    for point in service_point_ids:
        grids[width.get(point, 24)].append(point)
    origin = blocks.day_start(first)
    out = []
    for per_day, points in sorted(grids.items()):
        wh, codes = _fill(points, rows, days, per_day)
        minutes = 1440 // per_day
        start = blocks.ceil_index(origin, periods.aware(starts_at), minutes)
        end = blocks.ceil_index(origin, periods.aware(ends_at), minutes)
        at = origin + start * timedelta(minutes=minutes)
        out.append(Matrix(tuple(points), at, minutes, wh[:, start:end], codes[:, start:end]))
    return tuple(out)


def _rows(
    session: Session, ids: Sequence[int], first: Any, last: Any, direction: str
) -> Iterator[tuple[int, bytes, int]]:
    """(service point, rest of its row, number of days), one per meter and length of interval, oldest meter first."""
    if direction not in ("DELIVERED", "RECEIVED"):
        raise ValueError(direction)
    session.flush()
    connection: Any = session.connection().connection.driver_connection
    wanted = "{" + ",".join(str(int(i)) for i in ids) + "}"
    with (
        connection.cursor() as cursor,
        cursor.copy(_DAYS.format(ids=wanted, first=first, last=last, direction=direction)) as sent,
    ):
        begun = False
        for piece in sent:
            row = bytes(piece)
            if not begun:
                row, begun = row[_HEADER:], True
            if len(row) <= 2:  # the trailer, or nothing behind the header
                continue
            point, length = struct.unpack_from(">qi", row, 6)
            yield point, row[18:], length // 4


def _per_day(blob: bytes, count: int) -> int:
    (length,) = struct.unpack_from(">i", blob, 4 * count)
    return int(length) // (4 * count)


def _fill(
    points: Sequence[int], rows: dict[int, list[tuple[int, bytes]]], days: int, per_day: int
) -> tuple[Ints, NDArray[np.uint8]]:
    wh = np.full((len(points), days, per_day), quality.MISSING_WH, dtype=np.int64)
    codes = np.zeros((len(points), days, per_day), dtype=np.uint8)
    whole = np.dtype(
        [("on", ">i4", (days,)), ("a", "V4"), ("wh", "<i4", (days, per_day)), ("b", "V4"), ("q", "u1", (days, per_day))]
    )
    at, full = [], []
    for n, point in enumerate(points):
        own = rows.get(point, ())
        if len(own) == 1 and own[0][0] == days and len(own[0][1]) == whole.itemsize:
            at.append(n)
            full.append(own[0][1])
            continue
        for count, blob in own:
            _lay(wh[n], codes[n], count, blob, per_day)
    if full:
        seen = np.frombuffer(b"".join(full), dtype=whole)
        wh[at], codes[at] = seen["wh"], np.where(seen["wh"] < 0, 0, seen["q"])
    return wh.reshape(len(points), -1), codes.reshape(len(points), -1)


def _lay(wh: Ints, codes: NDArray[np.uint8], count: int, blob: bytes, per_day: int) -> None:
    on = np.frombuffer(blob, dtype=">i4", count=count).astype(np.int64)
    fine = _per_day(blob, count)
    size = 4 * fine * count
    at = 4 * count + 4
    values, marks = blocks.decode(blob[at : at + size], blob[at + size + 4 :])
    values, marks = blocks.coarsen(values, marks, fine // per_day)
    values, marks = values.reshape(-1, per_day), marks.reshape(-1, per_day)
    read = values >= 0
    wh[on] = np.where(read, values, wh[on])
    codes[on] = np.where(read, marks, codes[on])
