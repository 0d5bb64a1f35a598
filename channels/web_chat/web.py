"""The chat's small API: a session, messages in, messages out as a stream that resumes, and the widget's one file."""

import hashlib
import pathlib
import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Request, Response, jsonify, request
from werkzeug.exceptions import TooManyRequests

from channels import edge
from channels.web_chat import limits, parse, render, visitors, wakeups
from core import errors, log
from core.conversations import hearing
from core.conversations import operations as conversations
from core.conversations import queries as talks
from core.hub import Hub

logger = log.get(__name__)

HEARTBEAT_SECONDS = 15.0
_STREAM_BEATS = 40  # about ten minutes: then the page comes back with its cursor, and the thread is free
_WIDGET = pathlib.Path(__file__).parent / "static" / "widget.js"
SignedIn = Callable[[Request], int | None]


def blueprint(hub: Hub, wakes: wakeups.Wakeups, signed_in: SignedIn | None = None) -> Blueprint:
    """This will give /chat/*. `signed_in` tells the customer behind a same-site request, where a portal knows."""
    door = edge.guard(Blueprint("web_chat", __name__), limit=64 * edge.KILOBYTE)
    desk = _Desk(hub, wakes, signed_in)
    door.before_request(desk.check_origin)
    door.after_request(desk.allow_origin)

    @door.get("/chat/widget.js")
    def widget() -> Response:
        source = _WIDGET.read_bytes()
        response = Response(source, mimetype="text/javascript")
        response.headers["Cache-Control"] = "public, max-age=300"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.set_etag(hashlib.sha256(source).hexdigest()[:32])
        response.make_conditional(request)
        return response

    @door.post("/chat/sessions")
    def open_session() -> Response:
        body = edge.json_body()
        desk.spend(desk.openings, request.remote_addr or "")
        return desk.open_session(body)

    @door.post("/chat/messages")
    def write() -> Response:
        identity = desk.visitor()
        desk.spend(desk.writings, identity)
        body = edge.json_body()
        if body.get("locale") is not None:
            body["locale"] = edge.known_locale(hub.settings, str(body["locale"]))
        inbound = parse.inbound(body, identity=identity, now=hub.now(), customer_id=desk.customer())
        with hub.transaction() as session:
            received = conversations.receive_message(session, inbound=inbound, now=hub.now(), settings=hub.settings)
        if received.floor != "BOT":  # else the assistant's answer wakes the visitor's other pages as well
            wakes.publish(visitors.topic(identity), str(received.message_id))
        message_id = f"{received.conversation_id}-{received.seq}"
        response = jsonify(id=message_id, duplicate=received.duplicate, text=received.text)
        response.status_code = 200 if received.duplicate else 202
        return response

    @door.get("/chat/messages")
    def read() -> Response:
        feed = desk.feed(desk.visitor(), parse.cursor(request.args.get("after")))
        response = jsonify(messages=feed.messages, status=feed.status)
        response.headers["Cache-Control"] = "no-store"
        return response

    @door.get("/chat/events")
    def events() -> Response:
        identity = desk.visitor()
        at = parse.cursor(request.headers.get("Last-Event-ID") or request.args.get("after"))
        response = Response(desk.stream(identity, at), mimetype="text/event-stream")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"
        return response

    @door.post("/chat/locale")
    def speak() -> Response:
        identity = desk.visitor()
        locale = edge.known_locale(hub.settings, str(edge.json_body().get("locale") or ""))
        with hub.transaction() as session:
            talk = desk.talk(session, identity)
            if talk is not None:
                conversations.set_locale(session, token=talk.token, locale=locale, now=hub.now())
        return jsonify(locale=locale, strings=render.strings(locale, edge.house(hub.settings)))

    @door.get("/chat/transcript")
    def transcript() -> Response:
        identity = desk.visitor()
        with hub.transaction() as session:
            talk = desk.talk(session, identity)
            said = talks.transcript(session, conversation_id=talk.id) if talk else ()
        locale = talk.locale if talk else hub.settings.default_locale
        response = Response(render.transcript(said, locale, edge.house(hub.settings)), mimetype="text/plain")
        response.headers["Content-Disposition"] = 'attachment; filename="conversation.txt"'
        response.headers["Cache-Control"] = "no-store"
        return response

    return door


@dataclass(frozen=True)
class _Feed:
    cursor: tuple[int, int]
    messages: list[dict[str, Any]]
    status: dict[str, Any]


