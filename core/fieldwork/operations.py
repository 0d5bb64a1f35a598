"""Changes to requests, appointments and work. Locks: request, then slot (two of them in id order)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import any_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import errors, outbox
from core.fieldwork import models, queries

_CLOSED = ("DONE", "CANCELLED")


def open_request(
    session: Session,
    *,
    kind: str,
    account_id: int | None = None,
    customer_id: int | None = None,
    description: str,
    data: Mapping[str, Any] | None = None,
    key: str,
    now: datetime,
) -> queries.ServiceRequest:
    """This will open a request and number it. The same key gives the one it opened before."""
    if kind not in models.KINDS:
        raise errors.Invalid("request.kind", kind=kind)
    new_id = session.scalar(
        insert(models.ServiceRequestRow)
        .values(
            key=key,
            kind=kind,
            status="OPEN",
            account_id=account_id,
            customer_id=customer_id,
            description=description.strip(),
            data=dict(data or {}),
            opened_at=now,
        )
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(models.ServiceRequestRow.id)
    )
    if new_id is None:
        first = session.scalars(select(models.ServiceRequestRow.id).where(models.ServiceRequestRow.key == key)).one()
        return queries.get_request_by_id(session, request_id=first)
    row = session.get_one(models.ServiceRequestRow, new_id)
    row.number = f"SR-{row.id:06d}"
    _note(session, row, "OPENED", now)
    _tell(session, "request.opened", row, now)
    return queries.get_request_by_id(session, request_id=row.id)


def add_update(
    session: Session, *, request_id: int, note: str | None, status: str | None = None, now: datetime
) -> queries.ServiceRequest:
    """This will add to a request's timeline, and move it on when a status is given. Closed ones stay closed."""
    row = _request(session, request_id)
    if row.status in _CLOSED:
        raise errors.Refused("request.closed", number=row.number)
    step = "NOTE"
    if status is not None and status != row.status:
        if status not in ("IN_PROGRESS", *_CLOSED):
            raise errors.Invalid("request.status", status=status)
        row.status = status
        step = {"IN_PROGRESS": "STARTED"}.get(status, status)
        if status in _CLOSED:
            row.closed_at = now
            _settle_visit(session, row, status, now)
    _note(session, row, step, now, note)
    _tell(session, "request.updated", row, now)
    return queries.get_request_by_id(session, request_id=row.id)


def add_crew(session: Session, *, code: str, name: str, skills: Sequence[str], capacity: int = 1) -> int:
    """This will add a crew that does these kinds of requests, and give its id."""
    row = models.CrewRow(code=code, name=name, skills=list(skills), capacity=capacity)
    session.add(row)
    session.flush()
    return row.id


def open_slot(session: Session, *, crew_id: int, starts_at: datetime, ends_at: datetime, capacity: int) -> int | None:
    """This will open a window of a crew's time; None when the crew has one that overlaps."""
    return session.scalar(
        insert(models.CrewSlotRow)
        .values(crew_id=crew_id, starts_at=starts_at, ends_at=ends_at, capacity=capacity, booked=0)
        .on_conflict_do_nothing()
        .returning(models.CrewSlotRow.id)
    )


def book_appointment(
    session: Session, *, request_id: int, slot_id: int, key: str, now: datetime
) -> queries.Appointment:
    """This will book a visit for a request.

    Refused: 'appointment.slot_full', 'appointment.too_late' (the window starts too soon), 'appointment.booked_already'
    (the request has one: move that), 'request.closed'. The same key gives the first booking, even if another slot is
    named.
    """
    request = _request(session, request_id)
    first = _done(session, key)
    if first is not None:
        return first
    if request.status in _CLOSED:
        raise errors.Refused("request.closed", number=request.number)
    if _booked(session, request.id) is not None:
        raise errors.Refused("appointment.booked_already", number=request.number)
    slot = _take(session, slot_id, request.kind, now)
    row = models.AppointmentRow(request_id=request.id, slot_id=slot.id, status="BOOKED", booked_at=now)
    session.add(row)
    try:
        session.flush()
    except IntegrityError as exc:
        raise errors.Refused("appointment.booked_already", number=request.number) from exc
    session.add(models.WorkOrderRow(request_id=request.id, appointment_id=row.id, crew_id=slot.crew_id))
    request.status = "SCHEDULED"
    _note(session, request, "BOOKED", now)
    return _finish(session, row, "BOOK", "appointment.booked", key, now)


