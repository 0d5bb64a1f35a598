"""Proving, in a conversation, who speaks: a one-time code to a contact point on file, and the level that follows."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import crypto, errors, outbox, ports, wording
from core.accounts import addresses
from core.accounts import operations as accounts_operations
from core.accounts import queries as accounts
from core.conversations import models, queries, segments, sending, threads
from core.conversations.house import house
from core.settings import Settings


@dataclass(frozen=True)
class VerificationBegun:
    """`masked` is where the code went, and is told only to a sender whose own address is on that customer's file."""

    state: str  # "SENT", "ASK", "ALREADY" or "LOCKED"
    masked: str | None = None


def begin_verification(
    session: Session,
    *,
    token: str,
    account_number: str | None,
    contact: str | None,
    key: str,
    settings: Settings,
    now: datetime,
) -> VerificationBegun:
    """This will send a one-time code to a contact point on file of whoever the speaker claims to be.

    SENT: a code is on its way, or would be if that account existed; nobody learns which. ASK: we do not know whom to
    send it to. ALREADY: proven. LOCKED: too many tries; a person can help. The same key sends once.
    """
    row = session.scalars(select(models.ConversationRow).where(models.ConversationRow.token == token)).one_or_none()
    if row is None:
        raise errors.NotFound("conversation.unknown")
    if queries.level_of(row, now) >= 2:
        return VerificationBegun("ALREADY")
    claim = _claimed(session, row, account_number, contact)
    if claim is None:
        return VerificationBegun("ASK")
    customer, account_id = claim
    point, channel = _where(session, customer, row) if customer else (None, None)
    recognised = customer is not None and customer.id == row.recognised_customer_id
    challenge = accounts_operations.start_verification(
        session,
        conversation_id=row.id,
        customer_id=customer.id if customer and point else None,
        contact_point_id=point.id if point else None,
        purpose="CONVERSATION",
        key=key,
        secret=settings.secret_key,
        now=now,
        valid_seconds=settings.code_valid_for,
    )
    if challenge.locked and not recognised:
        # this customer may be locked because of others: the answer must not tell, so go on as for a stranger
        challenge = accounts_operations.start_verification(
            session,
            conversation_id=row.id,
            customer_id=None,
            contact_point_id=None,
            purpose="CONVERSATION",
            key=key,
            secret=settings.secret_key,
            now=now,
        )
    if challenge.locked:
        return VerificationBegun("LOCKED")
    if challenge.code is not None and customer is not None and point is not None and channel is not None:
        sending.send_to(
            session,
            channel=channel,
            contact=point,
            customer=customer,
            reply=ports.Reply("verify.code", {"minutes": settings.code_valid_for // 60}),
            purpose=None,
            key=f"code:{challenge.id}",
            now=now,
            house=house(settings),
            hidden={"code": crypto.seal(settings.secret_key, challenge.code)},
        )
    # last, so that a sender's row is always taken before a conversation's
    row.account_id = account_id
    session.flush()
    masked = addresses.masked(point.kind, point.value) if recognised and point else None
    return VerificationBegun("SENT", masked)


def mark_verified(
    session: Session,
    *,
    conversation_id: int,
    customer_id: int,
    level: int,
    until: datetime,
    now: datetime,
) -> None:
    """This will note who speaks in a conversation, how surely, and for how long. It holds in this conversation only."""
    row = threads.lock_conversation(session, conversation_id).conversation
    if row.account_id is not None:
        account = accounts.get_account(session, account_id=row.account_id)
        row.account_id = account.id if account.customer_id == customer_id else None
    row.customer_id = row.recognised_customer_id = customer_id
    row.level, row.verified_until = level, until
    session.flush()
    outbox.record_facts(session, [segments.touch(session, conversation=row, now=now)], now=now)


def change_contact(
    session: Session,
    *,
    customer_id: int,
    kind: str,
    value: str,
    keep_others: bool,
    house: wording.House,
    now: datetime,
) -> accounts.ContactPoint:
    """This will change where a customer is reached. Whoever was reached before is told, and all proofs end: should
    somebody else have done it, the customer learns of it, and the other has gained nothing that lasts.
    """
    before = accounts.list_contact_points(session, customer_id=customer_id)
    point = accounts_operations.update_contact_point(
        session, customer_id=customer_id, kind=kind, value=value, keep_others=keep_others, actor="customer", now=now
    )
    same = [p for p in before if p.kind == kind and p.primary]
    if any(p.value == point.value for p in same):
        return point
    customer = accounts.get_customer(session, customer_id=customer_id)
    drop_proofs(session, customer_id=customer_id)
    for former in same or before[:1]:
        sending.send_to(
            session,
            channel="SMS" if former.kind == "PHONE" else "EMAIL",
            contact=former,
            customer=customer,
            reply=ports.Reply("notice.contact_changed", {"what": kind, "masked": addresses.masked(kind, point.value)}),
            purpose=None,
            key=f"contact:{point.id}:{former.id}:{now.isoformat()}",
            now=now,
            house=house,
        )
    return point


def drop_proofs(session: Session, *, customer_id: int) -> None:
    """This will end every proof of a customer: for when a contact point, or the person, has changed."""
    rows = session.scalars(
        select(models.ConversationRow)
        .where(models.ConversationRow.customer_id == customer_id, models.ConversationRow.level >= 2)
        .order_by(models.ConversationRow.id)
        .with_for_update()
    )
    for row in rows:
        row.level, row.verified_until = 0, None
    session.flush()


def select_account(session: Session, *, token: str, account_id: int, now: datetime) -> None:
    """This will choose which of the speaker's accounts the conversation is about; NotFound when it is not theirs."""
    speaker = queries.get_speaker(session, token=token, now=now)
    account = accounts.get_account(session, account_id=account_id)
    if speaker.customer_id is None or account.customer_id != speaker.customer_id:
        raise errors.NotFound("account.unknown")
    row = threads.lock_conversation(session, speaker.conversation_id).conversation
    row.account_id = account_id
    session.flush()


def set_locale(session: Session, *, token: str, locale: str, now: datetime) -> None:
    """This will set a conversation's language by the customer's own choice: from then on it is not guessed any more."""
    row = session.scalars(
        select(models.ConversationRow).where(models.ConversationRow.token == token).with_for_update()
    ).one_or_none()
    if row is None:
        raise errors.NotFound("conversation.unknown")
    row.locale, row.locale_chosen = locale, True
    session.flush()


def _claimed(
    session: Session, row: models.ConversationRow, account_number: str | None, contact: str | None
) -> tuple[accounts.Customer | None, int | None] | None:
    """Who the speaker claims to be: (customer or None for nobody we know, account); None when nothing is claimed."""
    if account_number and len(addresses.digits(account_number)) == 10:
        account = accounts.find_account_by_number(session, number=account_number)
        if account is not None:
            return accounts.get_customer(session, customer_id=account.customer_id), account.id
        if not addresses.phone(account_number):
            return None, None
    for claim in (contact, account_number):
        for kind in ("EMAIL", "PHONE"):
            if claim and addresses.normalise(kind, claim):
                return accounts.find_customer_by_contact(session, kind=kind, value=claim), None
    if account_number or contact:
        return None  # neither a number nor an address: ask again
    if row.recognised_customer_id is not None:
        return accounts.get_customer(session, customer_id=row.recognised_customer_id), None
    return None


def _where(
    session: Session, customer: accounts.Customer, row: models.ConversationRow
) -> tuple[accounts.ContactPoint | None, str | None]:
    """The best contact point on file for a code: by text, then by e-mail; never one that opted out."""
    points = accounts.list_contact_points(session, customer_id=customer.id)
    for kind, channel in (("PHONE", "SMS"), ("EMAIL", "EMAIL")):
        for point in points:
            if point.kind == kind and not accounts.is_opted_out(session, contact_value=point.value, channel=channel):
                return point, channel
    return None, None
