"""Issuing and cancelling: the moment a bill becomes owed, and the only way it stops being so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing import archive, budget_bills, credit_notes, crew, ledger, models, owed, rules, settling
from core import audit, db, errors, money, outbox, periods
from core.accounts import queries as accounts
from core.hub import Hub

_PER_TRANSACTION = 10_000


@dataclass(frozen=True)
class Release:
    """Bills go out as they are made: the day they are issued, and whether it is told."""

    issued_on: date
    announce: bool = True


def issue_bills(hub: Hub, *, run_id: int, now: datetime, announce: bool = True, processes: int = 1) -> int:
    """This will issue every draft of a run, some thousand in a transaction; held bills stay. Gives how many went out.

    `announce` False is for bills of the past (a book taken over): the ledger has them, but no fact is recorded. With
    `processes` above one so many of them share the drafts.
    """
    before = _count_issued(hub, run_id)
    if processes > 1:
        with crew.Crew(hub, _issue_apart) as hands:
            hands.work(processes, run_id, now, announce)
    done = False
    while not done:
        _issue_drafts(hub, run_id, now, announce, wait=True)
        with hub.transaction() as session:
            done = _finish(session, run_id, now)
    return _count_issued(hub, run_id) - before


def _count_issued(hub: Hub, run_id: int) -> int:
    bill = models.BillRow
    with hub.transaction() as session:
        return (
            session.scalar(select(func.count()).select_from(bill).where(bill.run_id == run_id, bill.status == "ISSUED"))
            or 0
        )


def _issue_apart(hub: Hub, run_id: int, now: datetime, announce: bool) -> None:
    _issue_drafts(hub, run_id, now, announce, wait=False)


def _issue_drafts(hub: Hub, run_id: int, now: datetime, announce: bool, *, wait: bool) -> None:
    """Drafts that another process is issuing are skipped, or with `wait` waited for."""
    bill = models.BillRow
    while True:
        with hub.transaction() as session:
            ids = list(
                session.scalars(
                    select(bill.id)
                    .where(bill.run_id == run_id, bill.status == "DRAFT")
                    .order_by(bill.id)
                    .limit(_PER_TRANSACTION)
                    .with_for_update(skip_locked=not wait)
                )
            )
            if not ids:
                return
            _issue(session, ids, zone=hub.settings.utility_timezone, now=now, announce=announce)


def issue_bill(session: Session, *, bill_id: int, timezone: str, now: datetime) -> None:
    """This will issue one draft; Refused bill.not_draft when it is none."""
    row = session.get(models.BillRow, bill_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("bill.unknown")
    if row.status != "DRAFT":
        raise errors.Refused("bill.not_draft", status=row.status)
    _issue(session, [bill_id], zone=timezone, now=now, announce=True)


def release_bill(session: Session, *, bill_id: int, actor: str, reason: str, now: datetime) -> None:
    """This will let a held bill go out with the next issue: somebody has looked at it, and says why it is right."""
    if not reason.strip():
        raise errors.Invalid("bill.release_reason")
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
        detail={"hold_code": held_for, "findings": list(row.findings), "reason": reason.strip()},
    )  # fmt: skip


def cancel_bill(
    session: Session, *, bill_id: int, actor: str, reason: str, now: datetime,
    why: credit_notes.Why = credit_notes.WITHDRAWN,
) -> None:  # fmt: skip
    """This will cancel an issued bill by a credit note: the books are reversed, what was paid on it is free, a run may
    bill anew. `reason` is for the audit trail, `why` for the customer.
    """
    row = session.get(models.BillRow, bill_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("bill.unknown")
    if row.status == "CANCELLED":
        return
    if row.status != "ISSUED":
        raise errors.Refused("bill.not_issued", status=row.status)
    row.status, row.cancelled_at = "CANCELLED", now
    session.flush()
    today = owed.civil_today(session, account_id=row.account_id, now=now)
    tax = int(_taxes(session, [bill_id]).get(bill_id, 0))
    journal = ledger.Journal(
        key=f"bill-cancelled:{bill_id}",
        kind="BILL_CANCELLED",
        account_id=row.account_id,
        effective_on=today,
        amounts={
            ledger.RECEIVABLE: -row.total_cents,
            ledger.REVENUE: row.total_cents - tax,
            ledger.TAX_PAYABLE: tax,
        },
    )
    ledger.post_journals(session, [journal], now=now)
    budget_bills.undo_month(session, bill_id=bill_id, now=now)
    settling.release(session, bill_ids=[bill_id])
    settling.settle(session, account_ids=[row.account_id], now=now)
    note = credit_notes.issue(session, bill=row, why=why, on=today, now=now)
    outbox.record_fact(
        session,
        "bill.cancelled",
        key=f"account:{row.account_id}",
        payload={
            "bill_id": bill_id,
            "account_id": row.account_id,
            "customer_id": accounts.get_account(session, account_id=row.account_id).customer_id,
            "number": row.number,
            "total": str(money.from_cents(row.total_cents)),
            "credit_note": note.number,
            "cause": note.cause,
        },
        now=now,
    )
    audit.record(
        session, actor=actor, action="bill.cancelled", subject="bill", subject_id=bill_id, now=now,
        detail={"reason": reason, "credit_note": note.number},
    )  # fmt: skip


def _issue(session: Session, bill_ids: Sequence[int], *, zone: str, now: datetime, announce: bool) -> None:
    bill = models.BillRow
    today = periods.civil_day(now, zone)
    rows = session.execute(select(bill.id, bill.account_id).where(_these(bill_ids)).order_by(bill.id)).all()
    facts = accounts.list_account_facts(session, account_ids=sorted({r.account_id for r in rows}))
    due = {place: rules.due_on(place, today) for place in {jurisdiction for _, jurisdiction in facts.values()}}
    for place, due_on in sorted(due.items()):
        ids = [r.id for r in rows if facts[r.account_id][1] == place]
        session.execute(
            update(bill)
            .where(_these(ids))
            .values(status="ISSUED", issued_on=today, due_on=due_on)
            .execution_options(synchronize_session=False if len(ids) > 1 else "auto")
        )
    owed = ledger.owed_by(session, bill_ids=bill_ids)
    book(session, owed=owed, release=Release(today, announce), now=now)


def book(session: Session, *, owed: ledger.Owed, release: Release, now: datetime) -> None:
    """This will do what follows from bills that went out just now: the books, what is paid with it, the news."""
    if not len(owed.bill_ids):
        return
    ledger.post_bills(session, owed=owed, effective_on=release.issued_on, now=now)
    bill_ids = owed.bill_ids.tolist()
    levelled = budget_bills.level_bills(session, bill_ids=bill_ids, now=now)
    settling.settle(session, account_ids=np.unique(owed.account_ids).tolist(), now=now)
    if release.announce:
        _announce(session, bill_ids, levelled, now)


def _announce(session: Session, bill_ids: Sequence[int], levelled: Mapping[int, int], now: datetime) -> None:
    bill = models.BillRow
    rows = session.execute(
        select(bill.id, bill.account_id, bill.total_cents, bill.due_on).where(_these(bill_ids)).order_by(bill.id)
    ).all()
    archive.owe_documents(session, bill_ids=[r.id for r in rows], now=now)
    owners = accounts.list_account_facts(session, account_ids=sorted({r.account_id for r in rows}))
    payloads = [
        {
            "bill_id": r.id,
            "account_id": r.account_id,
            "customer_id": owners[r.account_id][0],
            "total": str(money.from_cents(r.total_cents)),
            "due_on": r.due_on.isoformat(),
            **({"budget_due": str(money.from_cents(levelled[r.id]))} if r.id in levelled else {}),
        }
        for r in rows
    ]
    keys = [f"account:{r.account_id}" for r in rows]
    if len(rows) == 1:
        outbox.record_fact(session, "bill.issued", key=keys[0], payload=payloads[0], now=now)
    else:  # thousands are left to the sweep: what customers wait for goes first
        outbox.record_many(session, "bill.issued", keys=keys, payloads=payloads, now=now)


def _these(bill_ids: Sequence[int]) -> Any:
    return models.BillRow.id == db.any_of(bill_ids)


def _taxes(session: Session, bill_ids: Sequence[int]) -> dict[int, int]:
    line = models.BillLineRow
    rows = session.execute(
        select(line.bill_id, func.sum(line.amount_cents))
        .where(line.bill_id.in_(bill_ids), line.component == "tax")
        .group_by(line.bill_id)
    )
    return {bill_id: int(cents) for bill_id, cents in rows}


def _finish(session: Session, run_id: int, now: datetime) -> bool:
    """Not while it has drafts: what waited may have been billed since they were issued."""
    run = session.get_one(models.BillRunRow, run_id, with_for_update=True)
    draft = select(models.BillRow.id).where(models.BillRow.run_id == run_id, models.BillRow.status == "DRAFT").limit(1)
    if run.status != "DONE":
        return True
    if session.scalar(draft) is not None:
        return False
    run.status, run.issued_at = "ISSUED", now
    return True
