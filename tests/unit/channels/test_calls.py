"""Calls: what the caller hears is well-formed, escaped, and listens in the right way."""

import xml.etree.ElementTree as ET

import pytest

from channels.voice import parse, render, speech
from tests.unit.channels.made import NOW, SETTINGS

CALL = render.Call(SETTINGS)
FIELDS = {"CallSid": "CA1", "From": "+15550101010", "To": "+15550100400"}


def spoken(xml: str) -> str:
    return " ".join("".join(say.itertext()) for say in ET.fromstring(xml).iter("Say"))


def test_the_greeting_says_what_it_is_offers_spanish_and_listens_for_both_speech_and_keys() -> None:
    xml = CALL.greet(render.Place())
    root = ET.fromstring(xml)
    gather = root.find("Gather")
    assert gather is not None
    assert "automated assistant" in spoken(xml)
    assert [say.get("language") for say in gather.iter("Say")] == ["en-US", "es-US", "en-US"]
    assert gather.get("input") == "dtmf speech"
    assert gather.get("actionOnEmptyResult") == "true"  # silence must come back to us, not fall through
    assert gather.get("language") == "en-US"
    assert gather.get("action") == "/hooks/twilio/voice/turn?n=1&s=0&l=en&a=0&q=0"


def test_every_word_is_escaped() -> None:
    nasty = 'Tom & <Hangup/> </Say><Dial>+1900</Dial> "\x00\x0b]]>'
    xml = CALL.answer((render.Spoken(nasty),), render.Place(turn=2))
    root = ET.fromstring(xml)
    assert root.find(".//Dial") is None
    assert root.find(".//Hangup") is None
    assert "<Hangup/> </Say><Dial>+1900</Dial>" in spoken(xml)


def test_speech_markup_passes_only_where_it_is_known() -> None:
    ssml = (
        'Account <say-as interpret-as="digits" onload="x">5 5</say-as>, a &amp; b &lt;c&gt;<break time="1s"/>'
        "<Dial>+1900</Dial><script>x</script> end"
    )
    xml = str(speech.say(ssml, "en"))
    root = ET.fromstring(xml)
    assert [child.tag for child in root] == ["say-as", "break"]
    assert root[0].attrib == {"interpret-as": "digits"}
    assert "".join(root.itertext()) == "Account 5 5, a & b <c>+1900x end"


@pytest.mark.parametrize(
    "markup", ["<say-as>open", "</p></p>stray", "a < b & c", "<", "&#0;", "😀 مرحبا", "x" * 10_000]
)
def test_odd_markup_still_makes_twiml(markup: str) -> None:
    ET.fromstring(CALL.answer((render.Spoken("", ssml=markup),), render.Place()))


def test_a_question_with_choices_is_answered_by_one_key() -> None:
    asked = (render.Spoken("Pay now?", labels=("Yes", "No")),)
    place = render.Place(turn=3, question=render.question_of(asked))
    xml = CALL.answer(asked, place)
    assert "Press 1 for: Yes" in spoken(xml)
    gather = ET.fromstring(xml).find("Gather")
    assert gather is not None
    assert gather.get("numDigits") == "1"
    assert "q=2" in str(gather.get("action"))


def test_a_question_for_digits_waits_for_the_pound_key() -> None:
    asked = (render.Spoken("Type the code.", kind="verify.code_sent"),)
    assert render.question_of(asked) == -1
    for kind in ("verify.ask_account", "usage.reading_ask", "billing.plan_ask_months", "forms.hint_digits"):
        assert render.question_of((render.Spoken("?", kind=kind),)) == -1, kind
    for kind in ("billing.balance_owed", "verify.locked", "tasks.x", None):
        assert render.question_of((render.Spoken(".", kind=kind),)) == 0, kind
    gather = ET.fromstring(CALL.answer(asked, render.Place(question=-1))).find("Gather")
    assert gather is not None
    assert gather.get("numDigits") is None
    assert gather.get("finishOnKey") == "#"


def test_a_place_survives_the_url_and_nonsense_is_the_start() -> None:
    place = render.Place(turn=4, silence=1, locale="es", conversation_id=12, after=7, question=-1, tries=2)
    query = dict(pair.split("=") for pair in place.url("turn").split("?")[1].split("&"))
    assert render.read_place(query, SETTINGS) == place
    odd = {"n": "x", "s": "-9", "l": "xx", "c": "--", "a": "9" * 40, "q": "99"}
    assert render.read_place(odd, SETTINGS) == render.Place(conversation_id=1, question=30)


def test_the_way_to_a_person_ends_in_a_message_with_leave_to_record() -> None:
    dial = ET.fromstring(CALL.transfer((), render.Place())).find("Dial")
    assert dial is not None
    assert dial.get("action", "").startswith("/hooks/twilio/voice/dialled?")
    nobody = render.Call(SETTINGS.model_copy(update={"voice_transfer_to": ""}))
    xml = nobody.transfer((), render.Place(locale="es"))
    root = ET.fromstring(xml)
    assert root.find("Record") is not None
    assert "grabado" in spoken(xml)
    assert [child.tag for child in root][:2] == ["Say", "Record"]


def test_a_withheld_number_is_only_a_call() -> None:
    assert parse.caller(FIELDS) == ("PHONE", "+15550101010")
    for withheld in ("", "anonymous", "+266696687", "Restricted", "sip:x@y"):
        assert parse.caller({**FIELDS, "From": withheld}) == ("CALL", "CA1")


def test_a_turn_is_named_by_call_and_count() -> None:
    inbound = parse.inbound(
        {**FIELDS, "SpeechResult": "my balance", "Confidence": "0.9"},
        turn=2,
        now=NOW,
        locale="es",
        text="my balance",
    )
    assert (inbound.external_id, inbound.thread_hint, inbound.locale) == ("CA1:2", "CA1", "es")
    assert inbound.raw["Confidence"] == "0.9"
    assert "SpeechResult" not in inbound.raw
