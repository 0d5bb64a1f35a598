"""Reads of programs, enrolments, rebates and demand events."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import any_, func, or_, select
from sqlalchemy.orm import Session

from core import errors
from core.programs import models


@dataclass(frozen=True)
class Program:
    """`name_key` and `about_key` are kinds of the catalogue."""

    id: int
    code: str
    kind: str  # "EFFICIENCY", "DEMAND_RESPONSE", "DYNAMIC_PRICING", "ASSISTANCE", "GENERATION"
    name_key: str
    about_key: str
    customer_kinds: tuple[str, ...]
    requires: tuple[str, ...]  # what one must declare: "MEDICAL", "LOW_INCOME"
    tariff_kinds: tuple[str, ...]  # empty: any
    approval: bool
    rebate_amount: Decimal
    saving_kwh: Decimal
    opens_on: date
    closes_on: date | None


@dataclass(frozen=True)
class Enrolment:
    id: int
    account_id: int
    program: Program
    status: str  # "REQUESTED", "ACTIVE", "DECLINED", "ENDED"
    requested_at: datetime
    decided_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class RebateUpdate:
    at: datetime
    status: str
    note: str | None


@dataclass(frozen=True)
class Rebate:
    id: int
    account_id: int
    program: Program
    amount: Decimal
    evidence: str
    status: str  # "CLAIMED", "APPROVED", "PAID", "DECLINED"
    claimed_at: datetime
    paid_at: datetime | None
    updates: tuple[RebateUpdate, ...]


@dataclass(frozen=True)
class DemandEvent:
    id: int
    program: Program
    starts_at: datetime
    ends_at: datetime
    status: str  # "SCHEDULED", "CANCELLED", "DONE"


@dataclass(frozen=True)
class Result:
    """What a program did in a year, for the yearly report. Rebates are those paid; counts are counts of rows."""

    program: Program
    active: int
    joined: int
    rebates: int
    rebates_paid: Decimal
    saved_kwh: Decimal
    saved_kw: Decimal
    potential_kw: Decimal
    life_years: int
    event_kwh: Decimal


def list_programs(session: Session, *, customer_kind: str, on: date) -> tuple[Program, ...]:
    """This will list the programs a kind of customer may join on a day, by code."""
    row = models.ProgramRow
    rows = session.scalars(
        select(row)
        .where(
            any_(row.customer_kinds) == customer_kind,
            row.opens_on <= on,
            or_(row.closes_on.is_(None), row.closes_on > on),
        )
        .order_by(row.code)
    )
    return tuple(program(found) for found in rows)


def get_program(session: Session, *, code: str) -> Program:
    """This will give a program by its code, or raise NotFound."""
    row = session.scalars(select(models.ProgramRow).where(models.ProgramRow.code == code)).one_or_none()
    if row is None:
        raise errors.NotFound("program.unknown")
    return program(row)


def list_codes(session: Session) -> frozenset[str]:
    """This will give the codes of all programs, closed ones too."""
    return frozenset(session.scalars(select(models.ProgramRow.code)))


def list_enrolments(session: Session, *, account_id: int) -> tuple[Enrolment, ...]:
    """This will list an account's enrolments, latest first, ended ones too."""
    row = models.EnrolmentRow
    rows = session.execute(
        select(row, models.ProgramRow)
        .join(models.ProgramRow, models.ProgramRow.id == row.program_id)
        .where(row.account_id == account_id)
        .order_by(row.requested_at.desc(), row.id.desc())
    )
    return tuple(enrolment(found, of) for found, of in rows)


def list_rebates(session: Session, *, account_id: int) -> tuple[Rebate, ...]:
    """This will list an account's rebates with their timelines, latest first."""
    row = models.RebateRow
    rows = session.execute(
        select(row, models.ProgramRow)
        .join(models.ProgramRow, models.ProgramRow.id == row.program_id)
        .where(row.account_id == account_id)
        .order_by(row.claimed_at.desc(), row.id.desc())
    )
    return tuple(rebate(session, found, of) for found, of in rows.all())


