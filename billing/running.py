"""The bill period that is running, as it stands this minute: today so far, the period so far, and its parts.

Public through `queries.py`.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
from sqlalchemy.orm import Session

from billing import daily, pricing, rating, runs, views
from core import money, periods


def running_period(session: Session, *, account_id: int, now: datetime) -> views.Running:
    """This will price the running period up to the newest read of today, by the account's own terms.

    `today_amount` is what today's use has added to the bill: the price of the period with it less the price without,
    so that steps and time-of-use prices fall where the bill will let them fall. Fixed charges are no part of it.
    NotFound agreement.none, tariff.none.
    """
    place = pricing.place_of(session, account_id=account_id, now=now)
    whole = runs.open_period(place.agreement, place.today)
    days = periods.Days(whole.starts_on, min(place.today + timedelta(days=1), whole.ends_on))
    reads = pricing.read(session, place, days)
    step = timedelta(minutes=reads.usage.interval_minutes)
    first = (periods.midnight(place.today, place.timezone) - reads.usage.starts_at) // step
    known = np.flatnonzero(~reads.missing[0, first:])
    end = first + (int(known[-1]) + 1 if known.size else 0)
    wh = reads.usage.wh[0].copy()
    wh[end:] = 0  # what has not been read yet has not been used yet
    without = wh.copy()
    without[first:] = 0
    rated = pricing.price(session, place, days, daily.usage_of(reads.usage, np.stack([wh, without])))
    so_far = rated.total_cents
    return views.Running(
        account_id=account_id,
        starts_on=whole.starts_on,
        ends_on=whole.ends_on,
        today=place.today,
        until=reads.usage.starts_at + end * step if known.size else None,
        today_kwh=Decimal(int(wh[first:].sum())) / 1000,
        today_amount=money.from_cents(int(so_far[0] - so_far[1])),
        kwh=Decimal(int(wh.sum())) / 1000,
        amount=money.from_cents(int(so_far[0])),
        estimated=bool(reads.missing[0, :end].any()),
        parts=_parts(rated),
    )


def period_costs(
    session: Session, *, account_id: int, on: date, now: datetime, priced: bool = True
) -> tuple[periods.Days, tuple[views.DayCost, ...]]:
    """This will give the bill period a day lies in, and (if `priced`) what each of its days that is over cost in it."""
    place = pricing.place_of(session, account_id=account_id, now=now)
    whole = runs.open_period(place.agreement, on)
    if not priced:
        return whole, ()
    over = periods.Days(whole.starts_on, max(whole.starts_on, min(whole.ends_on, place.today)))
    return whole, pricing.cost_of_usage(session, account_id=account_id, days=over, now=now)


def _parts(rated: rating.Rated) -> tuple[views.PlanPart, ...]:
    """The energy lines, put together by the plan's own time-of-use periods; none where the plan has only one."""
    kwh: dict[str, Decimal] = {}
    cents: dict[str, int] = {}
    for line in rated.lines(0):
        if line.component == "energy" and line.unit == "kWh" and (name := line.args.get("period")):
            kwh[name] = kwh.get(name, Decimal(0)) + line.quantity
            cents[name] = cents.get(name, 0) + line.amount_cents
    if len(kwh) < 2:
        return ()
    used = sum(kwh.values(), Decimal(0))
    return tuple(
        views.PlanPart(name, kwh[name], money.from_cents(cents[name]), round(100 * kwh[name] / used) if used else 0)
        for name in kwh
    )
