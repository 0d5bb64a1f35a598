"""A vendor is down, slow, counting, or says everything twice: what is owed comes once when it is back."""

import uuid
from collections.abc import Iterator

import pytest
import requests
from twilio.request_validator import RequestValidator

from tests.stack.running import RunningStack, Sandbox, wait_for

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def all_well_again(sandbox: Sandbox) -> Iterator[None]:
    yield
    calm = {"down": "off", "slow_ms": 0, "rate_limited": False, "duplicate": False, "reorder": False}
    sandbox.post("/api/switches", **dict.fromkeys(("twilio", "hubspot"), calm))


def ask(sandbox: Sandbox, number: str, text: str = "What are your office hours?") -> None:
    sandbox.post("/api/phone/sms", **{"from": number, "text": text})


def heard(sandbox: Sandbox, number: str) -> list[str]:
    said = sandbox.get(f"/api/phone/{number}/messages", channel="sms")
    said = said if isinstance(said, list) else said["messages"]
    return [m["text"] for m in said if not m["mine"]]


def activities(stack: RunningStack, number: str) -> int:
    return int(
        stack.rows(
            "SELECT count(*) FROM crm_link l JOIN interaction n ON l.key = 'interaction-' || n.id"
            " JOIN conversation c ON c.id = n.conversation_id JOIN channel_identity i ON i.id = c.identity_id"
            " WHERE i.value = :number",
            number=number,
        )[0][0]
    )


def dead(stack: RunningStack) -> list[object]:
    return stack.rows("SELECT subscriber, last_error FROM delivery WHERE state = 'DEAD'")


@pytest.mark.parametrize("failure", [{"down": "503"}, {"down": "reset"}, {"rate_limited": True}])
def test_texts_wait_for_twilio_and_go_once(stack: RunningStack, sandbox: Sandbox, failure: dict[str, object]) -> None:
    number = f"+1555076{uuid.uuid4().int % 10000:04}"
    sandbox.post("/api/switches", twilio={"slow_ms": 0})
    form_sent = _post_straight(stack, number)  # the vendor's own webhook may be down with it
    sandbox.post("/api/switches", twilio=failure)
    wait_for(
        "a failed try to be noted",
        lambda: (
            stack.rows(
                "SELECT 1 FROM delivery WHERE subscriber LIKE '%deliver_message' AND state = 'OWED' AND attempts > 0"
            )
            or heard(sandbox, number)
        ),
        60,
    )
    sandbox.post("/api/switches", twilio={"down": "off", "rate_limited": False})
    wait_for("the text to arrive", lambda: heard(sandbox, number), 90)
    wait_for("nothing more to be owed", lambda: _owed(stack) == 0, 90)
    assert len(heard(sandbox, number)) == 1, form_sent
    assert dead(stack) == []


def test_the_crm_down_and_counting_gets_everything_once(stack: RunningStack, sandbox: Sandbox) -> None:
    number = f"+1555075{uuid.uuid4().int % 10000:04}"
    sandbox.post("/api/switches", hubspot={"down": "503"})
    ask(sandbox, number)
    wait_for("an answer although the CRM is down", lambda: heard(sandbox, number), 60)
    assert activities(stack, number) == 0
    sandbox.post("/api/switches", hubspot={"down": "off", "rate_limited": True})
    ask(sandbox, number, "What plans do you have?")
    wait_for("the second answer", lambda: len(heard(sandbox, number)) >= 2, 60)
    sandbox.post("/api/switches", hubspot={"rate_limited": False})
    wait_for("the segment to be in the CRM", lambda: activities(stack, number) == 1, 120)
    assert dead(stack) == []


def test_webhooks_told_twice_and_out_of_order_are_answered_once(stack: RunningStack, sandbox: Sandbox) -> None:
    number = f"+1555074{uuid.uuid4().int % 10000:04}"
    sandbox.post("/api/switches", twilio={"duplicate": True, "reorder": True})
    ask(sandbox, number)
    wait_for("an answer", lambda: heard(sandbox, number), 60)
    wait_for("nothing more to be owed", lambda: _owed(stack) == 0, 60)
    assert len(heard(sandbox, number)) == 1


def _post_straight(stack: RunningStack, number: str) -> str:
    secrets, sid = stack.run["environment"], "SM" + uuid.uuid4().hex
    form = {"MessageSid": sid, "From": number, "To": "+15550100200", "Body": "What are your office hours?"}
    url = f"{stack.web}/hooks/twilio/sms"
    signature = RequestValidator(secrets["TWILIO_AUTH_TOKEN"]).compute_signature(url, form)
    assert requests.post(url, data=form, headers={"X-Twilio-Signature": signature}, timeout=10).status_code == 200
    return sid


def _owed(stack: RunningStack) -> int:
    return int(stack.rows("SELECT count(*) FROM delivery WHERE state = 'OWED'")[0][0])
