"""What an account owes or is given beside bills and payments: charges, credits, write-offs, recoveries."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import cash_models, ledger, models, once, owed, settling, views
from core import audit, errors, money

_CHARGES = {"RETURN_FEE": ("RETURN_FEE", ledger.FEE_REVENUE), "DEPOSIT": ("DEPOSIT", ledger.DEPOSITS)}
GIVEN = ("GOODWILL", "OUTAGE")


def charge(
    session: Session, *, kind: str, account_id: int, cents: int, rule: str, on: date, key: str, now: datetime
) -> int:
    """This will charge a returned debit's fee or a deposit; gives its id. The caller sees that `key` is new."""
    journal_kind, code = _CHARGES[kind]
    row = models.ChargeRow(kind=kind, account_id=account_id, bill_id=None, amount_cents=cents, rule=rule, charged_on=on)
    session.add(row)
    session.flush()
    journal = ledger.Journal(
        key=key,
        kind=journal_kind,
        account_id=account_id,
        effective_on=on,
        amounts={ledger.RECEIVABLE: cents, code: -cents},
    )
    ledger.post_journals(session, [journal], now=now)
    settling.settle(session, account_ids=[account_id], now=now)
    return row.id


def list_fees(session: Session, *, account_id: int) -> tuple[views.Fee, ...]:
    """This will list what an account was charged beside its bills and may be let go, newest first."""
    row = models.ChargeRow
    rows = session.scalars(
        select(row)
        .where(row.account_id == account_id, row.kind.not_in(("DEPOSIT", "BUDGET")), row.waived_at.is_(None))
        .order_by(row.id.desc())
    )
    return tuple(views.Fee(r.id, r.kind, r.charged_on, money.from_cents(r.amount_cents), r.rule) for r in rows)


def late_fees_of(session: Session, *, account_id: int, on: date) -> Decimal:
    """This will give the late fees charged to an account on a day that still stand, as one sum."""
    row = models.ChargeRow
    cents = session.scalar(
        select(func.coalesce(func.sum(row.amount_cents), 0)).where(
            row.account_id == account_id, row.kind == "LATE_FEE", row.charged_on == on, row.waived_at.is_(None)
        )
    )
    return money.from_cents(int(cents or 0))


def waive_charge(session: Session, *, charge_id: int, actor: str, reason: str, now: datetime) -> None:
    """This will let a fee go: the books are reversed, what had paid it is free. A deposit is returned, not waived."""
    found = session.get(models.ChargeRow, charge_id)
    if found is None:
        raise errors.NotFound("charge.unknown")
    once.lock_account(session, found.account_id)
    row = session.get_one(models.ChargeRow, charge_id, with_for_update=True, populate_existing=True)
    if row.kind == "DEPOSIT":
        raise errors.Refused("charge.deposit")
    if row.kind == "BUDGET":
        raise errors.Refused("charge.budget")  # it is part of what a budget makes due, and settled with it
    if row.waived_at is not None:
        return
    row.waived_at = now
    settling.release(session, charge_ids=[charge_id])
    journal = ledger.Journal(
        key=f"waived:{charge_id}",
        kind="LATE_FEE_WAIVED",
        account_id=row.account_id,
        effective_on=owed.civil_today(session, account_id=row.account_id, now=now),
        amounts={ledger.FEE_REVENUE: row.amount_cents, ledger.RECEIVABLE: -row.amount_cents},
    )
    ledger.post_journals(session, [journal], now=now)
    settling.settle(session, account_ids=[row.account_id], now=now)
    audit.record(
        session, actor=actor, action="charge.waived", subject="charge", subject_id=charge_id, now=now,
        detail={"reason": reason, "amount": str(money.from_cents(row.amount_cents))},
    )  # fmt: skip


def give_credit(
    session: Session, *, account_id: int, kind: str, amount: Decimal, reason: str, actor: str, key: str, now: datetime
) -> int:
    """This will credit an account out of GOODWILL or for an OUTAGE; gives the credit's id. Once for a key."""
    if kind not in GIVEN:
        raise errors.Invalid("credit.kind", kind=kind)
    cents = money.cents(amount)
    if cents <= 0 or not reason.strip():
        raise errors.Invalid("credit.amount", amount=str(amount))
    return _give(
        session, account_id=account_id, kind=kind, cents=cents, reason=reason, actor=actor, key=key, now=now,
        debit=ledger.ADJUSTMENTS, journal_kind="CREDIT",
    )  # fmt: skip


