"""Twilio's answers, errors and texts: the JSON shapes, segment counting, opt-out words, and templates."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from flask import Response, jsonify

STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "REVOKE", "OPTOUT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
HELP_WORDS = frozenset({"HELP", "INFO"})
STOP_ANSWER = (
    "You have successfully been unsubscribed. You will not receive any more messages from this number. "
    "Reply START to resubscribe."
)
START_ANSWER = (
    "You have successfully been re-subscribed to messages from this number. Reply HELP for help. "
    "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
)
HELP_ANSWER = "Reply STOP to unsubscribe. Msg&Data Rates May Apply."

_GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_LONG = set("^{}\\[~]|€")


def _choices(number: int) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    replies = tuple((f"{{{{{2 * place}}}}}", f"{{{{{2 * place + 1}}}}}") for place in range(1, number + 1))
    return f"HX{number:032x}", "{{1}}", replies


# Approved templates that are there from the start: name -> (ContentSid, body, (title, id) of each quick reply).
# A setting that maps these names to their ids makes a hub use them.
TEMPLATES: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "notice:en": (f"HX{0xE1:032x}", "{{1}}", ()),
    "notice:es": (f"HX{0xE2:032x}", "{{1}}", ()),
    **{f"choices_{number}": _choices(number) for number in range(1, 11)},
}


def template_ids() -> dict[str, str]:
    """This will give the names of the approved templates and their ids."""
    return {name: template[0] for name, template in TEMPLATES.items()}


def error(status: int, code: int, message: str) -> Response:
    """This will give Twilio's error body."""
    answer = jsonify(
        code=code,
        message=message,
        more_info=f"https://www.twilio.com/docs/errors/{code}",
        status=status,
    )
    answer.status_code = status
    return answer


def date(at: float | None) -> str | None:
    return None if at is None else format_datetime(datetime.fromtimestamp(at, UTC))


def segments(text: str) -> int:
    """This will count SMS segments: 160/153 in GSM-7, 70/67 once one character is outside it."""
    if all(letter in _GSM or letter in _GSM_LONG for letter in text):
        length = len(text) + sum(letter in _GSM_LONG for letter in text)
        return 1 if length <= 160 else math.ceil(length / 153)
    units = len(text.encode("utf-16-le")) // 2
    return 1 if units <= 70 else math.ceil(units / 67)


def opt_out_type(text: str) -> str | None:
    """This will say whether a text is one of the carrier's words, the whole message and nothing else."""
    word = text.strip().upper()
    if word in STOP_WORDS:
        return "STOP"
    if word in START_WORDS:
        return "START"
    return "HELP" if word in HELP_WORDS else None


def fill(body: str, variables: Mapping[str, Any]) -> str:
    """This will put ContentVariables into a template's body."""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda match: str(variables.get(match.group(1), match.group(0))), body)


def message(account: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """This will word a stored message as the Messages resource."""
    uri = f"/2010-04-01/Accounts/{account}/Messages/{document['sid']}"
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": document["body"],
        "date_created": date(document["created"]),
        "date_sent": date(document.get("sent")),
        "date_updated": date(document["updated"]),
        "direction": document["direction"],
        "error_code": document.get("error_code"),
        "error_message": document.get("error_message"),
        "from": document["from"],
        "messaging_service_sid": document.get("messaging_service_sid"),
        "num_media": str(len(document.get("media", []))),
        "num_segments": str(document["segments"]),
        "price": None,
        "price_unit": "USD",
        "sid": document["sid"],
        "status": document["status"],
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": document["to"],
        "uri": f"{uri}.json",
    }


def call(account: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """This will word a stored call as the Calls resource."""
    uri = f"/2010-04-01/Accounts/{account}/Calls/{document['sid']}"
    ended = document.get("ended")
    return {
        "sid": document["sid"],
        "date_created": date(document["created"]),
        "date_updated": date(ended or document["created"]),
        "parent_call_sid": None,
        "account_sid": account,
        "to": document["to"],
        "to_formatted": document["to"],
        "from": document["from"],
        "from_formatted": document["from"],
        "phone_number_sid": "PN" + "0" * 32,
        "status": document["status"],
        "start_time": date(document["created"]),
        "end_time": date(ended),
        "duration": str(round(ended - document["created"])) if ended else None,
        "price": None,
        "price_unit": "USD",
        "direction": document["direction"],
        "answered_by": None,
        "annotation": None,
        "api_version": "2010-04-01",
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": "0",
        "trunk_sid": None,
        "uri": f"{uri}.json",
        "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
    }
