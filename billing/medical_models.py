"""Rows of how long an illness at home holds a shut-off off."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core import db


class MedicalHoldRow(db.Base):
    """A span of days, `until` not among them: a customer's own WORD, or a doctor's CERTIFICATE. `renewal` 0: the first.

    One that is ended early keeps its days and says who ended it, when and why.
    """

    __tablename__ = "medical_hold"
    __table_args__ = (
        CheckConstraint("kind IN ('WORD', 'CERTIFICATE')", name="kind"),
        CheckConstraint("(kind = 'CERTIFICATE') = (certified_by IS NOT NULL)", name="certified_by"),
        CheckConstraint("until > starts_on", name="until"),
        CheckConstraint("renewal >= 0", name="renewal"),
        CheckConstraint(
            "(ended_on IS NULL) = (ended_by IS NULL) AND (ended_on IS NULL) = (ended_why IS NULL)", name="ended"
        ),
        Index(None, "account_id", "until"),
        Index("ix_medical_hold_unreminded", "until", postgresql_where=text("ended_on IS NULL AND reminded_at IS NULL")),
    )

    id: Mapped[int] = db.primary_key()
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    kind: Mapped[str]
    starts_on: Mapped[date]
    until: Mapped[date]
    renewal: Mapped[int]
    certified_by: Mapped[str | None]
    decision_id: Mapped[int] = mapped_column(ForeignKey("compliance_decision.id"))
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime]
    reminded_at: Mapped[datetime | None]
    ended_on: Mapped[date | None]
    ended_by: Mapped[str | None]
    ended_why: Mapped[str | None]