def move_appointment(
    session: Session, *, appointment_id: int, slot_id: int, key: str, now: datetime
) -> queries.Appointment:
    """This will move a visit to another window. Refused('appointment.too_late') within two hours of its start."""
    request, row = _visit(session, appointment_id)
    first = _done(session, key)
    if first is not None:
        return first
    old = _changeable(session, row, now)
    if slot_id == old.id:
        return _finish(session, row, "MOVE", None, key, now)
    slot = _take(session, slot_id, request.kind, now, giving_back=old.id)
    old.booked -= 1
    row.slot_id, row.moved_at, row.reminded_at = slot.id, now, None
    order = session.scalars(select(models.WorkOrderRow).where(models.WorkOrderRow.appointment_id == row.id)).one()
    order.crew_id = slot.crew_id
    _note(session, request, "MOVED", now)
    return _finish(session, row, "MOVE", "appointment.moved", key, now)


def cancel_appointment(session: Session, *, appointment_id: int, key: str, now: datetime) -> queries.Appointment:
    """This will cancel a visit; the request stays open. Refused('appointment.too_late') within two hours of it."""
    request, row = _visit(session, appointment_id)
    first = _done(session, key)
    if first is not None:
        return first
    if row.status == "CANCELLED":
        return _finish(session, row, "CANCEL", None, key, now)
    slot = _changeable(session, row, now)
    _release(session, row, slot.id, now)
    request.status = "OPEN"
    _note(session, request, "APPOINTMENT_CANCELLED", now)
    return _finish(session, row, "CANCEL", "appointment.cancelled", key, now)


def mark_reminded(session: Session, *, appointment_id: int, now: datetime) -> bool:
    """This will record that a reminder is due (fact appointment.reminder), once per visit; False when it was."""
    row = session.get(models.AppointmentRow, appointment_id, with_for_update={"skip_locked": True})
    if row is None or row.status != "BOOKED" or row.reminded_at is not None:
        return False
    row.reminded_at = now
    session.flush()
    _tell_visit(session, "appointment.reminder", row.id, now)
    return True


def _visit(session: Session, appointment_id: int) -> tuple[models.ServiceRequestRow, models.AppointmentRow]:
    row = session.get(models.AppointmentRow, appointment_id)
    if row is None:
        raise errors.NotFound("appointment.unknown")
    request = _request(session, row.request_id)
    session.refresh(row, with_for_update=True)
    return request, row


def _changeable(session: Session, row: models.AppointmentRow, now: datetime) -> models.CrewSlotRow:
    slot = session.get_one(models.CrewSlotRow, row.slot_id)
    if row.status != "BOOKED":
        raise errors.Refused("appointment.closed")
    if slot.starts_at - now < queries.TOO_LATE:
        raise errors.Refused("appointment.too_late", starts_at=slot.starts_at)
    return slot


def _take(
    session: Session, slot_id: int, kind: str, now: datetime, *, giving_back: int | None = None
) -> models.CrewSlotRow:
    """This will take one place in a window. When this crew has none left, another crew's same window does as well.

    Every row that may change is locked in one go, in id order: `giving_back` among them.
    """
    wanted = session.get(models.CrewSlotRow, slot_id)
    if wanted is None:
        raise errors.NotFound("slot.unknown")
    if wanted.starts_at - now < queries.NOTICE:
        raise errors.Refused("appointment.too_late", starts_at=wanted.starts_at)
    slot, crew = models.CrewSlotRow, models.CrewRow
    window = (slot.starts_at == wanted.starts_at) & (slot.ends_at == wanted.ends_at)
    locked = session.scalars(
        select(slot)
        .join(crew, crew.id == slot.crew_id)
        .where(or_(window & crew.active & (any_(crew.skills) == kind), slot.id == giving_back))
        .order_by(slot.id)
        .with_for_update(of=slot)
        .execution_options(populate_existing=True)
    ).all()
    free = [row for row in locked if row.id != giving_back and row.booked < row.capacity]
    if not free:
        raise errors.Refused("appointment.slot_full", starts_at=wanted.starts_at)
    taken = next((row for row in free if row.id == slot_id), free[0])
    taken.booked += 1
    session.flush()
    return taken


