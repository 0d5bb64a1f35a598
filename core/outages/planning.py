"""Planned work: told in advance, started and ended by the clock."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import errors, outbox
from core.outages import models, operations, queries


def plan_outage(
    session: Session,
    *,
    feeder_id: int,
    transformer_id: int | None = None,
    reason: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> queries.Planned:
    """This will announce planned work; Invalid when it ends before it starts or starts in the past."""
    if not now < starts_at < ends_at:
        raise errors.Invalid("outage.planned_dates")
    row = models.PlannedOutageRow(
        feeder_id=feeder_id,
        transformer_id=transformer_id,
        reason=reason,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    session.add(row)
    session.flush()
    row.number = f"PLAN-{row.id:06d}"
    session.flush()
    _tell(session, "outage.planned", row, now)
    return _planned(session, row)


def cancel_planned(session: Session, *, planned_id: int, now: datetime) -> queries.Planned:
    """This will call planned work off, unless it has begun."""
    row = session.get(models.PlannedOutageRow, planned_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("outage.unknown")
    if row.status not in ("SCHEDULED", "CANCELLED"):
        raise errors.Refused("outage.planned_begun", number=row.number)
    if row.status == "SCHEDULED":
        row.status = "CANCELLED"
        session.flush()
        _tell(session, "outage.planned_cancelled", row, now)
    return _planned(session, row)


def start_planned(session: Session, *, now: datetime) -> int:
    """This will open the outages of planned work whose time has come; gives how many."""
    rows = session.scalars(
        select(models.PlannedOutageRow)
        .where(models.PlannedOutageRow.status == "SCHEDULED", models.PlannedOutageRow.starts_at <= now)
        .order_by(models.PlannedOutageRow.feeder_id, models.PlannedOutageRow.id)
        .with_for_update(skip_locked=True)
    ).all()
    started = 0
    for row in rows:
        try:
            outage = operations.open_outage(
                session,
                feeder_id=row.feeder_id,
                transformer_id=row.transformer_id,
                cause="PLANNED",
                source="PLANNED",
                started_at=row.starts_at,
                estimated_restoration_at=row.ends_at,
                now=now,
            )
        except errors.Refused:
            continue  # power is out there already: the plan begins when that has ended
        row.outage_id, row.status = outage.id, "STARTED"
        started += 1
    session.flush()
    return started


def _tell(session: Session, name: str, row: models.PlannedOutageRow, now: datetime) -> None:
    outbox.record_fact(session, name, key=f"planned:{row.id}", payload={"planned_id": row.id}, now=now)


def _planned(session: Session, row: models.PlannedOutageRow) -> queries.Planned:
    area = session.get_one(models.FeederRow, row.feeder_id).name
    return queries.Planned(
        row.id, row.number or "", row.status, row.reason, row.starts_at, row.ends_at, area, row.outage_id
    )
