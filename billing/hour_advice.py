"""When power is cheap for a home whose price goes by the hour, and what using it then is worth. Public through
`queries.py`.

What is saved is the difference of two bills of the engine, steps, riders, minimum and taxes included, to the cent.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from billing import advice, daily, hourly, loads, prices, pricing, rating, running, runs, tariffs, views
from core import errors, periods

Ints = NDArray[np.int64]
_BACK = 28  # days of the home's own use that are looked at


def hour_advice(session: Session, *, account_id: int, now: datetime) -> views.HourAdvice | None:
    """This will say which hours of today and tomorrow are cheap and dear for an account, and what it is worth to move
    use from these to those; None where the hour makes no difference to its price. NotFound agreement.none.

    A day whose prices are not known yet is left out, so `days` may be empty.
    """
    place = pricing.place_of(session, account_id=account_id, now=now)
    days = periods.Days(place.today, place.today + timedelta(days=2))
    terms = tariffs.list_terms(session, agreement_ids=[place.agreement.id], days=days).get(place.agreement.id, ())
    served = [day for day in days if place.agreement.ends_on is None or day < place.agreement.ends_on]
    by_day = {day: term for day in served for term in terms if term.starts_on <= day < term.ends_on}
    by_day = {day: term for day, term in by_day.items() if hourly.goes_by_hours(term.plan)}
    if not by_day:
        return None
    told = [
        found for day, term in by_day.items() for found in _told(session, term.plan, place.timezone, [day]).values()
    ]
    worth = next((day for day in told if day.cheap), None)
    term = next(iter(by_day.values()))
    return views.HourAdvice(
        timezone=place.timezone,
        by_index=term.plan.index is not None,
        days=tuple(told),
        saving_on=worth.day if worth else None,
        savings=_savings(session, place, worth) if worth else (),
        shift=_shift(session, place, term),
    )


def _told(session: Session, plan: rating.Plan, timezone: str, days: Sequence[date]) -> dict[date, views.HourDay]:
    """The days in order whose prices are known: by a schedule all of them. `days` are on end."""
    known: Mapping[date, rating.Prices | None] = dict.fromkeys(days)
    if plan.index is not None:
        known = _known(session, plan, timezone, days)
    return {day: hourly.of_advice(plan, known[day], day, timezone) for day in days if day in known}


def _known(session: Session, plan: rating.Plan, timezone: str, days: Sequence[date]) -> dict[date, rating.Prices]:
    assert plan.index is not None
    edges = [periods.midnight(day, timezone) for day in (*days, days[-1] + timedelta(days=1))]
    series = prices.read(session, code=plan.index.code, starts_at=edges[0], ends_at=edges[-1])
    if series.currency != plan.currency:
        return {}
    step = timedelta(minutes=series.interval_minutes)
    out = {}
    for day, first, last in zip(days, edges, edges[1:], strict=False):
        of = slice((first - edges[0]) // step, (last - edges[0]) // step)
        if series.known[of].all():
            out[day] = rating.Prices(series.code, first, series.interval_minutes, series.micros[of])
    return out


def _savings(session: Session, place: pricing.Place, day: views.HourDay) -> tuple[views.LoadSaving, ...]:
    """Each load in the cheapest and in the dearest hours of a day, on top of what the home will likely use in that
    bill period.
    """
    whole = runs.open_period(place.agreement, day.day)
    found = running.expected_use(session, place, whole)
    if found is None:
        return ()
    used = found[1]
    likely = used.wh[running.LIKELY]
    ends = [(hourly.on_end(day.hours, -1, load.hours), hourly.on_end(day.hours, 1, load.hours)) for load in loads.LOADS]
    variants = [
        _with(likely, used, span, load.wh) for load, pair in zip(loads.LOADS, ends, strict=True) for span in pair
    ]
    try:
        rated = pricing.price_bill(session, place, whole, daily.usage_of(used, np.stack(variants)))
    except errors.NotFound:  # the plan does not cover the whole of the period
        return ()
    out = []
    for n, (load, (cheap, dear)) in enumerate(zip(loads.LOADS, ends, strict=True)):
        saving = rated.total(2 * n + 1) - rated.total(2 * n)
        if saving > 0:
            out.append(views.LoadSaving(load.code, Decimal(load.wh) / 1000, cheap, dear, saving))
    return tuple(out)


def _shift(session: Session, place: pricing.Place, term: tariffs.Term) -> views.ShiftSaving | None:
    """The last weeks as they were and with part of the dear hours' use in cheap ones, both on the plan of today."""
    past = periods.Days(max(place.today - timedelta(days=_BACK), place.agreement.starts_on), place.today)
    if len(past) == 0:
        return None
    reads = pricing.read(session, place, past)
    used = reads.usage
    if int(reads.filled[0]) * 2 >= reads.intervals:
        return None  # too little is known
    own, after = used.wh[0], used.wh[0].copy()
    peak = 0
    told = _told(session, term.plan, place.timezone, list(past))
    for day in told.values():
        if day.cheap:
            dear, cheap = (_intervals(used, spans) for spans in (day.dear, day.cheap))
            peak += int(own[dear].sum())
            advice.shift(after, dear, cheap)
    total = int(own.sum())
    if peak == 0 or total == 0:
        return None
    segments = (rating.Segment(past, term.plan),)
    rated = pricing.price_segments(
        segments, (term,), place, daily.usage_of(used, np.stack([own, after])),
        hourly=prices.Book(session).likely(segments, place.timezone),
    )  # fmt: skip
    saving = rated.total(0) - rated.total(1)
    if saving <= 0:
        return None
    return views.ShiftSaving(
        days=len(told),
        dear_share=(Decimal(peak) / total).quantize(Decimal("0.01")),
        dear_kwh=Decimal(peak) / 1000,
        share=advice.SHIFT_SHARE,
        saving=saving,
    )


def _with(wh: Ints, used: rating.Usage, span: views.PricedHour, load: int) -> Ints:
    """The use of a period with a load in some hours of it, evenly."""
    at = _intervals(used, [span])
    out = wh.copy()
    out[at] += load // len(at)
    out[at[: load % len(at)]] += 1
    return out


def _intervals(used: rating.Usage, spans: Sequence[views.PricedHour]) -> Ints:
    step, first = timedelta(minutes=used.interval_minutes), periods.aware(used.starts_at)
    found = [np.arange((s.starts_at - first) // step, (s.ends_at - first) // step) for s in spans]
    return np.concatenate(found).astype(np.int64)
