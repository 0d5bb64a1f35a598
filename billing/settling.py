"""Which payment paid what, kept as rows: payments and credits with something left meet items with something open."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import allocation, cash_models, models, rules
from core import db
from core.accounts import queries as accounts

_KINDS: dict[str, allocation.Kind] = {"LATE_FEE": "LATE_FEE", "DEPOSIT": "DEPOSIT"}


class Source(NamedTuple):
    """A payment or a credit, with what it has left."""

    at: datetime
    payment_id: int | None
    credit_id: int | None
    account_id: int
    cents: int


def settle(
    session: Session, *, account_ids: Sequence[int], now: datetime, order: allocation.Order | None = None
) -> None:
    """This will allocate whatever the accounts' payments and credits have left to whatever is open, for thousands at
    once. The order is each account's jurisdiction's, unless one is given."""
    session.flush()
    _credit_negative_bills(session, account_ids)
    found = sorted({source.account_id for source in unused(session, account_ids=account_ids)})
    if not found:
        return
    items = open_items(session, account_ids=found)
    found = [account_id for account_id in found if items[account_id]]
    if not found:
        return
    known = accounts.list_account_facts(session, account_ids=found)
    places = {account_id: jurisdiction for account_id, (_, jurisdiction) in known.items()}
    orders = {place: order or rules.allocation_order(place, now.date()) for place in set(places.values())}
    fresh: list[models.AllocationRow] = []
    for source in unused(session, account_ids=found, lock=True):
        own = items[source.account_id]
        shares, _ = allocation.allocate(source.cents, own, order=orders[places[source.account_id]])
        items[source.account_id] = _less(own, dict(shares))
        for key, share in shares:
            kind, number = key.split(":")
            fresh.append(
                models.AllocationRow(
                    payment_id=source.payment_id,
                    credit_id=source.credit_id,
                    bill_id=int(number) if kind == "bill" else None,
                    charge_id=int(number) if kind == "fee" else None,
                    amount_cents=share,
                    allocated_at=now,
                )
            )
    session.add_all(fresh)
    session.flush()


def unused(session: Session, *, account_ids: Sequence[int], lock: bool = False) -> list[Source]:
    """This will list the payments and credits of accounts that have something left, oldest first."""
    payment, credit, alloc = models.PaymentRow, cash_models.CreditRow, models.AllocationRow

    def left(row: Any, used_by: Any, taken: Any) -> Any:
        used = select(func.coalesce(func.sum(alloc.amount_cents), 0)).where(used_by == row.id).scalar_subquery()
        return row.amount_cents - taken - used

    paid, given = (
        left(payment, alloc.payment_id, payment.refunded_cents + payment.returned_cents),
        left(credit, alloc.credit_id, credit.reversed_cents),
    )
    payments = select(payment.received_at, payment.id, payment.account_id, paid).where(
        payment.account_id == db.any_of(account_ids), payment.status == "SUCCEEDED", paid > 0
    )
    credits = select(credit.given_at, credit.id, credit.account_id, given).where(
        credit.account_id == db.any_of(account_ids), credit.amount_cents > credit.reversed_cents, given > 0
    )
    if lock:
        payments = payments.order_by(payment.id).with_for_update(of=payment, key_share=True)
        credits = credits.order_by(credit.id).with_for_update(of=credit, key_share=True)
    sources = [
        Source(at, number, None, account, int(cents)) for at, number, account, cents in session.execute(payments)
    ]
    sources += [
        Source(at, None, number, account, int(cents)) for at, number, account, cents in session.execute(credits)
    ]
    return sorted(sources, key=lambda s: (s.at, s.payment_id is None, s.payment_id or s.credit_id or 0))


def bill_id(item: allocation.Item) -> int:
    """This will give the bill that an open item of kind BILL is."""
    return int(item.key.partition(":")[2])


def open_items(session: Session, *, account_ids: Sequence[int]) -> dict[int, list[allocation.Item]]:
    """This will list what each account has open: issued bills and charges, with what payments have left of them."""
    bill, fee, alloc = models.BillRow, models.ChargeRow, models.AllocationRow
    items: dict[int, list[allocation.Item]] = defaultdict(list)
    paid = func.coalesce(select(func.sum(alloc.amount_cents)).where(alloc.bill_id == bill.id).scalar_subquery(), 0)
    disputed = (
        select(models.DisputeRow.id)
        .where(models.DisputeRow.bill_id == bill.id, models.DisputeRow.status == "OPEN")
        .exists()
    )
    for bill_id, account_id, due_on, cents, contested in session.execute(
        select(bill.id, bill.account_id, bill.due_on, bill.total_cents - paid, disputed).where(
            bill.account_id == db.any_of(account_ids), bill.status == "ISSUED", bill.total_cents > 0
        )
    ):
        if cents > 0 and due_on is not None:
            items[account_id].append(allocation.Item(f"bill:{bill_id}", "BILL", due_on, int(cents), bool(contested)))
    paid = func.coalesce(select(func.sum(alloc.amount_cents)).where(alloc.charge_id == fee.id).scalar_subquery(), 0)
    for fee_id, account_id, kind, due_on, cents in session.execute(
        select(
            fee.id, fee.account_id, fee.kind, func.coalesce(fee.due_on, fee.charged_on), fee.amount_cents - paid
        ).where(fee.account_id == db.any_of(account_ids), fee.waived_at.is_(None))
    ):
        if cents > 0:
            items[account_id].append(allocation.Item(f"fee:{fee_id}", _KINDS.get(kind, "FEE"), due_on, int(cents)))
    for own in items.values():
        own.sort(key=lambda item: (item.due_on, item.key))
    return items


def on_the_way(session: Session, *, account_ids: Sequence[int]) -> dict[int, int]:
    """This will give the cents of payments that were made and have not arrived yet, by account."""
    payment = models.PaymentRow
    rows = session.execute(
        select(payment.account_id, func.sum(payment.amount_cents))
        .where(payment.account_id.in_(account_ids), payment.status == "PROCESSING")
        .group_by(payment.account_id)
    )
    return {account_id: int(cents) for account_id, cents in rows}


def release(
    session: Session,
    *,
    bill_ids: Sequence[int] = (),
    payment_ids: Sequence[int] = (),
    credit_ids: Sequence[int] = (),
    charge_ids: Sequence[int] = (),
) -> None:
    """This will take back the allocations of cancelled bills and waived charges, or of money that went back."""
    alloc, credit = models.AllocationRow, cash_models.CreditRow
    session.flush()
    ended: list[int] = []
    if bill_ids:
        # a negative bill that is cancelled takes its credit with it
        ended = list(
            session.scalars(
                update(credit)
                .where(credit.bill_id.in_(bill_ids))
                .values(reversed_cents=credit.amount_cents)
                .returning(credit.id)
            )
        )
    for column, ids in (
        (alloc.bill_id, bill_ids),
        (alloc.payment_id, payment_ids),
        (alloc.credit_id, [*credit_ids, *ended]),
        (alloc.charge_id, charge_ids),
    ):
        if ids:
            session.execute(delete(alloc).where(column.in_(ids)))


def _credit_negative_bills(session: Session, account_ids: Sequence[int]) -> None:
    """An issued bill below nothing is a credit like any other."""
    bill, credit = models.BillRow, cash_models.CreditRow
    found = select(
        func.concat("bill:", bill.id), bill.account_id, literal("BILL"), bill.id, -bill.total_cents, literal(0),
        bill.number, literal("bill-run"), bill.rated_at,
    ).where(bill.account_id == db.any_of(account_ids), bill.status == "ISSUED", bill.total_cents < 0)  # fmt: skip
    columns = [
        "key",
        "account_id",
        "kind",
        "bill_id",
        "amount_cents",
        "reversed_cents",
        "reason",
        "given_by",
        "given_at",
    ]
    session.execute(insert(credit).from_select(columns, found).on_conflict_do_nothing(index_elements=["key"]))


def _less(items: Sequence[allocation.Item], shares: dict[str, int]) -> list[allocation.Item]:
    left = [allocation.Item(i.key, i.kind, i.due_on, i.open_cents - shares.get(i.key, 0), i.disputed) for i in items]
    return [item for item in left if item.open_cents]
