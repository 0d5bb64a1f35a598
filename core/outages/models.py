"""Rows of the network and what fails in it: feeder, transformer, outages, reports, planned work."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from core import db

STATUSES = "'REPORTED', 'CONFIRMED', 'CREW_ASSIGNED', 'RESTORED', 'MERGED'"
CAUSES = "'UNKNOWN', 'WEATHER', 'TREE', 'EQUIPMENT', 'ANIMAL', 'VEHICLE', 'LOSS_OF_SUPPLY', 'PLANNED', 'OTHER'"
CREW_STATUSES = "'UNASSIGNED', 'ASSIGNED', 'EN_ROUTE', 'ON_SITE', 'DONE'"


class FeederRow(db.Base):
    __tablename__ = "feeder"

    id: Mapped[int] = db.primary_key()
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    substation: Mapped[str]
    postcodes: Mapped[list[str]] = mapped_column(ARRAY(Text()))


class TransformerRow(db.Base):
    __tablename__ = "transformer"

    id: Mapped[int] = db.primary_key()
    feeder_id: Mapped[int] = mapped_column(ForeignKey("feeder.id"), index=True)
    code: Mapped[str] = mapped_column(unique=True)
    lat: Mapped[Decimal] = mapped_column(Numeric(9, 6))
    lon: Mapped[Decimal] = mapped_column(Numeric(9, 6))


class OutageRow(db.Base):
    """One interruption. Without a transformer it is the whole feeder's. A merged one is continued by another."""

    __tablename__ = "outage"
    __table_args__ = (
        CheckConstraint(f"status IN ({STATUSES})", name="status"),
        CheckConstraint(f"cause IN ({CAUSES})", name="cause"),
        CheckConstraint(f"crew_status IN ({CREW_STATUSES})", name="crew_status"),
        CheckConstraint("source IN ('REPORT', 'LAST_GASP', 'STAFF', 'PLANNED')", name="source"),
        CheckConstraint("(status = 'RESTORED') = (restored_at IS NOT NULL)", name="restored"),
        CheckConstraint("(status = 'MERGED') = (merged_into_id IS NOT NULL)", name="merged"),
        CheckConstraint("restored_at >= started_at", name="dates"),
        CheckConstraint("parent_id <> id AND merged_into_id <> id", name="others"),
        Index(
            "uq_outage_open_transformer",
            "transformer_id",
            unique=True,
            postgresql_where=text("status NOT IN ('RESTORED', 'MERGED') AND transformer_id IS NOT NULL"),
        ),
        Index(
            "uq_outage_open_feeder",
            "feeder_id",
            unique=True,
            postgresql_where=text("status NOT IN ('RESTORED', 'MERGED') AND transformer_id IS NULL"),
        ),
        Index(None, "started_at"),
        Index(None, "feeder_id"),
        Index(None, "transformer_id"),
    )

    id: Mapped[int] = db.primary_key()
    number: Mapped[str | None] = mapped_column(unique=True)
    feeder_id: Mapped[int] = mapped_column(ForeignKey("feeder.id"))
    transformer_id: Mapped[int | None] = mapped_column(ForeignKey("transformer.id"))
    status: Mapped[str]
    cause: Mapped[str] = mapped_column(default="UNKNOWN")
    crew_status: Mapped[str] = mapped_column(default="UNASSIGNED")
    source: Mapped[str]
    hazard: Mapped[bool] = mapped_column(default=False)
    priority: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime]
    announced_at: Mapped[datetime | None]  # when the world was told; meters fall silent for a blink, too
    estimated_restoration_at: Mapped[datetime | None]
    restored_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("outage.id"), index=True)  # still out after this one
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("outage.id"), index=True)


class OutageServicePointRow(db.Base):
    """One service point in one outage, with its own start and end: restoration comes in steps."""

    __tablename__ = "outage_service_point"
    __table_args__ = (
        CheckConstraint("restored_at >= started_at", name="dates"),
        UniqueConstraint("outage_id", "service_point_id"),
        Index(
            "uq_outage_service_point_open",
            "service_point_id",
            unique=True,
            postgresql_where=text("restored_at IS NULL"),
        ),
        Index(None, "service_point_id", "started_at"),
    )

    id: Mapped[int] = db.primary_key()
    outage_id: Mapped[int] = mapped_column(ForeignKey("outage.id"))
    service_point_id: Mapped[int]
    started_at: Mapped[datetime]
    restored_at: Mapped[datetime | None]


class OutageReportRow(db.Base):
    """What somebody told us. A second report of the same premise is kept, and marked: it counts once."""

    __tablename__ = "outage_report"
    __table_args__ = (
        CheckConstraint("channel IN ('WEB', 'SMS', 'WHATSAPP', 'EMAIL', 'VOICE', 'STAFF')", name="channel"),
        Index(None, "outage_id", "service_point_id"),
        Index(None, "postcode", "reported_at"),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    outage_id: Mapped[int | None] = mapped_column(ForeignKey("outage.id"))
    service_point_id: Mapped[int | None] = mapped_column(index=True)
    postcode: Mapped[str | None]
    hazard: Mapped[bool]
    channel: Mapped[str]
    grouped: Mapped[bool] = mapped_column(default=False)
    duplicate: Mapped[bool] = mapped_column(default=False)
    reported_at: Mapped[datetime]


class OutageUpdateRow(db.Base):
    __tablename__ = "outage_update"
    __table_args__ = (Index(None, "outage_id", "id"),)

    id: Mapped[int] = db.primary_key()
    outage_id: Mapped[int] = mapped_column(ForeignKey("outage.id"))
    status: Mapped[str]
    crew_status: Mapped[str]
    estimated_restoration_at: Mapped[datetime | None]
    note: Mapped[str | None]
    at: Mapped[datetime]


class PlannedOutageRow(db.Base):
    __tablename__ = "planned_outage"
    __table_args__ = (
        CheckConstraint("status IN ('SCHEDULED', 'STARTED', 'DONE', 'CANCELLED')", name="status"),
        CheckConstraint("ends_at > starts_at", name="dates"),
        Index(None, "feeder_id", "starts_at"),
        Index(None, "transformer_id"),
        Index(None, "outage_id"),
    )

    id: Mapped[int] = db.primary_key()
    number: Mapped[str | None] = mapped_column(unique=True)
    feeder_id: Mapped[int] = mapped_column(ForeignKey("feeder.id"))
    transformer_id: Mapped[int | None] = mapped_column(ForeignKey("transformer.id"))
    status: Mapped[str] = mapped_column(default="SCHEDULED")
    reason: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    outage_id: Mapped[int | None] = mapped_column(ForeignKey("outage.id"))


class MajorEventThresholdRow(db.Base):
    """T_MED of a year, with all it was made of, and the deviation that was chosen."""

    __tablename__ = "major_event_threshold"
    __table_args__ = (CheckConstraint("deviation IN ('SAMPLE', 'POPULATION')", name="deviation"),)

    id: Mapped[int] = db.primary_key()
    year: Mapped[int] = mapped_column(unique=True)
    threshold: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    alpha: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    beta: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    days: Mapped[int]
    deviation: Mapped[str]
    computed_at: Mapped[datetime]
