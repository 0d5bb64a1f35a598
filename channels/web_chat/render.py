"""Messages as the widget reads them. Words stay words: the widget sets them as text, never as markup. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from core import wording
from core.conversations import queries as talks
from core.ports import Outbound

STRINGS = (
    "title", "open", "close", "placeholder", "send", "you", "assistant", "staff", "typing", "connecting", "offline",
    "not_sent", "retry", "joined", "left", "waiting", "language", "transcript", "new_messages", "greeting",
    "choices", "too_long", "slow_down",
)  # fmt: skip


def message(said: talks.Message, locale: str) -> dict[str, Any]:
    """This will give one message as JSON: only what its reader may see."""
    mine = said.direction == "IN"
    client_id = (said.external_id or "").partition(":")[2] if mine else ""
    return {
        "id": f"{said.conversation_id}-{said.seq}",
        "seq": said.seq,
        "from": said.author.lower(),
        "name": said.staff_name,
        "text": said.text,
        "choices": [{"token": token, "label": label} for token, label in said.choices],
        "attachments": [shown for a in said.attachments if (shown := _attachment(a)) is not None],
        "locale": locale,
        "at": said.created_at.isoformat(),
        "client_id": client_id or None,
    }


def status(talk: talks.Conversation | None) -> dict[str, Any]:
    """This will give the state of the talk: who has the floor, and whether it is open."""
    if talk is None:
        return {"floor": "bot", "open": True, "locale": None}
    return {"floor": talk.floor.lower(), "open": talk.status == "OPEN", "locale": talk.locale}


def event(name: str, data: Mapping[str, Any], id: str | None = None) -> str:
    """This will write one server-sent event; JSON has no raw line ends, so the data is one line."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def strings(locale: str, house: wording.House) -> dict[str, str]:
    """This will give the widget's own words in a language."""
    return {
        name: wording.render(f"channels.chat_{name}", {}, locale=locale, medium="chat", house=house).text
        for name in STRINGS
    }


def transcript(messages: tuple[talks.Message, ...], locale: str, house: wording.House) -> str:
    """This will give a talk as plain text, one message a paragraph."""
    who = strings(locale, house)
    names = {
        "CUSTOMER": who["you"],
        "ASSISTANT": who["assistant"],
        "STAFF": who["staff"],
        "SYSTEM": house.name,
    }
    lines = [
        f"[{m.created_at:%Y-%m-%d %H:%M} UTC] {m.staff_name or names.get(m.author, m.author)}: {m.text}"
        for m in messages
    ]
    return "\n\n".join([house.name, *lines]) + "\n"


def wake(message_out: Outbound) -> str:
    """This will give the word that wakes a page: which message is new, not what it says."""
    return str(message_out.message_id)


def _attachment(kept: Mapping[str, Any]) -> dict[str, Any] | None:
    url = str(kept.get("url") or "")
    if not url.startswith(("https://", "http://", "/")) or url.startswith("//"):
        return None
    return {
        "kind": "image" if str(kept.get("content_type", "")).startswith("image/") else "file",
        "url": url,
        "name": str(kept.get("name") or ""),
    }
