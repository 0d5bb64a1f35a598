"""The watch over use: what the detector finds in stored reads becomes alerts, one for an event, and is closed again.

Feedback makes the margins of a place wider for a kind, within bounds, or narrower again.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import audit, errors, outbox, periods
from core.accounts import queries as accounts
from core.compliance import queries as compliance
from metering import alerts, models, queries
from metering.alerts import rules, shapes
from metering.alerts.clock import by_clock
from metering.views import Matrix

HISTORY_DAYS = 400
_CATCH_UP = 3  # days back that are told when reads came late
_AT_NOON = 12  # the hour from which a day is judged without its reads
_STEP = Decimal("1.25")  # how much patience one feedback is worth
_MOST = Decimal(2)

Points = dict[tuple[str, date], list[tuple[int, int]]]


def list_due(session: Session, *, now: datetime) -> Points:
    """This will list places whose yesterday is to be judged, as (point, account), by zone and day."""
    today = periods.aware(now).astimezone(UTC).date()
    agreements = accounts.list_agreements(session, period=periods.Days(today, today + timedelta(days=1)))
    meter, watch = models.MeterRow, models.UsageWatchRow
    metered = dict(
        session.execute(
            select(meter.service_point_id, meter.last_read_at).where(
                meter.removed_on.is_(None), meter.interval_minutes.is_not(None), meter.direction == "DELIVERED"
            )
        )
        .tuples()
        .all()
    )
    judged = dict(session.execute(select(watch.service_point_id, watch.judged_to)).tuples().all())
    out: Points = defaultdict(list)
    for agreement in agreements:
        point = agreement.service_point_id
        if point not in metered:
            continue
        day = periods.civil_day(now, agreement.timezone) - timedelta(days=1)
        over = periods.midnight(day + timedelta(days=1), agreement.timezone)
        in_time = (metered[point] or models.NEVER) >= over
        if judged.get(point, date.min) < day and (in_time or now >= over + timedelta(hours=_AT_NOON)):
            out[agreement.timezone, day].append((point, agreement.account_id))
    return out


def judge(session: Session, *, service_points: dict[int, int], day: date, timezone: str, now: datetime) -> int:
    """This will judge a civil day of places (point: account) of one zone; gives how many alerts are new."""
    days = [day - timedelta(days=ago) for ago in range(HISTORY_DAYS - 1, -1, -1)]
    owners = {
        one.service_point_id: one.customer_id
        for one in accounts.list_customers_at(session, service_point_ids=list(service_points), on=day)
    }
    jurisdictions = accounts.list_account_facts(session, account_ids=list(service_points.values()))
    special = _holidays({jurisdiction for _, jurisdiction in jurisdictions.values()}, days)
    new = 0
    for grid in queries.usage_grids(
        session,
        service_point_ids=sorted(service_points),
        starts_at=periods.midnight(days[0], timezone),
        ends_at=periods.midnight(day + timedelta(days=1), timezone),
    ):
        hours = _hours(grid, timezone, days[0], len(days))
        patience = _patience(session, grid.service_point_ids)
        found = alerts.detect(hours, special=special, patience=patience, peers=True)
        _close(session, grid.service_point_ids, hours, day, timezone)
        for one in found:
            told = days[(one.end - 1) // 24]
            point = grid.service_point_ids[one.series]
            if told > day - timedelta(days=_CATCH_UP) and point in owners:
                new += _record(session, point, service_points[point], owners[point], told, one, days[0], timezone, now)
    _mark(session, list(service_points), day)
    return new


def set_cost(session: Session, *, usage_alert_id: int, cents: int) -> None:
    """This will note what an event cost beyond the usual, as billing priced it."""
    session.get_one(models.UsageAlertRow, usage_alert_id).cost_cents = cents
    session.flush()


def give_feedback(
    session: Session, *, usage_alert_id: int, service_point_id: int, ours: bool, now: datetime
) -> Decimal:
    """This will take a customer's word on an alert of theirs: it was us, or it is a problem. NotFound alert.none.

    Gives the patience that holds now: "it was us" makes the margins of that kind a quarter wider, up to twice; "a
    problem" takes it back. The same word again changes nothing.
    """
    row = session.get(models.UsageAlertRow, usage_alert_id, with_for_update=True)
    if row is None or row.service_point_id != service_point_id:
        raise errors.NotFound("alert.none")
    word = "OURS" if ours else "PROBLEM"
    patience = models.AlertPatienceRow
    held = session.get(patience, (service_point_id, row.kind), with_for_update=True)
    value = held.patience if held is not None else Decimal(1)
    if row.feedback == word:
        return value
    row.feedback, row.feedback_at = word, now
    value = min(value * _STEP, _MOST) if ours else max(value / _STEP, Decimal(1))
    value = value.quantize(Decimal("0.01"))
    if held is not None and value <= 1:
        session.delete(held)
    elif held is not None:
        held.patience, held.changed_at = value, now
    elif value > 1:
        session.add(patience(service_point_id=service_point_id, kind=row.kind, patience=value, changed_at=now))
    session.flush()
    audit.record(
        session, actor="customer", action=f"alert_{word.lower()}", subject="usage_alert", subject_id=row.id, now=now
    )
    return value


def _hours(grid: Matrix, timezone: str, first: date, days: int) -> Any:
    """kWh as [n, days, 24] by the local clock."""
    each = 60 // grid.interval_minutes
    whole = grid.wh.shape[1] // each
    parts = grid.wh[:, : whole * each].reshape(len(grid.wh), whole, each)
    hourly = np.where((parts < 0).any(axis=2), np.nan, parts.sum(axis=2) / 1000)
    zone = periods.zone(timezone)
    clock = [(grid.starts_at + timedelta(hours=n)).astimezone(zone) for n in range(whole)]
    cells = np.array([(at.date() - first).days * 24 + at.hour for at in clock])
    return by_clock(hourly, cells, days)


def _record(
    session: Session,
    point: int,
    account_id: int,
    customer_id: int,
    day: date,
    one: alerts.Found,
    first: date,
    timezone: str,
    now: datetime,
) -> int:
    """One event, once: 1 when it is new. An event that is still open, or of which this is a part, is not."""
    row = models.UsageAlertRow
    starts_at, ends_at = _instant(one.start, first, timezone), _instant(one.end, first, timezone)
    kinds = rules.LASTING if one.kind in rules.LASTING else (one.kind,)
    same = select(row.id).where(
        row.service_point_id == point, row.kind.in_(kinds), (row.ends_at >= starts_at) | row.closed_at.is_(None)
    )
    if session.scalar(same.limit(1)) is not None:
        return 0
    lasts = one.kind in rules.LASTING or one.kind in rules.STUCK
    excess, expected = round(one.excess * 1000), round(one.expected * 1000)
    made = session.execute(
        insert(row)
        .values(
            service_point_id=point,
            day=day,
            kind=one.kind,
            starts_at=starts_at,
            ends_at=ends_at,
            closed_at=None if lasts else ends_at,
            excess_wh=excess,
            expected_wh=expected,
            score=Decimal(str(round(min(one.score, 99_999), 2))),
            recorded_at=now,
        )
        .on_conflict_do_nothing()
        .returning(row.id)
    ).scalar_one_or_none()
    if made is None:
        return 0
    outbox.record_fact(
        session,
        "usage.unusual",
        key=f"service_point:{point}",
        payload={
            "usage_alert_id": made,
            "service_point_id": point,
            "account_id": account_id,
            "customer_id": customer_id,
            "kind": one.kind,
            "excess_kwh": round(excess / 1000, 1),
            "expected_kwh": round(expected / 1000, 1),
            "cost": None,
            "day": day.isoformat(),
            "starts_at": starts_at.isoformat(),
            "ends_at": ends_at.isoformat(),
        },
        now=now,
    )
    return 1


def _close(session: Session, points: Sequence[int], hours: Any, day: date, timezone: str) -> None:
    """A stuck meter that moves again; a level that has come down, or has become the ordinary one: the event is over."""
    row = models.UsageAlertRow
    at = {point: n for n, point in enumerate(points)}
    for alert in session.scalars(select(row).where(row.service_point_id.in_(points), row.closed_at.is_(None))):
        today = hours[at[alert.service_point_id], -1]
        if alert.kind in rules.STUCK:
            last = hours[at[alert.service_point_id], -2:].ravel()
            moving = last[~np.isnan(last)]
            over = not np.isnan(today[-1]) and today[-1] > 0 and len(set(moving[-3:].tolist())) > 1
        else:
            ago = (day - alert.day).days
            excess, usual = shapes.excess(hours[at[alert.service_point_id]], HISTORY_DAYS - 1, 3, max(ago + 5, 7))
            over = ago >= rules.RULES.hold_days or (ago >= 3 and excess <= 0.1 * usual)
        if over:
            alert.closed_at = periods.midnight(day + timedelta(days=1), timezone)
    session.flush()


def _patience(session: Session, points: Sequence[int]) -> dict[str, Any]:
    row = models.AlertPatienceRow
    at = {point: n for n, point in enumerate(points)}
    out: dict[str, Any] = {}
    for held in session.scalars(select(row).where(row.service_point_id.in_(points))):
        out.setdefault(held.kind, np.ones(len(points)))[at[held.service_point_id]] = float(held.patience)
    return out


def _holidays(jurisdictions: set[str], days: list[date]) -> Any:
    """The days that are holidays in every jurisdiction the places of this zone are in."""
    years = range(days[0].year, days[-1].year + 1)
    each = [
        frozenset[date]().union(*(compliance.public_holidays(one, year) for year in years)) for one in jurisdictions
    ]
    shared = frozenset.intersection(*each) if each else frozenset()
    return np.array([day in shared for day in days])


def _mark(session: Session, points: Sequence[int], day: date) -> None:
    if not points:
        return
    made = insert(models.UsageWatchRow).values([{"service_point_id": point, "judged_to": day} for point in points])
    session.execute(
        made.on_conflict_do_update(index_elements=["service_point_id"], set_={"judged_to": made.excluded.judged_to})
    )


def _instant(hour: int, first: date, timezone: str) -> datetime:
    day, at = first + timedelta(days=hour // 24), hour % 24
    return datetime(day.year, day.month, day.day, at, tzinfo=periods.zone(timezone)).astimezone(UTC)
