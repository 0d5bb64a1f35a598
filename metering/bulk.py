"""The fast road for reads of many meters: one binary COPY of fixed-width rows, built by numpy."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from core import db, errors
from metering import blocks, copying
from metering.quality import Quality

_CHUNK_BYTES = 8_000_000
_JUDGED = text(
    """
    UPDATE read_day SET judged_at = recorded_at
     WHERE meter_id = ANY(CAST(:ids AS bigint[])) AND day >= :first AND day < :until
    """
)


def load_matrix(
    session: Session,
    *,
    meter_ids: Sequence[int],
    day_from: date,
    wh: NDArray[np.int64],
    interval_minutes: int = 60,
    codes: NDArray[np.uint8] | None = None,
    now: datetime | None = None,
    judged_until: date | None = None,
) -> int:
    """This will load whole UTC days of many meters: wh[n, days x intervals], -1 where missing.

    Gives the day rows written.

    For filling an empty stretch only: a day that is already there is an integrity error, and no fact is
    recorded. Without `codes` every read counts as ACTUAL. Days before `judged_until` were judged in their time, where
    the reads come from.
    """
    per_day = blocks.per_day(interval_minutes)
    values = np.asarray(wh)
    if values.ndim != 2 or values.shape[0] != len(meter_ids) or values.shape[1] % per_day:
        raise errors.Invalid("reads.shape", shape=list(values.shape), meters=len(meter_ids))
    days = int(values.shape[1]) // per_day
    if codes is None:
        codes = np.where(values >= 0, Quality.ACTUAL, Quality.MISSING).astype(np.uint8)
    recorded = now or blocks.day_start(day_from + timedelta(days=days))
    copying.copy_days(session, _pieces(np.asarray(meter_ids), day_from, values, codes, per_day, recorded))
    _mark_read(session, meter_ids, day_from, values, interval_minutes)
    if judged_until is not None:
        session.execute(_JUDGED, {"ids": list(meter_ids), "first": day_from, "until": judged_until})
    return len(meter_ids) * days


def _pieces(
    meter_ids: NDArray[np.int64],
    day_from: date,
    wh: NDArray[np.int64],
    codes: NDArray[np.uint8],
    per_day: int,
    recorded: datetime,
) -> Iterator[bytes]:
    """A meter's days stand together: one customer's month is a few pages then."""
    days = wh.shape[1] // per_day
    numbers = db.day_number(day_from) + np.arange(days)
    each = max(1, _CHUNK_BYTES // max(1, days * (per_day * 5 + 64)))
    for start in range(0, len(meter_ids), each):
        part = slice(start, start + each)
        ids = meter_ids[part]
        yield copying.day_rows(
            np.repeat(ids, days),
            np.tile(numbers, len(ids)),
            wh[part].reshape(-1, per_day),
            codes[part].reshape(-1, per_day),
            recorded,
        )


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