def write_off(session: Session, *, account_id: int, reason: str, actor: str, key: str, now: datetime) -> Decimal:
    """This will give up what an account owes; what comes in later is a recovery. Refused payment.nothing_owed."""
    once.lock_account(session, account_id)
    before = _known(session, key, account_id, "WRITE_OFF")
    if before is not None:
        return money.from_cents(before.amount_cents)
    cents = ledger.balance_cents(session, account_id=account_id)
    if cents <= 0:
        raise errors.Refused("payment.nothing_owed")
    _give(
        session, account_id=account_id, kind="WRITE_OFF", cents=cents, reason=reason, actor=actor, key=key, now=now,
        debit=ledger.BAD_DEBT, journal_kind="WRITE_OFF",
    )  # fmt: skip
    return money.from_cents(cents)


def recover(session: Session, *, account_id: int, now: datetime) -> int:
    """This will let payments with nothing else to pay pay what was written off; gives the cents recovered."""
    spare = sum(
        source.cents for source in settling.unused(session, account_ids=[account_id]) if source.payment_id is not None
    )
    if spare <= 0:
        return 0
    credit, recovered = cash_models.CreditRow, 0
    rows = session.scalars(
        select(credit)
        .where(
            credit.account_id == account_id,
            credit.kind == "WRITE_OFF",
            credit.amount_cents > credit.reversed_cents,
        )
        .order_by(credit.id)
        .with_for_update()
    ).all()
    for row in rows:
        cents = min(spare - recovered, row.amount_cents - row.reversed_cents)
        if cents:
            reverse(
                session, row, cents, kind="RECOVERY", against=ledger.BAD_DEBT,
                key=f"recovery:{row.id}:{row.reversed_cents + cents}", now=now,
            )  # fmt: skip
            recovered += cents
    return recovered


def reverse(
    session: Session, row: cash_models.CreditRow, cents: int, *, kind: str, against: str, key: str, now: datetime
) -> None:
    """This will take part of a credit back: it is owed again, or has been paid out."""
    row.reversed_cents += cents
    settling.release(session, credit_ids=[row.id])
    journal = ledger.Journal(
        key=key,
        kind=kind,
        account_id=row.account_id,
        effective_on=owed.civil_today(session, account_id=row.account_id, now=now),
        amounts={ledger.RECEIVABLE: cents, against: -cents},
    )
    ledger.post_journals(session, [journal], now=now)
    settling.settle(session, account_ids=[row.account_id], now=now)


def _give(
    session: Session, *, account_id: int, kind: str, cents: int, reason: str, actor: str, key: str, now: datetime,
    debit: str, journal_kind: str,
) -> int:  # fmt: skip
    once.lock_account(session, account_id)
    before = _known(session, key, account_id, kind)
    if before is not None:
        return before.id
    row = cash_models.CreditRow(
        key=key, account_id=account_id, kind=kind, amount_cents=cents, reason=reason.strip(), given_by=actor,
        given_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    journal = ledger.Journal(
        key=f"credit:{row.id}",
        kind=journal_kind,
        account_id=account_id,
        effective_on=owed.civil_today(session, account_id=account_id, now=now),
        amounts={debit: cents, ledger.RECEIVABLE: -cents},
    )
    ledger.post_journals(session, [journal], now=now)
    settling.settle(session, account_ids=[account_id], now=now)
    audit.record(
        session, actor=actor, action=f"credit.{kind.lower()}", subject="account", subject_id=account_id, now=now,
        detail={"amount": str(money.from_cents(cents)), "reason": reason},
    )  # fmt: skip
    return row.id


def _known(session: Session, key: str, account_id: int, kind: str) -> cash_models.CreditRow | None:
    row = session.scalars(select(cash_models.CreditRow).where(cash_models.CreditRow.key == key)).one_or_none()
    if row is not None and (row.account_id != account_id or row.kind != kind):
        raise errors.Invalid("request.key")
    return row
