"""What the CRM calls our things."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import errors, ports
from crm_sync.models import CrmEventRow, CrmLinkRow


@dataclass(frozen=True)
class Link:
    key: str
    remote_id: str
    content_hash: str
    pushed_at: datetime


def find_link(session: Session, *, kind: str, key: str) -> Link | None:
    """This will give what the CRM calls our thing, or None when it has not been told of it."""
    row = session.scalars(select(CrmLinkRow).where(CrmLinkRow.kind == kind, CrmLinkRow.key == key)).one_or_none()
    return None if row is None else Link(row.key, row.remote_id, row.content_hash, row.pushed_at)


def find_key(session: Session, *, kind: str, remote_id: str) -> str | None:
    """This will give our key of a thing the CRM names, or None when it is not ours."""
    return session.scalar(select(CrmLinkRow.key).where(CrmLinkRow.kind == kind, CrmLinkRow.remote_id == remote_id))


def heard(session: Session, *, ticket_id: str, text: str, read_at: datetime) -> bool:
    """This will say whether the reply that stood in a ticket's box at an instant has been heard already.

    It has when the last reply we know of has these words and was still in the box then: not emptied, or only since.
    """
    row = CrmEventRow
    last = session.execute(
        select(row.id, row.text).where(row.ticket_id == ticket_id, row.kind == "reply").order_by(row.id.desc()).limit(1)
    ).one_or_none()
    if last is None or (last.text or "").strip() != text.strip():
        return False
    emptied = session.scalar(
        select(row.id)
        .where(row.ticket_id == ticket_id, row.kind == "cleared", row.id > last.id, row.received_at < read_at)
        .limit(1)
    )
    return emptied is None


def get_event(session: Session, *, crm_event_id: int) -> ports.StaffEvent:
    """This will give one thing a person did in the CRM."""
    row = session.get(CrmEventRow, crm_event_id)
    if row is None:
        raise errors.NotFound("crm.event")
    return ports.StaffEvent(row.ticket_id, row.kind, row.text, row.occurred_at, row.event_key, row.staff_name)
