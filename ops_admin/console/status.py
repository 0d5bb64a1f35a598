"""What the console shows, read in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import queries as bills
from billing import waiting
from core.conversations import models as talks
from core.outbox import DeliveryRow, FactRow
from metering import models as meters
from metering import queries as metering

_LIST = 40
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Letter:
    """A delivery with what it is about and why it is not done."""

    id: int
    subscriber: str
    fact: str
    order_key: str
    attempts: int
    due_at: datetime
    error: str | None
    late_seconds: float


@dataclass(frozen=True)
class Status:
    owed: int
    late: int
    oldest_seconds: float
    done_last_hour: int
    dead: int
    owed_letters: tuple[Letter, ...]
    dead_letters: tuple[Letter, ...]
    facts: tuple[FactRow, ...]
    messages: Mapping[str, int]
    handoffs: tuple[Any, ...]
    held: tuple[bills.Bill, ...]
    waiting: int
    exceptions: tuple[meters.ReadExceptionRow, ...]
    counts: Any


def read(session: Session, *, now: datetime) -> Status:
    """This will read everything the console shows."""
    owed = _letters(session, "OWED", now)
    total, late, oldest = session.execute(
        select(
            func.count(),
            func.count().filter(DeliveryRow.due_at < now),
            func.min(DeliveryRow.due_at),
        ).where(DeliveryRow.state == "OWED")
    ).one()
    done = session.scalar(select(func.count()).where(DeliveryRow.state == "DONE", DeliveryRow.done_at > now - _HOUR))
    dead = session.scalar(select(func.count()).where(DeliveryRow.state == "DEAD"))
    said = session.execute(
        select(talks.MessageRow.direction, talks.MessageRow.channel, func.count())
        .where(talks.MessageRow.created_at > now - _HOUR)
        .group_by(talks.MessageRow.direction, talks.MessageRow.channel)
    )
    handoffs = session.execute(
        select(talks.HandoffRow, talks.ConversationRow.channel)
        .join(talks.ConversationRow, talks.ConversationRow.id == talks.HandoffRow.conversation_id)
        .where(talks.HandoffRow.status != "CLOSED")
        .order_by(talks.HandoffRow.requested_at)
        .limit(_LIST)
    )
    exceptions = session.scalars(
        select(meters.ReadExceptionRow)
        .where(meters.ReadExceptionRow.resolved_at.is_(None))
        .order_by(meters.ReadExceptionRow.id.desc())
        .limit(_LIST)
    )
    return Status(
        owed=total,
        late=late,
        oldest_seconds=max((now - oldest).total_seconds(), 0) if oldest else 0,
        done_last_hour=done or 0,
        dead=dead or 0,
        owed_letters=owed,
        dead_letters=_letters(session, "DEAD", now),
        facts=tuple(session.scalars(select(FactRow).order_by(FactRow.id.desc()).limit(_LIST))),
        messages={f"{channel} {direction.lower()}": count for direction, channel, count in said},
        handoffs=tuple(handoffs),
        held=bills.list_held_bills(session, limit=_LIST),
        waiting=waiting.count_waiting(session),
        exceptions=tuple(exceptions),
        counts=metering.meter_counts(session, now=now),
    )


def _letters(session: Session, state: str, now: datetime) -> tuple[Letter, ...]:
    rows = session.execute(
        select(DeliveryRow, FactRow.name)
        .join(FactRow, FactRow.id == DeliveryRow.fact_id)
        .where(DeliveryRow.state == state)
        .order_by(DeliveryRow.id.desc() if state == "DEAD" else DeliveryRow.due_at)
        .limit(_LIST)
    )
    return tuple(
        Letter(
            row.id,
            row.subscriber,
            name,
            row.order_key,
            row.attempts,
            row.due_at,
            row.last_error,
            (now - row.due_at).total_seconds(),
        )
        for row, name in rows
    )
