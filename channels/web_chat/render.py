"""Messages as the widget reads them. Words stay words: the widget sets them as text, never as markup. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from core import wording
from core.conversations import hearing
from core.conversations import queries as talks
from core.ports import Outbound

STRINGS = (
    "title", "open", "close", "placeholder", "send", "you", "assistant", "staff", "typing", "connecting", "offline",
    "not_sent", "retry", "joined", "left", "waiting", "language", "transcript", "new_messages", "greeting",
    "choices", "too_long", "slow_down",
)  # fmt: skip


def message(said: hearing.Line, conversation_id: int, locale: str) -> dict[str, Any]:
    """This will give one message as JSON: only what its reader may see."""
    return {
        "id": f"{conversation_id}-{said.seq}",
        "seq": said.seq,
        "from": said.author.lower(),
        "name": said.staff_name,
        "text": said.text,
        "choices": [{"token": token, "label": label} for token, label in said.choices],
        "attachments": [shown for a in said.attachments if (shown := _attachment(a)) is not None],
        "locale": locale,
        "at": said.created_at.isoformat(),
        "client_id": said.client_id,
    }


def status(talk: hearing.Heard | None) -> dict[str, Any]:
    """This will give the state of the talk: who has the floor, and in which language it is."""
    if talk is None:
        return {"floor": "bot", "open": True, "locale": None}
    return {"floor": talk.floor.lower(), "open": True, "locale": talk.locale}


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
