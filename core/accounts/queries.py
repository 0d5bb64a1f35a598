"""Reads of customers, accounts, service points, agreements, contact points, and what may be sent to whom."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from core import crypto, db, errors
from core.accounts import addresses, models
from core.periods import Days


@dataclass(frozen=True)
class Customer:
    id: int
    number: str
    full_name: str
    kind: str  # "RESIDENTIAL" or "BUSINESS"
    locale: str
    opened_on: date
    medical_equipment: bool  # that somebody lives by it; how long that holds a shut-off off is billing's to say


@dataclass(frozen=True)
class Account:
    id: int
    number: str
    customer_id: int
    customer_kind: str
    status: str  # "ACTIVE" or "CLOSED"
    opened_on: date
    closed_on: date | None
    paperless: bool
    jurisdiction: str
    bill_cycle_day: int
    mailing_address: str


@dataclass(frozen=True)
class ServicePoint:
    """A place where energy is taken, and the agreement under which it is on the day asked about (if any)."""

    id: int
    premise_id: int
    agreement_id: int | None
    account_id: int | None
    transformer_id: int | None
    address: str
    city: str
    postcode: str
    county: str
    timezone: str
    starts_on: date | None
    ends_on: date | None
    connected: bool


@dataclass(frozen=True)
class Agreement:
    id: int
    account_id: int
    service_point_id: int
    starts_on: date
    ends_on: date | None
    timezone: str
    jurisdiction: str
    customer_kind: str
    city: str
    bill_cycle_day: int


@dataclass(frozen=True)
class ContactPoint:
    id: int
    customer_id: int
    kind: str  # "PHONE" or "EMAIL"
    value: str
    verified_at: datetime | None
    primary: bool


class Resident(NamedTuple):
    """Who takes service where, as of a day."""

    customer_id: int
    account_id: int
    service_point_id: int


@dataclass(frozen=True)
class WebSession:
    id: int
    customer_id: int
    opened_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Pending:
    """A one-time code that was sent and has not been answered yet."""

    id: int
    customer_id: int | None
    expires_at: datetime
    attempts_left: int


MAX_ATTEMPTS = 5

_CONTACT_KIND = {"SMS": "PHONE", "WHATSAPP": "PHONE", "VOICE": "PHONE", "EMAIL": "EMAIL"}
# what a customer agreed to by being a customer; the rest needs a yes of their own
_GRANTED_UNLESS_REFUSED = {
    ("SERVICE", "EMAIL"),
    ("SERVICE", "SMS"),
    ("SERVICE", "WHATSAPP"),
    ("SERVICE", "VOICE"),
    ("SERVICE", "WEB"),
    ("OUTAGE", "EMAIL"),
    ("OUTAGE", "SMS"),
}


def get_customer(session: Session, *, customer_id: int) -> Customer:
    """This will give a customer, or raise NotFound."""
    row = session.get(models.CustomerRow, customer_id)
    if row is None:
        raise errors.NotFound("customer.unknown")
    return _customer(row)


def list_customers(session: Session, *, customer_ids: Sequence[int]) -> tuple[Customer, ...]:
    """This will give the customers of these ids, by id; unknown ids are left out."""
    rows = session.scalars(
        select(models.CustomerRow).where(models.CustomerRow.id.in_(customer_ids)).order_by(models.CustomerRow.id)
    )
    return tuple(_customer(row) for row in rows)


def get_account(session: Session, *, account_id: int) -> Account:
    """This will give an account, or raise NotFound."""
    found = _account(session.execute(_accounts().where(models.AccountRow.id == account_id)).one_or_none())
    if found is None:
        raise errors.NotFound("account.unknown")
    return found


def list_accounts_of(session: Session, *, account_ids: Sequence[int]) -> tuple[Account, ...]:
    """This will give the accounts of these ids, by id; unknown ids are left out. Set-based, for thousands."""
    rows = session.execute(_accounts().where(models.AccountRow.id.in_(account_ids)).order_by(models.AccountRow.id))
    return tuple(account for row in rows if (account := _account(row)) is not None)


def list_service_points_of(session: Session, *, service_point_ids: Sequence[int], on: date) -> tuple[ServicePoint, ...]:
    """This will give the service points of these ids and who takes service there on a day; set-based."""
    rows = session.execute(_service_points(on).where(models.ServicePointRow.id.in_(service_point_ids)))
    return tuple(_service_point(row) for row in rows)


def find_account_by_number(session: Session, *, number: str) -> Account | None:
    """This will find an account by its ten digits; spaces and dashes do not matter."""
    digits = addresses.digits(number)
    if len(digits) != 10:
        return None
    return _account(session.execute(_accounts().where(models.AccountRow.number == digits)).one_or_none())


def get_account_by_number(session: Session, *, number: str) -> Account:
    """This will find an account as `find_account_by_number` does; NotFound account.unknown when nobody bears it."""
    account = find_account_by_number(session, number=number)
    if account is None:
        raise errors.NotFound("account.unknown")
    return account


def find_account(session: Session, *, number: str, postcode: str) -> Account | None:
    """This will find an account by number, provided it takes or took service in this postcode."""
    account = find_account_by_number(session, number=number)
    if account is None:
        return None
    here = session.scalar(
        select(func.count())
        .select_from(models.ServiceAgreementRow)
        .join(models.ServicePointRow, models.ServicePointRow.id == models.ServiceAgreementRow.service_point_id)
        .join(models.PremiseRow, models.PremiseRow.id == models.ServicePointRow.premise_id)
        .where(
            models.ServiceAgreementRow.account_id == account.id,
            models.PremiseRow.postcode == postcode.strip(),
        )
    )
    return account if here else None


def list_accounts(session: Session, *, customer_id: int) -> tuple[Account, ...]:
    """This will list a customer's accounts: active ones first, then by id."""
    rows = session.execute(
        _accounts()
        .where(models.AccountRow.customer_id == customer_id)
        .order_by(models.AccountRow.status, models.AccountRow.id)
    )
    return tuple(_account_of(row) for row in rows)


