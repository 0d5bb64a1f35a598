"""Everything a printed bill says, gathered from the rows. Public through `queries.py`; drawn by `documents.py`."""

from datetime import date
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import documents, models, owed
from core import errors, money
from core.accounts import queries as accounts
from core.compliance import rules as compliance
from core.settings import Settings
from core.wording import House

MONTHS_SHOWN = 13


def bill_document(session: Session, *, bill_id: int, settings: Settings | None = None) -> documents.BillDocument:
    """This will gather what is printed on a bill; NotFound when there is none, Refused bill.not_issued for a draft."""
    house = settings or Settings()
    bill = owed.get_bill(session, bill_id=bill_id)
    if bill.issued_on is None or bill.due_on is None:
        raise errors.Refused("bill.not_issued", status=bill.status)
    account = accounts.get_account(session, account_id=bill.account_id)
    customer = accounts.get_customer(session, customer_id=account.customer_id)
    agreement = accounts.get_agreement(session, agreement_id=bill.agreement_id)
    point = accounts.get_service_point(session, service_point_id=agreement.service_point_id, on=bill.starts_on)
    before, paid = _carried(session, bill.account_id, bill.id, bill.issued_on)
    autopay = session.get(models.AutopayRow, bill.account_id)
    return documents.BillDocument(
        house=House(
            name=house.utility_name,
            phone=house.utility_phone,
            emergency_phone=house.emergency_phone,
            currency=house.currency,
            timezone=house.utility_timezone,
            base_url=house.public_base_url,
        ),
        postal_address=house.postal_address,
        email=house.email_from,
        customer_name=customer.full_name,
        mailing_address=account.mailing_address,
        service_address=f"{point.address}, {point.city} {point.postcode}",
        account_number=account.number,
        bill_number=bill.number,
        starts_on=bill.starts_on,
        ends_on=bill.ends_on,
        issued_on=bill.issued_on,
        due_on=bill.due_on,
        total=bill.total,
        balance_before=before,
        payments=paid,
        kwh=bill.kwh,
        days=bill.days,
        peak_kw=bill.peak_kw,
        tariff_code=bill.tariff_code,
        estimated=bill.estimated,
        autopay=bool(autopay and autopay.enabled),
        lines=owed.list_bill_lines(session, bill_id=bill.id),
        history=_history(session, bill.agreement_id, bill.ends_on),
        late_fee_percent=_late_fee_percent(account.jurisdiction, account.customer_kind, bill.issued_on),
        regulator=account.jurisdiction,
    )


def _carried(session: Session, account_id: int, bill_id: int, issued_on: date) -> tuple[Decimal, Decimal]:
    """What was owed after the bill before, and what has happened since up to this one (payments are below zero).

    The days of the journals count, not the order they were loaded in: a bank's file may come late.
    """
    entry, journal = models.LedgerEntryRow, models.LedgerJournalRow
    last = session.scalar(
        select(func.max(journal.effective_on)).where(
            journal.account_id == account_id, journal.kind == "BILL", journal.effective_on < issued_on
        )
    )
    cents = func.coalesce(func.sum(entry.debit_cents - entry.credit_cents), 0)
    owed_on = (
        select(cents)
        .join(journal, journal.id == entry.journal_id)
        .where(entry.account_id == account_id, entry.code == "RECEIVABLE", journal.key != f"bill:{bill_id}")
    )
    then = 0 if last is None else int(session.scalar(owed_on.where(journal.effective_on <= last)) or 0)
    here = int(session.scalar(owed_on.where(journal.effective_on <= issued_on)) or 0)
    return money.from_cents(then), money.from_cents(here - then)


def _history(session: Session, agreement_id: int, ends_on: date) -> tuple[documents.Month, ...]:
    bill = models.BillRow
    rows = session.execute(
        select(bill.ends_on, bill.wh, bill.ends_on - bill.starts_on, bill.estimated)
        .where(bill.agreement_id == agreement_id, bill.status == "ISSUED", bill.ends_on <= ends_on)
        .order_by(bill.ends_on.desc())
        .limit(MONTHS_SHOWN)
    ).all()
    return tuple(
        documents.Month(month_end, Decimal(wh) / 1000, int(days), bool(estimated))  # type: ignore[call-overload]
        for month_end, wh, days, estimated in reversed(rows)
    )


def _late_fee_percent(jurisdiction: str, customer_kind: str, on: date) -> Decimal | None:
    rule = compliance.rule(jurisdiction, "late_fee", on)
    kinds = rule.values.get("customer_kinds")
    return None if kinds is not None and customer_kind not in kinds else rule.number("percent")
