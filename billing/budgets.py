"""Budget billing: a level amount a month, offered, taken and left. Bills stay exact; the books have the difference.

Where a bill is more than the level, a credit from BUDGET_DEFERRED pays the rest of it; where it is less, a charge to
BUDGET_DEFERRED makes it up. So whatever looks at what is due (arrears, reminders, automatic payment) sees the level.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import (
    budget_models,
    budget_plans,
    leveling,
    models,
    once,
    owed,
    pricing,
    rating,
    tariffs,
)
from core import errors, money, periods
from core.accounts import queries as accounts
from core.compliance import rules as compliance

MONTHS = 12
Plan = budget_models.BudgetPlanRow


@dataclass(frozen=True)
class Rules:
    """What the jurisdiction's data say of budgets."""

    step: int  # levels are whole multiples of so many cents
    review_months: int
    cap_percent: Decimal
    least_percent: Decimal  # a smaller change is not worth a letter
    notice_days: int
    spread: bool  # at the anniversary; at the end a balance is always due
    spread_from: int
    spread_months: int
    missed: int
    rejoin_months: int
    citation: str


@dataclass(frozen=True)
class BudgetOffer:
    """What a level amount would be, from the twelve months that were or those that are stated."""

    account_id: int
    agreement_id: int
    level: Decimal
    year: Decimal
    months: tuple[Decimal, ...]
    basis: str  # "HISTORY", "STATED"
    starts_on: date
    ends_on: date
    review_months: int
    cap_percent: Decimal
    notice_days: int
    spread: bool


@dataclass(frozen=True)
class BudgetMonth:
    bill_id: int
    ends_on: date
    actual: Decimal
    due: Decimal
    balance: Decimal  # after it


@dataclass(frozen=True)
class Budget:
    """A budget as it stands. `balance`: above zero, used for more than was due so far; below, for less."""

    plan_id: int
    account_id: int
    agreement_id: int
    status: str
    level: Decimal
    next_level: Decimal | None
    next_level_from: date | None
    balance: Decimal
    catch_up: Decimal
    starts_on: date
    ends_on: date
    next_review_on: date
    months: tuple[BudgetMonth, ...]
    end_reason: str | None


def rules_of(jurisdiction: str, on: date) -> Rules:
    """This will read the jurisdiction's data."""
    found = compliance.rule(jurisdiction, "budget_billing", on)
    return Rules(
        step=money.cents(found.number("step")),
        review_months=found.days("review_months"),
        cap_percent=found.number("cap_percent"),
        least_percent=found.number("least_percent"),
        notice_days=found.days("notice_days"),
        spread=found.values["anniversary"] == "SPREAD",
        spread_from=money.cents(found.number("spread_from")),
        spread_months=found.days("spread_months"),
        missed=found.days("missed_bills"),
        rejoin_months=found.days("rejoin_months"),
        citation=found.citation,
    )


def preview_budget(
    session: Session, *, account_id: int, now: datetime, monthly_kwh: Decimal | None = None
) -> BudgetOffer:
    """This will work out a level amount from the last twelve months, or from a stated use a month, at today's prices.

    Refused budget.business, budget.open, budget.arrears, budget.too_soon; NotFound usage.none without either.
    """
    account = accounts.get_account(session, account_id=account_id)
    if account.customer_kind != "RESIDENTIAL":
        raise errors.Refused("budget.business")
    place = pricing.place_of(session, account_id=account_id, now=now)
    if place.agreement.ends_on is not None and place.agreement.ends_on <= place.today:
        raise errors.NotFound("agreement.none")
    rule = rules_of(account.jurisdiction, place.today)
    last = _newest(session, place.agreement.id)
    if last is not None and last.status == "ACTIVE":
        raise errors.Refused("budget.open")
    if last is not None and last.ended_at is not None and last.end_reason in ("LEFT", "MISSED"):
        again = periods.add_months(last.ended_at.date(), rule.rejoin_months)
        if place.today < again:
            raise errors.Refused("budget.too_soon", on=again.isoformat())
    balance = owed.get_balance(session, account_id=account_id, now=now)
    if balance.overdue > 0:
        raise errors.Refused("budget.arrears", amount=str(balance.overdue))
    months = (
        history_months(session, account_id=account_id, now=now)
        if monthly_kwh is None
        else _stated(session, place, monthly_kwh)
    )
    year = sum(months)
    if year <= 0:
        raise errors.Refused("budget.nothing")
    return BudgetOffer(
        account_id=account_id,
        agreement_id=place.agreement.id,
        level=money.from_cents(leveling.level(year, MONTHS, step=rule.step)),
        year=money.from_cents(year),
        months=tuple(money.from_cents(c) for c in months),
        basis="HISTORY" if monthly_kwh is None else "STATED",
        starts_on=place.today,
        ends_on=periods.add_months(place.today, MONTHS),
        review_months=rule.review_months,
        cap_percent=rule.cap_percent,
        notice_days=rule.notice_days,
        spread=rule.spread,
    )


