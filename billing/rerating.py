"""When reads or prices of the hour change after they were billed: a draft is priced anew at once, an issued bill is
proposed to be.

A proposal is priced by the same engine as every bill and shows the exact difference line by line. It is carried out by
the one operation that corrects bills, or rejected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import correction_models, corrections, credit_notes, models, proposals, single
from core import audit, errors, money, outbox, periods
from core.accounts import queries as accounts

TRUE_UP_FOR = timedelta(days=125)  # within it the clock puts estimates right; later ones are for a person to look at

Outcome = Literal["unchanged", "rated", "proposed", "waits", "refused"]


@dataclass(frozen=True)
class Changed:
    """Days of a service point whose reads changed, both in; `corrected`: a read that stood was replaced by another."""

    service_point_id: int
    first_day: date
    last_day: date
    corrected: bool
    by: str


def list_touched(session: Session, *, changed: Sequence[Changed]) -> tuple[tuple[int, Changed], ...]:
    """This will give the bills (id) that stand on changed days, each with what changed; one question for hundreds."""
    if not changed:
        return ()
    by_point = {each.service_point_id: each for each in changed}
    # a UTC day lies in two civil ones
    span = periods.Days(
        min(c.first_day for c in changed) - timedelta(days=1), max(c.last_day for c in changed) + timedelta(days=2)
    )
    agreements = accounts.list_agreements(session, period=span, service_point_ids=list(by_point))
    whose = {agreement.id: by_point[agreement.service_point_id] for agreement in agreements}
    bill = models.BillRow
    rows = session.execute(
        select(bill.id, bill.agreement_id, bill.starts_on, bill.ends_on)
        .where(
            bill.agreement_id.in_(list(whose)), bill.status != "CANCELLED", bill.starts_on < span.ends_on,
            bill.ends_on > span.starts_on,
        )
        .order_by(bill.id)
    )  # fmt: skip
    return tuple(
        (row.id, own)
        for row in rows
        if (own := whose[row.agreement_id]).first_day - timedelta(days=1) < row.ends_on
        and own.last_day + timedelta(days=1) >= row.starts_on
    )


def follow(session: Session, *, bill_id: int, changed: Changed, now: datetime) -> Outcome:
    """This will look at a bill again after its reads have changed.

    rated: a draft was priced anew. proposed: an issued bill would be another. waits: it was estimated and either still
    would be, or the clock will put it right. refused: a person has said no to the very same.
    """
    row = corrections.locked(session, bill_id)
    if row.status == "CANCELLED":
        return "unchanged"
    agreement = accounts.get_agreement(session, agreement_id=row.agreement_id)
    days = periods.Days(row.starts_on, row.ends_on)
    priced = single.price(session, agreement=agreement, days=days)
    if priced.input_hash == row.input_hash:
        proposals.overtake(session, bill_id=bill_id, now=now)
        return "unchanged"
    if row.status in ("DRAFT", "HELD"):
        single.draft(session, priced, now=now, run_id=row.run_id)
        return "rated"
    today = periods.civil_day(now, agreement.timezone)
    if row.estimated and not changed.corrected and priced.estimated:
        return "waits"  # one estimate does not correct another
    if row.estimated and not priced.estimated and row.issued_on and row.issued_on >= today - TRUE_UP_FOR:
        return "waits"
    reason = _reason(row, agreement, changed, priced, today)
    proposal_id = proposals.propose(session, bill=row, priced=priced, reason=reason, now=now)
    if proposal_id is None:
        return "refused"
    payload = {
        "proposal_id": proposal_id, "bill_id": bill_id, "account_id": row.account_id,
        "difference": str(money.from_cents(priced.total_cents - row.total_cents)),
    }  # fmt: skip
    outbox.record_fact(session, "correction.proposed", key=f"account:{row.account_id}", payload=payload, now=now)
    return "proposed"


def follow_prices(
    session: Session, *, bill_id: int, first_day: date, last_day: date, by: str, now: datetime
) -> Outcome:  # fmt: skip
    """This will look at a bill again after prices of its hours have been corrected, as `follow` does after reads."""
    row = session.get(models.BillRow, bill_id)
    if row is None or row.status == "CANCELLED":
        return "unchanged"  # a draft that was made anew since, of the prices as they are
    agreement = accounts.get_agreement(session, agreement_id=row.agreement_id)
    changed = Changed(agreement.service_point_id, first_day, last_day, True, by)
    return follow(session, bill_id=bill_id, changed=changed, now=now)


def accept(
    session: Session, *, proposal_id: int, actor: str, note: str, now: datetime, customer_at_fault: bool = False
) -> corrections.Rebill:
    """This will carry out a proposed correction exactly as it was shown: cancel, and bill anew.

    Refused correction.changed when it would come out otherwise by now (it is brought up to date), correction.decided
    when it has been decided, bill.back_billing when it raises a bill further back than the rules let one.
    """
    row, bill = _open(session, proposal_id, note)
    agreement = accounts.get_agreement(session, agreement_id=bill.agreement_id)
    priced = single.price(session, agreement=agreement, days=periods.Days(bill.starts_on, bill.ends_on))
    if priced.input_hash != row.input_hash or priced.total_cents != row.after_cents:
        raise errors.Refused("correction.changed")
    done = corrections.rebill(
        session, bill_id=bill.id, actor=actor, reason=note.strip(), now=now, customer_at_fault=customer_at_fault,
        proposal_id=proposal_id, why=credit_notes.DATA,
    )  # fmt: skip
    session.refresh(row)
    row.status, row.decided_at, row.decided_by = "ACCEPTED", now, actor
    row.note, row.new_bill_id = note.strip(), done.bill.id
    session.flush()
    _audit(session, row, "correction.accepted", now)
    return done


def reject(session: Session, *, proposal_id: int, actor: str, note: str, now: datetime) -> None:
    """This will leave a bill as it is; the same correction is not proposed again."""
    row, _ = _open(session, proposal_id, note)
    row.status, row.decided_at, row.decided_by, row.note = "REJECTED", now, actor, note.strip()
    session.flush()
    _audit(session, row, "correction.rejected", now)


def refresh(session: Session, *, proposal_id: int, now: datetime) -> Outcome:
    """This will bring a proposal that waits up to date with the reads of this moment."""
    row = session.get(correction_models.BillCorrectionRow, proposal_id)
    if row is None:
        raise errors.NotFound("correction.unknown")
    bill = session.get_one(models.BillRow, row.bill_id)
    agreement = accounts.get_agreement(session, agreement_id=bill.agreement_id)
    changed = Changed(agreement.service_point_id, row.first_day, row.last_day, True, row.changed_by)
    return follow(session, bill_id=row.bill_id, changed=changed, now=now)


def _open(
    session: Session, proposal_id: int, note: str
) -> tuple[correction_models.BillCorrectionRow, models.BillRow]:  # fmt: skip
    if not note.strip():
        raise errors.Invalid("correction.reason")
    row = session.get(correction_models.BillCorrectionRow, proposal_id)
    if row is None:
        raise errors.NotFound("correction.unknown")
    bill = corrections.locked(session, row.bill_id)
    session.refresh(row, with_for_update=True)
    if row.status != "OPEN" or bill.status != "ISSUED":
        raise errors.Refused("correction.decided", status=row.status)
    return row, bill


def _reason(
    row: models.BillRow, agreement: accounts.Agreement, changed: Changed, priced: single.Priced, today: date
) -> proposals.Reason:
    """A bill may always be lowered; how far back it may be raised the jurisdiction says."""
    limit = corrections.back_billing(agreement.jurisdiction, row.starts_on, today)
    raises = priced.total_cents > row.total_cents
    return proposals.Reason(
        max(changed.first_day, row.starts_on), min(changed.last_day, row.ends_on), changed.by,
        limit.allowed or not raises, limit.results["earliest_on"] if raises else None, limit.citation if raises else "",
    )  # fmt: skip


def _audit(session: Session, row: correction_models.BillCorrectionRow, action: str, now: datetime) -> None:
    audit.record(
        session, actor=row.decided_by or "", action=action, subject="bill", subject_id=row.bill_id, now=now,
        detail={
            "proposal_id": row.id, "difference": str(money.from_cents(row.difference_cents)), "reason": row.note,
            "new_bill_id": row.new_bill_id,
        },
    )  # fmt: skip
