"""The clock remembers: what is due stays due over a restart, and nothing runs twice."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from core import errors
from ops_admin import clock, schedule, worker
from tests.conftest import FakeHub

DAY = timedelta(days=1)


@pytest.fixture
def house(committed_hub: Callable[..., FakeHub], monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    hub = committed_hub()
    monkeypatch.setattr(worker, "_hub", lambda: hub)
    return hub


def give(monkeypatch: pytest.MonkeyPatch, *jobs: clock.Job) -> None:
    monkeypatch.setattr(schedule, "JOBS", jobs)


def due(hub: FakeHub) -> tuple[str, ...]:
    with hub.transaction() as session:
        return clock.list_due(session, jobs=schedule.JOBS, now=hub.now())


def turn(hub: FakeHub) -> clock.Turn:
    with hub.transaction() as session:
        return clock.list_turns(session, jobs=schedule.JOBS, now=hub.now())[0]


def test_a_job_runs_once_when_it_is_due_however_often_it_is_rung_for(house, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    ran = []
    give(monkeypatch, clock.Job("a.day", DAY, lambda hub: ran.append(hub.now())))
    assert due(house) == ("a.day",)  # it never ran
    for _ in range(3):
        worker.run_job("a.day")
    assert len(ran) == 1 and due(house) == ()
    house.clock.move(hours=23, minutes=59)
    worker.run_job("a.day")
    assert len(ran) == 1 and due(house) == ()
    house.clock.move(minutes=1)
    assert due(house) == ("a.day",)
    worker.run_job("a.day")
    assert len(ran) == 2


def test_what_failed_or_was_cut_off_comes_again_soon(house, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def fail(_: object) -> None:
        raise RuntimeError("the disk is full")

    give(monkeypatch, clock.Job("a.day", DAY, fail))
    worker.run_job("a.day")
    assert turn(house).error == "RuntimeError: the disk is full" and due(house) == ()
    house.clock.move(minutes=10)
    assert due(house) == ("a.day",)
    with house.transaction() as session:  # a worker that was killed has begun, and never ended
        assert clock.begin(session, job=schedule.JOBS[0], now=house.now())
        assert not clock.begin(session, job=schedule.JOBS[0], now=house.now())
    assert due(house) == ()
    house.clock.move(minutes=10)
    assert due(house) == ("a.day",)
    give(monkeypatch, clock.Job("a.day", DAY, lambda _: None))
    worker.run_job("a.day")
    assert turn(house).error is None and turn(house).due_at == house.now() + DAY


def test_a_job_that_asks_for_later_has_not_failed(house, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def later(_: object) -> None:
        raise errors.Later(60)

    give(monkeypatch, clock.Job("a.day", DAY, later))
    worker.run_job("a.day")
    assert turn(house).error is None and due(house) == ()


def test_a_job_that_runs_is_not_begun_a_second_time(house, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    began, go_on, ran = threading.Event(), threading.Event(), []

    def slow(_: object) -> None:
        ran.append(1)
        began.set()
        assert go_on.wait(30)

    give(monkeypatch, clock.Job("a.minute", timedelta(minutes=1), slow))
    first = threading.Thread(target=worker.run_job, args=("a.minute",))
    first.start()
    assert began.wait(30)
    house.clock.move(minutes=5)
    assert due(house) == ("a.minute",)
    worker.run_job("a.minute")
    assert ran == [1]
    go_on.set()
    first.join(30)
    assert turn(house).ended_at == house.now()


def test_a_house_that_was_lived_in_owes_no_job_and_forgets_none(house, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    give(monkeypatch, *(clock.Job(name, DAY, lambda _: None) for name in ("one", "two")))
    with house.transaction() as session:
        clock.begin(session, job=schedule.JOBS[0], now=house.now() - 2 * DAY)
        clock.end(session, name="one", now=house.now() - 2 * DAY)
        clock.wind(session, jobs=schedule.JOBS, now=house.now())
    assert due(house) == ("one",)
