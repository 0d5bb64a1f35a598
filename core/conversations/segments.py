"""Segments: the stretches of a conversation that the CRM shows as one contact each."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from core import outbox
from core.conversations import models

IDLE_SECONDS = 30 * 60

# every message passes here twice, so extending the running segment is one statement; its conversation is held
_EXTEND = text("""
    UPDATE interaction
    SET last_seq = greatest(last_seq, :last), last_at = :now, customer_id = :customer_id,
        inbound = inbound + :inbound, outbound = outbound + :outbound, handed_off = handed_off OR :handed_off,
        intents = CASE WHEN CAST(:intent AS text) IS NULL OR jsonb_exists(intents, :intent) THEN intents
                       ELSE intents || to_jsonb(CAST(:intent AS text)) END
    WHERE last_at >= :since AND id = (
        SELECT id FROM interaction WHERE conversation_id = :conversation_id ORDER BY id DESC LIMIT 1)
    RETURNING id
""")


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
) -> outbox.News:
    """This will extend the conversation's running segment, or open one after a pause.

    Gives the news ``conversation.touched`` for the caller to record with its own.
    """
    last = max(seqs, default=conversation.last_seq)
    inbound, outbound = (len(seqs), 0) if direction == "IN" else (0, len(seqs))
    customer_id = conversation.customer_id or conversation.recognised_customer_id
    segment_id = session.scalar(
        _EXTEND,
        {
            "conversation_id": conversation.id,
            "last": last,
            "now": now,
            "since": now - timedelta(seconds=idle_seconds),
            "customer_id": customer_id,
            "inbound": inbound,
            "outbound": outbound,
            "handed_off": handed_off,
            "intent": intent or None,
        },
    )
    if segment_id is None:
        row = models.InteractionRow(
            conversation_id=conversation.id,
            customer_id=customer_id,
            channel=conversation.channel,
            first_seq=max(1, min(seqs, default=conversation.last_seq)),
            last_seq=max(1, last),
            started_at=now,
            last_at=now,
            intents=[intent] if intent else [],
            inbound=inbound,
            outbound=outbound,
            handed_off=handed_off,
        )
        session.add(row)
        session.flush()
        segment_id = row.id
    return outbox.News(
        "conversation.touched",
        f"conversation:{conversation.id}",
        {"conversation_id": conversation.id, "interaction_id": segment_id},
    )
