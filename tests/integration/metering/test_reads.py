"""Reads are stored once, by rank, and come back on the grid they were read on."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from core import errors, outbox, periods
from metering import models, operations, queries
from metering.quality import Quality

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
START = datetime(2026, 11, 20, tzinfo=UTC)


def record(session: Session, meter: queries.Meter, wh: list[int], quality: object = "ACTUAL", **kwargs: object):
    return operations.record_reads(
        session,
        meter_id=meter.id,
        starts_at=kwargs.pop("starts_at", START),
        interval_minutes=kwargs.pop("interval_minutes", 60),
        wh=wh,
        quality=quality,
        source="test",
        now=NOW,
    )


def series(session: Session, point: int, hours: int, start: datetime = START) -> list[int]:
    return queries.usage_series(
        session, service_point_id=point, starts_at=start, ends_at=start + timedelta(hours=hours)
    ).wh.tolist()


def test_sent_twice_changes_nothing_and_tells_nobody(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    assert record(session, meter, [100, 200, 300]) == queries.Counts(3, 0, 0)
    assert record(session, meter, [100, 200, 300]) == queries.Counts(0, 3, 0)
    facts = session.scalars(select(outbox.FactRow)).all()
    assert [(f.name, f.payload["from"], f.payload["to"]) for f in facts if f.name == "reads.settled"] == [
        ("reads.settled", "2026-11-20T00:00:00+00:00", "2026-11-20T03:00:00+00:00")
    ]
    assert session.scalar(select(func.count()).select_from(models.ReadDayVersionRow)) == 0


def test_an_estimate_never_replaces_a_read_and_a_correction_keeps_what_stood(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    record(session, meter, [100, 200], ["ESTIMATED", "ACTUAL"])
    assert record(session, meter, [110, 999], "ESTIMATED").stored == 1
    assert record(session, meter, [120, 210], "ACTUAL").stored == 2
    assert record(session, meter, [1, 220], ["MISSING", "EDITED"]) == queries.Counts(1, 1, 0)
    assert record(session, meter, [130, 230], "ACTUAL").stored == 1
    assert series(session, service_point, 2) == [130, 220]
    trail = session.scalars(select(models.ReadDayVersionRow).order_by(models.ReadDayVersionRow.version)).all()
    assert [np.frombuffer(v.wh, "<i4")[:2].tolist() for v in trail] == [
        [100, 200], [110, 200], [120, 210], [120, 220],
    ]  # fmt: skip


def test_impossible_reads_become_exceptions_and_counts_add_up(
    session: Session, service_point: int, meter: queries.Meter
) -> None:
    counts = record(session, meter, [100, -5, 300, 10_000_001, -7])
    assert counts == queries.Counts(2, 0, 3)
    assert series(session, service_point, 5) == [100, -1, 300, -1, -1]
    rows = session.scalars(select(models.ReadExceptionRow).order_by(models.ReadExceptionRow.code)).all()
    assert [(r.code, r.data) for r in rows] == [
        ("NEGATIVE", {"count": 2, "wh": -5}), ("TOO_HIGH", {"count": 1, "wh": 10_000_001}),
    ]  # fmt: skip
    early = record(session, meter, [1], starts_at=datetime(2023, 12, 1, tzinfo=UTC))
    assert early.excepted == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 60),
            st.lists(
                st.tuples(st.integers(-3, 500), st.sampled_from(["MISSING", "ESTIMATED", "ACTUAL", "EDITED"])),
                min_size=1,
                max_size=30,
            ),
        ),
        max_size=5,
    )
)
def test_whatever_comes_in_whatever_order_the_best_last_read_stands(
    session: Session, service_point: int, meter: queries.Meter, messages: list
) -> None:
    nested = session.begin_nested()
    stands = {}
    for offset, reads in messages:
        counts = record(
            session,
            meter,
            [r[0] for r in reads],
            [r[1] for r in reads],
            starts_at=START + timedelta(hours=offset),
        )
        assert counts.read == len(reads)
        for n, (wh, name) in enumerate(reads):
            code = Quality[name]
            if code and wh >= 0 and code >= stands.get(offset + n, (0, 0))[1]:
                stands[offset + n] = (wh, code)
    assert series(session, service_point, 96) == [stands.get(n, (-1, 0))[0] for n in range(96)]
    nested.rollback()
    session.expire_all()


def test_meter_exchange_in_a_day_joins_both_meters(session: Session, service_point: int, meter: queries.Meter) -> None:
    record(session, meter, [10] * 13)
    new = operations.exchange_meter(session, meter_id=meter.id, number="E-2", on=START.date(), interval_minutes=15)
    record(session, new, [5] * 44, starts_at=START + timedelta(hours=13), interval_minutes=15)
    assert series(session, service_point, 24) == [10] * 13 + [20] * 11
    with pytest.raises(errors.Invalid, match=r"reads\.interval"):
        queries.usage_series(
            session,
            service_point_id=service_point,
            starts_at=START,
            ends_at=START + timedelta(hours=24),
            interval_minutes=15,
        )
    assert queries.freshness(session, service_point_id=service_point) == START + timedelta(hours=24)


def test_civil_days_of_23_and_25_hours_and_of_a_half_hour_zone(
    session: Session, point_in: Callable[[str], int]
) -> None:
    for zone, lengths in (
        ("America/New_York", {date(2026, 3, 8): 23, date(2026, 11, 1): 25}),
        ("Asia/Kolkata", {date(2026, 3, 8): 24, date(2026, 11, 1): 24}),
    ):
        point = point_in(zone)
        made = operations.install_meter(
            session, service_point_id=point, number=f"Z-{zone}", installed_on=date(2024, 1, 1)
        )
        operations.load_matrix(
            session, meter_ids=[made.id], day_from=date(2026, 1, 1), wh=np.ones((1, 24 * 365), dtype=np.int64)
        )
        for day, hours in lengths.items():
            days = periods.Days(day - timedelta(days=1), day + timedelta(days=2))
            found = queries.daily_usage(session, service_point_id=point, days=days, timezone=zone)
            assert [d.wh for d in found] == [24, hours, 24]
            assert [d.missing for d in found] == [0, 0, 0]


def test_matrix_of_thousands_is_one_question(session: Session, service_point: int) -> None:
    n = 2000
    points = session.execute(
        models.text(
            "INSERT INTO service_point (premise_id, connected) SELECT premise_id, true FROM service_point,"
            " generate_series(1, :n) WHERE id = :id RETURNING id"
        ),
        {"n": n, "id": service_point},
    ).scalars().all()  # fmt: skip
    meters = session.execute(
        models.text(
            "INSERT INTO meter (number, service_point_id, interval_minutes, installed_on, digits, multiplier,"
            " direction) SELECT 'B-' || id, id, 60, DATE '2024-01-01', 6, 1, 'DELIVERED'"
            " FROM unnest(CAST(:ids AS bigint[])) AS id RETURNING id"
        ),
        {"ids": list(points)},
    ).scalars().all()  # fmt: skip
    wh = np.random.default_rng(7).integers(0, 5000, (n, 31 * 24))
    wh[5, 7] = -1
    assert operations.load_matrix(session, meter_ids=meters, day_from=date(2026, 10, 1), wh=wh) == n * 31
    asked: list[str] = []
    connection = session.connection()
    event.listen(connection, "before_cursor_execute", lambda _c, _cursor, statement, *_: asked.append(statement))
    matrix = queries.usage_matrix(
        session,
        service_point_ids=[*points[::-1], service_point],
        starts_at=datetime(2026, 10, 1, tzinfo=UTC),
        ends_at=datetime(2026, 11, 1, tzinfo=UTC),
    )
    assert len(asked) == 1
    assert np.array_equal(matrix.wh[:n], wh[::-1])
    assert (matrix.wh[n] == -1).all()
    assert matrix.quality[n - 1 - 5, 7] == Quality.MISSING
    assert queries.meter_counts(session, now=datetime(2026, 11, 2, tzinfo=UTC)).stale == 0
    assert queries.meter_counts(session, now=NOW).stale == n


def test_reads_off_the_grid_are_refused(session: Session, meter: queries.Meter) -> None:
    with pytest.raises(errors.Invalid, match="not_on_the_grid"):
        record(session, meter, [1], starts_at=START + timedelta(minutes=10))
    with pytest.raises(errors.Invalid, match=r"reads\.interval"):
        record(session, meter, [1, 1], interval_minutes=15)
