"""Rows of conservation programs: who may join, who did, what they are paid, and when load was asked to step back."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from core import db

KINDS = "'EFFICIENCY', 'DEMAND_RESPONSE', 'DYNAMIC_PRICING', 'ASSISTANCE', 'GENERATION'"


class ProgramRow(db.Base):
    """A program as data. What a participant saves is the planning figure the yearly report multiplies."""

    __tablename__ = "program"
    __table_args__ = (
        CheckConstraint(f"kind IN ({KINDS})", name="kind"),
        CheckConstraint("closes_on IS NULL OR closes_on > opens_on", name="dates"),
        CheckConstraint("rebate_amount >= 0 AND saving_kwh >= 0 AND saving_kw >= 0", name="amounts"),
    )

    id: Mapped[int] = db.primary_key()
    code: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    customer_kinds: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    requires: Mapped[list[str]] = mapped_column(ARRAY(Text()), default=list)  # 'MEDICAL', 'LOW_INCOME'
    tariff_kinds: Mapped[list[str]] = mapped_column(ARRAY(Text()), default=list)  # empty: any
    approval: Mapped[bool] = mapped_column(default=False)  # a person decides; else enrolling is at once
    opens_on: Mapped[date]
    closes_on: Mapped[date | None]
    rebate_amount: Mapped[Decimal] = mapped_column(default=Decimal(0))
    saving_kwh: Mapped[Decimal] = mapped_column(Numeric(12, 3), default=Decimal(0))  # a participant, a year
    saving_kw: Mapped[Decimal] = mapped_column(Numeric(12, 3), default=Decimal(0))
    life_years: Mapped[int] = mapped_column(default=1)


class EnrolmentRow(db.Base):
    __tablename__ = "enrolment"
    __table_args__ = (
        CheckConstraint("status IN ('REQUESTED', 'ACTIVE', 'DECLINED', 'ENDED')", name="status"),
        CheckConstraint("(status = 'ENDED') = (ended_at IS NOT NULL)", name="ended"),
        Index(
            "uq_enrolment_one_alive",
            "account_id",
            "program_id",
            unique=True,
            postgresql_where=text("status IN ('REQUESTED', 'ACTIVE')"),
        ),
        Index(None, "program_id", "status"),
        Index(None, "account_id"),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"))
    status: Mapped[str]
    declared: Mapped[dict[str, Any]]
    requested_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class RebateRow(db.Base):
    __tablename__ = "rebate"
    __table_args__ = (
        CheckConstraint("status IN ('CLAIMED', 'APPROVED', 'PAID', 'DECLINED')", name="status"),
        CheckConstraint("amount > 0", name="amount"),
        Index(None, "account_id"),
        Index(None, "program_id"),
        Index(
            "uq_rebate_evidence",
            "program_id",
            "evidence",
            unique=True,
            postgresql_where=text("status <> 'DECLINED'"),
        ),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"))
    amount: Mapped[Decimal]
    evidence: Mapped[str]  # the receipt or serial number; it is paid for once
    status: Mapped[str] = mapped_column(default="CLAIMED")
    claimed_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]


class RebateUpdateRow(db.Base):
    __tablename__ = "rebate_update"
    __table_args__ = (Index(None, "rebate_id", "id"),)

    id: Mapped[int] = db.primary_key()
    rebate_id: Mapped[int] = mapped_column(ForeignKey("rebate.id"))
    status: Mapped[str]
    note: Mapped[str | None]
    at: Mapped[datetime]


class DemandEventRow(db.Base):
    """A span in which the enrolled are asked to use less."""

    __tablename__ = "demand_event"
    __table_args__ = (
        CheckConstraint("status IN ('SCHEDULED', 'CANCELLED', 'DONE')", name="status"),
        CheckConstraint("ends_at > starts_at", name="dates"),
        Index(None, "program_id", "starts_at"),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(default="SCHEDULED")
    announced_at: Mapped[datetime]


class DemandParticipationRow(db.Base):
    __tablename__ = "demand_participation"
    __table_args__ = (
        CheckConstraint("answer IN ('IN', 'OUT')", name="answer"),
        UniqueConstraint("event_id", "account_id"),
        Index(None, "account_id"),
    )

    id: Mapped[int] = db.primary_key()
    event_id: Mapped[int] = mapped_column(ForeignKey("demand_event.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    answer: Mapped[str] = mapped_column(default="IN")
    saved_kwh: Mapped[Decimal | None] = mapped_column(Numeric(12, 3))
    saved_kw: Mapped[Decimal | None] = mapped_column(Numeric(12, 3))