def _release(session: Session, row: models.AppointmentRow, slot_id: int, now: datetime) -> None:
    slot = session.get_one(models.CrewSlotRow, slot_id, with_for_update=True, populate_existing=True)
    slot.booked -= 1
    row.status, row.cancelled_at = "CANCELLED", now
    for order in session.scalars(select(models.WorkOrderRow).where(models.WorkOrderRow.appointment_id == row.id)):
        order.status = "CANCELLED"
    session.flush()


def _settle_visit(session: Session, request: models.ServiceRequestRow, status: str, now: datetime) -> None:
    """A request that ends takes its visit with it: done when it is done, given back when it is cancelled."""
    row = _booked(session, request.id)
    if row is None:
        return
    if status == "CANCELLED":
        _release(session, row, row.slot_id, now)
        _tell_visit(session, "appointment.cancelled", row.id, now)
        return
    row.status = "DONE"
    for order in session.scalars(select(models.WorkOrderRow).where(models.WorkOrderRow.appointment_id == row.id)):
        order.status, order.done_at = "DONE", now
    session.flush()


def _booked(session: Session, request_id: int) -> models.AppointmentRow | None:
    return session.scalars(
        select(models.AppointmentRow).where(
            models.AppointmentRow.request_id == request_id, models.AppointmentRow.status == "BOOKED"
        )
    ).one_or_none()


def _done(session: Session, key: str) -> queries.Appointment | None:
    row = session.scalars(
        select(models.AppointmentActionRow).where(models.AppointmentActionRow.key == key)
    ).one_or_none()
    if row is None:
        return None
    now_stands = queries.get_appointment(session, appointment_id=row.appointment_id)
    kept = row.result
    return queries.Appointment(
        id=now_stands.id,
        request_id=now_stands.request_id,
        request_number=now_stands.request_number,
        kind=now_stands.kind,
        slot_id=kept["slot_id"],
        starts_at=datetime.fromisoformat(kept["starts_at"]),
        ends_at=datetime.fromisoformat(kept["ends_at"]),
        status=kept["status"],
        account_id=now_stands.account_id,
        customer_id=now_stands.customer_id,
    )


def _finish(
    session: Session, row: models.AppointmentRow, action: str, fact: str | None, key: str, now: datetime
) -> queries.Appointment:
    session.flush()
    result = queries.get_appointment(session, appointment_id=row.id)
    session.add(
        models.AppointmentActionRow(
            key=key,
            action=action,
            appointment_id=row.id,
            result={
                "slot_id": result.slot_id,
                "starts_at": result.starts_at.isoformat(),
                "ends_at": result.ends_at.isoformat(),
                "status": result.status,
            },
            at=now,
        )
    )
    session.flush()
    if fact is not None:
        _tell_visit(session, fact, row.id, now)
    return result


def _tell_visit(session: Session, name: str, appointment_id: int, now: datetime) -> None:
    visit = queries.get_appointment(session, appointment_id=appointment_id)
    payload = {
        "appointment_id": visit.id,
        "request_id": visit.request_id,
        "customer_id": visit.customer_id,
        "account_id": visit.account_id,
        "starts_at": visit.starts_at.isoformat(),
        "ends_at": visit.ends_at.isoformat(),
    }
    outbox.record_fact(session, name, key=f"request:{visit.request_id}", payload=payload, now=now)


def _tell(session: Session, name: str, row: models.ServiceRequestRow, now: datetime) -> None:
    outbox.record_fact(session, name, key=f"request:{row.id}", payload={"request_id": row.id}, now=now)


def _note(session: Session, row: models.ServiceRequestRow, step: str, now: datetime, note: str | None = None) -> None:
    session.add(models.RequestUpdateRow(request_id=row.id, step=step, status=row.status, note=note, at=now))
    session.flush()


def _request(session: Session, request_id: int) -> models.ServiceRequestRow:
    row = session.get(models.ServiceRequestRow, request_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise errors.NotFound("request.unknown")
    return row
