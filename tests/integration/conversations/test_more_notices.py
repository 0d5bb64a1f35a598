"""What is told without being asked: once, where it suits, and once more elsewhere when it did not arrive."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import outbox
from core.accounts import operations as accounts
from core.accounts import queries as account_queries
from core.conversations import delivery, proof, sending
from core.conversations.house import house
from core.fieldwork import operations as fieldwork
from core.fieldwork import queries as visits
from core.outages import operations as outages
from core.outages import planning
from ops_admin.subscriptions import SUBSCRIPTIONS
from tests.integration.conversations.conftest import EMAIL, PHONE, World


@pytest.fixture
def town(world: World) -> World:
    world.hub = world.hub.with_(subscriptions=SUBSCRIPTIONS)
    return world


def told(world: World) -> list[tuple[str, str | None]]:
    return [(name, m.kind) for name in ("SMS", "EMAIL", "WHATSAPP") for m in world.sent(name)]


def record(world: World, name: str, payload: dict[str, Any]) -> None:
    with world.hub.transaction() as session:
        outbox.record_fact(session, name, key="test", payload=payload, now=world.hub.now())
    world.settle()


def visit(world: World, key: str, *, hours: int) -> visits.Appointment:
    now = world.hub.now()
    with world.hub.transaction() as session:
        crew = fieldwork.add_crew(session, code=key, name=key, skills=["REPAIR"])
        slot = fieldwork.open_slot(
            session,
            crew_id=crew,
            starts_at=now + timedelta(hours=hours),
            ends_at=now + timedelta(hours=hours + 4),
            capacity=1,
        )
        request = fieldwork.open_request(
            session, kind="REPAIR", account_id=world.account.id, customer_id=world.customer.id,
            description="Broken seal", data={}, key=key, now=now,
        )  # fmt: skip
        slot_id = slot if isinstance(slot, int) else slot.id  # type: ignore[union-attr]
        return fieldwork.book_appointment(session, request_id=request.id, slot_id=slot_id, key=f"b{key}", now=now)


def test_a_visit_from_booking_to_cancelling(town: World) -> None:
    booked = visit(town, "v1", hours=30)
    town.settle()
    assert told(town) == [("EMAIL", "notice.appointment_booked")]
    town.hub.clock.move(hours=8)
    for _ in range(2):
        with town.hub.transaction() as session:
            fieldwork.mark_reminded(session, appointment_id=booked.id, now=town.hub.now())
        town.settle()
    assert town.kinds("SMS") == ["notice.appointment_reminder"]
    for _ in range(2):
        with town.hub.transaction() as session:
            fieldwork.cancel_appointment(session, appointment_id=booked.id, key="c1", now=town.hub.now())
        town.settle()
    assert town.kinds("SMS") == ["notice.appointment_reminder", "notice.appointment_cancelled"]


def test_a_request_tells_each_state_once(town: World) -> None:
    with town.hub.transaction() as session:
        request = fieldwork.open_request(
            session, kind="TREE", account_id=town.account.id, customer_id=town.customer.id, description="Branch",
            data={}, key="r1", now=town.hub.now(),
        )  # fmt: skip
    for status, note in (("OPEN", "seen"), ("IN_PROGRESS", "a"), ("IN_PROGRESS", "b"), ("DONE", "c")):
        with town.hub.transaction() as session:
            fieldwork.add_update(session, request_id=request.id, status=status, note=note, now=town.hub.now())
        town.settle()
    assert told(town) == [("EMAIL", "notice.request_opened")] + [("EMAIL", "notice.request_updated")] * 2


def test_planned_work_is_told_to_whom_it_concerns(town: World) -> None:
    now = town.hub.now()
    with town.hub.transaction() as session:
        feeder = outages.add_feeder(session, code="F1", name="North", substation="S1", postcodes=["19000"])
        here, there = (
            outages.add_transformer(session, feeder_id=feeder, code=code, lat=Decimal(40), lon=Decimal(-75))
            for code in ("T1", "T2")
        )
        premise = accounts.add_premise(
            session, address="1 Elm St", city="Brightwater", postcode="19000", county="Delaware",
            timezone="America/New_York",
        )  # fmt: skip
        point = accounts.add_service_point(session, premise_id=premise, transformer_id=here)
        accounts.open_agreement(
            session, account_id=town.account.id, service_point_id=point, starts_on=date(2020, 1, 1), now=now
        )
        dates = {"starts_at": now + timedelta(days=3), "ends_at": now + timedelta(days=3, hours=2), "now": now}
        planning.plan_outage(session, feeder_id=feeder, transformer_id=there, reason="MAINTENANCE", **dates)
        mine = planning.plan_outage(session, feeder_id=feeder, reason="MAINTENANCE", **dates)
    town.settle()
    assert told(town) == [("SMS", "notice.outage_planned")]
    with town.hub.transaction() as session:
        planning.cancel_planned(session, planned_id=mine.id, now=town.hub.now())
    town.settle()
    assert town.kinds() == ["notice.outage_planned", "notice.outage_planned_cancelled"]


def test_changes_are_confirmed_in_writing(town: World) -> None:
    account = {"account_id": town.account.id, "customer_id": town.customer.id}
    switched = {"to_code": "RES-TOU", "from_code": "RES-FLAT", "starts_on": "2026-12-05", "exit_fee": "0.00"}
    record(town, "tariff.switched", {**account, **switched, "cooling_off_until": "2026-12-19"})
    parts = [{"due_on": "2026-12-01", "amount": "50.00"}, {"due_on": "2027-01-01", "amount": "50.00"}]
    opened = {**account, "arrangement_id": 1, "amount": "100.00", "instalments": parts}
    record(town, "arrangement.opened", opened)
    record(town, "arrangement.opened", opened)
    payment = {**account, "payment_id": 1, "amount": "80.00", "failure_code": None}
    for refunded in ("30.00", "30.00", "80.00"):
        record(town, "payment.refunded", {**payment, "refunded": refunded})
    kinds = [kind for _, kind in told(town)]
    assert kinds == ["notice.tariff_switched", "notice.arrangement_opened", *["notice.payment_refunded"] * 2]
    mails = town.sent("EMAIL")
    assert len(mails) == 4 and "Dec 19" in mails[0].text and mails[1].text.count("$50.00") == 2
    with town.hub.transaction() as session:
        accounts.record_consent(
            session, contact_value=EMAIL, customer_id=town.customer.id, channel="EMAIL", granted=False, source="test",
            now=town.hub.now(),
        )  # fmt: skip
    record(town, "payment.refunded", {**payment, "payment_id": 2, "refunded": "80.00"})
    assert town.kinds("SMS") == ["notice.payment_refunded"]


def test_a_notice_that_did_not_arrive_goes_another_way_once(town: World) -> None:
    with town.hub.transaction() as session:
        sending.notify_customer(
            session, customer_id=town.customer.id, kind="notice.payment_failed", data={"amount": "10.00"},
            purpose="SERVICE", key="n1", now=town.hub.now(), house=house(town.hub.settings), channels=("SMS",),
        )  # fmt: skip
    town.settle()
    for channel, code in (("SMS", "30003"), ("SMS", "30003"), ("EMAIL", "bounce")):
        external = f"{channel}-1"
        with town.hub.transaction() as session:
            delivery.record_delivery_status(
                session, channel=channel, external_id=external, status="UNDELIVERED", error_code=code,
                at=town.hub.now(),
            )  # fmt: skip
        town.settle()
    assert told(town) == [("SMS", "notice.payment_failed"), ("EMAIL", "notice.payment_failed")]


def test_an_answer_that_did_not_arrive_stays_where_it_was_asked(town: World) -> None:
    town.hub.channels["SMS"].refuse = "sms.landline"  # type: ignore[attr-defined]
    town.say("Hello")
    town.settle()
    assert told(town) == []


def test_a_changed_contact_is_told_where_the_customer_was(town: World) -> None:
    received = town.say("Hello")
    now = town.hub.now()

    def change(value: str) -> account_queries.ContactPoint:
        with town.hub.transaction() as session:
            return proof.change_contact(
                session, customer_id=town.customer.id, kind="PHONE", value=value, keep_others=True,
                house=house(town.hub.settings), now=town.hub.now(),
            )  # fmt: skip

    with town.hub.transaction() as session:
        proof.mark_verified(
            session, conversation_id=received.conversation_id, customer_id=town.customer.id, level=2,
            until=now + timedelta(hours=1), now=now,
        )  # fmt: skip
    change(PHONE)
    assert town.talk(received).level == 2, "the same number again changes nothing"
    change("+1 555 010 9999")
    town.settle()
    assert town.talk(received).level < 2
    (notice,) = [m for m in town.sent("SMS") if m.kind == "notice.contact_changed"]
    assert notice.to == PHONE and "9999" in notice.text and "5550109999" not in notice.text
