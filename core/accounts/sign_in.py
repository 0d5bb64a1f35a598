"""Proving who somebody is: one-time codes to a contact point already on file, and web sessions.

Only a keyed digest of a code is kept. A code lives ten minutes and dies of five wrong tries; five wrong tries in an
hour lock the proof (never the account or the supply). Nobody learns here whether an account exists: an unknown customer
gets a challenge like any other, one that no code can pass.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from core import crypto, errors
from core.accounts import models, queries

VALID_SECONDS = 600
LOCK_WINDOW = timedelta(hours=1)
MAX_FAILURES = 5
MAX_SENT_TO_CUSTOMER = 5
MAX_SENT_IN_CONVERSATION = 6


@dataclass(frozen=True)
class Challenge:
    """A code on its way. `code` is there only once, for sending; `contact` is None when nobody will get one."""

    id: int | None
    code: str | None
    contact: queries.ContactPoint | None
    locked: bool = False


@dataclass(frozen=True)
class Checked:
    ok: bool
    customer_id: int | None
    attempts_left: int
    locked: bool


def start_verification(
    session: Session,
    *,
    conversation_id: int | None,
    customer_id: int | None,
    contact_point_id: int | None,
    purpose: str,
    key: str,
    secret: str,
    now: datetime,
    valid_seconds: int = VALID_SECONDS,
) -> Challenge:
    """This will make a one-time code for a contact point on file. Purposes: CONVERSATION, SIGN_IN, CHANGE.

    The same key gives the same challenge, without its code. An earlier code of the same conversation, or of the same
    customer and purpose, no longer counts.
    """
    known = session.scalars(select(models.VerificationRow).where(models.VerificationRow.key == key)).one_or_none()
    if known is not None:
        return Challenge(known.id, None, _contact(session, known.customer_id, known.contact_point_id))
    if customer_id is not None:
        session.execute(select(models.CustomerRow.id).where(models.CustomerRow.id == customer_id).with_for_update())
    if _locked(session, conversation_id, customer_id, now) or _too_many(session, conversation_id, customer_id, now):
        return Challenge(None, None, None, locked=True)
    contact = _contact(session, customer_id, contact_point_id)
    mine = _of(conversation_id, None) if conversation_id is not None else _of(None, customer_id)
    if mine is not None:
        session.execute(
            update(models.VerificationRow)
            .where(mine, models.VerificationRow.state == "PENDING", models.VerificationRow.purpose == purpose)
            .values(state="SUPERSEDED")
        )
    code = crypto.code()
    row = models.VerificationRow(
        key=key,
        conversation_id=conversation_id,
        customer_id=customer_id if contact else None,
        contact_point_id=contact.id if contact else None,
        purpose=purpose,
        # what nobody was sent must not be guessed either
        code_digest=queries.code_digest(secret, code if contact else crypto.token()),
        created_at=now,
        expires_at=now + timedelta(seconds=valid_seconds),
    )
    session.add(row)
    session.flush()
    return Challenge(row.id, code if contact else None, contact)


def check_verification(
    session: Session, *, conversation_id: int | None, challenge_id: int | None, digest: str, now: datetime
) -> Checked:
    """This will check the digest of a code against the pending challenge of a conversation, or a named challenge."""
    query = select(models.VerificationRow).where(
        models.VerificationRow.state == "PENDING", models.VerificationRow.expires_at > now
    )
    if challenge_id is not None:
        query = query.where(models.VerificationRow.id == challenge_id)
        if conversation_id is not None:
            query = query.where(models.VerificationRow.conversation_id == conversation_id)
    elif conversation_id is not None:
        query = query.where(models.VerificationRow.conversation_id == conversation_id)
    else:
        raise errors.Invalid("verification.which")
    row = session.scalars(query.order_by(models.VerificationRow.id.desc()).limit(1).with_for_update()).one_or_none()
    if row is None:
        return Checked(False, None, 0, _locked(session, conversation_id, None, now))
    if _locked(session, row.conversation_id, row.customer_id, now):
        row.state = "FAILED"
        session.flush()
        return Checked(False, None, 0, True)
    if row.customer_id is not None and crypto.same(row.code_digest, digest):
        row.state, row.verified_at = "VERIFIED", now
        if row.contact_point_id is not None:
            session.execute(
                update(models.ContactPointRow)
                .where(models.ContactPointRow.id == row.contact_point_id)
                .values(verified_at=now)
            )
        session.flush()
        return Checked(True, row.customer_id, queries.MAX_ATTEMPTS - row.attempts, False)
    row.attempts += 1
    session.flush()
    locked = _locked(session, row.conversation_id, row.customer_id, now)
    if locked or row.attempts >= queries.MAX_ATTEMPTS:
        row.state = "FAILED"
        session.flush()
        return Checked(False, None, 0, True)
    return Checked(False, None, queries.MAX_ATTEMPTS - row.attempts, False)


def open_web_session(session: Session, *, customer_id: int, now: datetime, lasts: int = 12 * 3600) -> str:
    """This will open a web session of so many seconds and give its token: the cookie, seen only here."""
    token = crypto.token(32)
    session.add(
        models.WebSessionRow(
            token_digest=queries.token_digest(token),
            customer_id=customer_id,
            opened_at=now,
            expires_at=now + timedelta(seconds=lasts),
        )
    )
    session.flush()
    return token


def close_web_session(session: Session, *, token: str, now: datetime) -> None:
    """This will end a web session; ending it twice is no error."""
    session.execute(
        update(models.WebSessionRow)
        .where(
            models.WebSessionRow.token_digest == queries.token_digest(token), models.WebSessionRow.closed_at.is_(None)
        )
        .values(closed_at=now)
    )


def close_web_sessions(session: Session, *, customer_id: int, now: datetime) -> None:
    """This will end every web session of a customer."""
    session.execute(
        update(models.WebSessionRow)
        .where(models.WebSessionRow.customer_id == customer_id, models.WebSessionRow.closed_at.is_(None))
        .values(closed_at=now)
    )


def _contact(session: Session, customer_id: int | None, contact_point_id: int | None) -> queries.ContactPoint | None:
    if customer_id is None:
        return None
    points = queries.list_contact_points(session, customer_id=customer_id)
    if contact_point_id is not None:
        return next((point for point in points if point.id == contact_point_id), None)
    return next((point for point in points if point.kind == "PHONE"), points[0] if points else None)


def _of(conversation_id: int | None, customer_id: int | None) -> Any:
    conditions: list[Any] = []
    if conversation_id is not None:
        conditions.append(models.VerificationRow.conversation_id == conversation_id)
    if customer_id is not None:
        conditions.append(models.VerificationRow.customer_id == customer_id)
    return or_(*conditions) if conditions else None


def _locked(session: Session, conversation_id: int | None, customer_id: int | None, now: datetime) -> bool:
    mine = _of(conversation_id, customer_id)
    if mine is None:
        return False
    failures = session.scalar(
        select(func.coalesce(func.sum(models.VerificationRow.attempts), 0)).where(
            mine, models.VerificationRow.created_at > now - LOCK_WINDOW
        )
    )
    return int(failures or 0) >= MAX_FAILURES


def _too_many(session: Session, conversation_id: int | None, customer_id: int | None, now: datetime) -> bool:
    for mine, most in (
        (_of(conversation_id, None), MAX_SENT_IN_CONVERSATION),
        (_of(None, customer_id), MAX_SENT_TO_CUSTOMER),
    ):
        if mine is None:
            continue
        sent = session.scalar(
            select(func.count())
            .select_from(models.VerificationRow)
            .where(mine, models.VerificationRow.created_at > now - LOCK_WINDOW)
        )
        if int(sent or 0) >= most:
            return True
    return False
