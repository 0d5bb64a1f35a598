"""Money coming in: links, the gateway's page, a bank's file, and what the gateway tells us afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing import chargebacks, ledger, models, once, owed, received, saved_methods, settling, views
from core import audit, crypto, errors, http, log, money, ports
from core.accounts import queries as accounts
from core.hub import Hub

logger = log.get(__name__)

LINK_VALID_FOR = timedelta(days=7)
MAX_LINK = Decimal("100000")
Outcome = tuple[str, str | None]

_STATUS = {"payment.succeeded": "SUCCEEDED", "payment.processing": "PROCESSING", "payment.failed": "FAILED"}
_AFTERWARDS = ("payment.refunded", "payment.disputed", "payment.dispute_won", "payment.dispute_lost")


def open_payment_link(
    session: Session, *, account_id: int, amount: Decimal | None, key: str, now: datetime
) -> views.PaymentLink:
    """This will open a page on which the amount (or all that is owed) can be paid for seven days.

    Refused payment.nothing_owed when no amount is given and none is owed; Invalid payment.amount when out of range.
    """
    before = session.scalars(select(models.PaymentLinkRow).where(models.PaymentLinkRow.key == key)).one_or_none()
    if before is not None:
        return owed.link_view(before)
    accounts.get_account(session, account_id=account_id)
    if amount is None:
        cents = ledger.balance_cents(session, account_id=account_id)
        if cents <= 0:
            raise errors.Refused("payment.nothing_owed")
    else:
        if not 0 < amount <= MAX_LINK:
            raise errors.Invalid("payment.amount", amount=str(amount))
        cents = money.cents(amount)
        if cents <= 0:
            raise errors.Invalid("payment.amount", amount=str(amount))
    row = models.PaymentLinkRow(
        token=crypto.token(18),
        key=key,
        account_id=account_id,
        amount_cents=cents,
        opened_at=now,
        expires_at=now + LINK_VALID_FOR,
    )
    session.add(row)
    session.flush()
    return owed.link_view(row)


def begin_checkout(
    hub: Hub,
    *,
    token: str,
    return_url: str,
    methods: Sequence[str] = ("card", "us_bank_account", "link"),
    locale: str = "en",
) -> ports.Checkout:
    """This will open the gateway's own payment page for a link: read, call, write. The same attempt opens one page."""
    now = hub.now()
    with hub.transaction() as session:
        row = _link(session, token)
        if row.status != "OPEN":
            raise errors.Refused("payment_link.used", status=row.status)
        if row.expires_at <= now:
            raise errors.Refused("payment_link.expired")
        link_id, cents, attempt = row.id, row.amount_cents, row.attempt
        number = accounts.get_account(session, account_id=row.account_id).number
    http.leave()
    checkout = hub.payments.start_checkout(
        amount=money.from_cents(cents),
        currency=hub.settings.currency,
        reference=f"link:{link_id}",
        description=f"{hub.settings.utility_name} {number}",
        methods=methods,
        return_url=return_url,
        locale=locale,
        key=f"checkout-{link_id}-{attempt}-{locale}-{'-'.join(methods)}",
    )
    with hub.transaction() as session:
        session.execute(
            update(models.PaymentLinkRow)
            .where(models.PaymentLinkRow.id == link_id, models.PaymentLinkRow.attempt == attempt)
            .values(checkout_id=checkout.external_id, checkout_url=checkout.url)
        )
    return checkout


