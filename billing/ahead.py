"""What is coming: a running bill on its way far past the last one, and a week with more use in the dear hours.

Told once in a bill period to who asked for it.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import alert_models, alert_settings, catalogue, daily, pricing, running, runs, tariffs
from billing.rating import calendar
from core import errors, periods
from core.accounts import queries as accounts
from core.conversations import operations as conversing
from core.hub import Hub

_HIGHER, _MORE = Decimal("1.25"), Decimal(20)  # a bill is high when it is a quarter, and so much money, above the last
_WEEK, _BEFORE = 7, 28
_PEAK_MORE = Decimal("1.25")


def tell(hub: Hub, account_id: int) -> None:
    """This will look ahead for one account and tell what it wants to know; NotFound where nothing is served or read."""
    now = hub.now()
    with hub.transaction() as session:
        wants = alert_settings.get_alert_settings(session, account_id=account_id)
        place = pricing.place_of(session, account_id=account_id, now=now)
        if alert_settings.quiet_for(wants, timezone=place.timezone, now=now) > 0:
            return
        period_from = runs.open_period(place.agreement, place.today).starts_on
        found = {}
        if alert_settings.PROJECTED in wants.wanted:
            found[alert_settings.PROJECTED] = _projected(session, account_id, now)
        if alert_settings.PEAK in wants.wanted:
            found[alert_settings.PEAK] = _peak(session, place)
        for kind, data in found.items():
            if data is None or not _first(session, account_id, kind, period_from, data, now):
                continue
            conversing.notify_customer(
                session,
                customer_id=accounts.get_account(session, account_id=account_id).customer_id,
                kind=f"notice.ahead.{kind}",
                data=data,
                purpose="ALERTS",
                key=f"ahead:{account_id}:{kind}:{period_from}",
                now=now,
                house=conversing.house(hub.settings),
                channels=None if wants.channel is None else [wants.channel],
            )


def _projected(session: Session, account_id: int, now: datetime) -> dict[str, Any] | None:
    try:
        coming = running.forecast_bill(session, account_id=account_id, now=now)
    except errors.NotFound:
        return None
    last = coming.previous_total
    if last is None or coming.confidence == "LOW" or coming.likely < max(last * _HIGHER, last + _MORE):
        return None
    return {
        "likely": str(coming.likely),
        "last": str(last),
        "so_far": str(coming.so_far),
        "ends_on": coming.ends_on.isoformat(),
    }


def _peak(session: Session, place: pricing.Place) -> dict[str, Any] | None:
    """The share of a week's use in the dearest hours, when it is a quarter above that of four weeks before."""
    days = periods.Days(place.today - timedelta(days=_WEEK + _BEFORE), place.today)
    terms = tariffs.list_terms(session, agreement_ids=[place.agreement.id], days=days).get(place.agreement.id, ())
    if not terms:
        return None
    plan = catalogue.plan_of(terms[-1].document)
    prices = [max(tier.price for tier in period.tiers) for period in plan.energy]
    if len(set(prices)) < 2:
        return None
    used = pricing.read(session, place, days).usage
    laid = daily.lay(used, days)
    grid = calendar.grid(used.starts_at, used.interval_minutes, used.wh.shape[1], used.timezone)
    period = calendar.period_index(grid, plan.weekday, plan.weekend, plan.holidays)
    dear = np.array([price == max(prices) for price in prices])[period][: len(laid.wh)]
    recent = laid.day >= _BEFORE

    def share(of: Any) -> Decimal:
        total = int(laid.wh[of].sum())
        return Decimal(int(laid.wh[of & dear].sum())) / total if total else Decimal(0)

    now, before = share(recent), share(~recent)
    if before == 0 or now < before * _PEAK_MORE:
        return None
    return {"share": str(now), "before": str(before), "kwh": str(Decimal(int(laid.wh[recent & dear].sum())) / 1000)}


def _first(session: Session, account_id: int, kind: str, period_from: Any, data: dict[str, Any], now: datetime) -> bool:
    row = alert_models.AccountAlertRow
    made = session.execute(
        insert(row)
        .values(account_id=account_id, kind=kind, period_from=period_from, data=data, told_at=now)
        .on_conflict_do_nothing()
        .returning(row.account_id)
    )
    return made.scalar_one_or_none() is not None