def list_events(session: Session, *, account_id: int, now: datetime) -> tuple[DemandEvent, ...]:
    """This will list the demand events to come (or running) that an account takes part in, soonest first."""
    event, part = models.DemandEventRow, models.DemandParticipationRow
    rows = session.execute(
        select(event, models.ProgramRow)
        .join(part, part.event_id == event.id)
        .join(models.ProgramRow, models.ProgramRow.id == event.program_id)
        .where(
            part.account_id == account_id,
            part.answer == "IN",
            event.status == "SCHEDULED",
            event.ends_at > now,
        )
        .order_by(event.starts_at)
    )
    return tuple(DemandEvent(found.id, program(of), found.starts_at, found.ends_at, found.status) for found, of in rows)


def list_participants(session: Session, *, event_id: int) -> tuple[int, ...]:
    """This will list the accounts that take part in a demand event, by id."""
    part = models.DemandParticipationRow
    return tuple(
        session.scalars(
            select(part.account_id).where(part.event_id == event_id, part.answer == "IN").order_by(part.account_id)
        )
    )


def results(session: Session, *, starts_at: datetime, ends_at: datetime) -> tuple[Result, ...]:
    """This will add up every program over a span, by code: who took part, what was paid, what was saved."""
    return tuple(
        _result(session, row, starts_at, ends_at)
        for row in session.scalars(select(models.ProgramRow).order_by(models.ProgramRow.code)).all()
    )


def _result(session: Session, row: models.ProgramRow, starts_at: datetime, ends_at: datetime) -> Result:
    enrolment, rebate_row = models.EnrolmentRow, models.RebateRow
    part, event = models.DemandParticipationRow, models.DemandEventRow
    active = session.execute(
        select(func.count(), func.count().filter(enrolment.decided_at >= starts_at)).where(
            enrolment.program_id == row.id,
            enrolment.status.in_(("ACTIVE", "ENDED")),
            enrolment.decided_at < ends_at,
            or_(enrolment.ended_at.is_(None), enrolment.ended_at >= starts_at),
        )
    ).one()
    paid = session.execute(
        select(func.count(), func.coalesce(func.sum(rebate_row.amount), 0)).where(
            rebate_row.program_id == row.id,
            rebate_row.status == "PAID",
            rebate_row.paid_at >= starts_at,
            rebate_row.paid_at < ends_at,
        )
    ).one()
    events = session.execute(
        select(event.id, func.coalesce(func.sum(part.saved_kwh), 0), func.coalesce(func.sum(part.saved_kw), 0))
        .join(part, part.event_id == event.id)
        .where(
            event.program_id == row.id,
            event.status == "DONE",
            event.starts_at >= starts_at,
            event.starts_at < ends_at,
        )
        .group_by(event.id)
    ).all()
    units = active[1] if row.rebate_amount == 0 else paid[0]
    return Result(
        program=program(row),
        active=active[0],
        joined=active[1],
        rebates=paid[0],
        rebates_paid=Decimal(paid[1] or 0),
        saved_kwh=row.saving_kwh * units,
        saved_kw=max((Decimal(e[2] or 0) for e in events), default=Decimal(0))
        if row.kind == "DEMAND_RESPONSE"
        else row.saving_kw * units,
        potential_kw=row.saving_kw * active[0],
        life_years=row.life_years,
        event_kwh=sum((Decimal(e[1] or 0) for e in events), Decimal(0)),
    )


def program(row: models.ProgramRow) -> Program:
    """This will give a row as the value other packages see."""
    return Program(
        row.id,
        row.code,
        row.kind,
        f"program.{row.code}.name",
        f"program.{row.code}.about",
        tuple(row.customer_kinds),
        tuple(row.requires),
        tuple(row.tariff_kinds),
        row.approval,
        row.rebate_amount,
        row.saving_kwh,
        row.opens_on,
        row.closes_on,
    )


def enrolment(row: models.EnrolmentRow, of: models.ProgramRow) -> Enrolment:
    """This will give a row as the value other packages see."""
    return Enrolment(row.id, row.account_id, program(of), row.status, row.requested_at, row.decided_at, row.ended_at)


def rebate(session: Session, row: models.RebateRow, of: models.ProgramRow) -> Rebate:
    """This will give a row and its timeline as the value other packages see."""
    update: Any = models.RebateUpdateRow
    updates = session.execute(
        select(update.at, update.status, update.note).where(update.rebate_id == row.id).order_by(update.id)
    )
    return Rebate(
        row.id,
        row.account_id,
        program(of),
        row.amount,
        row.evidence,
        row.status,
        row.claimed_at,
        row.paid_at,
        tuple(RebateUpdate(*values) for values in updates),
    )
