"""What the CRM calls our things, and what it told us."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from core import db


class CrmLinkRow(db.Base):
    """Our key, their id, and the hash of what they were last told: an unchanged thing is not sent again."""

    __tablename__ = "crm_link"
    __table_args__ = (
        UniqueConstraint("kind", "key"),
        UniqueConstraint("kind", "remote_id"),
        CheckConstraint("kind IN ('CONTACT', 'TICKET', 'ACTIVITY', 'THREAD')", name="kind"),
    )

    id: Mapped[int] = db.primary_key()
    kind: Mapped[str]
    key: Mapped[str]
    remote_id: Mapped[str]
    content_hash: Mapped[str]
    pushed_at: Mapped[datetime]


class CrmEventRow(db.Base):
    """What a person did in the CRM, kept before it is acted upon. The key ends repeats at the door."""

    __tablename__ = "crm_event"
    __table_args__ = (UniqueConstraint("event_key"),)

    id: Mapped[int] = db.primary_key()
    event_key: Mapped[str]
    ticket_id: Mapped[str]
    kind: Mapped[str]
    text: Mapped[str | None]
    staff_name: Mapped[str | None]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    raw: Mapped[dict[str, Any]]
