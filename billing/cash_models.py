"""Rows of the cashier's desk: credits, deposits, refunds, chargebacks, mandates, payments by phone, transfers, closed
months."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core import db


def _names(column: str) -> str:
    """Whom an actor may be, as `core.audit.same_person` has it: the names behind the kind."""
    return f"string_to_array(regexp_replace(lower({column}), '^[^:]*:', ''), '/')"


class CreditRow(db.Base):
    """What an account is given without a payment: goodwill, an outage, a deposit back, a negative bill, a write-off."""

    __tablename__ = "credit"
    __table_args__ = (
        CheckConstraint("kind IN ('GOODWILL', 'OUTAGE', 'DEPOSIT', 'BILL', 'WRITE_OFF', 'BUDGET')", name="kind"),
        CheckConstraint("(kind = 'BILL') = (bill_id IS NOT NULL)", name="bill"),
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("reversed_cents BETWEEN 0 AND amount_cents", name="reversed"),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    kind: Mapped[str]
    bill_id: Mapped[int | None] = mapped_column(ForeignKey("bill.id"), index=True)
    amount_cents: Mapped[int]
    reversed_cents: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str]
    given_by: Mapped[str]
    given_at: Mapped[datetime]


class DepositRow(db.Base):
    """Money held as security. It is charged, held from the day it is paid, and given back once, with interest."""

    __tablename__ = "deposit"
    __table_args__ = (
        CheckConstraint("interest_cents >= 0", name="interest"),
        CheckConstraint("(credit_id IS NULL) = (returned_on IS NULL)", name="returned"),
        Index("ix_deposit_held", "id", postgresql_where=text("returned_on IS NULL")),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    charge_id: Mapped[int] = mapped_column(ForeignKey("charge.id"), unique=True)
    interest_cents: Mapped[int] = mapped_column(default=0)
    credit_id: Mapped[int | None] = mapped_column(ForeignKey("credit.id"), unique=True)
    charged_on: Mapped[date]
    returned_on: Mapped[date | None]


class RefundRow(db.Base):
    """Money to go back: asked for by one person, decided by another. Without a payment it is a check for a credit."""

    __tablename__ = "refund"
    __table_args__ = (
        CheckConstraint("status IN ('REQUESTED', 'APPROVED', 'SENDING', 'REJECTED', 'DONE', 'FAILED')", name="status"),
        CheckConstraint("status <> 'SENDING' OR sent_at IS NOT NULL", name="sent_at"),
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("(payment_id IS NULL) <> (credit_id IS NULL)", name="one_source"),
        CheckConstraint(
            f"decided_by IS NULL OR NOT ({_names('decided_by')} && {_names('requested_by')})", name="four_eyes"
        ),
        CheckConstraint("(status = 'REQUESTED') = (decided_by IS NULL)", name="decided"),
        Index("ix_refund_waiting", "id", postgresql_where=text("status = 'REQUESTED'")),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"), index=True)
    credit_id: Mapped[int | None] = mapped_column(ForeignKey("credit.id"), index=True)
    amount_cents: Mapped[int]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(default="REQUESTED")
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]  # since then it may have gone, whatever answer we had
    # the gateway took it: DONE, FAILED when it came back, or not yet in the books
    gateway_refund_id: Mapped[str | None]
    failure_code: Mapped[str | None]


class ChargebackRow(db.Base):
    """The payer's bank took a payment back. While it is open the money is held in dispute; then it is won or lost."""

    __tablename__ = "chargeback"
    __table_args__ = (
        UniqueConstraint("gateway", "external_id"),
        CheckConstraint("status IN ('OPEN', 'WON', 'LOST')", name="status"),
        CheckConstraint("(status = 'OPEN') = (closed_at IS NULL)", name="closed_at"),
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("held_cents BETWEEN 0 AND amount_cents", name="held"),
        Index("uq_chargeback_one_open", "payment_id", unique=True, postgresql_where=text("status = 'OPEN'")),
    )

    id: Mapped[int] = db.primary_key()
    gateway: Mapped[str]
    external_id: Mapped[str]
    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id"), index=True)
    amount_cents: Mapped[int]
    held_cents: Mapped[int]  # what of it was still here to be held when we heard of it
    reason: Mapped[str | None]
    status: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class MandateRow(db.Base):
    """The customer's word that a bank account may be debited: which text, when, how, and the notice promised."""

    __tablename__ = "mandate"
    __table_args__ = (
        CheckConstraint("scheme IN ('ACH', 'SEPA')", name="scheme"),
        CheckConstraint("accepted_how IN ('HOSTED_PAGE', 'WEB', 'PHONE', 'PAPER')", name="accepted_how"),
        CheckConstraint("notice_days >= 0", name="notice"),
        CheckConstraint("scheme = 'ACH' OR reference IS NOT NULL", name="reference"),
        Index("uq_mandate_one_live", "saved_method_id", unique=True, postgresql_where=text("revoked_at IS NULL")),
    )

    id: Mapped[int] = db.primary_key()
    saved_method_id: Mapped[int] = mapped_column(ForeignKey("saved_method.id"))
    scheme: Mapped[str]
    reference: Mapped[str | None]  # by which the payer's bank knows it
    text_version: Mapped[str]
    accepted_at: Mapped[datetime]
    accepted_how: Mapped[str]
    notice_days: Mapped[int]
    revoked_at: Mapped[datetime | None]


