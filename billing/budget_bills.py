"""What a budget does to a bill the moment it is issued, and undoes when it is cancelled. Set-based."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import budget_models, budget_plans, budget_posting, cash_models, ledger, leveling, models, owed, settling
from core import db, periods
from core.accounts import queries as accounts


def level_bills(session: Session, *, bill_ids: Sequence[int], now: datetime) -> dict[int, int]:
    """This will make the level amount due on the bills just issued that are under a budget; gives it in cents by bill.

    The last bill of an agreement ends its budget: the bill is due as it is, and so is the balance.
    """
    told: dict[int, int] = {}
    bill, plan = models.BillRow, budget_models.BudgetPlanRow
    session.flush()
    found = session.execute(
        select(bill.id, bill.agreement_id, bill.account_id, bill.total_cents, bill.issued_on, bill.due_on,
               bill.ends_on, plan)
        .join(plan, plan.agreement_id == bill.agreement_id)
        .where(
            bill.id == db.any_of(bill_ids),
            plan.status == "ACTIVE",
            bill.issued_on >= plan.starts_on,
            bill.ends_on > plan.starts_on,
        )
        .order_by(bill.ends_on, bill.id)
    ).all()  # fmt: skip
    if not found:
        return told
    levels = budget_plans.levels_of(session, [r[-1].id for r in found])
    last = _last_days(session, sorted({r.account_id for r in found}))
    differences: list[budget_posting.Difference] = []
    for r in found:
        row: budget_models.BudgetPlanRow = r[-1]
        ends_on = last.get(r.agreement_id)
        if ends_on is not None and r.ends_on >= ends_on:
            _post_months(session, differences, now)
            differences = []
            budget_plans.end(session, row, "MOVED", r.issued_on, now, due_on=r.due_on)
            continue
        if row.status != "ACTIVE":
            continue
        late = leveling.part(row.catch_up_cents, row.catch_up_months)
        level = budget_plans.level_on(levels[row.id], r.issued_on)
        due = max(0, level + late)
        late = due - level if level + late < 0 else late  # no more is given back than there is to pay
        if row.catch_up_months:
            row.catch_up_months = row.catch_up_months - 1 if row.catch_up_cents != late else 0
            row.catch_up_cents -= late
            if row.catch_up_months == 0 and row.catch_up_cents:
                row.catch_up_months = 1
        month = budget_models.BudgetMonthRow(
            bill_id=r.id, plan_id=row.id, actual_cents=r.total_cents, due_cents=due, catch_up_cents=late
        )
        told[r.id] = due
        differences.append(
            budget_posting.Difference(r.account_id, due - r.total_cents, r.issued_on, r.due_on, month, r.id)
        )
    _post_months(session, differences, now)
    return told


def undo_month(session: Session, *, bill_id: int, now: datetime) -> None:
    """This will take back what a budget did to a bill that is being cancelled; the next version gets its own."""
    month = session.get(budget_models.BudgetMonthRow, bill_id, with_for_update=True)
    if month is None or month.undone_at is not None:
        return
    month.undone_at = now
    row = session.get_one(budget_models.BudgetPlanRow, month.plan_id, with_for_update=True)
    if row.status == "ACTIVE" and month.catch_up_cents:
        row.catch_up_cents += month.catch_up_cents
        row.catch_up_months += 1
    cents = month.due_cents - month.actual_cents
    if month.charge_id is not None:
        charge = session.get_one(models.ChargeRow, month.charge_id, with_for_update=True)
        charge.waived_at = now
        settling.release(session, charge_ids=[charge.id])
    if month.credit_id is not None:
        credit = session.get_one(cash_models.CreditRow, month.credit_id, with_for_update=True)
        settling.release(session, credit_ids=[credit.id])
        credit.reversed_cents = credit.amount_cents
    session.flush()
    back = ledger.Journal(
        key=f"budget-undone:{bill_id}",
        kind="BUDGET",
        account_id=row.account_id,
        effective_on=owed.civil_today(session, account_id=row.account_id, now=now),
        amounts={ledger.RECEIVABLE: -cents, ledger.BUDGET_DEFERRED: cents},
    )
    ledger.post_journals(session, [back], now=now)
    if row.status == "ENDED" and month.actual_cents != month.due_cents:
        # its balance was settled with this month in it: that part of it is settled the other way round
        budget_plans.settle_balance(session, row, now.date(), now)


def _post_months(session: Session, differences: Sequence[budget_posting.Difference], now: datetime) -> None:
    if differences:
        budget_posting.post(session, differences, kind="BUDGET", key=lambda d: f"budget:{d.bill_id}", now=now)


def _last_days(session: Session, account_ids: Sequence[int]) -> dict[int, date]:
    """The day on which each agreement of accounts that has an end ends."""
    ever = periods.Days(date(1970, 1, 1), date(9999, 1, 1))
    found = accounts.list_agreements(session, period=ever, account_ids=list(account_ids))
    return {a.id: a.ends_on for a in found if a.ends_on is not None}
