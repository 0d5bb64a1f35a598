"""Reads of conversations. `get_speaker` and `get_verified_account` are what an assistant's action starts from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import errors
from core.accounts import queries as accounts
from core.conversations import models
from core.conversations.notice_proofs import NoticeProof as NoticeProof
from core.conversations.notice_proofs import notice_proofs as notice_proofs

WHATSAPP_WINDOW = timedelta(hours=24)
_NO_WISH = frozenset(("nlu_fallback", "inform", "identity_verified", "returned_from_staff", "affirm", "deny"))


@dataclass(frozen=True)
class Speaker:
    """Who speaks in a conversation, and how sure we are.

    level 0: nobody we know; 1: recognised by the address, which proves nothing; 2: proven by a code sent to a contact
    point on file; 3: signed in. Only from level 2 on are `customer_id` and `account_id` set.
    """

    conversation_id: int
    token: str
    channel: str
    locale: str
    level: int
    customer_id: int | None
    recognised_customer_id: int | None
    account_id: int | None
    floor: str
    turn_id: str | None


@dataclass(frozen=True)
class Conversation:
    id: int
    token: str
    channel: str
    identity_kind: str
    identity: str
    thread_key: str | None
    status: str
    floor: str
    locale: str
    locale_chosen: bool
    level: int
    customer_id: int | None
    recognised_customer_id: int | None
    account_id: int | None
    subject: str | None
    opened_at: datetime
    closed_at: datetime | None
    last_message_at: datetime
    last_inbound_at: datetime | None
    last_seq: int
    window_open: bool  # WhatsApp: whether the customer wrote within 24 hours; elsewhere always true


@dataclass(frozen=True)
class Message:
    id: int
    conversation_id: int
    seq: int
    direction: str  # "IN" or "OUT"
    author: str  # "CUSTOMER", "ASSISTANT", "STAFF" or "SYSTEM"
    channel: str
    text: str
    subject: str | None
    kind: str | None
    data: Mapping[str, Any]
    choices: tuple[tuple[str, str], ...]  # (token, label), in order
    attachments: tuple[Mapping[str, Any], ...]
    status: str
    created_at: datetime
    external_id: str | None
    html: str | None = None
    ssml: str | None = None
    staff_name: str | None = None
    error_code: str | None = None
    in_reply_to: int | None = None
    headers: Mapping[str, Any] | None = None
    purpose: str | None = None  # what an outbound message needs the customer's consent for; None for an answer


@dataclass(frozen=True)
class Handoff:
    id: int
    conversation_id: int
    reason: str
    priority: str
    status: str  # "WAITING", "ACCEPTED" or "CLOSED"
    cause_message_id: int | None
    requested_at: datetime
    accepted_at: datetime | None
    closed_at: datetime | None
    staff_name: str | None
    end_reason: str | None


@dataclass(frozen=True)
class Interaction:
    id: int
    conversation_id: int
    customer_id: int | None
    channel: str
    first_seq: int
    last_seq: int
    started_at: datetime
    last_at: datetime
    intents: tuple[str, ...]
    inbound: int
    outbound: int
    handed_off: bool
    summary: str


def get_speaker(session: Session, *, token: str, now: datetime) -> Speaker:
    """This will say who speaks in a conversation; NotFound when there is none."""
    row = session.scalars(select(models.ConversationRow).where(models.ConversationRow.token == token)).one_or_none()
    if row is None:
        raise errors.NotFound("conversation.unknown")
    level = level_of(row, now)
    account_id = None
    if level >= 2 and row.customer_id is not None:
        account_id = row.account_id or _first_account(session, row.customer_id)
    return Speaker(
        row.id,
        row.token,
        row.channel,
        row.locale,
        level,
        row.customer_id if level >= 2 else None,
        row.recognised_customer_id,
        account_id,
        row.floor,
        row.turn_id,
    )


def get_verified_account(session: Session, *, token: str, now: datetime) -> accounts.Account:
    """This will give the account the speaker has proven to be theirs: the only door to an account for an action.

    Refused ``identity.unverified`` below level 2, NotFound ``account.unknown`` when the customer has none.
    """
    speaker = get_speaker(session, token=token, now=now)
    if speaker.customer_id is None:
        raise errors.Refused("identity.unverified")
    if speaker.account_id is None:
        raise errors.NotFound("account.unknown")
    account = accounts.get_account(session, account_id=speaker.account_id)
    if account.customer_id != speaker.customer_id:
        raise errors.NotFound("account.unknown")
    return account


def get_conversation(
    session: Session, *, conversation_id: int | None = None, token: str | None = None, now: datetime
) -> Conversation:
    """This will give a conversation by its id or its token, or raise NotFound."""
    query = select(models.ConversationRow, models.ChannelIdentityRow).join(
        models.ChannelIdentityRow, models.ChannelIdentityRow.id == models.ConversationRow.identity_id
    )
    if conversation_id is not None:
        query = query.where(models.ConversationRow.id == conversation_id)
    else:
        query = query.where(models.ConversationRow.token == (token or ""))
    found = session.execute(query).one_or_none()
    if found is None:
        raise errors.NotFound("conversation.unknown")
    return conversation_of(found[0], found[1], now)


def find_open_conversation(
    session: Session, *, channel: str, identity_kind: str, identity: str, now: datetime
) -> Conversation | None:
    """This will find the conversation that is open with somebody on a channel (a reload of the web page asks this)."""
    found = session.execute(
        select(models.ConversationRow, models.ChannelIdentityRow)
        .join(models.ChannelIdentityRow, models.ChannelIdentityRow.id == models.ConversationRow.identity_id)
        .where(
            models.ChannelIdentityRow.channel == channel,
            models.ChannelIdentityRow.kind == identity_kind,
            models.ChannelIdentityRow.value == identity,
            models.ConversationRow.status == "OPEN",
        )
        .order_by(models.ConversationRow.id.desc())
        .limit(1)
    ).one_or_none()
    return conversation_of(found[0], found[1], now) if found else None


def list_conversations(
    session: Session, *, customer_id: int, now: datetime, limit: int = 50
) -> tuple[Conversation, ...]:
    """This will list a customer's conversations (proven ones only), newest first."""
    rows = session.execute(
        select(models.ConversationRow, models.ChannelIdentityRow)
        .join(models.ChannelIdentityRow, models.ChannelIdentityRow.id == models.ConversationRow.identity_id)
        .where(models.ConversationRow.customer_id == customer_id)
        .order_by(models.ConversationRow.last_message_at.desc())
        .limit(limit)
    )
    return tuple(conversation_of(row, identity, now) for row, identity in rows)


