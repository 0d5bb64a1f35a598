"""Money coming in: links, the gateway's page, what the gateway tells us afterwards, refunds, automatic payment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing import arrangements, ledger, models, once, owed, settling, views
from core import audit, crypto, errors, http, log, money, outbox, ports
from core.accounts import queries as accounts
from core.hub import Hub

logger = log.get(__name__)

LINK_VALID_FOR = timedelta(days=7)
MAX_LINK = Decimal("100000")


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
        _succeed(session, row, now)
    elif status == "FAILED" and row.status == "PROCESSING":
        row.status, row.failure_code = "FAILED", failure_code
        _reopen_link(session, row)
        _tell(session, "payment.failed", row, now)
    elif status == "FAILED" and row.status == "SUCCEEDED":
        _return(session, row, failure_code, now)
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
    ledger.post_journals(session, [_received(row) for row in rows], now=now)
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
        outcome = _apply(session, gateway, event, now)
        session.add(
            models.PaymentEventRow(
                gateway=gateway, event_id=event.event_id, kind=event.kind, external_id=event.external_id,
                payload=_payload(event), outcome=outcome, received_at=now,
            )
        )  # fmt: skip
    if outcome == "PARKED":
        logger.warning("payment_event_parked", extra={"event_id": event.event_id, "kind": event.kind})
    return outcome


def refund_payment(
    hub: Hub, *, payment_id: int, amount: Decimal | None, actor: str, reason: str, key: str
) -> views.Payment:
    """This will give a payment back, all or part: read, call, write. The books follow when the gateway has taken it."""
    now = hub.now()
    with hub.transaction() as session:
        row = session.get(models.PaymentRow, payment_id)
        if row is None:
            raise errors.NotFound("payment.unknown")
        done = session.get(models.BillingRequestRow, key)
        if done is not None:
            return owed.payment_view(row)
        left = row.amount_cents - row.refunded_cents
        cents = left if amount is None else money.cents(amount)
        if row.status != "SUCCEEDED":
            raise errors.Refused("refund.not_settled", status=row.status)
        if not 0 < cents <= left:
            raise errors.Invalid("refund.amount", amount=str(amount), left=str(money.from_cents(left)))
        external_id, account_id, total = row.external_id, row.account_id, row.refunded_cents + cents
    http.leave()
    refund_id = hub.payments.refund(external_id=external_id, amount=money.from_cents(cents), key=key)
    with hub.transaction() as session:
        once.lock_account(session, account_id)
        row = session.get_one(models.PaymentRow, payment_id, with_for_update=True)
        if session.get(models.BillingRequestRow, key) is None:
            session.add(
                models.BillingRequestRow(
                    key=key, operation="refund", account_id=account_id, result={"refund": refund_id}, recorded_at=now
                )
            )
            _refund_to(session, row, total, now)
            audit.record(
                session, actor=actor, action="payment.refunded", subject="payment", subject_id=payment_id, now=now,
                detail={"amount": str(money.from_cents(cents)), "reason": reason},
            )  # fmt: skip
        return owed.payment_view(row)


def keep_method(
    session: Session,
    *,
    account_id: int,
    gateway: str,
    method_id: str,
    gateway_customer_id: str,
    kind: str,
    last4: str,
    now: datetime,
) -> views.SavedMethod:
    """This will keep a card or bank account's name at the gateway; the same one again is given back."""
    row = session.scalars(
        select(models.SavedMethodRow).where(
            models.SavedMethodRow.gateway == gateway, models.SavedMethodRow.method_id == method_id
        )
    ).one_or_none()
    if row is None:
        row = models.SavedMethodRow(
            account_id=account_id, gateway=gateway, method_id=method_id, gateway_customer_id=gateway_customer_id,
            kind=kind, last4=last4, saved_at=now,
        )  # fmt: skip
        session.add(row)
        session.flush()
    return views.SavedMethod(row.id, row.account_id, row.kind, row.last4, row.saved_at)


def _apply(session: Session, gateway: str, event: ports.GatewayEvent, now: datetime) -> str:
    known = session.scalars(
        select(models.PaymentRow).where(
            models.PaymentRow.gateway == gateway, models.PaymentRow.external_id == event.external_id
        )
    ).one_or_none()
    account_id, link_id = (known.account_id, known.link_id) if known else _referenced(session, event.metadata)
    if account_id is None:
        return "PARKED"
    if event.kind == "method.saved":
        return _saved(session, gateway, event, account_id, now)
    if event.kind == "payment.refunded":
        if known is None:
            return "PARKED"
        once.lock_account(session, account_id)
        total = min(money.cents(event.amount), known.amount_cents)
        if known.status not in ("SUCCEEDED", "REFUNDED") or total <= known.refunded_cents:
            return "STALE"
        _refund_to(session, known, total, now)
        return "APPLIED"
    status = {
        "payment.succeeded": "SUCCEEDED",
        "payment.processing": "PROCESSING",
        "payment.failed": "FAILED",
        "payment.disputed": "FAILED",
    }.get(event.kind)
    if status is None:
        return "PARKED"
    before = (known.status, known.amount_cents) if known else None
    if known and known.amount_cents != money.cents(event.amount):
        return "PARKED"  # same name, another amount: not for a machine to settle
    after = record_payment(
        session, gateway=gateway, external_id=event.external_id, account_id=account_id, amount=event.amount,
        method=event.method, status=status, at=event.at or now, now=now, failure_code=event.failure_code,
        link_id=link_id,
    )  # fmt: skip
    _mark_link(session, link_id, after.status)
    return "STALE" if before is not None and before[0] == after.status else "APPLIED"


