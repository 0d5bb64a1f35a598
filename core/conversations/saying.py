"""The one way a message comes to stand in a conversation that is held: numbered, with its choices and its segment, the
messages it answers marked, and everybody owed the news of it. One statement, since every word said passes here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.orm import Session, attributes

from core import outbox
from core.conversations import models, segments

# the columns of a message that its writer gives; the others follow from the conversation
_GIVEN = {
    "author": "text", "text": "text", "subject": "text", "html": "text", "ssml": "text", "kind": "text",
    "data": "jsonb", "payload": "text", "attachments": "jsonb", "headers": "jsonb", "code_digest": "text",
    "redacted": "boolean", "staff_name": "text", "purpose": "text", "notice_key": "text", "status": "text",
    "status_at": "timestamptz", "external_id": "text", "in_reply_to": "bigint", "provider_at": "timestamptz",
}  # fmt: skip
_NEVER_NULL = {"data": "'{}'", "attachments": "'[]'", "headers": "'{}'", "redacted": "false"}
_SAY = text(f"""
    WITH said AS (
        INSERT INTO message (conversation_id, seq, direction, channel, created_at, {", ".join(_GIVEN)})
        SELECT :conversation_id, :before + given.place, :direction, :channel, :now,
            {", ".join(f"coalesce({name}, {_NEVER_NULL[name]})" if name in _NEVER_NULL else name for name in _GIVEN)}
        FROM jsonb_to_recordset(CAST(:messages AS jsonb))
            AS given(place bigint, {", ".join(f"{name} {kind}" for name, kind in _GIVEN.items())})
        ORDER BY given.place
        ON CONFLICT (channel, direction, external_id) WHERE external_id IS NOT NULL DO NOTHING
        RETURNING id, seq - :before AS place
    ), offered AS (
        INSERT INTO choice (conversation_id, message_id, number, token, label, payload, expires_at)
        SELECT :conversation_id, said.id, number, token, label, payload, :expires_at
        FROM jsonb_to_recordset(CAST(:choices AS jsonb))
            AS given(place bigint, number bigint, token text, label text, payload text) JOIN said USING (place)
        ORDER BY place, number
    ), answered AS (
        UPDATE message SET status = 'ANSWERED', status_at = :now WHERE id = ANY(CAST(:answered AS bigint[]))
    ), held AS (
        UPDATE conversation
        SET last_seq = :last, last_message_at = :last_message_at, last_inbound_at = :last_inbound_at
        WHERE id = :conversation_id AND EXISTS (SELECT FROM said)
    ), {segments.TOUCHING.format(condition="EXISTS (SELECT FROM said)")},
    news AS (
        SELECT fact.place, fact.name, :key AS key,
            jsonb_build_object('conversation_id', CAST(:conversation_id AS bigint)) || CASE
                WHEN said.id IS NULL THEN jsonb_build_object('interaction_id', touched.id)
                ELSE jsonb_build_object('message_id', said.id) END AS payload
        FROM unnest(CAST(:names AS text[]), CAST(:about AS bigint[])) WITH ORDINALITY AS fact(name, about, place)
            CROSS JOIN touched LEFT JOIN said ON said.place = fact.about
    ), {outbox.TELLING}
    SELECT told.*, (SELECT array_agg(id ORDER BY place) FROM said) AS message_ids
    FROM ({outbox.TOLD}) AS told ORDER BY place, id
""").bindparams(bindparam("last_inbound_at", type_=DateTime(timezone=True)))  # noqa: S608 - of our own words


@dataclass(frozen=True)
class Said:
    """A message to be stored: the columns its writer gives, and the choices offered with it."""

    values: Mapping[str, Any]
    choices: Sequence[Mapping[str, Any]] = ()  # number, token, label, payload


@dataclass(frozen=True)
class News:
    """A fact to be told of a message; without `bell` whoever stores it answers at once by itself."""

    name: str
    message: int  # which of the messages, from 0
    bell: bool = True


@dataclass(frozen=True)
class Stored:
    """What stands now: the messages' ids in order, and the facts' in the order of the news."""

    message_ids: Sequence[int] = ()
    fact_ids: Sequence[int] = ()


def store(
    session: Session,
    *,
    conversation: models.ConversationRow,
    direction: str,
    messages: Sequence[Said],
    news: Sequence[News],
    now: datetime,
    expires_at: datetime | None = None,
    answered: Sequence[models.MessageRow] = (),
    intent: str | None = None,
    idle_seconds: int = segments.IDLE_SECONDS,
) -> Stored:
    """This will store messages in a conversation that is held, with everything that follows from that.

    A message whose vendor id is known already is not stored, and then nothing at all has changed (one message at a time
    has one). Facts: the news given, then ``conversation.touched``.
    """
    session.flush()
    before = conversation.last_seq
    told = [outbox.News(each.name, "", {}, bell=each.bell) for each in news]
    told.append(outbox.News("conversation.touched", "", {}))
    last = before + len(messages)
    noted = {
        "last_seq": last,
        "last_message_at": max(conversation.last_message_at, now),
        "last_inbound_at": now if direction == "IN" else conversation.last_inbound_at,
    }
    rows = session.execute(
        _SAY,
        {
            **segments.values(
                conversation, seqs=range(before + 1, last + 1), direction=direction, now=now, intent=intent,
                handed_off=False, idle_seconds=idle_seconds,
            ),
            **outbox.owing(session, told, now=now),
            **{name: noted[name] for name in ("last_message_at", "last_inbound_at")},
            "before": before,
            "direction": direction,
            "key": f"conversation:{conversation.id}",
            "messages": json.dumps([{"place": n, **each.values} for n, each in enumerate(messages, 1)], default=_plain),
            "choices": json.dumps(
                [{"place": n, **choice} for n, each in enumerate(messages, 1) for choice in each.choices]
            ),
            "expires_at": expires_at or now,
            "answered": [row.id for row in answered],
            "names": [each.name for each in told],
            "about": [*(each.message + 1 for each in news), 0],
        },
    ).all()  # fmt: skip
    if not rows:
        return Stored()
    for name, value in noted.items():
        attributes.set_committed_value(conversation, name, value)
    for row in answered:
        attributes.set_committed_value(row, "status", "ANSWERED")
        attributes.set_committed_value(row, "status_at", now)
    return Stored(rows[0].message_ids, outbox.rung(session, told, rows, now=now))


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