def get_message(session: Session, *, message_id: int) -> Message:
    """This will give one message, or raise NotFound."""
    row = session.get(models.MessageRow, message_id)
    if row is None:
        raise errors.NotFound("message.unknown")
    return _with_choices(session, [row])[0]


def list_messages(
    session: Session, *, conversation_id: int, after_seq: int = 0, limit: int = 500
) -> tuple[Message, ...]:
    """This will list a conversation's messages after a sequence number, in order."""
    rows = session.scalars(
        select(models.MessageRow)
        .where(models.MessageRow.conversation_id == conversation_id, models.MessageRow.seq > after_seq)
        .order_by(models.MessageRow.seq)
        .limit(limit)
    ).all()
    return _with_choices(session, rows)


def list_customer_messages(session: Session, *, customer_id: int, limit: int = 100) -> tuple[Message, ...]:
    """This will list a customer's messages on every channel (proven conversations only), newest first."""
    rows = session.scalars(
        select(models.MessageRow)
        .join(models.ConversationRow, models.ConversationRow.id == models.MessageRow.conversation_id)
        .where(models.ConversationRow.customer_id == customer_id)
        .order_by(models.MessageRow.id.desc())
        .limit(limit)
    ).all()
    return _with_choices(session, rows)


def list_outbound(
    session: Session, *, conversation_id: int, after_seq: int = 0, limit: int = 100
) -> tuple[Message, ...]:
    """This will list what was said to the customer after a sequence number, in order (voice reads its answer here)."""
    rows = session.scalars(
        select(models.MessageRow)
        .where(
            models.MessageRow.conversation_id == conversation_id,
            models.MessageRow.seq > after_seq,
            models.MessageRow.direction == "OUT",
        )
        .order_by(models.MessageRow.seq)
        .limit(limit)
    ).all()
    return _with_choices(session, rows)


def find_message(session: Session, *, channel: str, direction: str, external_id: str) -> Message | None:
    """This will find a message by the vendor's id."""
    row = session.scalars(
        select(models.MessageRow).where(
            models.MessageRow.channel == channel,
            models.MessageRow.direction == direction,
            models.MessageRow.external_id == external_id,
        )
    ).one_or_none()
    return _with_choices(session, [row])[0] if row else None


def transcript(
    session: Session, *, conversation_id: int, from_seq: int = 1, to_seq: int | None = None
) -> tuple[Message, ...]:
    """This will give a stretch of a conversation, both ends in, in order."""
    query = select(models.MessageRow).where(
        models.MessageRow.conversation_id == conversation_id, models.MessageRow.seq >= from_seq
    )
    if to_seq is not None:
        query = query.where(models.MessageRow.seq <= to_seq)
    return _with_choices(session, session.scalars(query.order_by(models.MessageRow.seq)).all())


def get_handoff(session: Session, *, handoff_id: int) -> Handoff:
    """This will give a handoff, or raise NotFound."""
    row = session.get(models.HandoffRow, handoff_id)
    if row is None:
        raise errors.NotFound("handoff.unknown")
    return handoff_of(row)


def find_open_handoff(session: Session, *, conversation_id: int) -> Handoff | None:
    """This will find the handoff that is open in a conversation."""
    row = session.scalars(
        select(models.HandoffRow).where(
            models.HandoffRow.conversation_id == conversation_id, models.HandoffRow.status != "CLOSED"
        )
    ).one_or_none()
    return handoff_of(row) if row else None


