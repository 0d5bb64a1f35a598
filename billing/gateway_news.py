"""What the gateway tells us, applied once each: late, doubled and in any order, it ends in the same books."""

import re
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import chargebacks, methods, models, once, payments, received, refunds, saved_methods, views
from core import audit, errors, http, log, money, ports
from core.accounts import queries as accounts
from core.hub import Hub

logger = log.get(__name__)

Outcome = tuple[str, str | None]
MOST = Decimal(10) ** 12

_STATUS = {"payment.succeeded": "SUCCEEDED", "payment.processing": "PROCESSING", "payment.failed": "FAILED"}
_DISPUTES = ("payment.disputed", "payment.dispute_won", "payment.dispute_lost")
_AFTERWARDS = ("payment.refunded", "refund.sent", "refund.failed", *_DISPUTES)
_WAITING = ("UNKNOWN_PAYMENT", "EARLY")  # looked at again when something else of the same payment has been applied

_KEPT = (
    "reference",
    "dispute",
    "last4",
    "gateway_customer",
    "mandate",
    "refund",
    "gateway_refund",
)  # of an event's metadata


def settle_gateway_event(hub: Hub, event: ports.GatewayEvent) -> str:
    """This will apply what the gateway tells us, once. Gives APPLIED, STALE, PARKED or DUPLICATE.

    The same event twice is a duplicate; a state older than ours is stale; what names nothing of ours waits.
    """
    now = hub.now()
    gateway = hub.payments.name
    if event.kind == "method.set_up":
        event = _what_was_kept(hub, event)
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
        account = accounts.get_account_by_number(session, number=account_number)
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
    if not 0 < event.amount < MOST:
        return "PARKED", "AMOUNT"  # no payment has such an amount, whatever it is about
    before = (known.status, known.told_at) if known else None
    if known and known.status == "DISPUTED" and status == "FAILED":
        # the bank cannot return what it holds in dispute: that has ended, and we hear it later
        return "PARKED", "EARLY"
    if known and known.amount_cents != money.cents(event.amount):
        return "PARKED", "AMOUNT"  # same name, another amount: not for a machine to settle
    after = payments.record_payment(
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
    if event.kind in _DISPUTES:
        return chargebacks.closed(session, known, event, now, won=event.kind == "payment.dispute_won")
    if known.status in ("PROCESSING", "FAILED"):
        return "PARKED", "EARLY"
    if event.kind != "payment.refunded":
        return _refund(session, event, now)
    # all that was given back: by our own refunds, which are told one by one, and by somebody at the gateway's own desk
    done, own = refunds.known_cents(session, payment_id=known.id)
    cents = money.cents(event.amount) - own - (known.refunded_cents - done)
    if cents <= 0:
        return "STALE", None
    key = f"refund:{known.gateway}:{event.external_id}:{event.amount}:{known.refunded_cents}"
    reason = received.give_back(session, known, cents, key=key, now=now)
    return ("APPLIED", None) if reason is None else ("PARKED", reason)


def _refund(session: Session, event: ports.GatewayEvent, now: datetime) -> Outcome:
    """One refund's own news. Those we never asked for are in the sum that the payment's news tells."""
    name = event.metadata.get("gateway_refund", "")
    row = refunds.find_sent(session, key=event.metadata.get("refund"), gateway_refund_id=name)
    if row is None:
        return "STALE", None
    row = session.get_one(type(row), row.id, with_for_update=True, populate_existing=True)
    state = "SENT" if event.kind == "refund.sent" else "FAILED"
    outcome = refunds.told(session, row, ports.GatewayRefund(name, state, event.failure_code), now)
    return outcome, "STATE" if outcome == "PARKED" else None


def _catch_up(session: Session, gateway: str, external_id: str, currency: str, now: datetime) -> None:
    """What came too early is looked at again when something has been applied to its payment."""
    event = models.PaymentEventRow
    again = True
    while again:
        again = False
        payment = session.scalars(
            select(models.PaymentRow).where(
                models.PaymentRow.gateway == gateway, models.PaymentRow.external_id == external_id
            )
        ).one_or_none()
        if payment is not None:
            refunds.catch_up(session, payment_id=payment.id, now=now)
        for row in session.scalars(
            select(event)
            .where(
                event.gateway == gateway, event.external_id == external_id, event.outcome == "PARKED",
                event.reason.in_(_WAITING),
            )
            .order_by(event.id)
        ).all():  # fmt: skip
            row.outcome, row.reason = _apply(session, gateway, _event(row), currency, now)
            session.flush()
            again = again or row.outcome == "APPLIED"


def _what_was_kept(hub: Hub, event: ports.GatewayEvent) -> ports.GatewayEvent:
    """News of a set-up names neither digits nor mandate: they are asked for before anything is written."""
    http.leave()
    kept = hub.payments.find_kept(setup_id=event.external_id)
    metadata = {**event.metadata, "last4": kept.last4, "gateway_customer": kept.customer_id}
    if kept.mandate:
        metadata["mandate"] = kept.mandate
    return replace(event, kind="method.saved", external_id=kept.method_id, method=kept.method, metadata=metadata)


def _saved(session: Session, gateway: str, event: ports.GatewayEvent, account_id: int, now: datetime) -> Outcome:
    last4, scheme = event.metadata.get("last4", ""), methods.scheme(event.method)
    if len(last4) != 4 or not (last4.isascii() and last4.isdigit()):
        return "PARKED", "METHOD"
    if scheme == "SEPA" and not event.metadata.get("mandate"):
        return "PARKED", "MANDATE"
    saved_methods.keep_method(
        session, account_id=account_id, gateway=gateway, method_id=event.external_id,
        gateway_customer_id=event.metadata.get("gateway_customer", ""),
        kind="BANK" if scheme else "CARD", last4=last4, scheme=scheme or "ACH",
        reference=event.metadata.get("mandate"), now=now,
    )  # fmt: skip
    return "APPLIED", None


def _referenced(session: Session, metadata: Any) -> tuple[int | None, int | None]:
    """Our own reference comes back with every event: ``link:<id>`` or ``account:<id>``."""
    kind, _, number = str(metadata.get("reference", "")).partition(":")
    if not re.fullmatch("[0-9]{1,18}", number):  # no id of ours is longer
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


def _payload(event: ports.GatewayEvent) -> dict[str, Any]:
    return {
        "amount": str(event.amount),
        "currency": event.currency,
        "method": event.method,
        "failure_code": event.failure_code,
        **{name: event.metadata.get(name) for name in _KEPT},
        "at": event.at.isoformat() if event.at else None,
    }


def _event(row: models.PaymentEventRow) -> ports.GatewayEvent:
    """The news as it was told, from what is kept of it."""
    kept = row.payload
    return ports.GatewayEvent(
        event_id=row.event_id,
        kind=row.kind,
        external_id=row.external_id,
        amount=money.parse(kept["amount"]),
        currency=kept["currency"],
        metadata={name: kept[name] for name in _KEPT if kept.get(name)},
        method=kept.get("method"),
        failure_code=kept.get("failure_code"),
        at=datetime.fromisoformat(kept["at"]) if kept.get("at") else None,
    )
