"""Changes to customers, accounts, agreements, contact points and consent. Each records `customer.changed`."""

from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import audit, crypto, db, errors, outbox
from core.accounts import addresses, models, queries
from core.accounts.sign_in import Challenge as Challenge
from core.accounts.sign_in import Checked as Checked
from core.accounts.sign_in import check_verification as check_verification
from core.accounts.sign_in import close_web_session as close_web_session
from core.accounts.sign_in import close_web_sessions as close_web_sessions
from core.accounts.sign_in import open_web_session as open_web_session
from core.accounts.sign_in import start_verification as start_verification

PURPOSES = ("SERVICE", "OUTAGE", "ALERTS", "PROGRAMS")


def create_customer(
    session: Session,
    *,
    full_name: str,
    kind: str,
    locale: str,
    opened_on: date,
    now: datetime,
    number: str | None = None,
    phone: str | None = None,
    email: str | None = None,
    medical_equipment: bool = False,
) -> queries.Customer:
    """This will create a customer, with a first phone and e-mail when given; the number is counted when left out."""
    row = models.CustomerRow(
        number=number or crypto.token(9),
        full_name=full_name.strip(),
        kind=kind,
        locale=locale,
        opened_on=opened_on,
        medical_equipment=medical_equipment,
    )
    _insert(session, row, "customer.number_taken")
    if number is None:
        row.number = f"C{row.id:07d}"
    for contact_kind, value in (("PHONE", phone), ("EMAIL", email)):
        if value:
            update_contact_point(session, customer_id=row.id, kind=contact_kind, value=value, now=now)
    session.flush()
    _changed(session, row.id, now)
    return queries.get_customer(session, customer_id=row.id)


def open_account(
    session: Session,
    *,
    customer_id: int,
    jurisdiction: str,
    bill_cycle_day: int,
    mailing_address: str,
    opened_on: date,
    now: datetime,
    number: str | None = None,
    paperless: bool = False,
) -> queries.Account:
    """This will open an account for a customer; the ten-digit number is made when left out (last digit: Luhn)."""
    row = models.AccountRow(
        number=addresses.digits(number) if number else _spare_number(),
        customer_id=customer_id,
        opened_on=opened_on,
        paperless=paperless,
        jurisdiction=jurisdiction,
        bill_cycle_day=bill_cycle_day,
        mailing_address=mailing_address,
    )
    _insert(session, row, "account.number_taken")
    if number is None:
        row.number = addresses.with_check_digit(f"56{row.id:07d}")
        session.flush()
    _changed(session, customer_id, now)
    return queries.get_account(session, account_id=row.id)


def close_account(session: Session, *, account_id: int, closed_on: date, now: datetime) -> queries.Account:
    """This will close an account; Refused while it still takes service after that day."""
    row = _account_row(session, account_id)
    if any(
        agreement.ends_on is None or agreement.ends_on > closed_on
        for agreement in session.scalars(
            select(models.ServiceAgreementRow).where(models.ServiceAgreementRow.account_id == account_id)
        )
    ):
        raise errors.Refused("account.still_served")
    row.status, row.closed_on = "CLOSED", closed_on
    session.flush()
    _changed(session, row.customer_id, now)
    return queries.get_account(session, account_id=account_id)


def add_premise(session: Session, *, address: str, city: str, postcode: str, county: str, timezone: str) -> int:
    """This will add a premise and give its id."""
    row = models.PremiseRow(
        address=address.strip(),
        address_key=addresses.street_key(address.split(",")[0]),
        city=city,
        postcode=postcode,
        county=county,
        timezone=timezone,
    )
    session.add(row)
    session.flush()
    return row.id


def add_service_point(
    session: Session, *, premise_id: int, transformer_id: int | None = None, connected: bool = True
) -> int:
    """This will add a service point to a premise and give its id."""
    row = models.ServicePointRow(premise_id=premise_id, transformer_id=transformer_id, connected=connected)
    session.add(row)
    session.flush()
    return row.id


def set_transformer(session: Session, *, service_point_ids: list[int], transformer_id: int | None) -> None:
    """This will say which transformer feeds these service points."""
    session.execute(
        update(models.ServicePointRow)
        .where(models.ServicePointRow.id.in_(service_point_ids))
        .values(transformer_id=transformer_id)
    )


def set_connected(session: Session, *, service_point_id: int, connected: bool, actor: str, now: datetime) -> None:
    """This will record that a service point was connected or disconnected, and who did it."""
    row = session.get(models.ServicePointRow, service_point_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("service_point.unknown")
    if row.connected == connected:
        return
    row.connected = connected
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="connected" if connected else "disconnected",
        subject="service_point",
        subject_id=service_point_id,
        now=now,
    )


def open_agreement(
    session: Session, *, account_id: int, service_point_id: int, starts_on: date, now: datetime
) -> queries.Agreement:
    """This will let an account take service at a point from a day on.

    The same agreement asked for again is given back. Refused ``agreement.overlap`` when somebody else is served there.
    """
    account = _account_row(session, account_id)
    row = session.scalars(
        select(models.ServiceAgreementRow).where(
            models.ServiceAgreementRow.account_id == account_id,
            models.ServiceAgreementRow.service_point_id == service_point_id,
            models.ServiceAgreementRow.starts_on == starts_on,
        )
    ).first()
    if row is None:
        row = models.ServiceAgreementRow(account_id=account_id, service_point_id=service_point_id, starts_on=starts_on)
        _insert(session, row, "agreement.overlap")
        _changed(session, account.customer_id, now)
    return queries.get_agreement(session, agreement_id=row.id)


