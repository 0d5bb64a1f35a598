"""Rows of billing: tariffs and who is on them, runs and bills, the ledger, payments, and promises to pay.

Money in rows is whole cents (bigint). What may never change is guarded by the database itself, see `ddl.py`.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy import column as sql_column
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from billing import ddl
from core import db

_VIEWS = MetaData()  # made by `ddl.py`, not from here


class TariffRow(db.Base):
    """A tariff as it is sold: to whom, in which way it prices, and on what conditions one leaves it."""

    __tablename__ = "tariff"
    __table_args__ = (
        CheckConstraint("kind IN ('FLAT', 'TIERED', 'TOU', 'DEMAND', 'HOURLY')", name="kind"),
        CheckConstraint("customer_kind IN ('RESIDENTIAL', 'BUSINESS')", name="customer_kind"),
        CheckConstraint("exit_fee_cents >= 0 AND term_months >= 0 AND cooling_off_days >= 0", name="conditions"),
        CheckConstraint("sold_to IS NULL OR sold_to > sold_from", name="sold"),
    )

    id: Mapped[int] = db.primary_key()
    code: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    customer_kind: Mapped[str]
    names: Mapped[dict[str, Any]] = mapped_column(default=dict)  # by locale; empty: the catalogues have its name
    about: Mapped[dict[str, Any]] = mapped_column(default=dict)
    eligibility: Mapped[dict[str, Any]] = mapped_column(default=dict)  # see eligibility.py
    exit_fee_cents: Mapped[int] = mapped_column(default=0)
    term_months: Mapped[int] = mapped_column(default=0)
    cooling_off_days: Mapped[int] = mapped_column(default=14)
    sold_from: Mapped[date]
    sold_to: Mapped[date | None]  # the first day nobody new may have it; whoever has it keeps it


class TariffVersionRow(db.Base):
    """The terms of a tariff over a span of days, as published. Never two at once."""

    __tablename__ = "tariff_version"
    __table_args__ = (
        UniqueConstraint("tariff_id", "version"),
        CheckConstraint("ends_on IS NULL OR ends_on > starts_on", name="dates"),
        ExcludeConstraint(
            (sql_column("tariff_id"), "="),
            (text("daterange(starts_on, ends_on, '[)')"), "&&"),
            using="gist",
            name="ex_tariff_version_one_at_a_time",
        ),
    )

    id: Mapped[int] = db.primary_key()
    tariff_id: Mapped[int] = mapped_column(ForeignKey("tariff.id"))
    version: Mapped[int]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    plan: Mapped[dict[str, Any]]
    sha256: Mapped[str]
    published_at: Mapped[datetime]


class AgreementTariffRow(db.Base):
    """Which tariff an agreement is on, and since when. Never two at once.

    Its contract counts from `term_starts_on`: its own first day, but where a switch was undone the first day of the
    term that goes on.
    """

    __tablename__ = "agreement_tariff"
    __table_args__ = (
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="dates"),
        CheckConstraint("term_starts_on <= starts_on", name="term"),
        ExcludeConstraint(
            (sql_column("agreement_id"), "="),
            (text("daterange(starts_on, ends_on, '[)')"), "&&"),
            using="gist",
            name="ex_agreement_tariff_one_at_a_time",
        ),
        Index(None, "agreement_id", "starts_on"),
    )

    id: Mapped[int] = db.primary_key()
    agreement_id: Mapped[int] = mapped_column(ForeignKey("service_agreement.id"))
    tariff_id: Mapped[int] = mapped_column(ForeignKey("tariff.id"), index=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    term_starts_on: Mapped[date]
    cooling_off_until: Mapped[date | None]
    recorded_at: Mapped[datetime]


class BillRunRow(db.Base):
    """One pass over the book for the periods that ended on or before a day."""

    __tablename__ = "bill_run"
    __table_args__ = (CheckConstraint("status IN ('OPEN', 'DONE', 'ISSUED')", name="status"),)

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    period_end_on: Mapped[date]
    status: Mapped[str] = mapped_column(default="OPEN")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    issued_at: Mapped[datetime | None]


class BillRunChunkRow(db.Base):
    """Some thousand agreements of a run, billed in one transaction; what became of them adds up to their number."""

    __tablename__ = "bill_run_chunk"
    __table_args__ = (
        UniqueConstraint("run_id", "position"),
        CheckConstraint("status IN ('OPEN', 'DONE')", name="status"),
    )

    id: Mapped[int] = db.primary_key()
    run_id: Mapped[int] = mapped_column(ForeignKey("bill_run.id"))
    position: Mapped[int]
    agreement_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    status: Mapped[str] = mapped_column(default="OPEN")
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    parked: Mapped[dict[str, Any]] = mapped_column(default=dict)  # agreement id -> why it could not be billed
    finished_at: Mapped[datetime | None]


class BillFormRow(db.Base):
    """What the lines of many bills have in common, word for word: everything but the figures. It never changes.

    Lines stand in printing order, so that energy and tax are runs of them; positions count from one.
    """

    __tablename__ = "bill_form"
    __table_args__ = (
        CheckConstraint(
            "components <@ ARRAY['fixed', 'energy', 'demand', 'minimum', 'credit', 'rider', 'tax']", name="component"
        ),
        CheckConstraint(
            "cardinality(components) = ALL (ARRAY[cardinality(codes), cardinality(descriptions), cardinality(args),"
            " cardinality(units), cardinality(unit_prices)])",
            name="lines",
        ),
        CheckConstraint(
            "'energy' = ALL (components[energy_at : energy_at + energy_lines - 1])"
            " AND energy_lines + cardinality(array_positions(codes, 'energy.index'))"
            " = cardinality(array_positions(components, 'energy'))",
            name="energy",
        ),
        CheckConstraint(
            "'tax' = ALL (components[tax_at :])"
            " AND cardinality(components) - tax_at + 1 = cardinality(array_positions(components, 'tax'))",
            name="tax",
        ),
        CheckConstraint("credits_kwh = (array_to_string(codes, ' ') LIKE '%credit.kwh%')", name="credits_kwh"),
    )

    id: Mapped[int] = db.primary_key()
    sha256: Mapped[str] = mapped_column(unique=True)
    components: Mapped[list[str]] = mapped_column(ARRAY(Text))
    codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    descriptions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    args: Mapped[list[dict[str, Any]]] = mapped_column(ARRAY(JSONB))
    units: Mapped[list[str]] = mapped_column(ARRAY(Text))
    unit_prices: Mapped[list[Decimal]] = mapped_column(ARRAY(Numeric(20, 9)))
    energy_at: Mapped[int]
    energy_lines: Mapped[int]
    tax_at: Mapped[int]
    credits_kwh: Mapped[bool]  # kWh that were sent out are taken from those of the energy lines


class BillRow(db.Base):
    """What an agreement owes for a period: a form and its figures. Once issued it never changes; a correction is a
    cancel and a new version.

    `form_id` and `run_id` are looked at by a trigger, a set at a time (see `ddl.py`): what they name never goes away.
    """

    __tablename__ = "bill"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "agreement_id"], ["service_agreement.account_id", "service_agreement.id"]),
        UniqueConstraint("agreement_id", "starts_on", "version"),
        Index(
            "uq_bill_one_standing",
            "agreement_id",
            "starts_on",
            unique=True,
            postgresql_where=text("status <> 'CANCELLED'"),
        ),
        # so that a number is nobody else's: the id in it is not
        CheckConstraint("CAST(split_part(number, '-', 2) AS bigint) = id", name="number"),
        CheckConstraint("status IN ('DRAFT', 'HELD', 'ISSUED', 'CANCELLED')", name="status"),
        CheckConstraint("(status = 'HELD') = (hold_code IS NOT NULL)", name="hold_code"),
        CheckConstraint("ends_on > starts_on", name="dates"),
        CheckConstraint(
            "status NOT IN ('ISSUED', 'CANCELLED') OR (issued_on IS NOT NULL AND due_on IS NOT NULL)", name="issued"
        ),
        CheckConstraint("(status = 'CANCELLED') = (cancelled_at IS NOT NULL)", name="cancelled_at"),
        CheckConstraint(
            "cardinality(quantities) = cardinality(amounts) AND total_cents = billing_sum(amounts)", name="adds_up"
        ),
        Index(None, "account_id", "starts_on"),
        Index("ix_bill_run", "run_id", postgresql_using="brin"),
        Index("ix_bill_waiting", "run_id", "id", postgresql_where=text("status IN ('DRAFT', 'HELD')")),
        Index("ix_bill_due", "due_on", postgresql_where=text("status = 'ISSUED'")),
        Index("ix_bill_estimated", "id", postgresql_where=text("status = 'ISSUED' AND estimated")),
        Index("ix_bill_credit", "account_id", postgresql_where=text("status = 'ISSUED' AND total_cents < 0")),
    )

    id: Mapped[int] = db.primary_key()
    number: Mapped[str]
    account_id: Mapped[int]
    agreement_id: Mapped[int]
    run_id: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=1)
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    tariff_code: Mapped[str]
    status: Mapped[str]
    hold_code: Mapped[str | None]
    # every check of billing.validations that struck, the gravest first; a bill that was released keeps them
    findings: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    form_id: Mapped[int]
    quantities: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))  # millionths of the line's unit
    amounts: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))  # cents
    total_cents: Mapped[int]
    wh: Mapped[int]
    peak_watts: Mapped[int | None]
    estimated: Mapped[bool] = mapped_column(default=False)
    rounding: Mapped[str] = mapped_column(default="HALF_UP")
    input_hash: Mapped[bytes]
    rated_at: Mapped[datetime]
    issued_on: Mapped[date | None]
    due_on: Mapped[date | None]
    cancelled_at: Mapped[datetime | None]


class BillLineRow(db.Base):
    """A line of a bill as it is printed: the form's words beside the bill's figures. A view, to be read only."""

    __table__ = Table(
        "bill_line",
        _VIEWS,
        Column("bill_id", BigInteger, primary_key=True),
        Column("position", BigInteger, primary_key=True),
        Column("component", Text),
        Column("code", Text),
        Column("description", Text),
        Column("args", JSONB),
        Column("quantity", Numeric(20, 6)),
        Column("unit", Text),
        Column("unit_price", Numeric(20, 9)),
        Column("amount_cents", BigInteger),
    )

    bill_id: Mapped[int]
    position: Mapped[int]
    component: Mapped[str]
    code: Mapped[str]
    description: Mapped[str]
    args: Mapped[dict[str, Any]]
    quantity: Mapped[Decimal]
    unit: Mapped[str]
    unit_price: Mapped[Decimal]
    amount_cents: Mapped[int]


class BillCarriedRow(db.Base):
    """What a bill hands to the next of its agreement: Wh by period of its plan, their total as a year's end settles it,
    money, and the cents it counts with towards the year's minimum. Only bills of plans that need it have one.
    """

    __tablename__ = "bill_carried"
    __table_args__ = (
        CheckConstraint("0 <= ALL (bank_wh) AND excess_wh >= 0 AND credit_cents >= 0", name="not_below_zero"),
    )

    bill_id: Mapped[int] = mapped_column(  # it may be written before its bill
        ForeignKey("bill.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    bank_wh: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    excess_wh: Mapped[int]
    credit_cents: Mapped[int]
    minimum_cents: Mapped[int]


class BillDocumentRow(db.Base):
    """An issued document as it went out: its bytes and their hash, which the database itself compares.

    NOTE_… are those of the credit note that cancels the bill.
    """

    __tablename__ = "bill_document"
    __table_args__ = (
        UniqueConstraint("bill_id", "kind", "locale"),
        CheckConstraint("kind IN ('PDF', 'HTML', 'UBL', 'NOTE_PDF', 'NOTE_HTML', 'NOTE_UBL')", name="kind"),
        CheckConstraint("sha256 = encode(sha256(body), 'hex') AND size = octet_length(body)", name="hash"),
    )

    id: Mapped[int] = db.primary_key()
    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"))
    kind: Mapped[str]
    locale: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int]
    body: Mapped[bytes]
    template_version: Mapped[int]
    rendered_at: Mapped[datetime]


class LedgerJournalRow(db.Base):
    """One event in the books with its entries: `cents` on the ledger accounts `codes`, a debit above zero and a credit
    below. It cannot be there without balancing; its key stops it from being posted twice.
    """

    __tablename__ = "ledger_journal"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('BILL', 'BILL_CANCELLED', 'PAYMENT', 'PAYMENT_RETURNED', 'REFUND', 'LATE_FEE', 'LATE_FEE_WAIVED',"
            " 'ADJUSTMENT', 'EXIT_FEE', 'RETURN_FEE', 'DISPUTE', 'DISPUTE_WON', 'DISPUTE_LOST', 'CREDIT', 'WRITE_OFF',"
            " 'RECOVERY', 'DEPOSIT', 'DEPOSIT_INTEREST', 'DEPOSIT_RETURNED', 'REFUND_FAILED',"
            " 'BUDGET', 'BUDGET_SETTLED')",
            name="kind",
        ),
        CheckConstraint("booked_on IS NULL OR booked_on > effective_on", name="booked_on"),
        CheckConstraint(
            "codes <@ ARRAY['RECEIVABLE', 'REVENUE', 'TAX_PAYABLE', 'CASH', 'FEE_REVENUE', 'ADJUSTMENTS', 'DEPOSITS',"
            " 'INTEREST_EXPENSE', 'BAD_DEBT', 'DISPUTED_CASH', 'BUDGET_DEFERRED']",
            name="code",
        ),
        CheckConstraint(
            "cardinality(cents) > 0 AND cardinality(cents) = cardinality(codes) AND 0 <> ALL (cents)", name="entries"
        ),
        CheckConstraint("billing_sum(cents) = 0", name="balances"),
        Index(None, "account_id"),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    effective_on: Mapped[date]
    booked_on: Mapped[date | None]  # the first day of the month it counts in, when its own was closed already
    posted_at: Mapped[datetime]
    codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))


class LedgerEntryRow(db.Base):
    """One side of a journal, as accountants read it. A view, to be read only."""

    __table__ = Table(
        "ledger_entry",
        _VIEWS,
        Column("journal_id", BigInteger, primary_key=True),
        Column("position", BigInteger, primary_key=True),
        Column("code", Text),
        Column("account_id", BigInteger),
        Column("debit_cents", BigInteger),
        Column("credit_cents", BigInteger),
    )

    journal_id: Mapped[int]
    position: Mapped[int]
    code: Mapped[str]
    account_id: Mapped[int]
    debit_cents: Mapped[int]
    credit_cents: Mapped[int]


class PaymentRow(db.Base):
    """Money on its way, arrived, or gone back. Known by the gateway's own name for it."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("gateway", "external_id"),
        CheckConstraint(
            "status IN ('PROCESSING', 'SUCCEEDED', 'FAILED', 'RETURNED', 'REFUNDED', 'DISPUTED')", name="status"
        ),
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint(
            "refunded_cents >= 0 AND returned_cents >= 0 AND refunded_cents + returned_cents <= amount_cents",
            name="gone_once",
        ),
        CheckConstraint(
            "status NOT IN ('RETURNED', 'REFUNDED') OR refunded_cents + returned_cents = amount_cents", name="gone"
        ),
        CheckConstraint("status <> 'SUCCEEDED' OR refunded_cents + returned_cents < amount_cents", name="here"),
        Index(None, "account_id", "received_at"),
    )

    id: Mapped[int] = db.primary_key()
    gateway: Mapped[str]
    external_id: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    link_id: Mapped[int | None] = mapped_column(ForeignKey("payment_link.id"), index=True)
    amount_cents: Mapped[int]
    refunded_cents: Mapped[int] = mapped_column(default=0)  # what we gave back
    returned_cents: Mapped[int] = mapped_column(default=0)  # what the payer's bank took back
    method: Mapped[str | None]
    status: Mapped[str]
    failure_code: Mapped[str | None]
    received_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]  # the gateway's own time of the newest thing it told of its arriving or failing