def list_open_handoffs(session: Session, *, limit: int = 200) -> tuple[Handoff, ...]:
    """This will list the handoffs that wait or are being handled: emergencies first, then oldest first."""
    rows = session.scalars(
        select(models.HandoffRow)
        .where(models.HandoffRow.status != "CLOSED")
        .order_by(models.HandoffRow.priority != "EMERGENCY", models.HandoffRow.requested_at)
        .limit(limit)
    )
    return tuple(handoff_of(row) for row in rows)


def get_interaction(session: Session, *, interaction_id: int) -> Interaction:
    """This will give a segment of a conversation, or raise NotFound."""
    row = session.get(models.InteractionRow, interaction_id)
    if row is None:
        raise errors.NotFound("interaction.unknown")
    return _interaction(row)


def list_interactions(session: Session, *, conversation_id: int) -> tuple[Interaction, ...]:
    """This will list the segments of a conversation, in order."""
    rows = session.scalars(
        select(models.InteractionRow)
        .where(models.InteractionRow.conversation_id == conversation_id)
        .order_by(models.InteractionRow.id)
    )
    return tuple(_interaction(row) for row in rows)


def level_of(row: models.ConversationRow, now: datetime) -> int:
    """This will give the level that holds now: a proof that has run out leaves only the recognition."""
    if row.level >= 2 and row.verified_until is not None and row.verified_until > now:
        return row.level
    return 1 if row.recognised_customer_id is not None else 0


def conversation_of(row: models.ConversationRow, identity: models.ChannelIdentityRow, now: datetime) -> Conversation:
    """This will give a conversation's row as the value other packages see."""
    level = level_of(row, now)
    return Conversation(
        row.id,
        row.token,
        row.channel,
        identity.kind,
        identity.value,
        row.thread_key,
        row.status,
        row.floor,
        row.locale,
        row.locale_chosen,
        level,
        row.customer_id,
        row.recognised_customer_id,
        row.account_id,
        row.subject,
        row.opened_at,
        row.closed_at,
        row.last_message_at,
        row.last_inbound_at,
        row.last_seq,
        window_open(row.channel, identity.last_inbound_at, now),
    )


def window_open(channel: str, last_inbound_at: datetime | None, now: datetime) -> bool:
    """This will say whether free text may be sent: on WhatsApp only within 24 hours of the customer's last message."""
    if channel != "WHATSAPP":
        return True
    return last_inbound_at is not None and now - last_inbound_at < WHATSAPP_WINDOW


def handoff_of(row: models.HandoffRow) -> Handoff:
    """This will give a handoff's row as the value other packages see."""
    return Handoff(
        row.id,
        row.conversation_id,
        row.reason,
        row.priority,
        row.status,
        row.cause_message_id,
        row.requested_at,
        row.accepted_at,
        row.closed_at,
        row.staff_name,
        row.end_reason,
    )


def _first_account(session: Session, customer_id: int) -> int | None:
    held = accounts.list_accounts(session, customer_id=customer_id)
    return held[0].id if held else None


def _interaction(row: models.InteractionRow) -> Interaction:
    return Interaction(
        row.id,
        row.conversation_id,
        row.customer_id,
        row.channel,
        row.first_seq,
        row.last_seq,
        row.started_at,
        row.last_at,
        tuple(row.intents),
        row.inbound,
        row.outbound,
        row.handed_off,
        _summary(row),
    )


def _summary(row: models.InteractionRow) -> str:
    wishes = [intent.replace("_", " ") for intent in row.intents if intent not in _NO_WISH]
    parts = [row.channel, ", ".join(wishes) or "-", f"{row.inbound} in / {row.outbound} out"]
    return " · ".join([*parts, "handoff"] if row.handed_off else parts)


def _with_choices(session: Session, rows: Sequence[models.MessageRow]) -> tuple[Message, ...]:
    asking = [row.id for row in rows if row.direction == "OUT"]
    offered: dict[int, list[tuple[str, str]]] = {}
    if asking:
        choice = models.ChoiceRow
        for message_id, token, label in session.execute(
            select(choice.message_id, choice.token, choice.label)
            .where(choice.message_id.in_(asking))
            .order_by(choice.message_id, choice.number)
        ):
            offered.setdefault(message_id, []).append((token, label))
    return tuple(
        Message(
            row.id,
            row.conversation_id,
            row.seq,
            row.direction,
            row.author,
            row.channel,
            row.text,
            row.subject,
            row.kind,
            row.data,
            tuple(offered.get(row.id, ())),
            tuple(row.attachments),
            row.status,
            row.created_at,
            row.external_id,
            row.html,
            row.ssml,
            row.staff_name,
            row.error_code,
            row.in_reply_to,
            row.headers,
            row.purpose,
        )
        for row in rows
    )
