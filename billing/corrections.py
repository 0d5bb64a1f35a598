"""Bills out of the ordinary: one that was wrong is made anew, what was never billed is billed, and the last of all.

How far back a bill may reach is the jurisdiction's to say. A bill that was wrong may always be lowered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from billing import (
    carried,
    changes,
    credit_notes,
    issuing,
    ledger,
    models,
    news,
    once,
    owed,
    pricing,
    proposals,
    runs,
    settling,
    single,
    views,
)
from core import errors, money, periods
from core.accounts import queries as accounts
from core.compliance import operations as compliance
from core.compliance import rules as compliance_rules


@dataclass(frozen=True)
class Rebill:
    """A bill that was wrong, the note that takes it back, and the bill that stands for it. `difference`: new less old,
    to the cent.
    """

    cancelled: views.Bill
    credit_note: views.CreditNote
    bill: views.Bill
    difference: Decimal
    fees_waived: Decimal
    by_component: Mapping[str, Decimal]


@dataclass(frozen=True)
class Preview:
    """What the bill would be if it were made now, for the days from `starts_on` to yesterday."""

    account_id: int
    starts_on: date
    ends_on: date
    bill_ends_on: date
    kwh: Decimal
    total: Decimal
    estimated: bool
    lines: tuple[views.BillLine, ...]


def preview_bill(session: Session, *, account_id: int, now: datetime) -> Preview:
    """This will price the bill period that is running, up to and without today. NotFound usage.none on its first day.

    Nothing is written.
    """
    place = pricing.place_of(session, account_id=account_id, now=now)
    period = _whole(place.agreement, place.today)
    until = min(place.today, period.ends_on)
    if until <= period.starts_on:
        raise errors.NotFound("usage.none")
    days = periods.Days(period.starts_on, until)
    priced = single.price(session, agreement=place.agreement, days=days, looking=True)
    return Preview(
        account_id=account_id,
        starts_on=period.starts_on,
        ends_on=until,
        bill_ends_on=period.ends_on,
        kwh=Decimal(priced.wh) / 1000,
        total=money.from_cents(priced.total_cents),
        estimated=priced.estimated,
        lines=tuple(
            views.BillLine(
                x.component, x.code, x.description, dict(x.args), x.quantity, x.unit, x.unit_price,
                money.from_cents(x.amount_cents),
            )
            for x in priced.lines
        ),
    )  # fmt: skip


def rebill(
    session: Session, *, bill_id: int, actor: str, reason: str, now: datetime, customer_at_fault: bool = False,
    proposal_id: int | None = None, why: credit_notes.Why = credit_notes.REBILL,
) -> Rebill:  # fmt: skip
    """This will cancel an issued bill by a credit note and issue it anew from today's reads and terms, in one piece.

    Late fees on the wrong bill are waived with it, and what else than `proposal_id` was proposed for it is overtaken.
    Asked again of a cancelled bill it gives what stands in its place.
    Refused bill.unchanged when it would be the very same bill, bill.back_billing when it would raise one that reaches
    further back than the rules let it.
    """
    before = locked(session, bill_id)
    if before.status == "CANCELLED":
        return _compared(session, bill_id, _standing(session, before), Decimal("0.00"))
    if before.status != "ISSUED":
        raise errors.Refused("bill.not_issued", status=before.status)
    agreement = accounts.get_agreement(session, agreement_id=before.agreement_id)
    days = periods.Days(before.starts_on, before.ends_on)
    priced = single.price(session, agreement=agreement, days=days)
    if _same(before, priced):
        raise errors.Refused("bill.unchanged", number=before.number)
    today = periods.civil_day(now, agreement.timezone)
    if priced.total_cents > before.total_cents:
        decision = _limit(session, agreement, days.starts_on, today, customer_at_fault, "bill", bill_id, now)
        if not decision.allowed:
            earliest = decision.results["earliest_on"]
            raise errors.Refused("bill.back_billing", earliest=earliest.isoformat(), citation=decision.citation)
    issuing.cancel_bill(session, bill_id=bill_id, actor=actor, reason=reason, now=now, why=why)
    proposals.overtake(session, bill_id=bill_id, now=now, but=proposal_id)
    waived = _waive_fees(session, bill_id, before.account_id, now)
    fresh = single.draft(session, priced, now=now, looked_at=True)
    issuing.issue_bill(session, bill_id=fresh, timezone=agreement.timezone, now=now)
    session.expire_all()
    done = _compared(session, bill_id, fresh, money.from_cents(waived))
    for later in carried.followers(session, bill_id=fresh, instead_of=bill_id):
        rebill(
            session, bill_id=later, actor=actor, reason=reason, now=now, customer_at_fault=customer_at_fault,
            why=credit_notes.BEFORE,
        )  # fmt: skip
    told = {
        "bill_id": fresh,
        "cancelled_id": bill_id,
        "number": done.cancelled.number,
        "credit_note": done.credit_note.number,
        "before": str(done.cancelled.total),
        "after": str(done.bill.total),
        "difference": str(done.difference),
        "fees_waived": str(done.fees_waived),
    }
    news.tell(session, "bill.corrected", accounts.get_account(session, account_id=before.account_id), told, now)
    return done


def uphold(session: Session, *, dispute_id: int, actor: str, now: datetime) -> Rebill:
    """This will give a customer right: the dispute is upheld and the bill made anew from what is known today.

    Refused dispute.closed when it was decided otherwise; asked again it gives the same. Refused bill.unchanged while
    nothing of the bill has been put right: the dispute stays open, and the customer is told nothing.
    """
    found = changes.lock_dispute(session, dispute_id=dispute_id, outcome="UPHELD")
    done = rebill(
        session, bill_id=found.bill_id, actor=actor, reason=f"dispute {found.number}", now=now,
        why=credit_notes.Why("DISPUTE", dispute_id),
    )  # fmt: skip
    changes.close_dispute(session, dispute_id=dispute_id, outcome="UPHELD", actor=actor, now=now)
    return done


def list_unbilled(
    session: Session, *, agreement: accounts.Agreement, until: date, earliest: date | None = None
) -> tuple[periods.Days, ...]:
    """This will list the bill periods of an agreement that ended by a day and have no bill, oldest first.

    `earliest` cuts off what lies too far back.
    """
    bill = models.BillRow
    billed = session.execute(
        select(bill.starts_on, bill.ends_on).where(
            bill.agreement_id == agreement.id, bill.status.in_(("ISSUED", "HELD"))
        )
    ).all()
    ends_on = min(until, agreement.ends_on or until)
    start = max(agreement.starts_on, earliest or agreement.starts_on)
    out = []
    while start < ends_on:
        whole = _whole(agreement, start)
        days = periods.Days(start, whole.ends_on)
        start = whole.ends_on
        if days.ends_on <= ends_on and not any(
            b.starts_on < days.ends_on and b.ends_on > days.starts_on for b in billed
        ):
            out.append(days)
    return tuple(out)


def bill_outstanding(
    session: Session, *, account_id: int, now: datetime, customer_at_fault: bool = False
) -> tuple[views.Bill, ...]:
    """This will bill and issue every period of an account that is over and has no bill: off the cycle, and the last.

    What lies further back than the rules allow stays unbilled. A bill that looks wrong is held and not issued.
    """
    once.lock_account(session, account_id)
    ever = periods.Days(date(1970, 1, 1), date(9999, 1, 1))
    done = []
    for agreement in accounts.list_agreements(session, period=ever, account_ids=[account_id]):
        today = periods.civil_day(now, agreement.timezone)
        missing = list_unbilled(session, agreement=agreement, until=today)
        if not missing:
            continue
        limit = _limit(
            session, agreement, missing[0].starts_on, today, customer_at_fault, "agreement", agreement.id, now
        )
        earliest = limit.results["earliest_on"]
        for days in list_unbilled(session, agreement=agreement, until=today, earliest=earliest):
            priced = single.price(session, agreement=agreement, days=days)
            bill_id = single.draft(session, priced, now=now)
            if owed.get_bill(session, bill_id=bill_id).status == "DRAFT":
                issuing.issue_bill(session, bill_id=bill_id, timezone=agreement.timezone, now=now)
            done.append(bill_id)
    session.expire_all()
    return tuple(owed.get_bill(session, bill_id=bill_id) for bill_id in done)


def back_billing(jurisdiction: str, oldest_on: date, today: date) -> compliance_rules.Decision:
    """This will say whether a bill from a day may still be raised, by the rules of today. Nothing is kept."""
    return compliance.evaluate(None, "BACK_BILL", _limit_facts(jurisdiction, oldest_on, False), today)


def _whole(agreement: accounts.Agreement, on: date) -> periods.Days:
    """The bill period a day lies in, cut to the agreement's own days."""
    period = runs.open_period(agreement, on)
    return periods.Days(max(period.starts_on, agreement.starts_on), min(period.ends_on, agreement.ends_on or date.max))


