"""Meters go up and come down; reads are recorded, each where it is better than what stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import errors, outbox, periods
from metering import blocks, models, quality, queries, waking
from metering.quality import Quality
from metering.views import Counts

HIGHEST_WH_PER_HOUR = 10_000_000  # 10 MW behind one meter: beyond it is a fault, not a customer


def install_meter(
    session: Session,
    *,
    service_point_id: int,
    number: str,
    installed_on: date,
    interval_minutes: int | None = 60,
    digits: int = 6,
    multiplier: Decimal = Decimal(1),
    direction: str = "DELIVERED",
) -> queries.Meter:
    """This will put a meter on the wall. The same meter at the same place again is given back.

    Without `interval_minutes` it has a register only. Refused ``meter.number_taken`` when the number hangs
    elsewhere.
    """
    found = session.scalars(select(models.MeterRow).where(models.MeterRow.number == number)).one_or_none()
    if found is not None:
        if found.service_point_id != service_point_id or found.installed_on != installed_on:
            raise errors.Refused("meter.number_taken", number=number)
        return _meter(session, number)
    if interval_minutes is not None:
        blocks.per_day(interval_minutes)
    session.add(
        models.MeterRow(
            number=number,
            service_point_id=service_point_id,
            interval_minutes=interval_minutes,
            installed_on=installed_on,
            digits=digits,
            multiplier=multiplier,
            direction=direction,
        )
    )
    session.flush()
    return _meter(session, number)


def remove_meter(session: Session, *, meter_id: int, removed_on: date) -> None:
    """This will take a meter down; `removed_on` is the first day that belongs to the next one."""
    row = _lock(session, meter_id)
    if removed_on < row.installed_on:
        raise errors.Invalid("meter.removed_before_installed", meter_id=meter_id)
    row.removed_on = removed_on
    session.flush()


def exchange_meter(
    session: Session,
    *,
    meter_id: int,
    number: str,
    on: date,
    interval_minutes: int | None = 60,
    digits: int = 6,
) -> queries.Meter:
    """This will replace a meter by another on the same point; reads of both count for the day itself."""
    row = _lock(session, meter_id)
    remove_meter(session, meter_id=meter_id, removed_on=on)
    return install_meter(
        session,
        service_point_id=row.service_point_id,
        number=number,
        installed_on=on,
        interval_minutes=interval_minutes,
        digits=digits,
        direction=row.direction,
    )


def record_reads(
    session: Session,
    *,
    meter_id: int,
    starts_at: datetime,
    interval_minutes: int,
    wh: Sequence[int],
    quality: str | Sequence[str] | Any,
    source: str,
    now: datetime,
    batch_id: int | None = None,
) -> Counts:
    """This will store consecutive reads of a meter, each only where it is better than what stands.

    A read replaces one of lower or equal rank (metering.quality); sent twice it changes nothing. Replacing a
    read that was there keeps what stood as a version. Impossible reads become exceptions. Records the fact
    reads.settled. Counts: read = stored + unchanged + excepted.
    """
    row = _lock(session, meter_id)
    values = np.asarray(wh, dtype=np.int64)
    codes = blocks.codes_of(quality, len(values))
    starts_at = periods.aware(starts_at)
    _check_grid(row, starts_at, interval_minutes, values, codes)
    refused = _refuse(session, row, starts_at, interval_minutes, values, codes, batch_id, now)
    first, last = blocks.utc_days(starts_at, starts_at + len(values) * timedelta(minutes=interval_minutes))
    offset = blocks.ceil_index(blocks.day_start(first), starts_at, interval_minutes)
    shape = ((last - first).days, blocks.per_day(interval_minutes))
    offered = np.full(shape[0] * shape[1], -1, dtype=np.int64)
    marks = np.zeros(shape[0] * shape[1], dtype=np.uint8)
    usable = ~refused & (values >= 0) & (codes > Quality.MISSING)
    span = slice(offset, offset + len(values))
    offered[span] = np.where(usable, values, -1)
    marks[span] = np.where(usable, codes, 0)
    days = _days(session, meter_id, first, last)
    changed = [
        _merge(session, row.id, day, days.get(day), offered[part], marks[part], source, now)
        for day, part in _by_day(first, shape)
    ]
    stored = np.flatnonzero(np.concatenate(changed)) if changed else np.zeros(0, dtype=np.int64)
    if len(stored):
        step = timedelta(minutes=interval_minutes)
        begin = blocks.day_start(first) + int(stored[0]) * step
        end = blocks.day_start(first) + (int(stored[-1]) + 1) * step
        if row.last_read_at is None or end > row.last_read_at:
            row.last_read_at = end
        outbox.record_fact(
            session,
            "reads.settled",
            key=f"service_point:{row.service_point_id}",
            payload={
                "service_point_id": row.service_point_id,
                "from": begin.isoformat(),
                "to": end.isoformat(),
            },
            now=now,
        )
        waking.wake(session, service_point_ids=[row.service_point_id])
    session.flush()
    return Counts(len(stored), len(values) - len(stored) - int(refused.sum()), int(refused.sum()))


def record_register_read(
    session: Session,
    *,
    meter_id: int,
    read_at: datetime,
    value: Decimal,
    quality: str,
    source: str,
    now: datetime,
) -> int:
    """This will record what a dial showed; the same instant again corrects the value when the quality is not
    lower.
    """
    row = session.scalars(
        select(models.RegisterReadRow).where(
            models.RegisterReadRow.meter_id == meter_id, models.RegisterReadRow.read_at == read_at
        )
    ).one_or_none()
    if row is None:
        row = models.RegisterReadRow(meter_id=meter_id, read_at=read_at, recorded_at=now)
        session.add(row)
    elif Quality[quality] < Quality[row.quality]:
        return row.id
    row.value, row.quality, row.source = value, quality, source
    session.flush()
    return row.id


def resolve_exception(session: Session, *, exception_id: int, now: datetime) -> None:
    """This will close an exception a person has looked at."""
    row = session.get(models.ReadExceptionRow, exception_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("read_exception.unknown")
    row.resolved_at = row.resolved_at or now
    session.flush()


@dataclass(frozen=True)
class _Fault:
    code: str
    where: Any


def _lock(session: Session, meter_id: int) -> models.MeterRow:
    row = session.get(models.MeterRow, meter_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("meter.unknown")
    return row


def _meter(session: Session, number: str) -> queries.Meter:
    found = queries.find_meter_by_number(session, number=number)
    if found is None:
        raise errors.NotFound("meter.unknown")
    return found


def _check_grid(row: models.MeterRow, starts_at: datetime, interval_minutes: int, values: Any, codes: Any) -> None:
    # a meter with a register only keeps hourly shares of what its dial says
    if interval_minutes != (row.interval_minutes or 60):
        raise errors.Invalid("reads.interval", interval_minutes=interval_minutes, meter=row.interval_minutes or 60)
    midnight = blocks.day_start(starts_at.date())
    if (starts_at - midnight) % timedelta(minutes=interval_minutes):
        raise errors.Invalid("reads.not_on_the_grid", starts_at=starts_at.isoformat())
    if values.ndim != 1 or len(values) != len(codes) or len(values) == 0:
        raise errors.Invalid("reads.shape", reads=len(values), codes=len(codes))


def _refuse(
    session: Session,
    row: models.MeterRow,
    starts_at: datetime,
    interval_minutes: int,
    values: Any,
    codes: Any,
    batch_id: int | None,
    now: datetime,
) -> Any:
    """Impossible reads, as one exception per kind, with the first of them and how many."""
    step = timedelta(minutes=interval_minutes)
    told = codes > Quality.MISSING
    earliest = blocks.day_start(row.installed_on) - timedelta(days=1)
    number = np.arange(len(values))
    outside = number < blocks.ceil_index(starts_at, earliest, interval_minutes)
    if row.removed_on is not None:
        latest = blocks.day_start(row.removed_on) + timedelta(days=2)
        outside |= number >= blocks.ceil_index(starts_at, latest, interval_minutes)
    faults = (
        _Fault("OUTSIDE_METER", told & outside),
        _Fault("NEGATIVE", told & (values < 0)),
        _Fault("TOO_HIGH", told & (values > HIGHEST_WH_PER_HOUR * interval_minutes // 60)),
    )
    refused = np.zeros(len(values), dtype=bool)
    for fault in faults:
        where = np.flatnonzero(fault.where & ~refused)
        if not len(where):
            continue
        refused[where] = True
        session.add(
            models.ReadExceptionRow(
                meter_id=row.id,
                batch_id=batch_id,
                code=fault.code,
                starts_at=starts_at + int(where[0]) * step,
                data={"count": len(where), "wh": int(values[where[0]])},
                recorded_at=now,
            )
        )
    return refused


def _days(session: Session, meter_id: int, first: date, last: date) -> dict[date, models.ReadDayRow]:
    rows = session.scalars(
        select(models.ReadDayRow)
        .where(
            models.ReadDayRow.meter_id == meter_id,
            models.ReadDayRow.day >= first,
            models.ReadDayRow.day < last,
        )
        .order_by(models.ReadDayRow.day)
        .execution_options(populate_existing=True)
    )
    return {row.day: row for row in rows}


def _by_day(first: date, shape: tuple[int, int]) -> list[tuple[date, slice]]:
    return [(first + timedelta(days=n), slice(n * shape[1], (n + 1) * shape[1])) for n in range(shape[0])]


def _merge(
    session: Session,
    meter_id: int,
    day: date,
    row: models.ReadDayRow | None,
    values: Any,
    codes: Any,
    source: str,
    now: datetime,
) -> Any:
    """One day: true where the offered read now stands and did not before."""
    offered = codes > Quality.MISSING
    if row is None:
        if offered.any():
            session.add(
                models.ReadDayRow(
                    meter_id=meter_id,
                    day=day,
                    version=1,
                    wh=blocks.encode(np.where(offered, values, quality.MISSING_WH)),
                    quality=codes.tobytes(),
                    recorded_at=now,
                )
            )
        return offered
    stood, ranks = blocks.decode(row.wh, row.quality)
    if len(stood) != len(values):
        raise errors.Invalid("reads.interval", day=day.isoformat(), stored=1440 // len(stood))
    changed = offered & (codes >= ranks) & ((values != stood) | (codes > ranks))
    if changed.any():
        if (ranks[changed] > Quality.MISSING).any():
            session.add(
                models.ReadDayVersionRow(
                    meter_id=meter_id,
                    day=day,
                    version=row.version,
                    wh=row.wh,
                    quality=row.quality,
                    recorded_at=row.recorded_at,
                    replaced_at=now,
                    replaced_by=source,
                )
            )
            row.version += 1
        row.wh = blocks.encode(np.where(changed, values, stood))
        row.quality = np.where(changed, codes, ranks).astype(np.uint8).tobytes()
        row.recorded_at = now
    return changed