class PaymentEventRow(db.Base):
    """What a gateway told us, once each. PARKED: nothing of ours bears the payment's name; a person looks."""

    __tablename__ = "payment_event"
    __table_args__ = (
        UniqueConstraint("gateway", "event_id"),
        CheckConstraint("outcome IN ('APPLIED', 'STALE', 'PARKED', 'DISMISSED')", name="outcome"),
        Index("ix_payment_event_parked", "gateway", "external_id", postgresql_where=text("outcome = 'PARKED'")),
    )

    id: Mapped[int] = db.primary_key()
    gateway: Mapped[str]
    event_id: Mapped[str]
    kind: Mapped[str]
    external_id: Mapped[str]
    payload: Mapped[dict[str, Any]]
    outcome: Mapped[str]
    reason: Mapped[str | None]  # why it is parked
    received_at: Mapped[datetime]


class PaymentLinkRow(db.Base):
    """A page on which anybody who holds the link may pay for an account, until it expires."""

    __tablename__ = "payment_link"
    __table_args__ = (
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("status IN ('OPEN', 'PROCESSING', 'PAID')", name="status"),
    )

    id: Mapped[int] = db.primary_key()
    token: Mapped[str] = mapped_column(unique=True)
    key: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    amount_cents: Mapped[int]
    status: Mapped[str] = mapped_column(default="OPEN")
    attempt: Mapped[int] = mapped_column(default=0)
    checkout_id: Mapped[str | None] = mapped_column(index=True)
    checkout_url: Mapped[str | None]
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class SavedMethodRow(db.Base):
    """A card or a bank account the gateway keeps for us; we keep its name and its last four digits."""

    __tablename__ = "saved_method"
    __table_args__ = (
        UniqueConstraint("gateway", "method_id"),
        CheckConstraint("kind IN ('CARD', 'BANK')", name="kind"),
        CheckConstraint("last4 ~ '^[0-9]{4}$'", name="last4"),
    )

    id: Mapped[int] = db.primary_key()
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    gateway: Mapped[str]
    method_id: Mapped[str]
    gateway_customer_id: Mapped[str]
    kind: Mapped[str]
    last4: Mapped[str]
    saved_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class AutopayRow(db.Base):
    __tablename__ = "autopay"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True, autoincrement=False)
    enabled: Mapped[bool]
    saved_method_id: Mapped[int | None] = mapped_column(ForeignKey("saved_method.id"), index=True)
    paused_for: Mapped[str | None]  # the failure that paused it; whoever turns it on again ends the pause
    changed_at: Mapped[datetime]


