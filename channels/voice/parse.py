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
