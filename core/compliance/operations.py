"""Decisions kept, and deadlines opened, met and missed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import errors, outbox, periods
from core.compliance import models, queries, rules
from core.compliance.weather import record_weather as record_weather

WARN_BEFORE = timedelta(hours=24)
# kind of deadline -> (rule, what of it, in what)
CLOCKS: Mapping[str, tuple[str, str, str]] = {
    "DSAR_ACKNOWLEDGE": ("dsar", "acknowledge_business_days", "BUSINESS_DAYS"),
    "DSAR_ANSWER": ("dsar", "answer_days", "DAYS"),
    "OPT_OUT": ("opt_out", "business_days", "BUSINESS_DAYS"),
    "DOE_417_ALERT": ("doe_417_alert", "hours", "HOURS"),
    "DOE_417_NORMAL": ("doe_417_normal", "hours", "HOURS"),
    "DOE_417_FINAL": ("doe_417_final", "hours", "HOURS"),
    "RECONNECT": ("reconnect", "hours", "HOURS"),
}


def evaluate(
    session: Session | None,
    action: str,
    facts: Mapping[str, Any],
    on: date,
    *,
    subject: str | None = None,
    subject_id: int | None = None,
    now: datetime | None = None,
) -> rules.Decision:
    """This will decide an action by the rules in force on a day, and keep the decision when given a session.

    `facts` names the jurisdiction and what the action needs, see `core.compliance.rules`.
    """
    decision = rules.decide(action, facts, on)
    if session is None:
        return decision
    row = models.ComplianceDecisionRow(
        action=action,
        jurisdiction=decision.jurisdiction,
        allowed=decision.allowed,
        rule=decision.rule,
        citation=decision.citation,
        verified=decision.verified,
        inputs=_plain(decision.inputs),
        results=_plain(decision.results),
        subject=subject,
        subject_id=subject_id,
        decided_for=on,
        decided_at=now or periods.midnight(on, "UTC"),
    )
    session.add(row)
    session.flush()
    return replace(decision, id=row.id)


def open_deadline(
    session: Session,
    *,
    kind: str,
    subject: str,
    subject_id: int,
    key: str,
    jurisdiction: str,
    timezone: str,
    now: datetime,
    holidays: frozenset[date] = frozenset(),
) -> queries.Deadline:
    """This will start a clock: due at the end of its last civil day, or to the minute when it runs in hours.

    The same key again gives the first one.
    """
    known = _by_key(session, key)
    if known is not None:
        return queries.deadline(known)
    if kind not in CLOCKS:
        raise errors.Invalid("compliance.deadline", kind=kind)
    name, value, unit = CLOCKS[kind]
    today = periods.civil_day(now, timezone)
    found = rules.rule(jurisdiction, name, today)
    count = found.days(value)
    if unit == "HOURS":
        due_at = now + timedelta(hours=count)
    else:
        last = (
            rules.add_business_days(today, count, holidays)
            if unit == "BUSINESS_DAYS"
            else today + timedelta(days=count)
        )
        due_at = periods.midnight(last + timedelta(days=1), timezone)
    row = models.ComplianceDeadlineRow(
        key=key,
        kind=kind,
        subject=subject,
        subject_id=subject_id,
        citation=found.citation,
        opened_at=now,
        due_at=due_at,
    )
    session.add(row)
    session.flush()
    _tell(session, "deadline.opened", row, now)
    return queries.deadline(row)


def open_dsar(
    session: Session, *, request_id: int, key: str, jurisdiction: str, timezone: str, now: datetime
) -> tuple[queries.Deadline, queries.Deadline]:
    """This will start both clocks of a privacy request: acknowledge it, and answer it."""
    first, second = (
        open_deadline(
            session,
            kind=kind,
            subject="request",
            subject_id=request_id,
            key=f"{key}:{kind}",
            jurisdiction=jurisdiction,
            timezone=timezone,
            now=now,
        )
        for kind in ("DSAR_ACKNOWLEDGE", "DSAR_ANSWER")
    )
    return first, second


def meet_deadline(session: Session, *, deadline_id: int, now: datetime) -> queries.Deadline:
    """This will mark a clock as met; one met late stays MISSED, with the time it was met."""
    row = _locked(session, deadline_id)
    if row.met_at is None and row.state != "CANCELLED":
        row.met_at = now
        if row.state == "OPEN":
            row.state = "MET" if now < row.due_at else "MISSED"
        session.flush()
        _tell(session, "deadline.met", row, now)
    return queries.deadline(row)


def watch_deadlines(session: Session, *, now: datetime) -> tuple[int, int]:
    """This will warn of clocks that run out within a day and mark those that have; gives (warned, missed)."""
    rows = session.scalars(
        select(models.ComplianceDeadlineRow)
        .where(
            models.ComplianceDeadlineRow.state == "OPEN",
            models.ComplianceDeadlineRow.due_at < now + WARN_BEFORE,
        )
        .order_by(models.ComplianceDeadlineRow.id)
        .with_for_update(skip_locked=True)
    ).all()
    warned = missed = 0
    for row in rows:
        if row.due_at <= now:
            row.state = "MISSED"
            missed += 1
            _tell(session, "deadline.missed", row, now)
        elif row.warned_at is None:
            row.warned_at = now
            warned += 1
            _tell(session, "deadline.near", row, now)
    session.flush()
    return warned, missed


def _tell(session: Session, name: str, row: models.ComplianceDeadlineRow, now: datetime) -> None:
    outbox.record_fact(
        session, name, key=f"deadline:{row.id}", payload={"deadline_id": row.id, "kind": row.kind}, now=now
    )


def _by_key(session: Session, key: str) -> models.ComplianceDeadlineRow | None:
    return session.scalars(
        select(models.ComplianceDeadlineRow).where(models.ComplianceDeadlineRow.key == key)
    ).one_or_none()


def _locked(session: Session, deadline_id: int) -> models.ComplianceDeadlineRow:
    row = session.get(models.ComplianceDeadlineRow, deadline_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("deadline.unknown")
    return row


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dates and amounts become text: the row must be readable in twenty years."""
    kept = {name: sorted(value) if isinstance(value, (set, frozenset)) else value for name, value in values.items()}
    return dict(json.loads(json.dumps(kept, default=str)))