class ChargeRow(db.Base):
    """A charge beside the bills: a late fee on one of them, for leaving a tariff early, a returned debit, a deposit."""

    __tablename__ = "charge"
    __table_args__ = (
        CheckConstraint("kind IN ('LATE_FEE', 'EXIT_FEE', 'RETURN_FEE', 'DEPOSIT', 'BUDGET')", name="kind"),
        CheckConstraint("(kind = 'LATE_FEE') = (bill_id IS NOT NULL)", name="bill"),
        CheckConstraint("amount_cents > 0", name="amount"),
        UniqueConstraint("bill_id", "charged_on"),
    )

    id: Mapped[int] = db.primary_key()
    kind: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    bill_id: Mapped[int | None] = mapped_column(ForeignKey("bill.id"))
    amount_cents: Mapped[int]
    rule: Mapped[str]
    charged_on: Mapped[date]
    due_on: Mapped[date | None]  # where it is not due at once
    waived_at: Mapped[datetime | None]


class AllocationRow(db.Base):
    """Which payment, or credit, paid what. Its sum never exceeds it; the ledger, not this, says what is owed."""

    __tablename__ = "allocation"
    __table_args__ = (
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("(bill_id IS NULL) <> (charge_id IS NULL)", name="one_item"),
        CheckConstraint("(payment_id IS NULL) <> (credit_id IS NULL)", name="one_source"),
    )

    id: Mapped[int] = db.primary_key()
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"), index=True)
    credit_id: Mapped[int | None] = mapped_column(ForeignKey("credit.id"), index=True)
    bill_id: Mapped[int | None] = mapped_column(ForeignKey("bill.id"), index=True)
    charge_id: Mapped[int | None] = mapped_column(ForeignKey("charge.id"), index=True)
    amount_cents: Mapped[int]
    allocated_at: Mapped[datetime]


