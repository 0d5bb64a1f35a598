"""Rows of proposed corrections."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core import db


class BillCorrectionRow(db.Base):
    """A cancel and rebill that reads suggest and a person decides: what stands, what would stand, line by line.

    `lines` are the printed lines of both bills side by side; their differences add up to `difference_cents`.
    """

    __tablename__ = "bill_correction"
    __table_args__ = (
        CheckConstraint("status IN ('OPEN', 'ACCEPTED', 'REJECTED', 'OVERTAKEN')", name="status"),
        CheckConstraint("difference_cents = after_cents - before_cents", name="difference"),
        CheckConstraint("(status = 'OPEN') = (decided_at IS NULL)", name="decided_at"),
        CheckConstraint("(status = 'ACCEPTED') = (new_bill_id IS NOT NULL)", name="new_bill_id"),
        Index("uq_bill_correction_open", "bill_id", unique=True, postgresql_where=text("status = 'OPEN'")),
        Index("ix_bill_correction_bill_id", "bill_id"),
        Index("ix_bill_correction_account_id", "account_id"),
        Index("ix_bill_correction_status", "id", postgresql_where=text("status = 'OPEN'")),
    )

    id: Mapped[int] = db.primary_key()
    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    status: Mapped[str] = mapped_column(default="OPEN")
    first_day: Mapped[date]  # of what changed
    last_day: Mapped[date]
    changed_by: Mapped[str]
    before_cents: Mapped[int]
    after_cents: Mapped[int]
    difference_cents: Mapped[int]
    before_wh: Mapped[int]
    after_wh: Mapped[int]
    lines: Mapped[list[Any]]
    estimated: Mapped[bool]
    input_hash: Mapped[bytes]
    # what the jurisdiction says of raising it, as of when it was proposed; it is asked again when it is accepted
    allowed: Mapped[bool]
    earliest_on: Mapped[date | None]
    citation: Mapped[str]
    proposed_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    note: Mapped[str | None]
    new_bill_id: Mapped[int | None] = mapped_column(ForeignKey("bill.id"))
