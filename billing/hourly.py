"""What a kWh costs by the hour, and which hours are cheap. Pure arithmetic."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np

from billing import rating, views
from billing.rating import calendar
from core import periods

ON_END = 3  # hours that are told as the cheapest or dearest of a day: as long as a wash and a dryer run
_STEP = 15  # minutes: no clock is shifted by less
_PLACES = Decimal("1E-6")


def of_bill(
    segments: Sequence[rating.Segment], known: Sequence[rating.Prices], used: rating.Usage
) -> views.HourPrices | None:
    """This will give what the hours of a bill cost per kWh, by the part of the price that goes by the hour: the average
    is by use. `known` has one series for each segment. None where there was no hour.
    """
    cost, grains = Fraction(0), 0
    hours: list[views.PricedHour] = []
    wh = used.wh[0] if used.wh.ndim == 2 else used.wh
    step = timedelta(minutes=used.interval_minutes)
    for segment, prices in zip(segments, known, strict=True):
        index = segment.plan.index
        assert index is not None  # or there would be no series for it
        first, last = (
            -((periods.aware(used.starts_at) - periods.midnight(day, used.timezone)) // step)
            for day in (segment.days.starts_on, segment.days.ends_on)
        )
        own = wh[first:last]
        at = (np.arange(len(own)) * used.interval_minutes) // prices.interval_minutes
        spent = sum(int(a) * int(b) for a, b in zip(own.tolist(), prices.micros[at].tolist(), strict=True))
        cost += Fraction(spent, 10**6) * Fraction(index.multiplier) + int(own.sum()) * Fraction(index.adder)
        grains += int(own.sum())
        hours += _hours(prices, index, [Fraction(0)] * len(prices.micros))
    if not hours:
        return None
    average = cost / grains if grains else sum((Fraction(h.price) for h in hours), Fraction(0)) / len(hours)
    return views.HourPrices(
        _decimal(average), min(hours, key=lambda h: h.price), max(hours, key=lambda h: (h.price, h.starts_at))
    )


def of_day(plan: rating.Plan, prices: rating.Prices, day: date, timezone: str) -> views.PriceDay:
    """This will give a day's prices by the hour as the plan has them: with all it charges per kWh, before taxes.

    `prices` begin with the day and end with it. Of steps the first counts.
    """
    assert plan.index is not None  # or there would be no series for it
    beside = _by_schedule(plan, prices.starts_at, prices.interval_minutes, len(prices.micros), day, timezone)
    hours = tuple(_hours(prices, plan.index, beside))
    return views.PriceDay(day, hours, on_end(hours, -1), on_end(hours, 1))


def goes_by_hours(plan: rating.Plan) -> bool:
    """This will say whether the hour of a day makes a difference to a plan's price: not so where it is the season's."""
    if plan.index is not None:
        return True
    paid = [period.tiers[0].price for period in plan.energy]
    return any(len({paid[period] for period in hours}) > 1 for hours in (*plan.weekday, *plan.weekend))


def of_advice(plan: rating.Plan, prices: rating.Prices | None, day: date, timezone: str) -> views.HourDay:
    """This will give a day's prices by the hour and which hours are cheap and dear: by the market's `prices` the few
    on end that are so on average, by a schedule all at its lowest and its highest price.
    """
    if prices is not None:
        told = of_day(plan, prices, day, timezone)
        hours = told.hours
        ends: tuple[tuple[views.PricedHour, ...], ...] = ((told.cheapest,), (told.dearest,))
    else:
        hours = _on_schedule(plan, day, timezone)
        low, high = min(h.price for h in hours), max(h.price for h in hours)
        ends = (_stretches(hours, low), _stretches(hours, high))
    cheap, dear = ends if len({h.price for h in hours}) > 1 else ((), ())
    return views.HourDay(day, hours, cheap, dear)


def _on_schedule(plan: rating.Plan, day: date, timezone: str) -> tuple[views.PricedHour, ...]:
    """The hours of the clock on a day; where it is set back within an hour, that one is told in two parts."""
    starts_at = periods.midnight(day, timezone)
    count = (periods.midnight(day + timedelta(days=1), timezone) - starts_at) // timedelta(minutes=_STEP)
    clock = calendar.grid(starts_at, _STEP, count, timezone).hour.tolist()
    first = [0]
    for n in range(1, count):
        if clock[n] != clock[n - 1] or n - first[-1] == 60 // _STEP:
            first.append(n)
    return tuple(_merged(starts_at, _STEP, _by_schedule(plan, starts_at, _STEP, count, day, timezone), first))


def _by_schedule(
    plan: rating.Plan, starts_at: datetime, minutes: int, count: int, day: date, timezone: str
) -> list[Fraction]:
    """What a plan itself charges per kWh in each interval of a day: of steps the first, and the riders of the day."""
    grid = calendar.grid(starts_at, minutes, count, timezone)
    period = calendar.period_index(grid, plan.weekday, plan.weekend, plan.holidays)
    riders = sum(
        (
            Fraction(r.price)
            for r in plan.riders
            if r.kind == "PER_KWH"
            and (r.starts_on is None or r.starts_on <= day)
            and (r.ends_on is None or day < r.ends_on)
            and (not r.of_months or day.month in r.of_months)
        ),
        Fraction(0),
    )
    return [Fraction(plan.energy[p].tiers[0].price) + riders for p in period.tolist()]


def _hours(prices: rating.Prices, index: rating.Index, beside: Sequence[Fraction]) -> list[views.PricedHour]:
    paid = [
        Fraction(int(micros), 10**6) * Fraction(index.multiplier) + Fraction(index.adder) + more
        for micros, more in zip(prices.micros.tolist(), beside, strict=True)
    ]
    return _merged(prices.starts_at, prices.interval_minutes, paid)


def _merged(
    first: datetime, minutes: int, paid: Sequence[Fraction], starts: Sequence[int] = ()
) -> list[views.PricedHour]:
    """The mean of each hour, from the `starts` named or one after the other; a last one that is not whole (a shift by
    half an hour) as long as it is.
    """
    starts = starts or range(0, len(paid), 60 // minutes)
    out = []
    for at, end in zip(starts, (*starts[1:], len(paid)), strict=True):
        piece = paid[at:end]
        starts_at = first + timedelta(minutes=at * minutes)
        ends_at = starts_at + timedelta(minutes=len(piece) * minutes)
        out.append(views.PricedHour(starts_at, ends_at, _decimal(sum(piece, Fraction(0)) / len(piece))))
    return out


def _stretches(hours: Sequence[views.PricedHour], price: Decimal) -> tuple[views.PricedHour, ...]:
    """The hours at a price, those on end put together."""
    out: list[views.PricedHour] = []
    for hour in hours:
        if hour.price == price and out and out[-1].ends_at == hour.starts_at:
            out[-1] = replace(out[-1], ends_at=hour.ends_at)
        elif hour.price == price:
            out.append(hour)
    return tuple(out)


def on_end(hours: Sequence[views.PricedHour], sign: int, length: int = ON_END) -> views.PricedHour:
    """This will give the hours on end whose mean is the lowest (-1) or the highest (1); the first of several."""
    length = min(length, len(hours))
    spans = [hours[at : at + length] for at in range(len(hours) - length + 1)]
    best = max(spans, key=lambda span: sign * sum(h.price for h in span))
    mean = sum((Fraction(h.price) for h in best), Fraction(0)) / length
    return views.PricedHour(best[0].starts_at, best[-1].ends_at, _decimal(mean))


def _decimal(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(_PLACES)
