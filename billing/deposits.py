"""Security deposits: charged, held from the day they are paid, and given back with interest as a credit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import cash_models, credits, ledger, models, once, owed, rules, settling, views
from core import audit, errors, money, periods
from core.accounts import queries as accounts
from core.compliance import operations as compliance
from core.programs import queries as programs


def ask(
    session: Session,
    *,
    account_id: int,
    amount: Decimal | None,
    actor: str,
    key: str,
    now: datetime,
    reason: str = "",
) -> int:
    """This will ask an account for as much as its jurisdiction lets us, or less; gives the deposit's id.

    Once for a key. Refused deposit.not_allowed where a rule spares the customer, deposit.no_bills while nothing says
    what a usual bill is, deposit.too_high beyond the rule, with what it was asked for before.
    """
    once.lock_account(session, account_id)
    before = _known(session, key, account_id)
    if before is not None:
        return before
    today = owed.civil_today(session, account_id=account_id, now=now)
    limit = _limit(session, account_id, today, now, keep=True)
    if not limit.allowed:
        raise errors.Refused("deposit.not_allowed", citation=limit.citation)
    amount = limit.most if amount is None else amount
    if amount > limit.most or not limit.most:
        raise errors.Refused("deposit.too_high", most=str(limit.most), citation=limit.citation)
    deposit_id = charge_deposit(
        session, account_id=account_id, amount=amount, rule=limit.rule, on=today, key=key, now=now
    )
    audit.record(
        session, actor=actor, action="deposit.asked", subject="deposit", subject_id=deposit_id, now=now,
        detail={"amount": str(amount), "rule": limit.rule, "reason": reason.strip()},
    )  # fmt: skip
    return deposit_id


def find_limit(session: Session, *, account_id: int, now: datetime) -> views.DepositLimit | None:
    """This will say how much more an account may be asked for; None while nothing says what a usual bill is."""
    try:
        return _limit(session, account_id, owed.civil_today(session, account_id=account_id, now=now), now, keep=False)
    except errors.Refused:
        return None


def _limit(session: Session, account_id: int, today: date, now: datetime, *, keep: bool) -> views.DepositLimit:
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
    decided = compliance.evaluate(
        session if keep else None, "DEPOSIT", facts, today, subject="account", subject_id=account_id, now=now
    )
    deposit, charge = cash_models.DepositRow, models.ChargeRow
    standing = session.scalar(
        select(func.coalesce(func.sum(charge.amount_cents), 0))
        .join(deposit, deposit.charge_id == charge.id)
        .where(deposit.account_id == account_id, deposit.returned_on.is_(None))
    )
    most = max(Decimal(0), decided.results["amount"] - money.from_cents(int(standing or 0)))
    return views.DepositLimit(most, decided.allowed, decided.rule, decided.citation, decided.verified)


def charge_deposit(
    session: Session, *, account_id: int, amount: Decimal, rule: str, on: date, key: str, now: datetime
) -> int:
    """This will ask an account for a deposit; gives its id. Once for a key; Invalid deposit.amount."""
    cents = money.cents(amount)
    if cents <= 0:
        raise errors.Invalid("deposit.amount", amount=str(amount))
    once.lock_account(session, account_id)
    before = _known(session, key, account_id)
    if before is not None:
        return before
    charge_id = credits.charge(
        session, kind="DEPOSIT", account_id=account_id, cents=cents, rule=rule, on=on, key=f"deposit:{key}", now=now
    )
    row = cash_models.DepositRow(key=key, account_id=account_id, charge_id=charge_id, charged_on=on)
    session.add(row)
    session.flush()
    return row.id


def list_deposits(session: Session, *, account_id: int, now: datetime) -> tuple[views.Deposit, ...]:
    """This will list the deposits of an account, newest first, with what each has earned."""
    row, charge = cash_models.DepositRow, models.ChargeRow
    place = accounts.get_account(session, account_id=account_id).jurisdiction
    today = owed.civil_today(session, account_id=account_id, now=now)
    found = []
    for deposit, cents in session.execute(
        select(row, charge.amount_cents)
        .join(charge, charge.id == row.charge_id)
        .where(row.account_id == account_id)
        .order_by(row.id.desc())
    ):
        since = held_since(session, deposit_id=deposit.id)
        earned = deposit.interest_cents
        if since is not None and deposit.returned_on is None:
            earned = rules.deposit_interest(place, cents=cents, held_from=since, until=today)
        found.append(
            views.Deposit(
                deposit.id, money.from_cents(cents), deposit.charged_on, since, money.from_cents(earned),
                deposit.returned_on, deposit.credit_id,
            )
        )  # fmt: skip
    return tuple(found)


@dataclass(frozen=True)
class Held:
    """A deposit that is paid, and the day from which it is held: when the last of it was received."""

    deposit_id: int
    account_id: int
    since: date


def list_held(session: Session, *, deposit_ids: Sequence[int]) -> tuple[Held, ...]:
    """This will give those of some deposits that are paid whole, with the day since when; set-based."""
    row, charge = cash_models.DepositRow, models.ChargeRow
    alloc, payment, credit = models.AllocationRow, models.PaymentRow, cash_models.CreditRow
    last = func.greatest(func.max(payment.received_at), func.max(credit.given_at))
    rows = session.execute(
        select(row.id, row.account_id, row.charged_on, last)
        .join(charge, charge.id == row.charge_id)
        .join(alloc, alloc.charge_id == charge.id)
        .outerjoin(payment, payment.id == alloc.payment_id)
        .outerjoin(credit, credit.id == alloc.credit_id)
        .where(row.id.in_(deposit_ids))
        .group_by(row.id, charge.amount_cents)
        .having(func.sum(alloc.amount_cents) >= charge.amount_cents)
        .order_by(row.id)
    )
    return tuple(Held(number, account, max(at.date(), charged_on)) for number, account, charged_on, at in rows)


def held_since(session: Session, *, deposit_id: int) -> date | None:
    """This will give the day from which a deposit is held; None when it is not."""
    _deposit(session, deposit_id)
    return next((held.since for held in list_held(session, deposit_ids=[deposit_id])), None)


def return_deposit(session: Session, *, deposit_id: int, actor: str, now: datetime, reason: str = "") -> Decimal:
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
        detail={
            "amount": str(money.from_cents(total)), "interest": str(money.from_cents(row.interest_cents)),
            "reason": reason.strip(),
        },
    )  # fmt: skip
    return money.from_cents(total)


def _known(session: Session, key: str, account_id: int) -> int | None:
    row = session.scalars(select(cash_models.DepositRow).where(cash_models.DepositRow.key == key)).one_or_none()
    if row is not None and row.account_id != account_id:
        raise errors.Invalid("request.key")
    return None if row is None else row.id


def _deposit(session: Session, deposit_id: int) -> cash_models.DepositRow:
    row = session.get(cash_models.DepositRow, deposit_id)
    if row is None:
        raise errors.NotFound("deposit.unknown")
    return row
