"""Rows of who we serve, where, under which agreement, how to reach them, and what they allowed."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Connection, ForeignKey, Index, UniqueConstraint, column, event, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core import db


@event.listens_for(db.Base.metadata, "before_create")
def _extension(_: object, connection: Connection, **__: Any) -> None:
    """This will bring what the exclusion constraint below needs: it compares a bigint inside a GiST index."""
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS btree_gist"))


CHANNELS = "'WEB', 'SMS', 'WHATSAPP', 'EMAIL', 'VOICE'"
PURPOSES = "'SERVICE', 'OUTAGE', 'ALERTS', 'PROGRAMS'"


class CustomerRow(db.Base):
    __tablename__ = "customer"
    __table_args__ = (
        CheckConstraint("kind IN ('RESIDENTIAL', 'BUSINESS')", name="kind"),
        CheckConstraint("locale IN ('en', 'es')", name="locale"),
        CheckConstraint("full_name <> ''", name="full_name"),
    )

    id: Mapped[int] = db.primary_key()
    number: Mapped[str] = mapped_column(unique=True)
    full_name: Mapped[str]
    kind: Mapped[str]
    locale: Mapped[str]
    opened_on: Mapped[date]
    medical_equipment: Mapped[bool] = mapped_column(default=False)  # a register: it holds no shut-off off
    medical_detail: Mapped[str | None]


class AccountRow(db.Base):
    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("status IN ('ACTIVE', 'CLOSED')", name="status"),
        CheckConstraint("(status = 'CLOSED') = (closed_on IS NOT NULL)", name="closed_on"),
        CheckConstraint("number ~ '^[0-9]{10}$'", name="number"),
        CheckConstraint("bill_cycle_day BETWEEN 1 AND 28", name="bill_cycle_day"),
        Index(None, "bill_cycle_day", "id", postgresql_where=text("status = 'ACTIVE'")),
    )

    id: Mapped[int] = db.primary_key()
    number: Mapped[str] = mapped_column(unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"), index=True)
    status: Mapped[str] = mapped_column(default="ACTIVE")
    opened_on: Mapped[date]
    closed_on: Mapped[date | None]
    paperless: Mapped[bool] = mapped_column(default=False)
    jurisdiction: Mapped[str]
    bill_cycle_day: Mapped[int]
    mailing_address: Mapped[str]


class PremiseRow(db.Base):
    __tablename__ = "premise"
    __table_args__ = (
        CheckConstraint("address <> ''", name="address"),
        CheckConstraint("dwelling IN ('HOUSE', 'APARTMENT')", name="dwelling"),
        CheckConstraint("heating IN ('ELECTRIC', 'OTHER')", name="heating"),
        CheckConstraint("floor_sqft BETWEEN 100 AND 50000", name="floor_sqft"),
        Index(None, "postcode"),
        Index(None, "address_key", "postcode"),
    )

    id: Mapped[int] = db.primary_key()
    address: Mapped[str]
    address_key: Mapped[str]  # the address in small letters and single spaces, to find it by what a person typed
    city: Mapped[str]
    postcode: Mapped[str]
    county: Mapped[str]
    timezone: Mapped[str]
    # what a home is compared by; unknown until somebody says
    dwelling: Mapped[str | None]
    floor_sqft: Mapped[int | None]
    heating: Mapped[str | None]


class ServicePointRow(db.Base):
    __tablename__ = "service_point"

    id: Mapped[int] = db.primary_key()
    premise_id: Mapped[int] = mapped_column(ForeignKey("premise.id"), index=True)
    # the network model belongs to outages, which stands beside this package: an id, not a foreign key
    transformer_id: Mapped[int | None] = mapped_column(index=True)
    connected: Mapped[bool] = mapped_column(default=True)


class ServiceAgreementRow(db.Base):
    """One account takes service at one point for a while. Never two at one point at one time."""

    __tablename__ = "service_agreement"
    __table_args__ = (
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="dates"),
        ExcludeConstraint(
            (column("service_point_id"), "="),
            (text("daterange(starts_on, ends_on, '[)')"), "&&"),
            using="gist",
            name="ex_service_agreement_one_at_a_time",
        ),
        UniqueConstraint("account_id", "id"),  # what is billed names both, so that it cannot be of another's agreement
        Index(None, "account_id", "starts_on"),
        Index("ix_service_agreement_ended", "ends_on", postgresql_where=text("ends_on IS NOT NULL")),
    )

    id: Mapped[int] = db.primary_key()
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    service_point_id: Mapped[int] = mapped_column(ForeignKey("service_point.id"), index=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]


class ContactPointRow(db.Base):
    __tablename__ = "contact_point"
    __table_args__ = (
        CheckConstraint("kind IN ('PHONE', 'EMAIL')", name="kind"),
        CheckConstraint("kind <> 'PHONE' OR value ~ '^\\+[1-9][0-9]{6,14}$'", name="phone"),
        CheckConstraint("kind <> 'EMAIL' OR (value = lower(value) AND value LIKE '%_@_%')", name="email"),
        UniqueConstraint("customer_id", "kind", "value"),
        Index(None, "kind", "value", postgresql_where=text("removed_at IS NULL")),
        Index(
            "uq_contact_point_one_primary",
            "customer_id",
            "kind",
            unique=True,
            postgresql_where=text('"primary" AND removed_at IS NULL'),
        ),
    )

    id: Mapped[int] = db.primary_key()
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    kind: Mapped[str]
    value: Mapped[str]
    primary: Mapped[bool] = mapped_column(default=False)
    added_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class ConsentRow(db.Base):
    """A ledger: what was said last about (address, channel, purpose) is what holds. Never changed, only added to."""

    __tablename__ = "consent"
    __table_args__ = (
        CheckConstraint(f"channel IN ({CHANNELS})", name="channel"),
        CheckConstraint(f"purpose IN ({PURPOSES})", name="purpose"),
        Index(None, "contact_value", "channel", "purpose", "id"),
    )

    id: Mapped[int] = db.primary_key()
    contact_value: Mapped[str]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"), index=True)
    channel: Mapped[str]
    purpose: Mapped[str]
    granted: Mapped[bool]
    source: Mapped[str]
    recorded_at: Mapped[datetime]


class VerificationRow(db.Base):
    """One one-time code. Only its keyed digest is kept. Without a customer it can never be passed."""

    __tablename__ = "verification"
    __table_args__ = (
        CheckConstraint("state IN ('PENDING', 'VERIFIED', 'FAILED', 'SUPERSEDED')", name="state"),
        CheckConstraint("purpose IN ('CONVERSATION', 'SIGN_IN', 'CHANGE')", name="purpose"),
        CheckConstraint("attempts >= 0", name="attempts"),
        Index(None, "conversation_id", "created_at"),
        Index(None, "customer_id", "created_at"),
        Index(None, "contact_point_id"),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    conversation_id: Mapped[int | None]  # conversations stand above this package: an id, not a foreign key
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))
    contact_point_id: Mapped[int | None] = mapped_column(ForeignKey("contact_point.id"))
    purpose: Mapped[str]
    code_digest: Mapped[str]
    state: Mapped[str] = mapped_column(default="PENDING")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]


class WebSessionRow(db.Base):
    """A signed-in visitor of the self-service website. Only the digest of the cookie's token is kept."""

    __tablename__ = "web_session"
    __table_args__ = (CheckConstraint("expires_at > opened_at", name="expires_at"),)

    id: Mapped[int] = db.primary_key()
    token_digest: Mapped[str] = mapped_column(unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"), index=True)
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
