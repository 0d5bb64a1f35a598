"""What an open page shows: the lines of a conversation from a place in it on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Line:
    """One message as a page shows it."""

    seq: int
    author: str
    staff_name: str | None
    text: str
    choices: tuple[tuple[str, str], ...]  # (token, label)
    attachments: tuple[Mapping[str, Any], ...]
    client_id: str | None  # the page's own name for it, when the customer wrote it
    created_at: datetime


@dataclass(frozen=True)
class Heard:
    """What is new in the conversation that is open with a sender."""

    conversation_id: int
    floor: str
    locale: str
    lines: tuple[Line, ...]


# every open page asks this at every word said: one statement
_HEARD = text("""
    SELECT talk.id AS conversation_id, talk.floor, talk.locale, said.seq, said.author, said.staff_name, said.text,
        said.attachments, said.created_at,
        CASE WHEN said.direction = 'IN' THEN substring(said.external_id FROM '^[^:]*:(.+)') END AS client_id,
        (SELECT jsonb_agg(jsonb_build_array(token, label) ORDER BY number) FROM choice WHERE message_id = said.id
        ) AS choices
    FROM channel_identity AS sender
    JOIN LATERAL (
        SELECT id, floor, locale FROM conversation WHERE identity_id = sender.id AND status = 'OPEN'
        ORDER BY id DESC LIMIT 1) AS talk ON true
    LEFT JOIN message AS said
        ON said.conversation_id = talk.id AND said.seq > CASE talk.id WHEN :known_id THEN :after_seq ELSE 0 END
    WHERE sender.channel = :channel AND sender.kind = :kind AND sender.value = :value
    ORDER BY said.seq LIMIT 500
""")


def hear(
    connection: Connection, *, channel: str, identity_kind: str, identity: str, known_id: int, after_seq: int
) -> Heard | None:
    """This will give what was said in the open conversation with a sender after a line of it; after none when the
    conversation known is another. None when no conversation is open.
    """
    rows = connection.execute(
        _HEARD,
        {
            "channel": channel,
            "kind": identity_kind,
            "value": identity,
            "known_id": known_id,
            "after_seq": after_seq,
        },
    ).all()
    if not rows:
        return None
    lines = tuple(
        Line(
            row.seq,
            row.author,
            row.staff_name,
            row.text,
            tuple((token, label) for token, label in row.choices or ()),
            tuple(row.attachments),
            row.client_id,
            row.created_at,
        )
        for row in rows
        if row.seq is not None
    )
    return Heard(rows[0].conversation_id, rows[0].floor, rows[0].locale, lines)
