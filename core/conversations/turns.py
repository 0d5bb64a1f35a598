"""One turn: which of the customer's messages are answered together, and what they mean before the assistant is asked.

`take` looks and decides in one transaction; `answer` writes what came of it in another. In between the assistant may
think for as long as it takes. A turn once taken keeps its messages and its id until it is answered, so that a retry
asks the same thing under the same id, and later messages wait for a turn of their own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Executable, Row, any_, bindparam, select
from sqlalchemy import text as sql
from sqlalchemy.orm import Session, attributes

from core import errors, outbox, ports
from core.conversations import emergency, handoffs, language, models, sending, threads
from core.conversations.house import house
from core.settings import Settings

HEARD_BY_ASSISTANT = 1000  # characters: more than that tells it nothing new
_LONGEST_BURST = 5  # times the quiet time: then a customer who never stops is answered in the middle
CALLBACK = "/hub_callback"
IDENTITY_VERIFIED = "/identity_verified"

# Every turn passes through these: they are made once. Conversation and messages are held in one statement: whatever
# another transaction changed while this one waited is looked at again, since both are locked.
_WAITING = (
    select(models.ConversationRow, models.ChannelIdentityRow, models.MessageRow)
    .join(models.ChannelIdentityRow, models.ChannelIdentityRow.id == models.ConversationRow.identity_id)
    .join(models.MessageRow, models.MessageRow.conversation_id == models.ConversationRow.id)
    .where(models.ConversationRow.id == bindparam("conversation_id"), models.MessageRow.status == "RECEIVED")
    .order_by(models.MessageRow.seq)
    .limit(50)
    .with_for_update(of=(models.ConversationRow, models.MessageRow))
)
_UNANSWERED = _WAITING.where(models.MessageRow.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
# The turn is settled; beside it, what was offered since the customer's message before. Nothing was said or done yet, so
# this alone need not wait for the disk.
_SETTLE = sql("""
    WITH settled AS (
        UPDATE conversation SET turn_id = :turn WHERE id = :conversation_id
        RETURNING id, set_config('synchronous_commit', 'off', true)
    )
    SELECT choice.number, choice.label, choice.payload, choice.message_id
    FROM settled LEFT JOIN (
        choice JOIN message ON message.id = choice.message_id AND choice.expires_at > :now AND message.seq < :seq
            AND message.seq > (
                SELECT coalesce(max(seq), 0) FROM message
                WHERE conversation_id = :conversation_id AND direction = 'IN' AND seq < :seq)
    ) ON choice.conversation_id = settled.id
    ORDER BY message.seq DESC, choice.number
""")


@dataclass(frozen=True)
class Taken:
    """A turn for the assistant, or for one of the hub's own answers."""

    conversation_id: int
    message_ids: tuple[int, ...]
    turn: ports.Turn
    code_digest: str | None = None
    since: datetime | None = None  # when the first of the messages came


def take(session: Session, *, conversation_id: int, message_id: int, settings: Settings, now: datetime) -> Taken | None:
    """This will take the next turn of a conversation; None when nothing is left to answer, or it was answered here.

    Later: the customer is still writing. Danger, messages for a person, and messages without words are dealt with here.
    """
    held = _held(session, _WAITING, conversation_id=conversation_id)
    if held is None or held[1][0].id > message_id:
        return None
    conversation, waiting = held
    settled = _settled(conversation, waiting)
    if settled is None:
        _await_quiet(conversation, waiting, settings, now)
    run = _run(waiting, settled)
    text = "\n".join(row.text for row in run if row.text).strip()
    if run[0].payload is None and run[0].code_digest is None:
        _follow_language(conversation, text, settings)  # first of all: words of safety are of no use unread
    if _danger(session, conversation, run, text, settings, now):
        return None
    if conversation.floor != "BOT":
        relay(session, conversation_id=conversation_id, rows=run, now=now)
        return None
    payload, in_words = run[0].payload, run[0].payload is None and run[0].code_digest is None
    problem = _unspeakable(run, text) if in_words else None
    if problem is not None:
        answer(session, conversation, run, [problem], author="SYSTEM", settings=settings, now=now)
        return None
    turn_id = str(run[-1].id)
    offered = _settle(session, conversation, turn_id, seq=run[0].seq, now=now)
    if in_words and len(run) == 1:
        payload = _chosen(offered, text, numbered=conversation.channel != "WEB")
    return Taken(
        conversation_id,
        tuple(row.id for row in run),
        ports.Turn(
            conversation=conversation.token,
            turn_id=turn_id,
            channel=conversation.channel,
            locale=conversation.locale,
            text=None if payload else text[:HEARD_BY_ASSISTANT],
            payload=payload,
        ),
        run[0].code_digest,
        run[0].created_at,
    )


