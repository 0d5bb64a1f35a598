"""Who did what, when, to what, and why: append-only, each entry chained to the one before it by hash."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Index, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import db

_CHAIN_LOCK = 726_001


class AuditRow(db.Base):
    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "subject", "subject_id"), Index(None, "at"))

    id: Mapped[int] = db.primary_key()
    at: Mapped[datetime]
    actor: Mapped[str]  # "customer:7", "staff:ana", "cli:kim/ana", "job:dunning", "assistant"
    action: Mapped[str]
    subject: Mapped[str]
    subject_id: Mapped[str]
    detail: Mapped[dict[str, Any]]
    previous_hash: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)


def same_person(one: str, other: str) -> bool:
    """This will say whether two actors may be one person: they share a name, or the account of a shell."""
    return not _names(one).isdisjoint(_names(other))


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    subject: str,
    subject_id: int | str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """This will append one entry. The chain is taken under a transaction-long advisory lock, last thing in the work."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CHAIN_LOCK})
    previous = session.scalar(select(AuditRow.hash).order_by(AuditRow.id.desc()).limit(1)) or ""
    row = AuditRow(
        at=now,
        actor=actor,
        action=action,
        subject=subject,
        subject_id=str(subject_id),
        detail=json.loads(json.dumps(dict(detail or {}), default=str)),
        previous_hash=previous,
        hash="",
    )
    row.hash = _hash(row)
    session.add(row)
    session.flush()


def verify(session: Session) -> int | None:
    """This will walk the chain and give the id of the first entry that does not fit, or None when all do."""
    previous = ""
    for row in session.scalars(select(AuditRow).order_by(AuditRow.id)).yield_per(1000):
        if row.previous_hash != previous or row.hash != _hash(row):
            return row.id
        previous = row.hash
    return None


def _names(actor: str) -> frozenset[str]:
    """Who an actor may be: "staff:ana" is ana; "cli:kim/ana", typed by the account kim, is either."""
    whole = actor.strip().lower()
    return frozenset((whole.partition(":")[2] or whole).split("/"))


def _hash(row: AuditRow) -> str:
    body = [
        row.at.isoformat(),
        row.actor,
        row.action,
        row.subject,
        row.subject_id,
        row.detail,
        row.previous_hash,
    ]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
