"""Arithmetic over reads in civil days: sums, comparisons, today so far. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from core import periods
from metering import blocks, quality, views


def by_day(series: views.Series, days: periods.Days, timezone: str) -> tuple[views.DayUsage, ...]:
    """This will cut a series at the midnights of a zone; an interval belongs to the day in which it starts.

    What lies outside of the series is no interval of its day.
    """
    edges = [
        min(max(blocks.ceil_index(series.starts_at, periods.midnight(day, timezone), series.interval_minutes), 0),
            len(series.wh))
        for day in (*days, days.ends_on)
    ]  # fmt: skip
    out = []
    for day, start, end in zip(days, edges, edges[1:], strict=False):
        wh, codes = series.wh[start:end], series.quality[start:end]
        read = wh >= 0
        out.append(
            views.DayUsage(
                day=day,
                wh=int(wh[read].sum()),
                estimated=int((read & (codes == quality.Quality.ESTIMATED)).sum()),
                missing=int((~read).sum()),
                intervals=end - start,
            )
        )
    return tuple(out)


def bill_period(cycle_day: int, on: date) -> periods.Days:
    """This will give the bill period a day lies in: from the cycle day of a month to that of the next."""
    start = on.replace(day=cycle_day)
    if start > on:
        start = periods.add_months(start, -1)
    return periods.Days(start, periods.add_months(start, 1))


def period_before(period: periods.Days) -> periods.Days:
    """This will give the bill period before one."""
    return periods.Days(periods.add_months(period.starts_on, -1), period.starts_on)


def year_before(day: date) -> date:
    """This will give the same day a year ago."""
    return periods.add_months(day, -12)


def compare(reads: Sequence[views.DayUsage], period: periods.Days, until: date) -> views.UsageComparison:
    """This will compare a period up to `until` (out) with as many days of the one before and of a year ago."""
    length = until - period.starts_on
    before = period_before(period).starts_on
    year = year_before(period.starts_on)
    this = _sum(reads, period.starts_on, until)
    previous = _sum(reads, before, min(before + length, period.starts_on))
    last_year = _sum(reads, year, year + length)
    own = [day for day in reads if period.starts_on <= day.day < until and day.missing < day.intervals]
    return views.UsageComparison(
        this_period=this,
        previous=previous,
        last_year=last_year,
        change_previous=_change(this, previous),
        change_last_year=_change(this, last_year),
        busiest_day=max(own, key=lambda day: day.wh, default=None),
    )


def latest(series: views.Series, day: date, timezone: str) -> views.LatestUsage:
    """This will give a day so far, and the median of the same part of the same weekday in the four weeks
    before.
    """
    step = timedelta(minutes=series.interval_minutes)
    start = blocks.ceil_index(series.starts_at, periods.midnight(day, timezone), series.interval_minutes)
    today = series.wh[start:]
    known = np.flatnonzero(today >= 0)
    upto = int(known[-1]) + 1 if len(known) else 0
    usual = []
    for weeks in range(1, 5):
        earlier = periods.midnight(day - timedelta(weeks=weeks), timezone)
        first = blocks.ceil_index(series.starts_at, earlier, series.interval_minutes)
        part = series.wh[first : first + upto] if first >= 0 else series.wh[:0]
        if upto and len(part) == upto and (part >= 0).all():
            usual.append(int(part.sum()))
    midnight = series.starts_at + start * step
    return views.LatestUsage(
        day=day,
        wh=int(today[known].sum()),
        until=midnight + upto * step if upto else None,
        intervals=tuple((midnight + int(n) * step, int(today[n])) for n in known),
        usual_wh=round(float(np.median(usual))) if usual else None,
        interval_minutes=series.interval_minutes,
    )


def _sum(reads: Sequence[views.DayUsage], starts_on: date, ends_on: date) -> views.PeriodUsage:
    inside = [day for day in reads if starts_on <= day.day < ends_on]
    whole = [day for day in inside if day.missing == 0]
    return views.PeriodUsage(
        starts_on=starts_on,
        ends_on=ends_on,
        wh=sum(day.wh for day in whole),
        days_with_reads=len(whole),
        complete=len(whole) == len(inside) == (ends_on - starts_on).days,
    )


def _change(this: views.PeriodUsage, other: views.PeriodUsage) -> int | None:
    if this.daily_wh is None or not other.daily_wh:
        return None
    return round(100 * (this.daily_wh - other.daily_wh) / other.daily_wh)
