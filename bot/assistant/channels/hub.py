"""The assistant's only door: one turn in, one object out. No turn is ever answered by silence.

POST /webhooks/hub/webhook  {sender, text | payload, channel, locale, turn_id}
                            -> {"messages": [{"kind", "data", "choices"}], "intent", "confidence"}
POST /webhooks/hub/parse    {text, locale} -> {"intent", "confidence", "ranking", "entities"}
GET  /webhooks/hub/         health
"""

from __future__ import annotations

import asyncio
import gc
import hmac
import json
import logging
import re
from collections import OrderedDict
from typing import Any, Awaitable, Callable, Dict, List, Optional, Text, Tuple

from rasa.core.channels.channel import CollectingOutputChannel, InputChannel, UserMessage
from sanic import Blueprint, response
from sanic.request import Request
from sanic.response import HTTPResponse

from channels import failures, fastvalidate
from channels.line import Line

logger = logging.getLogger(__name__)

LONGEST_TEXT = 4000
REMEMBERED_TURNS = 2000
SLASH = "\u2215"  # looks like the slash it stands for, and starts no intent
_PAYLOAD = re.compile(r"/([a-z][a-z_]*)(\{.*\})?", re.DOTALL)

fastvalidate.install()
failures.install()


class Malformed(Exception):
    """The request cannot be read; says why. HTTP 400."""


class HubOutput(CollectingOutputChannel):
    """Collects each reply as one object."""

    async def send_response(self, recipient_id: Text, message: Dict[Text, Any]) -> None:
        await self._persist_message({key: value for key, value in message.items() if value})


