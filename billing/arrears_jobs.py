"""What arrears do by the clock: reminders before a bill is due, and the ladder after it."""

from datetime import timedelta

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.orm import aliased

from billing import budget_models, dunning, medical, medical_holds, medical_models, models
from core import errors, log, money, periods
from core.accounts import queries as accounts
from core.compliance import rules
from core.conversations import operations as conversing
from core.hub import Hub

logger = log.get(__name__)

_PAGE = 500
_FOR_SURE = ("EMAIL", "WHATSAPP", "SMS")
_FURTHEST = 30  # days before a bill is due that a reminder may be asked for


def remind_due(hub: Hub) -> int:
    """This will remind of bills that are due in some days, as the jurisdiction has it; gives of how many. Daily.

    Who pays automatically is not reminded.
    """
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    bill, alloc, autopay = models.BillRow, models.AllocationRow, models.AutopayRow
    paid = select(func.coalesce(func.sum(alloc.amount_cents), 0)).where(alloc.bill_id == bill.id).scalar_subquery()
    topped = _topped_up()
    automatic = select(autopay.account_id).where(autopay.account_id == bill.account_id, autopay.enabled).exists()
    disputed = (
        select(models.DisputeRow.id)
        .where(models.DisputeRow.bill_id == bill.id, models.DisputeRow.status == "OPEN")
        .exists()
    )
    after = told = 0
    while True:
        with hub.transaction() as session:
            rows = session.execute(
                select(bill.id, bill.account_id, bill.due_on, (bill.total_cents - paid + topped).label("cents"))
                .where(
                    bill.status == "ISSUED",
                    bill.due_on > today,
                    bill.due_on <= today + timedelta(days=_FURTHEST),
                    bill.id > after,
                    bill.total_cents - paid + topped > 0,
                    ~automatic,
                    ~disputed,
                )
                .order_by(bill.id)
                .limit(_PAGE)
            ).all()
            for row in rows:
                account = accounts.get_account(session, account_id=row.account_id)
                due_on = row.due_on
                days = (due_on - today).days
                if days not in rules.rule(account.jurisdiction, "reminders", today).values["before_days"]:
                    continue
                sent = conversing.notify_customer(
                    session,
                    customer_id=account.customer_id,
                    kind="notice.due_soon",
                    data={"amount": str(money.from_cents(int(row.cents))), "due_on": due_on.isoformat(), "days": days},
                    purpose="SERVICE",
                    key=f"due:{row.id}:{days}",
                    now=now,
                    house=conversing.house(hub.settings),
                )
                told += sent is not None
        if not rows:
            return told
        after = rows[-1].id


def _topped_up() -> ScalarSelect[int]:
    """What a budget makes due beside a bill that is less than its level, and is not paid yet."""
    month, charge, alloc = budget_models.BudgetMonthRow, models.ChargeRow, models.AllocationRow
    paid = select(func.coalesce(func.sum(alloc.amount_cents), 0)).where(alloc.charge_id == charge.id).scalar_subquery()
    return (
        select(func.coalesce(func.sum(charge.amount_cents - paid), 0))
        .join(month, month.charge_id == charge.id)
        .where(month.bill_id == models.BillRow.id, month.undone_at.is_(None))
        .correlate(models.BillRow)
        .scalar_subquery()
    )


def remind_instalments(hub: Hub) -> int:
    """This will remind of the next part of an arrangement before it is due; gives how many were told. Daily."""
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    part, row = models.ArrangementInstalmentRow, models.ArrangementRow
    with hub.transaction() as session:
        coming = session.execute(
            select(row.account_id, part.arrangement_id, part.position, part.due_on, part.amount_cents)
            .join(row, row.id == part.arrangement_id)
            .where(
                row.status == "ACTIVE",
                part.status == "DUE",
                part.due_on > today,
                part.due_on <= today + timedelta(days=_FURTHEST),
            )
            .order_by(row.account_id, part.position)
        ).all()
    told = 0
    for each in coming:
        with hub.transaction() as session:
            account = accounts.get_account(session, account_id=each.account_id)
            days = (each.due_on - today).days
            if days not in rules.rule(account.jurisdiction, "reminders", today).values["before_days"]:
                continue
            sent = conversing.notify_customer(
                session,
                customer_id=account.customer_id,
                kind="notice.instalment_due",
                data={"amount": str(money.from_cents(each.amount_cents)), "due_on": each.due_on.isoformat()},
                purpose="SERVICE",
                key=f"instalment:{each.arrangement_id}:{each.position}:{days}",
                now=now,
                house=conversing.house(hub.settings),
            )
            told += sent is not None
    return told


def remind_medical(hub: Hub) -> int:
    """This will tell, once, that a medical hold is about to end and what prolongs it; gives how many were told. Daily.

    How many days ahead is the jurisdiction's. One that another hold follows ends nothing.
    """
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    row, later = medical_models.MedicalHoldRow, aliased(medical_models.MedicalHoldRow)
    followed = (
        select(later.id)
        .where(later.account_id == row.account_id, later.until > row.until, later.ended_on.is_(None))
        .exists()
    )
    after = told = 0
    while True:
        with hub.transaction() as session:
            ending = session.scalars(
                select(row)
                .where(
                    row.ended_on.is_(None),
                    row.reminded_at.is_(None),
                    row.starts_on < today,  # how long it holds was told when it began
                    row.until > today,
                    row.until <= today + timedelta(days=_FURTHEST),
                    row.id > after,
                    ~followed,
                )
                .order_by(row.id)
                .limit(_PAGE)
                .with_for_update(of=row, skip_locked=True)
            ).all()
            for hold in ending:
                account = accounts.get_account(session, account_id=hold.account_id)
                name = "medical_word" if hold.kind == medical_holds.WORD else "medical_hold"
                if (hold.until - today).days > rules.rule(account.jurisdiction, name, today).days("remind_days"):
                    continue
                hold.reminded_at = now
                sent = conversing.notify_customer(
                    session,
                    customer_id=account.customer_id,
                    kind="notice.medical_ending",
                    data={
                        "hold": hold.kind,
                        "through": (hold.until - timedelta(days=1)).isoformat(),
                        "renewable": medical.may_renew(session, account_id=account.id, today=today),
                        "days": rules.rule(account.jurisdiction, "medical_hold", today).days("days"),
                    },
                    purpose="SERVICE",
                    key=f"medical-ending:{hold.id}",
                    now=now,
                    house=conversing.house(hub.settings),
                    channels=_FOR_SURE,
                )
                told += sent is not None
        if not ending:
            return told
        after = ending[-1].id


def climb(hub: Hub) -> dict[str, int]:
    """This will take the rungs that are due today, each account in a transaction of its own; gives counts by rung."""
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    house = conversing.house(hub.settings)
    counts: dict[str, int] = {}
    after = 0
    while True:
        with hub.transaction() as session:
            behind = dunning.list_behind(session, today=today, after=after, limit=_PAGE)
        if not behind:
            return counts
        for account_id in behind:
            try:
                with hub.transaction() as session:
                    step = dunning.walk(session, account_id=account_id, house=house, now=now)
            except errors.WattlineError as refused:
                # one account that cannot be judged must not keep the others from theirs
                logger.warning("ladder_refused", extra={"account_id": account_id, "reason": refused.code})
                continue
            if step is not None:
                counts[step] = counts.get(step, 0) + 1
        after = behind[-1]
