"""The watch over running bills: who asked to be told is told, once in a bill period."""

import logging

from billing import alerts, running
from core import errors
from core.accounts import queries as accounts
from core.conversations import operations as conversing
from core.hub import Hub

logger = logging.getLogger(__name__)


def watch_bills(hub: Hub) -> None:
    """This will price every watched bill as it runs, and tell those whose forecast went past their amount."""
    after = 0
    while True:
        with hub.transaction() as session:
            found = alerts.list_bill_alerts(session, after=after)
        if not found:
            return
        for alert in found:
            try:
                _watch(hub, alert)
            except errors.NotFound:
                pass  # nothing is served or read there now: there is no running bill
            except Exception:
                logger.exception("bill_alert_failed", extra={"account_id": alert.account_id})
        after = found[-1].account_id


def _watch(hub: Hub, alert: alerts.BillAlert) -> None:
    now = hub.now()
    with hub.transaction() as session:
        coming = running.forecast_bill(session, account_id=alert.account_id, now=now)
        if coming.likely <= alert.threshold or alert.told_for == coming.starts_on:
            return
        if not alerts.mark_told(session, account_id=alert.account_id, period_from=coming.starts_on):
            return
        account = accounts.get_account(session, account_id=alert.account_id)
        conversing.notify_customer(
            session,
            customer_id=account.customer_id,
            kind="usage.alert_crossed",
            data={
                "threshold": str(alert.threshold),
                "likely": str(coming.likely),
                "so_far": str(coming.so_far),
                "ends_on": coming.ends_on.isoformat(),
            },
            purpose="ALERTS",
            key=f"bill_alert:{alert.account_id}:{coming.starts_on}:{alert.set_at.isoformat()}",
            now=now,
            house=conversing.house(hub.settings),
        )