def record_payment(
    session: Session,
    *,
    gateway: str,
    external_id: str,
    account_id: int,
    amount: Decimal,
    method: str | None,
    status: str,
    at: datetime,
    now: datetime,
    failure_code: str | None = None,
    link_id: int | None = None,
) -> views.Payment:
    """This will record what is known of a payment. PROCESSING may become SUCCEEDED or FAILED; news that is older than
    what is known changes nothing, and a success that fails afterwards (a returned debit) is taken back from the books.
    """
    cents = money.cents(amount)
    # the account is locked first, so that two payments of one account are allocated one after the other
    once.lock_account(session, account_id)
    row = session.scalars(
        select(models.PaymentRow)
        .where(models.PaymentRow.gateway == gateway, models.PaymentRow.external_id == external_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        row = models.PaymentRow(
            gateway=gateway, external_id=external_id, account_id=account_id, amount_cents=cents, method=method,
            status="PROCESSING", received_at=at, link_id=link_id,
        )  # fmt: skip
        session.add(row)
        session.flush()
    row.method = row.method or method
    if status == "SUCCEEDED" and row.status in ("PROCESSING", "FAILED"):
        received.succeed(session, row, now)
    elif status == "FAILED" and row.status == "PROCESSING":
        received.fail(session, row, failure_code, now)
    elif status == "FAILED" and row.status == "SUCCEEDED":
        received.come_back(session, row, failure_code, now)
    session.flush()
    return owed.payment_view(row)


@dataclass(frozen=True)
class FilePayment:
    """One line of a bank's file."""

    account_id: int
    external_id: str
    amount: Decimal
    method: str
    at: datetime


def record_payment_file(session: Session, *, gateway: str, payments: Sequence[FilePayment], now: datetime) -> int:
    """This will record the settled payments of a bank's file as a set, but for lines known already; gives how many.

    No fact is recorded: a file is news of yesterday.
    """
    known = set(
        session.scalars(
            select(models.PaymentRow.external_id).where(
                models.PaymentRow.gateway == gateway,
                models.PaymentRow.external_id.in_([p.external_id for p in payments]),
            )
        )
    )
    fresh = {p.external_id: p for p in payments if p.external_id not in known}
    rows = [
        models.PaymentRow(
            gateway=gateway, external_id=p.external_id, account_id=p.account_id, amount_cents=money.cents(p.amount),
            method=p.method, status="SUCCEEDED", received_at=p.at, settled_at=p.at,
        )
        for p in fresh.values()
    ]  # fmt: skip
    session.add_all(rows)
    session.flush()
    ledger.post_journals(session, [received.journal(row) for row in rows], now=now)
    settling.settle(session, account_ids=sorted({row.account_id for row in rows}), now=now)
    return len(rows)


def settle_gateway_event(hub: Hub, event: ports.GatewayEvent) -> str:
    """This will apply what the gateway tells us, once. Gives APPLIED, STALE, PARKED or DUPLICATE.

    The same event twice is a duplicate; a state older than ours is stale; what names nothing of ours waits.
    """
    now = hub.now()
    gateway = hub.payments.name
    with hub.transaction() as session:
        # one event at a time per payment, whatever order they come in
        once.lock(session, f"{gateway}:{event.external_id}")
        seen = session.scalar(
            select(models.PaymentEventRow.id).where(
                models.PaymentEventRow.gateway == gateway, models.PaymentEventRow.event_id == event.event_id
            )
        )
        if seen is not None:
            return "DUPLICATE"
        currency = hub.settings.currency
        outcome, reason = _apply(session, gateway, event, currency, now)
        session.add(
            models.PaymentEventRow(
                gateway=gateway, event_id=event.event_id, kind=event.kind, external_id=event.external_id,
                payload=_payload(event), outcome=outcome, reason=reason, received_at=now,
            )
        )  # fmt: skip
        session.flush()
        if outcome == "APPLIED":
            _catch_up(session, gateway, event.external_id, currency, now)
    if outcome == "PARKED":
        logger.warning("payment_event_parked", extra={"event_id": event.event_id, "kind": event.kind, "why": reason})
    return outcome


def list_parked(session: Session, *, limit: int = 100) -> tuple[views.ParkedEvent, ...]:
    """This will list the gateway's news that waits for a person, oldest first."""
    event = models.PaymentEventRow
    rows = session.scalars(select(event).where(event.outcome == "PARKED").order_by(event.id).limit(limit))
    return tuple(
        views.ParkedEvent(
            r.id, r.kind, r.external_id, str(r.payload.get("amount", "")), str(r.payload.get("currency", "")),
            r.reason or "", r.received_at,
        )
        for r in rows
    )  # fmt: skip


def resolve_parked(
    session: Session, *, event_id: int, account_number: str | None, actor: str, currency: str, now: datetime
) -> str:
    """This will give parked news to the account it belongs to, or dismiss it (no account). Gives what came of it.

    NotFound account.unknown; Refused payment_event.decided when somebody was quicker. What cannot be applied stays.
    """
    row = session.get(models.PaymentEventRow, event_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("payment_event.unknown")
    if row.outcome != "PARKED":
        raise errors.Refused("payment_event.decided", status=row.outcome)
    once.lock(session, f"{row.gateway}:{row.external_id}")
    if account_number is None:
        row.outcome = "DISMISSED"
    else:
        account = accounts.find_account_by_number(session, number=account_number)
        if account is None:
            raise errors.NotFound("account.unknown")
        row.payload = {**row.payload, "reference": f"account:{account.id}"}
        row.outcome, row.reason = _apply(session, row.gateway, _event(row), currency, now)
        session.flush()
        if row.outcome == "APPLIED":
            _catch_up(session, row.gateway, row.external_id, currency, now)
    audit.record(
        session, actor=actor, action="payment_event.resolved", subject="payment_event", subject_id=event_id, now=now,
        detail={"outcome": row.outcome, "account": account_number},
    )  # fmt: skip
    return row.outcome


def _apply(session: Session, gateway: str, event: ports.GatewayEvent, currency: str, now: datetime) -> Outcome:
    """What an event comes to: APPLIED, STALE or PARKED, and why it is parked."""
    known = session.scalars(
        select(models.PaymentRow).where(
            models.PaymentRow.gateway == gateway, models.PaymentRow.external_id == event.external_id
        )
    ).one_or_none()
    account_id, link_id = (known.account_id, known.link_id) if known else _referenced(session, event.metadata)
    if account_id is None:
        return "PARKED", "UNKNOWN_PAYMENT"
    if event.kind == "method.saved":
        return _saved(session, gateway, event, account_id, now)
    if event.currency != currency.upper():
        return "PARKED", "CURRENCY"
    if event.kind in _AFTERWARDS:
        if known is None:
            return "PARKED", "UNKNOWN_PAYMENT"
        once.lock_account(session, account_id)
        session.refresh(known, with_for_update=True)
        return _afterwards(session, known, event, now)
    status = _STATUS.get(event.kind)
    if status is None:
        return "PARKED", "KIND"
    before = (known.status, known.amount_cents) if known else None
    if known and known.amount_cents != money.cents(event.amount):
        return "PARKED", "AMOUNT"  # same name, another amount: not for a machine to settle
    after = record_payment(
        session, gateway=gateway, external_id=event.external_id, account_id=account_id, amount=event.amount,
        method=event.method, status=status, at=event.at or now, now=now, failure_code=event.failure_code,
        link_id=link_id,
    )  # fmt: skip
    received.mark_link(session, link_id, after.status)
    return "STALE" if before is not None and before[0] == after.status else "APPLIED", None


def _afterwards(session: Session, known: models.PaymentRow, event: ports.GatewayEvent, now: datetime) -> Outcome:
    """What may happen to a payment only once it has arrived; news of it that comes before waits for the arrival."""
    if event.kind == "payment.disputed":
        return chargebacks.opened(session, known, event, now)
    if event.kind != "payment.refunded":
        return chargebacks.closed(session, known, event, now, won=event.kind == "payment.dispute_won")
    total = min(money.cents(event.amount) + received.lost_cents(session, known.id), known.amount_cents)
    if total <= known.refunded_cents:
        return "STALE", None
    if known.status in ("PROCESSING", "FAILED"):
        return "PARKED", "EARLY"
    if known.status != "SUCCEEDED":
        return "PARKED", "STATE"
    received.refund_to(session, known, total, now)
    return "APPLIED", None


def _catch_up(session: Session, gateway: str, external_id: str, currency: str, now: datetime) -> None:
    """What came too early is looked at again when something has been applied to its payment."""
    event = models.PaymentEventRow
    again = True
    while again:
        again = False
        for row in session.scalars(
            select(event)
            .where(
                event.gateway == gateway, event.external_id == external_id, event.outcome == "PARKED",
                event.reason.in_(("UNKNOWN_PAYMENT", "EARLY")),
            )
            .order_by(event.id)
        ).all():  # fmt: skip
            row.outcome, row.reason = _apply(session, gateway, _event(row), currency, now)
            session.flush()
            again = again or row.outcome == "APPLIED"


def _saved(session: Session, gateway: str, event: ports.GatewayEvent, account_id: int, now: datetime) -> Outcome:
    last4 = event.metadata.get("last4", "")
    if len(last4) != 4 or not last4.isdigit():
        return "PARKED", "METHOD"
    saved_methods.keep_method(
        session, account_id=account_id, gateway=gateway, method_id=event.external_id,
        gateway_customer_id=event.metadata.get("gateway_customer", ""),
        kind="BANK" if event.method == "us_bank_account" else "CARD", last4=last4, now=now,
    )  # fmt: skip
    return "APPLIED", None


def _referenced(session: Session, metadata: Any) -> tuple[int | None, int | None]:
    """Our own reference comes back with every event: ``link:<id>`` or ``account:<id>``."""
    kind, _, number = str(metadata.get("reference", "")).partition(":")
    if not number.isdigit():
        return None, None
    if kind == "link":
        row = session.get(models.PaymentLinkRow, int(number))
        return (row.account_id, row.id) if row else (None, None)
    if kind == "account":
        try:
            return accounts.get_account(session, account_id=int(number)).id, None
        except errors.NotFound:
            return None, None
    return None, None


def _link(session: Session, token: str) -> models.PaymentLinkRow:
    row = session.scalars(select(models.PaymentLinkRow).where(models.PaymentLinkRow.token == token)).one_or_none()
    if row is None:
        raise errors.NotFound("payment_link.unknown")
    return row


def _payload(event: ports.GatewayEvent) -> dict[str, Any]:
    return {
        "amount": str(event.amount),
        "currency": event.currency,
        "method": event.method,
        "failure_code": event.failure_code,
        "reference": event.metadata.get("reference"),
        "dispute": event.metadata.get("dispute"),
        "last4": event.metadata.get("last4"),
        "gateway_customer": event.metadata.get("gateway_customer"),
        "at": event.at.isoformat() if event.at else None,
    }


def _event(row: models.PaymentEventRow) -> ports.GatewayEvent:
    """The news as it was told, from what is kept of it."""
    kept = row.payload
    names = ("reference", "dispute", "last4", "gateway_customer")
    return ports.GatewayEvent(
        event_id=row.event_id,
        kind=row.kind,
        external_id=row.external_id,
        amount=money.parse(kept["amount"]),
        currency=kept["currency"],
        metadata={name: kept[name] for name in names if kept.get(name)},
        method=kept.get("method"),
        failure_code=kept.get("failure_code"),
        at=datetime.fromisoformat(kept["at"]) if kept.get("at") else None,
    )