def _same(bill: models.BillRow, priced: single.Priced) -> bool:
    """Whether a bill made now would be the one that stands: of the same reads and terms, and to the same cent."""
    amounts = [line.amount_cents for line in priced.lines]
    return (priced.input_hash, priced.estimated, priced.total_cents, amounts) == (
        bill.input_hash, bill.estimated, bill.total_cents, list(bill.amounts),
    )  # fmt: skip


def _limit(
    session: Session,
    agreement: accounts.Agreement,
    oldest_on: date,
    today: date,
    customer_at_fault: bool,
    subject: str,
    subject_id: int,
    now: datetime,
) -> compliance_rules.Decision:
    facts = _limit_facts(agreement.jurisdiction, oldest_on, customer_at_fault)
    return compliance.evaluate(session, "BACK_BILL", facts, today, subject=subject, subject_id=subject_id, now=now)


def _limit_facts(jurisdiction: str, oldest_on: date, customer_at_fault: bool) -> dict[str, object]:
    return {
        "jurisdiction": jurisdiction,
        "oldest_on": oldest_on,
        "customer_at_fault": customer_at_fault,
    }


def _waive_fees(session: Session, bill_id: int, account_id: int, now: datetime) -> int:
    """A late fee on a bill that was wrong goes with it; what was paid on it is free again."""
    fee = models.ChargeRow
    rows = session.scalars(select(fee).where(fee.bill_id == bill_id, fee.waived_at.is_(None)).with_for_update()).all()
    for row in rows:
        row.waived_at = now
    session.flush()
    session.execute(delete(models.AllocationRow).where(models.AllocationRow.charge_id.in_([row.id for row in rows])))
    journals = [
        ledger.Journal(
            key=f"late-fee-waived:{row.id}",
            kind="LATE_FEE_WAIVED",
            account_id=account_id,
            effective_on=owed.civil_today(session, account_id=account_id, now=now),
            amounts={ledger.RECEIVABLE: -row.amount_cents, ledger.FEE_REVENUE: row.amount_cents},
        )
        for row in rows
    ]
    ledger.post_journals(session, journals, now=now)
    settling.settle(session, account_ids=[account_id], now=now)
    return sum(row.amount_cents for row in rows)


