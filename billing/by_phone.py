"""Paying in a call. The caller types the card in at the carrier, which gives us a token for it: no digit comes here.

What is paid is a payment link that was said in the call: its account and its amount are the hub's own. The charge is
owed in writing before it is tried, under a key made of the call and the try.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing import models, once, payments, received, views
from billing.cash_models import PhonePaymentRow
from core import errors, http, log, money, outbox, wording
from core.accounts import queries as accounts
from core.conversations import operations as conversing
from core.hub import Hub
from core.ports import Choice, Reply

logger = log.get(__name__)

MOST_TRIES = 5  # cards an account may be tried with by phone, within:
TRIES_WITHIN = timedelta(hours=1)
_ON_ITS_WAY = ("SUCCEEDED", "PROCESSING")
WAYS_ON = (Choice("choice.pay_by_link", "/pay_bill"), Choice("choice.person", "/talk_to_human"))


def begin(
    session: Session, *, account_id: int, link_token: str, call_id: str, conversation_id: int, now: datetime
) -> views.PhonePayment:
    """This will open a try to pay a link of the account in a call; asked twice it is the same try.

    NotFound payment_link.unknown for anybody else's link; Refused payment_link.used, payment_link.expired,
    phone_payment.under_way while nobody knows what became of another try, phone_payment.too_many.
    """
    once.lock_account(session, account_id)
    link = session.scalars(
        select(models.PaymentLinkRow).where(models.PaymentLinkRow.token == link_token).with_for_update()
    ).one_or_none()
    if link is None or link.account_id != account_id:
        raise errors.NotFound("payment_link.unknown")
    row = PhonePaymentRow
    asking = session.scalars(
        select(row).where(row.call_id == call_id, row.link_id == link.id, row.status == "ASKING")
    ).one_or_none()
    if _unsettled(session, account_id):
        raise errors.Refused("phone_payment.under_way")
    if link.status != "OPEN":
        raise errors.Refused("payment_link.used", status=link.status)
    if link.expires_at <= now:
        raise errors.Refused("payment_link.expired")
    if asking is not None:
        return _view(asking)
    lately = session.scalar(select(func.count()).where(row.account_id == account_id, row.begun_at > now - TRIES_WITHIN))
    if int(lately or 0) >= MOST_TRIES:
        raise errors.Refused("phone_payment.too_many")
    last = session.scalar(select(func.max(row.attempt)).where(row.call_id == call_id))
    made = PhonePaymentRow(
        call_id=call_id, attempt=int(last or 0) + 1, link_id=link.id, account_id=account_id,
        conversation_id=conversation_id, amount_cents=link.amount_cents, begun_at=now,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return _view(made)


def take_card(session: Session, *, call_id: str, attempt: int, token: str, now: datetime) -> views.PhonePayment:
    """This will owe the charge of the card that a token stands for. Said twice, or too late, it changes nothing."""
    row = _locked(session, call_id, attempt)
    if row.status != "ASKING":
        return _view(row)
    link = session.get_one(models.PaymentLinkRow, row.link_id, with_for_update=True, populate_existing=True)
    if link.status != "OPEN":  # it was paid another way while the caller typed: nothing is charged
        raise errors.Refused("payment_link.used", status=link.status)
    row.status, row.card_token = "CHARGING", token
    link.status = "PROCESSING"  # so that no page opens for it meanwhile
    outbox.record_fact(
        session, "phone_payment.owed", key=f"phone-payment:{row.id}",
        payload={"phone_payment_id": row.id, "account_id": row.account_id}, now=now,
    )  # fmt: skip
    return _view(row)


def fail(
    session: Session, *, call_id: str, attempt: int, reason: str, now: datetime, house: wording.House
) -> views.PhonePayment:
    """This will end a try in which no card came, say why (CANCELLED, TIMEOUT, TOO_MANY_TRIES, DECLINED, CONNECTOR,
    USED), and what else can be done. One whose card came goes on.
    """
    row = _locked(session, call_id, attempt)
    if row.status == "ASKING":
        _failed(session, row, reason, now, house)
    return _view(row)


def charge(hub: Hub, *, phone_payment_id: int) -> None:
    """This will charge the card of a try: read, call, write. Asked again it is the same charge.

    What comes of it is booked as any payment is, and said in the call; where the caller was left unsure, written too.
    """
    house = conversing.house(hub.settings)
    with hub.transaction() as session:
        row = _locked(session, phone_payment_id=phone_payment_id)
        if row.status != "CHARGING":
            return
        known = _known(session, row.link_id)
        if known is not None:  # the gateway told us itself, or the link was paid another way
            _paid(session, row, known.status, hub.now(), house)
            return
        assert row.card_token is not None  # a constraint of the table
        token, link_id, account_id = row.card_token, row.link_id, row.account_id
        amount, key = money.from_cents(row.amount_cents), f"phone-{row.call_id}-{row.attempt}"
    http.leave()
    refused: errors.Refused | None = None
    try:
        taken = hub.payments.charge_token(
            token=token, amount=amount, currency=hub.settings.currency, reference=f"link:{link_id}", key=key
        )
    except errors.Refused as refusal:
        refused = refusal
        logger.warning("phone_payment_refused", extra={"account_id": account_id, "reason": refusal.code})
    now = hub.now()
    with hub.transaction() as session:
        once.lock_account(session, account_id)
        row = _locked(session, phone_payment_id=phone_payment_id)
        if row.status != "CHARGING":
            return
        if refused is None:
            status = taken.status if taken.status in _ON_ITS_WAY else "FAILED"
            failure = taken.failure_code or ("requires_action" if taken.status == "REQUIRES_ACTION" else None)
            paid = payments.record_payment(
                session, gateway=hub.payments.name, external_id=taken.external_id, account_id=account_id,
                amount=amount, method="card", status=status, at=now, now=now, failure_code=failure, link_id=link_id,
            )  # fmt: skip
            received.mark_link(session, link_id, paid.status)
            if paid.status == "FAILED":
                _failed(session, row, "DECLINED", now, house, written=False)  # the payment's own notice is
            else:
                _paid(session, row, paid.status, now, house)
        elif (known := _known(session, link_id)) is not None:  # tried long ago, and told by the gateway since
            _paid(session, row, known.status, now, house)
        else:
            link = models.PaymentLinkRow
            session.execute(update(link).where(link.id == link_id, link.status == "PROCESSING").values(status="OPEN"))
            _failed(session, row, "DECLINED" if refused.code == "payment.declined" else "CONNECTOR", now, house)


def tell_unsure(
    session: Session, *, call_id: str, attempt: int, now: datetime, house: wording.House
) -> views.PhonePayment:
    """This will say that nobody knows yet whether a charge went through, and that it must not be paid again."""
    row = _locked(session, call_id, attempt)
    if row.status == "CHARGING" and row.unsure_at is None:
        row.unsure_at = now
        _say(session, row, Reply("billing.phone_payment_unsure", _told(row)), "unsure", now, house)
    return _view(row)


def find(session: Session, *, call_id: str, attempt: int) -> views.PhonePayment | None:
    """This will find a try by the call and its number."""
    row = PhonePaymentRow
    found = session.scalars(select(row).where(row.call_id == call_id, row.attempt == attempt)).one_or_none()
    return _view(found) if found else None


def _paid(session: Session, row: PhonePaymentRow, status: str, now: datetime, house: wording.House) -> None:
    row.status, row.card_token, row.ended_at = "PAID", None, now
    _say(session, row, Reply("billing.phone_payment_paid", {**_told(row), "status": status}), "paid", now, house)


def _failed(
    session: Session, row: PhonePaymentRow, reason: str, now: datetime, house: wording.House, *, written: bool = True
) -> None:
    row.status, row.card_token, row.failure_code, row.ended_at = "FAILED", None, reason, now
    link = session.get_one(models.PaymentLinkRow, row.link_id, populate_existing=True)
    data = {**_told(row), "reason": reason, "payable": link.token if link.status == "OPEN" else None}
    reply = Reply("billing.phone_payment_failed", data, WAYS_ON)
    _say(session, row, reply, "failed", now, house, written=written)


def _say(
    session: Session, row: PhonePaymentRow, reply: Reply, what: str, now: datetime, house: wording.House,
    *, written: bool = True,
) -> None:  # fmt: skip
    """In the call, whether or not the caller still hears it; once the caller was left unsure, by text message too."""
    session.flush()
    key = f"phone-payment:{row.id}:{what}"
    conversing.send_once(session, conversation_id=row.conversation_id, reply=reply, key=key, now=now, house=house)
    if row.unsure_at is not None and what != "unsure" and written:
        conversing.notify_customer(
            session, customer_id=_customer(session, row.account_id), kind=reply.kind, data=reply.data,
            purpose="SERVICE", channels=("SMS",), key=f"{key}:text", now=now, house=house,
        )  # fmt: skip


def _told(row: PhonePaymentRow) -> dict[str, str]:
    return {"amount": str(money.from_cents(row.amount_cents))}


def _customer(session: Session, account_id: int) -> int:
    return accounts.get_account(session, account_id=account_id).customer_id


def _unsettled(session: Session, account_id: int) -> bool:
    """Whether a charge of the account was tried, and nobody knows what became of it."""
    row, link = PhonePaymentRow, models.PaymentLinkRow
    found = session.scalar(
        select(row.id)
        .join(link, link.id == row.link_id)
        .where(row.account_id == account_id, row.status == "CHARGING", link.status == "PROCESSING")
        .limit(1)
    )
    return found is not None


def _known(session: Session, link_id: int) -> models.PaymentRow | None:
    payment = models.PaymentRow
    return session.scalars(
        select(payment).where(payment.link_id == link_id, payment.status.in_(_ON_ITS_WAY)).limit(1)
    ).one_or_none()


def _locked(
    session: Session, call_id: str = "", attempt: int = 0, *, phone_payment_id: int | None = None
) -> PhonePaymentRow:
    row = PhonePaymentRow
    which = row.id == phone_payment_id if phone_payment_id else (row.call_id == call_id) & (row.attempt == attempt)
    found = session.scalars(
        select(row).where(which).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise errors.NotFound("phone_payment.unknown")
    return found


def _view(row: PhonePaymentRow) -> views.PhonePayment:
    return views.PhonePayment(row.id, row.attempt, money.from_cents(row.amount_cents), row.status, row.failure_code)
