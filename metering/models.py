"""Rows of metering: meters and what they read.

A day of reads is one row: little-endian int32 Wh for each interval of a UTC day, and one quality byte each.
The number of values tells the interval: 24 (60 minutes), 48 (30) or 96 (15).
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    column,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core import db

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class MeterRow(db.Base):
    """A device at a service point, from `installed_on` (in) to `removed_on` (out).

    Without an interval it has a register only.
    """

    __tablename__ = "meter"
    __table_args__ = (
        CheckConstraint("direction IN ('DELIVERED', 'RECEIVED')", name="direction"),
        CheckConstraint("interval_minutes IN (15, 30, 60)", name="interval_minutes"),
        CheckConstraint("digits BETWEEN 3 AND 9", name="digits"),
        CheckConstraint("multiplier > 0", name="multiplier"),
        CheckConstraint("removed_on IS NULL OR removed_on >= installed_on", name="removed_on"),
        ExcludeConstraint(
            (column("service_point_id"), "="),
            (column("direction"), "="),
            (text("daterange(installed_on, removed_on)"), "&&"),
            name="ex_meter_one_at_a_time",
            using="gist",
        ),
    )

    id: Mapped[int] = db.primary_key()
    number: Mapped[str] = mapped_column(unique=True)
    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"), index=True)
    interval_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    installed_on: Mapped[date]
    removed_on: Mapped[date | None]
    digits: Mapped[int] = mapped_column(SmallInteger, default=6)
    multiplier: Mapped[Decimal] = mapped_column(Numeric(10, 3), default=Decimal(1))
    direction: Mapped[str] = mapped_column(default="DELIVERED")
    last_read_at: Mapped[datetime | None]  # end of the newest interval that is not missing


class RegisterReadRow(db.Base):
    """What the dial of a meter showed, in register units (kWh x 1/multiplier)."""

    __tablename__ = "register_read"
    __table_args__ = (
        CheckConstraint("quality IN ('ACTUAL', 'ESTIMATED', 'EDITED', 'CUSTOMER')", name="quality"),
        CheckConstraint("value >= 0", name="value"),
        Index("uq_register_read_meter_id_read_at", "meter_id", "read_at", unique=True),
    )

    id: Mapped[int] = db.primary_key()
    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"))
    read_at: Mapped[datetime]
    value: Mapped[Decimal] = mapped_column(Numeric(12, 3))
    quality: Mapped[str]
    source: Mapped[str]
    recorded_at: Mapped[datetime]


class ReadDayRow(db.Base):
    """The reads of one meter on one UTC day, as they stand."""

    __tablename__ = "read_day"
    __table_args__ = (
        CheckConstraint("octet_length(wh) IN (96, 192, 384)", name="wh"),
        CheckConstraint("octet_length(quality) * 4 = octet_length(wh)", name="quality"),
        {"postgresql_with": {"fillfactor": "90"}},
    )

    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, default=1)
    wh: Mapped[bytes] = mapped_column(LargeBinary)
    quality: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime]


class ReadDayVersionRow(db.Base):
    """What stood in a day before a read that was already good was replaced: the trail of corrections."""

    __tablename__ = "read_day_version"

    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    wh: Mapped[bytes] = mapped_column(LargeBinary)
    quality: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime]
    replaced_at: Mapped[datetime]
    replaced_by: Mapped[str]


class ReadBatchRow(db.Base):
    """A file or a message of reads; the digest of its bytes stops it from being loaded twice.

    Its counts add up.
    """

    __tablename__ = "read_batch"
    __table_args__ = (CheckConstraint("read = stored + unchanged + excepted + unreadable", name="adds_up"),)

    id: Mapped[int] = db.primary_key()
    source: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    received_at: Mapped[datetime]
    read: Mapped[int] = mapped_column(default=0)
    stored: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    excepted: Mapped[int] = mapped_column(default=0)
    unreadable: Mapped[int] = mapped_column(default=0)


class ReadExceptionRow(db.Base):
    """A read that was not stored, or was but wants a look, and why."""

    __tablename__ = "read_exception"
    __table_args__ = (
        CheckConstraint(
            "code IN ('NEGATIVE', 'TOO_HIGH', 'OUTSIDE_METER', 'UNKNOWN_METER', 'UNREADABLE')", name="code"
        ),
        Index("ix_read_exception_open", "recorded_at", postgresql_where=text("resolved_at IS NULL")),
    )

    id: Mapped[int] = db.primary_key()
    meter_id: Mapped[int | None] = mapped_column(ForeignKey("meter.id"), index=True)
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("read_batch.id"), index=True)
    code: Mapped[str]
    starts_at: Mapped[datetime | None]
    data: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]


class SubmittedReadingRow(db.Base):
    """A reading a customer gave, and what became of it."""

    __tablename__ = "submitted_reading"
    __table_args__ = (
        CheckConstraint("status IN ('ACCEPTED', 'CHECK', 'REJECTED')", name="status"),
        CheckConstraint("(status = 'ACCEPTED') = (reason IS NULL)", name="reason"),
    )

    id: Mapped[int] = db.primary_key()
    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"), index=True)
    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"), index=True)
    value: Mapped[str]
    source: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str]
    reason: Mapped[str | None]
    usage_wh: Mapped[int | None] = mapped_column(BigInteger)
    previous_value: Mapped[Decimal | None] = mapped_column(Numeric(12, 3))
    submitted_at: Mapped[datetime]


class SimilarHomesRow(db.Base):
    """What homes that are alike use a day, over some days; made by a job. Groups that may not be shown have no row."""

    __tablename__ = "similar_homes"
    __table_args__ = (
        CheckConstraint("homes > 0", name="homes"),
        CheckConstraint("starts_on < ends_on", name="days"),
        CheckConstraint("frugal_wh >= 0 AND mean_wh > 0", name="wh"),
    )

    county: Mapped[str] = mapped_column(primary_key=True)
    dwelling: Mapped[str] = mapped_column(primary_key=True)  # metering.peers: Group
    size: Mapped[str] = mapped_column(primary_key=True)
    heating: Mapped[str] = mapped_column(primary_key=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    homes: Mapped[int]
    mean_wh: Mapped[int]
    frugal_wh: Mapped[int]
    computed_at: Mapped[datetime]


class UsageAlertRow(db.Base):
    """Use that was out of the ordinary on a civil day."""

    __tablename__ = "usage_alert"
    __table_args__ = (
        CheckConstraint("kind IN ('SPIKE', 'HIGH_DAY', 'STEP_UP', 'NIGHT_BASE', 'FLAT', 'ZERO')", name="kind"),
        Index("uq_usage_alert_service_point_id_day_kind", "service_point_id", "day", "kind", unique=True),
    )

    id: Mapped[int] = db.primary_key()
    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"))
    day: Mapped[date]
    kind: Mapped[str]
    excess_wh: Mapped[int]
    expected_wh: Mapped[int]
    score: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    recorded_at: Mapped[datetime]
