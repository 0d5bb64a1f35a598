"""Announced debits: a SEPA debit is told to its payer, amount and day, before it is collected, and only so much of it.

An announcement is used once. A debit that came back is announced anew before it is shown to the bank again.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing import allocation, cash_models, models, settling
from core import money, outbox
from core.accounts import queries as accounts


def to_announce(
    session: Session, mandate: cash_models.MandateRow, items: Sequence[allocation.Item], *, today: date, under_way: bool
) -> tuple[allocation.Item, ...]:
    """This will give the bills that fall due within the notice promised and are not announced.

    While a debit is under way, what it was announced for is not announced again: it may still arrive.
    """
    notice = cash_models.DebitNoticeRow
    until = today + timedelta(days=mandate.notice_days)
    near = {settling.bill_id(i): i for i in items if i.kind == "BILL" and i.due_on <= until and not i.disputed}
    known = select(notice.bill_id).where(notice.mandate_id == mandate.id, notice.bill_id.in_(list(near)))
    if not under_way:
        known = known.where(notice.used_at.is_(None))
    announced = set(session.scalars(known))
    return tuple(item for number, item in sorted(near.items()) if number not in announced and item.open_cents > 0)


def announce(
    session: Session,
    mandate: cash_models.MandateRow,
    method: models.SavedMethodRow,
    items: Sequence[allocation.Item],
    *,
    creditor: str,
    today: date,
    now: datetime,
) -> None:
    """This will owe the payer word of debits: each on its due day, or as soon as the notice promised allows."""
    earliest = today + timedelta(days=mandate.notice_days)
    customer_id = accounts.get_account(session, account_id=method.account_id).customer_id
    for item in items:
        row = cash_models.DebitNoticeRow(
            mandate_id=mandate.id, bill_id=settling.bill_id(item), amount_cents=item.open_cents,
            collect_on=max(item.due_on, earliest), announced_at=now, used_at=None,
        )  # fmt: skip
        session.add(row)
        session.flush()
        outbox.record_fact(
            session,
            "debit.announced",
            key=f"account:{method.account_id}",
            payload={
                "notice_id": row.id,
                "account_id": method.account_id,
                "customer_id": customer_id,
                "amount": str(money.from_cents(row.amount_cents)),
                "collect_on": row.collect_on.isoformat(),
                "mandate": mandate.reference,
                "creditor": creditor,
                "last4": method.last4,
            },
            now=now,
        )


def ripe(session: Session, mandate: cash_models.MandateRow, *, today: date) -> Mapping[int, int]:
    """This will give the announced cents of each bill whose day has come."""
    notice = cash_models.DebitNoticeRow
    rows = session.execute(
        select(notice.bill_id, notice.amount_cents).where(
            notice.mandate_id == mandate.id, notice.used_at.is_(None), notice.collect_on <= today
        )
    )
    return {row.bill_id: row.amount_cents for row in rows}


def use(session: Session, *, mandate_id: int, bill_ids: Sequence[int], now: datetime) -> None:
    """This will mark the announcements of bills used: the debit they told of has been asked for."""
    notice = cash_models.DebitNoticeRow
    session.execute(
        update(notice)
        .where(notice.mandate_id == mandate_id, notice.bill_id.in_(bill_ids), notice.used_at.is_(None))
        .values(used_at=now)
    )
