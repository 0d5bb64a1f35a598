"""Requests are numbered, visits are held for one, moved in time, and not for two."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import errors, outbox, periods
from core.fieldwork import jobs, operations, queries
from tests.integration.outages import network
from tests.integration.outages.network import NOW

HOUR = timedelta(hours=1)


def request(
    session: Session, account_id: int | None = None, key: str = "r1", kind: str = "REPAIR"
) -> queries.ServiceRequest:
    return operations.open_request(
        session, kind=kind, account_id=account_id, description=" no light ", data={}, key=key, now=NOW
    )


def slots(session: Session, *starts: float, capacity: int = 1, code: str = "C1") -> list[int]:
    """Windows of two hours, this many hours from now."""
    crew = operations.add_crew(session, code=code, name=code, skills=["REPAIR", "METER_TEST"], capacity=capacity)
    made = [
        operations.open_slot(
            session, crew_id=crew, starts_at=NOW + h * HOUR, ends_at=NOW + (h + 2) * HOUR, capacity=capacity
        )
        for h in starts
    ]
    return [slot for slot in made if slot is not None]


def told(session: Session, name: str) -> list[Any]:
    return [f.payload for f in session.scalars(select(outbox.FactRow).where(outbox.FactRow.name == name))]


def test_a_request_is_numbered_and_the_same_key_gives_the_first(session: Session) -> None:
    account = network.add_account(session)
    made = request(session, account)
    assert made.number == f"SR-{made.id:06d}"
    assert (made.description, made.status, [u.step for u in made.updates]) == ("no light", "OPEN", ["OPENED"])
    assert request(session, account, kind="TREE").id == made.id
    assert len(told(session, "request.opened")) == 1
    assert queries.get_request(session, number=f"sr {made.id}", account_id=account).id == made.id
    with pytest.raises(errors.NotFound):
        queries.get_request(session, number=made.number, account_id=account + 1)
    with pytest.raises(errors.Invalid):
        request(session, key="r2", kind="PIZZA")


def test_a_visit_is_booked_moved_and_cancelled_and_slots_give_and_take(session: Session) -> None:
    account = network.add_account(session)
    first, second = slots(session, 24, 48)
    made = request(session, account)
    visit = operations.book_appointment(session, request_id=made.id, slot_id=first, key="b", now=NOW)
    assert [s.id for s in queries.list_slots(session, kind="REPAIR", after=NOW)] == [second]
    moved = operations.move_appointment(session, appointment_id=visit.id, slot_id=second, key="m", now=NOW)
    assert (moved.id, moved.starts_at) == (visit.id, NOW + 48 * HOUR)
    assert [s.id for s in queries.list_slots(session, kind="REPAIR", after=NOW)] == [first]
    gone = operations.cancel_appointment(session, appointment_id=visit.id, key="c", now=NOW)
    assert gone.status == "CANCELLED"
    assert [s.id for s in queries.list_slots(session, kind="REPAIR", after=NOW)] == [first, second]
    after = queries.get_request_by_id(session, request_id=made.id)
    assert (after.status, after.appointment) == ("OPEN", None)
    assert [u.step for u in after.updates] == ["OPENED", "BOOKED", "MOVED", "APPOINTMENT_CANCELLED"]
    (fact,) = told(session, "appointment.moved")
    assert (fact["appointment_id"], fact["account_id"], fact["starts_at"]) == (
        visit.id,
        account,
        moved.starts_at.isoformat(),
    )

    # every key again: its first result, and nothing happens
    assert operations.book_appointment(session, request_id=made.id, slot_id=second, key="b", now=NOW) == visit
    assert operations.move_appointment(session, appointment_id=visit.id, slot_id=first, key="m", now=NOW) == moved
    assert operations.cancel_appointment(session, appointment_id=visit.id, key="c", now=NOW) == gone
    assert len(told(session, "appointment.booked")) == len(told(session, "appointment.cancelled")) == 1


def test_within_two_hours_it_is_too_late(session: Session) -> None:
    soon, later = slots(session, 3, 30)
    visit = operations.book_appointment(session, request_id=request(session).id, slot_id=soon, key="b", now=NOW)
    almost = NOW + HOUR + timedelta(seconds=1)
    assert visit.may_change(NOW + HOUR) and not visit.may_change(almost)
    with pytest.raises(errors.Refused, match="too_late"):
        operations.move_appointment(session, appointment_id=visit.id, slot_id=later, key="m", now=almost)
    with pytest.raises(errors.Refused, match="too_late"):
        operations.cancel_appointment(session, appointment_id=visit.id, key="c", now=almost)
    assert (
        operations.cancel_appointment(session, appointment_id=visit.id, key="c", now=NOW + HOUR).status == "CANCELLED"
    )
    assert soon not in [s.id for s in queries.list_slots(session, kind="REPAIR", after=almost)]
    with pytest.raises(errors.Refused, match="too_late"):
        operations.book_appointment(
            session, request_id=request(session, key="r2").id, slot_id=soon, key="b2", now=almost
        )


def test_a_full_window_refuses_unless_another_crew_has_the_same_one(session: Session) -> None:
    (only,) = slots(session, 24)
    operations.book_appointment(session, request_id=request(session).id, slot_id=only, key="b1", now=NOW)
    other = request(session, key="r2")
    with pytest.raises(errors.Refused, match="slot_full"):
        operations.book_appointment(session, request_id=other.id, slot_id=only, key="b2", now=NOW)
    (twin,) = slots(session, 24, code="C2")
    assert operations.book_appointment(session, request_id=other.id, slot_id=only, key="b3", now=NOW).slot_id == twin
    with pytest.raises(errors.Refused, match="booked_already"):
        operations.book_appointment(session, request_id=other.id, slot_id=twin, key="b4", now=NOW)


def test_only_a_crew_that_does_the_work_is_offered(session: Session) -> None:
    slots(session, 24)
    assert queries.list_slots(session, kind="SOLAR", after=NOW) == ()


def test_ending_a_request_ends_its_visit(session: Session) -> None:
    (slot,) = slots(session, 24)
    made = request(session)
    visit = operations.book_appointment(session, request_id=made.id, slot_id=slot, key="b", now=NOW)
    operations.add_update(session, request_id=made.id, note="not needed", status="CANCELLED", now=NOW)
    assert queries.get_appointment(session, appointment_id=visit.id).status == "CANCELLED"
    assert queries.get_slot(session, slot_id=slot).free == 1
    with pytest.raises(errors.Refused):
        operations.add_update(session, request_id=made.id, note="again", now=NOW)


def test_the_database_itself_refuses_a_double_booking_and_overlapping_windows(session: Session) -> None:
    (slot,) = slots(session, 24)
    crew = session.scalar(text("SELECT crew_id FROM crew_slot"))
    assert operations.open_slot(
        session, crew_id=int(crew), starts_at=NOW + 25 * HOUR, ends_at=NOW + 27 * HOUR, capacity=1
    ) is None  # fmt: skip
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(text("UPDATE crew_slot SET booked = capacity + 1 WHERE id = :id"), {"id": slot})


def test_windows_are_opened_once_in_local_hours_and_visits_reminded_once(session: Session, hub: Any) -> None:
    operations.add_crew(session, code="C1", name="C1", skills=["REPAIR"], capacity=2)
    session.commit()
    for _ in range(2):
        jobs.open_slots(hub)
    offered = queries.list_slots(session, kind="REPAIR", after=NOW, limit=200)
    zone = hub.settings.utility_timezone
    days = {periods.civil_day(s.starts_at, zone) for s in offered}
    assert {periods.local(s.starts_at, zone).hour for s in offered} == {8, 10, 13, 15}
    assert all(s.free == 2 for s in offered)
    assert "2026-11-26" not in {str(day) for day in days}  # Thanksgiving
    assert len(days) == 13  # three weeks, but for Thanksgiving and the day after, a holiday in Pennsylvania

    soonest = offered[0]
    visit = operations.book_appointment(session, request_id=request(session).id, slot_id=soonest.id, key="b", now=NOW)
    session.commit()
    for _ in range(2):
        jobs.remind_appointments(hub)
    assert [f["appointment_id"] for f in told(session, "appointment.reminder")] == [visit.id]


def test_two_people_want_the_last_window(committed_hub: Callable[..., Any]) -> None:
    hub = committed_hub()
    with hub.transaction() as session:
        (slot,) = slots(session, 24)
        wanted = [request(session, key=f"r{n}").id for n in range(6)]
    outcomes: list[str] = []

    def book(request_id: int) -> None:
        try:
            with hub.transaction() as session:
                operations.book_appointment(session, request_id=request_id, slot_id=slot, key=f"b{request_id}", now=NOW)
            outcomes.append("booked")
        except errors.Refused as exc:
            outcomes.append(exc.code)

    threads = [threading.Thread(target=book, args=(request_id,)) for request_id in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["appointment.slot_full"] * 5 + ["booked"]