def list_service_points(session: Session, *, account_id: int, on: date) -> tuple[ServicePoint, ...]:
    """This will list where an account takes service on a day."""
    agreement = models.ServiceAgreementRow
    rows = session.execute(
        _service_points(on).where(agreement.account_id == account_id).order_by(agreement.starts_on, agreement.id)
    )
    return tuple(_service_point(row) for row in rows)


def get_service_point(session: Session, *, service_point_id: int, on: date) -> ServicePoint:
    """This will give a service point and who takes service there on a day, or raise NotFound."""
    row = session.execute(_service_points(on).where(models.ServicePointRow.id == service_point_id)).one_or_none()
    if row is None:
        raise errors.NotFound("service_point.unknown")
    return _service_point(row)


def find_service_point_at(session: Session, *, address: str, on: date) -> ServicePoint | None:
    """This will find the one service point at an address a person typed; None when none or several fit.

    A postcode anywhere in the text narrows the search; without one the street alone must be unique.
    """
    street, postcode = addresses.split(address)
    if not street:
        return None
    premise = models.PremiseRow
    query = _service_points(on).where(premise.address_key == street)
    if postcode:
        query = query.where(premise.postcode == postcode)
    rows = session.execute(query.limit(2)).all()
    return _service_point(rows[0]) if len(rows) == 1 else None


def list_service_points_in(
    session: Session, *, postcode: str, on: date, limit: int = 10_000
) -> tuple[ServicePoint, ...]:
    """This will list the service points of a postcode, by id."""
    rows = session.execute(
        _service_points(on)
        .where(models.PremiseRow.postcode == postcode)
        .order_by(models.ServicePointRow.id)
        .limit(limit)
    )
    return tuple(_service_point(row) for row in rows)


def list_agreements(
    session: Session, *, period: Days, account_ids: Sequence[int] | None = None,
    service_point_ids: Sequence[int] | None = None,
) -> tuple[Agreement, ...]:  # fmt: skip
    """This will list the agreements that are alive on any day of a period, by id; set-based, for thousands."""
    agreement = models.ServiceAgreementRow
    query = (
        _agreements()
        .where(
            agreement.starts_on < period.ends_on,
            or_(agreement.ends_on.is_(None), agreement.ends_on > period.starts_on),
            or_(agreement.ends_on.is_(None), agreement.ends_on > agreement.starts_on),
        )
        .order_by(agreement.id)
    )
    if account_ids is not None:
        query = query.where(agreement.account_id.in_(account_ids))
    if service_point_ids is not None:
        query = query.where(agreement.service_point_id.in_(service_point_ids))
    return tuple(Agreement(*row) for row in session.execute(query))


