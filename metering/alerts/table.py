"""Reads as a table ``timestamp_utc,kwh[,temp_c]``, laid out as days of 24 hours. Pure.

Rows are intervals of 15, 30 or 60 minutes by their start, in any order; a row that is missing, or has no value, is a
gap. Of two rows for one instant the first counts. What cannot be meant is refused with its line.
"""

import csv
import io
import itertools
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core import errors, periods
from metering.alerts.clock import by_clock
from metering.alerts.robust import Floats, quantile

_COLUMNS = (["timestamp_utc", "kwh"], ["timestamp_utc", "kwh", "temp_c"])
_LENGTHS = (15, 30, 60)
_NOTHING = ("", "nan", "null", "none", "na")
_WARMEST, _COLDEST = 70.0, -90.0
_MOST_KWH = 1e6
_LOOK_DAYS = 14  # of the first reads tell when a day begins, where no zone is given


@dataclass(frozen=True)
class Table:
    """Reads by the hour from an hour on (UTC): kWh, °C, and whether any row was there."""

    starts_at: datetime
    kwh: Floats
    degrees: Floats | None
    there: NDArray[np.bool_]


@dataclass(frozen=True)
class Laid:
    """The same as [days, 24] by the local clock; `starts` is the instant of each hour."""

    kwh: Floats
    degrees: Floats | None
    starts: list[list[datetime]]
    days: list[date]
    until: int  # hours from the first midnight up to which there are rows
    there: NDArray[np.bool_]


def parse(text: str) -> Table | None:
    """This will read the text of a file; None without a row. Invalid ``reads.unreadable`` says line and reason."""
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    header = [name.strip().lower() for name in next(rows, [])]
    if header not in _COLUMNS:
        raise _unreadable(1, "the header must be timestamp_utc,kwh or timestamp_utc,kwh,temp_c")
    seen: dict[datetime, tuple[float, float]] = {}
    try:
        for row in rows:
            if any(cell.strip() for cell in row):
                at, kwh, degrees = _row(row, header, rows.line_num)
                seen.setdefault(at, (kwh, degrees))
    except csv.Error as exc:
        raise _unreadable(rows.line_num, f"this is no CSV ({exc})") from None
    return _by_hour(seen, len(header) == 3) if seen else None


def lay(table: Table, timezone: str | None) -> Laid:
    """This will cut a table into days: by the zone where one is given, else from the hour before the quietest five."""
    hours = len(table.kwh)
    if timezone is None:
        begin = _quietest(table)
        first = (begin - table.starts_at.hour) % 24
        lead = (24 - first) % 24
        days = -(-(lead + hours) // 24)
        start = table.starts_at - timedelta(hours=lead)
        starts = [[start + timedelta(hours=24 * day + hour) for hour in range(24)] for day in range(days)]
        cells = np.arange(hours) + lead
        dates = [row[0].date() for row in starts]
        until = lead + hours
    else:
        zone = periods.zone(timezone)
        clock = [(table.starts_at + timedelta(hours=n)).astimezone(zone) for n in range(hours)]
        origin = clock[0].date()
        days = (clock[-1].date() - origin).days + 1
        cells = np.array([(at.date() - origin).days * 24 + at.hour for at in clock])
        dates = [origin + timedelta(days=n) for n in range(days)]
        starts = [
            [datetime(d.year, d.month, d.day, hour, tzinfo=zone).astimezone(UTC) for hour in range(24)] for d in dates
        ]
        until = int(cells[-1]) + 1
    return Laid(
        by_clock(table.kwh[None], cells, days)[0],
        None if table.degrees is None else by_clock(table.degrees[None], cells, days)[0],
        starts,
        dates,
        until,
        by_clock(table.there[None].astype(np.float64), cells, days).ravel() > 0,
    )


def _row(row: list[str], header: list[str], line: int) -> tuple[datetime, float, float]:
    if len(row) != len(header):
        raise _unreadable(line, f"there are {len(row)} values where the header has {len(header)}")
    try:
        at = datetime.fromisoformat(row[0].strip())
    except ValueError:
        raise _unreadable(line, f"{row[0].strip()[:40]!r} is not an instant such as 2026-11-23T15:00:00Z") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    kwh = _number(row[1], "kwh", line)
    if kwh < 0 or kwh > _MOST_KWH:
        raise _unreadable(line, f"{row[1].strip()[:40]} kWh cannot be: use lies between 0 and {_MOST_KWH:,.0f}")
    degrees = _number(row[2], "temp_c", line) if len(row) == 3 else math.nan
    if degrees > _WARMEST or degrees < _COLDEST:
        raise _unreadable(line, f"{row[2].strip()[:40]} °C cannot be")
    return at, kwh, degrees


def _number(text: str, column: str, line: int) -> float:
    text = text.strip()
    if text.lower() in _NOTHING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise _unreadable(line, f"{column} has {text[:40]!r}, which is not a number")
    return value


def _by_hour(seen: dict[datetime, tuple[float, float]], felt: bool) -> Table:
    instants = sorted(seen)
    steps = Counter(int((b - a).total_seconds()) for a, b in itertools.pairwise(instants))
    minutes = steps.most_common(1)[0][0] / 60 if steps else 60
    if minutes not in _LENGTHS:
        raise _unreadable(1, f"reads lie {minutes:g} minutes apart; 15, 30 and 60 can be judged")
    first = instants[0].replace(minute=0, second=0, microsecond=0)
    last = instants[-1]
    count = int((last - first) / timedelta(hours=1)) + 1
    each = int(60 / minutes)
    kwh, parts = np.zeros(count), np.zeros(count)
    degrees, warm = np.zeros(count), np.zeros(count)
    there = np.zeros(count, bool)
    for at in instants:
        offset = (at - first).total_seconds()
        if offset % (minutes * 60):
            raise _unreadable(1, f"{at.isoformat()} is not on the grid of {minutes:g} minutes the other rows keep to")
        n = int(offset // 3600)
        value, felt_then = seen[at]
        there[n] = True
        if not math.isnan(value):
            kwh[n] += value
            parts[n] += 1
        if not math.isnan(felt_then):
            degrees[n] += felt_then
            warm[n] += 1
    if (last - first).total_seconds() % 3600 + minutes * 60 < 3600:  # the last hour is not over
        kwh, parts, degrees, warm, there = (a[:-1] for a in (kwh, parts, degrees, warm, there))
    hourly = np.where(parts == each, kwh, np.nan)
    return Table(first, hourly, np.where(warm > 0, degrees / np.maximum(warm, 1), np.nan) if felt else None, there)


def _quietest(table: Table) -> int:
    """The hour (UTC) before the quietest five of the first two weeks: somewhere there a day begins."""
    count = _LOOK_DAYS * 24
    head = np.full(count, np.nan)
    head[: min(count, len(table.kwh))] = table.kwh[:count]
    profile = np.nan_to_num(quantile(head.reshape(-1, 24).T))
    five = [np.roll(profile, -hour)[:5].sum() for hour in range(24)]
    return (int(np.argmin(five)) + table.starts_at.hour - 1) % 24


def _unreadable(line: int, reason: str) -> errors.Invalid:
    return errors.Invalid("reads.unreadable", line=line, reason=reason)
