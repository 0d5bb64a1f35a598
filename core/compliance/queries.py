"""Reads of decisions and deadlines."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.compliance import models
from core.compliance.calendar import public_holidays as public_holidays
from core.compliance.weather import daily_means as daily_means
from core.compliance.weather import list_highs as list_highs
from core.compliance.weather import weather_facts as weather_facts


@dataclass(frozen=True)
class DecisionRecord:
    id: int
    action: str
    jurisdiction: str
    allowed: bool
    rule: str
    citation: str
    verified: bool
    inputs: Mapping[str, Any]
    results: Mapping[str, Any]
    decided_for: date
    decided_at: datetime


@dataclass(frozen=True)
class Deadline:
    id: int
    kind: str
    subject: str
    subject_id: int
    citation: str
    state: str  # "OPEN", "MET", "MISSED", "CANCELLED"
    opened_at: datetime
    due_at: datetime
    met_at: datetime | None


def list_decisions(
    session: Session, *, subject: str | None = None, subject_id: int | None = None, limit: int = 100
) -> tuple[DecisionRecord, ...]:
    """This will list what was decided, latest first; about one subject when given."""
    row = models.ComplianceDecisionRow
    query = select(row).order_by(row.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(row.subject == subject, row.subject_id == subject_id)
    return tuple(
        DecisionRecord(
            found.id,
            found.action,
            found.jurisdiction,
            found.allowed,
            found.rule,
            found.citation,
            found.verified,
            found.inputs,
            found.results,
            found.decided_for,
            found.decided_at,
        )
        for found in session.scalars(query)
    )


def list_deadlines(
    session: Session, *, state: str = "OPEN", due_before: datetime | None = None
) -> tuple[Deadline, ...]:
    """This will list deadlines of a state, soonest first."""
    row = models.ComplianceDeadlineRow
    query = select(row).where(row.state == state).order_by(row.due_at, row.id)
    if due_before is not None:
        query = query.where(row.due_at < due_before)
    return tuple(deadline(found) for found in session.scalars(query))


def deadline(row: models.ComplianceDeadlineRow) -> Deadline:
    """This will give a row as the value other packages see."""
    return Deadline(
        row.id,
        row.kind,
        row.subject,
        row.subject_id,
        row.citation,
        row.state,
        row.opened_at,
        row.due_at,
        row.met_at,
    )
