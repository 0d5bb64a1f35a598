"""Chunks stored two abreast: each once, in the order they were told, whatever happens to one of them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from metering import chunk, loading, models, operations, queries
from metering.formats import told
from metering.quality import Quality
from metering.views import Counts
from tests.conftest import FakeHub
from tests.integration.metering.conftest import NOW, add_service_point_in

DAY = datetime(2026, 11, 20, tzinfo=UTC)
METERS = 6


@pytest.fixture
def hub(committed_hub: Callable[..., FakeHub], monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """Six homes whose meters are called M0 to M5; a chunk is a day of two of them."""
    monkeypatch.setattr(loading, "CHUNK_READS", 48)
    hub = committed_hub()
    with hub.transaction() as session:
        for n in range(METERS):
            point = add_service_point_in(session, "America/New_York")
            operations.install_meter(session, service_point_id=point, number=f"M{n}", installed_on=date(2024, 1, 1))
    return hub


def day(n: int, wh: int = 100, at: datetime = DAY) -> told.Run:
    values, codes = np.full(24, wh, dtype=np.int64), np.full(24, Quality.ACTUAL, dtype=np.uint8)
    return told.Run(f"M{n}", "DELIVERED", at, 60, values, codes, n + 1)


def load(hub: FakeHub, items: Sequence[told.Told] | Iterator[told.Told]) -> Counts:
    return operations.load(hub, items, source="TEST", sha256="x", now=NOW)


def stands(hub: FakeHub) -> tuple[list[tuple[str, int, int]], tuple[int, int, bool]]:
    """The days, as (meter, day of the month, Wh of its first hour), and the batch: how far, how many, finished."""
    with hub.transaction() as session:
        rows = session.execute(
            text("SELECT number, day, wh FROM read_day JOIN meter ON meter.id = meter_id ORDER BY number, day")
        ).all()
        batch = session.scalars(select(models.ReadBatchRow)).one()
        days = [(row.number, row.day.day, int(np.frombuffer(row.wh, "<i4")[0])) for row in rows]
        return days, (batch.position, batch.stored, batch.finished_at is not None)


def breaking(monkeypatch: pytest.MonkeyPatch, meter: str, error: Callable[[], Exception], times: int = 1) -> list[str]:
    """The chunk that begins with this meter fails, so often, while the one after it is stored; gives who was begun."""
    store, begun, neighbour = chunk.store, [], threading.Event()

    def breaks(session: Any, part: chunk.Chunk, **more: Any) -> Counts:
        first = part.runs[0].meter
        begun.append(first)
        if first == meter and begun.count(meter) <= times:
            assert neighbour.wait(10), "nothing was stored beside it"
            raise error()
        counts = store(session, part, **more)
        neighbour.set()
        return counts

    monkeypatch.setattr(chunk, "store", breaks)
    return begun


def a_deadlock() -> Exception:
    return OperationalError("UPDATE", {}, psycopg.errors.DeadlockDetected())


ALL = [(f"M{n}", 20, 100) for n in range(METERS)]


def test_chunks_of_different_meters_stand_beside_each_other(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the first two waits, with its own work done, until the other has done its work too."""
    store, both = chunk.store, threading.Barrier(2)

    def together(session: Any, part: chunk.Chunk, **more: Any) -> Counts:
        counts = store(session, part, **more)
        if part.meters & {"M0", "M2"}:
            both.wait(10)
        return counts

    monkeypatch.setattr(chunk, "store", together)
    lost = told.Unreadable(99, "no", 2)
    assert load(hub, [lost, *(day(n) for n in range(METERS)), lost]) == Counts(144, 0, 0, 4)
    assert stands(hub) == (ALL, (8, 144, True))
    with hub.transaction() as session:
        assert session.scalars(select(models.ReadExceptionRow.code)).all() == ["UNREADABLE"] * 2


def test_chunks_that_share_a_meter_follow_each_other(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later word on the same day counts as one, even where it stands in the next chunk."""
    store, inside, most = chunk.store, [0], [0]

    def counting(session: Any, part: chunk.Chunk, **more: Any) -> Counts:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        try:
            return store(session, part, **more)
        finally:
            inside[0] -= 1

    monkeypatch.setattr(chunk, "store", counting)
    later = [day(n, 100 + k, DAY + timedelta(days=k % 2)) for k in range(4) for n in (0, 1)]
    assert load(hub, later) == Counts(192, 0, 0, 0)
    assert most == [1]
    found = [(f"M{n}", 20 + d, 102 + d) for n in (0, 1) for d in (0, 1)]
    assert stands(hub) == (found, (8, 192, True))


@pytest.mark.parametrize("meter", ["M0", "M2"])
def test_what_others_locks_broke_is_done_again_in_its_order(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, meter: str
) -> None:
    begun = breaking(monkeypatch, meter, a_deadlock)
    assert load(hub, [day(n) for n in range(METERS)]) == Counts(144, 0, 0, 0)
    assert stands(hub) == (ALL, (6, 144, True))
    assert begun.count(meter) == 2
    with hub.transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM read_day_version")) == 0


def test_a_chunk_that_cannot_be_stored_takes_the_one_beside_it_along(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, "M0", lambda: ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        load(hub, [day(n) for n in range(METERS)])
    assert stands(hub) == ([], (0, 0, False))
    assert load(hub, [day(n) for n in range(METERS)]) == Counts(144, 0, 0, 0)  # the same batch goes on
    assert stands(hub) == (ALL, (6, 144, True))


def test_what_was_told_before_the_source_broke_off_is_stored(hub: FakeHub) -> None:
    def broken() -> Iterator[told.Told]:
        yield from (day(n) for n in range(5))
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="disk"):
        load(hub, broken())
    assert stands(hub) == (ALL[:4], (4, 96, False))


def test_a_stranger_in_between_is_no_deadlock_for_ever(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger holds a meter of the first chunk and wants one of the second, which waits for the first."""
    held, done = threading.Event(), []

    def stranger() -> None:
        lock = text("SELECT id FROM meter WHERE number = :number FOR UPDATE")
        for _ in range(3):  # whom the database sends away comes again
            try:
                with hub.transaction() as session:
                    session.execute(lock, {"number": "M0"})
                    held.set()
                    assert second_stored.wait(10)
                    session.execute(lock, {"number": "M2"})
            except OperationalError:
                continue
            done.append("both")
            return

    store, second_stored = chunk.store, threading.Event()

    def telling(session: Any, part: chunk.Chunk, **more: Any) -> Counts:
        counts = store(session, part, **more)
        if part.runs[0].meter == "M2":
            second_stored.set()
        return counts

    monkeypatch.setattr(chunk, "store", telling)
    other = threading.Thread(target=stranger)
    other.start()
    assert held.wait(10)
    assert load(hub, [day(n) for n in range(METERS)]) == Counts(144, 0, 0, 0)
    other.join(20)
    assert done == ["both"]
    assert stands(hub) == (ALL, (6, 144, True))
    with hub.transaction() as session:
        assert queries.find_meter_by_number(session, number="M0") is not None
