"""<Pay>: Twilio's side of it, and its connector to the payment twin. The hub is told a token and what is masked.

A key that is pressed here is written down nowhere: of a card number that is complete its last four digits are kept.
"""

import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree

from ops_admin.sandbox import phones, stripe_money, stripe_tokens
from ops_admin.sandbox.stripe_page import is_card_number
from ops_admin.sandbox.world import World

Call = dict[str, Any]

_LENGTHS = {"payment-card-number": 16, "expiration-date": 4, "postal-code": 5, "security-code": 3}
_WRONG = {
    "payment-card-number": "invalid-card-number",
    "expiration-date": "invalid-date",
    "postal-code": "invalid-postal-code",
    "security-code": "invalid-security-code",
}
# the first digits of a number -> what Twilio calls the card
_BRANDS = (("4", "visa"), ("5", "mastercard"), ("2", "mastercard"), ("34", "amex"), ("37", "amex"), ("6", "discover"))


def begin(verb: ElementTree.Element, action: str) -> dict[str, Any]:
    """This will read a <Pay>: what is to be asked, and with which words."""
    steps = ["payment-card-number", "expiration-date"]
    steps += ["postal-code"] if verb.get("postalCode", "true") == "true" else []
    steps += ["security-code"] if verb.get("securityCode", "true") == "true" else []
    return {
        "action": action, "attributes": dict(verb.attrib), "steps": steps, "step": 0, "attempt": 1, "known": {},
        "prompts": [
            {
                "for": prompt.get("for", "").split(), "attempt": prompt.get("attempt", "").split(),
                "says": [(" ".join("".join(say.itertext()).split()), say.get("language", "en-US"))
                         for say in prompt.iter("Say")],
            }
            for prompt in verb.iter("Prompt")
        ],
    }  # fmt: skip


def check(world: World, call: Call) -> dict[str, str] | None:
    """This will give how a <Pay> ends that cannot begin, or None; it tells the hub what is asked first."""
    given = call["pay"]["attributes"]
    if given.get("paymentConnector", "Default") != world.config.voice_pay_connector:
        call["warnings"].append({"code": 64004, "message": "Pay: Invalid paymentConnector attribute in TwiML"})
        return {"Result": "validation-error", "PaymentError": "paymentConnector is not known", "PayErrorCode": "64004"}
    if float(given.get("chargeAmount") or 0) != 0:  # this connector only tokenises
        return {"Result": "validation-error", "PaymentError": "chargeAmount is not 0"}
    _tell(world, call)
    return None


def prompts(call: Call) -> list[tuple[str, str]]:
    """This will give the words for what is asked now, each with its language; Twilio's own where none were given."""
    pay = call["pay"]
    step = _step(pay)
    for prompt in pay["prompts"]:
        if step in prompt["for"] and (not prompt["attempt"] or str(pay["attempt"]) in prompt["attempt"]):
            return [(text, language) for text, language in prompt["says"]]
    return [(f"Please enter: {step.replace('-', ' ')}.", pay["attributes"].get("language", "en-US"))]


def view(call: Mapping[str, Any]) -> dict[str, Any]:
    """This will show what is asked for, and how many keys it takes."""
    pay = call["pay"]
    amex = pay["known"].get("PaymentCardType") == "amex"
    step = _step(pay)
    return {"for": step, "attempt": pay["attempt"], "digits": 4 if amex and step == "security-code" else _LENGTHS[step]}


def typed(world: World, call: Call, keys: str) -> dict[str, str] | None:
    """This will take what was typed for the step; gives how it all ended, or None when something is asked for next."""
    pay = call["pay"]
    if "*" in keys:
        return _ended(pay, "caller-interrupted-with-star")
    step, digits = _step(pay), keys.split("#", 1)[0]
    if not _good(world, pay, step, digits):
        wrong = _WRONG[step] if digits else "input-timeout"
        if pay["attempt"] >= int(pay["attributes"].get("maxAttempts") or 1):
            error = "input-timeout" if not digits else wrong
            return {**_ended(pay, "too-many-failed-attempts"), "PaymentError": error}
        pay["attempt"] += 1
        _tell(world, call, wrong)
        return None
    pay.update(step=pay["step"] + 1, attempt=1)
    _tell(world, call)
    return _tokenised(world, pay) if pay["step"] == len(pay["steps"]) else None


def hung_up(call: Call) -> dict[str, str]:
    """This will give how it ended when the caller put the phone down."""
    return _ended(call["pay"], "caller-hung-up")


def _step(pay: Mapping[str, Any]) -> str:
    return str(pay["steps"][pay["step"]]) if pay["step"] < len(pay["steps"]) else "payment-processing"


def _good(world: World, pay: dict[str, Any], step: str, digits: str) -> bool:
    known = pay["known"]
    if step == "payment-card-number":
        brand = next((name for first, name in _BRANDS if digits.startswith(first)), "")
        accepted = pay["attributes"].get("validCardTypes", "visa mastercard amex").split()
        if not is_card_number(digits) or brand not in accepted:
            return False
        known.update(PaymentCardNumber=f"xxxxxxxxxxxx{digits[-4:]}", PaymentCardType=brand)
        return True
    if step == "expiration-date":
        this_month = time.strftime("%y%m", time.gmtime(world.now()))
        if not re.fullmatch(r"(0[1-9]|1[0-2])[0-9]{2}", digits) or digits[2:] + digits[:2] < this_month:
            return False
        known["ExpirationDate"] = digits
        return True
    if step == "postal-code":
        known["PaymentCardPostalCode"] = digits
        return len(digits) >= int(pay["attributes"].get("minPostalCodeLength") or 1)
    known["SecurityCode"] = "x" * len(digits)
    return len(digits) == (4 if known["PaymentCardType"] == "amex" else 3)


def _tokenised(world: World, pay: Mapping[str, Any]) -> dict[str, str]:
    if world.switches.of("stripe")["down"] != "off":
        failed = {"PaymentError": "Connector could not be reached", "PayErrorCode": "64021"}
        return {**_ended(pay, "payment-connector-error"), **failed}
    last4, brand = pay["known"]["PaymentCardNumber"][-4:], pay["known"]["PaymentCardType"]
    if pay["attributes"].get("tokenType") == "payment-method":
        made = stripe_money.new_method(world, "card", last4, brand)
    else:
        made = stripe_tokens.new_token(world, last4, brand)
    return {**_ended(pay, "success"), "PaymentToken": str(made["id"])}


def _ended(pay: Mapping[str, Any], result: str) -> dict[str, str]:
    return {"Result": result, "PaymentMethod": "credit-card", **pay["known"]}


def _tell(world: World, call: Call, error: str = "") -> None:
    """The status callback: what is asked now, the try, and what was wrong."""
    pay = call["pay"]
    if not pay["attributes"].get("statusCallback"):
        return
    fields = {
        "CallSid": call["sid"], "AccountSid": world.config.twilio_account_sid, "PaymentMethod": "credit-card",
        "For": _step(pay), "Attempt": str(pay["attempt"]), "PartialResult": "true", **pay["known"],
        **({"ErrorType": error} if error else {}),
    }  # fmt: skip
    phones.post_form(world, urljoin(call["url"], pay["attributes"]["statusCallback"]), fields, f"pay {_step(pay)}")
