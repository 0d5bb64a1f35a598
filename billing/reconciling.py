"""Our books against the gateway's: every payment's net cash here, and the sum of its movements there."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import bulk, cash_models, models, views
from core import http, money
from core.hub import Hub

OVERLAP = timedelta(days=2)  # asked for again, so that nothing late is missed; known movements change nothing
GRACE = timedelta(hours=6)  # what is younger may still be on its way in either direction
BEGINNING = timedelta(days=90)


def pull_movements(hub: Hub) -> int:
    """This will fetch what is new on our balance at the gateway and keep it; gives how many: read, call, write."""
    now, gateway = hub.now(), hub.payments.name
    row = cash_models.GatewayMovementRow
    with hub.transaction() as session:
        last = session.scalar(select(func.max(row.moved_at)).where(row.gateway == gateway))
    http.leave()
    since = last - OVERLAP if last else now - BEGINNING
    found = [
        {
            "gateway": gateway,
            "movement_id": m.movement_id,
            "external_id": m.external_id,
            "kind": m.kind,
            "cents": money.cents(m.amount),
            "currency": m.currency,
            "moved_at": m.at,
        }
        for m in hub.payments.list_movements(since=since, until=now)
    ]
    with hub.transaction() as session:
        fresh = 0
        for some in bulk.slices(found, 2000):
            kept = session.execute(
                insert(row).on_conflict_do_nothing(index_elements=["gateway", "movement_id"]).returning(row.id), some
            )
            fresh += len(kept.all())
    return fresh


def reconcile(
    session: Session, *, gateway: str, now: datetime, limit: int = 500, grace: timedelta = GRACE
) -> tuple[int, tuple[views.Difference, ...]]:
    """This will give how many payments agree with the gateway, and list those that do not, the largest first.

    `grace`: how long either side may take to tell.
    """
    payment, moved = models.PaymentRow, cash_models.GatewayMovementRow
    arrived = payment.status.in_(("SUCCEEDED", "REFUNDED"))
    ours = (
        select(
            payment.id,
            payment.external_id,
            case((arrived, _net()), else_=_rest()).label("cents"),
            func.coalesce(payment.settled_at, payment.received_at).label("at"),
            payment.settled_at.is_not(None).label("settled"),
        )
        .where(payment.gateway == gateway)
        .subquery()
    )
    theirs = (
        select(moved.external_id, func.sum(moved.cents).label("cents"), func.max(moved.moved_at).label("at"))
        .where(moved.gateway == gateway)
        .group_by(moved.external_id)
        .subquery()
    )
    here, there = func.coalesce(ours.c.cents, 0), func.coalesce(theirs.c.cents, 0)
    joined = ours.outerjoin(theirs, ours.c.external_id == theirs.c.external_id, full=True)
    quiet = now - grace
    settled = (
        func.coalesce(ours.c.at, theirs.c.at) <= quiet,
        func.coalesce(theirs.c.at, ours.c.at) <= quiet,
        ours.c.settled.is_not(False) | theirs.c.external_id.is_not(None),  # failed tries moved nothing anywhere
    )
    both = ours.c.external_id.is_not(None) & theirs.c.external_id.is_not(None)
    agreed = session.scalar(select(func.count()).select_from(joined).where(*settled, both, here == there))
    rows = session.execute(
        select(
            func.coalesce(ours.c.external_id, theirs.c.external_id),
            case((ours.c.external_id.is_(None), "MISSING_HERE"), (theirs.c.external_id.is_(None), "MISSING_THERE"),
                 else_="AMOUNT_DIFFERS"),
            here, there, ours.c.id,
        )
        .select_from(joined)
        .where(*settled, ~both | (here != there))
        .order_by(func.abs(here - there).desc())
        .limit(limit)
    )  # fmt: skip
    return int(agreed or 0), tuple(
        views.Difference(name, kind, _money(mine), _money(other), number) for name, kind, mine, other, number in rows
    )


def _net() -> ColumnElement[int]:
    return models.PaymentRow.amount_cents - models.PaymentRow.refunded_cents - models.PaymentRow.returned_cents


def _rest() -> ColumnElement[int]:
    """In dispute: what the bank did not take. Returned or never arrived: nothing."""
    payment, chargeback = models.PaymentRow, cash_models.ChargebackRow
    taken = (
        select(func.coalesce(func.sum(chargeback.held_cents), 0))
        .where(chargeback.payment_id == payment.id, chargeback.status == "OPEN")
        .scalar_subquery()
    )
    return case((payment.status == "DISPUTED", _net() - taken), else_=0)


def _money(cents: int) -> Decimal:
    return money.from_cents(int(cents))
