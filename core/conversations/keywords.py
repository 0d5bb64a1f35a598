"""The words that carriers and customers use to stop, start, and ask for help. Pure.

Only a whole message counts. CANCEL is also what one says in the middle of a dialogue: on WhatsApp, where the hub alone
decides, it then belongs to the dialogue. On SMS it always stops, because the carrier has already stopped us by then and
pretending otherwise would only lose messages.
"""

import re
from typing import Literal

STOP = frozenset(
    "stop stopall unsubscribe end quit revoke optout cancel alto parar baja".split()  # noqa: SIM905
)
START = frozenset(["start", "unstop", "yes"])
HELP = frozenset(["help", "info", "ayuda"])
_VENDOR_ANSWERS_HELP = frozenset(["help", "info"])

Meaning = Literal["STOP", "START", "HELP"]


def may_mean(text: str, *, channel: str) -> bool:
    """This will say whether a message can be a keyword at all, before anybody looks up what it means to whom."""
    return channel in ("SMS", "WHATSAPP") and len(text) <= 20 and _word(text) in STOP | START | HELP


def meaning(text: str, *, channel: str, opted_out: bool, in_dialogue: bool) -> Meaning | None:
    """This will say what a whole message means as a keyword, on SMS and WhatsApp; None when it is none."""
    if not may_mean(text, channel=channel):
        return None
    word = _word(text)
    if word in STOP:
        return None if word == "cancel" and channel == "WHATSAPP" and in_dialogue else "STOP"
    if word in START and opted_out:
        return "START"
    return "HELP" if word in HELP else None


def vendor_answers(text: str, *, channel: str, said: Meaning) -> bool:
    """This will say whether the SMS vendor answers a keyword by itself, so that the hub must not."""
    if channel != "SMS":
        return False
    return said != "HELP" or text.strip().casefold() in _VENDOR_ANSWERS_HELP


def _word(text: str) -> str:
    return re.sub(r"[\s.!\"'¡]+", "", text.casefold())
