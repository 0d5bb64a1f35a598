"""Finding or opening the conversation a message belongs to, and taking its next numbers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
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


def normal_identity(kind: str, value: str) -> str:
    """This will give an identity as it is stored; what is no phone or address (a short code) is kept as it came."""
    return addresses.normalise(kind, value) or value.strip()


def lock_identity(
    session: Session, *, channel: str, kind: str, value: str, now: datetime, inbound: bool
) -> models.ChannelIdentityRow:
    """This will make or find a sender and hold its row until the transaction ends.

    Everything that opens conversations of one sender queues here, so that ten first messages at once open one.
    """
    row = models.ChannelIdentityRow
    statement = insert(row).values(
        channel=channel, kind=kind, value=value, first_seen_at=now, last_inbound_at=now if inbound else None
    )
    changes = {"last_inbound_at": now} if inbound else {"value": value}
    return session.scalars(
        statement.on_conflict_do_update(index_elements=["channel", "kind", "value"], set_=changes).returning(row),
        execution_options={"populate_existing": True},
    ).one()


def lock_conversation(session: Session, conversation_id: int) -> Found:
    """This will hold a conversation's row until the transaction ends; NoResultFound when there is none."""
    row, identity = session.execute(
        select(models.ConversationRow, models.ChannelIdentityRow)
        .join(models.ChannelIdentityRow, models.ChannelIdentityRow.id == models.ConversationRow.identity_id)
        .where(models.ConversationRow.id == conversation_id)
        .with_for_update(of=models.ConversationRow),
        execution_options={"populate_existing": True},
    ).one()
    return Found(row, identity)


def find(
    session: Session, *, identity: models.ChannelIdentityRow, thread_hint: str | None, now: datetime
) -> models.ConversationRow | None:
    """This will find the conversation a sender goes on with, and hold it; one that rested too long is closed instead.

    A call is its own conversation. An e-mail goes on with the thread its token names, and only when that thread is with
    this very sender: a token quoted by somebody else opens a thread of their own.
    """
    row = models.ConversationRow
    query = select(row).where(row.identity_id == identity.id, row.status == "OPEN")
    if identity.channel == "VOICE":
        query = query.where(row.thread_key == thread_hint)
    elif identity.channel == "EMAIL":
        query = query.where(row.token == (thread_hint or ""))
    found = session.scalars(
        query.order_by(row.id.desc()).limit(1).with_for_update(), execution_options={"populate_existing": True}
    ).one_or_none()
    if found is None:
        return None
    if found.floor == "BOT" and now - found.last_message_at > IDLE[identity.channel]:
        close(found, now)
        return None
    return found


def open_conversation(
    session: Session,
    *,
    identity: models.ChannelIdentityRow,
    locale: str | None,
    locales: tuple[str, ...],
    default_locale: str,
    thread_key: str | None,
    subject: str | None,
    now: datetime,
    customer: accounts.Customer | None = None,
) -> models.ConversationRow:
    """This will open a conversation with a sender; whoever owns the address is recognised, which proves nothing."""
    if customer is None and identity.kind in ("PHONE", "EMAIL"):
        customer = accounts.find_customer_by_contact(session, kind=identity.kind, value=identity.value)
    spoken = locale if locale in locales else (customer.locale if customer else default_locale)
    row = models.ConversationRow(
        token=crypto.token(),
        channel=identity.channel,
        identity_id=identity.id,
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


def next_seq(row: models.ConversationRow, now: datetime) -> int:
    """This will take the next number of a conversation that is held."""
    row.last_seq += 1
    row.last_message_at = max(row.last_message_at, now)
    return row.last_seq