def end_agreement(session: Session, *, agreement_id: int, ends_on: date, now: datetime) -> queries.Agreement:
    """This will end an agreement: `ends_on` is the first day without service."""
    row = session.get(models.ServiceAgreementRow, agreement_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("agreement.unknown")
    if ends_on < row.starts_on:
        raise errors.Invalid("agreement.ends_before_it_starts")
    if row.ends_on is not None and row.ends_on < ends_on:
        raise errors.Refused("agreement.already_ended")
    if row.ends_on != ends_on:
        row.ends_on = ends_on
        session.flush()
        _changed(session, _account_row(session, row.account_id).customer_id, now)
    return queries.get_agreement(session, agreement_id=agreement_id)


def update_contact_point(
    session: Session,
    *,
    customer_id: int,
    kind: str,
    value: str,
    now: datetime,
    verified: bool = False,
    keep_others: bool = False,
    actor: str | None = None,
) -> queries.ContactPoint:
    """This will make an address a customer's primary phone or e-mail.

    The former primary one is removed (or kept as a second one), and a code that was sent to it no longer counts.
    """
    normal = addresses.normalise(kind, value)
    if normal is None:
        raise errors.Invalid("contact.unreadable", kind=kind)
    point = models.ContactPointRow
    if session.get(models.CustomerRow, customer_id, with_for_update=True) is None:
        raise errors.NotFound("customer.unknown")
    rows = session.scalars(select(point).where(point.customer_id == customer_id, point.kind == kind)).all()
    former = [row for row in rows if row.primary and row.removed_at is None and row.value != normal]
    for row in former:
        row.primary = False
        if not keep_others:
            row.removed_at = now
            _supersede(session, models.VerificationRow.contact_point_id == row.id)
    session.flush()
    current = next((row for row in rows if row.value == normal), None)
    if current is None:
        current = models.ContactPointRow(customer_id=customer_id, kind=kind, value=normal, added_at=now)
        session.add(current)
    elif current.primary and current.removed_at is None and (current.verified_at is not None or not verified):
        return queries.contact_point(current)
    current.primary, current.removed_at = True, None
    if verified:
        current.verified_at = now
    session.flush()
    if actor is not None:
        audit.record(
            session, actor=actor, action="contact_changed", subject="customer", subject_id=customer_id, now=now
        )
    _changed(session, customer_id, now)
    return queries.contact_point(current)


def record_consent(
    session: Session,
    *,
    contact_value: str,
    customer_id: int | None,
    channel: str,
    granted: bool,
    source: str,
    now: datetime,
    purpose: str | None = None,
) -> None:
    """This will write down a yes or a no of an address, for one purpose or for all; what holds is not repeated."""
    for each in (purpose,) if purpose else PURPOSES:
        held = queries.find_consent(session, contact_value=contact_value, channel=channel, purpose=each)
        if held is granted:
            continue
        session.add(
            models.ConsentRow(
                contact_value=contact_value,
                customer_id=customer_id,
                channel=channel,
                purpose=each,
                granted=granted,
                source=source,
                recorded_at=now,
            )
        )
    session.flush()


def set_paperless(
    session: Session, *, account_id: int, enabled: bool, now: datetime, actor: str = "customer"
) -> queries.Account:
    """This will turn paperless bills on or off; the same wish twice changes nothing."""
    row = _account_row(session, account_id)
    if row.paperless != enabled:
        row.paperless = enabled
        session.flush()
        audit.record(
            session,
            actor=actor,
            action="paperless_on" if enabled else "paperless_off",
            subject="account",
            subject_id=account_id,
            now=now,
        )
        _changed(session, row.customer_id, now)
    return queries.get_account(session, account_id=account_id)


def set_locale(session: Session, *, customer_id: int, locale: str, now: datetime) -> None:
    """This will set the language a customer wants to be written to in."""
    row = _customer_row(session, customer_id)
    if row.locale != locale:
        row.locale = locale
        session.flush()
        _changed(session, customer_id, now)


def register_medical_equipment(
    session: Session,
    *,
    customer_id: int,
    detail: str,
    now: datetime,
    actor: str = "customer",
) -> queries.Customer:
    """This will note that somebody in a customer's home lives by electric medical equipment; it has no end."""
    row = _customer_row(session, customer_id)
    if not (row.medical_equipment and row.medical_detail == detail):
        row.medical_equipment, row.medical_detail = True, detail
        session.flush()
        audit.record(
            session, actor=actor, action="medical_registered", subject="customer", subject_id=customer_id, now=now
        )
        _changed(session, customer_id, now)
    return queries.get_customer(session, customer_id=customer_id)


def _insert(session: Session, row: db.Base, taken: str) -> None:
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError as exc:
        raise errors.Refused(taken) from exc


def _supersede(session: Session, condition: object) -> None:
    session.execute(
        update(models.VerificationRow)
        .where(models.VerificationRow.state == "PENDING", condition)  # type: ignore[arg-type]
        .values(state="SUPERSEDED")
    )


def _customer_row(session: Session, customer_id: int) -> models.CustomerRow:
    row = session.get(models.CustomerRow, customer_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("customer.unknown")
    return row


def _account_row(session: Session, account_id: int) -> models.AccountRow:
    row = session.get(models.AccountRow, account_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("account.unknown")
    return row


def _spare_number() -> str:
    return "0" + crypto.code(9)


def _changed(session: Session, customer_id: int, now: datetime) -> None:
    outbox.record_fact(
        session, "customer.changed", key=f"customer:{customer_id}", payload={"customer_id": customer_id}, now=now
    )
