"""What was used, when, and how well it is known."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core import errors, periods
from core.accounts import queries as accounts
from metering import blocks, estimation, models, quality, usage
from metering.grids import usage_grids
from metering.partitions import list_months
from metering.views import (
    Anomaly,
    Counts,
    DayUsage,
    Ints,
    LatestUsage,
    Matrix,
    Meter,
    MeterCounts,
    PeriodUsage,
    RegisterRead,
    Series,
    Submitted,
    UsageComparison,
)

__all__ = [
    "Anomaly",
    "Counts",
    "DayUsage",
    "LatestUsage",
    "Matrix",
    "Meter",
    "MeterCounts",
    "PeriodUsage",
    "RegisterRead",
    "Series",
    "Submitted",
    "UsageComparison",
    "compare_usage",
    "daily_usage",
    "find_meter",
    "find_meter_by_number",
    "find_previous_reading",
    "freshness",
    "latest_usage",
    "list_anomalies",
    "list_meters",
    "list_months",
    "list_patience",
    "list_unreadable",
    "meter_counts",
    "usage_grids",
    "usage_matrix",
    "usage_series",
    "without_gaps",
]

STALE_AFTER = timedelta(hours=48)

# each meter's days are looked up: left to a join, a planner with old numbers once went through all meters for each day
_BLOCKS = text(
    """
    SELECT m.service_point_id, octet_length(d.wh) AS width,
           array_agg(d.day - CAST(:first AS date) ORDER BY d.day) AS days,
           string_agg(d.wh, ''::bytea ORDER BY d.day) AS wh,
           string_agg(d.quality, ''::bytea ORDER BY d.day) AS quality
      FROM meter m
     CROSS JOIN LATERAL (SELECT day, wh, quality FROM read_day
                          WHERE meter_id = m.id AND day >= :first AND day < :last OFFSET 0) AS d
     WHERE m.service_point_id = ANY(:ids) AND m.direction = :direction
     GROUP BY m.service_point_id, m.id, m.installed_on, octet_length(d.wh)
     ORDER BY m.installed_on, m.id
    """
)


def list_meters(session: Session, *, service_point_id: int) -> tuple[Meter, ...]:
    """This will list the meters a service point has and had, oldest first."""
    rows = session.scalars(
        select(models.MeterRow)
        .where(models.MeterRow.service_point_id == service_point_id)
        .order_by(models.MeterRow.installed_on, models.MeterRow.id)
    )
    return tuple(meter_of(row) for row in rows)


def find_meter(session: Session, *, service_point_id: int, direction: str = "DELIVERED") -> Meter | None:
    """This will find the meter that is on the wall now."""
    row = session.scalars(
        select(models.MeterRow)
        .where(
            models.MeterRow.service_point_id == service_point_id,
            models.MeterRow.direction == direction,
            models.MeterRow.removed_on.is_(None),
        )
        .order_by(models.MeterRow.installed_on.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else meter_of(row)


def get_meter(session: Session, *, meter_id: int) -> Meter:
    """This will give a meter; NotFound meter.unknown."""
    row = session.get(models.MeterRow, meter_id)
    if row is None:
        raise errors.NotFound("meter.unknown", meter_id=meter_id)
    return meter_of(row)


def find_meter_by_number(session: Session, *, number: str, direction: str = "DELIVERED") -> Meter | None:
    """This will find a meter by what is printed on it; one that counts both ways by the way as well."""
    wanted = (models.MeterRow.number == number, models.MeterRow.direction == direction)
    row = session.scalars(select(models.MeterRow).where(*wanted)).one_or_none()
    return None if row is None else meter_of(row)


def usage_series(
    session: Session,
    *,
    service_point_id: int,
    starts_at: datetime,
    ends_at: datetime,
    interval_minutes: int | None = None,
    direction: str = "DELIVERED",
) -> Series:
    """This will give the reads of one service point between two instants, across meter exchanges."""
    matrix = usage_matrix(
        session,
        service_point_ids=[service_point_id],
        starts_at=starts_at,
        ends_at=ends_at,
        interval_minutes=interval_minutes,
        direction=direction,
    )
    return Series(matrix.starts_at, matrix.interval_minutes, matrix.wh[0], matrix.quality[0])


def usage_matrix(
    session: Session,
    *,
    service_point_ids: Sequence[int],
    starts_at: datetime,
    ends_at: datetime,
    interval_minutes: int | None = None,
    direction: str = "DELIVERED",
) -> Matrix:
    """This will give the reads of many service points on one grid, in one question to the database.

    The intervals are those that start from `starts_at` (in) to `ends_at` (out). Without `interval_minutes`
    the grid is the coarsest that any of them has in that time (60 where there is nothing); finer reads are
    added up, and Invalid ``reads.interval`` says that some are too coarse for a grid that was asked for.
    Where two meters overlap on the day of an exchange, the newer one's reads count.
    """
    first, last = blocks.utc_days(starts_at, ends_at)
    ids = tuple(service_point_ids)
    parameters = {"ids": list(ids), "direction": direction, "first": first, "last": last}
    rows = session.execute(_BLOCKS, parameters).all()
    widest = max((1440 * 4 // row.width for row in rows), default=60)
    minutes = widest if interval_minutes is None else interval_minutes
    if minutes < widest:
        raise errors.Invalid("reads.interval", interval_minutes=minutes, coarsest=widest)
    wh, codes = _fill(ids, rows, (last - first).days, minutes)
    origin = blocks.day_start(first)
    start = blocks.ceil_index(origin, periods.aware(starts_at), minutes)
    end = blocks.ceil_index(origin, periods.aware(ends_at), minutes)
    return Matrix(ids, origin + start * timedelta(minutes=minutes), minutes, wh[:, start:end], codes[:, start:end])


def without_gaps(matrix: Matrix, timezone: str) -> Ints:
    """This will give the reads with their gaps estimated from the rest; zero where nothing is known.

    For pricing what is not estimated yet: nothing is stored.
    """
    out = matrix.wh.copy()
    where = estimation.calendar(matrix.starts_at, out.shape[1], matrix.interval_minutes, timezone)
    for row in np.flatnonzero((out < 0).any(axis=1)):
        values, _ = estimation.estimate(out[row], out[row] >= 0, where)
        out[row] = np.maximum(values, 0)
    return out


def daily_usage(
    session: Session,
    *,
    service_point_id: int,
    days: periods.Days,
    timezone: str,
    direction: str = "DELIVERED",
) -> tuple[DayUsage, ...]:
    """This will give each civil day of a zone with what was used, and how much of it is estimated or missing."""
    series = usage_series(
        session,
        service_point_id=service_point_id,
        starts_at=periods.midnight(days.starts_on, timezone),
        ends_at=periods.midnight(days.ends_on, timezone),
        direction=direction,
    )
    return usage.by_day(series, days, timezone)


def freshness(session: Session, *, service_point_id: int) -> datetime | None:
    """This will say up to when reads are known; None when there is none."""
    return session.execute(
        select(func.max(models.MeterRow.last_read_at)).where(
            models.MeterRow.service_point_id == service_point_id, models.MeterRow.direction == "DELIVERED"
        )
    ).scalar_one_or_none()


def compare_usage(
    session: Session,
    *,
    service_point_id: int,
    timezone: str,
    today: date,
    period: periods.Days | None = None,
) -> UsageComparison:
    """This will set the bill period so far beside the same days of the one before and of a year ago.

    Today itself does not count: it is not over. Without `period` it is the one of the account's billing
    cycle.
    """
    period = period or _bill_period(session, service_point_id, today)
    if today <= period.starts_on:  # the first day: nothing is over yet, so look at the period before
        period = usage.period_before(period)
    until = min(today, period.ends_on)
    reads = daily_usage(
        session,
        service_point_id=service_point_id,
        days=periods.Days(usage.year_before(period.starts_on), until),
        timezone=timezone,
    )
    return usage.compare(reads, period, until)


def latest_usage(session: Session, *, service_point_id: int, now: datetime) -> LatestUsage:
    """This will give today so far, and what is usual by this time of day."""
    today = periods.aware(now).date()
    zone = accounts.get_service_point(session, service_point_id=service_point_id, on=today).timezone
    day = periods.civil_day(now, zone)
    series = usage_series(
        session,
        service_point_id=service_point_id,
        starts_at=periods.midnight(day - timedelta(days=28), zone),
        ends_at=now,
    )
    return usage.latest(series, day, zone)


def list_anomalies(
    session: Session, *, service_point_id: int, since: date | None = None, limit: int = 50
) -> tuple[Anomaly, ...]:
    """This will list what was out of the ordinary at a service point, newest first."""
    wanted = models.UsageAlertRow.service_point_id == service_point_id
    if since is not None:
        wanted = wanted & (models.UsageAlertRow.day >= since)
    rows = session.scalars(
        select(models.UsageAlertRow)
        .where(wanted)
        .order_by(models.UsageAlertRow.day.desc(), models.UsageAlertRow.id)
        .limit(limit)
    )
    return tuple(
        Anomaly(
            r.id, r.service_point_id, r.day, r.kind, r.excess_wh, r.expected_wh, r.recorded_at,
            r.starts_at, r.ends_at, r.closed_at, r.cost_cents, r.feedback,
        )
        for r in rows
    )  # fmt: skip


def list_patience(session: Session, *, service_point_id: int) -> dict[str, Decimal]:
    """This will say for which kinds of alert a place has wider margins, because its people said it was them."""
    row = models.AlertPatienceRow
    rows = session.execute(select(row.kind, row.patience).where(row.service_point_id == service_point_id))
    return dict(rows.tuples().all())


def find_previous_reading(session: Session, *, meter_id: int, before: datetime) -> RegisterRead | None:
    """This will find the last register read of a meter before an instant."""
    row = session.scalars(
        select(models.RegisterReadRow)
        .where(models.RegisterReadRow.meter_id == meter_id, models.RegisterReadRow.read_at < before)
        .order_by(models.RegisterReadRow.read_at.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else RegisterRead(row.id, row.meter_id, row.read_at, row.value, row.quality)


def list_unreadable(session: Session, *, sha256: str, limit: int = 1000) -> tuple[tuple[int, str, int], ...]:
    """This will list what of a batch could not be read: line, reason, and how many reads were lost with it."""
    row = models.ReadExceptionRow
    found = session.scalars(
        select(row.data)
        .join(models.ReadBatchRow, models.ReadBatchRow.id == row.batch_id)
        .where(models.ReadBatchRow.sha256 == sha256, row.code == "UNREADABLE")
        .order_by(row.id)
        .limit(limit)
    )
    return tuple((data["line"], data["reason"], data["count"]) for data in found)


def meter_counts(session: Session, *, now: datetime) -> MeterCounts:
    """This will count meters, late ones, and what waits for a person to look at."""
    meter = models.MeterRow
    active = meter.removed_on.is_(None)
    late = func.coalesce(meter.last_read_at, models.NEVER) < now - STALE_AFTER
    row = session.execute(
        select(
            func.count().filter(active),
            func.count().filter(active, meter.interval_minutes.is_not(None)),
            func.count().filter(active, meter.interval_minutes.is_(None)),
            func.count().filter(active, meter.interval_minutes.is_not(None), late),
        ).select_from(meter)
    ).one()
    return MeterCounts(
        *row,
        open_exceptions=_count(session, models.ReadExceptionRow.resolved_at.is_(None)),
        readings_to_check=_count(session, models.SubmittedReadingRow.status == "CHECK"),
        alerts_last_week=_count(session, models.UsageAlertRow.recorded_at >= now - timedelta(days=7)),
    )


def _count(session: Session, condition: Any) -> int:
    return int(session.execute(select(func.count()).where(condition)).scalar_one())


def _fill(ids: tuple[int, ...], rows: Sequence[Any], days: int, minutes: int) -> tuple[Any, Any]:
    per_day = blocks.per_day(minutes)
    wh = np.full((len(ids), days, per_day), quality.MISSING_WH, dtype=np.int64)
    codes = np.zeros((len(ids), days, per_day), dtype=np.uint8)
    position = {service_point_id: n for n, service_point_id in enumerate(ids)}
    for row in rows:
        values, marks = blocks.decode(row.wh, row.quality)
        values, marks = blocks.coarsen(values, marks, row.width // 4 // per_day)
        values, marks = values.reshape(-1, per_day), marks.reshape(-1, per_day)
        n, on = position[row.service_point_id], row.days
        read = values >= 0
        wh[n, on] = np.where(read, values, wh[n, on])
        codes[n, on] = np.where(read, marks, codes[n, on])
    return wh.reshape(len(ids), -1), codes.reshape(len(ids), -1)


def _bill_period(session: Session, service_point_id: int, today: date) -> periods.Days:
    point = accounts.get_service_point(session, service_point_id=service_point_id, on=today)
    if point.account_id is None:
        return periods.month_of(today)
    return usage.bill_period(accounts.get_account(session, account_id=point.account_id).bill_cycle_day, today)


def meter_of(row: models.MeterRow) -> Meter:
    """This will show a meter's row to others."""
    return Meter(
        row.id,
        row.number,
        row.service_point_id,
        row.interval_minutes,
        row.installed_on,
        row.removed_on,
        row.digits,
        Decimal(row.multiplier),
        row.direction,
    )
