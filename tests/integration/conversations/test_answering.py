"""Turns: who has the floor, danger first, codes, and an assistant that goes away and comes back."""

import re
from datetime import datetime

import pytest

from core import errors, outbox, ports
from core.conversations import handlers, handoffs, jobs, proof, queries, summary
from tests.integration.conversations.conftest import PHONE, World


def test_the_first_answer_says_who_answers_and_only_once(world: World) -> None:
    received = world.say("hello", channel="WEB")
    world.say("thanks", channel="WEB")
    assert world.kinds("WEB") == ["conversation.disclosure", "talk.thanks", "talk.thanks"]
    assert [m.status for m in world.messages(received) if m.direction == "OUT"] == ["SENT"] * 3
    world.say("hello")
    assert len(world.sent("SMS")) == 1 and "automated" in world.sent("SMS")[0].text


def test_the_language_follows_the_customer_until_they_choose(world: World) -> None:
    received = world.say("hola, ¿cuánto debo en mi factura?", channel="WEB")
    assert world.turns[-1].locale == "es"
    with world.hub.transaction() as session:
        proof.set_locale(session, token=received.token, locale="en", now=world.hub.now())
    world.say("hola, ¿cuánto debo en mi factura?", channel="WEB")
    assert world.turns[-1].locale == "en"


def test_danger_is_answered_before_the_assistant_and_a_person_is_called(world: World) -> None:
    received = world.say("there is a downed wire sparking in my yard", channel="WEB")
    assert world.turns == []
    assert world.kinds("WEB") == ["emergency.wire"]
    assert "911" in world.sent("WEB")[0].text and "010-0911" in world.sent("WEB")[0].text
    with world.hub.transaction() as session:
        handoff = queries.find_open_handoff(session, conversation_id=received.conversation_id)
    assert handoff is not None and (handoff.reason, handoff.priority) == ("EMERGENCY", "EMERGENCY")
    world.hub.clock.move(hours=2)
    jobs.expire_handoffs(world.hub)
    assert world.talk(received).floor == "WAITING"  # nobody takes an emergency back from people


def test_down_and_back_one_apology_one_answer(world: World) -> None:
    world.hub.assistant.down = True  # type: ignore[attr-defined]
    received = world.say("what do I owe", channel="WEB")
    for _ in range(4):
        world.hub.clock.move(minutes=10)
        outbox.drain(world.hub)
    assert world.kinds("WEB") == ["system.delayed"]
    world.hub.assistant.down = False  # type: ignore[attr-defined]
    world.hub.clock.move(hours=1)
    outbox.drain(world.hub)
    assert world.kinds("WEB") == ["system.delayed", "conversation.disclosure", "talk.thanks"]
    assert [turn.turn_id for turn in world.turns] == [str(received.message_id)]


def test_a_retry_of_a_turn_asks_the_same_and_later_words_wait(world: World) -> None:
    asked: list[tuple[str, str | None]] = []

    def script(turn: ports.Turn) -> ports.Answer:
        asked.append((turn.turn_id, turn.text))
        if len(asked) == 1:
            raise errors.ProviderError("assistant.timeout")
        return ports.Answer((ports.Reply("talk.thanks"),), "x")

    world.script(script)
    world.say("first")
    world.say("second")
    world.hub.clock.move(minutes=5)
    outbox.drain(world.hub)
    assert [text for _, text in asked] == ["first", "first", "second"]
    assert asked[0][0] == asked[1][0] != asked[2][0]


def test_a_permanent_failure_apologises_and_hands_over(world: World) -> None:
    def script(turn: ports.Turn) -> ports.Answer:
        raise RuntimeError("a bug")

    world.script(script)
    received = world.say("hello", channel="WEB")
    assert world.kinds("WEB")[-1] == "system.failed"
    assert world.talk(received).floor == "WAITING"


def test_an_answer_that_cannot_be_worded_hands_over_too(world: World) -> None:
    world.script(lambda turn: ports.Answer((ports.Reply("no.such.kind"),), "x"))
    world.say("hello", channel="WEB")
    assert world.kinds("WEB")[-1] == "system.failed"