def answer(
    session: Session,
    conversation: models.ConversationRow,
    rows: Sequence[models.MessageRow],
    replies: Sequence[ports.Reply],
    *,
    author: str,
    settings: Settings,
    now: datetime,
    disclose: bool = True,
    intent: str | None = None,
) -> list[int]:
    """This will send replies to messages of a conversation that is held, and mark those answered, in one go."""
    return sending.reply_in(
        session,
        conversation=conversation,
        replies=replies,
        author=author,
        answered=rows,
        now=now,
        house=house(settings),
        disclose=disclose,
        intent=intent,
    )


def unanswered(session: Session, taken: Taken) -> tuple[models.ConversationRow, list[models.MessageRow]] | None:
    """This will hold the conversation and those messages of a turn that nobody has answered meanwhile; None when there
    are none.
    """
    return _held(session, _UNANSWERED, conversation_id=taken.conversation_id, ids=list(taken.message_ids))


def relay(session: Session, *, conversation_id: int, rows: Sequence[models.MessageRow], now: datetime) -> None:
    """This will pass messages to the person who has, or will have, the floor. Fact ``handoff.customer_message``."""
    handoff_id = session.scalar(
        select(models.HandoffRow.id).where(
            models.HandoffRow.conversation_id == conversation_id, models.HandoffRow.status != "CLOSED"
        )
    )
    for row in rows:
        row.status, row.status_at = "RELAYED", now
        if handoff_id is not None:
            outbox.record_fact(
                session,
                "handoff.customer_message",
                key=f"conversation:{conversation_id}",
                payload={"conversation_id": conversation_id, "handoff_id": handoff_id, "message_id": row.id},
                now=now,
            )
    session.flush()


def person() -> ports.Choice:
    """This will give the way out that is always there."""
    return ports.Choice("choice.person", "/talk_to_human")


def _held(
    session: Session, statement: Executable, **wanted: Any
) -> tuple[models.ConversationRow, list[models.MessageRow]] | None:
    rows = session.execute(statement, wanted, execution_options={"populate_existing": True}).all()
    if not rows:
        return None
    threads.remember(session, rows[0][1])
    return rows[0][0], [row[2] for row in rows]


def _settle(
    session: Session, conversation: models.ConversationRow, turn_id: str, *, seq: int, now: datetime
) -> Sequence[Row[Any]]:
    """Take the turn that starts at a message; gives the choices last offered before it."""
    rows = session.execute(_SETTLE, {"conversation_id": conversation.id, "turn": turn_id, "seq": seq, "now": now}).all()
    attributes.set_committed_value(conversation, "turn_id", turn_id)
    return [row for row in rows if row.message_id is not None and row.message_id == rows[0].message_id]


def _settled(conversation: models.ConversationRow, waiting: Sequence[models.MessageRow]) -> int | None:
    """The last message of a turn that was taken before and is being asked again."""
    if conversation.turn_id is None:
        return None
    last = int(conversation.turn_id)
    return last if any(row.id == last for row in waiting) else None


