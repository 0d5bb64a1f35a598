"""SendGrid's doors, and the page by which a reader ends mails nobody asked for."""

import collections
import hashlib
import json
import threading
from collections.abc import Mapping
from typing import Any

import jinja2
from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from channels import edge
from channels.email import events, parse, unsubscribing
from core import crypto, errors, log, wording
from core.accounts import operations as accounts
from core.conversations import operations as conversations
from core.hub import Hub
from core.settings import Settings

logger = log.get(__name__)

_PAGE = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
    """<!doctype html><html lang="{{ locale }}"><head><meta charset="utf-8"><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{{ title }}</title></head>
<body><main><h1>{{ title }}</h1><p>{{ text }}</p>
{% if button %}<form method="post"><button type="submit">{{ button }}</button></form>{% endif %}</main></body></html>"""
)


def inbound_secret(settings: Settings) -> str:
    """This will give the path segment that stands in for a signature: POST /hooks/sendgrid/inbound/<secret>."""
    return crypto.digest(settings.secret_key, "sendgrid", "inbound")[:32]


def blueprint(hub: Hub) -> Blueprint:
    """This will give POST /hooks/sendgrid/inbound[/<secret>], POST /hooks/sendgrid/events and /unsubscribe/<token>."""
    door = edge.guard(Blueprint("email", __name__), limit=30 * edge.MEGABYTE)  # SendGrid's own limit
    seen = _Seen()

    @door.post("/hooks/sendgrid/inbound", defaults={"secret": None})
    @door.post("/hooks/sendgrid/inbound/<secret>")
    def receive(secret: str | None) -> Response:
        _check_inbound(hub, secret)
        if request.mimetype != "multipart/form-data":
            raise BadRequest
        request.get_data(cache=True, parse_form_data=False)
        fields: dict[str, str | bytes] = {name: values[0] for name, values in request.form.lists()}
        raw = octets("email")  # as they came: a form decoded as UTF-8 would damage mail in any other charset
        if raw is not None:
            fields["email"] = raw
        mail = parse.parse(fields, _files())
        if mail is None:
            logger.warning("mail_without_sender")
            return Response(status=204)  # a 4xx would only have it sent again for three days
        inbound = parse.inbound(mail, secret=hub.settings.secret_key, domain=hub.settings.email_domain, now=hub.now())
        with hub.transaction() as session:
            conversations.receive_message(session, inbound=inbound, now=hub.now(), settings=hub.settings)
        return Response(status=204)

    @door.post("/hooks/sendgrid/events")
    def told() -> Response:
        body = request.get_data()
        events.verify(
            hub.settings.sendgrid_event_public_key,
            request.headers.get(events.SIGNATURE),
            request.headers.get(events.TIMESTAMP),
            body,
            hub.now(),
        )
        try:
            entries = json.loads(body)
        except ValueError:
            raise BadRequest from None
        if not isinstance(entries, list):
            raise BadRequest
        fresh = [e for e in entries if isinstance(e, dict) and not seen.before(str(e.get("sg_event_id") or ""))]
        for entry in fresh:
            _record(hub, entry)
            seen.remember(str(entry.get("sg_event_id") or ""))
        return Response(status=204)

    @door.get("/unsubscribe/<token>")
    def ask(token: str) -> Response:
        _meant(hub, token)  # nothing changes: mail scanners open every link
        return _page(hub, "channels.unsubscribe_ask", button="channels.unsubscribe_button")

    @door.post("/unsubscribe/<token>")
    def unsubscribe(token: str) -> Response:
        address, purpose = _meant(hub, token)
        with hub.transaction() as session:
            accounts.record_consent(
                session,
                contact_value=address,
                customer_id=None,
                channel="EMAIL",
                purpose=purpose,
                granted=False,
                source="email:unsubscribe",
                now=hub.now(),
            )
        return _page(hub, "channels.unsubscribe_done", button=None)

    return door


def _check_inbound(hub: Hub, secret: str | None) -> None:
    settings = hub.settings
    known = secret is not None and crypto.same(secret, inbound_secret(settings))
    if secret is not None and not known:
        raise errors.Refused("webhook.signature")
    if settings.sendgrid_inbound_public_key:
        events.verify(
            settings.sendgrid_inbound_public_key,
            request.headers.get(events.SIGNATURE),
            request.headers.get(events.TIMESTAMP),
            request.get_data(cache=True, parse_form_data=False),
            hub.now(),
        )
    elif not known:
        raise errors.Refused("webhook.signature")


def octets(name: str) -> bytes | None:
    """This will give a field of the multipart body as the octets that came."""
    decoder = MultipartDecoder(request.mimetype_params.get("boundary", "").encode(), max_parts=1000)
    decoder.receive_data(request.get_data(cache=True))
    decoder.receive_data(None)
    found: bytearray | None = None
    try:
        while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
            if isinstance(event, Field | File):
                found = bytearray() if event.name == name else None
            elif isinstance(event, Data) and found is not None:
                found += event.data
                if not event.more_data:
                    return bytes(found)
    except ValueError:
        raise BadRequest from None
    return None


def _files() -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for name, stored in request.files.items():
        if name == "email":
            continue
        content = stored.read()
        found.append(
            {
                "name": edge.clean(stored.filename or name, 200).replace("/", "_"),
                "content_type": stored.mimetype,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    return found


def _record(hub: Hub, entry: Mapping[str, Any]) -> None:
    now = hub.now()
    event = events.parse(entry, now=now)
    if event is None:
        return
    with hub.transaction() as session:
        if event.external_id and event.status:
            conversations.record_delivery_status(
                session,
                channel="EMAIL",
                external_id=event.external_id,
                status=event.status,
                error_code=event.error_code,
                at=event.at,
            )
        if event.withdraws and event.address:
            accounts.record_consent(
                session,
                contact_value=event.address,
                customer_id=None,
                channel="EMAIL",
                purpose=event.purpose if event.kind == "unsubscribe" and event.purpose != "SERVICE" else None,
                granted=False,
                source=f"sendgrid:{event.kind}",
                now=now,
            )


def _meant(hub: Hub, token: str) -> tuple[str, str]:
    meant = unsubscribing.read(hub.settings, token)
    if meant is None:
        raise NotFound
    return meant


def _page(hub: Hub, kind: str, *, button: str | None) -> Response:
    house = edge.house(hub.settings)
    locale = edge.known_locale(hub.settings, request.accept_languages.best_match(hub.settings.locales))

    def say(name: str) -> str:
        return wording.render(name, {}, locale=locale, medium="chat", house=house).text

    markup = _PAGE.render(
        locale=locale,
        title=say("channels.unsubscribe_title"),
        text=say(kind),
        button=say(button) if button else None,
    )
    response = Response(markup, mimetype="text/html")
    response.headers["Content-Security-Policy"] = "default-src 'none'; form-action 'self'; frame-ancestors 'none'"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


class _Seen:
    """The last event ids of this process: a fast guard. The truth is the rank of a status, which never goes back."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._ids: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._lock = threading.Lock()

    def before(self, event_id: str) -> bool:
        with self._lock:
            return bool(event_id) and event_id in self._ids

    def remember(self, event_id: str) -> None:
        with self._lock:
            self._ids[event_id] = None
            while len(self._ids) > self._most:
                self._ids.popitem(last=False)
