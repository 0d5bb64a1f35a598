"""The telephone twin plays <Pay>: our own TwiML, keys that are kept nowhere, a token that the payment twin charges."""

from decimal import Decimal
from typing import Any

import pytest
import requests

from billing.gateways.stripe_gateway import StripeGateway
from channels.voice import parse, render
from core import errors
from core.settings import Settings
from tests.integration.sandbox.test_twilio_twin import ME, _genuine

CARD = "4242424242424242"
PLACE = render.Place(turn=3, conversation_id=12, after=7, attempt=1)
PAID = PLACE.url("paid")


@pytest.fixture
def calling(town: Any) -> tuple[dict[str, Any], str]:
    return ring(town)


def ring(town: Any, locale: str = "en") -> tuple[dict[str, Any], str]:
    settings = Settings(voice_pay_connector="Sandbox")
    place = render.Place(**{**PLACE.__dict__, "locale": locale})
    town.hub.answers = {
        "/hooks/twilio/voice": render.Call(settings).pay(Decimal("84.32"), place),
        place.url("paid"): '<Response><Gather numDigits="1"><Say>That was it.</Say></Gather></Response>',
    }
    call = requests.post(f"{town.url}/api/calls", json={"from": ME}, timeout=5).json()
    return call, f"{town.url}/api/calls/{call['call_sid']}/input"


def keys(step: str, *given: str) -> dict[str, Any]:
    call: dict[str, Any] = {}
    for digits in given:
        call = requests.post(step, json={"digits": digits} if digits else {"silence": True}, timeout=5).json()
    return call


def end(town: Any) -> dict[str, str]:
    """What the hub was told, signed."""
    posted = town.hub.wait("/hooks/twilio/voice/paid")[-1]
    assert _genuine(town, posted)
    return dict(posted.form)


def gateway(town: Any) -> StripeGateway:
    return StripeGateway(api_key=town.config.stripe_api_key, webhook_secret="", api_base=f"{town.url}/stripe")


def charge(town: Any, token: str, key: str = "phone-CA1-1") -> Any:
    return gateway(town).charge_token(token=token, amount=Decimal("84.32"), currency="USD", reference="link:7", key=key)


def test_a_card_is_typed_and_becomes_a_token(town: Any, calling: Any) -> None:
    call, step = calling
    assert call["state"] == "paying" and call["paying"] == {"for": "payment-card-number", "attempt": 1, "digits": 16}
    assert "$84.32" in call["says"][0] and "card number" in call["says"][1]
    for digits, following, words in (
        (CARD + "#", "expiration-date", "expires"),
        ("1234", "postal-code", "ZIP"),
        ("19000", "security-code", "security code"),
    ):
        call = keys(step, digits)
        assert call["paying"]["for"] == following and words in call["says"][-1]
    call = keys(step, "123")
    assert call["state"] == "gathering" and call["says"][-2:] == ["Thank you. One moment, please.", "That was it."]
    told = end(town)
    assert parse.card_of(told) == (told["PaymentToken"], "") and told["PaymentToken"].startswith("tok_")
    assert (told["PaymentCardNumber"][-4:], told["PaymentCardType"], told["SecurityCode"]) == ("4242", "visa", "xxx")
    progress = [item.form["For"] for item in town.hub.wait("/hooks/twilio/voice/pay-status", 5)]
    assert set(progress) == {
        "payment-card-number", "expiration-date", "postal-code", "security-code", "payment-processing",
    }  # fmt: skip


def test_the_digits_are_shown_sent_and_kept_nowhere(town: Any, calling: Any) -> None:
    call, step = calling
    call = keys(step, "4242", CARD, "1234", "19000", "987")
    assert [item["text"] for item in call["transcript"] if item["how"] == "keys"] == ["•" * n for n in (4, 16, 4, 5, 3)]
    town.hub.wait("/hooks/twilio/voice/pay-status", 6)
    shown = requests.get(f"{town.url}/api/calls/{call['call_sid']}", timeout=5).text
    stored = b"".join(path.read_bytes() for path in town.config.data_dir.glob("sandbox.sqlite3*"))
    assert CARD not in shown and CARD.encode() not in stored
    assert not [item.path for item in town.hub.posted if CARD.encode() in item.body or b"987" in item.form.get(
        "SecurityCode", "").encode()]  # fmt: skip


def test_the_payment_twin_charges_a_token_once(town: Any, calling: Any) -> None:
    keys(calling[1], CARD, "1234", "19000", "123")
    token = end(town)["PaymentToken"]
    first, again = charge(town, token), charge(town, token)
    assert first == again and first.status == "SUCCEEDED"
    with pytest.raises(errors.Refused, match=r"payment\.refused"):
        charge(town, token, "phone-CA1-2")


@pytest.mark.parametrize(
    ("number", "failure"),
    [("4000000000000002", "card_declined"), ("4000002500003155", "authentication_required")],
)
def test_a_declined_card_is_declined_when_it_is_charged(town: Any, calling: Any, number: str, failure: str) -> None:
    keys(calling[1], number, "1234", "19000", "123")
    charged = charge(town, end(town)["PaymentToken"])
    assert (charged.status, charged.failure_code) == ("FAILED", failure)


@pytest.mark.parametrize(
    ("typed", "came"),
    [
        (("*",), "CANCELLED"),
        ((CARD, "12*"), "CANCELLED"),
        (("4242424242424241",) * 3, "TOO_MANY_TRIES"),
        ((CARD, "1334", "0120", "1299x"), "TOO_MANY_TRIES"),
        ((CARD, "1234", "19000", "12", "1", "12345"), "TOO_MANY_TRIES"),
        (("", "", ""), "TIMEOUT"),
    ],
)
def test_other_ends(town: Any, calling: Any, typed: tuple[str, ...], came: str) -> None:
    call = keys(calling[1], *typed)
    assert parse.card_of(end(town)) == (None, came)
    assert call["says"][-1] == "That was it."


def test_a_wrong_number_is_asked_for_again_in_other_words(town: Any, calling: Any) -> None:
    call = keys(calling[1], "1")
    assert call["paying"]["attempt"] == 2 and call["says"][-2] == "Sorry, that did not work."
    wrong = town.hub.wait("/hooks/twilio/voice/pay-status", 2)
    assert [item.form.get("ErrorType") for item in wrong if item.form["Attempt"] == "2"] == ["invalid-card-number"]


def test_spanish_prompts_and_hanging_up(town: Any) -> None:
    call, step = ring(town, "es")
    assert "número de su tarjeta" in call["says"][1] and call["spoken"][1]["language"] == "es-US"
    over = requests.post(step, json={"hangup": True}, timeout=5).json()
    assert over["state"] == "ended"
    assert parse.hung_up(end(town))


def test_a_connector_that_is_unknown_or_down_fails_as_twilio_says(town: Any) -> None:
    _, step = ring(town)
    requests.post(f"{town.url}/api/switches", json={"stripe": {"down": "503"}}, timeout=5)
    keys(step, CARD, "1234", "19000", "123")
    assert (end(town)["Result"], parse.card_of(end(town))) == ("payment-connector-error", (None, "CONNECTOR"))
    town.hub.posted.clear()
    town.hub.answers["/hooks/twilio/voice"] = town.hub.answers["/hooks/twilio/voice"].replace('"Sandbox"', '"Other"')
    call = requests.post(f"{town.url}/api/calls", json={"from": ME}, timeout=5).json()
    assert end(town)["Result"] == "validation-error" and call["warnings"][0]["code"] == 64004
