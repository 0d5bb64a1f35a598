"""What budgets do by the clock: reviews with notice, the anniversary, and the end of those that are not kept."""

from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from billing import budget_models, budget_plans, budgets, leveling, models, once, owed
from core import errors, log, money, periods
from core.accounts import queries as accounts
from core.hub import Hub

logger = log.get(__name__)

_PAGE = 500
_WAIT = timedelta(days=7)
Plan = budget_models.BudgetPlanRow


def review_budgets(hub: Hub) -> dict[str, int]:
    """This will review the budgets whose day has come, and end those of which too many bills were missed. Daily.

    Each in a transaction of its own; gives how many KEPT their level, CHANGED, were RENEWED or MISSED.
    """
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    counts: dict[str, int] = {}
    for name, find, work in (("missed", _missed, end_missed), ("due", _due, review)):
        after = 0
        while True:
            with hub.transaction() as session:
                ids = find(session, today, after)
            if not ids:
                break
            after = ids[-1]
            for plan_id in ids:
                try:
                    with hub.transaction() as session:
                        outcome = work(session, plan_id=plan_id, now=now)
                except errors.WattlineError as refused:
                    # one home that cannot be priced must not keep the others from their review
                    logger.warning("budget_review_refused", extra={"plan_id": plan_id, "why": refused.code, "of": name})
                    continue
                if outcome:
                    counts[outcome] = counts.get(outcome, 0) + 1
    return counts


def review(session: Session, *, plan_id: int, now: datetime) -> str | None:
    """This will bring a budget's level to what the rest of its year is thought to cost; at the anniversary it settles
    the balance and begins another year. The level changes only after notice, and by no more than the cap.
    """
    row = session.get_one(Plan, plan_id)
    once.lock_account(session, row.account_id)
    session.refresh(row, with_for_update=True)
    today = owed.civil_today(session, account_id=row.account_id, now=now)
    if row.status != "ACTIVE" or row.next_review_on > today:
        return None
    rule = budgets.rules_of(accounts.get_account(session, account_id=row.account_id).jurisdiction, today)
    try:
        months = budgets.history_months(session, account_id=row.account_id, now=now)
    except errors.NotFound:
        row.next_review_on = min(today + _WAIT, row.ends_on) if row.ends_on > today else row.next_review_on
        return None
    if today >= row.ends_on:
        return _renew(session, row, rule, sum(months), today, now)
    left = _months_between(today, row.ends_on)
    row.next_review_on = min(periods.add_months(row.next_review_on, rule.review_months), row.ends_on)
    balance = budget_plans.deferred_cents(session, row.id) - row.catch_up_cents
    wanted = leveling.level(max(0, balance + sum(months[:left])), left, step=rule.step)
    levels = budget_plans.levels_of(session, [row.id])[row.id]
    current = levels[-1].level_cents
    fresh = leveling.capped(current, wanted, percent=rule.cap_percent, step=rule.step)
    if abs(fresh - current) * 100 < current * rule.least_percent:
        return "KEPT"
    return _change(session, row, fresh, "REVIEW", today + timedelta(days=rule.notice_days), now)


def end_missed(session: Session, *, plan_id: int, now: datetime) -> str | None:
    """This will end a budget that is not kept: its balance is due."""
    row = session.get_one(Plan, plan_id)
    once.lock_account(session, row.account_id)
    session.refresh(row, with_for_update=True)
    today = owed.civil_today(session, account_id=row.account_id, now=now)
    rule = budgets.rules_of(accounts.get_account(session, account_id=row.account_id).jurisdiction, today)
    if row.status != "ACTIVE" or _unpaid(session, row.id, today) < rule.missed:
        return None
    if owed.blocked_by(session, account_id=row.account_id) is not None:
        return None  # an arrangement is kept: that is how they catch up
    budget_plans.end(session, row, "MISSED", today, now)
    return "MISSED"


def _renew(session: Session, row: Plan, rule: budgets.Rules, year: int, today: date, now: datetime) -> str:
    balance = budget_plans.deferred_cents(session, row.id)
    if rule.spread and abs(balance) >= rule.spread_from:
        row.catch_up_cents, row.catch_up_months = balance, rule.spread_months
    else:
        row.catch_up_cents = row.catch_up_months = 0
        budget_plans.settle_balance(session, row, today, now)
        if balance:
            budget_plans.tell(session, "budget.settled", row, now, balance=str(money.from_cents(balance)))
    row.starts_on, row.ends_on = row.ends_on, periods.add_months(row.ends_on, budgets.MONTHS)
    row.next_review_on = periods.add_months(row.starts_on, rule.review_months)
    row.year_cents = max(1, year)
    level = leveling.level(year, budgets.MONTHS, step=rule.step)
    _change(session, row, level, "ANNIVERSARY", today + timedelta(days=rule.notice_days), now)
    return "RENEWED"


def _change(session: Session, row: Plan, cents: int, reason: str, from_on: date, now: datetime) -> str:
    before = budget_plans.levels_of(session, [row.id])[row.id][-1].level_cents
    budget_plans.set_level(session, row, cents, from_on, reason, now)
    budget_plans.tell(
        session, "budget.changed", row, now, level=str(money.from_cents(cents)),
        before=str(money.from_cents(before)), from_on=from_on.isoformat(),
        balance=str(money.from_cents(budget_plans.deferred_cents(session, row.id))),
    )  # fmt: skip
    return "CHANGED"


def _months_between(today: date, ends_on: date) -> int:
    months = 1
    while periods.add_months(today, months) < ends_on:
        months += 1
    return months


def _due(session: Session, today: date, after: int) -> list[int]:
    rows = select(Plan.id).where(Plan.status == "ACTIVE", Plan.next_review_on <= today, Plan.id > after)
    return list(session.scalars(rows.order_by(Plan.id).limit(_PAGE)))


def _missed(session: Session, today: date, after: int) -> list[int]:
    """Budgets with a bill past due and not paid."""
    month, bill = budget_models.BudgetMonthRow, models.BillRow
    rows = (
        select(Plan.id)
        .join(month, month.plan_id == Plan.id)
        .join(bill, bill.id == month.bill_id)
        .where(Plan.status == "ACTIVE", Plan.id > after, month.undone_at.is_(None), _open(today))
    )
    return list(session.scalars(rows.group_by(Plan.id).order_by(Plan.id).limit(_PAGE)))


def _unpaid(session: Session, plan_id: int, today: date) -> int:
    month, bill = budget_models.BudgetMonthRow, models.BillRow
    rows = select(func.count()).select_from(month).join(bill, bill.id == month.bill_id)
    return int(session.scalar(rows.where(month.plan_id == plan_id, month.undone_at.is_(None), _open(today))) or 0)


def _open(today: date) -> ColumnElement[bool]:
    bill, alloc = models.BillRow, models.AllocationRow
    paid = select(func.coalesce(func.sum(alloc.amount_cents), 0)).where(alloc.bill_id == bill.id).scalar_subquery()
    return (bill.status == "ISSUED") & (bill.due_on < today) & (bill.total_cents > paid)
