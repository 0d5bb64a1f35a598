"""Reads of requests, their timeline, free time, and appointments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import any_, select
from sqlalchemy.orm import Session

from core import errors
from core.fieldwork import models

TOO_LATE = timedelta(hours=2)  # this close to its start a visit is neither moved nor cancelled
NOTICE = timedelta(hours=2)  # and none is offered that starts sooner than this


@dataclass(frozen=True)
class Slot:
    id: int
    starts_at: datetime
    ends_at: datetime
    free: int


@dataclass(frozen=True)
class RequestUpdate:
    at: datetime
    step: str
    status: str
    note: str | None


@dataclass(frozen=True)
class Appointment:
    id: int
    request_id: int
    request_number: str
    kind: str
    slot_id: int
    starts_at: datetime
    ends_at: datetime
    status: str  # "BOOKED", "CANCELLED", "DONE", "MISSED"
    account_id: int | None
    customer_id: int | None

    def may_change(self, now: datetime) -> bool:
        """This will say whether there is still time to move or cancel it."""
        return self.status == "BOOKED" and self.starts_at - now >= TOO_LATE


@dataclass(frozen=True)
class ServiceRequest:
    id: int
    number: str
    account_id: int | None
    customer_id: int | None
    kind: str
    status: str  # "OPEN", "SCHEDULED", "IN_PROGRESS", "DONE", "CANCELLED"
    description: str
    data: Mapping[str, Any]
    opened_at: datetime
    closed_at: datetime | None
    updates: tuple[RequestUpdate, ...]
    appointment: Appointment | None


def list_requests(session: Session, *, account_id: int, limit: int = 20) -> tuple[ServiceRequest, ...]:
    """This will list an account's requests, latest first."""
    row = models.ServiceRequestRow
    found = session.scalars(
        select(row).where(row.account_id == account_id).order_by(row.opened_at.desc(), row.id.desc()).limit(limit)
    ).all()
    return tuple(_requests(session, list(found)))


def list_open_requests(session: Session, *, kind: str | None = None, limit: int = 200) -> tuple[ServiceRequest, ...]:
    """This will list the requests that wait for somebody, oldest first: for staff."""
    row = models.ServiceRequestRow
    query = select(row).where(row.status.in_(("OPEN", "SCHEDULED", "IN_PROGRESS")))
    if kind is not None:
        query = query.where(row.kind == kind)
    return tuple(_requests(session, list(session.scalars(query.order_by(row.opened_at, row.id).limit(limit)))))


def get_request(session: Session, *, number: str, account_id: int | None = None) -> ServiceRequest:
    """This will give a request by number ("SR-000123", "sr 123"); NotFound, also when it is another account's."""
    digits = "".join(c for c in number if c.isdigit())
    row = session.scalars(
        select(models.ServiceRequestRow).where(models.ServiceRequestRow.number == f"SR-{digits:0>6}")
    ).one_or_none()
    if row is None or (account_id is not None and row.account_id != account_id):
        raise errors.NotFound("request.unknown")
    return _requests(session, [row])[0]


def get_request_by_id(session: Session, *, request_id: int) -> ServiceRequest:
    """This will give a request by its id, or raise NotFound."""
    row = session.get(models.ServiceRequestRow, request_id)
    if row is None:
        raise errors.NotFound("request.unknown")
    return _requests(session, [row])[0]


