from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from ops_admin.sandbox import twilio_shapes as shapes

ME = "+15550101001"


class Rebased(TwilioHttpClient):  # type: ignore[misc]
    def __init__(self, base: str) -> None:
        super().__init__(timeout=5, max_retries=0)
        self.base = base

    def request(self, method: str, url: str, *args: Any, **more: Any) -> Any:
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return super().request(method, f"{self.base}/twilio/{parts.hostname}{parts.path}{query}", *args, **more)


@pytest.fixture
def client(town: Any) -> Any:
    client = Client(town.config.twilio_account_sid, town.config.twilio_auth_token, http_client=Rebased(town.url))
    yield client
    client.http_client.session and client.http_client.session.close()


def _genuine(town: Any, posted: Any) -> bool:
    validator = RequestValidator(town.config.twilio_auth_token)
    return bool(validator.validate(posted.url, posted.form, posted.headers["X-Twilio-Signature"]))


def test_a_message_is_sent_listed_and_its_statuses_are_signed(town: Any, client: Any) -> None:
    callback = f"{town.hub.url}/hooks/twilio/status?m=1"
    sent = client.messages.create(to=ME, from_=town.config.sms_from, body="Hi", status_callback=callback)
    assert (sent.status, sent.direction, sent.num_segments) == ("queued", "outbound-api", "1")
    posted = town.hub.wait("/hooks/twilio/status", 3)
    assert {item.form["MessageStatus"] for item in posted} == {"queued", "sent", "delivered"}
    assert all(_genuine(town, item) for item in posted)
    found = client.messages.list(to=ME, date_sent_after=datetime.now(UTC) - timedelta(minutes=1))
    assert [(item.sid, item.status) for item in found] == [(sent.sid, "delivered")]
    assert client.messages.list(to=ME, date_sent_after=datetime.now(UTC) + timedelta(hours=1)) == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"to": "12"}, 21211), ({"from_": "+15550109999"}, 21606), ({"body": "x" * 1601}, 21617), ({"body": ""}, 21619)],
)
def test_what_twilio_refuses(town: Any, client: Any, wrong: dict[str, str], code: int) -> None:
    with pytest.raises(TwilioRestException) as refusal:
        client.messages.create(**{"to": ME, "from_": town.config.sms_from, "body": "Hi", **wrong})
    assert (refusal.value.status, refusal.value.code) == (400, code)


def test_a_wrong_token_is_refused(town: Any) -> None:
    url = f"{town.url}/twilio/api.twilio.com/2010-04-01/Accounts/{town.config.twilio_account_sid}/Messages.json"
    assert requests.get(url, auth=(town.config.twilio_account_sid, "wrong"), timeout=5).status_code == 401


def test_stop_is_answered_by_the_carrier_and_forwarded(town: Any, client: Any) -> None:
    requests.post(f"{town.url}/api/phone/sms", json={"from": ME, "text": " Stop "}, timeout=5)
    (posted,) = town.hub.wait("/hooks/twilio/sms")
    assert posted.form["OptOutType"] == "STOP" and _genuine(town, posted)
    assert posted.headers["I-Twilio-Idempotency-Token"]
    with pytest.raises(TwilioRestException) as refusal:
        client.messages.create(to=ME, from_=town.config.sms_from, body="Hi")
    assert refusal.value.code == 21610
    shown = requests.get(f"{town.url}/api/phone/{ME}/messages", timeout=5).json()["messages"]
    assert [item["carrier"] for item in shown] == [False, True]
    requests.post(f"{town.url}/api/phone/sms", json={"from": ME, "text": "START"}, timeout=5)
    assert client.messages.create(to=ME, from_=town.config.sms_from, body="Hi").sid


def test_whatsapp_outside_the_window_fails_later_with_63016(town: Any, client: Any) -> None:
    send = {"to": f"whatsapp:{ME}", "from_": town.config.whatsapp_from, "body": "Hi"}
    callback = f"{town.hub.url}/hooks/twilio/status"
    assert client.messages.create(**send, status_callback=callback).status == "queued"
    town.hub.wait("/hooks/twilio/status", match=lambda item: item.form.get("ErrorCode") == "63016")
    requests.post(f"{town.url}/api/phone/whatsapp", json={"from": ME, "text": "Hola"}, timeout=5)
    (posted,) = town.hub.wait("/hooks/twilio/whatsapp")
    assert (posted.form["From"], posted.form["ProfileName"]) == (f"whatsapp:{ME}", "Maya Chen")
    assert _genuine(town, posted)
    client.messages.create(**send, status_callback=callback)
    town.hub.wait("/hooks/twilio/status", match=lambda item: item.form["MessageStatus"] == "delivered")
    requests.post(f"{town.url}/api/phone/{ME}/window", json={"hours_ago": 25}, timeout=5)
    template = client.messages.create(
        to=send["to"],
        from_=send["from_"],
        content_sid=shapes.template_ids()["notice:en"],
        content_variables='{"1":"A: B"}',
    )
    assert template.body == "A: B"


