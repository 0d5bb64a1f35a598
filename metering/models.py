"""Rows of metering: meters and what they read.

A day of reads is one row: little-endian int32 Wh for each interval of a UTC day, and one quality byte each.
The number of values tells the interval: 24 (60 minutes), 48 (30), 96 (15) or 288 (5). Days are kept in a partition for
each month (metering/partitions.py); a day of a month that has none lies in the default partition until it gets one.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    column,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core import db
from metering import alerts, ddl

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class MeterRow(db.Base):
    """A device at a service point, from `installed_on` (in) to `removed_on` (out).

    Without an interval it has a register only. A device that counts both ways is two rows of one number.
    """

    __tablename__ = "meter"
    __table_args__ = (
        CheckConstraint("direction IN ('DELIVERED', 'RECEIVED')", name="direction"),
        CheckConstraint("interval_minutes IN (5, 15, 30, 60)", name="interval_minutes"),
        CheckConstraint("digits BETWEEN 3 AND 9", name="digits"),
        CheckConstraint("multiplier > 0", name="multiplier"),
        CheckConstraint("removed_on IS NULL OR removed_on >= installed_on", name="removed_on"),
        UniqueConstraint("number", "direction"),
        ExcludeConstraint(
            (column("service_point_id"), "="),
            (column("direction"), "="),
            (text("daterange(installed_on, removed_on)"), "&&"),
            name="ex_meter_one_at_a_time",
            using="gist",
        ),
        {"postgresql_with": {"fillfactor": "50"}},  # `last_read_at` moves with every read: room to do so in place
    )

    id: Mapped[int] = db.primary_key()
    number: Mapped[str]
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
        CheckConstraint("octet_length(wh) IN (96, 192, 384, 1152)", name="wh"),
        CheckConstraint("octet_length(quality) * 4 = octet_length(wh)", name="quality"),
        CheckConstraint(
            "octet_length(raw) = octet_length(wh) AND octet_length(rule) = octet_length(quality)", name="raw"
        ),
        CheckConstraint("(raw IS NULL) = (rule IS NULL)", name="rule"),
        Index("ix_read_day_unjudged", "day", postgresql_where=text("judged_at IS NULL")),
        {"postgresql_partition_by": "RANGE (day)"},
    )

    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, default=1)
    wh: Mapped[bytes] = mapped_column(LargeBinary)
    quality: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime]
    # where a rule or a person changed a value: as it came, and one metering.originals code each; else both are null
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    rule: Mapped[bytes | None] = mapped_column(LargeBinary)
    judged_at: Mapped[datetime | None]  # by validation, as it stands; a trigger clears it when the values change


class ReadDayVersionRow(db.Base):
    """What stood in a day before a read that was already good was replaced: the trail of corrections."""

    __tablename__ = "read_day_version"
    __table_args__ = ({"postgresql_partition_by": "RANGE (day)"},)

    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    wh: Mapped[bytes] = mapped_column(LargeBinary)
    quality: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime]
    replaced_at: Mapped[datetime]
    replaced_by: Mapped[str]
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    rule: Mapped[bytes | None] = mapped_column(LargeBinary)


class ReadBatchRow(db.Base):
    """A file or a message of reads; the digest of its bytes stops it from being loaded twice.

    Its counts add up, of what is done: `position` says how far that is, and there a load that broke off goes on.
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
    position: Mapped[int] = mapped_column(default=0)  # of runs, dials and unreadable lines, those that are done
    finished_at: Mapped[datetime | None]


