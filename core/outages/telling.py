"""What is kept and told of an outage: each change is a line of its history, and a fact for those who are told."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import outbox
from core.outages import models, reliability


def close(session: Session, row: models.OutageRow, at: datetime, now: datetime) -> None:
    """This will end an outage at an instant. Fact ``outage.restored`` if anybody was told of it."""
    row.status, row.crew_status, row.restored_at, row.updated_at = "RESTORED", "DONE", at, now
    _log(session, row, now, None)
    session.flush()
    if row.announced_at is None and reliability.is_sustained(row.started_at, at):
        row.announced_at = now  # it is in the closure log, though it ended before anybody was told
    elif row.announced_at is not None:
        outbox.record_fact(session, "outage.restored", key=f"outage:{row.id}", payload={"outage_id": row.id}, now=now)
    planned = session.scalars(
        select(models.PlannedOutageRow).where(models.PlannedOutageRow.outage_id == row.id)
    ).one_or_none()
    if planned is not None:
        planned.status = "DONE"
    session.flush()


def announce(session: Session, row: models.OutageRow, now: datetime) -> None:
    """This will make an outage known. Fact ``outage.opened``."""
    row.announced_at, row.updated_at = now, now
    _log(session, row, now, None)
    session.flush()
    outbox.record_fact(session, "outage.opened", key=f"outage:{row.id}", payload={"outage_id": row.id}, now=now)


def change(session: Session, row: models.OutageRow, now: datetime, *, note: str | None) -> None:
    """This will note that something of an outage has changed. Fact ``outage.updated`` if it is known."""
    row.updated_at = now
    _log(session, row, now, note)
    session.flush()
    if row.announced_at is not None:
        outbox.record_fact(session, "outage.updated", key=f"outage:{row.id}", payload={"outage_id": row.id}, now=now)


def _log(session: Session, row: models.OutageRow, now: datetime, note: str | None) -> None:
    session.add(
        models.OutageUpdateRow(
            outage_id=row.id,
            status=row.status,
            crew_status=row.crew_status,
            estimated_restoration_at=row.estimated_restoration_at,
            note=note,
            at=now,
        )
    )
