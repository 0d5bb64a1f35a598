"""What stands behind a home's use: the weather, what always runs, and how the hours of its days look.

Everything is said of the home's own history and of days that are over. What cannot be said has a reason, for the
customer to read: NEW, NO_WEATHER, MILD, NO_READS, DIAL. Days that were shared out between two readings of a dial
say nothing of the weather or of the night, and do not count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from core import periods
from core.accounts import queries as accounts
from core.compliance import queries as compliance
from metering import blocks, quality, queries, savings, usage, views, weather_model

HISTORY = 365  # days the weather is learnt from
LATELY = 30  # days the base load is taken from
_MATTERS = 0.2  # of the days' differences explained by the weather: with less it is not spoken of
_LEAST_DAYS = 14


@dataclass(frozen=True)
class Insight:
    """`expected` sets the period so far beside what its weather would lead one to expect, by the year before it.

    `weather_percent` is how much of a year's use is heating and cooling; `base_watts` always run, and take
    `base_percent` of all. None where it cannot be said; then `reason` says why there is no `expected`.
    """

    expected: weather_model.Expected | None
    reason: str | None
    weather_percent: int | None
    heating_percent: int | None
    base_watts: int | None
    base_percent: int | None
    mean_f: float | None  # of the days that were compared
    mean_f_before: float | None  # of the period before


def find_insight(session: Session, *, service_point_id: int, period: periods.Days, now: datetime) -> Insight:
    """This will explain a bill period so far (days before today) by the home's own past."""
    point = accounts.get_service_point(session, service_point_id=service_point_id, on=periods.aware(now).date())
    today = periods.civil_day(now, point.timezone)
    days = periods.Days(period.starts_on - timedelta(days=HISTORY), today)
    series = queries.usage_series(
        session,
        service_point_id=service_point_id,
        starts_at=periods.midnight(days.starts_on, point.timezone),
        ends_at=periods.midnight(days.ends_on, point.timezone),
    )
    whole = [d for d in usage.by_day(series, days, point.timezone) if d.missing == 0]
    daily = {d.day: d.wh for d in whole if d.estimated < d.intervals}
    felt = compliance.daily_means(session, county=point.county, days=days)
    base, base_percent = _base(series)
    model, reason = _model(daily, felt, period.starts_on)
    if reason == "NEW" and 2 * len(daily) < len(whole):
        reason = "DIAL"
    expected = None
    weather = heating = None
    if model is not None:
        expected = weather_model.expect(model, daily, felt, period)
        reason = None if expected is not None else "NO_WEATHER" if any(d in daily for d in period) else "NO_READS"
        weather, heating = _shares(model, daily, felt)
    before = usage.period_before(period)
    return Insight(
        expected=expected,
        reason=reason,
        weather_percent=weather,
        heating_percent=heating,
        base_watts=base,
        base_percent=base_percent,
        mean_f=_mean([felt[d] for d in period if d in felt and d in daily]),
        mean_f_before=_mean([felt[d] for d in before if d in felt]),
    )


def by_day_and_hour(session: Session, *, service_point_id: int, days: periods.Days, timezone: str) -> NDArray[np.int64]:
    """This will give Wh by civil day and hour of the clock [days, 24]; -1 where a read is missing.

    The hour that a day in autumn has twice is their mean; the one that a day in spring lacks is missing.
    """
    series = queries.usage_series(
        session,
        service_point_id=service_point_id,
        starts_at=periods.midnight(days.starts_on, timezone),
        ends_at=periods.midnight(days.ends_on, timezone),
    )
    count = 60 // series.interval_minutes
    usable = len(series.wh) // count * count
    hourly, _ = blocks.coarsen(series.wh[:usable], series.quality[:usable], count)
    total = np.zeros((len(days), 24), dtype=np.int64)
    seen = np.zeros((len(days), 24), dtype=np.int64)
    for n, wh in enumerate(hourly.tolist()):
        local = periods.local(series.starts_at + n * timedelta(hours=1), timezone)
        row = (local.date() - days.starts_on).days
        if wh >= 0 and 0 <= row < len(days):
            total[row, local.hour] += wh
            seen[row, local.hour] += 1
    if not (series.quality > quality.Quality.ESTIMATED).any():  # of a dial: how its days went is not known
        seen[:] = 0
    return np.where(seen > 0, total // np.maximum(seen, 1), -1)


def _model(
    daily: Mapping[date, int], felt: Mapping[date, float], before: date
) -> tuple[weather_model.Fit | None, str | None]:
    """The fit of the year before a day, or why there is none."""
    past = {day: wh for day, wh in daily.items() if day < before}
    if len(past) < weather_model.LEAST_DAYS:
        return None, "NEW"
    if sum(day in felt for day in past) < weather_model.LEAST_DAYS:
        return None, "NO_WEATHER"
    model = weather_model.fit(past, felt)
    return (None, "MILD") if model is None else (model, None)


def _shares(
    model: weather_model.Fit, daily: Mapping[date, int], felt: Mapping[date, float]
) -> tuple[int | None, int | None]:
    """How much of all use is heating and cooling, and how much is heating alone, in percent."""
    known = [day for day in daily if day in felt]
    used = sum(daily[day] for day in known)
    if model.explained < _MATTERS or not used:
        return None, None
    both = sum(model.weather_wh(felt[day]) for day in known)
    heating = sum(model.heating_wh * max(0.0, model.heating_below_f - felt[day]) for day in known)
    return min(100, round(100 * both / used)), min(100, round(100 * heating / used))


def _base(series: views.Series) -> tuple[int | None, int | None]:
    """The level of the quietest hours of the last thirty days, in watts, and its share of all use in them."""
    lately = slice(-LATELY * blocks.per_day(series.interval_minutes), None)
    known = series.wh[lately][(series.wh[lately] >= 0) & (series.quality[lately] > quality.Quality.ESTIMATED)]
    if len(known) < _LEAST_DAYS * blocks.per_day(series.interval_minutes) or not known.sum():
        return None, None
    base = savings.base_of(known) * 60 / series.interval_minutes
    return round(base), round(100 * base * (series.interval_minutes / 60) * len(known) / float(known.sum()))


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