def _compared(session: Session, old_id: int, new_id: int, waived: Decimal) -> Rebill:
    line = models.BillLineRow
    sums: dict[str, int] = {}
    for sign, bill_id in ((-1, old_id), (1, new_id)):
        for component, cents in session.execute(
            select(line.component, func.sum(line.amount_cents)).where(line.bill_id == bill_id).group_by(line.component)
        ):
            sums[component] = sums.get(component, 0) + sign * int(cents)
    old, new = owed.get_bill(session, bill_id=old_id), owed.get_bill(session, bill_id=new_id)
    return Rebill(
        cancelled=old,
        credit_note=credit_notes.list_notes(session, bill_ids=[old_id])[old_id],
        bill=new,
        difference=new.total - old.total,
        fees_waived=waived,
        by_component={name: money.from_cents(cents) for name, cents in sorted(sums.items()) if cents},
    )


def _standing(session: Session, row: models.BillRow) -> int:
    bill = models.BillRow
    found = session.scalar(
        select(bill.id).where(
            bill.agreement_id == row.agreement_id, bill.starts_on == row.starts_on, bill.status == "ISSUED"
        )
    )
    if found is None:
        raise errors.Refused("bill.not_issued", status=row.status)
    return found


def locked(session: Session, bill_id: int) -> models.BillRow:
    """This will lock a bill, its account first, and give its row; NotFound bill.unknown."""
    row = session.get(models.BillRow, bill_id)
    if row is None:
        raise errors.NotFound("bill.unknown")
    once.lock_account(session, row.account_id)
    session.refresh(row, with_for_update=True)
    return row
