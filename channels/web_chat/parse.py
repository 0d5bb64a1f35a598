"""What the widget posts, read into an `Inbound`. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from channels import edge
from core import errors
from core.conversations import operations as conversations

_CLIENT_ID = re.compile(r"[\w-]{8,64}")
_TOKEN = re.compile(r"[\w.-]{1,200}")
_FIELDS = frozenset({"text", "choice", "client_id", "locale"})


def inbound(
    body: Mapping[str, Any], *, identity: str, now: datetime, customer_id: int | None = None
) -> conversations.Inbound:
    """This will read a message: typed `text`, or the token of a quick reply as `choice`, and the widget's own id."""
    client_id, text, choice, locale = (body.get(name) for name in ("client_id", "text", "choice", "locale"))
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
        raise errors.Invalid("chat.client_id")
    if choice is not None and (not isinstance(choice, str) or not _TOKEN.fullmatch(choice)):
        raise errors.Invalid("chat.choice")
    if text is not None and not isinstance(text, str):
        raise errors.Invalid("chat.text")
    words = edge.clean(text or "")
    if not words and choice is None:
        raise errors.Invalid("chat.text")
    return conversations.Inbound(
        channel="WEB",
        identity_kind="VISITOR",
        identity=identity,
        external_id=external_id(identity, client_id),
        text=words,
        provider_ts=now,
        raw=edge.kept({k: v for k, v in body.items() if k not in _FIELDS}),
        choice_token=choice,
        client_id=client_id,
        customer_id=customer_id,
        locale=locale if isinstance(locale, str) else None,
    )


def external_id(identity: str, client_id: str) -> str:
    """This will name a message by visitor and widget, so that a retry is known and nobody can take another's id."""
    return f"{identity[:24]}:{client_id}"


def cursor(text: str | None) -> tuple[int, int]:
    """This will read where a page stands, ``<conversation>-<seq>``; (0, 0) when it has seen nothing."""
    found = re.fullmatch(r"(\d{1,18})-(\d{1,9})", text or "")
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)
