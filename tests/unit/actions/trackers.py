"""Trackers as the assistant sends them."""

from typing import Any

from rasa_sdk import Tracker


def tracker(
    text: str = "",
    intent: str = "",
    *,
    confidence: float = 1.0,
    entities: list[dict[str, Any]] | None = None,
    slots: dict[str, Any] | None = None,
    events: list[dict[str, Any]] | None = None,
    sender: str = "conversation-token",
    turn: str = "turn-1",
    latest_action: str = "action_listen",
) -> Tracker:
    """This will give a tracker whose latest message is `text`, understood as `intent`."""
    message = {
        "text": text,
        "intent": {"name": intent, "confidence": confidence},
        "entities": entities or [],
        "intent_ranking": [],
        "metadata": {"turn_id": turn, "locale": "en"},
    }
    return Tracker(sender, dict(slots or {}), message, list(events or []), False, None, {}, latest_action)
