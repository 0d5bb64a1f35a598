"""A customer's reading: judged, kept, spread over the days it stands for."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import periods
from metering import jobs, models, operations, queries
from metering.quality import Quality
from tests.conftest import FakeHub

NOW = datetime(2026, 11, 23, 15, 20, tzinfo=UTC)
ZONE = "America/New_York"


def submit(session: Session, point: int, value: str, key: str, now: datetime = NOW) -> queries.Submitted:
    return operations.submit_reading(session, service_point_id=point, value=value, source="SMS", key=key, now=now)


def seen(session: Session, meter: queries.Meter, value: int, at: datetime) -> None:
    operations.record_register_read(
        session, meter_id=meter.id, read_at=at, value=Decimal(value), quality="ACTUAL", source="van", now=at
    )


def test_a_register_reading_becomes_days_that_can_be_billed(
    session: Session, service_point: int, register: queries.Meter
) -> None:
    since = datetime(2026, 10, 24, 4, 0, tzinfo=UTC)
    seen(session, register, 12_000, since)
    done = submit(session, service_point, "12 310", "k1")
    assert (done.status, done.reason, done.usage_wh, done.previous_value) == (
        "ACCEPTED", None, 310_000, Decimal(12_000),
    )  # fmt: skip
    series = queries.usage_series(session, service_point_id=service_point, starts_at=since, ends_at=NOW)
    known = series.wh >= 0
    assert series.wh[known].sum() == 310_000
    assert set(series.quality[known].tolist()) == {Quality.ESTIMATED}
    days = queries.daily_usage(
        session,
        service_point_id=service_point,
        days=periods.Days(date(2026, 10, 24), date(2026, 11, 23)),
        timezone=ZONE,
    )
    assert all(day.missing == 0 and 9_500 < day.wh < 10_900 for day in days)
    assert [d.intervals for d in days if d.day == date(2026, 11, 1)] == [25]


def test_the_same_key_is_answered_once(session: Session, service_point: int, register: queries.Meter) -> None:
    seen(session, register, 12_000, NOW - timedelta(days=30))
    first = submit(session, service_point, "12310", "k1")
    assert submit(session, service_point, "99999", "k1") == first
    assert session.scalar(select(func.count()).select_from(models.SubmittedReadingRow)) == 1


@pytest.mark.parametrize(
    ("previous", "value", "status", "reason", "wh"),
    [
        (12_000, "twelve", "REJECTED", "NOT_A_NUMBER", None),
        (12_000, "123456", "REJECTED", "TOO_MANY_DIGITS", None),
        (12_000, "11900", "REJECTED", "LOWER_THAN_PREVIOUS", None),
        (99_900, "00150", "ACCEPTED", None, 250_000),  # the dial turned over
        (12_000, "14500", "CHECK", "TOO_HIGH", 2_500_000),
        (12_000, "22000", "REJECTED", "TOO_HIGH", 10_000_000),
        (12_000, "12,310.4", "ACCEPTED", None, 310_000),
        (12_000, "012310 kWh", "ACCEPTED", None, 310_000),
    ],
)
def test_implausible_readings_say_why(
    session: Session,
    service_point: int,
    register: queries.Meter,
    previous: int,
    value: str,
    status: str,
    reason: str | None,
    wh: int | None,
) -> None:
    seen(session, register, previous, NOW - timedelta(days=30))
    done = submit(session, service_point, value, "k")
    assert (done.status, done.reason, done.usage_wh) == (status, reason, wh)
    reads = session.scalar(select(func.count()).select_from(models.RegisterReadRow))
    assert reads == (2 if status == "ACCEPTED" else 1)


def test_a_dial_that_contradicts_its_own_intervals_is_looked_at(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    operations.load_matrix(
        session,
        meter_ids=[meter.id],
        day_from=date(2026, 9, 1),
        wh=np.full((1, 24 * 84), 500, dtype=np.int64),
    )
    seen(session, meter, 1_000, NOW - timedelta(days=10))
    assert submit(session, service_point, "1121", "right").status == "ACCEPTED"
    wrong = submit(session, service_point, "1150", "wrong", NOW + timedelta(days=1))
    assert wrong.status == "ACCEPTED"  # today's intervals are not in yet: nothing to contradict
    operations.record_reads(
        session, meter_id=meter.id, starts_at=datetime(2026, 11, 24, tzinfo=UTC), interval_minutes=60,
        wh=[500] * 72, quality="ACTUAL", source="t", now=NOW,
    )  # fmt: skip
    last = submit(session, service_point, "1200", "third", NOW + timedelta(days=3))
    assert (last.status, last.reason) == ("CHECK", "DIFFERS_FROM_METER")
    waiting = operations.list_readings_to_check(session)
    assert [w.id for w in waiting] == [last.id]
    settled = operations.review_reading(session, submitted_reading_id=last.id, accept=True, actor="staff:1", now=NOW)
    assert settled.status == "ACCEPTED"
    assert operations.list_readings_to_check(session) == ()


def test_gaps_are_estimated_and_a_read_that_comes_late_takes_the_place(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    wh = np.tile(np.arange(24, dtype=np.int64) * 10 + 100, 63)[None, :].copy()
    gap = 24 * 20
    wh[0, gap : gap + 30] = -1
    operations.load_matrix(session, meter_ids=[meter.id], day_from=date(2026, 9, 21), wh=wh)
    days = periods.Days(date(2026, 10, 10), date(2026, 10, 14))
    made = operations.estimate_gaps(session, service_point_id=service_point, days=days, timezone=ZONE, now=NOW)
    assert made == 30
    found = queries.daily_usage(session, service_point_id=service_point, days=days, timezone=ZONE)
    assert [d.missing for d in found] == [0, 0, 0, 0]
    assert sum(d.estimated for d in found) == 30
    start = datetime(2026, 10, 11, tzinfo=UTC)
    estimated = queries.usage_series(
        session, service_point_id=service_point, starts_at=start, ends_at=start + timedelta(hours=24)
    )
    assert estimated.wh.tolist() == [n * 10 + 100 for n in range(24)]
    operations.record_reads(
        session, meter_id=meter.id, starts_at=start, interval_minutes=60, wh=[7], quality="ACTUAL",
        source="late", now=NOW,
    )  # fmt: skip
    assert operations.estimate_gaps(
        session, service_point_id=service_point, days=days, timezone=ZONE, now=NOW
    ) == 0  # fmt: skip


def test_comparison_counts_the_same_days_and_leaves_broken_ones_out(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    days = (date(2026, 11, 23) - date(2025, 11, 1)).days
    wh = np.full((1, days * 24), 1000, dtype=np.int64)
    this = (date(2026, 11, 5) - date(2025, 11, 1)).days * 24 + 5
    wh[0, this:] = 1500
    wh[0, this + 24 * 3 + 4] = -1
    operations.load_matrix(session, meter_ids=[meter.id], day_from=date(2025, 11, 1), wh=wh)
    compared = queries.compare_usage(session, service_point_id=service_point, timezone=ZONE, today=date(2026, 11, 15))
    assert (compared.this_period.starts_on, compared.this_period.ends_on) == (
        date(2026, 11, 5),
        date(2026, 11, 15),
    )
    assert (compared.previous.starts_on, compared.previous.ends_on) == (date(2026, 10, 5), date(2026, 10, 15))
    assert (compared.last_year.starts_on, compared.last_year.ends_on) == (
        date(2025, 11, 5),
        date(2025, 11, 15),
    )
    assert (compared.this_period.wh, compared.this_period.days_with_reads) == (9 * 36_000, 9)
    assert not compared.this_period.complete
    assert (compared.change_previous, compared.change_last_year) == (50, 50)


def test_today_so_far_beside_the_usual(session: Session, service_point: int, meter: queries.Meter) -> None:
    wh = np.full((1, 24 * 35), 400, dtype=np.int64)
    operations.load_matrix(session, meter_ids=[meter.id], day_from=date(2026, 10, 19), wh=wh)
    operations.record_reads(
        session, meter_id=meter.id, starts_at=datetime(2026, 11, 23, tzinfo=UTC), interval_minutes=60,
        wh=[600] * 13, quality="ACTUAL", source="t", now=NOW,
    )  # fmt: skip
    latest = queries.latest_usage(session, service_point_id=service_point, now=NOW)
    assert latest.day == date(2026, 11, 23)
    assert (latest.wh, latest.usual_wh, len(latest.intervals)) == (8 * 600, 8 * 400, 8)
    assert latest.until == datetime(2026, 11, 23, 13, tzinfo=UTC)


def test_the_watch_tells_once(session: Session, hub: FakeHub, service_point: int, meter: queries.Meter) -> None:
    rng = np.random.default_rng(3)
    wh = rng.integers(300, 500, (1, 24 * 64))
    wh[0, -36:-32] += 9000
    operations.load_matrix(session, meter_ids=[meter.id], day_from=date(2026, 9, 21), wh=wh)
    session.commit()
    hub.clock.at = datetime(2026, 11, 23, 15, tzinfo=UTC)
    jobs.watch_usage(hub)
    jobs.watch_usage(hub)
    found = queries.list_anomalies(session, service_point_id=service_point)
    assert [(a.kind, a.day) for a in found] == [("SPIKE", date(2026, 11, 22))]
    from core import outbox

    facts = session.scalars(select(outbox.FactRow).where(outbox.FactRow.name == "usage.unusual")).all()
    assert [f.payload["kind"] for f in facts] == ["SPIKE"]
    assert {"service_point_id", "account_id", "customer_id", "excess_kwh", "cost", "day"} <= set(facts[0].payload)
