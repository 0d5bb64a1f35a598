"""Automatic payment: what is due is charged to the kept method, again where that is of use, never twice at once."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import ledger, models, once, payments, received, saved_methods, settling
from core import errors, http, log, money, periods
from core.hub import Hub

logger = log.get(__name__)

MOST_TRIES = 3  # a returned debit may be shown to the bank twice more (Nacha's rule on reinitiated entries)
WAIT = timedelta(days=3)


def charge_due(hub: Hub, *, account_id: int, now: datetime) -> None:
    """This will charge what is due to an account's kept method: read, call, write.

    The amount is fixed with the key before the gateway is asked, so that asking again after an unknown outcome is the
    same charge. A debit that came back for want of money is tried again after three days, twice; then a pause.
    """
    today = periods.civil_day(now, hub.settings.utility_timezone)
    with hub.transaction() as session:
        once.lock_account(session, account_id)
        items = settling.open_items(session, account_ids=[account_id]).get(account_id, [])
        due = [i for i in items if i.due_on <= today and not i.disputed]
        bills = [int(i.key.partition(":")[2]) for i in due if i.kind == "BILL"]
        cents = min(sum(i.open_cents for i in due), ledger.balance_cents(session, account_id=account_id))
        cents -= _pending(session, account_id)
        method = _method(session, account_id)
        if cents <= 0 or not bills or method is None:
            return
        key = _key(session, hub.payments.name, account_id, f"autopay-{account_id}-{max(bills)}", now)
        if key is None:
            return
        before = session.get(models.BillingRequestRow, key)
        if before is None:
            once.answer(
                session, key=key, operation="autopay", account_id=account_id,
                result={"amount": str(money.from_cents(cents)), "method": method.id}, now=now,
            )  # fmt: skip
        elif before.result.get("method", method.id) != method.id:
            method = session.get_one(models.SavedMethodRow, int(before.result["method"]))
        amount = Decimal(before.result["amount"]) if before else money.from_cents(cents)
        method_id, gateway_customer = method.method_id, method.gateway_customer_id
        kind = "us_bank_account" if method.kind == "BANK" else "card"
    http.leave()
    refusal: str | None = None
    try:
        charge = hub.payments.charge_saved(
            method_id=method_id, customer_id=gateway_customer, amount=amount, currency=hub.settings.currency,
            reference=f"account:{account_id}", key=key,
        )  # fmt: skip
    except errors.Refused as refused:
        charge, refusal = None, str(refused.data.get("reason") or refused.code)
        logger.warning("autopay_refused", extra={"account_id": account_id, "reason": refused.code})
    with hub.transaction() as session:
        told: dict[str, str | None] = {"status": "FAILED", "at": now.isoformat(), "failure_code": refusal}
        if charge is not None:
            status = charge.status if charge.status in ("SUCCEEDED", "PROCESSING") else "FAILED"
            failure = charge.failure_code or ("requires_action" if charge.status == "REQUIRES_ACTION" else None)
            payments.record_payment(
                session, gateway=hub.payments.name, external_id=charge.external_id, account_id=account_id,
                amount=amount, method=kind, status=status, at=now, now=now, failure_code=failure,
            )  # fmt: skip
            told.update(status=status, external_id=charge.external_id)
        row = session.get_one(models.BillingRequestRow, key)
        row.result = {**row.result, **told}


def _key(session: Session, gateway: str, account_id: int, base: str, now: datetime) -> str | None:
    """The key of the try whose turn it is; None when there is none (yet). The last one that fails is a pause."""
    for number in range(1, MOST_TRIES + 1):
        key = base if number == 1 else f"{base}-{number}"
        row = session.get(models.BillingRequestRow, key)
        if row is None or "status" not in row.result:
            return key  # not tried, or asked with an unknown outcome: asked again under the same key
        failure = _failure(session, gateway, row.result.get("external_id"), row.result.get("failure_code"))
        if failure is None:
            return None  # it is on its way, or it has arrived
        if failure not in received.RETRIED or number == MOST_TRIES:
            received.pause_autopay(session, account_id=account_id, code=failure, now=now)
            return None
        if now < datetime.fromisoformat(row.result["at"]) + WAIT:
            return None
    return None


def _failure(session: Session, gateway: str, external_id: str | None, refusal: str | None) -> str | None:
    if external_id is None:
        return refusal or "refused"
    payment = models.PaymentRow
    row = session.scalars(
        select(payment).where(payment.gateway == gateway, payment.external_id == external_id)
    ).one_or_none()
    failed = row is not None and row.status in ("FAILED", "RETURNED")
    return (row.failure_code or "failed") if row is not None and failed else None


def _method(session: Session, account_id: int) -> models.SavedMethodRow | None:
    autopay = session.get(models.AutopayRow, account_id)
    if autopay is None or not autopay.enabled or autopay.paused_for is not None:
        return None
    method = session.get(models.SavedMethodRow, autopay.saved_method_id or 0)
    return method if method is not None and saved_methods.may_debit(session, method=method) else None


def _pending(session: Session, account_id: int) -> int:
    payment = models.PaymentRow
    return int(
        session.scalar(
            select(func.coalesce(func.sum(payment.amount_cents), 0)).where(
                payment.account_id == account_id, payment.status == "PROCESSING"
            )
        )
        or 0
    )
