"""Meters go up and come down; reads are recorded, each where it is better than what stands."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import db, errors, periods
from core.accounts import queries as accounts
from metering import blocks, dials, merging, models, queries, settling, storing
from metering.quality import Quality
from metering.views import Counts

DAYS_BEFORE, DAYS_AFTER = 1, 2  # UTC days that may hold reads of a meter's first and last civil day


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
    for found in session.scalars(select(models.MeterRow).where(models.MeterRow.number == number)):
        if found.service_point_id != service_point_id or found.installed_on != installed_on:
            raise errors.Refused("meter.number_taken", number=number)
        if found.direction == direction:
            return _meter(session, number, direction)
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
    return _meter(session, number, direction)


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
    multiplier: Decimal = Decimal(1),
    at: datetime | None = None,
    final: Decimal | None = None,
    first: Decimal | None = None,
    now: datetime | None = None,
) -> queries.Meter:
    """This will replace a meter by another on the same point; reads of both count for the day itself.

    `final` is what the old dial showed and `first` what the new one does, both at the instant `at`: what is used
    across the exchange is what both dials say. Invalid ``reads.dial`` when a dial cannot show that.
    """
    row = _lock(session, meter_id)
    old = queries.meter_of(row)
    if at is not None and final is not None and now is not None:
        record_dial(session, meter=old, read_at=at, value=final, now=now, source="exchange")
    remove_meter(session, meter_id=meter_id, removed_on=on)
    new = install_meter(
        session,
        service_point_id=row.service_point_id,
        number=number,
        installed_on=on,
        interval_minutes=interval_minutes,
        digits=digits,
        multiplier=multiplier,
        direction=row.direction,
    )
    if at is not None and first is not None and now is not None:
        record_dial(session, meter=new, read_at=at, value=first, now=now, source="exchange")
    return new


def record_dial(
    session: Session,
    *,
    meter: queries.Meter,
    read_at: datetime,
    value: Decimal,
    now: datetime,
    source: str,
    quality: Quality = Quality.ACTUAL,
) -> None:
    """This will record what a dial showed and, where there are no intervals, the use since as hourly estimates.

    Invalid ``reads.dial`` with a reason when it cannot be right.
    """
    point = accounts.get_service_point(session, service_point_id=meter.service_point_id, on=read_at.date())
    recorded = dials.record(
        session,
        [dials.Shown(meter, periods.aware(read_at), value, int(quality))],
        zones={point.id: point.timezone},
        source=source,
        now=now,
    )
    if recorded.fates[0]:
        raise errors.Invalid("reads.dial", reason=recorded.fates[0], meter_id=meter.id)
    record_shares(session, recorded.shares, source=source, now=now)


def record_shares(session: Session, shares: Sequence[dials.Share], *, source: str, now: datetime) -> None:
    """This will record what dials say was used, shared among the hours, as estimates."""
    for share in shares:
        record_reads(
            session,
            meter_id=share.meter.id,
            starts_at=share.starts_at,
            interval_minutes=60,
            wh=share.wh.tolist(),
            quality="ESTIMATED",
            source=source,
            now=now,
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
    reads.settled. Counts: read = stored + unchanged + excepted. Many meters at once: metering.loading.
    """
    row = _lock(session, meter_id)
    values = np.asarray(wh, dtype=np.int64)
    codes = blocks.codes_of(quality, len(values))
    starts_at = periods.aware(starts_at)
    _check_grid(row, starts_at, interval_minutes, values, codes)
    refused = _refuse(session, row, starts_at, interval_minutes, values, codes, batch_id, now)
    first, last = blocks.utc_days(starts_at, starts_at + len(values) * timedelta(minutes=interval_minutes))
    offset = blocks.ceil_index(blocks.day_start(first), starts_at, interval_minutes)
    days, per_day = (last - first).days, blocks.per_day(interval_minutes)
    offered, marks = merging.nothing((days * per_day,))
    usable = ~refused & (values >= 0) & (codes > Quality.MISSING)
    span = slice(offset, offset + len(values))
    offered[span] = np.where(usable, values, -1)
    marks[span] = np.where(usable, codes, 0)
    done = storing.store(
        session,
        storing.Offered(
            np.full(days, meter_id, dtype=np.int64),
            db.day_number(first) + np.arange(days),
            offered.reshape(days, per_day),
            marks.reshape(days, per_day),
        ),
        source=source,
        now=now,
    )
    if done.clash.any():
        day = first + timedelta(days=int(done.clash.argmax()))
        raise errors.Invalid("reads.interval", day=day.isoformat(), interval_minutes=interval_minutes)
    stored = np.flatnonzero(done.changed.ravel())
    if len(stored):
        step = timedelta(minutes=interval_minutes)
        begin = blocks.day_start(first) + int(stored[0]) * step
        end = blocks.day_start(first) + (int(stored[-1]) + 1) * step
        if row.last_read_at is None or end > row.last_read_at:
            row.last_read_at = end
        settling.tell(session, [settling.Settled(row.service_point_id, begin, end)], now=now)
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


def on_the_wall(installed_on: date, removed_on: date | None) -> tuple[datetime, datetime | None]:
    """This will give the instants between which a meter can have read: its civil days, in whichever zone."""
    first = blocks.day_start(installed_on) - timedelta(days=DAYS_BEFORE)
    return first, None if removed_on is None else blocks.day_start(removed_on) + timedelta(days=DAYS_AFTER)


def resolve_exception(session: Session, *, exception_id: int, now: datetime) -> None:
    """This will close an exception a person has looked at."""
    row = session.get(models.ReadExceptionRow, exception_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("read_exception.unknown")
    row.resolved_at = row.resolved_at or now
    session.flush()


def _lock(session: Session, meter_id: int) -> models.MeterRow:
    row = session.get(models.MeterRow, meter_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("meter.unknown")
    return row


def _meter(session: Session, number: str, direction: str) -> queries.Meter:
    found = queries.find_meter_by_number(session, number=number, direction=direction)
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
    number = np.arange(len(values))
    first, last = on_the_wall(row.installed_on, row.removed_on)
    outside = number < blocks.ceil_index(starts_at, first, interval_minutes)
    if last is not None:
        outside |= number >= blocks.ceil_index(starts_at, last, interval_minutes)
    faults = merging.check(values, codes, outside, interval_minutes)
    for fault in np.unique(faults[faults > 0]).tolist():
        where = np.flatnonzero(faults == fault)
        session.add(
            models.ReadExceptionRow(
                meter_id=row.id,
                batch_id=batch_id,
                code=merging.FAULTS[fault],
                starts_at=starts_at + int(where[0]) * step,
                data={"count": len(where), "wh": int(values[where[0]])},
                recorded_at=now,
            )
        )
    return faults > 0