class ReadExceptionRow(db.Base):
    """A read that was not stored, or was but wants a look, and why.

    With a `day` it is a finding of validation on that UTC day of a meter: one row, however often the day is judged.
    """

    __tablename__ = "read_exception"
    __table_args__ = (
        CheckConstraint(
            "code IN ('UNKNOWN_METER', 'UNREADABLE', 'OUTSIDE_METER', 'NEGATIVE', 'TOO_HIGH', 'PULSE_OVERFLOW',"
            " 'SPIKE', 'ZERO', 'FLAT', 'HIGH_USE', 'LOW_USE', 'UNUSUAL_USE', 'UNIT', 'GAP', 'DST_HOUR',"
            " 'DUPLICATE_DAY', 'INTERVAL_SIZE', 'REGISTER_SUM', 'MULTIPLIER', 'DIAL_BACK', 'NO_AGREEMENT',"
            " 'METER_OVERLAP', 'NO_GENERATION', 'REVERSE_ROTATION', 'SIBLING_MISSING',"
            " 'PROLONGED_ESTIMATION', 'REPLACED', 'FUTURE', 'WRONG_INTERVAL', 'OFF_GRID', 'DUPLICATE',"
            " 'LOWER_THAN_PREVIOUS')",
            name="code",
        ),
        CheckConstraint("severity IN ('E', 'W', 'I')", name="severity"),
        CheckConstraint(
            "resolution IS NULL OR resolved_at IS NOT NULL AND"
            " resolution IN ('ACCEPTED', 'ESTIMATED', 'EDITED', 'OVERTAKEN', 'NOTED')",
            name="resolution",
        ),
        Index("ix_read_exception_open", "recorded_at", postgresql_where=text("resolved_at IS NULL")),
        Index(
            "ix_read_exception_gap",
            "day",
            postgresql_where=text("code = 'GAP' AND (resolution IS NULL OR resolution = 'NOTED')"),
        ),
        Index(
            "uq_read_exception_meter_id_day_code",
            "meter_id",
            "day",
            "code",
            unique=True,
            postgresql_where=text("day IS NOT NULL"),
        ),
    )

    id: Mapped[int] = db.primary_key()
    meter_id: Mapped[int | None] = mapped_column(ForeignKey("meter.id"), index=True)
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("read_batch.id"), index=True)
    code: Mapped[str]
    severity: Mapped[str] = mapped_column(default="E", server_default=text("'E'"))
    day: Mapped[date | None]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    data: Mapped[dict[str, Any]]  # a finding's: measured, limit, unit
    recorded_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolution: Mapped[str | None]
    resolved_by: Mapped[str | None]


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


_ALERT_KINDS = ", ".join(f"'{kind}'" for kind in alerts.KINDS)


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
    """An event of unusual use: told once, on `day`, as far as it was seen then; open until it is over."""

    __tablename__ = "usage_alert"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_ALERT_KINDS})", name="kind"),
        CheckConstraint("ends_at > starts_at", name="ends_at"),
        CheckConstraint("closed_at IS NULL OR closed_at >= starts_at", name="closed_at"),
        CheckConstraint("feedback IN ('OURS', 'PROBLEM')", name="feedback"),
        CheckConstraint("(feedback IS NULL) = (feedback_at IS NULL)", name="feedback_at"),
        Index("uq_usage_alert_service_point_id_day_kind", "service_point_id", "day", "kind", unique=True),
        Index(
            "uq_usage_alert_open", "service_point_id", "kind", unique=True, postgresql_where=text("closed_at IS NULL")
        ),
    )

    id: Mapped[int] = db.primary_key()
    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"))
    day: Mapped[date]
    kind: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]  # up to when it was seen
    closed_at: Mapped[datetime | None]
    excess_wh: Mapped[int]
    expected_wh: Mapped[int]
    score: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    cost_cents: Mapped[int | None]
    feedback: Mapped[str | None]
    feedback_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime]


class AlertPatienceRow(db.Base):
    """How much wider the margins of a place are for one kind of alert, because its people said it was no news."""

    __tablename__ = "alert_patience"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_ALERT_KINDS})", name="kind"),
        CheckConstraint("patience > 1 AND patience <= 2", name="patience"),
    )

    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    patience: Mapped[Decimal] = mapped_column(Numeric(3, 2))
    changed_at: Mapped[datetime]


class UsageWatchRow(db.Base):
    """The last civil day of a place that has been judged."""

    __tablename__ = "usage_watch"

    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"), primary_key=True)
    judged_to: Mapped[date]


for _row in (ReadDayRow, ReadDayVersionRow):
    event.listen(
        db.table(_row),
        "after_create",
        DDL(f"CREATE TABLE {_row.__tablename__}_default PARTITION OF {_row.__tablename__} DEFAULT"),  # type: ignore[no-untyped-call]
    )
for _name, _statements in ddl.AFTER_CREATE.items():
    event.listen(db.Base.metadata.tables[_name], "after_create", DDL(_statements.replace("%", "%%")))  # type: ignore[no-untyped-call]
