"""The plans under which accounts pay a level amount: their levels, what they deferred, and how they end.

Issuing stands on this, so it knows of no prices; offers and reviews, which ask the engine, are in `budgets`.
"""

from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import budget_models, budget_posting, rules, settling
from core import money, outbox
from core.accounts import queries as accounts

Plan = budget_models.BudgetPlanRow


def deferred_cents(session: Session, plan_id: int) -> int:
    """This will give the balance of a budget: all its bills, less all that was due instead, less what was settled."""
    month, settled = budget_models.BudgetMonthRow, budget_models.BudgetSettlementRow
    session.flush()
    months = select(func.coalesce(func.sum(month.actual_cents - month.due_cents), 0)).where(
        month.plan_id == plan_id, month.undone_at.is_(None)
    )
    over = select(func.coalesce(func.sum(settled.cents), 0)).where(settled.plan_id == plan_id)
    return int(session.scalar(months) or 0) - int(session.scalar(over) or 0)


def levels_of(session: Session, plan_ids: list[int]) -> dict[int, list[budget_models.BudgetLevelRow]]:
    """This will list the levels of budgets, oldest first."""
    row = budget_models.BudgetLevelRow
    out: dict[int, list[budget_models.BudgetLevelRow]] = {plan_id: [] for plan_id in plan_ids}
    for each in session.scalars(select(row).where(row.plan_id.in_(plan_ids)).order_by(row.plan_id, row.position)):
        out[each.plan_id].append(each)
    return out


def level_on(levels: list[budget_models.BudgetLevelRow], on: date) -> int:
    """This will give the level that counts on a day; before the first day it is the first."""
    return next((each.level_cents for each in reversed(levels) if each.from_on <= on), levels[0].level_cents)


def set_level(session: Session, row: Plan, cents: int, from_on: date, reason: str, now: datetime) -> None:
    """This will write the level from a day on."""
    position = len(levels_of(session, [row.id])[row.id]) + 1
    session.add(
        budget_models.BudgetLevelRow(
            plan_id=row.id, position=position, from_on=from_on, level_cents=cents, reason=reason, set_at=now
        )
    )
    session.flush()


def end(session: Session, row: Plan, reason: str, on: date, now: datetime, *, due_on: date | None = None) -> None:
    """This will end a budget and settle its balance: due with the next due date, or given back."""
    cents = settle_balance(session, row, on, now, due_on=due_on)
    row.status, row.ended_at, row.end_reason = "ENDED", now, reason
    row.catch_up_cents = row.catch_up_months = 0
    session.flush()
    tell(session, "budget.ended", row, now, balance=str(money.from_cents(cents)), reason=reason)


def settle_balance(session: Session, row: Plan, on: date, now: datetime, *, due_on: date | None = None) -> int:
    """This will make a budget's balance due, or give it back; gives it in cents, as it was."""
    cents = deferred_cents(session, row.id)
    if cents:
        if due_on is None:
            place = accounts.get_account(session, account_id=row.account_id).jurisdiction
            due_on = rules.due_on(place, on)
        settled = budget_models.BudgetSettlementRow(plan_id=row.id, settled_on=on, cents=cents)
        budget_posting.post(
            session, [budget_posting.Difference(row.account_id, cents, on, due_on, settled)], kind="BUDGET_SETTLED",
            key=lambda d: f"budget-settled:{row.id}:{on.isoformat()}:{row.status}", now=now,
        )  # fmt: skip
        settling.settle(session, account_ids=[row.account_id], now=now)
    return cents


def tell(session: Session, name: str, row: Plan, now: datetime, **more: str) -> None:
    """This will record a fact about a budget."""
    customer_id = accounts.get_account(session, account_id=row.account_id).customer_id
    outbox.record_fact(
        session, name, key=f"account:{row.account_id}",
        payload={"account_id": row.account_id, "customer_id": customer_id, "plan_id": row.id, **more}, now=now,
    )  # fmt: skip