def list_slots(session: Session, *, kind: str, after: datetime, limit: int = 5) -> tuple[Slot, ...]:
    """This will list windows with room for a kind of work, soonest first; windows of several crews count as one.

    Nothing is offered that starts within two hours after `after`.
    """
    slot, crew = models.CrewSlotRow, models.CrewRow
    rows = session.execute(
        select(slot.id, slot.starts_at, slot.ends_at, (slot.capacity - slot.booked).label("free"))
        .join(crew, crew.id == slot.crew_id)
        .where(
            crew.active,
            any_(crew.skills) == kind,
            slot.starts_at >= after + NOTICE,
            slot.booked < slot.capacity,
        )
        .order_by(slot.starts_at, slot.id)
        .limit(limit * 8)
    )
    windows: dict[tuple[datetime, datetime], Slot] = {}
    for row in rows:
        window = (row.starts_at, row.ends_at)
        first = windows.get(window)
        windows[window] = (
            Slot(row.id, row.starts_at, row.ends_at, row.free)
            if first is None
            else Slot(first.id, first.starts_at, first.ends_at, first.free + row.free)
        )
    return tuple(windows.values())[:limit]


def get_slot(session: Session, *, slot_id: int) -> Slot:
    """This will give a window of a crew's time, or raise NotFound."""
    row = session.get(models.CrewSlotRow, slot_id)
    if row is None:
        raise errors.NotFound("slot.unknown")
    return Slot(row.id, row.starts_at, row.ends_at, row.capacity - row.booked)


def get_appointment(session: Session, *, appointment_id: int, account_id: int | None = None) -> Appointment:
    """This will give an appointment; NotFound, also when it is another account's."""
    found = _appointments(session, models.AppointmentRow.id == appointment_id)
    if not found or (account_id is not None and found[0].account_id != account_id):
        raise errors.NotFound("appointment.unknown")
    return found[0]


def list_appointments(session: Session, *, account_id: int, now: datetime) -> tuple[Appointment, ...]:
    """This will list an account's visits that have not ended, soonest first."""
    return _appointments(
        session,
        models.ServiceRequestRow.account_id == account_id,
        models.AppointmentRow.status == "BOOKED",
        models.CrewSlotRow.ends_at > now,
    )


def list_to_remind(session: Session, *, after: datetime, before: datetime) -> tuple[Appointment, ...]:
    """This will list visits that start in a span and of which nobody was reminded."""
    return _appointments(
        session,
        models.AppointmentRow.status == "BOOKED",
        models.AppointmentRow.reminded_at.is_(None),
        models.CrewSlotRow.starts_at >= after,
        models.CrewSlotRow.starts_at < before,
    )


def _appointments(session: Session, *conditions: Any) -> tuple[Appointment, ...]:
    appointment, request, slot = models.AppointmentRow, models.ServiceRequestRow, models.CrewSlotRow
    rows: Iterable[Any] = session.execute(
        select(
            appointment.id,
            request.id,
            request.number,
            request.kind,
            slot.id,
            slot.starts_at,
            slot.ends_at,
            appointment.status,
            request.account_id,
            request.customer_id,
        )
        .join(request, request.id == appointment.request_id)
        .join(slot, slot.id == appointment.slot_id)
        .where(*conditions)
        .order_by(slot.starts_at, appointment.id)
    )
    return tuple(Appointment(*row) for row in rows)


def _requests(session: Session, rows: list[models.ServiceRequestRow]) -> list[ServiceRequest]:
    ids = [row.id for row in rows]
    updates: dict[int, list[RequestUpdate]] = {}
    for update in session.scalars(
        select(models.RequestUpdateRow)
        .where(models.RequestUpdateRow.request_id.in_(ids))
        .order_by(models.RequestUpdateRow.id)
    ):
        updates.setdefault(update.request_id, []).append(
            RequestUpdate(update.at, update.step, update.status, update.note)
        )
    booked = {
        appointment.request_id: appointment
        for appointment in _appointments(
            session,
            models.AppointmentRow.request_id.in_(ids),
            models.AppointmentRow.status == "BOOKED",
        )
    }
    return [
        ServiceRequest(
            id=row.id,
            number=row.number or "",
            account_id=row.account_id,
            customer_id=row.customer_id,
            kind=row.kind,
            status=row.status,
            description=row.description,
            data=row.data,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
            updates=tuple(updates.get(row.id, ())),
            appointment=booked.get(row.id),
        )
        for row in rows
    ]
