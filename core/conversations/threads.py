"""Finding or opening the conversation a message belongs to, and taking its next numbers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import DateTime, Text, bindparam, select, text
from sqlalchemy.orm import Session

from core import crypto
from core.accounts import addresses
from core.accounts import queries as accounts
from core.conversations import models

# how long a conversation may rest before the next message opens a new one
IDLE = {
    "WEB": timedelta(hours=12),
    "SMS": timedelta(hours=24),
    "WHATSAPP": timedelta(hours=24),
    "EMAIL": timedelta(days=14),
    "VOICE": timedelta(hours=4),
}


@dataclass(frozen=True)
class Found:
    conversation: models.ConversationRow
    identity: models.ChannelIdentityRow


@dataclass(frozen=True)
class Sender:
    """Who writes on a channel, held until the transaction ends; `known` is the message of the id that was asked for."""

    id: int
    channel: str
    kind: str
    value: str
    known: int | None


# Every message passes here, so these statements are made once, and each says as much as it can.
_HOLD_SENDER = text("""
    INSERT INTO channel_identity (channel, kind, value, first_seen_at, last_inbound_at)
    VALUES (:channel, :kind, :value, :now, :inbound_at)
    ON CONFLICT (channel, kind, value)
    DO UPDATE SET last_inbound_at = coalesce(excluded.last_inbound_at, channel_identity.last_inbound_at)
    RETURNING id, (
        SELECT id FROM message WHERE channel = :channel AND direction = 'IN' AND external_id = :external_id) AS known
""").bindparams(bindparam("inbound_at", type_=DateTime(timezone=True)), bindparam("external_id", type_=Text()))
_HOLD = (
    select(models.ConversationRow, models.ChannelIdentityRow)
    .join(models.ChannelIdentityRow, models.ChannelIdentityRow.id == models.ConversationRow.identity_id)
    .where(models.ConversationRow.id == bindparam("conversation_id"))
    .with_for_update(of=models.ConversationRow)
)
_LATEST = (
    select(models.ConversationRow)
    .where(models.ConversationRow.identity_id == bindparam("identity_id"), models.ConversationRow.status == "OPEN")
    .order_by(models.ConversationRow.id.desc())
    .limit(1)
    .with_for_update()
)
_HINTED = {
    "VOICE": _LATEST.where(models.ConversationRow.thread_key == bindparam("hint")),
    "EMAIL": _LATEST.where(models.ConversationRow.token == bindparam("hint")),
}


def normal_identity(kind: str, value: str) -> str:
    """This will give an identity as it is stored; what is no phone or address (a short code) is kept as it came."""
    return addresses.normalise(kind, value) or value.strip()


def lock_identity(
    session: Session,
    *,
    channel: str,
    kind: str,
    value: str,
    now: datetime,
    inbound: bool,
    external_id: str | None = None,
) -> Sender:
    """This will make or find a sender and hold its row until the transaction ends.

    Everything that opens conversations of one sender queues here, so that ten first messages at once open one.
    """
    row = session.execute(
        _HOLD_SENDER,
        {
            "channel": channel,
            "kind": kind,
            "value": value,
            "now": now,
            "inbound_at": now if inbound else None,
            "external_id": external_id,
        },
    ).one()
    return Sender(row.id, channel, kind, value, row.known)


def lock_conversation(session: Session, conversation_id: int) -> Found:
    """This will hold a conversation's row until the transaction ends; NoResultFound when there is none."""
    row, identity = session.execute(
        _HOLD, {"conversation_id": conversation_id}, execution_options={"populate_existing": True}
    ).one()
    remember(session, identity)
    return Found(row, identity)


def remember(session: Session, identity: models.ChannelIdentityRow) -> None:
    """This will keep at hand whom a session speaks to: whoever wakes the page needs it again."""
    session.info["spoken_to"] = identity


def find(session: Session, *, sender: Sender, thread_hint: str | None, now: datetime) -> models.ConversationRow | None:
    """This will find the conversation a sender goes on with, and hold it; one that rested too long is closed instead.

    A call is its own conversation. An e-mail goes on with the thread its token names, and only when that thread is with
    this very sender: a token quoted by somebody else opens a thread of their own.
    """
    found = session.scalars(
        _HINTED.get(sender.channel, _LATEST),
        {"identity_id": sender.id, **({"hint": thread_hint or ""} if sender.channel in _HINTED else {})},
        execution_options={"populate_existing": True},
    ).one_or_none()
    if found is None:
        return None
    if found.floor == "BOT" and now - found.last_message_at > IDLE[sender.channel]:
        close(found, now)
        return None
    return found


def open_conversation(
    session: Session,
    *,
    sender: Sender,
    locale: str | None,
    locales: tuple[str, ...],
    default_locale: str,
    thread_key: str | None,
    subject: str | None,
    now: datetime,
    customer: accounts.Customer | None = None,
) -> models.ConversationRow:
    """This will open a conversation with a sender; whoever owns the address is recognised, which proves nothing."""
    if customer is None and sender.kind in ("PHONE", "EMAIL"):
        customer = accounts.find_customer_by_contact(session, kind=sender.kind, value=sender.value)
    spoken = locale if locale in locales else (customer.locale if customer else default_locale)
    row = models.ConversationRow(
        token=crypto.token(),
        channel=sender.channel,
        identity_id=sender.id,
        thread_key=thread_key,
        locale=spoken,
        recognised_customer_id=customer.id if customer else None,
        subject=subject,
        opened_at=now,
        last_message_at=now,
        status="OPEN",
        floor="BOT",
        level=0,
        last_seq=0,
    )
    session.add(row)
    session.flush()
    return row


def close(row: models.ConversationRow, now: datetime) -> None:
    """This will close a conversation; whatever was proven in it ends with it."""
    row.status, row.closed_at = "CLOSED", now
    row.level, row.verified_until = 0, None
