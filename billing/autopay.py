"""Automatic payment: what is due is charged to the kept method, again where that is of use, never twice at once."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import (
    cash_models,
    debit_notices,
    ledger,
    methods,
    models,
    once,
    payments,
    received,
    saved_methods,
    settling,
)
from core import errors, http, log, money, periods
from core.hub import Hub

logger = log.get(__name__)

MOST_TRIES = 3  # a returned debit may be shown to the bank twice more (Nacha's rule on reinitiated entries)
WAIT = timedelta(days=3)


def charge_due(hub: Hub, *, account_id: int, now: datetime) -> None:
    """This will charge what is due to an account's kept method: read, call, write.

    The amount is fixed with the key before the gateway is asked, so that asking again after an unknown outcome is the
    same charge. A debit that came back for want of money is tried again after three days, twice; then a pause.
    A SEPA debit takes what was announced, when its day has come.
    """
    today = periods.civil_day(now, hub.settings.utility_timezone)
    with hub.transaction() as session:
        once.lock_account(session, account_id)
        items = settling.open_items(session, account_ids=[account_id]).get(account_id, [])
        due = [i for i in items if i.due_on <= today and not i.disputed]
        method, mandate = _method(session, account_id)
        if mandate is not None and mandate.scheme == "SEPA":
            told = debit_notices.ripe(session, mandate, today=today)
            due = [
                replace(i, open_cents=min(i.open_cents, told[settling.bill_id(i)]))
                for i in due
                if i.kind == "BILL" and settling.bill_id(i) in told
            ]
        bills = [settling.bill_id(i) for i in due if i.kind == "BILL"]
        cents = min(sum(i.open_cents for i in due), ledger.balance_cents(session, account_id=account_id))
        cents -= _pending(session, account_id)
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
        kind = methods.of_scheme(mandate.scheme if mandate else None)
        mandate_id = mandate.id if mandate else None
    http.leave()
    refusal: str | None = None
    try:
        charge = hub.payments.charge_saved(
            method_id=method_id, customer_id=gateway_customer, method=kind, amount=amount,
            currency=hub.settings.currency, reference=f"account:{account_id}", key=key,
        )  # fmt: skip
    except errors.Refused as refused:
        charge, refusal = None, str(refused.data.get("reason") or refused.code)
        logger.warning("autopay_refused", extra={"account_id": account_id, "reason": refused.code})
    with hub.transaction() as session:
        came: dict[str, str | None] = {"status": "FAILED", "at": now.isoformat(), "failure_code": refusal}
        if charge is not None:
            status = charge.status if charge.status in ("SUCCEEDED", "PROCESSING") else "FAILED"
            failure = charge.failure_code or ("requires_action" if charge.status == "REQUIRES_ACTION" else None)
            payments.record_payment(
                session, gateway=hub.payments.name, external_id=charge.external_id, account_id=account_id,
                amount=amount, method=kind, status=status, at=now, now=now, failure_code=failure,
            )  # fmt: skip
            came.update(status=status, external_id=charge.external_id)
        row = session.get_one(models.BillingRequestRow, key)
        row.result = {**row.result, **came}
        if mandate_id is not None:
            debit_notices.use(session, mandate_id=mandate_id, bill_ids=bills, now=now)


def announce_due(hub: Hub, *, account_id: int, now: datetime) -> None:
    """This will announce the SEPA debits of an account whose notice begins, as long as there is a try left."""
    today = periods.civil_day(now, hub.settings.utility_timezone)
    with hub.transaction() as session:
        once.lock_account(session, account_id)
        method, mandate = _method(session, account_id)
        if method is None or mandate is None or mandate.scheme != "SEPA":
            return
        items = settling.open_items(session, account_ids=[account_id]).get(account_id, [])
        under_way = _pending(session, account_id) > 0
        fresh = debit_notices.to_announce(session, mandate, items, today=today, under_way=under_way)
        if not fresh:
            return
        newest = max(settling.bill_id(i) for i in fresh)
        if _key(session, hub.payments.name, account_id, f"autopay-{account_id}-{newest}", now) is not None:
            debit_notices.announce(
                session, mandate, method, fresh, creditor=hub.settings.sepa_creditor_id, today=today, now=now
            )


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


def _method(session: Session, account_id: int) -> tuple[models.SavedMethodRow | None, cash_models.MandateRow | None]:
    """What bills are paid with, and of a bank account the mandate; nothing while that is off, paused or revoked."""
    autopay = session.get(models.AutopayRow, account_id)
    if autopay is None or not autopay.enabled or autopay.paused_for is not None:
        return None, None
    method = session.get(models.SavedMethodRow, autopay.saved_method_id or 0)
    if method is None or not saved_methods.may_debit(session, method=method):
        return None, None
    return method, saved_methods.mandate_of(session, method=method)


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
