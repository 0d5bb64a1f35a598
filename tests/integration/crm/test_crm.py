"""Conversations as the CRM sees them, and what people do there as the customer sees it."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import pytest
import redis
from sqlalchemy import delete, select

from core import errors, outbox, ports
from core.conversations import handoffs, queries
from core.conversations import jobs as conversation_jobs
from core.conversations.queries import Handoff
from crm_sync import hubspot, jobs, limiter, operations, web
from crm_sync import queries as crm_queries
from crm_sync.models import CrmLinkRow
from ops_admin.sandbox import crm_desk, hubspot_inbox
from ops_admin.sandbox import hubspot_records as records
from ops_admin.subscriptions import SUBSCRIPTIONS
from tests.contracts.test_hubspot import settings as real_settings
from tests.fakes import FakeCRM
from tests.integration.conversations.conftest import PHONE, World, open_customer
from tests.integration.sandbox.conftest import Town, running, town

__all__ = ["running", "town"]


@pytest.fixture
def world(hub: Any) -> World:
    hub = hub.with_(subscriptions=SUBSCRIPTIONS)
    hub.assistant.script = lambda turn: ports.Answer((ports.Reply("talk.thanks"),), intent="thanks", confidence=0.9)
    world = World(hub, *open_customer(hub))
    world.settle()
    return world


@pytest.fixture
def crm(world: World) -> FakeCRM:
    fake: FakeCRM = world.hub.crm  # type: ignore[assignment]
    fake.calls.clear()
    return fake


def settle(world: World, **by: float) -> None:
    world.hub.clock.move(**(by or {"seconds": 5}))
    outbox.drain(world.hub)


def hand_over(world: World, **by: Any) -> Handoff:
    received = world.say("I want a person", **by)
    with world.hub.transaction() as session:
        handoffs.request_handoff(
            session, conversation_id=received.conversation_id, reason="CUSTOMER_ASKED", key="h1", now=world.hub.now()
        )
    settle(world)
    return open_one(world, received.conversation_id)


def open_one(world: World, conversation_id: int) -> Handoff:
    with world.hub.transaction() as session:
        found = queries.find_open_handoff(session, conversation_id=conversation_id)
    assert found is not None
    return found


def handoff(world: World, handoff_id: int) -> Handoff:
    with world.hub.transaction() as session:
        return queries.get_handoff(session, handoff_id=handoff_id)


def do(world: World, ticket: str, kind: str, text: str | None = None, event_id: str = "e1") -> None:
    """This will be what a person does in the CRM, as the webhook tells it."""
    event = ports.StaffEvent(ticket, kind, text, world.hub.now(), event_id)
    with world.hub.transaction() as session:
        operations.receive_event(session, event=event, raw={}, now=world.hub.now())
    settle(world)


def dead(world: World) -> list[str]:
    with world.hub.transaction() as session:
        row = outbox.DeliveryRow
        return [f"{d.subscriber}: {d.last_error}" for d in session.scalars(select(row).where(row.state == "DEAD"))]


def staff_words(world: World) -> list[str]:
    return [m.text for m in world.sent() if m.kind is None]


def test_a_segment_is_one_activity_that_grows(world: World, crm: FakeCRM) -> None:
    for text in ("Hello", "What do I owe?"):
        world.say(text)
        settle(world)
    (activity,) = crm.activities.values()
    assert activity.kind == "communication" and activity.properties["hs_communication_channel_type"] == "SMS"
    assert activity.properties["body"].count("Customer:") == 2 == activity.properties["body"].count("Assistant:")
    assert "contact" not in crm.calls, "an unchanged contact is not sent again"
    before = len(crm.calls)
    world.settle()
    assert len(crm.calls) == before
    world.hub.clock.move(hours=1)
    world.say("One more thing")
    settle(world)
    assert len(crm.activities) == 2
    assert all(a.contact_id in (None, f"contact-{world.customer.number}") for a in crm.activities.values())


def test_what_is_owed_several_times_is_told_once_and_the_talk_before_it_too(world: World, crm: FakeCRM) -> None:
    world.say("Hello")
    world.hub.clock.move(hours=1)  # the talk before is told for itself, though nobody came to do it
    for text in ("What do I owe?", "And my usage?", "Thanks"):
        world.say(text)
    settle(world)
    assert crm.calls.count("activity") == len(crm.activities) == 2
    bodies = [activity.properties["body"] for activity in crm.activities.values()]
    assert [body.count("Customer:") for body in bodies] == [1, 3]


@pytest.mark.parametrize(
    ("channel", "kind"),
    [("WHATSAPP", "communication"), ("EMAIL", "email"), ("WEB", "note"), ("VOICE", "call")],
)
def test_every_channel_is_logged(world: World, crm: FakeCRM, channel: str, kind: str) -> None:
    world.say("Hello", channel=channel)
    settle(world)
    assert [a.kind for a in crm.activities.values()] == [kind]


def test_somebody_unknown_has_a_contact_of_their_own_until_they_are_known(world: World, crm: FakeCRM) -> None:
    world.say("Hello", identity="+15550109999")
    world.say("Hello", channel="EMAIL", identity="stranger@example.com")
    settle(world)
    visitors = [c for key, c in crm.contacts.items() if key.startswith("visitor-")]
    assert {c.properties.get("phone") or c.properties.get("email") for c in visitors} == {
        "+15550109999", "stranger@example.com",
    }  # fmt: skip
    assert not any("+1555" in c.key or "@" in c.key for c in visitors)


def test_a_handoff_from_asking_to_giving_back(world: World, crm: FakeCRM) -> None:
    asked = hand_over(world)
    (ticket,) = crm.tickets.values()
    assert ticket.properties["stage"] == "Waiting for agent" and ticket.contact_id == f"contact-{world.customer.number}"
    assert [n for n in crm.notes if "Reason: CUSTOMER_ASKED" in n[1] and "Maya Chen" in n[1]]
    assert crm.pushed == [(f"ticket-handoff-{asked.id}", "I want a person")]
    remote = f"ticket-handoff-{asked.id}"
    crm.people[remote] = "Priya"
    for text in ("first", "second", "third"):
        world.say(text)
    assert [text for _, text in crm.pushed] == ["I want a person", "first", "second", "third"]
    turns = len(world.turns)
    do(world, remote, "stage", "With agent", "s1")
    assert handoff(world, asked.id).status == "ACCEPTED" and "Priya" in world.sent()[-1].text
    for _ in range(3):
        do(world, remote, "reply", "We look into it", "r1")
    assert staff_words(world) == ["We look into it"] and crm.cleared == [(remote, "We look into it")]
    do(world, remote, "reply", "Done", "r2")
    assert staff_words(world) == ["We look into it", "Done"]
    do(world, remote, "stage", "Closed", "s2")
    assert handoff(world, asked.id).end_reason == "STAFF_CLOSED" and world.kinds()[-1] == "handoff.ended"
    assert len(world.turns) == turns, "while a person had the floor the assistant was not asked"
    assert ticket == crm.tickets[ticket.key], "they moved it themselves: nothing is written back"
    world.say("Thanks")
    assert world.kinds()[-1] == "talk.thanks" and dead(world) == []


def test_nobody_came_in_time(world: World, crm: FakeCRM) -> None:
    asked = hand_over(world)
    world.hub.clock.move(seconds=world.hub.settings.handoff_timeout + 1)
    conversation_jobs.expire_handoffs(world.hub)
    settle(world)
    assert world.kinds()[-1] == "handoff.timed_out"
    assert crm.tickets[f"handoff-{asked.id}"].properties == {"stage": "Returned to assistant"}
    do(world, f"ticket-handoff-{asked.id}", "reply", "Sorry, here I am now", "late")
    assert staff_words(world) == ["Sorry, here I am now"], "a person who comes late still reaches the customer"


def test_a_crm_that_was_down_is_told_everything_once(world: World, crm: FakeCRM) -> None:
    crm.down = True
    asked = hand_over(world)
    world.say("Are you there?")
    settle(world, minutes=20)
    assert crm.calls == [] and dead(world) == []
    crm.down = False
    for _ in range(4):
        settle(world, hours=1)
    assert list(crm.tickets) == [f"handoff-{asked.id}"] and dead(world) == []
    assert [text for _, text in crm.pushed] == ["I want a person", "Are you there?"]
    assert len([n for n in crm.notes if "Reason:" in n[1]]) == 1 and len(crm.activities) == 1


def test_a_ticket_told_late_does_not_call_people_to_nobody(world: World, crm: FakeCRM) -> None:
    crm.down = True
    asked = hand_over(world)
    world.hub.clock.move(seconds=world.hub.settings.handoff_timeout + 1)
    conversation_jobs.expire_handoffs(world.hub)
    crm.down = False
    settle(world, hours=1)
    settle(world, hours=1)
    assert crm.tickets[f"handoff-{asked.id}"].properties["stage"] == "Returned to assistant" and dead(world) == []


def test_answers_of_the_crm_that_are_lost_double_nothing(world: World, crm: FakeCRM) -> None:
    crm.lose_answers = 5
    hand_over(world)
    for _ in range(8):
        settle(world, minutes=10)
    assert len(crm.tickets) == 1 and [t for _, t in crm.pushed] == ["I want a person"]
    assert len([n for n in crm.notes if "Reason:" in n[1]]) == 1
    assert dead(world) == []


def test_words_that_did_not_arrive_are_told_to_who_wrote_them(world: World, crm: FakeCRM) -> None:
    asked = hand_over(world)
    world.hub.channels["SMS"].refuse = "sms.landline"  # type: ignore[attr-defined]
    do(world, f"ticket-handoff-{asked.id}", "reply", "Hello!", "r1")
    assert crm.notes[-1] == (f"ticket-handoff-{asked.id}", "NOT DELIVERED by SMS (sms.landline): Hello!")


def test_what_is_not_ours_is_nobodys_error(world: World, crm: FakeCRM) -> None:
    do(world, "987654", "stage", "Closed", "x1")
    do(world, "987654", "reply", "for another team", "x2")
    settle(world, minutes=6)
    assert dead(world) == [] and world.sent() == []


def test_polling_hears_each_reply_once(world: World, crm: FakeCRM) -> None:
    world.hub = world.hub.with_(settings=world.hub.settings.model_copy(update={"hubspot_mode": "ticket_polling"}))
    asked = hand_over(world)
    remote = f"ticket-handoff-{asked.id}"

    def standing(text: str, stamp: str) -> None:
        crm.events = [
            ports.StaffEvent(remote, "reply", text, world.hub.now(), f"{remote}:reply:{stamp}"),
            ports.StaffEvent(remote, "accepted", None, world.hub.now(), f"{remote}:accepted"),
        ]

    standing("One moment", "t1")
    jobs.poll_tickets(world.hub)
    standing("One moment", "t2")  # read again before it was emptied, and the ticket had changed elsewhere
    world.hub.clock.move(minutes=30)
    jobs.poll_tickets(world.hub)
    settle(world)
    jobs.poll_tickets(world.hub)
    settle(world)
    assert staff_words(world) == ["One moment"] and [e.kind for e in crm.events] == ["accepted"]
    standing("One moment", "t3")  # the same words, said again
    jobs.poll_tickets(world.hub)
    settle(world)
    assert staff_words(world) == ["One moment", "One moment"]
    crm.events = [ports.StaffEvent(remote, "closed", None, world.hub.now(), f"{remote}:closed")]
    jobs.poll_tickets(world.hub)
    settle(world)
    assert handoff(world, asked.id).end_reason == "STAFF_CLOSED"


def test_a_webhook_that_was_heard_is_not_read_again(world: World, crm: FakeCRM) -> None:
    asked = hand_over(world)
    remote = f"ticket-handoff-{asked.id}"
    crm.events = [ports.StaffEvent(remote, "reply", "Hello", world.hub.now(), f"{remote}:reply:t1")]
    event = ports.StaffEvent(remote, "reply", "Hello", world.hub.now(), "webhook-1")
    with world.hub.transaction() as session:
        assert operations.receive_event(session, event=event, raw={}, now=world.hub.now())
    jobs.reconcile(world.hub)  # before it is relayed
    settle(world)
    with world.hub.transaction() as session:
        sure = crm_queries.heard(
            session, ticket_id=remote, text="Hello", read_at=world.hub.now() - timedelta(minutes=1)
        )
        assert sure, "the box was read before it was emptied"
    assert staff_words(world) == ["Hello"]
    crm.events = [ports.StaffEvent(remote, "reply", "Lost on the way", world.hub.now(), f"{remote}:reply:t2")]
    jobs.reconcile(world.hub)
    settle(world)
    assert staff_words(world) == ["Hello", "Lost on the way"]


class TestWithTheTwin:
    """The whole way round: our adapter, the vendor's HTTP, its signed webhooks at our door, the customer's phone."""

    @pytest.fixture
    def talk(self, world: World, town: Town, request: pytest.FixtureRequest) -> Iterator[World]:
        town.world.switches.set({"hubspot": {"limit_per_10s": 100_000, "duplicate": True}})
        changes = {"hubspot_client_secret": town.config.hubspot_client_secret, "public_base_url": town.hub.url}
        changes |= getattr(request, "param", {})
        chosen = real_settings(town, **changes)
        world.hub.clock.at = datetime.now(UTC)
        world.hub = world.hub.with_(settings=chosen, crm=hubspot.HubSpot(chosen, take=lambda: None))
        with world.hub.transaction() as session:
            session.execute(delete(CrmLinkRow))  # what a stand-in called our things, this CRM has never heard of
        settle(world)
        yield world

    def test_what_was_deleted_there_is_written_anew(self, talk: World, town: Town) -> None:
        asked = hand_over(talk)
        (ticket,) = crm_desk.tickets(town.world)
        records.archive(town.world, "contacts", ticket["contact"]["id"])
        records.archive(town.world, "tickets", ticket["id"])
        talk.say("Still there?", external_id="more")
        for _ in range(4):
            settle(talk)
        (anew,) = crm_desk.tickets(town.world)
        assert anew["id"] != ticket["id"] and anew["contact"]["phone"] == PHONE
        assert dead(talk) == [] and handoff(talk, asked.id).status == "WAITING"

    def hear(self, world: World, town: Town) -> list[dict[str, Any]]:
        """This will carry what the twin posted to our door, and run what follows."""
        town.world.courier.drain(5)
        app = flask.Flask(__name__)
        app.register_blueprint(web.blueprint(world.hub))
        heard: list[dict[str, Any]] = []
        for posted in list(town.hub.posted):
            answer = app.test_client().post(posted.path, data=posted.body, headers=posted.headers)
            assert answer.status_code == 204, answer.status
            body = json.loads(posted.body)
            heard += body if isinstance(body, list) else [body]
        town.hub.posted.clear()
        settle(world)
        return heard

    def test_tickets(self, talk: World, town: Town) -> None:
        asked = hand_over(talk)
        assert {e["changeSource"] for e in self.hear(talk, town) if "changeSource" in e} == {"INTEGRATION"}
        assert handoff(talk, asked.id).status == "WAITING", "our own writes, echoed, are not a person's doing"
        (ticket,) = crm_desk.tickets(town.world)
        assert ticket["stage_label"] == "Waiting for agent" and ticket["contact"]["phone"] == PHONE
        crm_desk.reply(town.world, ticket["id"], "Let me see")
        for _ in range(3):  # the reply, then the echo of our emptying the box, then nothing
            self.hear(talk, town)
        assert staff_words(talk) == ["Let me see"] and handoff(talk, asked.id).staff_name == "Alex"
        assert not town.world.store.get("crm:tickets", ticket["id"])["properties"].get("hub_agent_reply")  # type: ignore[index]
        talk.say("Thank you", external_id="more")
        town.world.courier.drain(5)
        crm_desk.move(town.world, ticket["id"], "Returned to assistant")
        self.hear(talk, town)
        assert self.hear(talk, town) == [], "and nothing goes round in circles"
        assert handoff(talk, asked.id).end_reason == "STAFF_CLOSED" and dead(talk) == []
        notes = [i["body"] for i in crm_desk.timeline(town.world, "tickets", ticket["id"])]
        assert "I want a person" in notes and "Thank you" in notes

    def test_a_timeout_is_written_once(self, talk: World, town: Town) -> None:
        asked = hand_over(talk)
        talk.hub.clock.move(seconds=talk.hub.settings.handoff_timeout + 1)
        conversation_jobs.expire_handoffs(talk.hub)
        settle(talk)
        talk.hub.clock.at = datetime.now(UTC)
        self.hear(talk, town)
        (ticket,) = crm_desk.tickets(town.world)
        assert ticket["stage_label"] == "Returned to assistant"
        assert handoff(talk, asked.id).end_reason == "TIMED_OUT" and dead(talk) == []

    @pytest.mark.parametrize(
        "talk",
        [{"hubspot_mode": "custom_channel", "hubspot_channel_id": "8000", "hubspot_channel_account_id": "9000"}],
        indirect=True,
    )
    def test_threads(self, talk: World, town: Town) -> None:
        asked = hand_over(talk)
        self.hear(talk, town)
        (ticket,) = crm_desk.tickets(town.world)
        assert ticket["thread"], "the words that led here open the thread, next to the ticket"
        crm_desk.reply(town.world, ticket["id"], "Hello, Alex here")
        self.hear(talk, town)
        assert staff_words(talk) == ["Hello, Alex here"] and handoff(talk, asked.id).status == "ACCEPTED"
        talk.say("Great", external_id="more")
        said = [m["text"] for m in town.world.store.find("thread-message", "thread", ticket["thread"])]
        assert said == ["I want a person", "Hello, Alex here", "Great"]
        hubspot_inbox.close(town.world, ticket["thread"])
        self.hear(talk, town)
        assert handoff(talk, asked.id).end_reason == "STAFF_CLOSED" and dead(talk) == []


def test_the_allowance_is_shared_and_says_when_to_come_again(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    takes = [limiter.limiter(client, name="test", per_10s=3) for _ in range(2)]
    for take in (*takes, takes[0]):
        take()
    for take in takes:
        with pytest.raises(errors.Later) as full:
            take()
        assert 0.2 <= full.value.seconds <= 10
    limiter.limiter(client, name="another", per_10s=1)()
    gone = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    limiter.limiter(gone, name="test", per_10s=1)()  # without Redis the vendor's own 429 is the second line


def test_what_nobody_waits_for_leaves_room_and_stands_in_a_line(redis_url: str) -> None:
    take = limiter.limiter(redis.Redis.from_url(redis_url), name="line", per_10s=10)
    waits = []
    with limiter.unhurried():
        for _ in range(8):
            take()
        for _ in range(5):
            with pytest.raises(errors.Later) as full:
                take()
            waits.append(full.value.seconds)
    apart = [later - sooner for sooner, later in itertools.pairwise(waits)]
    assert waits[0] >= 10 and all(2.3 < each < 2.6 for each in apart), "each has a place of its own"
    for _ in range(2):  # the rest is for those who are waited for
        take()
    with pytest.raises(errors.Later) as full:
        take()
    assert full.value.seconds <= 10, "and they do not stand in the line"
