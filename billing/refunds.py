"""Money back, with four eyes: asked for by one person, decided by another, then sent once."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import cash_models, credits, ledger, models, once, received, settling, views
from core import audit, errors, http, money, outbox, ports
from core.hub import Hub

_WAITING = ("REQUESTED", "APPROVED", "SENDING")


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
    row = _locked(session, refund_id)
    if not actor.strip() or audit.same_person(row.requested_by, actor):
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
    """This will send an approved refund: read, call, write.

    From before the call the row is SENDING: whatever answer comes or does not, it may have gone. Sent again, the
    gateway is asked for it first; and only while the payment still holds the money is it sent once more, as the same.
    """
    begun = _begin(hub, refund_id)
    if isinstance(begun, views.Refund):
        return begun
    http.leave()
    found = hub.payments.find_refund(external_id=begun.external_id, key=begun.key) if begun.again else None
    failure: str | None = None
    if found is None and begun.holds:
        try:
            sent = hub.payments.refund(external_id=begun.external_id, amount=begun.amount, key=begun.key)
            found = ports.GatewayRefund(sent, "SENT")
        except errors.ProviderError as failed:
            if failed.retryable:
                raise
            failure = failed.code
    elif found is None:
        failure = "payment_gone"
    now = hub.now()
    with hub.transaction() as session:
        row = _locked(session, refund_id)
        if found is not None:
            told(session, row, found, now)
        elif row.status == "SENDING" and row.gateway_refund_id is None:
            row.status, row.failure_code = "FAILED", failure
            _audit(session, row, "hub", "refund.failed", now)
        session.flush()
        return view(row)


def told(session: Session, row: cash_models.RefundRow, found: ports.GatewayRefund, now: datetime) -> str:
    """This will bring a refund up to what the gateway says of it: it went, or it went and came back. The account is
    locked by the caller. Gives APPLIED, STALE, or PARKED when it cannot be yet.

    What was given up as unsent and went after all is in the books as it went.
    """
    if row.status == "REQUESTED" or row.status == "REJECTED" or row.payment_id is None:
        return "PARKED"
    payment = session.get_one(models.PaymentRow, row.payment_id, with_for_update=True, populate_existing=True)
    came_back = row.status == "FAILED" and row.gateway_refund_id is not None
    if came_back or (row.status == "DONE" and found.status == "SENT"):
        return "STALE"
    row.gateway_refund_id = found.external_id
    if found.status == "FAILED" and row.status == "DONE":
        if payment.status == "RETURNED":
            return "PARKED"  # whether the bank took it along, only the gateway's movements say
        row.status, row.failure_code = "FAILED", found.failure_code or "came_back"
        session.flush()
        received.take_again(session, payment, row.amount_cents, key=f"refund-failed:{row.id}", now=now)
        _audit(session, row, "hub", "refund.came_back", now)
        return "APPLIED"
    if found.status == "FAILED":
        row.status, row.failure_code = "FAILED", found.failure_code or "came_back"
        _audit(session, row, "hub", "refund.failed", now)
        return "APPLIED"
    row.status, row.failure_code, row.sent_at = "SENDING", None, row.sent_at or now
    session.flush()
    if received.give_back(session, payment, row.amount_cents, key=f"refund:{row.id}", now=now) is not None:
        return "APPLIED"  # it went, and comes into the books when what holds the money has let go: `catch_up`
    row.status = "DONE"
    session.flush()
    _audit(session, row, "hub", "refund.sent", now)
    return "APPLIED"


def catch_up(session: Session, *, payment_id: int, now: datetime) -> None:
    """This will put refunds into the books that went while a dispute held the money."""
    refund = cash_models.RefundRow
    for row in session.scalars(
        select(refund)
        .where(refund.payment_id == payment_id, refund.status == "SENDING", refund.gateway_refund_id.is_not(None))
        .order_by(refund.id)
        .with_for_update()
    ).all():
        told(session, row, ports.GatewayRefund(str(row.gateway_refund_id), "SENT"), now)


def find_sent(session: Session, *, key: str | None, gateway_refund_id: str | None) -> cash_models.RefundRow | None:
    """This will find the refund that the gateway speaks of: by our key, which it keeps with it, or by its own name."""
    refund = cash_models.RefundRow
    kind, _, number = (key or "").partition("-")
    if kind == "refund" and number.isdigit():
        return session.get(refund, int(number))
    if not gateway_refund_id:
        return None
    return session.scalars(select(refund).where(refund.gateway_refund_id == gateway_refund_id)).one_or_none()


def known_cents(session: Session, *, payment_id: int) -> tuple[int, int]:
    """This will give what of a payment our own refunds gave back, by the books; and all of them the gateway may know:
    under way, and come back since."""
    refund = cash_models.RefundRow
    went = (refund.status == "SENDING") | ((refund.status == "FAILED") & refund.gateway_refund_id.is_not(None))
    done, other = session.execute(
        select(
            func.coalesce(func.sum(refund.amount_cents).filter(refund.status == "DONE"), 0),
            func.coalesce(func.sum(refund.amount_cents).filter(went), 0),
        ).where(refund.payment_id == payment_id)
    ).one()
    return int(done), int(done) + int(other)


@dataclass(frozen=True)
class _Begun:
    external_id: str
    amount: Decimal
    key: str
    again: bool  # an earlier try may have gone
    holds: bool  # the payment still holds the money


def _begin(hub: Hub, refund_id: int) -> "_Begun | views.Refund":
    now = hub.now()
    with hub.transaction() as session:
        row = _locked(session, refund_id)
        if row.status not in ("APPROVED", "SENDING") or row.payment_id is None or row.gateway_refund_id is not None:
            return view(row)
        payment = session.get_one(models.PaymentRow, row.payment_id, with_for_update=True, populate_existing=True)
        holds = payment.status == "SUCCEEDED" and row.amount_cents <= received.net(payment) - _sending(session, row)
        again = row.status == "SENDING"
        if not again and not holds:
            row.status, row.failure_code = "FAILED", f"payment_{payment.status.lower()}"
            _audit(session, row, "hub", "refund.failed", now)
        elif payment.gateway != hub.payments.name:  # by the bank, from the list of done refunds, as it came
            row.sent_at = now
            told(session, row, ports.GatewayRefund("bank", "SENT"), now)
            row.gateway_refund_id = None
        else:
            row.status, row.sent_at = "SENDING", row.sent_at or now
            session.flush()
            amount = money.from_cents(row.amount_cents)
            return _Begun(payment.external_id, amount, f"refund-{refund_id}", again, holds)
        session.flush()
        return view(row)


def _sending(session: Session, row: cash_models.RefundRow) -> int:
    """What other refunds of the same payment are on their way with."""
    refund = cash_models.RefundRow
    return int(
        session.scalar(
            select(func.coalesce(func.sum(refund.amount_cents), 0)).where(
                refund.payment_id == row.payment_id, refund.status == "SENDING", refund.id != row.id
            )
        )
        or 0
    )


def _locked(session: Session, refund_id: int) -> cash_models.RefundRow:
    found = session.get(cash_models.RefundRow, refund_id)
    if found is None:
        raise errors.NotFound("refund.unknown")
    once.lock_account(session, found.account_id)
    return session.get_one(cash_models.RefundRow, refund_id, with_for_update=True, populate_existing=True)


def list_waiting(session: Session, *, limit: int = 100) -> tuple[views.Refund, ...]:
    """This will list the refunds that wait for a second pair of eyes, may have gone, or could not go; oldest first."""
    refund = cash_models.RefundRow
    rows = session.scalars(
        select(refund).where(refund.status.in_(("REQUESTED", "SENDING", "FAILED"))).order_by(refund.id).limit(limit)
    )
    return tuple(view(row) for row in rows)


def list_credits(session: Session, *, account_id: int, limit: int = 20) -> tuple[views.Credit, ...]:
    """This will list what an account was given, newest first, each with what of it can be paid out."""
    credit, left = cash_models.CreditRow, _payable(session, account_id)
    rows = session.scalars(
        select(credit).where(credit.account_id == account_id).order_by(credit.id.desc()).limit(limit)
    )
    return tuple(
        views.Credit(
            row.id, row.kind, money.from_cents(row.amount_cents), money.from_cents(left.get(row.id, 0)), row.reason,
            row.given_by, row.given_at,
        )
        for row in rows
    )  # fmt: skip


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
        failure_code=row.failure_code,
    )


def _left(session: Session, payment: models.PaymentRow | None, credit: cash_models.CreditRow | None) -> int:
    """What may still be asked for: of a payment all that is not given back; of a credit what pays nothing."""
    if payment is None:
        assert credit is not None  # one of the two was found
        return _payable(session, credit.account_id).get(credit.id, 0)
    refund = cash_models.RefundRow
    asked = session.scalar(
        select(func.coalesce(func.sum(refund.amount_cents), 0)).where(
            refund.payment_id == payment.id, refund.status.in_(_WAITING)
        )
    )
    return received.net(payment) - int(asked or 0)


def _payable(session: Session, account_id: int) -> dict[int, int]:
    """What of an account's credits pays nothing and is not asked for already. A debt given up is no claim."""
    refund, credit = cash_models.RefundRow, cash_models.CreditRow
    given_up = set(
        session.scalars(select(credit.id).where(credit.account_id == account_id, credit.kind == "WRITE_OFF"))
    )
    asked = {
        credit_id: int(cents)
        for credit_id, cents in session.execute(
            select(refund.credit_id, func.sum(refund.amount_cents))
            .where(refund.account_id == account_id, refund.credit_id.is_not(None), refund.status.in_(_WAITING))
            .group_by(refund.credit_id)
        )
    }
    return {
        source.credit_id: source.cents - asked.get(source.credit_id, 0)
        for source in settling.unused(session, account_ids=[account_id])
        if source.credit_id is not None and source.credit_id not in given_up
    }


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
