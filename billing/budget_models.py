"""Rows of budget billing: who pays a level amount, how it changed, what each bill came to beside it, how it ended."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core import db


class BudgetPlanRow(db.Base):
    """An agreement pays a level amount a month. The bills stay what they are; the difference is kept in the books."""

    __tablename__ = "budget_plan"
    __table_args__ = (
        CheckConstraint("status IN ('ACTIVE', 'ENDED')", name="status"),
        CheckConstraint("basis IN ('HISTORY', 'STATED')", name="basis"),
        CheckConstraint("year_cents > 0", name="year"),
        CheckConstraint("ends_on > starts_on AND next_review_on <= ends_on", name="dates"),
        CheckConstraint("catch_up_months >= 0 AND (catch_up_months > 0 OR catch_up_cents = 0)", name="catch_up"),
        CheckConstraint("(status = 'ENDED') = (ended_at IS NOT NULL AND end_reason IS NOT NULL)", name="ended"),
        CheckConstraint("end_reason IN ('LEFT', 'MOVED', 'MISSED')", name="end_reason"),
        Index("uq_budget_plan_one", "agreement_id", unique=True, postgresql_where=text("status = 'ACTIVE'")),
        Index("ix_budget_plan_review", "next_review_on", postgresql_where=text("status = 'ACTIVE'")),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("service_agreement.id"), index=True)
    status: Mapped[str] = mapped_column(default="ACTIVE")
    basis: Mapped[str]
    year_cents: Mapped[int]  # what the coming year is thought to cost
    starts_on: Mapped[date]
    ends_on: Mapped[date]  # the anniversary
    next_review_on: Mapped[date]
    catch_up_cents: Mapped[int] = mapped_column(default=0)  # of last year's balance, still to be spread (may be < 0)
    catch_up_months: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]


class BudgetLevelRow(db.Base):
    """The level amount from a day on. The newest day that has come counts."""

    __tablename__ = "budget_level"
    __table_args__ = (
        CheckConstraint("level_cents > 0", name="level"),
        CheckConstraint("reason IN ('ENROLLED', 'REVIEW', 'ANNIVERSARY')", name="reason"),
    )

    plan_id: Mapped[int] = mapped_column(ForeignKey("budget_plan.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    from_on: Mapped[date]
    level_cents: Mapped[int]
    reason: Mapped[str]
    set_at: Mapped[datetime]


class BudgetMonthRow(db.Base):
    """A bill under a budget: what it is, and what is due instead. The difference is a charge or a credit."""

    __tablename__ = "budget_month"
    __table_args__ = (
        CheckConstraint("due_cents >= 0", name="due"),
        CheckConstraint("(due_cents > actual_cents) = (charge_id IS NOT NULL)", name="charge"),
        CheckConstraint("(due_cents < actual_cents) = (credit_id IS NOT NULL)", name="credit"),
    )

    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"), primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("budget_plan.id"), index=True)
    actual_cents: Mapped[int]
    due_cents: Mapped[int]
    catch_up_cents: Mapped[int]  # what of the amount due was last year's
    charge_id: Mapped[int | None] = mapped_column(ForeignKey("charge.id"), unique=True)
    credit_id: Mapped[int | None] = mapped_column(ForeignKey("credit.id"), unique=True)
    undone_at: Mapped[datetime | None]  # its bill was cancelled


class BudgetSettlementRow(db.Base):
    """The balance of a budget made due (above zero) or given back (below), at its anniversary or its end."""

    __tablename__ = "budget_settlement"
    __table_args__ = (
        CheckConstraint("cents <> 0", name="cents"),
        CheckConstraint("(cents > 0) = (charge_id IS NOT NULL) AND (cents < 0) = (credit_id IS NOT NULL)", name="how"),
    )

    id: Mapped[int] = db.primary_key()
    plan_id: Mapped[int] = mapped_column(ForeignKey("budget_plan.id"), index=True)
    settled_on: Mapped[date]
    cents: Mapped[int]
    charge_id: Mapped[int | None] = mapped_column(ForeignKey("charge.id"), unique=True)
    credit_id: Mapped[int | None] = mapped_column(ForeignKey("credit.id"), unique=True)