class ArrangementRow(db.Base):
    """A promise to pay what is owed in parts. One open at a time."""

    __tablename__ = "arrangement"
    __table_args__ = (
        CheckConstraint("status IN ('PROPOSED', 'ACTIVE', 'KEPT', 'BROKEN')", name="status"),
        CheckConstraint("total_cents > 0", name="total"),
        Index(
            "uq_arrangement_one_open",
            "account_id",
            unique=True,
            postgresql_where=text("status IN ('PROPOSED', 'ACTIVE')"),
        ),
        Index(None, "account_id", "id"),
    )

    id: Mapped[int] = db.primary_key()
    key: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    status: Mapped[str]
    total_cents: Mapped[int]
    opened_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    reinstated_at: Mapped[datetime | None]  # it was broken, and what had been missed was paid


class ArrangementInstalmentRow(db.Base):
    __tablename__ = "arrangement_instalment"
    __table_args__ = (
        CheckConstraint("status IN ('DUE', 'PAID', 'MISSED')", name="status"),
        CheckConstraint("amount_cents > 0", name="amount"),
    )

    arrangement_id: Mapped[int] = mapped_column(ForeignKey("arrangement.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    due_on: Mapped[date]
    amount_cents: Mapped[int]
    status: Mapped[str] = mapped_column(default="DUE")


class DisputeRow(db.Base):
    """A customer says a bill is wrong. While it is open, the bill draws no late fee and cannot lead to a cut-off."""

    __tablename__ = "dispute"
    __table_args__ = (
        CheckConstraint("status IN ('OPEN', 'UPHELD', 'REJECTED', 'WITHDRAWN')", name="status"),
        Index("uq_dispute_one_open", "bill_id", unique=True, postgresql_where=text("status = 'OPEN'")),
        Index(None, "account_id", "id"),
    )

    id: Mapped[int] = db.primary_key()
    number: Mapped[str] = mapped_column(unique=True)
    key: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"))
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(default="OPEN")
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class DunningCaseRow(db.Base):
    """One time an account fell behind, from the first missed bill until it was settled. One open at a time."""

    __tablename__ = "dunning_case"
    __table_args__ = (
        CheckConstraint("status IN ('OPEN', 'CLOSED')", name="status"),
        CheckConstraint("(status = 'CLOSED') = (closed_at IS NOT NULL AND reason IS NOT NULL)", name="closed"),
        CheckConstraint("reason IN ('PAID', 'ARRANGEMENT', 'DISPUTE')", name="reason"),
        CheckConstraint("round > 0", name="round"),
        Index("uq_dunning_case_one_open", "account_id", unique=True, postgresql_where=text("status = 'OPEN'")),
        Index("ix_dunning_case_open", "id", postgresql_where=text("status = 'OPEN'")),
        Index(None, "account_id", "id"),
    )

    id: Mapped[int] = db.primary_key()
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    status: Mapped[str] = mapped_column(default="OPEN")
    round: Mapped[int] = mapped_column(default=1)  # a notice that ran out is given anew: the next round
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class DunningStepRow(db.Base):
    """A rung of the ladder: when it was taken, what was said by which message, and what proves it arrived.

    LETTER: no message could be sent, so a letter is owed. OWED: a person is to call. BLOCKED: a rule stands against it.
    """

    __tablename__ = "dunning_step"
    __table_args__ = (
        UniqueConstraint("case_id", "round", "step"),
        CheckConstraint(
            "step IN ('REMINDER', 'OVERDUE', 'TERMINATION_NOTICE', 'CONTACT_1', 'CONTACT_2', 'ORDER')", name="step"
        ),
        CheckConstraint("status IN ('SENT', 'LETTER', 'OWED', 'PROVEN', 'ORDERED', 'BLOCKED')", name="status"),
        CheckConstraint("(status = 'BLOCKED') = (blocked_by IS NOT NULL)", name="blocked_by"),
        CheckConstraint("(status = 'PROVEN') = (proven_at IS NOT NULL AND proof IS NOT NULL)", name="proven"),
        Index("ix_dunning_step_owed", "taken_at", postgresql_where=text("status IN ('LETTER', 'OWED')")),
    )

    id: Mapped[int] = db.primary_key()
    case_id: Mapped[int] = mapped_column(ForeignKey("dunning_case.id"))
    round: Mapped[int]
    step: Mapped[str]
    status: Mapped[str]
    overdue_cents: Mapped[int]
    notice_key: Mapped[str | None]  # of the message; what became of it is asked of the conversations
    blocked_by: Mapped[str | None]
    request_number: Mapped[str | None]
    proof: Mapped[str | None]
    actor: Mapped[str]
    taken_at: Mapped[datetime]
    proven_at: Mapped[datetime | None]


class BillingRequestRow(db.Base):
    """The first answer to a request that may arrive twice, by its key."""

    __tablename__ = "billing_request"

    key: Mapped[str] = mapped_column(primary_key=True)
    operation: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    result: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]


db.table(BillRow).add_is_dependent_on(db.table(BillFormRow))  # its view shows both
for _name, _statements in ddl.BEFORE_CREATE.items():
    event.listen(db.Base.metadata.tables[_name], "before_create", DDL(_statements.replace("%", "%%")))  # type: ignore[no-untyped-call]
for _name, _statements in ddl.AFTER_CREATE.items():
    event.listen(db.Base.metadata.tables[_name], "after_create", DDL(_statements.replace("%", "%%")))  # type: ignore[no-untyped-call]
