"""The watch over use: once for an event, closed when it is over, tuned by those who live there."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import errors, outbox, periods
from core.accounts import queries as accounts
from metering import jobs, models, operations, queries, watching
from tests.conftest import FakeHub

ZONE = "America/New_York"
FIRST = date(2026, 6, 1)
DAYS = 174  # up to 21 November, UTC


def reads(seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    hour = (np.arange(24) - 5) % 24
    shape = 200 + 900 * np.exp(-((hour - 19) ** 2) / 8) + 300 * np.exp(-((hour - 8) ** 2) / 4)
    return (shape * random.lognormal(0, 0.2, (DAYS, 24))).astype(np.int64)


def load(session: Session, meter: queries.Meter, wh: np.ndarray) -> None:
    operations.load_matrix(session, meter_ids=[meter.id], day_from=FIRST, wh=wh.reshape(1, -1))


def judged(session: Session, point: int, day: date) -> int:
    account = accounts.get_service_point(session, service_point_id=point, on=day).account_id
    assert account is not None
    now = periods.midnight(day + timedelta(days=1), ZONE) + timedelta(hours=6)
    return watching.judge(session, service_points={point: account}, day=day, timezone=ZONE, now=now)


def found(session: Session, point: int) -> list[str]:
    return [one.kind for one in queries.list_anomalies(session, service_point_id=point)]


def facts(session: Session) -> list[dict[str, object]]:
    rows = session.scalars(select(outbox.FactRow).where(outbox.FactRow.name == "usage.unusual"))
    return [row.payload for row in rows]


def test_a_step_is_one_event_told_once_and_closed_when_it_is_over(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    wh = reads()
    wh[140:155] = wh[140:155] * 2  # from 19 October, fifteen days
    load(session, meter, wh)
    first = FIRST + timedelta(days=140)
    new = [judged(session, service_point, first + timedelta(days=n)) for n in range(24)]
    steps = [one for one in queries.list_anomalies(session, service_point_id=service_point) if one.kind == "STEP_UP"]
    assert len(steps) == 1 and sum(new) == len(found(session, service_point))
    (step,) = steps
    assert step.closed_at is not None
    assert step.closed_at.date() <= first + timedelta(days=19)
    assert step.excess_wh > 10_000 and step.starts_at < step.ends_at
    told = [fact for fact in facts(session) if fact["kind"] == "STEP_UP"]
    assert len(told) == 1
    assert {"service_point_id", "account_id", "customer_id", "excess_kwh", "cost", "day", "starts_at"} <= set(told[0])


def test_judging_again_says_nothing_new_and_a_late_read_is_still_told(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    wh = reads()
    day = FIRST + timedelta(days=150)
    load(session, meter, wh)
    assert judged(session, service_point, day) == 0
    local = periods.midnight(day - timedelta(days=1), ZONE)
    operations.record_reads(
        session, meter_id=meter.id, starts_at=local + timedelta(hours=10), interval_minutes=60, wh=[9000, 9000],
        quality="ACTUAL", source="late", now=local + timedelta(days=3),
    )  # fmt: skip
    assert judged(session, service_point, day + timedelta(days=1)) >= 1
    assert judged(session, service_point, day + timedelta(days=1)) == 0
    assert "SPIKE" in found(session, service_point)


def test_a_meter_that_tells_nothing_is_told_and_closed_when_it_speaks_again(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    wh = reads()
    wh[140:146] = -1
    load(session, meter, wh)
    for n in range(140, 145):
        judged(session, service_point, FIRST + timedelta(days=n))
    (dead,) = queries.list_anomalies(session, service_point_id=service_point)
    assert dead.kind == "DEAD_METER" and dead.closed_at is None
    judged(session, service_point, FIRST + timedelta(days=147))
    (dead,) = queries.list_anomalies(session, service_point_id=service_point)
    assert dead.closed_at is not None


def test_it_was_us_makes_the_margin_wider_within_bounds_and_a_problem_takes_it_back(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    wh = reads()
    wh[150] = wh[150] * 3
    load(session, meter, wh)
    now = datetime(2026, 11, 1, tzinfo=UTC)
    judged(session, service_point, FIRST + timedelta(days=150))
    judged(session, service_point, FIRST + timedelta(days=151))
    alert = queries.list_anomalies(session, service_point_id=service_point)[0]

    def say(ours: bool, point: int = service_point) -> Decimal:
        return operations.give_feedback(session, usage_alert_id=alert.id, service_point_id=point, ours=ours, now=now)

    with pytest.raises(errors.NotFound):
        say(True, service_point + 1)  # somebody else's
    assert say(True) == say(True) == Decimal("1.25")  # the same word again changes nothing
    assert queries.list_patience(session, service_point_id=service_point) == {alert.kind: Decimal("1.25")}
    assert say(False) == 1
    assert queries.list_patience(session, service_point_id=service_point) == {}
    for _ in range(6):
        say(False)
        session.get_one(models.UsageAlertRow, alert.id).feedback = None
        session.get_one(models.UsageAlertRow, alert.id).feedback_at = None
        bound = say(True)
        session.get_one(models.UsageAlertRow, alert.id).feedback = None
        session.get_one(models.UsageAlertRow, alert.id).feedback_at = None
        bound = say(True)
    assert bound <= 2


def test_patience_keeps_the_same_from_being_told_again(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    wh = reads()
    wh[150] = wh[150] * 2
    load(session, meter, wh)
    session.add(
        models.AlertPatienceRow(
            service_point_id=service_point,
            kind="HIGH_DAY",
            patience=Decimal(2),
            changed_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    )
    session.flush()
    judged(session, service_point, FIRST + timedelta(days=150))
    judged(session, service_point, FIRST + timedelta(days=151))
    assert "HIGH_DAY" not in found(session, service_point)


def test_the_job_judges_a_day_once_and_waits_for_its_reads_until_noon(
    session: Session, hub: FakeHub, service_point: int, meter: queries.Meter
) -> None:
    load(session, meter, reads())
    session.commit()
    hub.clock.at = datetime(2026, 11, 22, 12, tzinfo=UTC)  # seven in the morning; reads end on the evening before
    with hub.transaction() as here:
        assert watching.list_due(here, now=hub.now()) == {}
    hub.clock.at = datetime(2026, 11, 22, 18, tzinfo=UTC)
    jobs.watch_usage(hub)
    with hub.transaction() as here:
        assert watching.list_due(here, now=hub.now()) == {}
        row = here.get_one(models.UsageWatchRow, service_point)
        assert row.judged_to == date(2026, 11, 21)
