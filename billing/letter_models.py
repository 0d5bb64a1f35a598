"""Rows of bills that go by post: each letter once, and the batches they are handed over in."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core import db


class LetterBatchRow(db.Base):
    """What the printer is handed of one day. Until `delivered_at` it is still to be handed over."""

    __tablename__ = "letter_batch"
    __table_args__ = (CheckConstraint("letters > 0", name="letters"),)

    id: Mapped[int] = db.primary_key()
    day: Mapped[date] = mapped_column(unique=True)
    letters: Mapped[int]
    made_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


class LetterRow(db.Base):
    """A bill owed on paper. DROPPED: the bill was cancelled before it went."""

    __tablename__ = "bill_letter"
    __table_args__ = (
        CheckConstraint("status IN ('OWED', 'BATCHED', 'SENT', 'RETURNED', 'DROPPED')", name="status"),
        CheckConstraint("(status IN ('BATCHED', 'SENT', 'RETURNED')) = (batch_id IS NOT NULL)", name="batch"),
        CheckConstraint("status NOT IN ('SENT', 'RETURNED') OR document_id IS NOT NULL", name="document"),
        CheckConstraint("(status = 'RETURNED') = (returned_at IS NOT NULL)", name="returned"),
        Index("ix_bill_letter_owed", "owed_at", postgresql_where=text("status = 'OWED'")),
        Index(None, "batch_id"),
    )

    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"), primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    status: Mapped[str] = mapped_column(default="OWED")
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("letter_batch.id"))
    document_id: Mapped[int | None] = mapped_column(ForeignKey("bill_document.id"))  # what was put in the envelope
    owed_at: Mapped[datetime]
    returned_at: Mapped[datetime | None]
    returned_why: Mapped[str | None]
