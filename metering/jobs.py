"""What metering does by the clock."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import log, outbox, periods
from core.accounts import queries as accounts
from core.hub import Hub
from metering import anomalies, models, queries

logger = log.get(__name__)

_CHUNK = 500
_QUIET = timedelta(days=14)  # a new level of use is news once, not every day


def watch_usage(hub: Hub) -> None:
    """This will look at yesterday of every service point and record what was out of the ordinary.

    In chunks, each its own transaction; a chunk that was done before is found done, so the job may run again
    at any time.
    """
    now = hub.now()
    with hub.transaction() as session:
        residents = _residents(session, now)
    for timezone, points in residents.items():
        day = periods.civil_day(now, timezone) - timedelta(days=1)
        for start in range(0, len(points), _CHUNK):
            part = dict(points[start : start + _CHUNK])
            with hub.transaction() as session:
                found = watch_day(session, service_points=part, day=day, timezone=timezone, now=now)
            logger.info("usage_watched", extra={"service_points": len(part), "found": found})


def watch_day(session: Session, *, service_points: dict[int, int], day: date, timezone: str, now: datetime) -> int:
    """This will judge one civil day of some service points (point: account) of one zone; gives how many
    findings are new.
    """
    first = day - timedelta(weeks=anomalies.WEEKS)
    matrix = queries.usage_matrix(
        session,
        service_point_ids=list(service_points),
        starts_at=periods.midnight(first, timezone),
        ends_at=periods.midnight(day + timedelta(days=1), timezone),
    )
    zone = periods.zone(timezone)
    step = timedelta(minutes=matrix.interval_minutes)
    clock = [(matrix.starts_at + n * step).astimezone(zone) for n in range(matrix.wh.shape[1])]
    ordinals = np.array([at.toordinal() for at in clock])
    hours = np.array([at.hour for at in clock])
    days = [first + timedelta(days=n) for n in range((day - first).days + 1)]
    owners = {
        resident.service_point_id: resident.customer_id
        for resident in accounts.list_customers_at(session, service_point_ids=list(service_points), on=day)
    }
    said = _said_lately(session, service_points, day)
    new = 0
    for n, point in enumerate(matrix.service_point_ids):
        laid = anomalies.by_local_hour(matrix.wh[n], ordinals, hours, first.toordinal(), len(days))
        for finding in anomalies.detect(days, laid):
            if finding.kind in said.get(point, ()) or point not in owners:
                continue
            new += _record(session, point, service_points[point], owners[point], day, finding, now)
    return new


def _record(
    session: Session,
    service_point_id: int,
    account_id: int,
    customer_id: int,
    day: date,
    finding: anomalies.Finding,
    now: datetime,
) -> int:
    """One finding, once: 1 when it is new."""
    row = models.UsageAlertRow
    made = session.execute(
        insert(row)
        .values(
            service_point_id=service_point_id,
            day=day,
            kind=finding.kind,
            excess_wh=finding.excess_wh,
            expected_wh=finding.expected_wh,
            score=Decimal(str(round(min(finding.score, 99_999), 2))),
            recorded_at=now,
        )
        .on_conflict_do_nothing(index_elements=[row.service_point_id, row.day, row.kind])
        .returning(row.id)
    ).scalar_one_or_none()
    if made is None:
        return 0
    outbox.record_fact(
        session,
        "usage.unusual",
        key=f"service_point:{service_point_id}",
        payload={
            "usage_alert_id": made,
            "service_point_id": service_point_id,
            "account_id": account_id,
            "customer_id": customer_id,
            "kind": finding.kind,
            "excess_kwh": round(finding.excess_wh / 1000, 1),
            "cost": None,
            "day": day.isoformat(),
        },
        now=now,
    )
    return 1


def _residents(session: Session, now: datetime) -> dict[str, list[tuple[int, int]]]:
    """Service points with a meter that tells hours, by zone, each with the account that pays."""
    today = periods.aware(now).astimezone(UTC).date()
    agreements = accounts.list_agreements(session, period=periods.Days(today, today + timedelta(days=1)))
    metered = set(
        session.scalars(
            select(models.MeterRow.service_point_id).where(
                models.MeterRow.removed_on.is_(None),
                models.MeterRow.interval_minutes.is_not(None),
                models.MeterRow.direction == "DELIVERED",
            )
        )
    )
    out: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for agreement in agreements:
        if agreement.service_point_id in metered:
            out[agreement.timezone].append((agreement.service_point_id, agreement.account_id))
    return out


def _said_lately(session: Session, service_points: Iterable[int], day: date) -> dict[int, set[str]]:
    """What has been said of late and is still the same news; a spike or a high day is new every time."""
    rows = session.execute(
        select(models.UsageAlertRow.service_point_id, models.UsageAlertRow.kind).where(
            models.UsageAlertRow.service_point_id.in_(list(service_points)),
            models.UsageAlertRow.day < day,
            models.UsageAlertRow.day >= day - _QUIET,
            models.UsageAlertRow.kind.in_(("STEP_UP", "NIGHT_BASE", "FLAT", "ZERO")),
        )
    )
    out: dict[int, set[str]] = defaultdict(set)
    for point, kind in rows:
        out[point].add(kind)
    return out
