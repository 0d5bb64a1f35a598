"""Bill alerts: the customer names an amount, and hears once a bill period when the forecast goes past it."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import alert_models
from core import audit, errors, money

MAX_THRESHOLD = Decimal(100_000)


@dataclass(frozen=True)
class BillAlert:
    account_id: int
    threshold: Decimal
    set_at: datetime
    told_for: date | None


def find_bill_alert(session: Session, *, account_id: int) -> BillAlert | None:
    """This will find the alert of an account."""
    row = session.get(alert_models.BillAlertRow, account_id)
    return None if row is None else _view(row)


def list_bill_alerts(session: Session, *, after: int = 0, limit: int = 500) -> tuple[BillAlert, ...]:
    """This will list the alerts that are set, by account, from after an account on."""
    rows = session.scalars(
        select(alert_models.BillAlertRow)
        .where(alert_models.BillAlertRow.account_id > after)
        .order_by(alert_models.BillAlertRow.account_id)
        .limit(limit)
    )
    return tuple(_view(row) for row in rows)


def set_bill_alert(session: Session, *, account_id: int, threshold: Decimal | None, now: datetime) -> None:
    """This will set, change or (with None) drop an account's alert. Invalid alert.threshold when it makes no sense."""
    row = session.get(alert_models.BillAlertRow, account_id, with_for_update=True)
    if threshold is None:
        if row is not None:
            session.delete(row)
            session.flush()
        return
    if not 0 < threshold <= MAX_THRESHOLD or money.cents(threshold) <= 0:
        raise errors.Invalid("alert.threshold", amount=str(threshold))
    cents = money.cents(threshold)
    if row is not None and row.threshold_cents == cents:
        return
    if row is not None:
        row.threshold_cents, row.set_at, row.told_for = cents, now, None
        session.flush()
    else:
        values = {"threshold_cents": cents, "set_at": now}
        session.execute(
            insert(alert_models.BillAlertRow)
            .values(account_id=account_id, **values)
            .on_conflict_do_update(index_elements=["account_id"], set_=values)
        )
    audit.record(session, actor="customer", action="bill_alert_set", subject="account", subject_id=account_id, now=now)


def mark_told(session: Session, *, account_id: int, period_from: date) -> bool:
    """This will note that a period's alert was told; False when it already was (or the alert is gone)."""
    row = session.get(alert_models.BillAlertRow, account_id, with_for_update=True)
    if row is None or row.told_for == period_from:
        return False
    row.told_for = period_from
    session.flush()
    return True


def _view(row: alert_models.BillAlertRow) -> BillAlert:
    return BillAlert(row.account_id, money.from_cents(row.threshold_cents), row.set_at, row.told_for)
