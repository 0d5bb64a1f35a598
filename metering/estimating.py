"""Estimates where nobody read anything, written where a read may later take their place."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core import errors, log, outbox, periods
from core.accounts import queries as accounts
from core.compliance import queries as compliance
from core.hub import Hub
from metering import blocks, editing, estimation, findings, models, queries, surroundings
from metering.originals import Cause
from metering.quality import Quality
from metering.validation import limits

logger = log.get(__name__)

_AROUND = timedelta(days=28)
_DAY = timedelta(days=1)
_LOOK_BACK = 40  # days within which the clock fills gaps: a bill period and some
_NEW_HOLES = 10  # days within which it looks for days that have no row at all
_METERS = 20_000
_PER_TRANSACTION = 50

_WITHOUT_ROW = text(
    """
    SELECT m.id, m.service_point_id, x.day
      FROM meter m
      CROSS JOIN generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') AS g (at)
      CROSS JOIN LATERAL (SELECT CAST(g.at AS date) AS day) AS x
      LEFT JOIN read_day d ON d.meter_id = m.id AND d.day = x.day
     WHERE m.id > :after AND m.id <= :upto AND m.interval_minutes IS NOT NULL AND d.day IS NULL
       AND x.day > m.installed_on AND (m.removed_on IS NULL OR x.day < m.removed_on)
     ORDER BY m.service_point_id, x.day
    """
)


def estimate_gaps(session: Session, *, service_point_id: int, days: periods.Days, timezone: str, now: datetime) -> int:
    """This will fill the missing reads of some civil days with estimates, and give how many it made.

    Only gaps are filled, never a read; a later read takes the estimate's place. Each keeps the method it was made by
    (metering.originals). A business of which nothing is known is not estimated.
    """
    meters = [m for m in queries.list_meters(session, service_point_id=service_point_id) if m.direction == "DELIVERED"]
    if not meters:
        raise errors.NotFound("meter.unknown", service_point_id=service_point_id)
    made = 0
    for meter in meters:
        start = max(days.starts_on, meter.installed_on)
        end = days.ends_on if meter.removed_on is None else min(days.ends_on, meter.removed_on)
        if start < end:
            made += fill(
                session, meter=meter, starts_at=periods.midnight(start, timezone),
                ends_at=min(periods.midnight(end, timezone), now), timezone=timezone, now=now,
            )  # fmt: skip
    return made


def fill(
    session: Session, *, meter: queries.Meter, starts_at: datetime, ends_at: datetime, timezone: str, now: datetime,
    actor: str = editing.ESTIMATION,
) -> int:  # fmt: skip
    """This will fill what one meter has not read between two instants; gives how many intervals."""
    minutes = meter.interval_minutes or 60
    series, where, known = scene(session, meter=meter, starts_at=starts_at, ends_at=ends_at, timezone=timezone, now=now)
    values, made = estimation.estimate(series.wh, trusted(series, known.kind, now), where, known)
    step = timedelta(minutes=minutes)
    first, last = blocks.utc_days(starts_at, max(ends_at, starts_at + step))
    days = [first + n * _DAY for n in range((last - first).days)]
    rows = editing.lock_days(session, meter_id=meter.id, days=days)
    per_day, count = blocks.per_day(minutes), 0
    for day in days:
        at = blocks.ceil_index(series.starts_at, blocks.day_start(day), minutes)
        number = at + np.arange(per_day)
        inside = (number >= blocks.ceil_index(series.starts_at, starts_at, minutes)) & (
            number < (ends_at - series.starts_at) // step
        )
        safe = np.clip(number, 0, len(values) - 1)
        wanted = inside & (number >= 0) & (number < len(values)) & (made[safe] > 0)
        count += _fill_day(session, rows.get(day), meter, day, wanted, values[safe], made[safe], actor, now)
    if count:
        payload = {
            "service_point_id": meter.service_point_id, "from": starts_at.isoformat(), "to": ends_at.isoformat(),
        }  # fmt: skip
        outbox.record_fact(
            session, "reads.settled", key=f"service_point:{meter.service_point_id}", payload=payload, now=now
        )
    session.flush()
    return count


def scene(
    session: Session, *, meter: queries.Meter, starts_at: datetime, ends_at: datetime, timezone: str, now: datetime
) -> tuple[queries.Series, estimation.Calendar, estimation.Known]:
    """This will give what the estimator looks at: four weeks of reads on either side, the wall clock, what is known."""
    minutes = meter.interval_minutes or 60
    first, last = starts_at - _AROUND, min(ends_at + _AROUND, max(now, ends_at))
    try:
        series = _series(session, meter, first, last, minutes)
    except errors.Invalid:  # the meter before it had coarser intervals
        own = max(first, periods.midnight(meter.installed_on, timezone))
        series = _series(session, meter, own, last, minutes)
    on = periods.civil_day(starts_at, timezone)
    point = accounts.get_service_point(session, service_point_id=meter.service_point_id, on=on)
    account = None if point.account_id is None else accounts.get_account(session, account_id=point.account_id)
    holidays: frozenset[date] = frozenset()
    if account is not None:
        years = {periods.civil_day(at, timezone).year for at in (first, last)}
        holidays = frozenset(x for year in years for x in compliance.public_holidays(account.jurisdiction, year))
    where = estimation.calendar(series.starts_at, len(series.wh), minutes, timezone, holidays)
    kind = "RESIDENTIAL" if account is None else account.customer_kind
    known = estimation.Known(
        kind=kind,
        class_daily_wh=None if account is None else limits.of(kind, now.date()).get("class_daily_wh"),
        totals=_totals(session, meter, series) if meter.interval_minutes is not None else (),
        warmth=_warmth(session, point.county, where),
    )
    return series, where, known


def trusted(series: queries.Series, kind: str, now: datetime) -> Any:
    """This will say which reads may be a pattern: those of a meter or a person that can be; else any."""
    most = limits.of(kind, now.date())["max_watts"] * series.interval_minutes // 60
    read = (series.quality >= Quality.CUSTOMER) & (series.wh <= most)
    return read if read.any() else series.quality >= Quality.ESTIMATED


def fill_due(hub: Hub) -> int:
    """This will estimate the gaps that have been open longer than the configured wait, so that the next bill run finds
    none; gives how many intervals it made. In transactions of fifty meters; running it again makes nothing twice.
    """
    now = hub.now()
    wait = timedelta(hours=limits.of("ALL", now.date())["estimate_after_hours"])
    last = (now - wait).date() - _DAY
    made = after = 0
    with hub.transaction() as session:
        top = session.scalar(select(models.MeterRow.id).order_by(models.MeterRow.id.desc()).limit(1)) or 0
        open_gaps = _open_gaps(session, last)
    while after < top:
        with hub.transaction() as session:
            parameters = {"after": after, "upto": after + _METERS, "first": last - _NEW_HOLES * _DAY, "last": last}
            holes = [(r.id, r.service_point_id, r.day) for r in session.execute(_WITHOUT_ROW, parameters)]
        made += sum(_fill_some(hub, some) for some in _parts(holes))
        after += _METERS
    made += sum(_fill_some(hub, some) for some in _parts(open_gaps))
    return made


def _fill_day(
    session: Session, row: models.ReadDayRow | None, meter: queries.Meter, day: date, wanted: Any, values: Any,
    made: Any, actor: str, now: datetime,
) -> int:  # fmt: skip
    if row is not None and len(row.quality) != len(wanted):
        return 0  # another length of interval stands there
    if row is not None:
        wanted = wanted & (np.frombuffer(row.quality, dtype=np.uint8) == Quality.MISSING)
    if not wanted.any():
        return 0
    if row is None:
        row = editing.create(session, meter_id=meter.id, day=day, per_day=len(wanted), now=now)
    change = editing.Change(wanted, values, Quality.ESTIMATED, Cause.NONE, made)
    editing.write(session, row, change, actor=actor, now=now)
    return int(wanted.sum())


def _series(session: Session, meter: queries.Meter, first: datetime, last: datetime, minutes: int) -> queries.Series:
    return queries.usage_series(
        session, service_point_id=meter.service_point_id, starts_at=first, ends_at=last, interval_minutes=minutes,
        direction=meter.direction,
    )  # fmt: skip


def _totals(session: Session, meter: queries.Meter, series: queries.Series) -> tuple[estimation.Total, ...]:
    """What the dial says of the stretches between its readings that lie in the series."""
    row = models.RegisterReadRow
    end = series.starts_at + len(series.wh) * timedelta(minutes=series.interval_minutes)
    reads = session.scalars(
        select(row)
        .where(row.meter_id == meter.id, row.read_at >= series.starts_at, row.read_at <= end)
        .order_by(row.read_at)
    ).all()
    out = []
    for earlier, later in itertools.pairwise(reads):
        wh = surroundings.dial_usage(
            earlier, later, digits=meter.digits, multiplier=meter.multiplier, usual_wh=_usual(series)
        )
        if wh is not None:
            ends = [blocks.ceil_index(series.starts_at, x.read_at, series.interval_minutes) for x in (earlier, later)]
            out.append(estimation.Total(ends[0], ends[1], wh))
    return tuple(out)


def _usual(series: queries.Series) -> float:
    known = series.wh[series.wh >= 0]
    return float(known.mean()) * 1440 / series.interval_minutes if len(known) else -1.0


def _warmth(session: Session, county: str, where: estimation.Calendar) -> dict[int, int]:
    days = periods.Days(date.fromordinal(int(where.day.min())), date.fromordinal(int(where.day.max()) + 1))
    return {day.toordinal(): high for day, high in compliance.list_highs(session, county=county, days=days).items()}


def _open_gaps(session: Session, last: date) -> list[tuple[int, int, date]]:
    row = models.ReadExceptionRow
    found = session.execute(
        select(row.meter_id, models.MeterRow.service_point_id, row.day)
        .join(models.MeterRow, models.MeterRow.id == row.meter_id)
        .where(
            row.code == "GAP", row.resolution.is_(None) | (row.resolution == "NOTED"), row.day <= last,
            row.day > last - _LOOK_BACK * _DAY,
        )
        .order_by(models.MeterRow.service_point_id, row.day)
    )  # fmt: skip
    return [(r.meter_id, r.service_point_id, r.day) for r in found]


def _parts(holes: list[tuple[int, int, date]]) -> Iterator[list[tuple[int, int, date]]]:
    by_meter: dict[int, list[tuple[int, int, date]]] = defaultdict(list)
    for hole in holes:
        by_meter[hole[0]].append(hole)
    meters = sorted(by_meter)
    for start in range(0, len(meters), _PER_TRANSACTION):
        yield [hole for meter_id in meters[start : start + _PER_TRANSACTION] for hole in by_meter[meter_id]]


def _fill_some(hub: Hub, holes: list[tuple[int, int, date]]) -> int:
    now, made = hub.now(), 0
    with hub.transaction() as session:
        by_meter: dict[tuple[int, int], list[date]] = defaultdict(list)
        for meter_id, point, day in holes:
            by_meter[meter_id, point].append(day)
        for (meter_id, point), days in sorted(by_meter.items()):
            meter = queries.get_meter(session, meter_id=meter_id)
            place = accounts.get_service_point(session, service_point_id=point, on=days[0])
            if not place.connected:
                continue  # nothing is read because nothing is taken
            for start, end in _stretches(days):
                begin, over = blocks.day_start(start), min(blocks.day_start(end), now)
                made += fill(session, meter=meter, starts_at=begin, ends_at=over, timezone=place.timezone, now=now)
            findings.note_filled(session, meter_id=meter_id, days=days, now=now)
    logger.info("gaps_estimated", extra={"meters": len(by_meter), "intervals": made})
    return made


def _stretches(days: list[date]) -> Iterator[tuple[date, date]]:
    """Days that follow each other, as first day and day after the last."""
    start = before = days[0]
    for day in [*days[1:], None]:
        if day is not None and day <= before + _DAY:
            before = day
            continue
        yield start, before + _DAY
        if day is not None:
            start = before = day
