"""Unusual use in money, and told: once for an event, to who wants it, where and when they want it."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from billing import alert_settings, daily, pricing
from core import errors, money, outbox, periods, ports
from core.accounts import queries as accounts
from core.conversations import operations as conversing
from core.hub import Hub
from metering import operations as metering

_OLD = timedelta(days=4)  # an alert that could not be told by then is no news any more


def tell_unusual(hub: Hub, fact: outbox.Fact) -> None:
    """This will price an event and tell the customer, when they want that kind and it is not quiet.

    Subscribe to ``usage.unusual``.
    """
    payload, now = fact.payload, hub.now()
    account_id, alert_id = int(payload["account_id"]), int(payload["usage_alert_id"])
    starts_at, ends_at = (datetime.fromisoformat(payload[name]) for name in ("starts_at", "ends_at"))
    with hub.transaction() as session:
        cost = price_event(session, account_id=account_id, starts_at=starts_at, ends_at=ends_at, payload=payload)
        if cost is not None:
            metering.set_cost(session, usage_alert_id=alert_id, cents=money.cents(cost))
        wants = alert_settings.get_alert_settings(session, account_id=account_id)
        timezone = _timezone(hub, session, account_id)
    if payload["kind"] not in wants.wanted or now - ends_at > _OLD:
        return
    quiet = alert_settings.quiet_for(wants, timezone=timezone, now=now)
    if quiet > 0:
        raise errors.Later(quiet)
    with hub.transaction() as session:
        conversing.notify_customer(
            session,
            customer_id=int(payload["customer_id"]),
            kind="notice.usage_unusual",
            data={
                "kind": payload["kind"],
                "day": payload["day"],
                "start": starts_at,
                "end": ends_at,
                "excess_kwh": str(payload["excess_kwh"]),
                "cost": None if cost is None or cost <= 0 else str(cost),
            },
            purpose="ALERTS",
            key=f"usage:{alert_id}",
            now=now,
            house=conversing.house(hub.settings),
            channels=None if wants.channel is None else [wants.channel],
            choices=feedback_choices(alert_id),
        )


def feedback_choices(usage_alert_id: int) -> tuple[ports.Choice, ...]:
    """This will give the two answers to an alert: it was us, it is a problem."""

    def answer(word: str) -> str:
        return "/usage_alerts" + json.dumps({"choice": f"{word}:{usage_alert_id}"}, separators=(",", ":"))

    return ports.Choice("choice.it_was_us", answer("OURS")), ports.Choice("choice.a_problem", answer("PROBLEM"))


def price_event(
    session: Session, *, account_id: int, starts_at: datetime, ends_at: datetime, payload: Any
) -> Decimal | None:
    """This will say what an event's use beyond the usual cost: its days as read, less the same days without it.

    None where nothing was beyond the usual, or the place has no price. The engine of the bill prices both.
    """
    excess = round(float(payload["excess_kwh"]) * 1000)
    if excess <= 0:
        return None
    try:
        place = pricing.place_of(session, account_id=account_id, now=ends_at)
        first = periods.civil_day(starts_at, place.timezone)
        last = periods.civil_day(ends_at - timedelta(seconds=1), place.timezone)
        days = periods.Days(first, last + timedelta(days=1))
        used = pricing.read(session, place, days).usage
        step = timedelta(minutes=used.interval_minutes)
        begin, end = (starts_at - used.starts_at) // step, (ends_at - used.starts_at) // step
        at = np.arange(used.wh.shape[1])
        inside = (at >= begin) & (at < end)
        wh = used.wh[0]
        held = int(wh[inside].sum())
        if held <= 0:
            return None
        usual = wh.copy()
        usual[inside] = wh[inside] * max(0, held - excess) // held
        rated = pricing.price(session, place, days, daily.usage_of(used, np.stack([wh, usual])))
    except errors.NotFound:
        return None
    with_it, without = (money.from_cents(int(cents)) for cents in rated.total_cents)
    return with_it - without


def _timezone(hub: Hub, session: Session, account_id: int) -> str:
    on = periods.civil_day(hub.now(), hub.settings.utility_timezone)
    points = accounts.list_service_points(session, account_id=account_id, on=on)
    return points[0].timezone if points else hub.settings.utility_timezone