class _Desk:
    """What the routes share."""

    def __init__(self, hub: Hub, wakes: wakeups.Wakeups, signed_in: SignedIn | None) -> None:
        self.hub = hub
        self.wakes = wakes
        self._signed_in = signed_in
        self.openings = limits.TokenBucket(wakes.redis, "chat-open", most=60, per_second=1.0)
        self.writings = limits.TokenBucket(wakes.redis, "chat-write", most=20, per_second=1.0)

    def check_origin(self) -> None:
        """This will refuse a page of a site that is not on the list: cookies would otherwise speak for the visitor."""
        origin = request.headers.get("Origin")
        if origin is None:
            if request.method == "POST" and request.headers.get("Sec-Fetch-Site") not in (
                None,
                "same-origin",
                "none",
            ):
                raise errors.Refused("chat.origin")
            return
        if request.endpoint != "web_chat.widget" and not self._known(origin):
            raise errors.Refused("chat.origin")

    def allow_origin(self, response: Response) -> Response:
        origin = request.headers.get("Origin")
        response.headers.add("Vary", "Origin")
        if origin and self._known(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Last-Event-ID"
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
            response.headers["Access-Control-Max-Age"] = "600"
        return response

    def visitor(self) -> str:
        """This will give the visitor's identity, from the token shown or the cookie; Refused when there is none."""
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        token = shown.strip() if scheme.lower() == "bearer" else request.cookies.get(visitors.COOKIE)
        identity = visitors.identity(self.hub.settings.secret_key, token)
        if identity is None:
            raise errors.Refused("chat.session")
        return identity

    def customer(self) -> int | None:
        """This will give the customer who is signed in on our own site; never for a page of another."""
        origin = request.headers.get("Origin")
        if self._signed_in is None or (origin is not None and origin != self._own()):
            return None
        return self._signed_in(request)

    def spend(self, bucket: limits.TokenBucket, who: str) -> None:
        if (seconds := bucket.wait(who)) > 0:
            raise TooManyRequests(retry_after=seconds)

    def open_session(self, body: dict[str, Any]) -> Response:
        """This will give a token (kept from before when it is ours), the widget's words, and its languages."""
        settings = self.hub.settings
        shown = body.get("token") if isinstance(body.get("token"), str) else request.cookies.get(visitors.COOKIE)
        token = str(shown) if visitors.identity(settings.secret_key, shown) else visitors.new(settings.secret_key)
        locale = edge.known_locale(settings, str(body.get("locale") or ""))
        response = jsonify(
            token=token,
            locale=locale,
            locales=list(settings.locales),
            strings=render.strings(locale, edge.house(settings)),
            links=[settings.public_base_url.rstrip("/")],
            utility=settings.utility_name,
        )
        secure = settings.public_base_url.startswith("https://")
        response.set_cookie(
            visitors.COOKIE,
            token,
            max_age=30 * 86400,
            httponly=True,
            secure=secure,
            samesite="Lax",
            path="/chat",
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    def talk(self, session: Any, identity: str) -> talks.Conversation | None:
        return talks.find_open_conversation(
            session, channel="WEB", identity_kind="VISITOR", identity=identity, now=self.hub.now()
        )

    def feed(self, identity: str, at: tuple[int, int]) -> _Feed:
        """This will read what a page has not seen: of the open conversation, from its cursor on."""
        with self.hub.single() as connection:
            talk = hearing.hear(
                connection, channel="WEB", identity_kind="VISITOR", identity=identity, known_id=at[0], after_seq=at[1]
            )
        if talk is None:
            return _Feed(at, [], render.status(None))
        number = talk.conversation_id
        seen = at[1] if at[0] == number else 0
        last = (number, talk.lines[-1].seq if talk.lines else seen)
        return _Feed(last, [render.message(line, number, talk.locale) for line in talk.lines], render.status(talk))

    def stream(self, identity: str, at: tuple[int, int]) -> Iterator[str]:
        """This will give the events of a page: first what it missed, then what comes."""
        topic = visitors.topic(identity)
        mine = self.wakes.subscribe(topic)  # before the first read: nothing falls between
        shown: dict[str, Any] | None = None
        try:
            yield "retry: 2000\n\n"
            beats = 0
            while beats < _STREAM_BEATS and not self.wakes.closed:
                feed = self.feed(identity, at)
                if feed.status != shown:
                    shown = feed.status
                    yield render.event("status", shown)
                for message in feed.messages:
                    yield render.event("message", message, id=message["id"])
                at = feed.cursor
                try:
                    word = mine.get(timeout=HEARTBEAT_SECONDS)
                except queue.Empty:
                    beats += 1
                    yield ": still here\n\n"
                    continue
                while not mine.empty():  # many wake-ups, one look
                    word = mine.get_nowait() if word != wakeups.ENDED else word
                    if word == wakeups.ENDED:
                        break
                if word == wakeups.ENDED:
                    return
        finally:
            self.wakes.unsubscribe(topic, mine)

    def _known(self, origin: str) -> bool:
        return origin == self._own() or origin in self.hub.settings.allowed_origins

    def _own(self) -> str:
        parts = self.hub.settings.public_base_url.split("/")
        return "/".join(parts[:3])
