"""The assistant as the hub sees it: one HTTP call per turn to the Rasa process that owns the conversation."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from core import errors, http
from core.ports import Answer, Choice, Reply, Turn

logger = logging.getLogger(__name__)

_RETRYABLE = frozenset((408, 425, 429, 500, 502, 503, 504))


class RasaAssistant:
    """Implements core.ports.Assistant.

    With several processes, a conversation always goes to the same one (each remembers its own latest turns and keeps
    its conversations in order by itself).
    """

    def __init__(
        self,
        *,
        urls: Sequence[str],
        token: str,
        timeout: float,
        session: requests.Session | None = None,
    ) -> None:
        if not urls:
            raise ValueError("an assistant needs at least one URL")
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._timeout = (http.CONNECT_SECONDS, timeout)
        self._session = session or requests.Session()
        self._session.trust_env = False  # a private address: no proxy, and no search for one at every turn
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, turn: Turn) -> Answer:
        """This will answer one turn. ProviderError when the assistant fails, is late, or says nothing at all."""
        if (turn.text is None) == (turn.payload is None):
            raise ValueError("a turn has exactly one of text and payload")
        said = {"text": turn.text} if turn.payload is None else {"payload": turn.payload}
        body = {
            "sender": turn.conversation,
            "turn_id": turn.turn_id,
            "channel": turn.channel,
            "locale": turn.locale,
            **said,
        }
        http.leave()
        try:
            response = self._session.post(
                f"{self._url(turn.conversation)}/webhooks/hub/webhook",
                json=body,
                headers=self._headers,
                timeout=self._timeout,
            )
        except requests.Timeout as exc:
            raise errors.ProviderError("assistant.late") from exc
        except requests.RequestException as exc:
            raise errors.ProviderError("assistant.unreachable") from exc
        if response.status_code != 200:
            logger.warning("assistant_refused", extra={"status": response.status_code})
            retryable = response.status_code in _RETRYABLE
            raise errors.ProviderError("assistant.failed", retryable=retryable, status=response.status_code)
        try:
            return _answer(response.json())
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise errors.ProviderError("assistant.unreadable") from exc

    def ready(self) -> bool:
        """This will say whether every process of the assistant answers."""
        http.leave()
        try:
            return all(
                self._session.get(f"{url}/webhooks/hub/", timeout=(1.0, 2.0)).status_code == 200 for url in self._urls
            )
        except requests.RequestException:
            return False

    def _url(self, conversation: str) -> str:
        return owner(self._urls, conversation)


def owner(urls: Sequence[str], conversation: str) -> str:
    """This will give the process a conversation belongs to, by a stable hash (Python's own differs by process)."""
    number = int.from_bytes(hashlib.sha256(conversation.encode()).digest()[:8], "big")
    return urls[number % len(urls)]


def _answer(body: Mapping[str, Any]) -> Answer:
    replies = tuple(_reply(message) for message in body["messages"])
    if not replies:
        raise errors.ProviderError("assistant.silent")
    confidence = body.get("confidence")
    intent = body.get("intent")
    return Answer(
        replies=replies,
        intent=str(intent) if intent is not None else None,
        confidence=float(confidence) if confidence is not None else None,
    )


def _reply(message: Mapping[str, Any]) -> Reply:
    """What is not known here (a field of a later version) is left out, harmlessly."""
    choices = tuple(
        Choice(label=str(choice["label"]), payload=str(choice["payload"]), data=dict(choice.get("data") or {}))
        for choice in message.get("choices") or ()
    )
    return Reply(kind=str(message["kind"]), data=dict(message.get("data") or {}), choices=choices)
