"""Rows of work asked for and done: requests and their timeline, crews and their time, appointments, work orders."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, column, text
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core import db

KINDS = (
    "NEW_CONNECTION", "REPAIR", "MAINTENANCE", "METER_TEST", "START_SERVICE", "STOP_SERVICE", "MOVE", "COMPLAINT",
    "DISPUTE", "PRIVACY", "SOLAR", "STREETLIGHT", "TREE", "RECONNECT", "CALLBACK", "DISCONNECT",
)  # fmt: skip


class ServiceRequestRow(db.Base):
    __tablename__ = "service_request"
    __table_args__ = (
        CheckConstraint("kind IN (" + ", ".join(f"'{kind}'" for kind in KINDS) + ")", name="kind"),
        CheckConstraint("status IN ('OPEN', 'SCHEDULED', 'IN_PROGRESS', 'DONE', 'CANCELLED')", name="status"),
        CheckConstraint("(status IN ('DONE', 'CANCELLED')) = (closed_at IS NOT NULL)", name="closed"),
        Index(None, "account_id", "opened_at"),
        Index(None, "status", "opened_at"),
    )

    id: Mapped[int] = db.primary_key()
    number: Mapped[str | None] = mapped_column(unique=True)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(default="OPEN")
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"), index=True)
    description: Mapped[str]
    data: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class RequestUpdateRow(db.Base):
    """One entry of a request's timeline; `step` is a code, `note` what a person wrote."""

    __tablename__ = "request_update"
    __table_args__ = (
        CheckConstraint(
            "step IN ('OPENED', 'BOOKED', 'MOVED', 'APPOINTMENT_CANCELLED', 'STARTED', 'NOTE', 'DONE', 'CANCELLED')",
            name="step",
        ),
        Index(None, "request_id", "id"),
    )

    id: Mapped[int] = db.primary_key()
    request_id: Mapped[int] = mapped_column(ForeignKey("service_request.id"))
    step: Mapped[str]
    status: Mapped[str]
    note: Mapped[str | None]
    at: Mapped[datetime]


class CrewRow(db.Base):
    __tablename__ = "crew"
    __table_args__ = (CheckConstraint("capacity > 0", name="capacity"),)

    id: Mapped[int] = db.primary_key()
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    skills: Mapped[list[str]] = mapped_column(ARRAY(Text()))  # the request kinds it does
    capacity: Mapped[int] = mapped_column(default=1)  # appointments it can hold in one slot
    active: Mapped[bool] = mapped_column(default=True)


class CrewSlotRow(db.Base):
    """A window of a crew's time. `booked` never passes `capacity`: the database says so too."""

    __tablename__ = "crew_slot"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="dates"),
        CheckConstraint("booked >= 0 AND booked <= capacity", name="booked"),
        UniqueConstraint("crew_id", "starts_at"),
        ExcludeConstraint(
            (column("crew_id"), "="),
            (text("tstzrange(starts_at, ends_at, '[)')"), "&&"),
            using="gist",
            name="ex_crew_slot_one_at_a_time",
        ),
        Index(None, "starts_at"),
    )

    id: Mapped[int] = db.primary_key()
    crew_id: Mapped[int] = mapped_column(ForeignKey("crew.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    capacity: Mapped[int]
    booked: Mapped[int] = mapped_column(default=0)


class AppointmentRow(db.Base):
    """A visit agreed on. Moving it changes its slot; a request has at most one that stands."""

    __tablename__ = "appointment"
    __table_args__ = (
        CheckConstraint("status IN ('BOOKED', 'CANCELLED', 'DONE', 'MISSED')", name="status"),
        Index("uq_appointment_one_booked", "request_id", unique=True, postgresql_where=text("status = 'BOOKED'")),
        Index(None, "request_id"),
        Index(None, "slot_id"),
    )

    id: Mapped[int] = db.primary_key()
    request_id: Mapped[int] = mapped_column(ForeignKey("service_request.id"))
    slot_id: Mapped[int] = mapped_column(ForeignKey("crew_slot.id"))
    status: Mapped[str] = mapped_column(default="BOOKED")
    booked_at: Mapped[datetime]
    moved_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]


class WorkOrderRow(db.Base):
    """What a crew is sent to do."""

    __tablename__ = "work_order"
    __table_args__ = (
        CheckConstraint("status IN ('OPEN', 'STARTED', 'DONE', 'CANCELLED')", name="status"),
        UniqueConstraint("appointment_id"),
        Index(None, "request_id"),
        Index(None, "crew_id", "status"),
    )

    id: Mapped[int] = db.primary_key()
    request_id: Mapped[int] = mapped_column(ForeignKey("service_request.id"))
    appointment_id: Mapped[int | None] = mapped_column(ForeignKey("appointment.id"))
    crew_id: Mapped[int] = mapped_column(ForeignKey("crew.id"))
    status: Mapped[str] = mapped_column(default="OPEN")
    completion_note: Mapped[str | None]
    started_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]


class AppointmentActionRow(db.Base):
    """The keys already honoured, with what came of them: the same key again repeats the first result."""

    __tablename__ = "appointment_action"
    __table_args__ = (
        CheckConstraint("action IN ('BOOK', 'MOVE', 'CANCEL')", name="action"),
        Index(None, "appointment_id"),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    action: Mapped[str]
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointment.id"))
    result: Mapped[dict[str, Any]]
    at: Mapped[datetime]
