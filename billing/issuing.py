"""Issuing and cancelling: the moment a bill becomes owed, and the only way it stops being so."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing import archive, ledger, models, rules, settling
from core import audit, errors, money, outbox, periods
from core.accounts import queries as accounts
from core.hub import Hub

_PER_TRANSACTION = 2000


def issue_bills(hub: Hub, *, run_id: int, now: datetime, announce: bool = True) -> int:
    """This will issue every draft of a run, some thousand in a transaction; held bills stay. Gives how many went out.

    `announce` False is for bills of the past (a book taken over): the ledger has them, but no fact is recorded.
    """
    issued = 0
    while True:
        with hub.transaction() as session:
            ids = list(
                session.scalars(
                    select(models.BillRow.id)
                    .where(models.BillRow.run_id == run_id, models.BillRow.status == "DRAFT")
                    .order_by(models.BillRow.id)
                    .limit(_PER_TRANSACTION)
                    .with_for_update()
                )
            )
            if ids:
                _issue(session, ids, zone=hub.settings.utility_timezone, now=now, announce=announce)
            else:
                _finish(session, run_id, now)
                return issued
            issued += len(ids)


def issue_bill(session: Session, *, bill_id: int, timezone: str, now: datetime) -> None:
    """This will issue one draft; Refused bill.not_draft when it is none."""
    row = session.get(models.BillRow, bill_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("bill.unknown")
    if row.status != "DRAFT":
        raise errors.Refused("bill.not_draft", status=row.status)
    _issue(session, [bill_id], zone=timezone, now=now, announce=True)


def release_bill(session: Session, *, bill_id: int, actor: str, now: datetime) -> None:
    """This will let a held bill go out with the next issue: somebody has looked at it."""
    row = session.get(models.BillRow, bill_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("bill.unknown")
    if row.status != "HELD":
        raise errors.Refused("bill.not_held", status=row.status)
    held_for = row.hold_code
    row.status, row.hold_code = "DRAFT", None
    session.flush()
    audit.record(
        session, actor=actor, action="bill.released", subject="bill", subject_id=bill_id, now=now,
        detail={"hold_code": held_for},
    )  # fmt: skip


def cancel_bill(session: Session, *, bill_id: int, actor: str, reason: str, now: datetime) -> None:
    """This will cancel an issued bill: the books are reversed, what was paid on it is free, a run may bill anew."""
    row = session.get(models.BillRow, bill_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("bill.unknown")
    if row.status == "CANCELLED":
        return
    if row.status != "ISSUED":
        raise errors.Refused("bill.not_issued", status=row.status)
    row.status, row.cancelled_at = "CANCELLED", now
    session.flush()
    tax = int(_taxes(session, [bill_id]).get(bill_id, 0))
    journal = ledger.Journal(
        key=f"bill-cancelled:{bill_id}",
        kind="BILL_CANCELLED",
        account_id=row.account_id,
        effective_on=now.date(),
        amounts={
            ledger.RECEIVABLE: -row.total_cents,
            ledger.REVENUE: row.total_cents - tax,
            ledger.TAX_PAYABLE: tax,
        },
    )
    ledger.post_journals(session, [journal], now=now)
    settling.release(session, bill_ids=[bill_id])
    settling.settle(session, account_ids=[row.account_id], now=now)
    outbox.record_fact(
        session,
        "bill.cancelled",
        key=f"account:{row.account_id}",
        payload={"bill_id": bill_id, "account_id": row.account_id},
        now=now,
    )
    audit.record(
        session, actor=actor, action="bill.cancelled", subject="bill", subject_id=bill_id, now=now,
        detail={"reason": reason},
    )  # fmt: skip


def _issue(session: Session, bill_ids: Sequence[int], *, zone: str, now: datetime, announce: bool) -> None:
    bill = models.BillRow
    today = periods.civil_day(now, zone)
    rows = session.execute(
        select(bill.id, bill.account_id, bill.total_cents, bill.agreement_id, bill.starts_on, bill.ends_on)
        .where(bill.id.in_(bill_ids))
        .order_by(bill.id)
    ).all()
    span = periods.Days(min(r.starts_on for r in rows), max(r.ends_on for r in rows))
    account_ids = sorted({r.account_id for r in rows})
    places = {a.id: a for a in accounts.list_agreements(session, period=span, account_ids=account_ids)}
    due = {r.id: rules.due_on(places[r.agreement_id].jurisdiction, today) for r in rows}
    for due_on in sorted(set(due.values())):
        ids = [bill_id for bill_id, day in due.items() if day == due_on]
        session.execute(update(bill).where(bill.id.in_(ids)).values(status="ISSUED", issued_on=today, due_on=due_on))
    taxes = _taxes(session, bill_ids)
    journals = [
        ledger.Journal(
            key=f"bill:{r.id}",
            kind="BILL",
            account_id=r.account_id,
            effective_on=today,
            amounts={
                ledger.RECEIVABLE: r.total_cents,
                ledger.REVENUE: -(r.total_cents - taxes.get(r.id, 0)),
                ledger.TAX_PAYABLE: -taxes.get(r.id, 0),
            },
        )
        for r in rows
    ]
    ledger.post_journals(session, journals, now=now)
    settling.settle(session, account_ids=account_ids, now=now)
    if announce:
        archive.owe_documents(session, bill_ids=[r.id for r in rows], now=now)
        customers = {a: accounts.get_account(session, account_id=a).customer_id for a in account_ids}
        for r in rows:
            outbox.record_fact(
                session,
                "bill.issued",
                key=f"account:{r.account_id}",
                payload={
                    "bill_id": r.id,
                    "account_id": r.account_id,
                    "customer_id": customers[r.account_id],
                    "total": str(money.from_cents(r.total_cents)),
                    "due_on": due[r.id].isoformat(),
                },
                now=now,
            )


def _taxes(session: Session, bill_ids: Sequence[int]) -> dict[int, int]:
    line = models.BillLineRow
    rows = session.execute(
        select(line.bill_id, func.sum(line.amount_cents))
        .where(line.bill_id.in_(bill_ids), line.component == "tax")
        .group_by(line.bill_id)
    )
    return {bill_id: int(cents) for bill_id, cents in rows}


def _finish(session: Session, run_id: int, now: datetime) -> None:
    run = session.get_one(models.BillRunRow, run_id, with_for_update=True)
    if run.status == "DONE":
        run.status, run.issued_at = "ISSUED", now
