"""The fast road for reads of many meters: one binary COPY of fixed-width rows, built by numpy."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from core import errors
from metering import blocks
from metering.quality import Quality

_EPOCH = date(2000, 1, 1)  # PostgreSQL counts days and microseconds from here
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_CHUNK_BYTES = 8_000_000


def load_matrix(
    session: Session,
    *,
    meter_ids: Sequence[int],
    day_from: date,
    wh: NDArray[np.int64],
    interval_minutes: int = 60,
    codes: NDArray[np.uint8] | None = None,
    now: datetime | None = None,
) -> int:
    """This will load whole UTC days of many meters: wh[n, days x intervals], -1 where missing.

    Gives the day rows written.

    For filling an empty stretch only: a day that is already there is an integrity error, and no fact is
    recorded. Without `codes` every read counts as ACTUAL.
    """
    per_day = blocks.per_day(interval_minutes)
    values = np.asarray(wh)
    if values.ndim != 2 or values.shape[0] != len(meter_ids) or values.shape[1] % per_day:
        raise errors.Invalid("reads.shape", shape=list(values.shape), meters=len(meter_ids))
    days = int(values.shape[1]) // per_day
    if codes is None:
        codes = np.where(values >= 0, Quality.ACTUAL, Quality.MISSING).astype(np.uint8)
    recorded = now or blocks.day_start(day_from + timedelta(days=days))
    raw: Any = session.connection().connection.driver_connection
    columns = "meter_id, day, version, wh, quality, recorded_at"
    each = max(1, _CHUNK_BYTES // max(1, days * (per_day * 5 + 64)))
    with raw.cursor().copy(f"COPY read_day ({columns}) FROM STDIN (FORMAT BINARY)") as copy:  # constant text
        copy.write(_HEADER)
        for start in range(0, len(meter_ids), each):
            part = slice(start, start + each)
            copy.write(_rows(meter_ids[part], day_from, values[part], codes[part], per_day, recorded))
        copy.write(_TRAILER)
    _mark_read(session, meter_ids, day_from, values, interval_minutes)
    return len(meter_ids) * days


def _rows(
    meter_ids: Sequence[int],
    day_from: date,
    wh: NDArray[np.int64],
    codes: NDArray[np.uint8],
    per_day: int,
    recorded: datetime,
) -> bytes:
    row = np.dtype(
        [
            ("fields", ">i2"),
            ("meter_length", ">i4"),
            ("meter", ">i8"),
            ("day_length", ">i4"),
            ("day", ">i4"),
            ("version_length", ">i4"),
            ("version", ">i4"),
            ("wh_length", ">i4"),
            ("wh", "<i4", (per_day,)),
            ("quality_length", ">i4"),
            ("quality", "u1", (per_day,)),
            ("recorded_length", ">i4"),
            ("recorded", ">i8"),
        ]
    )
    days = wh.shape[1] // per_day
    out = np.zeros((len(meter_ids), days), dtype=row)
    out["fields"] = 6
    out["meter_length"], out["meter"] = 8, np.asarray(meter_ids)[:, None]
    out["day_length"], out["day"] = 4, (day_from - _EPOCH).days + np.arange(days)[None, :]
    out["version_length"], out["version"] = 4, 1
    out["wh_length"], out["wh"] = per_day * 4, wh.reshape(len(meter_ids), days, per_day)
    out["quality_length"], out["quality"] = per_day, codes.reshape(len(meter_ids), days, per_day)
    since = recorded - blocks.day_start(_EPOCH)
    out["recorded_length"], out["recorded"] = 8, since // timedelta(microseconds=1)
    return out.tobytes()


def _mark_read(
    session: Session, meter_ids: Sequence[int], day_from: date, wh: NDArray[np.int64], interval_minutes: int
) -> None:
    known = wh >= 0
    last = np.where(known.any(axis=1), wh.shape[1] - known[:, ::-1].argmax(axis=1), 0)
    minutes = (last * interval_minutes).tolist()
    session.execute(
        text(
            """
            UPDATE meter m
               SET last_read_at = greatest(m.last_read_at,
                                           CAST(:start AS timestamptz) + u.minutes * interval '1 minute')
              FROM unnest(CAST(:ids AS bigint[]), CAST(:minutes AS integer[])) AS u (id, minutes)
             WHERE m.id = u.id AND u.minutes > 0
            """
        ),
        {"start": blocks.day_start(day_from), "ids": list(meter_ids), "minutes": minutes},
    )
    session.expire_all()
