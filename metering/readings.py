"""What customers read off the dial themselves."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit, errors, periods
from core.accounts import queries as accounts
from metering import dials, models, plausibility, queries, recording
from metering.views import Submitted

_HISTORY_DAYS = 60


def submit_reading(
    session: Session, *, service_point_id: int, value: str | int, source: str, key: str, now: datetime
) -> Submitted:
    """This will take a customer's reading: ACCEPTED, CHECK (staff will look) or REJECTED (ask again), with a
    reason.

    Reasons: NOT_A_NUMBER, TOO_MANY_DIGITS, LOWER_THAN_PREVIOUS, TOO_HIGH, TOO_LOW, DIFFERS_FROM_METER. An
    accepted one becomes a register read, and for a meter without intervals the use since the last reading is
    spread over the hours between as estimates, so that it can be billed. The same key gives the first result
    again. NotFound ``meter.unknown``.
    """
    meter = queries.find_meter(session, service_point_id=service_point_id)
    if meter is None:
        raise errors.NotFound("meter.unknown", service_point_id=service_point_id)
    session.get_one(models.MeterRow, meter.id, with_for_update=True)  # one reading of a meter at a time
    found = _submitted(session, key)
    if found is not None:
        return found
    previous = queries.find_previous_reading(session, meter_id=meter.id, before=now)
    judged = _judge(session, meter, previous, str(value), now)
    row = models.SubmittedReadingRow(
        service_point_id=service_point_id,
        meter_id=meter.id,
        value=str(value)[:40],
        source=source,
        key=key,
        status=judged.status,
        reason=judged.reason,
        usage_wh=judged.usage_wh,
        previous_value=None if previous is None else previous.value,
        submitted_at=now,
    )
    session.add(row)
    session.flush()
    if judged.status == "ACCEPTED" and judged.value is not None:
        _accept(session, meter, previous, judged.value, judged.usage_wh, at=now, source=source, now=now)
    return _view(row)


def review_reading(
    session: Session, *, submitted_reading_id: int, accept: bool, actor: str, now: datetime
) -> Submitted:
    """This will settle a reading that waits for a look: accept it as read, or reject it."""
    row = session.get(models.SubmittedReadingRow, submitted_reading_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("reading.unknown")
    if row.status != "CHECK":
        return _view(row)
    if accept:
        meter = queries.get_meter(session, meter_id=row.meter_id)
        value, _ = plausibility.parse(row.value, meter.digits)
        previous = queries.find_previous_reading(session, meter_id=meter.id, before=row.submitted_at)
        if value is None:
            raise errors.Refused("reading.not_a_number")
        _accept(session, meter, previous, value, row.usage_wh, at=row.submitted_at, source=row.source, now=now)
        row.status, row.reason = "ACCEPTED", None
    else:
        row.status = "REJECTED"
    session.flush()
    audit.record(
        session,
        actor=actor,
        action=f"reading.{row.status.lower()}",
        subject="submitted_reading",
        subject_id=row.id,
        now=now,
    )
    return _view(row)


def list_readings_to_check(session: Session, *, limit: int = 100) -> tuple[Submitted, ...]:
    """This will list readings that wait for a person, oldest first."""
    rows = session.scalars(
        select(models.SubmittedReadingRow)
        .where(models.SubmittedReadingRow.status == "CHECK")
        .order_by(models.SubmittedReadingRow.id)
        .limit(limit)
    )
    return tuple(_view(row) for row in rows)


def _judge(
    session: Session, meter: queries.Meter, previous: queries.RegisterRead | None, text: str, now: datetime
) -> plausibility.Judgement:
    value, reason = plausibility.parse(text, meter.digits)
    if value is None:
        return plausibility.Judgement("REJECTED", reason, None, None)
    days = (now - previous.read_at) / timedelta(days=1) if previous is not None else 0.0
    judged = plausibility.judge(
        value,
        previous=None if previous is None else previous.value,
        days=days,
        daily_wh=_usual_day(session, meter, now),
        digits=meter.digits,
        multiplier=meter.multiplier,
    )
    if judged.status == "ACCEPTED" and previous is not None and meter.interval_minutes is not None:
        return _against_intervals(session, meter, previous.read_at, judged, now)
    return judged


def _against_intervals(
    session: Session, meter: queries.Meter, since: datetime, judged: plausibility.Judgement, now: datetime
) -> plausibility.Judgement:
    """The dial and the intervals of one meter must tell the same story: within 5 %, or 5 kWh."""
    series = queries.usage_series(session, service_point_id=meter.service_point_id, starts_at=since, ends_at=now)
    known = series.wh[series.wh >= 0]
    if judged.usage_wh is None or len(known) < len(series.wh):
        return judged
    if abs(int(known.sum()) - judged.usage_wh) <= max(5000, judged.usage_wh // 20):
        return judged
    return plausibility.Judgement("CHECK", "DIFFERS_FROM_METER", judged.value, judged.usage_wh)


def _usual_day(session: Session, meter: queries.Meter, now: datetime) -> int | None:
    today = now.date()
    days = queries.daily_usage(
        session,
        service_point_id=meter.service_point_id,
        days=periods.Days(today - timedelta(days=_HISTORY_DAYS), today),
        timezone="Etc/UTC",
    )
    whole = [day.wh for day in days if day.missing == 0]
    return round(float(np.median(whole))) if len(whole) >= 7 else None


def _accept(
    session: Session,
    meter: queries.Meter,
    previous: queries.RegisterRead | None,
    value: Decimal,
    usage_wh: int | None,
    *,
    at: datetime,
    source: str,
    now: datetime,
) -> None:
    recording.record_register_read(
        session, meter_id=meter.id, read_at=at, value=value, quality="CUSTOMER", source=source, now=now
    )
    if meter.interval_minutes is not None or previous is None or usage_wh is None:
        return
    zone = accounts.get_service_point(session, service_point_id=meter.service_point_id, on=at.date()).timezone
    shared = dials.share(meter, previous.read_at, at, usage_wh, zone)
    if shared is not None:
        recording.record_shares(session, [shared], source=source, now=now)


def _submitted(session: Session, key: str) -> Submitted | None:
    row = session.scalars(select(models.SubmittedReadingRow).where(models.SubmittedReadingRow.key == key)).one_or_none()
    return None if row is None else _view(row)


def _view(row: models.SubmittedReadingRow) -> Submitted:
    previous = None if row.previous_value is None else Decimal(row.previous_value)
    return Submitted(row.id, row.status, row.reason, row.usage_wh, previous)
