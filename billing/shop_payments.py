"""Cash paid at shops: each payment once, whether the partner's message or its settlement file tells of it first.

It is paid in by its reference as a bank's transfer is, and what fits nothing waits in the same place for a person. The
file is also kept as the partner's movements, so that reconciliation shows where it and the messages differ.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import cash_models, documents, models, once, shop_references, transfers
from billing.shop_files import ShopPayment
from core import audit, errors, money, periods
from core.accounts import queries as accounts
from core.settings import Settings

GATEWAY = "shop"  # what payments at shops stand under, in the books and in reconciliation
SETTLED_WITHIN = timedelta(hours=36)  # a day's file comes the day after; until then nothing is missing in it
Told = Literal["MESSAGE", "FILE"]

_AHEAD = timedelta(hours=1)  # clocks of tills differ; what is further ahead is no time at all


@dataclass(frozen=True)
class _Owner:
    """Whose reference it is; `cents` and `spent` of one that was made for one amount, once."""

    account_id: int
    cents: int | None = None
    link_id: int | None = None
    spent: bool = False


def take(
    session: Session, *, payments: Sequence[ShopPayment], told: Told, settings: Settings, now: datetime
) -> dict[str, int]:
    """This will take in what the partner reports: MATCHED are in the books, UNMATCHED and PARKED wait, KNOWN came
    before; DIFFERS came before too, and otherwise. Invalid shop_payment.time for one that has yet to happen.
    """
    if any(each.paid_at > now + _AHEAD for each in payments):
        raise errors.Invalid("shop_payment.time")
    counts = {"MATCHED": 0, "UNMATCHED": 0, "PARKED": 0, "KNOWN": 0, "DIFFERS": 0}
    for each in sorted(payments, key=lambda payment: payment.transaction_id):
        counts[_take(session, each, settings, now)] += 1
        if told == "FILE" and each.currency == settings.currency.upper():
            _keep_movement(session, each)
    return counts


def link_reference(session: Session, *, token: str) -> str:
    """This will give the reference under which a payment link can be paid at a shop; NotFound payment_link.unknown."""
    found = session.scalar(select(models.PaymentLinkRow.id).where(models.PaymentLinkRow.token == token))
    if found is None:
        raise errors.NotFound("payment_link.unknown")
    return shop_references.make("LINK", found)


def add_slips(
    session: Session, *, bills: Sequence[documents.BillDocument], settings: Settings, now: datetime
) -> dict[int, documents.ShopSlip]:
    """This will give the slips for shops of some bills and note their amounts; once noted, an amount stays.

    None for what is paid by itself, what a shop may not take at once, and where no shop takes cash at all.
    """
    owed = [
        {"bill_id": bill.bill_id, "amount_cents": money.cents(bill.due), "made_at": now}
        for bill in bills
        if settings.cash_partner and not bill.autopay and 0 < bill.due <= settings.cash_most
    ]
    if not owed:
        return {}
    slip = cash_models.ShopSlipRow
    session.execute(insert(slip).on_conflict_do_nothing(index_elements=["bill_id"]), owed)
    noted = session.execute(
        select(slip.bill_id, slip.amount_cents).where(slip.bill_id.in_([each["bill_id"] for each in owed]))
    )
    return {
        bill_id: documents.ShopSlip(
            settings.cash_partner, settings.cash_partner_gln, shop_references.make("BILL", bill_id),
            money.from_cents(cents),
        )
        for bill_id, cents in noted.tuples()
    }  # fmt: skip


def _take(session: Session, told: ShopPayment, settings: Settings, now: datetime) -> str:
    transfer = cash_models.TransferRow
    fresh = session.scalar(
        insert(transfer)
        .values(
            bank=GATEWAY, entry_id=told.transaction_id, amount_cents=money.cents(told.amount), currency=told.currency,
            booked_on=periods.civil_day(told.paid_at, settings.utility_timezone), payer=told.shop,
            remittance=_packed(told.reference), status="UNMATCHED", loaded_at=now, method="cash",
        )
        .on_conflict_do_nothing(index_elements=["bank", "entry_id"])
        .returning(transfer.id)
    )  # fmt: skip
    if fresh is None:
        return _again(session, told, now)
    row = session.get_one(transfer, fresh)
    owner = _owner(session, told.reference)
    if told.currency != settings.currency.upper():
        row.status, row.reason = "PARKED", "CURRENCY"
    elif owner is None:
        row.reason = "UNKNOWN_REFERENCE"
    elif owner.spent:
        row.reason = "PAID_BEFORE"
    elif told.amount > settings.cash_most or owner.cents not in (None, row.amount_cents):
        row.reason = "AMOUNT"
    else:
        transfers.pay(
            session, row, account_id=owner.account_id, by="reference", at=told.paid_at, link_id=owner.link_id, now=now
        )
    session.flush()
    return row.status


def _again(session: Session, told: ShopPayment, now: datetime) -> str:
    """What was told before changes nothing; that it is told otherwise now is kept for a person to find."""
    transfer = cash_models.TransferRow
    row = session.scalars(
        select(transfer).where(transfer.bank == GATEWAY, transfer.entry_id == told.transaction_id)
    ).one()
    before = (row.amount_cents, row.currency, row.remittance)
    if before == (money.cents(told.amount), told.currency, _packed(told.reference)):
        return "KNOWN"
    audit.record(
        session, actor="partner:shop", action="shop_payment.told_otherwise", subject="bank_transfer",
        subject_id=row.id, now=now,
        detail={"amount": str(told.amount), "currency": told.currency, "reference": told.reference},
    )  # fmt: skip
    return "DIFFERS"


def _owner(session: Session, reference: str) -> _Owner | None:
    """The account is locked before a reference that is good for once is looked at: two tills may be quick."""
    read = shop_references.read(reference)
    if read is None:
        return None
    kind, number = read
    if kind == "ACCOUNT":
        account = accounts.find_account_by_number(session, number=number) or accounts.find_account_by_number(
            session, number=number.lstrip("0")
        )
        return _Owner(account.id) if account else None
    if len(number) > 18:
        return None
    if kind == "LINK":
        link = session.get(models.PaymentLinkRow, int(number))
        if link is None:
            return None
        once.lock_account(session, link.account_id)
        session.refresh(link)
        return _Owner(link.account_id, link.amount_cents, link.id, link.status != "OPEN")
    slip, bill = cash_models.ShopSlipRow, models.BillRow
    found = session.execute(
        select(bill.account_id, slip.amount_cents).join(bill, bill.id == slip.bill_id).where(bill.id == int(number))
    ).one_or_none()
    if found is None:
        return None
    once.lock_account(session, found.account_id)
    return _Owner(found.account_id, found.amount_cents, spent=_is_spent(session, reference))


def _is_spent(session: Session, reference: str) -> bool:
    transfer = cash_models.TransferRow
    found = select(transfer.id).where(
        transfer.bank == GATEWAY, transfer.remittance == _packed(reference), transfer.status == "MATCHED"
    )
    return session.scalar(found.limit(1)) is not None


def _keep_movement(session: Session, told: ShopPayment) -> None:
    session.execute(
        insert(cash_models.GatewayMovementRow)
        .values(
            gateway=GATEWAY, movement_id=told.transaction_id, external_id=told.transaction_id, kind="payment",
            cents=money.cents(told.amount), currency=told.currency, moved_at=told.paid_at,
        )
        .on_conflict_do_nothing(index_elements=["gateway", "movement_id"])
    )  # fmt: skip


def _packed(reference: str) -> str:
    return re.sub(r"[\s-]", "", reference)