def _await_quiet(
    conversation: models.ConversationRow,
    waiting: Sequence[models.MessageRow],
    settings: Settings,
    now: datetime,
) -> None:
    quiet = {"WEB": settings.burst_chat, "SMS": settings.burst_text, "WHATSAPP": settings.burst_text}.get(
        conversation.channel, 0.0
    )
    last = waiting[-1]
    if not quiet or last.payload is not None or last.code_digest is not None or conversation.floor != "BOT":
        return
    left = quiet - (now - last.created_at).total_seconds()
    if left > 0 and now - waiting[0].created_at < timedelta(seconds=quiet * _LONGEST_BURST):
        raise errors.Later(left)


def _run(waiting: Sequence[models.MessageRow], settled: int | None) -> list[models.MessageRow]:
    """The messages answered together: words that follow each other; a choice or a code stands alone."""
    run: list[models.MessageRow] = []
    for row in waiting:
        alone = row.payload is not None or row.code_digest is not None
        if run and alone:
            break
        run.append(row)
        if alone or row.id == settled:
            break
    return run


def _danger(
    session: Session,
    conversation: models.ConversationRow,
    run: Sequence[models.MessageRow],
    text: str,
    settings: Settings,
    now: datetime,
) -> bool:
    """Safety first: say at once what to do, and call a person; neither waits for the assistant."""
    found = emergency.recognise(text) if text and run[0].payload is None else None
    if found is None:
        return False
    handoffs.request_handoff(
        session,
        conversation_id=conversation.id,
        reason="EMERGENCY",
        key=f"emergency:{run[-1].id}",
        priority="EMERGENCY",
        now=now,
    )
    answer(
        session,
        conversation,
        run,
        [ports.Reply(f"emergency.{found.kind}")],
        author="SYSTEM",
        settings=settings,
        now=now,
        disclose=False,
        intent="emergency",
    )
    relay(session, conversation_id=conversation.id, rows=run, now=now)
    return True


def _unspeakable(run: Sequence[models.MessageRow], text: str) -> ports.Reply | None:
    if any(row.data.get("choice") == "unknown" for row in run) and not text:
        return ports.Reply("conversation.choice_expired")
    if text:
        return None
    media = any(row.attachments for row in run)
    return ports.Reply("conversation.media_only" if media else "conversation.empty", {}, (person(),) if media else ())


def _follow_language(conversation: models.ConversationRow, text: str, settings: Settings) -> None:
    if conversation.locale_chosen or conversation.channel == "VOICE":
        return  # the customer said which; or the ear was already set to one
    spoken = language.detect(text, locales=settings.locales)
    if spoken is not None:
        conversation.locale = spoken


_ORDINALS = {
    name: number
    for number, names in enumerate(
        (
            "one first uno una primero primera primer",
            "two second dos segundo segunda",
            "three third tres tercero tercera tercer",
            "four fourth cuatro cuarto cuarta",
            "five fifth cinco quinto quinta",
            "six sixth seis sexto sexta",
            "seven seventh siete septimo septima",
            "eight eighth ocho octavo octava",
            "nine ninth nueve noveno novena",
        ),
        1,
    )
    for name in names.split(" ")
}
_NUMBER = re.compile(
    r"(?:option |number |opcion |numero |the |el |la |press |#)*(\w+)(?: one| option| opcion| please)?"
)


def number_of(text: str) -> int | None:
    """This will read "2", "the second one", "opción dos" as a number from 1 to 99; None for anything else."""
    bare = re.sub(r"[^\w# ]", "", text.casefold().translate(str.maketrans("áéíóúü", "aeiouu"))).strip()
    found = _NUMBER.fullmatch(bare) if len(bare) <= 30 else None
    if found is None:
        return None
    word = found.group(1)
    return int(word) if re.fullmatch("[1-9][0-9]?", word) else _ORDINALS.get(word)


def _chosen(offered: Sequence[Row[Any]], text: str, *, numbered: bool) -> str | None:
    """The payload of the choice a customer named by its label or, where choices are numbered, by its number.

    Only what was offered since the customer's message before counts: "5" after that is an answer to something else.
    """
    if not 0 < len(text) <= 80:
        return None
    for row in offered:
        if _plain(row.label) == _plain(text):
            return str(row.payload)
    number = number_of(text) if numbered else None
    return next((str(row.payload) for row in offered if row.number == number), None)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
