"""Prices by the hour as bars and words, for who pays by the hour."""

from dataclasses import dataclass

from billing import queries as bills
from channels.portal import charts
from channels.portal.visitor import speaker
from core import periods
from core.hub import Hub


@dataclass(frozen=True)
class Day:
    """A day's prices as the page shows them; the hours that are cheapest stand apart."""

    prices: bills.PriceDay
    title: str
    bars: tuple[charts.Bar, ...]


def days(hub: Hub, outlook: bills.PriceOutlook) -> tuple[Day, ...]:
    """This will lay out each day that is published. A bar cannot go below zero; its words can."""
    say = speaker(hub)
    out = []
    for day in outlook.days:
        bars = tuple(
            charts.Bar(
                f"{periods.local(hour.starts_at, outlook.timezone):%H}",
                max(0.0, round(float(hour.price) * 100, 2)),
                say("portal.hour_prices.hour", at=hour.starts_at, price=hour.price),
                apart=day.cheapest.starts_at <= hour.starts_at < day.cheapest.ends_at,
            )
            for hour in day.hours
        )
        out.append(Day(day, say("portal.hour_prices.chart", day=day.day), bars))
    return tuple(out)
