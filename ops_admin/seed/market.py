"""A day-ahead market of the demonstration's own invention: pure, and the same for the same seed.

A morning and an evening peak, dear evenings in summer and winter, noons that the sun makes cheap in spring, quiet
Sundays, now and then a scarce evening or a windy night below zero. It copies no exchange.
"""

import math
from datetime import date, timedelta

import numpy as np

from billing import index_file
from core import periods

CODE = "DAY_AHEAD"
_BASE = 56.0  # a megawatt-hour, over the year
_SHAPE = (-15, -19, -21, -22, -20, -13, 2, 12, 13, 8, 2, -3, -6, -7, -5, 1, 10, 22, 29, 26, 17, 7, -3, -10)


def day_prices(day: date, seed: int) -> list[str]:
    """This will give the prices per MWh of a day's 24 hours of the clock: whatever other days are drawn."""
    random = np.random.default_rng([seed, day.toordinal(), 9])
    angle = 2 * math.pi * day.timetuple().tm_yday / 365.25
    level = _BASE * (1 + 0.16 * math.cos(2 * angle - 0.5)) * float(random.lognormal(0, 0.13))  # summer and winter
    sun = 20 * max(0.0, math.sin(angle - 0.3))
    quiet = 0.82 if day.weekday() == 6 else 0.92 if day.weekday() == 5 else 1.0
    scarce, windy = random.random() < 0.03, random.random() < 0.05
    out = []
    for hour in range(24):
        noon = sun * math.exp(-(((hour - 13) / 2.6) ** 2))
        price = (level + _SHAPE[hour]) * quiet - noon + float(random.normal(0, 2.5))
        if scarce and 17 <= hour < 21:
            price *= float(random.uniform(2.2, 4.5))
        if windy and hour < 5:
            price = float(random.uniform(-9, 4))
        out.append(f"{price:.2f}")
    return out


def file_of(days: periods.Days, timezone: str, seed: int) -> bytes:
    """This will write the prices of civil days as the exchange's file; an hour the clock shows twice costs the same."""
    lines = ["timestamp_utc,price,currency"]
    for day in days:
        prices = day_prices(day, seed)
        at, ends_at = periods.midnight(day, timezone), periods.midnight(day + timedelta(days=1), timezone)
        while at < ends_at:
            lines.append(f"{at:%Y-%m-%dT%H:%MZ},{prices[periods.local(at, timezone).hour]},USD")
            at += timedelta(hours=1)
    return "\n".join(lines).encode()


def parsed(days: periods.Days, timezone: str, seed: int) -> index_file.Parsed:
    """This will read that file as any other is read."""
    return index_file.parse(file_of(days, timezone, seed), unit="MWh", currency="USD", timezone=timezone)
