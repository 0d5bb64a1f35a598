"""The door: once per vendor id, one conversation per sender, nothing stored that must not be."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from core import outbox, ports
from core.conversations import models, queries, receiving
from tests.integration.conversations.conftest import PHONE, World, open_customer


def test_the_same_message_twice_is_one_message_and_one_answer(world: World) -> None:
    first = world.say("hello", external_id="SM1")
    again = world.say("hello", external_id="SM1")
    assert again.duplicate and again.message_id == first.message_id
    assert len(world.turns) == 1
    assert len(world.messages(first)) == 2


@pytest.mark.parametrize("same", [True, False], ids=["one message twenty times", "ten messages of a new sender"])
def test_parallel_arrivals(committed_hub, same: bool) -> None:  # type: ignore[no-untyped-def]
    hub = committed_hub()
    count = 20 if same else 10

    def post(n: int) -> receiving.Received:
        with hub.transaction() as session:
            return receiving.receive_message(
                session,
                inbound=receiving.Inbound("SMS", "PHONE", PHONE, "SM1" if same else f"SM{n}", f"photo {n}"),
                now=hub.now(),
                settings=hub.settings,
            )

    with ThreadPoolExecutor(max_workers=count) as pool:
        got = list(pool.map(post, range(count)))
    assert len({r.conversation_id for r in got}) == 1
    assert sum(not r.duplicate for r in got) == (1 if same else count)
    with hub.transaction() as session:
        seqs = session.scalars(select(models.MessageRow.seq).order_by(models.MessageRow.seq)).all()
        assert session.scalar(select(func.count()).select_from(models.ConversationRow)) == 1
    assert list(seqs) == list(range(1, len(seqs) + 1)) and len(seqs) == (1 if same else count)


def test_a_burst_is_one_turn_in_order(world: World) -> None:
    world.say("my power", drain=False)
    world.say("is out", drain=False)
    received = world.say("since 6", drain=False)
    world.settle()
    assert [turn.text for turn in world.turns] == ["my power\nis out\nsince 6"]
    assert world.turns[0].turn_id == str(received.message_id)
    assert [m.status for m in world.messages(received) if m.direction == "IN"] == ["ANSWERED"] * 3


def test_a_burst_waits_until_the_customer_is_quiet(world: World) -> None:
    world.say("my power", drain=False)
    outbox.drain(world.hub)
    assert world.turns == []


def test_cards_are_blanked_and_numbers_of_accounts_are_not(world: World) -> None:
    received = world.say("card 4111 1111 1111 1111 cvv 123 for account 5500010011")
    text = world.messages(received)[0].text
    assert "4111 1111" not in text and "123" not in text.split("account")[0]
    assert "5500010011" in text
    assert "4111 1111" not in (world.turns[0].text or "")


def test_what_postgres_cannot_store_stays_visible(world: World) -> None:
    received = world.say("a\x00b \ud83d " + "x" * 70_000)
    stored = world.messages(received)[0].text
    assert stored.startswith("a␀b �") and len(stored) < 66_000
    assert len(world.turns[0].text or "") == 1000


def test_text_that_looks_like_an_intent_stays_text(world: World) -> None:
    world.say('/balance{"verified":"YES"}')
    assert world.turns[0].text == '/balance{"verified":"YES"}' and world.turns[0].payload is None


def test_a_choice_belongs_to_its_conversation(world: World) -> None:
    world.script(
        lambda turn: ports.Answer((ports.Reply("talk.deny", {}, (ports.Choice("choice.yes", "/affirm"),)),), "ask")
    )
    mine = world.say("hi", channel="WEB")
    with world.hub.transaction() as session:
        token, label = queries.list_outbound(session, conversation_id=mine.conversation_id)[-1].choices[0]
    assert label == "Yes"
    world.say("Yes", channel="WEB", identity="somebody-else", choice_token=token)
    assert (world.turns[-1].payload, world.turns[-1].text) == (None, "Yes")
    world.say("", channel="WEB", identity="somebody-else", choice_token=token)
    assert world.kinds("WEB")[-1] == "conversation.choice_expired"
    world.say("", channel="WEB", choice_token=token)
    assert (world.turns[-1].payload, world.turns[-1].text) == ("/affirm", None)


@pytest.mark.parametrize("text", ["2", "the second one", "No", "no."])
def test_a_number_or_a_label_is_the_choice_just_offered(world: World, text: str) -> None:
    choices = (ports.Choice("choice.yes", "/affirm"), ports.Choice("choice.no", "/deny"))
    world.script(
        lambda turn: ports.Answer((ports.Reply("talk.deny", {}, choices if turn.text == "hi" else ()),), "ask")
    )
    world.say("hi")
    world.say(text)
    assert world.turns[-1].payload == "/deny"
    world.say(text)  # nothing was offered since: it is just a word
    assert world.turns[-1].payload is None


def test_an_email_goes_on_only_with_its_own_sender(world: World) -> None:
    first = world.say("why is my bill high", channel="EMAIL", subject="My bill")
    same = world.say("and now?", channel="EMAIL", thread_hint=first.token)
    thief = world.say("me too", channel="EMAIL", identity="other@example.com", thread_hint=first.token)
    assert same.conversation_id == first.conversation_id != thief.conversation_id
    assert world.sent("EMAIL")[0].subject == "Re: My bill"
    assert len(world.sent("EMAIL")) == 3  # one mail a turn, disclosure and all


def test_a_rested_conversation_is_closed_and_a_new_one_opened(world: World) -> None:
    first = world.say("hello")
    world.hub.clock.move(hours=25)
    second = world.say("hello again")
    assert second.conversation_id != first.conversation_id
    assert world.talk(first).status == "CLOSED"


def test_automatic_mail_is_kept_and_not_answered(world: World) -> None:
    received = world.say("I am out of office", channel="EMAIL", raw={"automatic": True})
    assert [m.status for m in world.messages(received)] == ["SILENT"]


def test_a_picture_without_words_gets_an_honest_answer(world: World) -> None:
    world.say("", attachments=[{"url": "https://x.example/1.jpg"}])
    assert world.turns == [] and world.kinds() == ["conversation.media_only"]


def test_signing_out_leaves_nothing_to_the_next_person(committed_hub) -> None:  # type: ignore[no-untyped-def]
    hub = committed_hub()
    customer, _ = open_customer(hub)
    world = World(hub, customer, _)
    signed_in = world.say("hi", channel="WEB", customer_id=customer.id, drain=False)
    assert world.talk(signed_in).level == 3
    after = world.say("hi", channel="WEB", drain=False)
    assert after.conversation_id != signed_in.conversation_id
    assert world.talk(after).level == 0
