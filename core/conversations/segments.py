"""Segments: the stretches of a conversation that the CRM shows as one contact each."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from core import outbox
from core.conversations import models

IDLE_SECONDS = 30 * 60

# What extends the running segment, or opens one after a pause: part of a statement that has a conversation held, and
# gives `touched (id)`, one row, or none where the condition does not hold.
TOUCHING = """extended AS (
        UPDATE interaction
        SET last_seq = greatest(last_seq, :last), last_at = :now, customer_id = :customer_id,
            inbound = inbound + :inbound, outbound = outbound + :outbound, handed_off = handed_off OR :handed_off,
            intents = CASE WHEN CAST(:intent AS text) IS NULL OR jsonb_exists(intents, :intent) THEN intents
                           ELSE intents || to_jsonb(CAST(:intent AS text)) END
        WHERE {condition} AND last_at >= :since AND id = (
            SELECT id FROM interaction WHERE conversation_id = :conversation_id ORDER BY id DESC LIMIT 1)
        RETURNING id
    ), opened AS (
        INSERT INTO interaction (conversation_id, customer_id, channel, first_seq, last_seq, started_at, last_at,
            intents, inbound, outbound, handed_off)
        SELECT :conversation_id, :customer_id, :channel, :first, greatest(1, :last), :now, :now,
            CASE WHEN CAST(:intent AS text) IS NULL THEN jsonb_build_array()
                 ELSE jsonb_build_array(CAST(:intent AS text)) END,
            :inbound, :outbound, :handed_off
        WHERE {condition} AND NOT EXISTS (SELECT FROM extended)
        RETURNING id
    ), touched AS (SELECT id FROM extended UNION ALL SELECT id FROM opened)"""
_TOUCH = text(f"WITH {TOUCHING.format(condition='true')} SELECT id FROM touched")  # noqa: S608 - of our own words


def touch(
    session: Session, *, conversation: models.ConversationRow, now: datetime, handed_off: bool = False
) -> outbox.News:
    """This will note that something other than a message happened in a conversation that is held.

    Gives the news ``conversation.touched`` for the caller to record with its own.
    """
    session.flush()
    given = values(conversation, seqs=(), direction="IN", now=now, intent=None, handed_off=handed_off)
    return outbox.News(
        "conversation.touched",
        f"conversation:{conversation.id}",
        {"conversation_id": conversation.id, "interaction_id": session.scalar(_TOUCH, given)},
    )


def values(
    conversation: models.ConversationRow,
    *,
    seqs: Sequence[int],
    direction: str,
    now: datetime,
    intent: str | None,
    handed_off: bool,
    idle_seconds: int = IDLE_SECONDS,
) -> dict[str, Any]:
    """This will give the parameters of `TOUCHING`."""
    inbound, outbound = (len(seqs), 0) if direction == "IN" else (0, len(seqs))
    return {
        "conversation_id": conversation.id,
        "channel": conversation.channel,
        "first": max(1, min(seqs, default=conversation.last_seq)),
        "last": max(seqs, default=conversation.last_seq),
        "now": now,
        "since": now - timedelta(seconds=idle_seconds),
        "customer_id": conversation.customer_id or conversation.recognised_customer_id,
        "inbound": inbound,
        "outbound": outbound,
        "handed_off": handed_off,
        "intent": intent or None,
    }