def test_answering_twice_says_nothing_twice(world: World) -> None:
    received = world.say("hello", channel="WEB")
    fact = outbox.Fact(
        0,
        "message.received",
        "",
        {"conversation_id": received.conversation_id, "message_id": received.message_id},
        world.hub.now(),
    )
    handlers.answer_message(world.hub, fact)
    assert len(world.turns) == 1 and len(world.messages(received)) == 3


# --- who speaks -------------------------------------------------------------------------------------------------------


def begin(world: World, token: str, key: str = "k1", number: str | None = "5500010011") -> proof.VerificationBegun:
    with world.hub.transaction() as session:
        begun = proof.begin_verification(
            session,
            token=token,
            account_number=number,
            contact=None,
            key=key,
            settings=world.hub.settings,
            now=world.hub.now(),
        )
    world.settle()
    return begun


def code_of(world: World) -> str:
    found = re.search(r"\b(\d{6})\b", world.sent("SMS")[-1].text)
    assert found is not None
    return found.group(1)


def test_a_code_opens_the_account_and_is_kept_nowhere(world: World) -> None:
    received = world.say("what do I owe", channel="WEB")
    with world.hub.transaction() as session, pytest.raises(errors.Refused, match=r"identity\.unverified"):
        queries.get_verified_account(session, token=received.token, now=world.hub.now())
    assert begin(world, received.token) == proof.VerificationBegun("SENT", None)
    assert begin(world, received.token).state == "SENT"  # the same key sends once
    assert len(world.sent("SMS")) == 1 and world.sent("SMS")[0].to == PHONE
    code = code_of(world)
    world.say(f"it is {code[:3]} {code[3:]}", channel="WEB")
    assert world.turns[-1].payload == "/identity_verified" and world.turns[-1].text is None
    with world.hub.transaction() as session:
        account = queries.get_verified_account(session, token=received.token, now=world.hub.now())
        speaker = queries.get_speaker(session, token=received.token, now=world.hub.now())
        everything = queries.list_customer_messages(session, customer_id=world.customer.id)
    assert account.number == "5500010011" and speaker.level == 2
    assert not any(code in f"{m.text}{m.data}" for m in everything)
    world.hub.clock.move(seconds=world.hub.settings.verified_for)
    with world.hub.transaction() as session:
        late = queries.get_speaker(session, token=received.token, now=world.hub.now())
    assert (late.level, late.customer_id, late.account_id) == (1, None, None)


def test_wrong_codes_are_counted_and_then_locked(world: World) -> None:
    received = world.say("what do I owe", channel="WEB")
    begin(world, received.token)
    wrong = "000000" if code_of(world) != "000000" else "111111"
    for _ in range(5):
        world.say(wrong, channel="WEB")
    assert world.kinds("WEB")[-5:] == ["verify.wrong"] * 4 + ["verify.locked"]
    assert "4 more tries" in world.sent("WEB")[-5].text
    assert world.sent("WEB")[-1].choices[0][1] == "Talk to a person"
    assert begin(world, received.token, "k2").state == "LOCKED"
    world.hub.clock.move(minutes=61)
    assert begin(world, received.token, "k3").state == "SENT"


def test_an_unknown_account_gets_the_same_answer(world: World) -> None:
    known, unknown = world.say("hi", channel="WEB"), world.say("hi", channel="WEB", identity="visitor-2")
    assert begin(world, known.token) == begin(world, unknown.token, "k2", "5500099999")
    assert len(world.sent("SMS")) == 1
    for _ in range(2):
        world.say("123456", channel="WEB", identity="visitor-2")
    assert world.kinds("WEB")[-2:] == ["verify.wrong"] * 2


def test_a_recognised_sender_may_know_where_the_code_went(world: World) -> None:
    received = world.say("what do I owe")
    assert begin(world, received.token, number=None).masked == "••• 1001"
    stranger = world.say("hi", channel="WEB")
    assert begin(world, stranger.token, "k2", None).state == "ASK"


# --- the floor --------------------------------------------------------------------------------------------------------


def ask_for_person(world: World, received) -> queries.Handoff:  # type: ignore[no-untyped-def]
    with world.hub.transaction() as session:
        return handoffs.request_handoff(
            session,
            conversation_id=received.conversation_id,
            reason="CUSTOMER_ASKED",
            now=world.hub.now(),
            key=f"ask:{received.message_id}",
        )


