"""What a kWh costs by the hour, and which hours are cheap. Pure arithmetic."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np

from billing import rating, views
from billing.rating import calendar
from core import periods

ON_END = 3  # hours that are told as the cheapest or dearest of a day: as long as a wash and a dryer run
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
    grid = calendar.grid(prices.starts_at, prices.interval_minutes, len(prices.micros), timezone)
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
    beside = [Fraction(plan.energy[p].tiers[0].price) + riders for p in period.tolist()]
    hours = tuple(_hours(prices, plan.index, beside))
    return views.PriceDay(day, hours, _on_end(hours, -1), _on_end(hours, 1))


def _hours(prices: rating.Prices, index: rating.Index, beside: Sequence[Fraction]) -> list[views.PricedHour]:
    """The mean of each hour; a last one that is not whole (a shift by half an hour) as long as it is."""
    count = 60 // prices.interval_minutes
    paid = [
        Fraction(int(micros), 10**6) * Fraction(index.multiplier) + Fraction(index.adder) + more
        for micros, more in zip(prices.micros.tolist(), beside, strict=True)
    ]
    out = []
    for at in range(0, len(paid), count):
        piece = paid[at : at + count]
        starts_at = prices.starts_at + timedelta(minutes=at * prices.interval_minutes)
        ends_at = starts_at + timedelta(minutes=len(piece) * prices.interval_minutes)
        out.append(views.PricedHour(starts_at, ends_at, _decimal(sum(piece, Fraction(0)) / len(piece))))
    return out


def _on_end(hours: Sequence[views.PricedHour], sign: int) -> views.PricedHour:
    """The hours on end whose mean is the lowest (-1) or the highest (1); the first of several."""
    length = min(ON_END, len(hours))
    spans = [hours[at : at + length] for at in range(len(hours) - length + 1)]
    best = max(spans, key=lambda span: sign * sum(h.price for h in span))
    mean = sum((Fraction(h.price) for h in best), Fraction(0)) / length
    return views.PricedHour(best[0].starts_at, best[-1].ends_at, _decimal(mean))


def _decimal(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(_PLACES)
