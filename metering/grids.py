"""The reads of very many service points at once, each on the grid its own meters read on.

The server strings the days of a few thousand meters together, in whatever order it finds them, and numpy puts them in
their places: nothing is sorted or parsed, and no object is made per meter, per day or per read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from core import db, periods
from metering import blocks, quality
from metering.views import Matrix

_METERS = """
SELECT string_agg(int8send(id), ''::bytea ORDER BY installed_on, id),
       string_agg(int8send(service_point_id), ''::bytea ORDER BY installed_on, id)
  FROM meter WHERE service_point_id = ANY(%s::bigint[]) AND direction = %s
"""
_DAYS = """
SELECT day - %s::date, min(octet_length(wh)), max(octet_length(wh)), string_agg(int8send(meter_id), ''::bytea),
       string_agg(wh, ''::bytea), string_agg(quality, ''::bytea)
  FROM read_day WHERE {} AND day >= %s AND day < %s{}
 GROUP BY day
"""
_OF_ONE_LENGTH = " AND octet_length(wh) = %s"
_AT_ONCE = 2500  # meters whose days are strung together: some ten megabytes a month

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Days:
    """Days of reads with as many intervals each: of which point (its place), on which day, by which meter (its age)."""

    per_day: int
    at: Ints
    on: Ints
    meter: Ints
    wh: NDArray[np.int32]
    codes: NDArray[np.uint8]

    def only(self, chosen: NDArray[np.bool_]) -> "_Days":
        if chosen.all():
            return self
        return _Days(
            self.per_day, self.at[chosen], self.on[chosen], self.meter[chosen], self.wh[chosen], self.codes[chosen]
        )


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
    Where two meters overlap on the day of an exchange, the newer one's reads count. `wh` is int32 where that holds it.
    """
    if direction not in ("DELIVERED", "RECEIVED"):
        raise ValueError(direction)
    first, last = blocks.utc_days(starts_at, ends_at)
    points = np.asarray(service_point_ids, dtype=np.int64)
    found = list(_read(session, points, first, last, direction))
    per_day = np.zeros(len(points), dtype=np.int64)
    for days in sorted(found, key=lambda d: -d.per_day):
        per_day[days.at] = days.per_day  # the coarsest comes last
    per_day[per_day == 0] = 24
    origin = blocks.day_start(first)
    out = []
    for width in sorted(set(per_day.tolist())):
        own = np.flatnonzero(per_day == width)
        wh, codes = _fill(own, len(points), found, (last - first).days, width)
        minutes = 1440 // width
        start = blocks.ceil_index(origin, periods.aware(starts_at), minutes)
        end = blocks.ceil_index(origin, periods.aware(ends_at), minutes)
        at = origin + start * timedelta(minutes=minutes)
        out.append(Matrix(tuple(points[own].tolist()), at, minutes, wh[:, start:end], codes[:, start:end]))
    return tuple(out)


def _read(session: Session, points: Ints, first: date, last: date, direction: str) -> Iterator[_Days]:
    """The days of some thousand meters at a time, by length of interval."""
    session.flush()
    connection: Any = session.connection().connection.driver_connection
    order = np.argsort(points, kind="stable")
    with connection.cursor(binary=True) as cursor:
        ids, owners = cursor.execute(_METERS, (db.array_of(points), direction)).fetchone()
        meters = db.ints(ids)
        places = order[np.searchsorted(points, db.ints(owners), sorter=order)]
        by_id = np.argsort(meters)
        for start in range(0, len(meters), _AT_ONCE):
            for width, on, of, wh, codes in _strung(cursor, meters[by_id[start : start + _AT_ONCE]], first, last):
                ids = db.ints(of)
                age = by_id[np.minimum(np.searchsorted(meters, ids, sorter=by_id), len(by_id) - 1)]
                days = _Days(
                    per_day=width,
                    at=places[age],
                    on=np.full(len(ids), on),
                    meter=age,
                    wh=np.frombuffer(wh, dtype=blocks.WH).reshape(-1, width),
                    codes=np.frombuffer(codes, dtype=np.uint8).reshape(-1, width),
                )
                yield days.only(meters[age] == ids)


def _strung(cursor: Any, ids: Ints, first: date, last: date) -> Iterator[tuple[int, int, bytes, bytes, bytes]]:
    """(intervals, day, meters, reads, qualities), the last three strung together in one order."""
    lowest, highest = int(ids[0]), int(ids[-1])
    if highest - lowest < 1.2 * len(ids):  # nearly all between: a range is found faster
        these, wanted = "meter_id BETWEEN %s AND %s", (lowest, highest)
    else:
        these, wanted = "meter_id = ANY(%s::bigint[])", (db.array_of(ids),)  # type: ignore[assignment]
    # not prepared: a plan for any range would take the days one by one, and not page by page
    cursor.execute(_DAYS.format(these, ""), (first, *wanted, first, last), prepare=False)
    for on, least, most, of, wh, codes in cursor.fetchall():
        if least == most:
            yield least // 4, on, of, wh, codes
            continue
        for octets in sorted({4 * blocks.per_day(minutes) for minutes in blocks.INTERVALS}):
            day = first + timedelta(days=on)
            one = (first, *wanted, day, day + timedelta(days=1), octets)
            for row in cursor.execute(_DAYS.format(these, _OF_ONE_LENGTH), one).fetchall():
                yield octets // 4, on, row[3], row[4], row[5]


def _fill(
    own: Ints, count: int, found: Sequence[_Days], days: int, per_day: int
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """The rows of the points `own` of `count`, [n, days x per_day]."""
    row = np.full(count, -1)
    row[own] = np.arange(len(own))
    parts = [part for part in (each.only(row[each.at] >= 0) for each in found) if len(part.at)]
    values = [_coarsened(part, per_day) for part in parts]
    dtype = np.result_type(np.int32, *(wh.dtype for wh, _ in values))
    out = np.full((len(own) * days, per_day), quality.MISSING_WH, dtype=dtype)
    codes = np.zeros((len(own) * days, per_day), dtype=np.uint8)
    cells = [row[part.at] * days + part.on for part in parts]
    several = np.bincount(np.concatenate(cells), minlength=1) > 1 if cells else np.zeros(1, dtype=np.bool_)
    twice: list[tuple[int, int, NDArray[Any], NDArray[np.uint8]]] = []
    for part, cell, (wh, marks) in zip(parts, cells, values, strict=True):
        out[cell], codes[cell] = wh, marks
        for at in np.flatnonzero(several[cell]):
            twice.append((int(part.meter[at]), int(cell[at]), wh[at], marks[at]))
    if twice:
        again = [at for _, at, _, _ in twice]
        out[again], codes[again] = quality.MISSING_WH, 0
        for _, cell_, wh, marks in sorted(twice, key=lambda each: each[0]):
            read = wh >= 0
            out[cell_][read], codes[cell_][read] = wh[read], marks[read]
    missing = out < 0
    if missing.any():
        codes[missing] = 0
    return out.reshape(len(own), -1), codes.reshape(len(own), -1)


def _coarsened(part: _Days, per_day: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    if part.per_day == per_day:
        return part.wh, part.codes
    return blocks.coarsen(part.wh.astype(np.int64), part.codes, part.per_day // per_day)