class Turns:
    """The answers of the latest turns by (sender, turn_id), bounded: a retry gets the answer, not a second action."""

    def __init__(self, limit: int = REMEMBERED_TURNS) -> None:
        self._limit = limit
        self._answers: "OrderedDict[Tuple[Text, Text], asyncio.Future[Dict[Text, Any]]]" = OrderedDict()

    async def once(self, key: Tuple[Text, Text], work: Callable[[], Awaitable[Dict[Text, Any]]]) -> Dict[Text, Any]:
        """This will do the work once per key; whoever asks meanwhile waits for it. A failure is not remembered."""
        known = self._answers.get(key)
        if known is not None:
            self._answers.move_to_end(key)
            return await asyncio.shield(known)
        # a task of its own: a caller that hangs up does not stop a turn half-way
        task = asyncio.ensure_future(work())
        self._answers[key] = task
        task.add_done_callback(lambda done: self._settle(key, done))
        while len(self._answers) > self._limit:
            self._answers.popitem(last=False)
        return await asyncio.shield(task)

    def _settle(self, key: Tuple[Text, Text], done: "asyncio.Future[Dict[Text, Any]]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._answers.pop(key, None)


class HubInput(InputChannel):
    """What `credentials.yml` names."""

    @classmethod
    def name(cls) -> Text:
        return "hub"

    @classmethod
    def from_credentials(cls, credentials: Optional[Dict[Text, Any]]) -> HubInput:
        token = (credentials or {}).get("token")
        if not token or "${" in token:
            raise ValueError("the hub channel needs a token: set RASA_TOKEN")
        return cls(token)

    def __init__(self, token: Text) -> None:
        self._token = token
        self._turns = Turns()
        self._line = Line()

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        hub = Blueprint("hub_webhook", __name__)

        @hub.listener("after_server_start")
        async def keep(app: Any, loop: Any) -> None:
            # the model stays: looking through it for garbage would hold up a turn by a tenth of a second each time
            gc.collect()
            gc.freeze()

        @hub.route("/", methods=["GET"])
        async def health(request: Request) -> HTTPResponse:
            ready = bool(request.app.ctx.agent and request.app.ctx.agent.is_ready())
            return response.json({"status": "ok" if ready else "loading"}, status=200 if ready else 503)

        @hub.route("/webhook", methods=["POST"])
        async def webhook(request: Request) -> HTTPResponse:
            return await self._guarded(request, self._turn)

        @hub.route("/parse", methods=["POST"])
        async def parse(request: Request) -> HTTPResponse:
            return await self._guarded(request, self._parse)

        return hub

    async def _guarded(
        self, request: Request, answer: Callable[[Any, Dict[Text, Any]], Awaitable[Dict[Text, Any]]]
    ) -> HTTPResponse:
        if not self._allowed(request.headers.get("Authorization", "")):
            return response.json({"error": "unauthorized"}, status=401)
        agent = request.app.ctx.agent
        if not agent or not agent.is_ready():
            return response.json({"error": "not_ready"}, status=503)
        try:
            body = json.loads(request.body)
            if not isinstance(body, dict):
                raise Malformed("an object is expected")
            return response.json(await answer(agent, body))
        except (json.JSONDecodeError, UnicodeDecodeError):
            return response.json({"error": "malformed", "reason": "not JSON"}, status=400)
        except Malformed as exc:
            return response.json({"error": "malformed", "reason": str(exc)}, status=400)
        except failures.ActionFailed as exc:
            logger.error("turn_failed action=%s", exc.action)
            return response.json({"error": "action_failed", "action": exc.action}, status=502)
        except Exception as exc:  # the edge: whatever went wrong, the hub must learn that there is no answer
            logger.error("turn_failed error=%s", type(exc).__name__)
            return response.json({"error": "failed"}, status=500)

    def _allowed(self, header: Text) -> bool:
        return hmac.compare_digest(header.encode(), f"Bearer {self._token}".encode())

    async def _turn(self, agent: Any, body: Dict[Text, Any]) -> Dict[Text, Any]:
        sender, turn_id = _word(body, "sender"), _word(body, "turn_id")
        channel, locale = _word(body, "channel"), _word(body, "locale")
        text, payload = body.get("text"), body.get("payload")
        if (text is None) == (payload is None):
            raise Malformed("exactly one of text and payload is expected")
        metadata = {"locale": locale, "turn_id": turn_id, "channel": channel}
        issued = _read_payload(payload, set(agent.domain.intents)) if payload is not None else None
        said = payload if issued is not None else _plain_text(text)

        async def work() -> Dict[Text, Any]:
            output = HubOutput()
            message = UserMessage(
                said, output, sender, parse_data=issued, input_channel=channel, message_id=turn_id, metadata=metadata
            )
            async with self._line.place(channel):
                if issued is None:
                    message.parse_data = await agent.processor.parse_message(message)
                with failures.watch() as failed:
                    await agent.handle_message(message)
            if failed:
                raise failures.ActionFailed(failed[0])
            messages = [_message(item) for item in output.messages]
            messages = [item for item in messages if item]
            if not messages:
                raise failures.ActionFailed("none")
            intent = message.parse_data["intent"]
            return {"messages": messages, "intent": intent["name"], "confidence": float(intent["confidence"])}

        return await self._turns.once((sender, turn_id), work)

    async def _parse(self, agent: Any, body: Dict[Text, Any]) -> Dict[Text, Any]:
        said = _plain_text(body.get("text"))
        metadata = {"locale": str(body.get("locale") or "en")}
        read = await agent.processor.parse_message(UserMessage(said, metadata=metadata))
        return {
            "intent": read["intent"]["name"],
            "confidence": float(read["intent"]["confidence"]),
            "ranking": read.get("intent_ranking", []),
            "entities": read.get("entities", []),
        }


def _word(body: Dict[Text, Any], name: Text) -> Text:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise Malformed(f"{name} is expected")
    return value


def _plain_text(text: Any) -> Text:
    """A customer's words stay words: nothing in them can name an intent, an entity or a slot."""
    if not isinstance(text, str):
        raise Malformed("text is expected")
    text = "".join(c for c in text if c in "\n\t" or c >= " ").strip()[:LONGEST_TEXT]
    return re.sub(r"^/", SLASH, text)


def _read_payload(payload: Any, intents: Any) -> Dict[Text, Any]:
    """A payload was issued by the hub; it is read here, strictly, and not by the language model."""
    found = _PAYLOAD.fullmatch(payload) if isinstance(payload, str) else None
    if not found or found[1] not in intents:
        raise Malformed("unknown payload")
    try:
        values = json.loads(found[2] or "{}")
    except json.JSONDecodeError as exc:
        raise Malformed("unknown payload") from exc
    entities: List[Dict[Text, Any]] = [
        {"entity": name, "value": value, "start": 0, "end": len(payload), "extractor": "payload"}
        for name, value in values.items()
    ]
    intent = {"name": found[1], "confidence": 1.0}
    return {"text": payload, "intent": intent, "entities": entities, "intent_ranking": [intent]}


def _message(item: Dict[Text, Any]) -> Optional[Dict[Text, Any]]:
    """One reply as the hub reads it; what an action says travels in `custom`."""
    said = item.get("custom")
    if not isinstance(said, dict) or not said.get("kind"):
        return None
    return {"kind": said["kind"], "data": said.get("data") or {}, "choices": said.get("choices") or []}
