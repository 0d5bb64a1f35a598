"""Money back, with four eyes: asked for by one person, decided by another, then sent once."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import cash_models, credits, ledger, models, once, received, settling, views
from core import audit, errors, http, money, outbox
from core.hub import Hub

_WAITING = ("REQUESTED", "APPROVED")


def request_refund(
    session: Session,
    *,
    payment_id: int | None = None,
    credit_id: int | None = None,
    amount: Decimal | None,
    reason: str,
    actor: str,
    key: str,
    now: datetime,
) -> views.Refund:
    """This will ask for all or part of a payment, or of a credit, to go back. Nothing moves until another agrees.

    Refused refund.not_settled; Invalid refund.amount when more is asked for than is left and not asked for already.
    """
    source = session.get(models.PaymentRow, payment_id) if payment_id else None
    credit = session.get(cash_models.CreditRow, credit_id) if credit_id and not payment_id else None
    found = source or credit
    if found is None:
        raise errors.NotFound("payment.unknown")
    if not reason.strip() or not actor.strip():
        raise errors.Invalid("refund.reason")
    once.lock_account(session, found.account_id)
    refund = cash_models.RefundRow
    before = session.scalars(select(refund).where(refund.key == key)).one_or_none()
    if before is not None:
        if (before.payment_id, before.credit_id) != (source and source.id, credit and credit.id):
            raise errors.Invalid("request.key")
        return view(before)
    session.refresh(found)
    if source is not None and source.status != "SUCCEEDED":
        raise errors.Refused("refund.not_settled", status=source.status)
    left = _left(session, source, credit)
    cents = left if amount is None else money.cents(amount)
    if not 0 < cents <= left:
        raise errors.Invalid("refund.amount", amount=str(amount), left=str(money.from_cents(left)))
    row = refund(
        key=key, account_id=found.account_id, payment_id=source and source.id, credit_id=credit and credit.id,
        amount_cents=cents, reason=reason.strip(), requested_by=actor, requested_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    _audit(session, row, actor, "refund.requested", now)
    return view(row)


def decide_refund(session: Session, *, refund_id: int, approve: bool, actor: str, now: datetime) -> views.Refund:
    """This will agree to a refund, or not. Refused refund.same_person when who asked wants to decide too."""
    found = session.get(cash_models.RefundRow, refund_id)
    if found is None:
        raise errors.NotFound("refund.unknown")
    once.lock_account(session, found.account_id)
    row = session.get_one(cash_models.RefundRow, refund_id, with_for_update=True, populate_existing=True)
    if not actor.strip() or row.requested_by.strip().lower() == actor.strip().lower():
        raise errors.Refused("refund.same_person")
    if row.status != "REQUESTED":
        raise errors.Refused("refund.decided", status=row.status)
    row.status, row.decided_by, row.decided_at = "APPROVED" if approve else "REJECTED", actor, now
    session.flush()
    _audit(session, row, actor, "refund.approved" if approve else "refund.rejected", now)
    if approve and row.credit_id is not None:
        _pay_out(session, row, now)
    elif approve:
        outbox.record_fact(
            session, "refund.approved", key=f"account:{row.account_id}",
            payload={"refund_id": row.id, "account_id": row.account_id}, now=now,
        )  # fmt: skip
    return view(row)


def send_refund(hub: Hub, *, refund_id: int) -> views.Refund:
    """This will send an approved refund: read, call, write. Sent again after an unknown outcome, it is the same one."""
    now = hub.now()
    with hub.transaction() as session:
        row = session.get_one(cash_models.RefundRow, refund_id)
        if row.status != "APPROVED" or row.payment_id is None:
            return view(row)
        payment = session.get_one(models.PaymentRow, row.payment_id)
        external_id, gateway, amount = payment.external_id, payment.gateway, money.from_cents(row.amount_cents)
    http.leave()
    sent: str | None = None
    failure: str | None = None
    if gateway == hub.payments.name:  # what came by the bank goes back by the bank, from the list of done refunds
        try:
            sent = hub.payments.refund(external_id=external_id, amount=amount, key=f"refund-{refund_id}")
        except errors.ProviderError as failed:
            if failed.retryable:
                raise
            failure = failed.code
    with hub.transaction() as session:
        once.lock_account(session, row.account_id)
        done = session.get_one(cash_models.RefundRow, refund_id, with_for_update=True)
        if done.status != "APPROVED":
            return view(done)
        payment = session.get_one(models.PaymentRow, done.payment_id, with_for_update=True)
        done.status, done.gateway_refund_id, done.failure_code = "FAILED" if failure else "DONE", sent, failure
        if not failure:
            session.flush()
            received.refund_to(session, payment, _total(session, payment), now)
        _audit(session, done, "hub", "refund.failed" if failure else "refund.sent", now)
        return view(done)


def list_waiting(session: Session, *, limit: int = 100) -> tuple[views.Refund, ...]:
    """This will list the refunds that wait for a second pair of eyes, or could not be sent; oldest first."""
    refund = cash_models.RefundRow
    rows = session.scalars(
        select(refund).where(refund.status.in_(("REQUESTED", "FAILED"))).order_by(refund.id).limit(limit)
    )
    return tuple(view(row) for row in rows)


def view(row: cash_models.RefundRow) -> views.Refund:
    """This will give a refund as others see it."""
    return views.Refund(
        id=row.id,
        account_id=row.account_id,
        payment_id=row.payment_id,
        credit_id=row.credit_id,
        amount=money.from_cents(row.amount_cents),
        reason=row.reason,
        status=row.status,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        decided_by=row.decided_by,
    )


def _left(session: Session, payment: models.PaymentRow | None, credit: cash_models.CreditRow | None) -> int:
    """What may still be asked for: of a payment all that is not given back; of a credit what pays nothing."""
    refund = cash_models.RefundRow
    source = refund.payment_id == payment.id if payment else refund.credit_id == (credit.id if credit else 0)
    asked = session.scalar(
        select(func.coalesce(func.sum(refund.amount_cents), 0)).where(source, refund.status.in_(_WAITING))
    )
    if payment is not None:
        return payment.amount_cents - payment.refunded_cents - int(asked or 0)
    assert credit is not None  # one of the two was found
    unused = [s for s in settling.unused(session, account_ids=[credit.account_id]) if s.credit_id == credit.id]
    return sum(s.cents for s in unused if credit.kind != "WRITE_OFF") - int(asked or 0)


def _total(session: Session, payment: models.PaymentRow) -> int:
    """All that our own refunds have given back; the gateway's news may have been quicker, or of another's refund."""
    refund = cash_models.RefundRow
    own = session.scalar(
        select(func.coalesce(func.sum(refund.amount_cents), 0)).where(
            refund.payment_id == payment.id, refund.status == "DONE"
        )
    )
    return min(payment.amount_cents, int(own or 0) + received.lost_cents(session, payment.id))


def _pay_out(session: Session, row: cash_models.RefundRow, now: datetime) -> None:
    credit = session.get_one(cash_models.CreditRow, row.credit_id, with_for_update=True)
    unused = [s for s in settling.unused(session, account_ids=[row.account_id]) if s.credit_id == credit.id]
    if row.amount_cents > sum(s.cents for s in unused):
        raise errors.Refused("refund.used")  # it has paid something since
    row.status = "DONE"
    credits.reverse(
        session, credit, row.amount_cents, kind="REFUND", against=ledger.CASH, key=f"paid-out:{row.id}", now=now
    )


def _audit(session: Session, row: cash_models.RefundRow, actor: str, action: str, now: datetime) -> None:
    audit.record(
        session, actor=actor, action=action, subject="refund", subject_id=row.id, now=now,
        detail={"amount": str(money.from_cents(row.amount_cents)), "reason": row.reason},
    )  # fmt: skip
