"""The work-list of reads that want a look: what waits, one of them with its day, and the history of one interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import errors, periods
from core.accounts import queries as accounts
from metering import blocks, estimating, estimation, models, originals, queries
from metering.quality import Quality

PAGE = 50


@dataclass(frozen=True)
class Entry:
    """One finding, with the meter it is about. `data` has measured, limit and unit where a rule found it."""

    id: int
    code: str
    severity: str
    meter_id: int | None
    meter_number: str | None
    service_point_id: int | None
    day: date | None
    starts_at: datetime | None
    ends_at: datetime | None
    data: Mapping[str, Any]
    recorded_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    resolved_by: str | None


@dataclass(frozen=True)
class Filters:
    """What of the list is asked for; nothing given is everything that waits."""

    code: str | None = None
    severity: str | None = None
    meter_number: str | None = None
    resolved: bool = False
    before_id: int | None = None


@dataclass(frozen=True)
class DayShown:
    """The UTC day of a finding as it stands: per interval its value, the one that came, quality, cause and method, and
    what like days have at the same hour (None where nothing is known)."""

    starts_at: datetime
    minutes: int
    timezone: str
    wh: tuple[int | None, ...]
    raw: tuple[int | None, ...]
    quality: tuple[str, ...]
    cause: tuple[str, ...]
    method: tuple[str, ...]
    usual: tuple[int | None, ...]
    version: int

    def at(self, n: int) -> datetime:
        """This will give the instant an interval starts at."""
        return self.starts_at + n * timedelta(minutes=self.minutes)


@dataclass(frozen=True)
class Moment:
    """What an interval was from `recorded_at` on: the value that stood, the one that came, and who put it there
    (None: it came with the reads)."""

    version: int
    wh: int | None
    raw: int | None
    quality: str
    cause: str
    method: str
    recorded_at: datetime
    by: str | None


def list_exceptions(session: Session, *, filters: Filters | None = None, limit: int = PAGE) -> tuple[Entry, ...]:
    """This will list findings, newest first; the next page starts before the id of the last."""
    asked = filters or Filters()
    row = models.ReadExceptionRow
    query = select(row, models.MeterRow).join(models.MeterRow, models.MeterRow.id == row.meter_id, isouter=True)
    query = query.where(row.resolved_at.is_not(None) if asked.resolved else row.resolved_at.is_(None))
    if asked.code:
        query = query.where(row.code == asked.code)
    if asked.severity:
        query = query.where(row.severity == asked.severity)
    if asked.meter_number:
        query = query.where(models.MeterRow.number == asked.meter_number.strip())
    if asked.before_id:
        query = query.where(row.id < asked.before_id)
    return tuple(_entry(*found) for found in session.execute(query.order_by(row.id.desc()).limit(limit)))


def count_open(session: Session) -> dict[tuple[str, str], int]:
    """This will count what waits, by severity and code."""
    row = models.ReadExceptionRow
    rows = session.execute(
        select(row.severity, row.code, func.count())
        .where(row.resolved_at.is_(None))
        .group_by(row.severity, row.code)
        .order_by(row.severity, row.code)
    )
    return {(severity, code): count for severity, code, count in rows}


def get_exception(session: Session, *, exception_id: int) -> Entry:
    """This will give one finding; NotFound read_exception.unknown."""
    row = models.ReadExceptionRow
    found = session.execute(
        select(row, models.MeterRow)
        .join(models.MeterRow, models.MeterRow.id == row.meter_id, isouter=True)
        .where(row.id == exception_id)
    ).one_or_none()
    if found is None:
        raise errors.NotFound("read_exception.unknown")
    return _entry(*found)


def show_day(session: Session, *, entry: Entry, now: datetime) -> DayShown | None:
    """This will give the day a finding is about, as it stands, beside like days; None when there is none."""
    if entry.meter_id is None or entry.service_point_id is None or entry.day is None:
        return None
    row = session.get(models.ReadDayRow, (entry.meter_id, entry.day))
    if row is None:
        return None
    day = originals.read(row.wh, row.quality, row.raw, row.rule)
    meter = meter_of(session, entry)
    zone = accounts.get_service_point(session, service_point_id=entry.service_point_id, on=entry.day).timezone
    start, minutes = blocks.day_start(entry.day), 1440 // len(day.wh)
    named = [originals.name(int(code)) for code in day.rule]
    return DayShown(
        starts_at=start, minutes=minutes, timezone=zone, wh=_values(day.wh),
        raw=tuple(
            (int(r) if r >= 0 else None) if rule else (int(w) if w >= 0 else None)
            for w, r, rule in zip(day.wh, day.raw, day.rule, strict=True)
        ),
        quality=tuple(Quality(int(code)).name for code in day.quality), cause=tuple(cause for cause, _ in named),
        method=tuple(method for _, method in named), usual=_usual(session, meter, start, minutes, zone, now),
        version=row.version,
    )  # fmt: skip


def interval_history(session: Session, *, meter_id: int, starts_at: datetime) -> tuple[Moment, ...]:
    """This will tell how one interval came to be what it is, oldest first: each value that stood, and by whom.

    NotFound reads.none when the meter has no such day.
    """
    day = periods.aware(starts_at).date()
    row = session.get(models.ReadDayRow, (meter_id, day))
    if row is None:
        raise errors.NotFound("reads.none")
    version = models.ReadDayVersionRow
    trail = session.scalars(
        select(version).where(version.meter_id == meter_id, version.day == day).order_by(version.version)
    ).all()
    out: list[Moment] = []
    by: str | None = None
    stood: list[models.ReadDayVersionRow | models.ReadDayRow] = [*trail, row]
    for each in stood:
        kept = originals.read(each.wh, each.quality, each.raw, each.rule)
        at = (periods.aware(starts_at) - blocks.day_start(day)) // timedelta(minutes=1440 // len(kept.wh))
        cause, method = originals.name(int(kept.rule[at]))
        moment = Moment(
            each.version, _value(kept.wh[at]), _value(kept.raw[at] if kept.rule[at] else kept.wh[at]),
            Quality(int(kept.quality[at])).name, cause, method, each.recorded_at, by,
        )  # fmt: skip
        if not out or _told(out[-1]) != _told(moment):
            out.append(moment)
        by = each.replaced_by if isinstance(each, models.ReadDayVersionRow) else None
    return tuple(out)


def meter_of(session: Session, entry: Entry) -> queries.Meter:
    """This will give the meter a finding is about; NotFound meter.unknown."""
    if entry.meter_id is None:
        raise errors.NotFound("meter.unknown")
    return queries.get_meter(session, meter_id=entry.meter_id)


def _usual(
    session: Session, meter: queries.Meter, start: datetime, minutes: int, zone: str, now: datetime
) -> tuple[int | None, ...]:
    """What the estimator would put there if the day were empty."""
    if minutes != (meter.interval_minutes or 60):
        return (None,) * (1440 // minutes)
    end = start + timedelta(days=1)
    series, where, known = estimating.scene(
        session, meter=meter, starts_at=start, ends_at=end, timezone=zone, now=now
    )  # fmt: skip
    at = blocks.ceil_index(series.starts_at, start, minutes)
    empty = series.wh.copy()
    empty[at : at + 1440 // minutes] = -1
    pattern = estimating.trusted(series, known.kind, now) & (empty >= 0)
    values, made = estimation.estimate(empty, pattern, where, known)
    shown = np.where(made > 0, values, -1)[at : at + 1440 // minutes]
    return _values(shown)


def _values(wh: Any) -> tuple[int | None, ...]:
    return tuple(_value(value) for value in wh)


def _value(wh: Any) -> int | None:
    return int(wh) if wh >= 0 else None


def _told(moment: Moment) -> tuple[Any, ...]:
    return moment.wh, moment.raw, moment.quality, moment.cause, moment.method


def _entry(row: models.ReadExceptionRow, meter: models.MeterRow | None) -> Entry:
    return Entry(
        row.id, row.code, row.severity, row.meter_id, None if meter is None else meter.number,
        None if meter is None else meter.service_point_id, row.day, row.starts_at, row.ends_at, dict(row.data),
        row.recorded_at, row.resolved_at, row.resolution, row.resolved_by,
    )  # fmt: skip