def list_ended(session: Session, *, since: date, until: date) -> tuple[Agreement, ...]:
    """This will list the agreements whose first day without service lies between two days, both in, by id."""
    agreement = models.ServiceAgreementRow
    query = _agreements().where(
        agreement.ends_on >= since, agreement.ends_on <= until, agreement.ends_on > agreement.starts_on
    )
    return tuple(Agreement(*row) for row in session.execute(query.order_by(agreement.id)))


def list_account_facts(session: Session, *, account_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    """This will give, by account, its customer and its jurisdiction; set-based, for thousands."""
    account = models.AccountRow
    rows = session.execute(
        select(account.id, account.customer_id, account.jurisdiction).where(account.id == db.any_of(account_ids))
    )
    return {row.id: (row.customer_id, row.jurisdiction) for row in rows}


def get_agreement(session: Session, *, agreement_id: int) -> Agreement:
    """This will give a service agreement, or raise NotFound."""
    row = session.execute(_agreements().where(models.ServiceAgreementRow.id == agreement_id)).one_or_none()
    if row is None:
        raise errors.NotFound("agreement.unknown")
    return Agreement(*row)


def find_customer_by_contact(session: Session, *, kind: str, value: str) -> Customer | None:
    """This will find the one customer with this phone or e-mail; None when none has it, or several share it."""
    normal = addresses.normalise(kind, value)
    if normal is None:
        return None
    rows = session.scalars(
        select(models.CustomerRow)
        .join(models.ContactPointRow, models.ContactPointRow.customer_id == models.CustomerRow.id)
        .where(
            models.ContactPointRow.kind == kind,
            models.ContactPointRow.value == normal,
            models.ContactPointRow.removed_at.is_(None),
        )
        .limit(2)
    ).all()
    return _customer(rows[0]) if len(rows) == 1 else None


def list_contact_points(session: Session, *, customer_id: int) -> tuple[ContactPoint, ...]:
    """This will list how a customer can be reached: primary ones first."""
    point = models.ContactPointRow
    rows = session.scalars(
        select(point)
        .where(point.customer_id == customer_id, point.removed_at.is_(None))
        .order_by(point.primary.desc(), point.id)
    )
    return tuple(contact_point(row) for row in rows)


def list_customers_at(session: Session, *, service_point_ids: Sequence[int], on: date) -> tuple[Resident, ...]:
    """This will list who takes service at these points on a day, by service point."""
    agreement = models.ServiceAgreementRow
    rows = session.execute(
        select(models.AccountRow.customer_id, agreement.account_id, agreement.service_point_id)
        .join(models.AccountRow, models.AccountRow.id == agreement.account_id)
        .where(agreement.service_point_id.in_(service_point_ids), _alive(on))
        .order_by(agreement.service_point_id)
    )
    return tuple(Resident(*row) for row in rows)


def may_notify(session: Session, *, customer_id: int, channel: str, purpose: str, now: datetime) -> ContactPoint | None:
    """This will give where a customer may be told something on a channel, or None when they may not be.

    The last word in the ledger about this purpose counts. Without one, bills and answers go out on any channel, outage
    news by text and e-mail, and everything else waits for a yes.
    """
    kind = _CONTACT_KIND.get(channel)
    if kind is None:
        return None
    for point in list_contact_points(session, customer_id=customer_id):
        if point.kind == kind and allowed(session, contact_value=point.value, channel=channel, purpose=purpose):
            return point
    return None


def allowed(session: Session, *, contact_value: str, channel: str, purpose: str) -> bool:
    """This will say whether an address may be written to on a channel for a purpose."""
    last = find_consent(session, contact_value=contact_value, channel=channel, purpose=purpose)
    return last if last is not None else (purpose, channel) in _GRANTED_UNLESS_REFUSED


def find_consent(session: Session, *, contact_value: str, channel: str, purpose: str) -> bool | None:
    """This will give the last recorded yes or no of an address about a channel and purpose; None when never asked."""
    consent = models.ConsentRow
    return session.scalar(
        select(consent.granted)
        .where(consent.contact_value == contact_value, consent.channel == channel, consent.purpose == purpose)
        .order_by(consent.id.desc())
        .limit(1)
    )


def is_opted_out(session: Session, *, contact_value: str, channel: str) -> bool:
    """This will say whether an address said STOP on a channel (then nothing at all goes there)."""
    return find_consent(session, contact_value=contact_value, channel=channel, purpose="SERVICE") is False


def find_pending_verification(session: Session, *, conversation_id: int, now: datetime) -> Pending | None:
    """This will find the code a conversation still waits for."""
    row = session.execute(
        select(
            models.VerificationRow.id,
            models.VerificationRow.customer_id,
            models.VerificationRow.expires_at,
            models.VerificationRow.attempts,
        )
        .where(
            models.VerificationRow.conversation_id == conversation_id,
            models.VerificationRow.state == "PENDING",
            models.VerificationRow.expires_at > now,
        )
        .order_by(models.VerificationRow.id.desc())
        .limit(1)
    ).one_or_none()
    return Pending(row.id, row.customer_id, row.expires_at, MAX_ATTEMPTS - row.attempts) if row else None


def find_web_session(session: Session, *, token: str, now: datetime) -> WebSession | None:
    """This will find the live web session a cookie stands for."""
    row = session.scalars(
        select(models.WebSessionRow).where(
            models.WebSessionRow.token_digest == token_digest(token),
            models.WebSessionRow.closed_at.is_(None),
            models.WebSessionRow.expires_at > now,
        )
    ).one_or_none()
    return WebSession(row.id, row.customer_id, row.opened_at, row.expires_at) if row else None


def code_digest(secret: str, code: str) -> str:
    """This will give what is kept of a one-time code."""
    return crypto.digest(secret, "one_time_code", code)


def token_digest(token: str) -> str:
    """This will give what is kept of a web session's token: 256 random bits need no key."""
    return hashlib.sha256(token.encode()).hexdigest()


def _alive(on: date) -> Any:
    agreement = models.ServiceAgreementRow
    return and_(agreement.starts_on <= on, or_(agreement.ends_on.is_(None), agreement.ends_on > on))


def _agreements() -> Any:
    agreement, account = models.ServiceAgreementRow, models.AccountRow
    return (
        select(
            agreement.id,
            agreement.account_id,
            agreement.service_point_id,
            agreement.starts_on,
            agreement.ends_on,
            models.PremiseRow.timezone,
            account.jurisdiction,
            models.CustomerRow.kind,
            models.PremiseRow.city,
            account.bill_cycle_day,
        )
        .join(account, account.id == agreement.account_id)
        .join(models.CustomerRow, models.CustomerRow.id == account.customer_id)
        .join(models.ServicePointRow, models.ServicePointRow.id == agreement.service_point_id)
        .join(models.PremiseRow, models.PremiseRow.id == models.ServicePointRow.premise_id)
    )


def _accounts() -> Any:
    return select(models.AccountRow, models.CustomerRow.kind).join(
        models.CustomerRow, models.CustomerRow.id == models.AccountRow.customer_id
    )


def _account(row: Any) -> Account | None:
    return _account_of(row) if row is not None else None


def _account_of(row: Any) -> Account:
    account, kind = row
    return Account(
        account.id,
        account.number,
        account.customer_id,
        kind,
        account.status,
        account.opened_on,
        account.closed_on,
        account.paperless,
        account.jurisdiction,
        account.bill_cycle_day,
        account.mailing_address,
    )


def _service_points(on: date) -> Any:
    return (
        select(models.ServicePointRow, models.PremiseRow, models.ServiceAgreementRow)
        .join(models.PremiseRow, models.PremiseRow.id == models.ServicePointRow.premise_id)
        .outerjoin(
            models.ServiceAgreementRow,
            and_(models.ServiceAgreementRow.service_point_id == models.ServicePointRow.id, _alive(on)),
        )
    )


def _service_point(row: Any) -> ServicePoint:
    point, premise, agreement = row
    return ServicePoint(
        point.id,
        premise.id,
        agreement.id if agreement else None,
        agreement.account_id if agreement else None,
        point.transformer_id,
        premise.address,
        premise.city,
        premise.postcode,
        premise.county,
        premise.timezone,
        agreement.starts_on if agreement else None,
        agreement.ends_on if agreement else None,
        point.connected,
    )


def _customer(row: models.CustomerRow) -> Customer:
    return Customer(row.id, row.number, row.full_name, row.kind, row.locale, row.opened_on, row.medical_equipment)


def contact_point(row: models.ContactPointRow) -> ContactPoint:
    """This will give a row as the value other packages see."""
    return ContactPoint(row.id, row.customer_id, row.kind, row.value, row.verified_at, row.primary)