def _succeed(session: Session, row: models.PaymentRow, now: datetime) -> None:
    row.status, row.failure_code, row.settled_at = "SUCCEEDED", None, now
    session.flush()
    ledger.post_journals(session, [_received(row)], now=now)
    settling.settle(session, account_ids=[row.account_id], now=now)
    _mark_link(session, row.link_id, "SUCCEEDED")
    _tell(session, "payment.received", row, now)
    arrangements.follow(session, account_id=row.account_id, now=now)


def _return(session: Session, row: models.PaymentRow, failure_code: str | None, now: datetime) -> None:
    left = row.amount_cents - row.refunded_cents
    row.status, row.failure_code = "RETURNED", failure_code
    journal = ledger.Journal(
        key=f"payment-returned:{row.id}",
        kind="PAYMENT_RETURNED",
        account_id=row.account_id,
        effective_on=now.date(),
        amounts={ledger.RECEIVABLE: left, ledger.CASH: -left},
    )
    session.flush()
    ledger.post_journals(session, [journal], now=now)
    settling.release(session, payment_ids=[row.id])
    settling.settle(session, account_ids=[row.account_id], now=now)
    _tell(session, "payment.failed", row, now)


def _refund_to(session: Session, row: models.PaymentRow, total: int, now: datetime) -> None:
    """Bring what has been given back of a payment up to `total`; less than that changes nothing."""
    cents = total - row.refunded_cents
    if cents <= 0:
        return
    row.refunded_cents = total
    row.status = "REFUNDED" if total == row.amount_cents else row.status
    session.flush()
    journal = ledger.Journal(
        key=f"refund:{row.id}:{total}",
        kind="REFUND",
        account_id=row.account_id,
        effective_on=now.date(),
        amounts={ledger.RECEIVABLE: cents, ledger.CASH: -cents},
    )
    ledger.post_journals(session, [journal], now=now)
    settling.release(session, payment_ids=[row.id])
    settling.settle(session, account_ids=[row.account_id], now=now)
    _tell(session, "payment.refunded", row, now)


def _received(row: models.PaymentRow) -> ledger.Journal:
    return ledger.Journal(
        key=f"payment:{row.id}",
        kind="PAYMENT",
        account_id=row.account_id,
        effective_on=(row.settled_at or row.received_at).date(),
        amounts={ledger.CASH: row.amount_cents, ledger.RECEIVABLE: -row.amount_cents},
    )


def _tell(session: Session, name: str, row: models.PaymentRow, now: datetime) -> None:
    outbox.record_fact(
        session,
        name,
        key=f"account:{row.account_id}",
        payload={
            "payment_id": row.id,
            "account_id": row.account_id,
            "customer_id": accounts.get_account(session, account_id=row.account_id).customer_id,
            "amount": str(money.from_cents(row.amount_cents)),
            "refunded": str(money.from_cents(row.refunded_cents)),
            "failure_code": row.failure_code,
        },
        now=now,
    )


def _saved(session: Session, gateway: str, event: ports.GatewayEvent, account_id: int, now: datetime) -> str:
    last4 = event.metadata.get("last4", "")
    if len(last4) != 4 or not last4.isdigit():
        return "PARKED"
    keep_method(
        session, account_id=account_id, gateway=gateway, method_id=event.external_id,
        gateway_customer_id=event.metadata.get("gateway_customer", ""),
        kind="BANK" if event.method == "us_bank_account" else "CARD", last4=last4, now=now,
    )  # fmt: skip
    return "APPLIED"


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


def _mark_link(session: Session, link_id: int | None, status: str) -> None:
    state = {"SUCCEEDED": "PAID", "PROCESSING": "PROCESSING"}.get(status)
    if link_id is None or state is None:
        return
    link = models.PaymentLinkRow
    session.execute(update(link).where(link.id == link_id, link.status != "PAID").values(status=state))


def _reopen_link(session: Session, row: models.PaymentRow) -> None:
    """A payment that failed leaves its link open for another try, with a page of its own."""
    link = models.PaymentLinkRow
    if row.link_id is not None:
        session.execute(
            update(link)
            .where(link.id == row.link_id, link.status != "PAID")
            .values(status="OPEN", attempt=link.attempt + 1, checkout_id=None, checkout_url=None)
        )


def _payload(event: ports.GatewayEvent) -> dict[str, Any]:
    return {
        "amount": str(event.amount),
        "currency": event.currency,
        "method": event.method,
        "failure_code": event.failure_code,
        "reference": event.metadata.get("reference"),
        "at": event.at.isoformat() if event.at else None,
    }
