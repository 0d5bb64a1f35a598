"""Which payment paid what, kept as rows: payments with something left meet items with something open, oldest first."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, delete, func, literal, select
from sqlalchemy.orm import Session

from billing import allocation, models


def settle(
    session: Session, *, account_ids: Sequence[int], now: datetime, order: allocation.Order | None = None
) -> None:
    """This will allocate whatever the accounts' payments have left to whatever is open; set-based, for thousands."""
    payment = models.PaymentRow
    used = (
        select(models.AllocationRow.payment_id, func.sum(models.AllocationRow.amount_cents).label("cents"))
        .join(payment, payment.id == models.AllocationRow.payment_id)
        .where(payment.account_id == func.any(literal(list(account_ids), ARRAY(BigInteger))))
        .group_by(models.AllocationRow.payment_id)
        .subquery()
    )
    left = payment.amount_cents - payment.refunded_cents - func.coalesce(used.c.cents, 0)
    rows = session.execute(
        select(payment.id, payment.account_id, left)
        .outerjoin(used, used.c.payment_id == payment.id)
        .where(
            payment.account_id == func.any(literal(list(account_ids), ARRAY(BigInteger))),
            payment.status == "SUCCEEDED",
            left > 0,
        )
        .order_by(payment.received_at, payment.id)
    ).all()
    if not rows:
        return
    items = open_items(session, account_ids=sorted({row.account_id for row in rows}))
    fresh: list[models.AllocationRow] = []
    for payment_id, account_id, cents in rows:
        shares, _ = allocation.allocate(cents, items[account_id], order=order)
        items[account_id] = _less(items[account_id], dict(shares))
        for key, share in shares:
            kind, number = key.split(":")
            fresh.append(
                models.AllocationRow(
                    payment_id=payment_id,
                    bill_id=int(number) if kind == "bill" else None,
                    charge_id=int(number) if kind == "fee" else None,
                    amount_cents=share,
                    allocated_at=now,
                )
            )
    session.add_all(fresh)
    session.flush()


def open_items(session: Session, *, account_ids: Sequence[int]) -> dict[int, list[allocation.Item]]:
    """This will list what each account has open: issued bills and late fees, with what payments have left of them."""
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
            bill.account_id.in_(account_ids), bill.status == "ISSUED", bill.total_cents > 0
        )
    ):
        if cents > 0 and due_on is not None:
            items[account_id].append(allocation.Item(f"bill:{bill_id}", "BILL", due_on, int(cents), bool(contested)))
    paid = func.coalesce(select(func.sum(alloc.amount_cents)).where(alloc.charge_id == fee.id).scalar_subquery(), 0)
    for fee_id, account_id, charged_on, cents in session.execute(
        select(fee.id, fee.account_id, fee.charged_on, fee.amount_cents - paid).where(
            fee.account_id.in_(account_ids), fee.waived_at.is_(None)
        )
    ):
        if cents > 0:
            items[account_id].append(allocation.Item(f"fee:{fee_id}", "LATE_FEE", charged_on, int(cents)))
    for own in items.values():
        own.sort(key=lambda item: (item.due_on, item.key))
    return items


def release(session: Session, *, bill_ids: Sequence[int] = (), payment_ids: Sequence[int] = ()) -> None:
    """This will take back the allocations of cancelled bills, or of payments that went back."""
    alloc = models.AllocationRow
    session.flush()
    session.execute(delete(alloc).where(alloc.bill_id.in_(bill_ids) | alloc.payment_id.in_(payment_ids)))


def _less(items: Sequence[allocation.Item], shares: dict[str, int]) -> list[allocation.Item]:
    left = [allocation.Item(i.key, i.kind, i.due_on, i.open_cents - shares.get(i.key, 0), i.disputed) for i in items]
    return [item for item in left if item.open_cents]