def open_budget(
    session: Session, *, account_id: int, key: str, now: datetime, monthly_kwh: Decimal | None = None
) -> Budget:
    """This will put an account on a level amount from its next bill on. The same key gives the same budget."""
    once.lock_account(session, account_id)
    before = session.scalars(select(Plan).where(Plan.key == key)).one_or_none()
    if before is not None:
        if before.account_id != account_id:
            raise errors.Invalid("request.key")
        return view(session, before, now.date())
    offer = preview_budget(session, account_id=account_id, now=now, monthly_kwh=monthly_kwh)
    row = Plan(
        key=key, account_id=account_id, agreement_id=offer.agreement_id, basis=offer.basis,
        year_cents=money.cents(offer.year), starts_on=offer.starts_on, ends_on=offer.ends_on,
        next_review_on=periods.add_months(offer.starts_on, offer.review_months), opened_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    budget_plans.set_level(session, row, money.cents(offer.level), offer.starts_on, "ENROLLED", now)
    budget_plans.tell(session, "budget.opened", row, now, level=str(offer.level), ends_on=offer.ends_on.isoformat())
    return view(session, row, offer.starts_on)


def leave_budget(session: Session, *, account_id: int, now: datetime) -> Budget:
    """This will end an account's budget: its balance is due, or given back, at once. NotFound budget.none."""
    once.lock_account(session, account_id)
    row = session.scalars(
        select(Plan).where(Plan.account_id == account_id, Plan.status == "ACTIVE").order_by(Plan.id.desc()).limit(1)
    ).one_or_none()
    if row is None:
        raise errors.NotFound("budget.none")
    today = owed.civil_today(session, account_id=account_id, now=now)
    budget_plans.end(session, row, "LEFT", today, now)
    return view(session, row, today)


def find_budget(session: Session, *, account_id: int, now: datetime) -> Budget | None:
    """This will give an account's budget, the newest, also one that has ended; None when there never was one."""
    row = session.scalars(
        select(Plan).where(Plan.account_id == account_id).order_by(Plan.status, Plan.id.desc()).limit(1)
    ).one_or_none()
    return view(session, row, owed.civil_today(session, account_id=account_id, now=now)) if row else None


def history_months(session: Session, *, account_id: int, now: datetime) -> tuple[int, ...]:
    """This will price the last twelve months on the tariff of today, month by month; fewer are brought up to twelve."""
    year = pricing.year_use(session, account_id=account_id, now=now)
    held = tariffs.current_tariff(session, agreement_id=year.place.agreement.id, on=year.place.today)
    on_sale = tariffs.list_on_sale(session, customer_kind=None, on=year.place.today)
    document = next((doc for row, doc in on_sale if row.code == held.code), None)
    if document is None:
        terms = tariffs.list_terms(
            session,
            agreement_ids=[year.place.agreement.id],
            days=periods.Days(year.place.today, year.place.today + timedelta(days=1)),
        ).get(year.place.agreement.id, ())
        if not terms:
            raise errors.NotFound("tariff.none")
        document = terms[0].document
    cents = [int(c) for c in pricing.year_cents(year, document)[0]]
    whole = [c for c, (days, _) in zip(cents, year.months, strict=True) if len(days) >= 28] or cents
    average = round(sum(whole) / len(whole))
    return tuple([average] * (MONTHS - len(cents)) + cents)[-MONTHS:]


def view(session: Session, row: Plan, today: date) -> Budget:
    """This will give a budget as others see it."""
    levels = budget_plans.levels_of(session, [row.id])[row.id]
    coming = next((each for each in levels if each.from_on > today), None)
    month, bill = budget_models.BudgetMonthRow, models.BillRow
    running, months = 0, []
    for each, ends_on in session.execute(
        select(month, bill.ends_on)
        .join(bill, bill.id == month.bill_id)
        .where(month.plan_id == row.id, month.undone_at.is_(None))
        .order_by(bill.ends_on, bill.id)
    ):
        running += each.actual_cents - each.due_cents
        months.append(
            BudgetMonth(
                each.bill_id, ends_on, money.from_cents(each.actual_cents), money.from_cents(each.due_cents),
                money.from_cents(running),
            )
        )  # fmt: skip
    return Budget(
        plan_id=row.id,
        account_id=row.account_id,
        agreement_id=row.agreement_id,
        status=row.status,
        level=money.from_cents(budget_plans.level_on(levels, today)),
        next_level=money.from_cents(coming.level_cents) if coming else None,
        next_level_from=coming.from_on if coming else None,
        balance=money.from_cents(budget_plans.deferred_cents(session, row.id)),
        catch_up=money.from_cents(row.catch_up_cents),
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        next_review_on=row.next_review_on,
        months=tuple(months),
        end_reason=row.end_reason,
    )


def _newest(session: Session, agreement_id: int) -> Plan | None:
    return session.scalars(
        select(Plan).where(Plan.agreement_id == agreement_id).order_by(Plan.id.desc()).limit(1)
    ).one_or_none()


def _stated(session: Session, place: pricing.Place, monthly_kwh: Decimal) -> tuple[int, ...]:
    """The coming twelve months at an even use, hour by hour, priced by the agreement's own terms."""
    if not 0 < monthly_kwh <= 100_000:
        raise errors.Invalid("budget.kwh", kwh=str(monthly_kwh))
    out = []
    for n in range(MONTHS):
        days = periods.Days(periods.add_months(place.today, n), periods.add_months(place.today, n + 1))
        starts_at = periods.midnight(days.starts_on, place.timezone)
        hours = int((periods.midnight(days.ends_on, place.timezone) - starts_at) / timedelta(hours=1))
        total = int(monthly_kwh * 1000)
        wh = np.full((1, hours), total // hours, dtype=np.int64)
        wh[0, : total % hours] += 1
        out.append(
            money.cents(pricing.price(session, place, days, rating.Usage(starts_at, 60, place.timezone, wh)).total())
        )
    return tuple(out)