def test_a_template_button_comes_back_with_its_payload(town: Any, client: Any) -> None:
    requests.post(f"{town.url}/api/phone/whatsapp", json={"from": ME, "text": "Hola"}, timeout=5)
    content = requests.post(
        f"{town.url}/twilio/content.twilio.com/v1/Content", timeout=5,
        auth=(town.config.twilio_account_sid, town.config.twilio_auth_token),
        json={"language": "en", "types": {"twilio/quick-reply": {
            "body": "{{1}}", "actions": [{"type": "QUICK_REPLY", "title": "Yes", "id": "{{2}}"}]}}},
    ).json()  # fmt: skip
    client.messages.create(
        to=f"whatsapp:{ME}", from_=town.config.whatsapp_from, content_sid=content["sid"],
        content_variables='{"1": "Sure?", "2": "tok-1"}',
    )  # fmt: skip
    requests.post(f"{town.url}/api/phone/whatsapp", json={"from": ME, "choice": 1}, timeout=5)
    posted = town.hub.wait("/hooks/twilio/whatsapp", 2)[-1]
    assert (posted.form["Body"], posted.form["ButtonPayload"]) == ("Yes", "tok-1")


def test_a_call_is_walked_verb_by_verb(town: Any) -> None:
    gather = (
        '<Response><Gather input="dtmf speech" numDigits="1" action="/hooks/twilio/voice/turn?n=1">'
        "<Say>Press <break/>one.</Say></Gather><Say>I heard nothing.</Say>"
        '<Dial action="/hooks/twilio/voice/dial">+15550100500</Dial></Response>'
    )
    town.hub.answers = {
        "/hooks/twilio/voice": gather,
        "/hooks/twilio/voice/turn?n=1": "<Response><Say>Thanks &amp; bye</Say>"
        "<Redirect>/hooks/twilio/voice</Redirect></Response>",
        "/hooks/twilio/voice/dial": "<Response><Say>Nobody is free.</Say><Hangup/></Response>",
    }
    requests.post(f"{town.url}/api/switches", json={"twilio": {"agent_answers": False}}, timeout=5)
    call = requests.post(f"{town.url}/api/calls", json={"from": ME}, timeout=5).json()
    assert call["says"] == ["Press one."] and call["gathering"]["num_digits"] == 1
    step = f"{town.url}/api/calls/{call['call_sid']}/input"
    heard = requests.post(step, json={"digits": "19"}, timeout=5).json()
    assert heard["says"] == ["Thanks & bye", "Press one."]
    (turn,) = town.hub.wait("/hooks/twilio/voice/turn")
    assert turn.form["Digits"] == "1" and _genuine(town, turn)
    over = requests.post(step, json={"silence": True}, timeout=5).json()
    assert over["status"] == "completed" and over["says"][0] == "I heard nothing." and "Nobody is free." in over["says"]
    assert town.hub.wait("/hooks/twilio/voice/dial")[0].form["DialCallStatus"] == "no-answer"
    assert town.hub.wait("/hooks/twilio/voice/status")[0].form["CallStatus"] == "completed"


def test_a_broken_hub_is_heard_as_an_application_error(town: Any) -> None:
    town.hub.refuse["/hooks/twilio/voice"] = [500]
    call = requests.post(f"{town.url}/api/calls", json={"from": ME}, timeout=5).json()
    assert call["status"] == "completed" and "application error" in call["says"][0]


def test_switches_slow_down_refuse_and_double(town: Any, client: Any) -> None:
    requests.post(f"{town.url}/api/switches", json={"twilio": {"down": "503"}}, timeout=5)
    with pytest.raises(TwilioRestException) as refusal:
        client.messages.create(to=ME, from_=town.config.sms_from, body="Hi")
    assert refusal.value.status == 503
    requests.post(f"{town.url}/api/switches", json={"twilio": {"down": "off", "duplicate": True}}, timeout=5)
    requests.post(f"{town.url}/api/phone/sms", json={"from": ME, "text": "twice"}, timeout=5)
    twice = town.hub.wait("/hooks/twilio/sms", 2)
    assert len({item.form["MessageSid"] for item in twice}) == 1
    assert len({item.headers["I-Twilio-Idempotency-Token"] for item in twice}) == 1
    wrong = requests.post(f"{town.url}/api/switches", json={"twilio": {"dwn": "503"}}, timeout=5)
    assert wrong.status_code == 400


def test_a_cut_line_is_an_unknown_outcome_that_can_be_looked_up(town: Any, client: Any) -> None:
    requests.post(f"{town.url}/api/switches", json={"twilio": {"lost_answer": True}}, timeout=5)
    with pytest.raises((requests.ConnectionError, TwilioRestException)):
        client.messages.create(to=ME, from_=town.config.sms_from, body="Did it go?")
    requests.post(f"{town.url}/api/switches", json={"twilio": {"lost_answer": False}}, timeout=5)
    assert [item.body for item in client.messages.list(to=ME)] == ["Did it go?"]
