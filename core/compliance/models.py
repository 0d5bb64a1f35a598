"""Rows of what the rules decided, and of the clocks they started."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from core import db


class ComplianceDecisionRow(db.Base):
    """One answer of the evaluator, with the rule it cites and what it was told. Only ever added to."""

    __tablename__ = "compliance_decision"
    __table_args__ = (Index(None, "subject", "subject_id"), Index(None, "action", "decided_at"))

    id: Mapped[int] = db.primary_key()
    action: Mapped[str]
    jurisdiction: Mapped[str]
    allowed: Mapped[bool]
    rule: Mapped[str]
    citation: Mapped[str]
    verified: Mapped[bool]
    inputs: Mapped[dict[str, Any]]
    results: Mapped[dict[str, Any]]
    subject: Mapped[str | None]
    subject_id: Mapped[int | None]
    decided_for: Mapped[date]
    decided_at: Mapped[datetime]


class ComplianceDeadlineRow(db.Base):
    __tablename__ = "compliance_deadline"
    __table_args__ = (
        CheckConstraint("state IN ('OPEN', 'MET', 'MISSED', 'CANCELLED')", name="state"),
        Index(None, "due_at", postgresql_where="state = 'OPEN'"),
        Index(None, "subject", "subject_id"),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    subject: Mapped[str]
    subject_id: Mapped[int]
    citation: Mapped[str]
    state: Mapped[str] = mapped_column(default="OPEN")
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime]
    warned_at: Mapped[datetime | None]
    met_at: Mapped[datetime | None]


class WeatherDayRow(db.Base):
    """A day's weather in a county, as a weather service told it: what the weather rules are asked with."""

    __tablename__ = "weather_day"
    __table_args__ = (CheckConstraint("county <> '' AND source <> ''", name="named"),)

    county: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    high_f: Mapped[int | None]  # of the day itself, known when it is over
    low_f: Mapped[int | None]
    forecast_high_f: Mapped[int | None]  # of the 24 hours to come, as said on the day
    heat_advisory: Mapped[bool] = mapped_column(default=False)
    source: Mapped[str]
    recorded_at: Mapped[datetime]
