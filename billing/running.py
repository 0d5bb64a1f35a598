"""The bill period that is running, as it stands this minute: today so far, the period so far, and what it will be.

Public through `queries.py`.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
from sqlalchemy.orm import Session

from billing import daily, owed, prices, pricing, rating, runs, tariffs, views
from core import errors, money, periods
from metering import forecast
from metering import queries as metering

_WEEKS = timedelta(weeks=8)  # that a forecast looks back
_YEAR = timedelta(days=364)  # the same weekday
LIKELY = 1  # the row of `expected_use` between the low and the high end


def running_period(session: Session, *, account_id: int, now: datetime) -> views.Running:
    """This will price the running period up to the newest read of today, by the account's own terms.

    `today_amount` is what today's use has added to the bill: the price of the period with it less the price without,
    so that steps and time-of-use prices fall where the bill will let them fall. Fixed charges are no part of it.
    NotFound agreement.none, tariff.none.
    """
    place = pricing.place_of(session, account_id=account_id, now=now)
    whole = runs.open_period(place.agreement, place.today)
    so_far = _so_far(session, place, whole)
    return views.Running(
        account_id=account_id,
        starts_on=whole.starts_on,
        ends_on=whole.ends_on,
        today=place.today,
        until=so_far.until,
        today_kwh=so_far.kwh(0) - so_far.kwh(1),
        today_amount=so_far.rated.total(0) - so_far.rated.total(1),
        kwh=so_far.kwh(0),
        amount=so_far.rated.total(0),
        estimated=so_far.estimated,
        parts=_parts(so_far.rated),
    )


def forecast_bill(session: Session, *, account_id: int, now: datetime) -> views.BillForecast:
    """This will say what the bill period that is running will cost: so far, and likely at its end, with a range.

    How much will be used is metering's forecast, whose range holds eight times in ten (measured: `metering.forecast`);
    what its low, likely and high end cost is the engine's to say. NotFound usage.none without any reads.
    """
    place = pricing.place_of(session, account_id=account_id, now=now)
    whole = runs.open_period(place.agreement, place.today)
    found = expected_use(session, place, whole)
    if found is None:
        raise errors.NotFound("usage.none")
    coming, used = found
    book = prices.Book(session)
    rated = pricing.price_bill(session, place, whole, used, book)
    so_far = _so_far(session, place, whole)
    sure = so_far.rated.total(0)
    totals = [rated.total(end) for end in range(3)]
    if used.export_wh is None:  # what is sent out later may set off what was used before
        totals = [max(sure, total) for total in totals]
    low, likely, high = totals
    bills = owed.list_bills(session, account_id=account_id, limit=1)
    return views.BillForecast(
        account_id=account_id,
        starts_on=whole.starts_on,
        ends_on=whole.ends_on,
        low=low,
        likely=likely,
        high=high,
        so_far=sure,
        so_far_kwh=so_far.kwh(0),
        likely_kwh=rated.kwh(1).quantize(Decimal("0.1")),
        confidence=coming.confidence,
        previous_total=bills[0].total if bills else None,
        days_left=coming.days_left,
        basis_days=coming.basis_days,
        daily_kwh=tuple((day, Decimal(wh) / 1000) for day, wh in coming.daily if day >= place.today),
        prices_guessed=bool(book.guessed),
    )


def expected_use(
    session: Session, place: pricing.Place, whole: periods.Days
) -> tuple[forecast.Forecast, rating.Usage] | None:
    """This will lay out the use of a whole running period: low, likely and high, as three rows; None without reads."""
    past = periods.Days(max(whole.starts_on - _WEEKS, place.agreement.starts_on), min(place.today, whole.ends_on))
    coming = _coming(session, place, whole, past)
    if coming is None:
        return None
    reads = pricing.read(session, place, past)
    guess = daily.to_come(daily.lay(reads.usage, past), past, whole, coming)
    used = rating.Usage(
        periods.midnight(whole.starts_on, place.timezone), reads.usage.interval_minutes, place.timezone, guess.wh
    )
    return coming, _with_sent(used, reads.usage, past, whole, place.today)


def period_costs(
    session: Session, *, account_id: int, on: date, now: datetime, priced: bool = True
) -> tuple[periods.Days, tuple[views.DayCost, ...]]:
    """This will give the bill period a day lies in, and (if `priced`) what each of its days that is over cost in it."""
    place = pricing.place_of(session, account_id=account_id, now=now)
    whole = runs.open_period(place.agreement, on)
    if not priced:
        return whole, ()
    over = periods.Days(whole.starts_on, max(whole.starts_on, min(whole.ends_on, place.today)))
    over = pricing.served(place, over)
    if len(over) == 0:
        return whole, ()
    reads = pricing.read(session, place, over)
    return whole, pricing.day_costs(session, place, over, reads, of_bill=True)


def _with_sent(
    used: rating.Usage, read: rating.Usage, past: periods.Days, whole: periods.Days, today: date
) -> rating.Usage:
    """What a home sends out goes on as it did: the likely course of it, whatever is used."""
    if read.export_wh is None:
        return used
    laid = daily.lay(replace(read, wh=read.export_wh, export_wh=None), past)
    known = {day: int(wh) for day, wh in zip(past, laid.per_day.tolist(), strict=True)}
    coming = forecast.forecast(known, whole, today)
    if coming is None:
        return used
    likely = daily.to_come(laid, past, whole, coming).wh[1:2]
    return replace(used, export_wh=np.repeat(likely, len(used.wh), axis=0))


@dataclass(frozen=True)
class _SoFar:
    """A period up to the newest read: rated with today (0) and without (1)."""

    rated: rating.Rated
    until: datetime | None
    estimated: bool

    def kwh(self, row: int) -> Decimal:
        return self.rated.kwh(row)


def _so_far(session: Session, place: pricing.Place, whole: periods.Days) -> _SoFar:
    days = periods.Days(whole.starts_on, min(place.today + timedelta(days=1), whole.ends_on))
    reads = pricing.read(session, place, days)
    step = timedelta(minutes=reads.usage.interval_minutes)
    starts_at = periods.aware(reads.usage.starts_at)
    first = (periods.midnight(place.today, place.timezone) - starts_at) // step
    known = np.flatnonzero(~reads.missing[0, first:])
    end = first + (int(known[-1]) + 1 if known.size else 0)
    wh = reads.usage.wh[0].copy()
    wh[end:] = 0  # what has not been read yet has not been used yet
    without = wh.copy()
    without[first:] = 0
    usage = daily.usage_of(reads.usage, np.stack([wh, without]))
    if usage.export_wh is not None:
        sent = usage.export_wh.copy()
        sent[:, end:] = 0
        sent[1, first:] = 0
        usage = replace(usage, export_wh=sent)
    rated = pricing.price_bill(session, place, days, usage)
    until = starts_at + end * step if known.size else None
    return _SoFar(rated, until, bool(reads.missing[0, :end].any()) or _unpriced(session, place, days, until))


def _unpriced(session: Session, place: pricing.Place, days: periods.Days, until: datetime | None) -> bool:
    """Whether an hour that is over has no price yet: what is shown of it is an estimate."""
    terms = tariffs.list_terms(session, agreement_ids=[place.agreement.id], days=days).get(place.agreement.id, ())
    for term in terms:
        index = term.plan.index
        starts_at = periods.midnight(term.starts_on, place.timezone)
        ends_at = min(periods.midnight(term.ends_on, place.timezone), until or starts_at)
        if index is not None and starts_at < ends_at:
            series = prices.read(session, code=index.code, starts_at=starts_at, ends_at=ends_at)
            if not series.known.all():
                return True
    return False


def _coming(
    session: Session, place: pricing.Place, whole: periods.Days, past: periods.Days
) -> forecast.Forecast | None:
    """The use of the whole period, from its own last weeks and the same weeks of a year ago."""
    if len(past) == 0:
        return None
    known: dict[date, int] = {}
    for days in (past, periods.Days(past.starts_on - _YEAR, whole.ends_on - _YEAR)):
        known |= {
            used.day: used.wh
            for used in metering.daily_usage(
                session,
                service_point_id=place.agreement.service_point_id,
                days=days,
                timezone=place.timezone,
            )
            if used.missing == 0 and used.day >= place.agreement.starts_on
        }
    return forecast.forecast(known, whole, place.today)


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
