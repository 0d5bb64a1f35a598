"""Calls with a real database: the answer comes in the same request, or the time is filled until it is there."""

import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from twilio.request_validator import RequestValidator

from channels.voice import answering, web
from core import ports, settings
from core.conversations import handlers, models
from core.conversations import operations as conversations
from core.outbox import Subscriber
from tests import fakes
from tests.conftest import FakeHub

SETTINGS = settings.Settings(twilio_auth_token="12345", public_base_url="https://hub.example")
SUBSCRIPTIONS = {"message.received": (Subscriber("answer", handlers.answer_message),)}
CALL = {"CallSid": "CA1", "From": "+15550101010", "To": "+15550100400", "CallStatus": "in-progress"}


def script(turn: ports.Turn) -> ports.Answer:
    if turn.payload == "/check_balance":
        return ports.Answer((ports.Reply("talk.thanks"),), intent="check_balance")
    if turn.payload == "/affirm":
        return ports.Answer((ports.Reply("talk.help"),))
    if turn.text == "goodbye":
        return ports.Answer((ports.Reply("talk.goodbye"),))
    choices = (ports.Choice("choice.yes", "/affirm"), ports.Choice("choice.no", "/deny"))
    return ports.Answer((ports.Reply("talk.greet", {"name": None}, choices),), intent="greet")


def set_up(hub: FakeHub) -> FakeHub:
    return hub.with_(settings=SETTINGS, subscriptions=SUBSCRIPTIONS, assistant=fakes.FakeAssistant(script=script))


@pytest.fixture
def hub(hub: FakeHub) -> FakeHub:
    return set_up(hub)


class Phone:
    """Somebody who calls: follows the actions of the TwiML as Twilio would."""

    def __init__(self, hub: FakeHub) -> None:
        app = Flask("test")
        app.register_blueprint(web.blueprint(hub))
        self._door = app.test_client()
        self.twiml = ET.Element("Response")

    def post(self, path: str, **fields: str) -> Any:
        form = {**CALL, **fields}
        signature = RequestValidator("12345").compute_signature("https://hub.example" + path, form)
        answer = self._door.post(path, data=form, headers={"X-Twilio-Signature": signature})
        if answer.mimetype == "text/xml":
            self.twiml = ET.fromstring(answer.text)
        return answer

    def ring(self) -> "Phone":
        assert self.post("/hooks/twilio/voice").status_code == 200
        return self

    def action(self) -> str:
        gather = self.twiml.find("Gather")
        assert gather is not None, ET.tostring(self.twiml)
        return str(gather.get("action"))

    def press(self, digits: str) -> "Phone":
        self.post(self.action(), Digits=digits)
        return self

    def say(self, words: str) -> "Phone":
        self.post(self.action(), SpeechResult=words, Confidence="0.9")
        return self

    @property
    def heard(self) -> str:
        return " ".join("".join(say.itertext()) for say in self.twiml.iter("Say"))


def said(session: Session) -> list[tuple[str, str | None]]:
    rows = session.scalars(
        select(models.MessageRow).where(models.MessageRow.direction == "IN").order_by(models.MessageRow.seq)
    )
    return [(row.text, row.payload) for row in rows]


def test_a_call_by_keys_alone(hub: FakeHub, session: Session) -> None:
    phone = Phone(hub).ring().press("1")
    assert "press 0 for a person" in phone.heard
    assert said(session)[0][1] == "/check_balance"
    phone.say("hello there")
    assert "Press 1 for" in phone.heard  # the choices of the answer
    phone.press("1")  # answers the question; it is not the menu's 1
    assert said(session)[2][1] in ("/affirm", None)
    assert hub.assistant.turns[-1].payload == "/affirm"  # type: ignore[attr-defined]
    phone.press("*")
    assert len(said(session)) == 3  # hearing it again says nothing new
    talk = session.scalars(select(models.ConversationRow)).one()
    assert (talk.channel, talk.thread_key) == ("VOICE", "CA1")


def test_twilio_asking_twice_is_one_turn(hub: FakeHub, session: Session) -> None:
    phone = Phone(hub).ring()
    action = phone.action()
    first = phone.post(action, SpeechResult="hello").text
    assert phone.post(action, SpeechResult="hello").text == first
    assert len(said(session)) == 1
    assert len(hub.assistant.turns) == 1  # type: ignore[attr-defined]


def test_spanish_is_one_key_away_and_stays(hub: FakeHub, session: Session) -> None:
    phone = Phone(hub).ring().press("9")
    assert "asistente automático" in phone.heard
    gather = phone.twiml.find("Gather")
    assert gather is not None
    assert gather.get("language") == "es-US"
    phone.say("hola")
    assert session.scalars(select(models.ConversationRow.locale)).one() == "es"
    assert "Oprima 1 para" in phone.heard


