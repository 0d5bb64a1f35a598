"""<Pay>: what we ask of Twilio is what its page on the verb allows, and every end that the page names is understood.

https://www.twilio.com/docs/voice/twiml/pay and /pay/prompt, as of June 2026.
"""

import xml.etree.ElementTree as ET
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from channels.voice import parse, render
from tests.unit.channels.made import SETTINGS

PAYING = SETTINGS.model_copy(update={"voice_pay_connector": "Our_Stripe"})
NUMBER = str.isdigit
ALLOWED = {
    "input": {"dtmf"}.__contains__,
    "action": lambda url: url.startswith("/"),
    "statusCallback": lambda url: url.startswith("/"),
    "paymentMethod": {"credit-card", "ach-debit"}.__contains__,
    "timeout": NUMBER,
    "maxAttempts": {"1", "2", "3"}.__contains__,
    "securityCode": {"true", "false"}.__contains__,
    "postalCode": {"true", "false"}.__contains__,
    "minPostalCodeLength": NUMBER,
    "paymentConnector": bool,
    "tokenType": {"one-time", "reusable", "payment-method"}.__contains__,
    "chargeAmount": lambda amount: 0 <= float(amount) <= 1_000_000,
    "currency": str.islower,
    "language": {"en-AU", "en-CA", "en-GB", "en-IN", "en-US", "es-ES", "es-MX", "fr-CA", "fr-FR"}.__contains__,
    "validCardTypes": lambda types: (
        set(types.split())
        <= {"visa", "mastercard", "amex", "maestro", "discover", "optima", "jcb", "diners-club", "enroute"}
    ),
}
STEPS = {"payment-card-number", "expiration-date", "security-code", "postal-code"}
PLACE = render.Place(turn=3, conversation_id=12, after=7, question=2, attempt=2)


def twiml(locale: str = "en") -> ET.Element:
    place = render.Place(**{**PLACE.__dict__, "locale": locale})
    return ET.fromstring(render.Call(PAYING).pay(Decimal("1306.80"), place))


@pytest.mark.parametrize("locale", ["en", "es"])
def test_every_attribute_is_one_that_pay_takes(locale: str) -> None:
    pay = twiml(locale).find("Pay")
    assert pay is not None
    assert [name for name, value in pay.attrib.items() if name not in ALLOWED or not ALLOWED[name](value)] == []
    assert (pay.get("chargeAmount"), pay.get("tokenType")) == ("0", "one-time")  # nothing is charged there


@pytest.mark.parametrize("locale", ["en", "es"])
def test_every_step_has_its_words_at_every_try(locale: str) -> None:
    pay = twiml(locale).find("Pay")
    assert pay is not None
    asked: dict[str, set[str]] = {}
    for prompt in pay:
        assert prompt.tag == "Prompt" and {say.tag for say in prompt} == {"Say"}
        assert {say.get("language", "")[:2] for say in prompt} == {locale}
        assert not list(prompt.iter("break"))  # words alone, as the page has them
        asked.setdefault(str(prompt.get("for")), set()).update((prompt.get("attempt") or "").split())
    assert {step for step, tries in asked.items() if tries == {"1", "2", "3"}} == STEPS
    assert set(asked) - STEPS == {"payment-processing"}


def test_the_amount_is_said_and_travels_nowhere() -> None:
    root = twiml()
    pay, redirect = root.find("Pay"), root.find("Redirect")
    assert pay is not None and redirect is not None
    assert [child.tag for child in root] == ["Say", "Pay", "Redirect"]  # where it runs out of tries, it falls through
    assert "$1,306.80" in "".join(root[0].itertext())
    assert redirect.text == pay.get("action")
    url = urlsplit(str(pay.get("action")))
    assert url.path == "/hooks/twilio/voice/paid"
    assert {name: value[0] for name, value in parse_qs(url.query).items()} == {
        "n": "3", "s": "0", "l": "en", "a": "7", "q": "2", "c": "12", "p": "2",
    }  # fmt: skip
    assert not any("1306" in value or "1,306" in value for value in pay.attrib.values())


MASKED = {
    "PaymentMethod": "credit-card", "PaymentCardNumber": "xxxx-xxxxxx-x4001", "PaymentCardType": "amex",
    "ExpirationDate": "0532", "SecurityCode": "***", "PaymentCardPostalCode": "94109", "ProfileId": "cus_1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "came"),
    [
        ({**MASKED, "Result": "success", "PaymentToken": "tok_1MzXYZ"}, ("tok_1MzXYZ", "")),
        ({**MASKED, "Result": "success", "PaymentToken": "pm_1MzXYZ"}, ("pm_1MzXYZ", "")),
        ({**MASKED, "Result": "success"}, (None, "CONNECTOR")),
        ({**MASKED, "Result": "payment-connector-error", "PayErrorCode": "64001"}, (None, "CONNECTOR")),
        ({**MASKED, "Result": "payment-connector-error", "PaymentError": "card is declined"}, (None, "DECLINED")),
        ({"Result": "too-many-failed-attempts", "PaymentError": "invalid-date"}, (None, "TOO_MANY_TRIES")),
        ({"Result": "too-many-failed-attempts", "ErrorType": "input-timeout"}, (None, "TIMEOUT")),
        ({"Result": "caller-interrupted-with-star"}, (None, "CANCELLED")),
        ({"Result": "caller-hung-up"}, (None, "CANCELLED")),
        ({"Result": "validation-error", "PaymentError": "paymentAmount='-0.59'"}, (None, "CONNECTOR")),
        ({"Result": "internal-error"}, (None, "CONNECTOR")),
        ({"Result": "something-new"}, (None, "CONNECTOR")),
        ({}, (None, "TOO_MANY_TRIES")),
    ],
)
def test_every_end_is_understood(fields: dict[str, str], came: tuple[str | None, str]) -> None:
    assert parse.card_of(fields) == came


def test_of_its_progress_only_words_of_its_own_are_noted() -> None:
    noted = parse.progress_of_pay({**MASKED, "For": "postal-code", "Attempt": "1", "ErrorType": "4242 4242!"})
    assert noted == {"for": "postal-code", "attempt": "1"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Pay now.", True), ("I want to pay by phone, please.", True), ("yes, pay it now with my card", False),
        ("pay with my card", True), ("Try again", True), ("¿Puedo pagar por teléfono?", True), ("otra tarjeta", True),
        ("I do not want to pay now", False), ("can I pay now in installments", False), ("no", False), ("", False),
    ],
)  # fmt: skip
def test_only_plain_words_start_a_payment(said: str, meant: bool) -> None:
    assert parse.wants_to_pay_now(said) is meant


def test_the_key_is_offered_only_where_it_is_free() -> None:
    call = render.Call(PAYING)
    offer = render.Spoken("Pay.", kind="billing.pay_link", data={"payable": "t"})
    assert call.offers((offer,), 0) and call.offers((offer,), 7)
    assert not call.offers((offer,), 8) and not call.offers((offer,), -1)
    assert not call.offers((render.Spoken("Pay.", kind="billing.bill", data={"payable": "t"}),), 0)
    gone = render.Spoken("Paid.", kind="billing.phone_payment_failed", data={"payable": None})
    assert not call.offers((offer, gone), 0)
    assert not render.Call(SETTINGS).offers((offer,), 0)
