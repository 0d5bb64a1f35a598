"""Changing what a day of reads says, with what came kept: the one place where validation, estimates and staff write."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import outbox
from metering import blocks, models, originals, quality
from metering.originals import Cause, Mask, Method
from metering.views import Codes, Ints

VALIDATION = "validation"
ESTIMATION = "estimation"


@dataclass(frozen=True)
class Change:
    """What to write into a day: where, which values, how good they are, and why."""

    where: Mask
    values: Ints
    code: quality.Quality
    cause: Cause | Codes
    method: Method | Codes


def lock_days(session: Session, *, meter_id: int, days: Sequence[date]) -> dict[date, models.ReadDayRow]:
    """This will lock a meter as every writer of reads does, and give its rows of some days."""
    session.get_one(models.MeterRow, meter_id, with_for_update=True)
    row = models.ReadDayRow
    found = session.scalars(
        select(row)
        .where(row.meter_id == meter_id, row.day.in_(days))
        .order_by(row.day)
        .execution_options(populate_existing=True)
    )
    return {each.day: each for each in found}


def write(session: Session, row: models.ReadDayRow, change: Change, *, actor: str, now: datetime) -> None:
    """This will change a locked day, which keeps what stood as a version where anything did.

    A day that was judged stays judged, and one that a rule or a person changes is: whoever writes here knows.
    """
    stood = np.frombuffer(row.quality, dtype=np.uint8)[change.where] > quality.Quality.MISSING
    day = originals.change(
        originals.read(row.wh, row.quality, row.raw, row.rule), change.where, change.values, code=change.code,
        cause=change.cause, method=change.method,
    )  # fmt: skip
    if stood.any() or actor != ESTIMATION:
        keep_version(session, row, actor=actor, now=now)
    judged = row.judged_at is not None or actor != ESTIMATION
    row.wh, row.quality, row.raw, row.rule = day.blocks()
    row.recorded_at = now
    session.flush()
    if judged:
        mark_judged(session, row, now=now)


def mark_judged(session: Session, row: models.ReadDayRow, *, now: datetime) -> None:
    """This will say that a day needs no judging as it stands; apart from its change, which says that it does."""
    session.refresh(row)  # a trigger has cleared it
    row.judged_at = now
    session.flush()


def create(session: Session, *, meter_id: int, day: date, per_day: int, now: datetime) -> models.ReadDayRow:
    """This will make an empty day for a meter that sent nothing; it is still to be judged."""
    row = models.ReadDayRow(
        meter_id=meter_id, day=day, version=1, recorded_at=now, quality=bytes(per_day),
        wh=blocks.encode(np.full(per_day, quality.MISSING_WH, dtype=np.int64)),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def keep_version(session: Session, row: models.ReadDayRow, *, actor: str, now: datetime) -> None:
    """This will keep what stands in a day before it is changed."""
    session.add(
        models.ReadDayVersionRow(
            meter_id=row.meter_id, day=row.day, version=row.version, wh=row.wh, quality=row.quality, raw=row.raw,
            rule=row.rule, recorded_at=row.recorded_at, replaced_at=now, replaced_by=actor,
        )
    )  # fmt: skip
    row.version += 1
    session.flush()


def tell(session: Session, *, service_point_id: int, day: date, actor: str, now: datetime) -> None:
    """This will tell that a day's use is another now, so that what was billed on it is looked at again."""
    key = f"service_point:{service_point_id}"
    start = blocks.day_start(day)
    settled = {
        "service_point_id": service_point_id, "from": start.isoformat(),
        "to": (start + timedelta(days=1)).isoformat(),
    }  # fmt: skip
    outbox.record_fact(session, "reads.settled", key=key, payload=settled, now=now)
    corrected = {"by": actor, "points": [[service_point_id, day.isoformat(), day.isoformat(), True]]}
    outbox.record_fact(session, "reads.corrected", key=key, payload=corrected, now=now)