def test_silence_is_counted_and_ends_at_a_person(hub: FakeHub, session: Session) -> None:
    phone = Phone(hub).ring()
    for _ in range(2):
        phone.post(phone.action())
        assert "did not hear" in phone.heard
    phone.post(phone.action())
    dial = phone.twiml.find("Dial")
    assert dial is not None
    phone.post(str(dial.get("action")), DialCallStatus="no-answer")
    record = phone.twiml.find("Record")
    assert record is not None
    assert "recorded" in phone.heard
    fields = {
        "RecordingUrl": "https://api.twilio.com/rec/RE1",
        "RecordingSid": "RE1",
        "RecordingDuration": "7",
    }
    for _ in range(2):
        phone.post(str(record.get("action")), **fields)
    assert phone.twiml.find("Hangup") is not None
    (kept,) = session.scalars(select(models.MessageRow).where(models.MessageRow.direction == "IN"))
    assert kept.attachments[0]["url"] == "https://api.twilio.com/rec/RE1"
    assert len(session.scalars(select(models.HandoffRow)).all()) == 1


def test_who_waits_for_a_person_is_put_through(hub: FakeHub, session: Session) -> None:
    phone = Phone(hub).ring().say("hello")
    talk = session.scalars(select(models.ConversationRow)).one()
    conversations.request_handoff(session, conversation_id=talk.id, reason="CUSTOMER_ASKED", key="k", now=hub.now())
    session.commit()
    phone.say("a person")
    number = phone.twiml.find("Dial/Number")
    assert number is not None
    assert number.text == SETTINGS.voice_transfer_to


def test_goodbye_hangs_up(hub: FakeHub) -> None:
    phone = Phone(hub).ring().say("goodbye")
    assert phone.twiml.find("Hangup") is not None


def test_a_withheld_number_is_still_answered(hub: FakeHub, session: Session) -> None:
    phone = Phone(hub)
    phone.post("/hooks/twilio/voice", From="anonymous")
    phone.post(phone.action(), From="anonymous", SpeechResult="hello")
    assert "Press 1 for" in phone.heard
    assert session.scalars(select(models.ChannelIdentityRow.kind)).one() == "CALL"


def test_strangers_are_refused_and_our_own_bug_is_an_apology(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = Phone(hub)
    assert phone._door.post("/hooks/twilio/voice", data=CALL).status_code == 403

    def broken(*args: object, **options: object) -> None:
        raise ValueError("secret words")

    monkeypatch.setattr(conversations, "receive_message", broken)
    phone.ring().say("hello")
    assert phone.twiml.find("Dial") is not None
    assert "cannot help" in phone.heard
    assert "secret" not in ET.tostring(phone.twiml).decode()


def test_a_slow_answer_is_waited_for_with_words(
    committed_hub: Callable[..., FakeHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(answering.Answering.ready, "__kwdefaults__", {"seconds": 0.2})
    ready = threading.Event()

    def slow(turn: ports.Turn) -> ports.Answer:
        ready.wait(10)
        return script(turn)

    hub = set_up(committed_hub()).with_(assistant=fakes.FakeAssistant(script=slow))
    phone = Phone(hub).ring().say("hello")
    redirect = phone.twiml.find("Redirect")
    assert redirect is not None and redirect.text
    assert "One moment" in phone.heard
    assert urlsplit(redirect.text).path == "/hooks/twilio/voice/poll"
    ready.set()
    for _ in range(3):
        phone.post(redirect.text)
        redirect = phone.twiml.find("Redirect")
        if redirect is None or not redirect.text:
            break
    assert "Press 1 for" in phone.heard


def test_an_answer_that_never_comes_ends_at_a_person(
    committed_hub: Callable[..., FakeHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering.Answering.ready, "__kwdefaults__", {"seconds": 0.05})
    ready = threading.Event()

    def never(turn: ports.Turn) -> ports.Answer:
        ready.wait(20)
        raise AssertionError

    hub = set_up(committed_hub()).with_(assistant=fakes.FakeAssistant(script=never))
    phone = Phone(hub).ring().say("hello")
    polls = 0
    while (redirect := phone.twiml.find("Redirect")) is not None:
        polls += 1
        phone.post(str(redirect.text))
    assert 2 <= polls <= 5
    assert phone.twiml.find("Dial") is not None
    ready.set()
    phone_threads = [t for t in threading.enumerate() if t.name.startswith("voice")]
    for thread in phone_threads:
        thread.join(timeout=0.5)
