"""Rows of what was said: who came by which door, the conversation, its messages, choices, handoffs, and segments."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core import db

CHANNELS = "'WEB', 'SMS', 'WHATSAPP', 'EMAIL', 'VOICE'"
IDENTITY_KINDS = "'PHONE', 'EMAIL', 'VISITOR', 'BSUID', 'CALL'"
INBOUND_STATES = "'RECEIVED', 'ANSWERED', 'RELAYED', 'KEYWORD', 'SILENT'"
OUTBOUND_STATES = (
    "'OWED', 'QUEUED', 'SENT', 'DELIVERED', 'READ', 'UNDELIVERED', 'FAILED', 'UNCERTAIN', 'SUPPRESSED', 'CANCELLED'"
)
HANDOFF_REASONS = "'CUSTOMER_ASKED', 'NOT_UNDERSTOOD', 'EMERGENCY', 'IDENTITY', 'COMPLAINT', 'FAILURE', 'STAFF', 'RULE'"
HANDOFF_ENDS = "'STAFF_CLOSED', 'TIMED_OUT', 'CUSTOMER_ENDED', 'CONVERSATION_CLOSED', 'FAILURE'"


class ChannelIdentityRow(db.Base):
    """One sender on one channel. Its row is the lock under which conversations of that sender are opened."""

    __tablename__ = "channel_identity"
    __table_args__ = (
        CheckConstraint(f"channel IN ({CHANNELS})", name="channel"),
        CheckConstraint(f"kind IN ({IDENTITY_KINDS})", name="kind"),
        UniqueConstraint("channel", "kind", "value"),
    )

    id: Mapped[int] = db.primary_key()
    channel: Mapped[str]
    kind: Mapped[str]
    value: Mapped[str]
    first_seen_at: Mapped[datetime]
    last_inbound_at: Mapped[datetime | None]  # opens WhatsApp's 24-hour window


class ConversationRow(db.Base):
    __tablename__ = "conversation"
    __table_args__ = (
        CheckConstraint(f"channel IN ({CHANNELS})", name="channel"),
        CheckConstraint("floor IN ('BOT', 'WAITING', 'STAFF')", name="floor"),
        CheckConstraint("status IN ('OPEN', 'CLOSED')", name="status"),
        CheckConstraint("level BETWEEN 0 AND 3", name="level"),
        CheckConstraint("level < 2 OR (customer_id IS NOT NULL AND verified_until IS NOT NULL)", name="verified"),
        Index(None, "identity_id", "id"),
        Index(None, "customer_id", "last_message_at"),
        Index(None, "recognised_customer_id", "last_message_at"),
        Index(None, "account_id"),
        Index("ix_conversation_thread", "identity_id", "thread_key", postgresql_where=text("thread_key IS NOT NULL")),
        Index("ix_conversation_idle", "last_message_at", postgresql_where=text("status = 'OPEN'")),
    )

    id: Mapped[int] = db.primary_key()
    token: Mapped[str] = mapped_column(unique=True)  # the assistant's only name for the customer
    channel: Mapped[str]
    identity_id: Mapped[int] = mapped_column(ForeignKey("channel_identity.id"))
    thread_key: Mapped[str | None]  # a call's id
    status: Mapped[str] = mapped_column(default="OPEN")
    floor: Mapped[str] = mapped_column(default="BOT")
    locale: Mapped[str]
    locale_chosen: Mapped[bool] = mapped_column(default=False)
    level: Mapped[int] = mapped_column(default=0)
    verified_until: Mapped[datetime | None]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))  # proven
    recognised_customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))  # guessed from the address
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    subject: Mapped[str | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    last_message_at: Mapped[datetime]
    last_inbound_at: Mapped[datetime | None]
    last_seq: Mapped[int] = mapped_column(default=0)
    turn_id: Mapped[str | None]
    disclosed_at: Mapped[datetime | None]  # when the customer was told that an automated assistant answers
    delayed_at: Mapped[datetime | None]  # when the customer was told that the answer is late; cleared by the answer


class MessageRow(db.Base):
    __tablename__ = "message"
    __table_args__ = (
        CheckConstraint("direction IN ('IN', 'OUT')", name="direction"),
        CheckConstraint("author IN ('CUSTOMER', 'ASSISTANT', 'STAFF', 'SYSTEM')", name="author"),
        CheckConstraint(f"channel IN ({CHANNELS})", name="channel"),
        CheckConstraint(
            f"(direction = 'IN' AND status IN ({INBOUND_STATES}))"
            f" OR (direction = 'OUT' AND status IN ({OUTBOUND_STATES}))",
            name="status",
        ),
        UniqueConstraint("conversation_id", "seq"),
        Index(
            "uq_message_external",
            "channel",
            "direction",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        Index("uq_message_notice", "notice_key", unique=True, postgresql_where=text("notice_key IS NOT NULL")),
        Index("ix_message_unanswered", "conversation_id", "seq", postgresql_where=text("status = 'RECEIVED'")),
        Index("ix_message_reply", "in_reply_to", postgresql_where=text("in_reply_to IS NOT NULL")),
        Index(None, "created_at"),
    )

    id: Mapped[int] = db.primary_key()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    seq: Mapped[int]
    direction: Mapped[str]
    author: Mapped[str]
    channel: Mapped[str]
    text: Mapped[str]
    subject: Mapped[str | None]
    html: Mapped[str | None]
    ssml: Mapped[str | None]
    kind: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    payload: Mapped[str | None]  # inbound: what the hub issued and the customer chose
    attachments: Mapped[list[Any]] = mapped_column(default=list)
    headers: Mapped[dict[str, Any]] = mapped_column(default=dict)  # e-mail threading
    code_digest: Mapped[str | None]  # inbound: the keyed digest of a one-time code lifted out of the text
    redacted: Mapped[bool] = mapped_column(default=False)
    staff_name: Mapped[str | None]
    purpose: Mapped[str | None]  # outbound notices: what the customer's consent is asked for
    notice_key: Mapped[str | None]
    status: Mapped[str]
    status_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
    external_id: Mapped[str | None]
    in_reply_to: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    created_at: Mapped[datetime]
    provider_at: Mapped[datetime | None]


class ChoiceRow(db.Base):
    """A quick reply the hub issued: customers see the token or the number, never the payload."""

    __tablename__ = "choice"
    __table_args__ = (UniqueConstraint("message_id", "number"), Index(None, "conversation_id", "id"))

    id: Mapped[int] = db.primary_key()
    token: Mapped[str] = mapped_column(unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"))
    number: Mapped[int]
    label: Mapped[str]
    payload: Mapped[str]
    expires_at: Mapped[datetime]


class StatusReportRow(db.Base):
    """A vendor's delivery report that came before we knew the message: parked, applied when we do."""

    __tablename__ = "status_report"
    __table_args__ = (Index(None, "channel", "external_id"), Index(None, "at"))

    id: Mapped[int] = db.primary_key()
    channel: Mapped[str]
    external_id: Mapped[str]
    status: Mapped[str]
    error_code: Mapped[str | None]
    at: Mapped[datetime]