class PhonePaymentRow(db.Base):
    """One try to pay a link in a call. The amount is the link's, fixed here before the card is asked for.

    ASKING: the caller types the card at the carrier. CHARGING: its token came, and the charge is owed under this row's
    key. PAID: the gateway took it; how the money stands since is the payment's own row.
    """

    __tablename__ = "phone_payment"
    __table_args__ = (
        UniqueConstraint("call_id", "attempt"),
        CheckConstraint("status IN ('ASKING', 'CHARGING', 'PAID', 'FAILED')", name="status"),
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("(status = 'CHARGING') = (card_token IS NOT NULL)", name="card_token"),
        CheckConstraint("(status = 'FAILED') = (failure_code IS NOT NULL)", name="failure_code"),
        Index(None, "account_id", "begun_at"),
    )

    id: Mapped[int] = db.primary_key()
    call_id: Mapped[str]  # the carrier's name for the call
    attempt: Mapped[int]
    link_id: Mapped[int] = mapped_column(ForeignKey("payment_link.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    amount_cents: Mapped[int]
    status: Mapped[str] = mapped_column(default="ASKING")
    card_token: Mapped[str | None]  # good for one charge, forgotten with it
    failure_code: Mapped[str | None]
    begun_at: Mapped[datetime]
    unsure_at: Mapped[datetime | None]  # since then the caller knows that we do not know
    ended_at: Mapped[datetime | None]


class DebitNoticeRow(db.Base):
    """A debit announced to its payer: of which bill, how much at most, and not before which day. Used once."""

    __tablename__ = "debit_notice"
    __table_args__ = (
        CheckConstraint("amount_cents > 0", name="amount"),
        Index(
            "uq_debit_notice_one_open", "mandate_id", "bill_id", unique=True, postgresql_where=text("used_at IS NULL")
        ),
        Index("ix_debit_notice_bill_id", "bill_id"),
    )

    id: Mapped[int] = db.primary_key()
    mandate_id: Mapped[int] = mapped_column(ForeignKey("mandate.id"))
    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"))
    amount_cents: Mapped[int]
    collect_on: Mapped[date]
    announced_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class TransferRow(db.Base):
    """One credit of a bank statement, or one payment at a shop, once. UNMATCHED and PARKED ones wait for a person."""

    __tablename__ = "bank_transfer"
    __table_args__ = (
        UniqueConstraint("bank", "entry_id"),
        CheckConstraint("status IN ('MATCHED', 'UNMATCHED', 'PARKED', 'SENT_BACK')", name="status"),
        CheckConstraint("(status = 'MATCHED') = (payment_id IS NOT NULL)", name="payment"),
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("method IN ('bank_transfer', 'cash')", name="method"),
        Index("ix_bank_transfer_waiting", "id", postgresql_where=text("status IN ('UNMATCHED', 'PARKED')")),
    )

    id: Mapped[int] = db.primary_key()
    bank: Mapped[str]
    entry_id: Mapped[str]
    amount_cents: Mapped[int]
    currency: Mapped[str]
    booked_on: Mapped[date]
    payer: Mapped[str]
    remittance: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str | None]
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"), unique=True)
    matched_by: Mapped[str | None]
    loaded_at: Mapped[datetime]
    method: Mapped[str] = mapped_column(server_default="bank_transfer")


class ShopSlipRow(db.Base):
    """The amount that stands on a bill's slip for shops, as it was printed: what is owed may change afterwards."""

    __tablename__ = "shop_slip"
    __table_args__ = (CheckConstraint("amount_cents > 0", name="amount"),)

    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"), primary_key=True, autoincrement=False)
    amount_cents: Mapped[int]
    made_at: Mapped[datetime]


class GatewayMovementRow(db.Base):
    """One movement on our balance at a gateway, as it tells it: what reconciliation holds our books against."""

    __tablename__ = "gateway_movement"
    __table_args__ = (UniqueConstraint("gateway", "movement_id"), Index(None, "gateway", "external_id"))

    id: Mapped[int] = db.primary_key()
    gateway: Mapped[str]
    movement_id: Mapped[str]
    external_id: Mapped[str]
    kind: Mapped[str]
    cents: Mapped[int]
    currency: Mapped[str]
    moved_at: Mapped[datetime]


class LedgerPeriodRow(db.Base):
    """A closed month with its trial balance: per ledger account, what was debited and credited in it."""

    __tablename__ = "ledger_period"
    __table_args__ = (CheckConstraint("date_trunc('month', starts_on) = starts_on", name="month"),)

    starts_on: Mapped[date] = mapped_column(primary_key=True)
    totals: Mapped[dict[str, Any]]
    closed_by: Mapped[str]
    closed_at: Mapped[datetime]
