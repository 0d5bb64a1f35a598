"""Reads by the million, told by any format: stored once, by rank, and every read accounted for."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core import errors, outbox, periods
from metering import chunk, dials, loading, models, operations, queries, writing
from metering.formats import told
from metering.quality import Quality
from metering.views import Counts
from tests.conftest import FakeHub

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
START = datetime(2026, 11, 20, tzinfo=UTC)
ZONE = "America/New_York"


def run(wh: list[int], at: datetime = START, *, meter: str = "E-1", minutes: int = 60, **more: object) -> told.Run:
    codes = more.pop("codes", [Quality.ACTUAL] * len(wh))
    direction = more.pop("direction", "DELIVERED")
    return told.Run(
        meter,
        direction,
        at,
        minutes,
        np.array(wh, dtype=np.int64),
        np.array(codes, dtype=np.uint8),
        more.pop("line", 1),
    )


def dial(value: int, at: datetime, *, meter: str = "R-1", line: int = 1) -> told.Dial:
    return told.Dial(meter, "DELIVERED", at, Decimal(value), Quality.ACTUAL, line)


def load(hub: FakeHub, *items: told.Told, sha: str = "a", now: datetime = NOW) -> Counts:
    return operations.load(hub, items, source="TEST", sha256=sha, now=now)


def series(session: Session, point: int, hours: int, start: datetime = START, **more: object) -> list[int]:
    return queries.usage_series(
        session, service_point_id=point, starts_at=start, ends_at=start + timedelta(hours=hours), **more
    ).wh.tolist()


def exceptions(session: Session) -> list[tuple[str, int, int]]:
    rows = session.scalars(select(models.ReadExceptionRow).order_by(models.ReadExceptionRow.id))
    return sorted((row.code, row.data["line"], row.data["count"]) for row in rows)


def facts(session: Session, name: str) -> list[dict]:
    return [f.payload for f in session.scalars(select(outbox.FactRow).where(outbox.FactRow.name == name))]


def test_a_batch_is_loaded_once_and_its_counts_stay(
    session: Session, hub: FakeHub, service_point: int, meter: queries.Meter
) -> None:
    first = load(hub, run([100, 200, -1, 300], codes=[3, 3, 0, 3]))
    assert first == Counts(3, 1, 0, 0)
    assert load(hub, run([9, 9, 9, 9])) == Counts(0, 4, 0, 0)  # the same digest: the same bytes, whatever is told
    assert load(hub, run([100, 200, -1, 300], codes=[3, 3, 0, 3]), sha="b") == Counts(0, 4, 0, 0)
    assert series(session, service_point, 5) == [100, 200, -1, 300, -1]
    assert queries.freshness(session, service_point_id=service_point) == START + timedelta(hours=4)
    rows = session.scalars(select(models.ReadBatchRow).order_by(models.ReadBatchRow.id)).all()
    assert [(r.read, r.stored, r.position, r.finished_at) for r in rows] == [(4, 3, 1, NOW), (4, 0, 1, NOW)]
    assert len(facts(session, "reads.settled")) == 1


def test_bad_lines_are_counted_each_with_its_reason_and_do_not_stop_the_rest(
    session: Session, hub: FakeHub, service_point: int, meter: queries.Meter
) -> None:
    good = [run([n] * 24, START + timedelta(days=n), line=n) for n in range(40)]
    counts = load(
        hub,
        *good[:20],
        told.Unreadable(100, "no time\x00 of day", 3),
        run([5], meter="nobody's", line=101),
        run([1, 2], minutes=15, line=102),
        run([1], START + timedelta(minutes=10), line=103),
        run([1, -7, -8, 10_000_001], START + timedelta(days=60), line=104),
        run([1], datetime(2023, 1, 1, tzinfo=UTC), line=105),
        run([77, 5], START + timedelta(days=5, hours=3), line=106),  # says otherwise than line 5, which says it too
        run([1], meter="\ud800", line=107),
        *good[20:],
    )
    assert (counts.stored, counts.unchanged, counts.unreadable) == (40 * 24 + 1, 1, 3)
    assert exceptions(session) == [
        ("DUPLICATE", 5, 1), ("NEGATIVE", 104, 2), ("OFF_GRID", 103, 1), ("OUTSIDE_METER", 105, 1),
        ("TOO_HIGH", 104, 1), ("UNKNOWN_METER", 101, 1), ("UNKNOWN_METER", 107, 1), ("UNREADABLE", 100, 3),
        ("WRONG_INTERVAL", 102, 2),
    ]  # fmt: skip
    assert counts.excepted == sum(e[2] for e in exceptions(session)) - 3
    assert series(session, service_point, 6, START + timedelta(days=5)) == [5, 5, 5, 77, 5, 5]
    row = session.scalars(select(models.ReadBatchRow)).one()
    assert row.read == counts.read == 40 * 24 + 3 + 1 + 2 + 1 + 4 + 1 + 2 + 1


def test_a_load_that_breaks_off_goes_on_where_it_stopped(
    session: Session, hub: FakeHub, service_point: int, meter: queries.Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "CHUNK_READS", 48)
    whole = [run([n] * 24, START + timedelta(days=n)) for n in range(10)]

    def broken() -> Iterator[told.Told]:
        yield from whole[:7]
        raise OSError("the disk went away")

    with pytest.raises(OSError):
        operations.load(hub, broken(), source="TEST", sha256="x", now=NOW)
    row = session.scalars(select(models.ReadBatchRow)).one()
    assert (row.position, row.stored, row.finished_at) == (6, 6 * 24, None)
    looked_at: list[int] = []

    def again() -> Iterator[told.Told]:
        for n, each in enumerate(whole):
            looked_at.append(n)
            yield each

    assert operations.load(hub, again(), source="TEST", sha256="x", now=NOW) == Counts(240, 0, 0, 0)
    session.refresh(row)
    assert (row.position, row.read, row.finished_at) == (10, 240, NOW)
    assert series(session, service_point, 240) == [n for n in range(10) for _ in range(24)]
    assert session.scalar(select(func.count()).select_from(models.ReadDayVersionRow)) == 0


def test_two_who_load_the_same_batch_do_not_count_it_twice(
    session: Session, hub: FakeHub, meter: queries.Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "CHUNK_READS", 24)

    both = run([1] * 24), run([2] * 24, START + timedelta(days=1))
    put, others = writing.Writer.put, []

    def with_another_in_between(writer: writing.Writer, part: chunk.Chunk) -> None:
        put(writer, part)
        if not others:
            others.append("x")
            load(hub, *both, sha="x")

    monkeypatch.setattr(writing.Writer, "put", with_another_in_between)
    with pytest.raises(errors.Refused, match="batch_busy"):
        load(hub, *both, sha="x")
    assert load(hub, sha="x") == Counts(0, 48, 0, 0)


def test_a_late_correction_keeps_what_stood_and_tells_of_the_days_it_touches(
    session: Session, hub: FakeHub, service_point: int, meter: queries.Meter
) -> None:
    load(hub, run([100] * 48), sha="1")
    counts = load(
        hub, run([150, 100], START + timedelta(hours=23)), run([1], START, codes=[Quality.ESTIMATED]), sha="2"
    )
    assert counts == Counts(1, 2, 0, 0)
    assert series(session, service_point, 25)[22:] == [100, 150, 100]
    trail = session.scalars(select(models.ReadDayVersionRow)).one()
    assert (trail.day, trail.version, trail.replaced_by, trail.recorded_at) == (START.date(), 1, "TEST", NOW)
    assert np.frombuffer(trail.wh, "<i4").tolist() == [100] * 24
    versions = session.execute(text("SELECT day, version FROM read_day ORDER BY day")).all()
    assert [row.version for row in versions] == [2, 1]
    assert facts(session, "reads.settled")[-1] == {
        "service_point_id": service_point, "from": "2026-11-20T23:00:00+00:00", "to": "2026-11-21T00:00:00+00:00",
    }  # fmt: skip


def test_a_day_that_stands_unknown_to_its_meter_is_kept_all_the_same(
    session: Session, hub: FakeHub, service_point: int, meter: queries.Meter
) -> None:
    load(hub, run([100, 200, 300]))
    session.execute(text("UPDATE meter SET last_read_at = NULL"))  # as when a neighbour wrote it a moment ago
    day = [7, *[-1] * 22, 9]
    codes = [Quality.ESTIMATED, *[Quality.MISSING] * 22, Quality.ACTUAL]
    assert load(hub, run(day, codes=codes), sha="b") == Counts(1, 23, 0, 0)
    assert series(session, service_point, 24) == [100, 200, 300, *[-1] * 20, 9]
    assert queries.freshness(session, service_point_id=service_point) == START + timedelta(days=1)
    session.execute(text("UPDATE meter SET last_read_at = NULL"))
    assert load(hub, run([8, 200]), sha="c") == Counts(1, 1, 0, 0)
    versions = session.scalars(select(models.ReadDayVersionRow)).all()
    assert [(row.version, row.wh[:4]) for row in versions] == [(1, (100).to_bytes(4, "little"))]


def test_reads_in_time_are_told_together_and_wake_the_page(
    session: Session, hub: FakeHub, service_point: int, meter: queries.Meter
) -> None:
    woken: list[tuple[str, str]] = []
    load(hub.with_(publish=lambda *heard: woken.append(heard)), run([7], datetime(2026, 11, 23, 14, tzinfo=UTC)))
    assert facts(session, "reads.settled") == []
    assert facts(session, "reads.arrived") == [
        {"service_point_ids": [service_point], "from": "2026-11-23T14:00:00+00:00", "to": "2026-11-23T15:00:00+00:00"}
    ]
    assert woken == [(f"reads:{service_point}", str(service_point))]


def test_five_minutes_and_both_ways_of_one_device(session: Session, hub: FakeHub, service_point: int) -> None:
    for direction in ("DELIVERED", "RECEIVED"):
        operations.install_meter(
            session, service_point_id=service_point, number="S-1", installed_on=date(2024, 1, 1), interval_minutes=5,
            direction=direction,
        )  # fmt: skip
    session.commit()
    counts = load(
        hub,
        run([10] * 300, START + timedelta(hours=11, minutes=5), meter="S-1", minutes=5),
        run([3] * 24, START + timedelta(hours=12), meter="S-1", minutes=5, direction="RECEIVED"),
    )
    assert counts == Counts(324, 0, 0, 0)
    fine = queries.usage_series(
        session, service_point_id=service_point, starts_at=START + timedelta(hours=11),
        ends_at=START + timedelta(hours=12), interval_minutes=5,
    )  # fmt: skip
    assert fine.wh.tolist() == [-1] + [10] * 11
    hours = {"interval_minutes": 60, "start": START + timedelta(hours=12)}
    assert series(session, service_point, 2, **hours) == [120, 120]
    assert series(session, service_point, 3, direction="RECEIVED", **hours) == [36, 36, -1]


def test_days_of_23_and_25_hours_have_all_their_reads(
    session: Session, hub: FakeHub, service_point: int, meter: queries.Meter
) -> None:
    for day, hours in ((date(2026, 3, 8), 23), (date(2026, 11, 1), 25)):
        load(hub, run([1] * hours, periods.midnight(day, ZONE)), sha=str(day))
        days = periods.Days(day, day + timedelta(days=1))
        found = queries.daily_usage(session, service_point_id=service_point, days=days, timezone=ZONE)
        assert [(d.wh, d.missing, d.intervals) for d in found] == [(hours, 0, hours)]


def test_a_dial_that_turns_over_and_a_reading_in_between(
    session: Session, hub: FakeHub, service_point: int, register: queries.Meter
) -> None:
    first, middle, last = (datetime(2026, 10, day, 14, 20, tzinfo=UTC) for day in (1, 11, 31))
    assert load(hub, dial(99_900, first), dial(200, last), sha="1") == Counts(2, 0, 0, 0)
    hours = 30 * 24
    assert sum(series(session, service_point, hours, first.replace(minute=0))) == 300_000
    assert load(hub, dial(50, middle), sha="2") == Counts(1, 0, 0, 0)  # late: both sides are shared anew
    assert sum(series(session, service_point, 240, first.replace(minute=0))) == 150_000
    assert sum(series(session, service_point, 480, middle.replace(minute=0))) == 150_000
    assert load(hub, dial(50, middle), dial(100_000, last), dial(40, last + timedelta(days=9)), sha="3") == Counts(
        0, 1, 2
    )
    assert exceptions(session) == [("LOWER_THAN_PREVIOUS", 1, 1), ("TOO_HIGH", 1, 1)]
    assert sum(series(session, service_point, hours, first.replace(minute=0))) == 300_000


def test_daily_reads_are_shared_among_the_hours_of_civil_days(
    session: Session, hub: FakeHub, service_point: int, register: queries.Meter
) -> None:
    begin = periods.midnight(date(2026, 10, 31), ZONE)
    assert load(hub, run([24_000, 25_000, -1, 8_000], begin, meter="R-1", minutes=1440), sha="1") == Counts(3, 1, 0)
    days = periods.Days(date(2026, 10, 31), date(2026, 11, 4))
    found = queries.daily_usage(session, service_point_id=service_point, days=days, timezone=ZONE)
    assert [(d.wh, d.intervals - d.missing, d.estimated) for d in found] == [
        (24_000, 24, 24), (25_000, 25, 25), (0, 0, 0), (8_000, 24, 24),
    ]  # fmt: skip
    assert load(hub, run([24_000], begin, meter="R-1", minutes=1440), sha="2") == Counts(0, 1, 0)
    assert load(hub, run([-5], begin, meter="R-1", minutes=1440), sha="3") == Counts(0, 0, 1)


def test_an_exchange_adds_up_over_both_dials(
    session: Session, hub: FakeHub, service_point: int, register: queries.Meter
) -> None:
    before, at, after = (datetime(2026, 10, day, 15, 40, tzinfo=UTC) for day in (1, 12, 25))
    load(hub, dial(500, before), sha="1")
    operations.exchange_meter(
        session, meter_id=register.id, number="R-2", on=date(2026, 10, 12), interval_minutes=None, digits=5,
        multiplier=Decimal(10), final=Decimal(600), first=Decimal(3), at=at, now=NOW,
    )  # fmt: skip
    session.commit()
    load(hub, dial(23, after, meter="R-2"), dial(1, after, meter="R-1"), sha="2")
    assert sum(series(session, service_point, 24 * 24, before.replace(minute=0))) == 100_000 + 200_000
    assert exceptions(session) == [("OUTSIDE_METER", 1, 1)]


def test_a_month_is_made_for_what_is_loaded_and_days_that_waited_move_in(
    session: Session, hub: FakeHub, service_point: int, meter: queries.Meter
) -> None:
    operations.record_reads(
        session, meter_id=meter.id, starts_at=START, interval_minutes=60, wh=[5], quality="ACTUAL", source="t", now=NOW
    )
    assert session.scalar(text("SELECT count(*) FROM ONLY read_day_default")) == 1
    session.commit()
    load(hub, run([1], datetime(2025, 10, 31, 23, tzinfo=UTC)), run([2], datetime(2026, 11, 30, tzinfo=UTC)))
    names = session.scalars(text("SELECT DISTINCT CAST(tableoid AS regclass)::text FROM read_day ORDER BY 1")).all()
    assert names == ["read_day_2025_10", "read_day_2026_11"]
    assert series(session, service_point, 1) == [5]


_READS = st.lists(st.tuples(st.integers(-3, 400), st.sampled_from([0, 1, 2, 3, 3, 4])), min_size=1, max_size=30)
_ITEMS = st.one_of(
    st.builds(lambda at, reads: run([r[0] for r in reads], START + timedelta(hours=at), codes=[r[1] for r in reads]),
              st.integers(0, 60), _READS),
    st.builds(lambda reads: run([r[0] for r in reads], meter="none", codes=[r[1] for r in reads]), _READS),
    st.builds(told.Unreadable, st.integers(1, 99), st.text(max_size=9), st.integers(1, 5)),
    st.builds(lambda value, day: dial(value, START + timedelta(days=day)), st.integers(0, 120_000), st.integers(-9, 2)),
)  # fmt: skip


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(_ITEMS, max_size=6), max_size=4), st.integers(1, 60))
def test_whatever_is_told_counts_add_up_and_the_best_last_read_stands(
    session: Session, hub: FakeHub, point_in: Callable[[str], int], messages: list, size: int
) -> None:
    nested = session.begin_nested()
    point = point_in(ZONE)
    operations.install_meter(session, service_point_id=point, number="E-1", installed_on=date(2024, 1, 1))
    operations.install_meter(
        session, service_point_id=point_in(ZONE), number="R-1", installed_on=date(2024, 1, 1), interval_minutes=None,
        digits=5,
    )  # fmt: skip
    stands: dict[int, tuple[int, int]] = {}
    kept = loading.CHUNK_READS
    loading.CHUNK_READS = size
    try:
        for n, items in enumerate(messages):
            counts = load(hub, *items, sha=f"m{n}")
            told_ = sum(
                len(i.wh) if isinstance(i, told.Run) else 1 if isinstance(i, told.Dial) else i.count for i in items
            )
            assert counts.read == told_
            for item in items:
                if isinstance(item, told.Run) and item.meter == "E-1":
                    at = (item.starts_at - START) // timedelta(hours=1)
                    for k, (wh, code) in enumerate(zip(item.wh.tolist(), item.quality.tolist(), strict=True)):
                        if code and wh >= 0 and code >= stands.get(at + k, (0, 0))[1]:
                            stands[at + k] = (wh, code)
    finally:
        loading.CHUNK_READS = kept
    assert series(session, point, 96) == [stands.get(n, (-1, 0))[0] for n in range(96)]
    nested.rollback()
    session.expire_all()


def test_what_a_dial_used_is_exact_over_its_end() -> None:
    assert dials.used(Decimal("99999.5"), Decimal("0.25"), digits=5, multiplier=Decimal(40)) == 30_000
    assert json.dumps(dials.used(Decimal(1), Decimal(1), digits=5, multiplier=Decimal(1))) == "0"
