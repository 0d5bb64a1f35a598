"""Segments: the stretches of a conversation that the CRM shows as one contact each."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import outbox
from core.conversations import models

IDLE_SECONDS = 30 * 60
_NO_WISH = frozenset(("nlu_fallback", "inform", "identity_verified", "returned_from_staff", "affirm", "deny"))


def touch(
    session: Session,
    *,
    conversation: models.ConversationRow,
    seqs: Sequence[int],
    direction: str,
    now: datetime,
    intent: str | None = None,
    handed_off: bool = False,
    idle_seconds: int = IDLE_SECONDS,
) -> int:
    """This will extend the conversation's running segment, or open one after a pause, and tell of it.

    Gives the segment's id. Fact ``conversation.touched``.
    """
    with session.no_autoflush:  # what changed in the conversation is written with the segment, in one go
        row = session.scalars(
            select(models.InteractionRow)
            .where(models.InteractionRow.conversation_id == conversation.id)
            .order_by(models.InteractionRow.id.desc())
            .limit(1)
        ).one_or_none()
    last = max(seqs, default=conversation.last_seq)
    if row is None or now - row.last_at > timedelta(seconds=idle_seconds):
        row = models.InteractionRow(
            conversation_id=conversation.id,
            channel=conversation.channel,
            first_seq=max(1, min(seqs, default=conversation.last_seq)),
            last_seq=max(1, last),
            started_at=now,
            last_at=now,
            intents=[],
            inbound=0,
            outbound=0,
            handed_off=False,
            summary="",
        )
        session.add(row)
    row.last_seq, row.last_at = max(row.last_seq, last), now
    row.customer_id = conversation.customer_id or conversation.recognised_customer_id
    if direction == "IN":
        row.inbound += len(seqs)
    else:
        row.outbound += len(seqs)
    if intent and intent not in row.intents:
        row.intents = [*row.intents, intent]
    row.handed_off = row.handed_off or handed_off
    row.summary = _summary(row)
    if row.id is None:
        session.flush()
    outbox.record_fact(
        session,
        "conversation.touched",
        key=f"conversation:{conversation.id}",
        payload={"conversation_id": conversation.id, "interaction_id": row.id},
        now=now,
    )
    return row.id


def _summary(row: models.InteractionRow) -> str:
    wishes = [intent.replace("_", " ") for intent in row.intents if intent not in _NO_WISH]
    parts = [row.channel, ", ".join(wishes) or "-", f"{row.inbound} in / {row.outbound} out"]
    return " · ".join([*parts, "handoff"] if row.handed_off else parts)
