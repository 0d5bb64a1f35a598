"""Security deposits: charged, held from the day they are paid, and given back with interest as a credit."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import cash_models, credits, ledger, models, once, owed, rules, settling
from core import audit, errors, money, periods
from core.accounts import queries as accounts
from core.compliance import operations as compliance
from core.programs import queries as programs


def ask(session: Session, *, account_id: int, amount: Decimal | None, actor: str, key: str, now: datetime) -> int:
    """This will ask an account for as much as its jurisdiction lets us, or less; gives the deposit's id.

    Refused deposit.not_allowed where a rule spares the customer, deposit.no_bills while nothing says what a usual bill
    is, deposit.too_high beyond the rule.
    """
    today = owed.civil_today(session, account_id=account_id, now=now)
    bill = models.BillRow
    usual = session.scalar(
        select(func.avg(bill.total_cents)).where(
            bill.account_id == account_id, bill.status == "ISSUED", bill.issued_on > periods.add_months(today, -12)
        )
    )
    if usual is None:
        raise errors.Refused("deposit.no_bills")
    helped = programs.list_enrolments(session, account_id=account_id)
    facts = {
        "jurisdiction": accounts.get_account(session, account_id=account_id).jurisdiction,
        "average_bill": str(money.from_cents(round(usual))),
        "low_income": any(e.status == "ACTIVE" and "LOW_INCOME" in e.program.requires for e in helped),
    }
    decided = compliance.evaluate(session, "DEPOSIT", facts, today, subject="account", subject_id=account_id, now=now)
    most = decided.results["amount"]
    if not decided.allowed:
        raise errors.Refused("deposit.not_allowed", citation=decided.citation)
    if amount is not None and amount > most:
        raise errors.Refused("deposit.too_high", most=str(most), citation=decided.citation)
    deposit_id = charge_deposit(
        session, account_id=account_id, amount=most if amount is None else amount, rule=decided.rule, on=today, key=key,
        now=now,
    )  # fmt: skip
    audit.record(
        session, actor=actor, action="deposit.asked", subject="deposit", subject_id=deposit_id, now=now,
        detail={"amount": str(most if amount is None else amount), "rule": decided.rule},
    )  # fmt: skip
    return deposit_id


def charge_deposit(
    session: Session, *, account_id: int, amount: Decimal, rule: str, on: date, key: str, now: datetime
) -> int:
    """This will ask an account for a deposit; gives its id. Once for a key; Invalid deposit.amount."""
    cents = money.cents(amount)
    if cents <= 0:
        raise errors.Invalid("deposit.amount", amount=str(amount))
    once.lock_account(session, account_id)
    before = session.scalars(select(cash_models.DepositRow).where(cash_models.DepositRow.key == key)).one_or_none()
    if before is not None:
        if before.account_id != account_id:
            raise errors.Invalid("request.key")
        return before.id
    charge_id = credits.charge(
        session, kind="DEPOSIT", account_id=account_id, cents=cents, rule=rule, on=on, key=f"deposit:{key}", now=now
    )
    row = cash_models.DepositRow(key=key, account_id=account_id, charge_id=charge_id, charged_on=on)
    session.add(row)
    session.flush()
    return row.id


def held_since(session: Session, *, deposit_id: int) -> date | None:
    """This will give the day from which a deposit is held: when the last of it was received; None when it is not."""
    row = _deposit(session, deposit_id)
    alloc, payment, credit = models.AllocationRow, models.PaymentRow, cash_models.CreditRow
    cents, paid_at, given_at = session.execute(
        select(func.sum(alloc.amount_cents), func.max(payment.received_at), func.max(credit.given_at))
        .outerjoin(payment, payment.id == alloc.payment_id)
        .outerjoin(credit, credit.id == alloc.credit_id)
        .where(alloc.charge_id == row.charge_id)
    ).one()
    charge = session.get_one(models.ChargeRow, row.charge_id)
    if cents is None or cents < charge.amount_cents:
        return None
    day: date = max(at for at in (paid_at, given_at) if at is not None).date()
    return max(day, row.charged_on)


def return_deposit(session: Session, *, deposit_id: int, actor: str, now: datetime) -> Decimal:
    """This will give a deposit back with its interest: it pays what is open, the rest is credit that can be paid out.

    Gives deposit and interest together. Refused deposit.not_held before it is paid; the second time gives the same.
    """
    account_id = _deposit(session, deposit_id).account_id
    once.lock_account(session, account_id)
    row = session.get_one(cash_models.DepositRow, deposit_id, with_for_update=True, populate_existing=True)
    amount = session.get_one(models.ChargeRow, row.charge_id).amount_cents
    if row.returned_on is not None:
        return money.from_cents(amount + row.interest_cents)
    since = held_since(session, deposit_id=deposit_id)
    if since is None:
        raise errors.Refused("deposit.not_held")
    place = accounts.get_account(session, account_id=account_id).jurisdiction
    today = owed.civil_today(session, account_id=account_id, now=now)
    row.interest_cents = rules.deposit_interest(place, cents=amount, held_from=since, until=today)
    total = amount + row.interest_cents
    credit = cash_models.CreditRow(
        key=f"deposit:{row.id}", account_id=account_id, kind="DEPOSIT", amount_cents=total, reason=row.key,
        given_by=actor, given_at=now,
    )  # fmt: skip
    session.add(credit)
    session.flush()
    row.credit_id, row.returned_on = credit.id, today

    def journal(kind: str, amounts: dict[str, int]) -> ledger.Journal:
        return ledger.Journal(f"{kind.lower()}:{row.id}", kind, account_id, today, amounts)

    ledger.post_journals(
        session,
        [
            journal(
                "DEPOSIT_INTEREST",
                {ledger.INTEREST_EXPENSE: row.interest_cents, ledger.DEPOSITS: -row.interest_cents},
            ),
            journal("DEPOSIT_RETURNED", {ledger.DEPOSITS: total, ledger.RECEIVABLE: -total}),
        ],
        now=now,
    )
    settling.settle(session, account_ids=[account_id], now=now)
    audit.record(
        session, actor=actor, action="deposit.returned", subject="deposit", subject_id=deposit_id, now=now,
        detail={"amount": str(money.from_cents(total)), "interest": str(money.from_cents(row.interest_cents))},
    )  # fmt: skip
    return money.from_cents(total)


def _deposit(session: Session, deposit_id: int) -> cash_models.DepositRow:
    row = session.get(cash_models.DepositRow, deposit_id)
    if row is None:
        raise errors.NotFound("deposit.unknown")
    return row
