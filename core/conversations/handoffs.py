"""Who has the floor: the assistant, nobody yet, or a person. The hub decides this, not the assistant.

Rules that keep the two from talking over each other: at most one open handoff; the same key never opens a second one;
a person who simply writes has the floor; when a handoff ends the assistant has it again, and the customer is told.
"""

from datetime import datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit, errors, outbox, periods, ports
from core.conversations import models, queries, segments, sending, threads
from core.settings import Settings

_PRIORITY = {"NORMAL": 0, "HIGH": 1, "EMERGENCY": 2}
_OF_REASON = {"EMERGENCY": "EMERGENCY", "FAILURE": "HIGH", "COMPLAINT": "HIGH"}
# when people answer; emergencies are answered around the clock by the emergency line
STAFF_OPENS, STAFF_CLOSES, STAFF_WEEKDAYS = time(8), time(20), frozenset(range(6))


def request_handoff(
    session: Session,
    *,
    conversation_id: int,
    reason: str,
    now: datetime,
    key: str,
    priority: str | None = None,
) -> queries.Handoff:
    """This will ask for a person. While one is asked for, asking again only raises the priority.

    The same key again gives the first handoff, even one that has ended: a replay never opens a second.
    """
    conversation = threads.lock_conversation(session, conversation_id).conversation
    handoff = models.HandoffRow
    wanted = priority or _OF_REASON.get(reason, "NORMAL")
    known = session.scalars(select(handoff).where(handoff.key == key)).one_or_none()
    if known is not None:
        return queries.handoff_of(known)
    row = _open_one(session, conversation_id)
    if row is not None:
        if _PRIORITY[wanted] > _PRIORITY[row.priority]:
            row.priority = wanted
            session.flush()
            _tell(session, "handoff.requested", row, now)
        return queries.handoff_of(row)
    row = models.HandoffRow(
        key=key,
        conversation_id=conversation_id,
        reason=reason,
        priority=wanted,
        status="WAITING",
        requested_at=now,
        cause_message_id=session.scalar(
            select(models.MessageRow.id)
            .where(models.MessageRow.conversation_id == conversation_id, models.MessageRow.direction == "IN")
            .order_by(models.MessageRow.seq.desc())
            .limit(1)
        ),
    )
    session.add(row)
    conversation.floor = "WAITING"
    session.flush()
    _tell(session, "handoff.requested", row, now)
    touched = segments.touch(session, conversation=conversation, now=now, handed_off=True)
    outbox.record_facts(session, [touched], now=now)
    return queries.handoff_of(row)


def accept_handoff(session: Session, *, handoff_id: int, staff_name: str | None, now: datetime) -> queries.Handoff:
    """This will give the floor to the person who took the handoff; taking it twice changes nothing."""
    row, conversation = _hold(session, handoff_id)
    if row.status == "WAITING":
        row.status, row.accepted_at, row.staff_name = "ACCEPTED", now, staff_name
        conversation.floor = "STAFF"
        session.flush()
        _tell(session, "handoff.accepted", row, now)
        _note(session, row, "handoff_accepted", staff_name, now)
    return queries.handoff_of(row)


def close_handoff(session: Session, *, handoff_id: int, end_reason: str, now: datetime) -> queries.Handoff:
    """This will end a handoff and give the floor back to the assistant; ending it twice changes nothing.

    What the customer is told follows from the fact ``handoff.closed``.
    """
    row, conversation = _hold(session, handoff_id)
    if row.status != "CLOSED":
        row.status, row.closed_at, row.end_reason = "CLOSED", now, end_reason
        conversation.floor = "BOT"
        session.flush()
        _tell(session, "handoff.closed", row, now)
        _note(session, row, "handoff_closed", row.staff_name, now)
    return queries.handoff_of(row)