class HandoffRow(db.Base):
    """One time that a person was asked for. At most one of a conversation is open."""

    __tablename__ = "handoff"
    __table_args__ = (
        CheckConstraint("status IN ('WAITING', 'ACCEPTED', 'CLOSED')", name="status"),
        CheckConstraint(f"reason IN ({HANDOFF_REASONS})", name="reason"),
        CheckConstraint("priority IN ('NORMAL', 'HIGH', 'EMERGENCY')", name="priority"),
        CheckConstraint(f"end_reason IN ({HANDOFF_ENDS})", name="end_reason"),
        CheckConstraint("(status = 'CLOSED') = (closed_at IS NOT NULL)", name="closed_at"),
        Index("uq_handoff_one_open", "conversation_id", unique=True, postgresql_where=text("status <> 'CLOSED'")),
        Index(None, "conversation_id", "id"),
        Index("ix_handoff_waiting", "requested_at", postgresql_where=text("status = 'WAITING'")),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    reason: Mapped[str]
    priority: Mapped[str] = mapped_column(default="NORMAL")
    status: Mapped[str] = mapped_column(default="WAITING")
    cause_message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"), index=True)
    requested_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    staff_name: Mapped[str | None]
    end_reason: Mapped[str | None]


class InteractionRow(db.Base):
    """A stretch of a conversation without a long pause: what the CRM shows as one contact."""

    __tablename__ = "interaction"
    __table_args__ = (
        CheckConstraint(f"channel IN ({CHANNELS})", name="channel"),
        CheckConstraint("last_seq >= first_seq", name="seq"),
        Index(None, "conversation_id", "id"),
        Index(None, "customer_id", "started_at"),
    )

    id: Mapped[int] = db.primary_key()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))
    channel: Mapped[str]
    first_seq: Mapped[int]
    last_seq: Mapped[int]
    started_at: Mapped[datetime]
    last_at: Mapped[datetime]
    intents: Mapped[list[Any]] = mapped_column(default=list)
    inbound: Mapped[int] = mapped_column(default=0)
    outbound: Mapped[int] = mapped_column(default=0)
    handed_off: Mapped[bool] = mapped_column(default=False)
