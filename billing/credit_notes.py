"""Credit notes: what takes an issued bill back, in a document of its own. One for each bill that is cancelled.

The books are reversed by the cancel itself, and the lines are the cancelled bill's; a note adds number, day and cause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from billing import bulk, models, views
from billing.credit_note_models import CreditNoteRow
from core import money, outbox


@dataclass(frozen=True)
class Why:
    """What a bill is cancelled for, by the causes of `CreditNoteRow`."""

    cause: str
    dispute_id: int | None = None


ESTIMATE, DATA, REBILL, BEFORE, WITHDRAWN = map(Why, ("ESTIMATE", "DATA", "REBILL", "BEFORE", "WITHDRAWN"))


def issue(session: Session, *, bill: models.BillRow, why: Why, on: date, now: datetime) -> views.CreditNote:
    """This will write the note of a bill that was cancelled just now, and owe its documents."""
    note_id = int(bulk.take_ids(session, "credit_note", 1)[0])
    session.add(
        CreditNoteRow(
            id=note_id, number=f"CN{on:%y%m}-{note_id:07d}", bill_id=bill.id, issued_on=on, cause=why.cause,
            dispute_id=why.dispute_id, issued_at=now,
        )
    )  # fmt: skip
    session.flush()
    outbox.record_fact(
        session, "credit_note.issued", key=f"account:{bill.account_id}", payload={"bill_id": bill.id}, now=now
    )
    return list_notes(session, bill_ids=[bill.id])[bill.id]


def list_notes(session: Session, *, bill_ids: Sequence[int]) -> Mapping[int, views.CreditNote]:
    """This will give the notes of cancelled bills, by the bill."""
    if not bill_ids:
        return {}
    bill = models.BillRow
    return {row.bill_id: _view(row) for row in session.execute(_notes().where(bill.id.in_(bill_ids)))}


def list_replaced(session: Session, *, bill_ids: Sequence[int]) -> Mapping[int, views.CreditNote]:
    """This will give, for bills that stand in the place of a cancelled one, the note of that one."""
    if not bill_ids:
        return {}
    bill, stands = models.BillRow, aliased(models.BillRow)
    rows = session.execute(
        _notes()
        .join(
            stands,
            and_(
                stands.agreement_id == bill.agreement_id,
                stands.starts_on == bill.starts_on,
                stands.version == bill.version + 1,
            ),
        )
        .where(stands.id.in_(bill_ids))
        .add_columns(stands.id.label("stands_id"))
    )
    return {row.stands_id: _view(row) for row in rows}


def _notes() -> Any:
    """A bill made anew with the cancel is its next version. Of one that a run makes later a note says nothing, so that
    it says the same whenever it is drawn: the new bill names the old one.
    """
    note, bill, dispute, anew = CreditNoteRow, models.BillRow, models.DisputeRow, aliased(models.BillRow)
    return (
        select(
            note.bill_id, note.number, note.issued_on, note.cause, dispute.number.label("dispute"),
            bill.number.label("bill_number"), bill.issued_on.label("billed_on"), bill.total_cents,
            anew.number.label("replaced_by"),
        )
        .select_from(note)
        .join(bill, bill.id == note.bill_id)
        .outerjoin(dispute, dispute.id == note.dispute_id)
        .outerjoin(
            anew,
            and_(
                note.cause != WITHDRAWN.cause,
                anew.agreement_id == bill.agreement_id,
                anew.starts_on == bill.starts_on,
                anew.version == bill.version + 1,
            ),
        )
    )  # fmt: skip


def _view(row: Any) -> views.CreditNote:
    return views.CreditNote(
        bill_id=row.bill_id, number=row.number, issued_on=row.issued_on, total=money.from_cents(-row.total_cents),
        cause=row.cause, dispute=row.dispute, bill_number=row.bill_number, billed_on=row.billed_on,
        replaced_by=row.replaced_by,
    )  # fmt: skip