def send_staff_message(
    session: Session,
    *,
    conversation_id: int,
    text: str,
    staff_name: str | None,
    external_id: str,
    now: datetime,
) -> int:
    """This will say to the customer what a person wrote, and give that person the floor; the same id again is nothing
    new. Gives the message's id.
    """
    if not text.strip():
        raise errors.Invalid("message.empty")
    conversation = threads.lock_conversation(session, conversation_id).conversation
    before = conversation.last_seq
    message_id = sending.send_text(
        session,
        conversation=conversation,
        text=text,
        author="STAFF",
        staff_name=staff_name,
        key=f"staff:{external_id}",
        now=now,
    )
    if conversation.last_seq == before:
        return message_id  # a replay: it must not take the floor back from whoever has it now
    row = _open_one(session, conversation_id)
    if row is None:
        row = models.HandoffRow(
            key=f"staff:{external_id}",
            conversation_id=conversation_id,
            reason="STAFF",
            priority="NORMAL",
            status="WAITING",
            requested_at=now,
        )
        session.add(row)
    if row.status == "WAITING":
        row.status, row.accepted_at, row.staff_name = "ACCEPTED", now, staff_name
    conversation.floor = "STAFF"
    session.flush()
    return message_id


def list_overdue(session: Session, *, settings: Settings, now: datetime) -> list[int]:
    """This will list the handoffs nobody took in time. An emergency is never given back to the assistant."""
    return list(
        session.scalars(
            select(models.HandoffRow.id)
            .where(
                models.HandoffRow.status == "WAITING",
                models.HandoffRow.priority != "EMERGENCY",
                models.HandoffRow.requested_at <= now - timedelta(seconds=settings.handoff_timeout),
            )
            .order_by(models.HandoffRow.id)
        )
    )


def waiting_reply(settings: Settings, now: datetime) -> ports.Reply:
    """This will give what to say when a person was asked for: that one comes, or when people are here again."""
    opens_at = staff_opens_at(settings, now)
    if opens_at <= now:
        return ports.Reply("handoff.waiting")
    return ports.Reply("handoff.out_of_hours", {"opens_at": opens_at})


def staff_opens_at(settings: Settings, now: datetime) -> datetime:
    """This will give when people are here: `now` when they are, else the next opening."""
    zone = settings.utility_timezone
    here = periods.local(now, zone)
    if here.weekday() in STAFF_WEEKDAYS and STAFF_OPENS <= here.time() < STAFF_CLOSES:
        return now
    day = here.date()
    if here.time() >= STAFF_OPENS:
        day += timedelta(days=1)
    while day.weekday() not in STAFF_WEEKDAYS:
        day += timedelta(days=1)
    return periods.at(day, STAFF_OPENS, zone)


def _hold(session: Session, handoff_id: int) -> tuple[models.HandoffRow, models.ConversationRow]:
    conversation_id = session.scalar(
        select(models.HandoffRow.conversation_id).where(models.HandoffRow.id == handoff_id)
    )
    if conversation_id is None:
        raise errors.NotFound("handoff.unknown")
    conversation = threads.lock_conversation(session, conversation_id).conversation
    row = session.get_one(models.HandoffRow, handoff_id, with_for_update=True)
    return row, conversation


def _open_one(session: Session, conversation_id: int) -> models.HandoffRow | None:
    return session.scalars(
        select(models.HandoffRow).where(
            models.HandoffRow.conversation_id == conversation_id, models.HandoffRow.status != "CLOSED"
        )
    ).one_or_none()


def _tell(session: Session, name: str, row: models.HandoffRow, now: datetime) -> None:
    outbox.record_fact(
        session,
        name,
        key=f"conversation:{row.conversation_id}",
        payload={"conversation_id": row.conversation_id, "handoff_id": row.id},
        now=now,
    )


def _note(session: Session, row: models.HandoffRow, action: str, staff_name: str | None, now: datetime) -> None:
    audit.record(
        session,
        actor=f"staff:{staff_name or '-'}" if row.end_reason in (None, "STAFF_CLOSED") else "job:handoffs",
        action=action,
        subject="handoff",
        subject_id=row.id,
        now=now,
        detail={"end_reason": row.end_reason} if row.end_reason else None,
    )
