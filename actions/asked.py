"""What was wished before we had to ask who is speaking: the wish itself is two or three messages back by then."""

from typing import Any

from actions import frame

_FURTHEST = 12  # messages: a wish further back is not meant any more


def choice(ask: frame.Ask, intent: str) -> str | None:
    """This will give the choice that came with a wish: in this message, or, after a code, in the one it waited for."""
    if ask.intent != "identity_verified":
        return ask.choice
    entities = _wish(ask, intent).get("entities") or ()
    return next((str(e["value"]) for e in entities if e.get("entity") == "choice"), None)


def text(ask: frame.Ask, intent: str) -> str:
    """This will give the words of a wish: of this message, or, after a code, of the one it waited for."""
    if ask.intent != "identity_verified":
        return "" if ask.text.startswith("/") else ask.text
    said = str(_wish(ask, intent).get("text") or "")
    return "" if said.startswith("/") else said


def _wish(ask: frame.Ask, intent: str) -> dict[str, Any]:
    told = [event for event in ask.tracker.events if event.get("event") == "user"][-_FURTHEST:]
    for event in reversed(told):
        parsed = event.get("parse_data") or {}
        if (parsed.get("intent") or {}).get("name") == intent:
            return dict(parsed)
    return {}
