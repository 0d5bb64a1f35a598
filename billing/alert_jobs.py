"""The watch over running bills and dear hours: who asked to be told is told, once in a bill period."""

import logging

from billing import ahead, alert_settings, alerts, pricing, running
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


def watch_ahead(hub: Hub) -> None:
    """This will tell who asked for it that the running bill is heading high, or that the dear hours weigh more."""
    after = 0
    kinds = (alert_settings.PROJECTED, alert_settings.PEAK)
    while True:
        with hub.transaction() as session:
            found = alert_settings.list_wanting(session, kinds=kinds, after=after)
        if not found:
            return
        for account_id in found:
            try:
                ahead.tell(hub, account_id)
            except errors.NotFound:
                pass  # nothing is served or read there now
            except Exception:
                logger.exception("ahead_alert_failed", extra={"account_id": account_id})
        after = found[-1]


def _watch(hub: Hub, alert: alerts.BillAlert) -> None:
    now = hub.now()
    with hub.transaction() as session:
        place = pricing.place_of(session, account_id=alert.account_id, now=now)
        wants = alert_settings.get_alert_settings(session, account_id=alert.account_id)
        if alert_settings.quiet_for(wants, timezone=place.timezone, now=now) > 0:
            return  # the next round comes by day
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
            channels=None if wants.channel is None else [wants.channel],
        )
