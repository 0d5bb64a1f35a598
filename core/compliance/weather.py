"""What the weather was and will be, county by county: kept as facts, so that a decision can be shown again."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import errors, periods
from core.compliance import models

_COLDEST, _HOTTEST = -80, 140  # degrees Fahrenheit; outside of these it is a slip of the pen
_ADVISORY_DAYS = 7


def record_weather(
    session: Session,
    *,
    county: str,
    day: date,
    source: str,
    now: datetime,
    high_f: int | None = None,
    low_f: int | None = None,
    forecast_high_f: int | None = None,
    heat_advisory: bool | None = None,
) -> None:
    """This will keep what a weather service says of a day; what is left out stays. Invalid weather.reading."""
    for degrees in (high_f, low_f, forecast_high_f):
        if degrees is not None and not _COLDEST <= degrees <= _HOTTEST:
            raise errors.Invalid("weather.reading", degrees=degrees)
    if not county.strip() or not source.strip():
        raise errors.Invalid("weather.reading", county=county)
    if high_f is not None and low_f is not None and low_f > high_f:
        raise errors.Invalid("weather.reading", degrees=low_f)
    given = {"high_f": high_f, "low_f": low_f, "forecast_high_f": forecast_high_f, "heat_advisory": heat_advisory}
    news: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    values = {"county": county.strip(), "day": day, "source": source.strip(), "recorded_at": now}
    statement = insert(models.WeatherDayRow).values(**values, **{"heat_advisory": False, **news})
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["county", "day"], set_={**news, "source": source.strip(), "recorded_at": now}
        )
    )


def daily_means(session: Session, *, county: str, days: periods.Days) -> dict[date, float]:
    """This will give the mean temperature of each day that is known, in degrees Fahrenheit: halfway between its high
    and its low, which is how degree days are counted.
    """
    return {
        each.day: (each.high_f + each.low_f) / 2
        for each in _days(session, county, days)
        if each.high_f is not None and each.low_f is not None
    }


def list_highs(session: Session, *, county: str, days: periods.Days) -> dict[date, int]:
    """This will give the highest temperature of each day that is known of a county."""
    return {each.day: each.high_f for each in _days(session, county, days) if each.high_f is not None}


def weather_facts(session: Session, *, county: str, on: date) -> dict[str, Any]:
    """This will give what the weather rules ask of a county on a day; what is not known is left out."""
    lately = periods.Days(on - timedelta(days=_ADVISORY_DAYS - 1), on + timedelta(days=1))
    found = {each.day: each for each in _days(session, county, lately)}
    facts: dict[str, Any] = {}
    before, today = found.get(on - timedelta(days=1)), found.get(on)
    if before is not None and before.high_f is not None:
        facts["temperature_high_f"] = before.high_f
    if today is not None and today.forecast_high_f is not None:
        facts["forecast_high_f"] = today.forecast_high_f
    advisories = [(on - day).days for day, told in found.items() if told.heat_advisory]
    if advisories:
        facts["heat_advisory_days_ago"] = min(advisories)
    return facts


def _days(session: Session, county: str, days: periods.Days) -> Iterable[Any]:
    """What is kept of some days, column by column: a year of a county is a few hundred rows, and none is an object."""
    row = models.WeatherDayRow
    return session.execute(
        select(row.day, row.high_f, row.low_f, row.forecast_high_f, row.heat_advisory).where(
            row.county == county, row.day >= days.starts_on, row.day < days.ends_on
        )
    )
