"""What billing does by the clock: bill what is due, charge automatic payments, late fees, promises."""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import (
    arrangements,
    autopay,
    cash_models,
    crew,
    dunning,
    issuing,
    ledger,
    models,
    once,
    rules,
    runs,
    settling,
    waiting,
)
from core import errors, log, money, outbox, periods
from core.accounts import queries as accounts
from core.hub import Hub

logger = log.get(__name__)

READS_SETTLE = 2  # days after the end of a period before it is billed
CATCH_UP = 5  # days a missed run is still made up for
PROPOSAL_VALID_FOR = timedelta(days=7)
FEE_EVERY = timedelta(days=30)


def run_due_cycles(hub: Hub) -> None:
    """This will bill and issue the cycles that ended two days ago, and any of the days before that were missed."""
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    for back in range(READS_SETTLE + CATCH_UP, READS_SETTLE - 1, -1):
        day = today - timedelta(days=back)
        if day.day > 28:
            continue  # no cycle ends on it
        with hub.transaction() as session:
            status = runs.status_of(session, period_end_on=day, cycle_day=day.day)
        if status == "ISSUED":
            continue
        report = runs.run_bills(
            hub, period_end_on=day, cycle_day=day.day, now=now, release=True, processes=crew.size(hub.settings)
        )
        issuing.issue_bills(hub, run_id=report.run_id, now=now)
        logger.info("cycle_billed", extra={"run_id": report.run_id, "issued": report.billed, "held": report.held})


def bill_waiting(hub: Hub) -> int:
    """This will try again who was parked in a run: for reads that came late, prices, a bill before that is out by now,
    a tariff that was given. Gives how many were billed; again is nothing.
    """
    return waiting.bill_waiting(hub)


def charge_autopay(hub: Hub) -> None:
    """This will charge what is due to the kept methods of those who asked for it, once per bill, and announce the SEPA
    debits that are coming."""
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    with hub.transaction() as session:
        account_ids = list(
            session.scalars(
                select(models.AutopayRow.account_id)
                .where(
                    models.AutopayRow.enabled,
                    models.AutopayRow.saved_method_id.is_not(None),
                    models.AutopayRow.paused_for.is_(None),
                )
                .order_by(models.AutopayRow.account_id)
            )
        )
        due = settling.open_items(session, account_ids=account_ids)
        ready = [a for a in account_ids if any(i.due_on <= today and not i.disputed for i in due.get(a, ()))]
        announced = _announced(session, [a for a in account_ids if due.get(a)])
    for account_id in announced:
        autopay.announce_due(hub, account_id=account_id, now=now)
    for account_id in ready:
        try:
            autopay.charge_due(hub, account_id=account_id, now=now)
        except errors.ProviderError as failed:
            # one bank that is down must not keep the others waiting; the key makes the next try the same charge
            logger.warning("autopay_failed", extra={"account_id": account_id, "reason": failed.code})


def post_late_fees(hub: Hub) -> None:
    """This will charge late fees as the jurisdiction has it: never on what is disputed, arranged, paid and on its way,
    or already fined."""
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    after = 0
    while True:
        with hub.transaction() as session:
            behind = dunning.list_behind(session, today=today, after=after, limit=500)
            if not behind:
                return
            _fees_of(session, behind, now, hub.settings.utility_timezone)
        after = behind[-1]


def follow_arrangements(hub: Hub) -> None:
    """This will mark instalments paid or missed, and arrangements kept or broken."""
    now = hub.now()
    with hub.transaction() as session:
        arrangements.drop_proposals(session, before=now - PROPOSAL_VALID_FOR)
        account_ids = arrangements.list_active(session)
    for account_id in account_ids:
        with hub.transaction() as session:
            once.lock_account(session, account_id)
            arrangements.follow(session, account_id=account_id, now=now)


def _announced(session: Session, account_ids: list[int]) -> list[int]:
    """Those whose debits are told to them beforehand, each time."""
    method, mandate = models.AutopayRow, cash_models.MandateRow
    return list(
        session.scalars(
            select(method.account_id)
            .join(mandate, mandate.saved_method_id == method.saved_method_id)
            .where(method.account_id.in_(account_ids), mandate.scheme == "SEPA", mandate.revoked_at.is_(None))
            .order_by(method.account_id)
        )
    )


def _fees_of(session: Session, account_ids: list[int], now: datetime, zone: str) -> None:
    today = periods.civil_day(now, zone)
    items = settling.open_items(session, account_ids=account_ids)
    kept = set(arrangements.list_active(session))
    coming = settling.on_the_way(session, account_ids=account_ids)
    bills = [
        (account_id, settling.bill_id(i), i)
        for account_id, own in items.items()
        for i in sorted(own, key=lambda item: item.due_on)
        if i.kind == "BILL" and i.due_on < today and not i.disputed and account_id not in kept
    ]
    charged = _charged(session, [bill_id for _, bill_id, _ in bills])
    for account_id, bill_id, item in bills:
        # who has paid by bank is not late because the bank takes its days
        paid = min(item.open_cents, coming.get(account_id, 0))
        coming[account_id] = coming.get(account_id, 0) - paid
        last, before = charged.get(bill_id, (None, 0))
        if last is not None and today - last < FEE_EVERY:
            continue
        account = accounts.get_account(session, account_id=account_id)
        cents, rule = rules.late_fee(
            account.jurisdiction,
            today,
            open_cents=item.open_cents - paid,
            days_overdue=(today - item.due_on).days,
            customer_kind=account.customer_kind,
            charged_cents=before,
        )
        if not cents:
            continue
        row = models.ChargeRow(
            kind="LATE_FEE", account_id=account_id, bill_id=bill_id, amount_cents=cents, rule=rule, charged_on=today
        )
        session.add(row)
        session.flush()
        journal = ledger.Journal(
            key=f"late-fee:{bill_id}:{today}",
            kind="LATE_FEE",
            account_id=account_id,
            effective_on=today,
            amounts={ledger.RECEIVABLE: cents, ledger.FEE_REVENUE: -cents},
        )
        ledger.post_journals(session, [journal], now=now)
        outbox.record_fact(
            session,
            "late_fee.charged",
            key=f"account:{account_id}",
            payload={
                "account_id": account_id,
                "customer_id": account.customer_id,
                "bill_id": bill_id,
                "amount": str(money.from_cents(cents)),
                "charged_on": today.isoformat(),
            },
            now=now,
        )


def _charged(session: Session, bill_ids: list[int]) -> dict[int, tuple[date, int]]:
    fee = models.ChargeRow
    rows = session.execute(
        select(fee.bill_id, func.max(fee.charged_on), func.sum(fee.amount_cents))
        .where(fee.bill_id.in_(bill_ids))
        .group_by(fee.bill_id)
    )
    return {bill_id: (last, int(cents)) for bill_id, last, cents in rows if bill_id is not None}
