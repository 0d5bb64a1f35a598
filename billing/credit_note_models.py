"""Rows of credit notes."""

from datetime import date, datetime

from sqlalchemy import DDL, CheckConstraint, ForeignKey, event
from sqlalchemy.orm import Mapped, mapped_column

from billing import ddl
from core import db

CAUSES = ("ESTIMATE", "DATA", "DISPUTE", "REBILL", "BEFORE", "WITHDRAWN")


class CreditNoteRow(db.Base):
    """What takes an issued bill back: one for each cancelled bill. Its lines are that bill's own, negated, and they
    never change, so no figure stands here a second time; nor does the row ever change.

    ESTIMATE: reads have overtaken what it was estimated from. DATA: reads or prices it stood on were corrected.
    DISPUTE: the customer was right. REBILL: staff made it anew. BEFORE: the bill before it was corrected, and what that
    one hands on with it. WITHDRAWN: cancelled alone, with no other bill in its place.
    """

    __tablename__ = "credit_note"
    __table_args__ = (
        # as of bills: the id in a number makes it nobody else's
        CheckConstraint("CAST(split_part(number, '-', 2) AS bigint) = id", name="number"),
        CheckConstraint(f"cause IN ({', '.join(map(repr, CAUSES))})", name="cause"),
        CheckConstraint("(cause = 'DISPUTE') = (dispute_id IS NOT NULL)", name="dispute"),
    )

    id: Mapped[int] = db.primary_key()
    number: Mapped[str]
    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"), unique=True)
    issued_on: Mapped[date]
    cause: Mapped[str]
    dispute_id: Mapped[int | None] = mapped_column(ForeignKey("dispute.id"))
    issued_at: Mapped[datetime]


event.listen(CreditNoteRow.__table__, "after_create", DDL(ddl.CREDIT_NOTE.replace("%", "%%")))  # type: ignore[no-untyped-call]
