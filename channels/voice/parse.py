"""What Twilio posts during a call, read into an `Inbound`. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime

from channels import edge
from core.conversations import operations as conversations

_WORDS = frozenset({"SpeechResult", "Digits", "UnstableSpeechResult", "StableSpeechResult", "TranscriptionText"})
# how Twilio writes that the number was withheld
_WITHHELD = frozenset({"", "anonymous", "unknown", "restricted", "unavailable", "private"})
_WITHHELD_NUMBERS = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})

# the keypad's main menu: what the hub itself issues for a digit, when no question is open
MENU: Mapping[str, str] = {
    "1": "/check_balance",
    "2": "/pay_bill",
    "3": "/report_outage",
    "4": "/view_usage",
    "5": "/book_appointment",
    "6": "/meter_reading",
    "0": "/talk_to_human",
}
REPEAT = "*"
LANGUAGE = "9"
PAY_NOW = "8"  # while something stands to be paid by keypad; the menu has no 8

_PAY_NOW_SAID = re.compile(
    r"(?:(?:yes|ok|okay|please|i want to|i'd like to|i would like to|can i|let me),? )*"
    r"(?:pay (?:it |this |that )?(?:now|by phone|over the phone|by card|with (?:a|my) card)(?: now| by phone)?"
    r"|(?:try |use )?another card|try (?:it )?again)(?:,? please)?"
    r"|(?:(?:sí|si|por favor|quiero|quisiera|puedo|me gustaría),? )*"
    r"(?:pagar(?:lo|la)? (?:ahora|por teléfono|por telefono|con (?:mi |una )?tarjeta)(?: ahora| por teléfono)?"
    r"|(?:usar |probar con |con )?otra tarjeta|intentar(?:lo)? (?:otra vez|de nuevo))(?:,? por favor)?",
    re.IGNORECASE,
)
# Twilio's words for how a <Pay> ended; anything else is a fault of the connector or of ours
_PAY_ENDS: Mapping[str, str] = {
    "caller-interrupted-with-star": "CANCELLED",
    "caller-hung-up": "CANCELLED",
    "too-many-failed-attempts": "TOO_MANY_TRIES",
}
_TOKEN = re.compile(r"[A-Za-z0-9_\-]{4,255}")


def caller(fields: Mapping[str, str]) -> tuple[str, str]:
    """This will say who calls: (identity kind, value). A withheld number is only the call itself."""
    number = fields.get("From", "").strip()
    if number.lower() in _WITHHELD or number in _WITHHELD_NUMBERS or not re.fullmatch(r"\+\d{5,15}", number):
        return "CALL", edge.clean(fields.get("CallSid", ""), 64)
    return "PHONE", number


def inbound(
    fields: Mapping[str, str],
    *,
    turn: int,
    now: datetime,
    locale: str,
    text: str | None = None,
    payload: str | None = None,
) -> conversations.Inbound:
    """This will make the `Inbound` of one turn of a call: what was said, or what the hub issued for a key.

    A turn is named by the call and its count, so that Twilio asking twice is one turn.
    """
    kind, value = caller(fields)
    sid = edge.clean(fields.get("CallSid", ""), 64)
    return conversations.Inbound(
        channel="VOICE",
        identity_kind=kind,
        identity=value,
        external_id=f"{sid}:{turn}",
        text=edge.clean(text or ""),
        provider_ts=now,
        raw=edge.kept(fields, without=_WORDS),
        thread_hint=sid,
        payload=payload,
        locale=locale,
    )


def said(fields: Mapping[str, str]) -> tuple[str, str]:
    """This will give what came of a Gather: (digits, speech); both empty when the caller was silent."""
    digits = re.sub(r"[^0-9*]", "", fields.get("Digits", ""))[:32]
    return digits, edge.clean(fields.get("SpeechResult", ""), 2000)


def wants_to_pay_now(text: str) -> bool:
    """This will say whether somebody who was offered it says that they pay now; only the plain words count."""
    return _PAY_NOW_SAID.fullmatch(text.strip(" .!?¡¿")) is not None


def card_of(fields: Mapping[str, str]) -> tuple[str | None, str]:
    """This will read how a <Pay> ended: (the card's token, "") or (None, why there is none).

    Of the card itself nothing is read, not even what Twilio masks. Without a result the verb ran out of tries.
    """
    result = fields.get("Result", "")
    if result == "success":
        token = fields.get("PaymentToken", "")
        return (token, "") if _TOKEN.fullmatch(token) else (None, "CONNECTOR")
    told = f"{fields.get('PaymentError', '')} {fields.get('ErrorType', '')}".lower()
    if result in ("", "too-many-failed-attempts") and "timeout" in told:
        return None, "TIMEOUT"
    if result == "payment-connector-error" and "declin" in f"{told} {fields.get('ConnectorError', '')}".lower():
        return None, "DECLINED"
    return None, _PAY_ENDS.get(result, "CONNECTOR" if result else "TOO_MANY_TRIES")


def hung_up(fields: Mapping[str, str]) -> bool:
    """This will say whether the caller is gone, so that nobody hears an answer."""
    return fields.get("Result") == "caller-hung-up"


def progress_of_pay(fields: Mapping[str, str]) -> dict[str, str]:
    """This will give what may be noted of a <Pay> under way: the step, the try and what went wrong. Never a value."""
    return {
        name.lower(): value
        for name in ("For", "Attempt", "ErrorType")
        if re.fullmatch(r"[a-z0-9\- ]{1,60}", value := fields.get(name, ""))
    }
