"""Changes to programs: join, leave, claim, decide, call demand events. Eligibility is what the program's row says."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import errors, outbox
from core.accounts import queries as accounts
from core.programs import models, queries

_NEXT = {"CLAIMED": ("APPROVED", "DECLINED"), "APPROVED": ("PAID", "DECLINED"), "PAID": (), "DECLINED": ()}


def add_program(
    session: Session,
    *,
    code: str,
    kind: str,
    customer_kinds: Sequence[str],
    opens_on: date,
    closes_on: date | None = None,
    requires: Sequence[str] = (),
    tariff_kinds: Sequence[str] = (),
    approval: bool = False,
    rebate_amount: Decimal = Decimal(0),
    saving_kwh: Decimal = Decimal(0),
    saving_kw: Decimal = Decimal(0),
    life_years: int = 1,
) -> queries.Program:
    """This will put a program into the catalogue; its name and description stand in the wording catalogues."""
    row = models.ProgramRow(
        code=code,
        kind=kind,
        customer_kinds=list(customer_kinds),
        requires=list(requires),
        tariff_kinds=list(tariff_kinds),
        approval=approval,
        opens_on=opens_on,
        closes_on=closes_on,
        rebate_amount=rebate_amount,
        saving_kwh=saving_kwh,
        saving_kw=saving_kw,
        life_years=life_years,
    )
    session.add(row)
    session.flush()
    return queries.program(row)


def enroll(
    session: Session,
    *,
    account_id: int,
    program_code: str,
    key: str,
    now: datetime,
    declared: Collection[str] = (),
    tariff_kind: str | None = None,
) -> queries.Enrolment:
    """This will enrol an account in a program.

    `declared` names what the customer says of the household: "LOW_INCOME", "MEDICAL" (equipment on file counts too).
    A program bound to kinds of tariff wants the account's `tariff_kind`. Refused: 'program.closed',
    'program.customer_kind', 'program.tariff', 'program.declaration' (data: what is missing) and
    'program.enrolled_already'. The same key gives the first enrolment.
    """
    known = _by_key(session, key)
    if known is not None:
        return known
    program = _program(session, program_code)
    account = accounts.get_account(session, account_id=account_id)
    if account.status != "ACTIVE":
        raise errors.Refused("account.closed")
    medical = accounts.get_customer(session, customer_id=account.customer_id).medical_equipment
    said = {*declared, *(["MEDICAL"] if medical else [])}
    _check(program, account.customer_kind, tariff_kind, said, now.date())
    status = "REQUESTED" if program.approval else "ACTIVE"
    new_id = session.scalar(
        insert(models.EnrolmentRow)
        .values(
            key=key,
            account_id=account_id,
            program_id=program.id,
            status=status,
            declared=dict.fromkeys(program.requires, True),
            requested_at=now,
            decided_at=None if program.approval else now,
        )
        .on_conflict_do_nothing()
        .returning(models.EnrolmentRow.id)
    )
    if new_id is None:
        raced = _by_key(session, key)
        if raced is not None:
            return raced
        raise errors.Refused("program.enrolled_already", program=program_code)
    row = session.get_one(models.EnrolmentRow, new_id)
    _tell(session, "program.enrolled", account_id, {"enrolment_id": row.id, "program": program.code}, now)
    return queries.enrolment(row, program)


def decide_enrolment(session: Session, *, enrolment_id: int, approved: bool, now: datetime) -> queries.Enrolment:
    """This will answer a request to join; Refused when it has been answered otherwise."""
    row, program = _enrolment(session, enrolment_id)
    status = "ACTIVE" if approved else "DECLINED"
    if row.status == status:
        return queries.enrolment(row, program)
    if row.status != "REQUESTED":
        raise errors.Refused("program.decided_already")
    row.status, row.decided_at = status, now
    session.flush()
    name = "program.enrolled" if approved else "program.declined"
    _tell(session, name, row.account_id, {"enrolment_id": row.id, "program": program.code}, now)
    return queries.enrolment(row, program)


def end_enrolment(session: Session, *, enrolment_id: int, account_id: int, now: datetime) -> queries.Enrolment:
    """This will take an account out of a program; twice is once."""
    row, program = _enrolment(session, enrolment_id)
    if row.account_id != account_id:
        raise errors.NotFound("enrolment.unknown")
    if row.status in ("REQUESTED", "ACTIVE"):
        row.status, row.ended_at = "ENDED", now
        session.flush()
        _tell(session, "program.left", row.account_id, {"enrolment_id": row.id, "program": program.code}, now)
    return queries.enrolment(row, program)


def claim_rebate(
    session: Session, *, account_id: int, program_code: str, evidence: str, key: str, now: datetime
) -> queries.Rebate:
    """This will claim a program's rebate against a receipt or serial number, which is paid for once.

    Refused: 'rebate.none' (the program pays none), 'rebate.not_enrolled', 'rebate.claimed_already'.
    """
    known = session.scalars(select(models.RebateRow).where(models.RebateRow.key == key)).one_or_none()
    program = _program(session, program_code)
    if known is not None:
        return queries.rebate(session, known, session.get_one(models.ProgramRow, known.program_id))
    if program.rebate_amount <= 0:
        raise errors.Refused("rebate.none", program=program_code)
    evidence = evidence.strip().upper()
    if not evidence:
        raise errors.Invalid("rebate.evidence")
    enrolled = session.scalar(
        select(models.EnrolmentRow.id).where(
            models.EnrolmentRow.account_id == account_id,
            models.EnrolmentRow.program_id == program.id,
            models.EnrolmentRow.status == "ACTIVE",
        )
    )
    if enrolled is None:
        raise errors.Refused("rebate.not_enrolled", program=program_code)
    new_id = session.scalar(
        insert(models.RebateRow)
        .values(
            key=key,
            account_id=account_id,
            program_id=program.id,
            amount=program.rebate_amount,
            evidence=evidence,
            status="CLAIMED",
            claimed_at=now,
        )
        .on_conflict_do_nothing()
        .returning(models.RebateRow.id)
    )
    if new_id is None:
        raise errors.Refused("rebate.claimed_already", evidence=evidence)
    row = session.get_one(models.RebateRow, new_id)
    _step(session, row, None, now)
    return queries.rebate(session, row, program)


def advance_rebate(
    session: Session, *, rebate_id: int, status: str, note: str | None = None, now: datetime
) -> queries.Rebate:
    """This will move a rebate on: CLAIMED to APPROVED to PAID, or to DECLINED before it is paid. Twice is once."""
    row = session.get(models.RebateRow, rebate_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("rebate.unknown")
    program = session.get_one(models.ProgramRow, row.program_id)
    if row.status != status:
        if status not in _NEXT[row.status]:
            raise errors.Refused("rebate.step", now=row.status, wanted=status)
        row.status = status
        row.paid_at = now if status == "PAID" else None
        _step(session, row, note, now)
    return queries.rebate(session, row, program)


def call_event(
    session: Session, *, program_code: str, starts_at: datetime, ends_at: datetime, key: str, now: datetime
) -> queries.DemandEvent:
    """This will call a demand event: everybody active in the program takes part unless they say no."""
    program = _program(session, program_code)
    known = session.scalars(select(models.DemandEventRow).where(models.DemandEventRow.key == key)).one_or_none()
    if known is not None:
        return _event(known, session.get_one(models.ProgramRow, known.program_id))
    if program.kind != "DEMAND_RESPONSE":
        raise errors.Invalid("program.no_events", program=program_code)
    if not now < starts_at < ends_at:
        raise errors.Invalid("program.event_dates")
    row = models.DemandEventRow(key=key, program_id=program.id, starts_at=starts_at, ends_at=ends_at, announced_at=now)
    session.add(row)
    session.flush()
    members = session.scalars(
        select(models.EnrolmentRow.account_id)
        .where(models.EnrolmentRow.program_id == program.id, models.EnrolmentRow.status == "ACTIVE")
        .order_by(models.EnrolmentRow.account_id)
    ).all()
    session.add_all([models.DemandParticipationRow(event_id=row.id, account_id=member) for member in members])
    session.flush()
    payload = {"event_id": row.id, "program": program.code}
    outbox.record_fact(session, "demand.called", key=f"demand:{row.id}", payload=payload, now=now)
    return _event(row, program)


def answer_event(session: Session, *, event_id: int, account_id: int, taking_part: bool, now: datetime) -> None:
    """This will note that an account sits an event out, or is in again; Refused once it has begun."""
    event = session.get(models.DemandEventRow, event_id)
    part = session.scalars(
        select(models.DemandParticipationRow)
        .where(
            models.DemandParticipationRow.event_id == event_id,
            models.DemandParticipationRow.account_id == account_id,
        )
        .with_for_update()
    ).one_or_none()
    if event is None or part is None:
        raise errors.NotFound("demand.unknown")
    if event.starts_at <= now or event.status != "SCHEDULED":
        raise errors.Refused("demand.begun")
    part.answer = "IN" if taking_part else "OUT"
    session.flush()


def close_event(
    session: Session, *, event_id: int, saved: Mapping[int, tuple[Decimal, Decimal]], now: datetime
) -> queries.DemandEvent:
    """This will close an event that has ended, with what each account saved: (kWh, kW) by account id."""
    event = session.get(models.DemandEventRow, event_id, with_for_update=True)
    if event is None:
        raise errors.NotFound("demand.unknown")
    if event.status == "SCHEDULED":
        if now < event.ends_at:
            raise errors.Refused("demand.running")
        part = models.DemandParticipationRow
        for row in session.scalars(select(part).where(part.event_id == event_id, part.answer == "IN")).all():
            if row.account_id in saved:
                row.saved_kwh, row.saved_kw = saved[row.account_id]
        event.status = "DONE"
        session.flush()
        outbox.record_fact(session, "demand.closed", key=f"demand:{event.id}", payload={"event_id": event.id}, now=now)
    return _event(event, session.get_one(models.ProgramRow, event.program_id))


def _check(
    program: models.ProgramRow, customer_kind: str, tariff_kind: str | None, said: Collection[str], on: date
) -> None:
    if on < program.opens_on or (program.closes_on is not None and on >= program.closes_on):
        raise errors.Refused("program.closed", program=program.code)
    if customer_kind not in program.customer_kinds:
        raise errors.Refused("program.customer_kind", program=program.code)
    if program.tariff_kinds and tariff_kind not in program.tariff_kinds:
        raise errors.Refused("program.tariff", program=program.code, needed=list(program.tariff_kinds))
    missing = [name for name in program.requires if name not in said]
    if missing:
        raise errors.Refused("program.declaration", program=program.code, missing=missing)


def _program(session: Session, code: str) -> models.ProgramRow:
    row = session.scalars(select(models.ProgramRow).where(models.ProgramRow.code == code)).one_or_none()
    if row is None:
        raise errors.NotFound("program.unknown")
    return row


def _enrolment(session: Session, enrolment_id: int) -> tuple[models.EnrolmentRow, models.ProgramRow]:
    row = session.get(models.EnrolmentRow, enrolment_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("enrolment.unknown")
    return row, session.get_one(models.ProgramRow, row.program_id)


def _by_key(session: Session, key: str) -> queries.Enrolment | None:
    row = session.scalars(select(models.EnrolmentRow).where(models.EnrolmentRow.key == key)).one_or_none()
    return queries.enrolment(row, session.get_one(models.ProgramRow, row.program_id)) if row else None


def _event(row: models.DemandEventRow, of: models.ProgramRow) -> queries.DemandEvent:
    return queries.DemandEvent(row.id, queries.program(of), row.starts_at, row.ends_at, row.status)


def _step(session: Session, row: models.RebateRow, note: str | None, now: datetime) -> None:
    session.add(models.RebateUpdateRow(rebate_id=row.id, status=row.status, note=note, at=now))
    session.flush()
    _tell(session, f"rebate.{row.status.lower()}", row.account_id, {"rebate_id": row.id}, now)


def _tell(session: Session, name: str, account_id: int, payload: Mapping[str, Any], now: datetime) -> None:
    outbox.record_fact(
        session, name, key=f"account:{account_id}", payload={**payload, "account_id": account_id}, now=now
    )