def staff_says(world: World, received, text: str, event: str) -> None:  # type: ignore[no-untyped-def]
    with world.hub.transaction() as session:
        handoffs.send_staff_message(
            session,
            conversation_id=received.conversation_id,
            text=text,
            staff_name="Ana",
            external_id=event,
            now=world.hub.now(),
        )
    world.settle()


def test_over_to_a_person_and_back(world: World) -> None:
    received = world.say("I want a person", channel="WEB")
    handoff = ask_for_person(world, received)
    assert ask_for_person(world, received).id == handoff.id
    world.say("are you there?", channel="WEB")
    staff_says(world, received, "Hello, Ana here", "e1")
    staff_says(world, received, "Hello, Ana here", "e1")
    world.say("my bill is wrong", channel="WEB")
    assert len(world.turns) == 1
    assert [m.status for m in world.messages(received) if m.direction == "IN"] == ["ANSWERED", "RELAYED", "RELAYED"]
    assert [m.text for m in world.sent("WEB")].count("Hello, Ana here") == 1
    assert world.talk(received).floor == "STAFF"
    with world.hub.transaction() as session:
        text = summary.summarise(session, handoff_id=handoff.id, now=world.hub.now())
        assert "CUSTOMER_ASKED" in text and "my bill is wrong" in text and "thanks" in text
        handoffs.close_handoff(session, handoff_id=handoff.id, end_reason="STAFF_CLOSED", now=world.hub.now())
    world.settle()
    assert world.kinds("WEB")[-1] == "handoff.ended"
    staff_says(world, received, "Hello, Ana here", "e1")  # a late replay does not take the floor
    world.say("thanks", channel="WEB")
    assert len(world.turns) == 2 and ask_for_person(world, received).status == "CLOSED"


def test_a_person_who_just_writes_has_the_floor(world: World) -> None:
    received = world.say("hello", channel="WEB")
    staff_says(world, received, "Let me help", "e1")
    world.say("please", channel="WEB")
    assert len(world.turns) == 1 and world.talk(received).floor == "STAFF"


def test_an_answer_does_not_talk_over_a_person(world: World) -> None:
    received = world.say("hello", channel="WEB")

    def script(turn: ports.Turn) -> ports.Answer:
        with world.hub.transaction() as session:
            handoffs.send_staff_message(
                session,
                conversation_id=received.conversation_id,
                text="I am here",
                staff_name="Ana",
                external_id="e9",
                now=world.hub.now(),
            )
        return ports.Answer((ports.Reply("talk.goodbye"),), "x")

    world.script(script)
    world.say("hm", channel="WEB")
    assert "talk.goodbye" not in world.kinds("WEB")


def test_nobody_came_so_the_assistant_offers_a_call_back(world: World) -> None:
    received = world.say("a person please", channel="WEB")
    ask_for_person(world, received)
    world.hub.clock.move(minutes=11)
    jobs.expire_handoffs(world.hub)
    world.settle()
    assert world.kinds("WEB")[-1] == "handoff.timed_out" and world.talk(received).floor == "BOT"
    token = world.sent("WEB")[-1].choices[0][0]
    world.say("", channel="WEB", choice_token=token)
    assert world.kinds("WEB")[-1] == "handoff.callback_booked" and "SR-" in world.sent("WEB")[-1].text
    assert len(world.turns) == 1


@pytest.mark.parametrize(
    ("at", "opens"),
    [("2026-11-23T15:00:00+00:00", None), ("2026-11-29T15:00:00+00:00", "2026-11-30T13:00:00+00:00")],
)
def test_hours_of_people(world: World, at: str, opens: str | None) -> None:
    now = datetime.fromisoformat(at)
    reply = handoffs.waiting_reply(world.hub.settings, now)
    assert reply.kind == ("handoff.out_of_hours" if opens else "handoff.waiting")
    assert not opens or reply.data["opens_at"].isoformat() == opens


def test_segments_tell_contacts_apart(world: World) -> None:
    received = world.say("hello", channel="WEB")
    world.hub.clock.move(minutes=31)
    world.say("hello", channel="WEB")
    with world.hub.transaction() as session:
        first, second = queries.list_interactions(session, conversation_id=received.conversation_id)
    assert (first.first_seq, first.last_seq, first.inbound, first.outbound) == (1, 3, 1, 2)
    assert (second.first_seq, second.last_seq) == (4, 5)
    assert first.intents == ("thanks",)
