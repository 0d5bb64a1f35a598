"""SendGrid's mail API: POST /v3/mail/send as documented, mailboxes behind it, and its signed event webhook."""

import base64
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from ops_admin.sandbox import mail, signing, switches
from ops_admin.sandbox.courier import Letter
from ops_admin.sandbox.world import World, guard_loss

_ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+\.[^@\s<>,]+")
_RESERVED = frozenset(
    {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding", "to", "from",
     "subject", "reply-to", "cc", "bcc"}
)  # fmt: skip
Problem = tuple[str, str]


def blueprint(world: World) -> Blueprint:
    """This will give the twin of api.sendgrid.com."""
    pages = Blueprint("sendgrid", __name__, url_prefix="/sendgrid")
    guard_loss(pages, world, "sendgrid")

    @pages.before_request
    def guard() -> Response | None:
        trouble = switches.pause_or_fail(world.switches.of("sendgrid"))
        if trouble == 429:
            answer = _errors(429, [("too many requests", "")])
            answer.headers["X-RateLimit-Remaining"] = "0"
            answer.headers["X-RateLimit-Reset"] = str(int(time.time()) + 2)
            return answer
        if trouble:
            return _errors(503, [("Service Unavailable", "")])
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not signing.same(key, world.config.sendgrid_api_key):
            return _errors(401, [("The provided authorization grant is invalid, expired, or revoked", "")])
        return None

    @pages.post("/v3/mail/send")
    def send() -> Response:
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            return _errors(400, [("Bad Request", "")])
        problems = list(_problems(body))
        if problems:
            return _errors(400, problems)
        if ((body.get("mail_settings") or {}).get("sandbox_mode") or {}).get("enable"):
            return Response(status=200)
        key = secrets.token_urlsafe(16)[:22]
        for number, personalization in enumerate(body["personalizations"]):
            _deliver(world, body, personalization, key, number)
        answer = Response(status=202)
        answer.headers["X-Message-Id"] = key
        return answer

    @pages.get("/v3/scopes")
    def scopes() -> Response:
        return jsonify(scopes=["mail.send"])

    return pages


def _errors(status: int, problems: list[Problem]) -> Response:
    answer = jsonify(errors=[{"message": text, "field": where or None, "help": None} for text, where in problems])
    answer.status_code = status
    return answer


def _problems(body: Mapping[str, Any]) -> Iterator[Problem]:
    people = body.get("personalizations")
    if not isinstance(people, list) or not people:
        yield "The personalizations field is required and must have at least one personalization.", "personalizations"
        people = []
    for number, person in enumerate(people):
        yield from _personalization_problems(person, f"personalizations.{number}", bool(body.get("subject")))
    sender = body.get("from")
    if not isinstance(sender, dict) or not sender.get("email"):
        yield "The from object must be provided for every email send.", "from.email"
    elif not _ADDRESS.fullmatch(str(sender["email"])):
        yield "The from email does not contain a valid address.", "from.email"
    content = body.get("content")
    if not content and not body.get("template_id"):
        yield "Unless a valid template_id is provided, the content parameter is required.", "content"
    order = {"text/plain": 0, "text/x-amp-html": 1, "text/html": 2}
    last = -1
    for number, part in enumerate(content or []):
        where = f"content.{number}"
        if not part.get("type"):
            yield "The content type is required.", f"{where}.type"
        if not isinstance(part.get("value"), str) or not part["value"]:
            yield "The content value must be a string at least one character in length.", f"{where}.value"
        place = order.get(str(part.get("type")), 3)
        if place < last:
            yield "If present, text/plain must be first, then text/x-amp-html, then text/html.", where
        last = max(last, place)
    yield from _header_problems(body.get("headers"), "headers")
    for number, item in enumerate(body.get("attachments") or []):
        try:
            base64.b64decode(item.get("content", ""), validate=True)
        except ValueError:
            yield "The attachment content must be base64 encoded.", f"attachments.{number}.content"
        if not item.get("filename"):
            yield "The attachment filename is required.", f"attachments.{number}.filename"


def _personalization_problems(person: Any, where: str, subject: bool) -> Iterator[Problem]:
    to = person.get("to") if isinstance(person, dict) else None
    if not isinstance(to, list) or not to:
        yield (
            "The to array is required for all personalization objects, and must have at least one email.",
            f"{where}.to",
        )
        return
    seen: set[str] = set()
    for kind in ("to", "cc", "bcc"):
        for number, item in enumerate(person.get(kind) or []):
            address = str(item.get("email", "")).lower()
            if not _ADDRESS.fullmatch(address):
                yield "Does not contain a valid address.", f"{where}.{kind}.{number}.email"
            elif address in seen:
                yield "Each email address in the personalization block should be unique.", f"{where}.{kind}"
            seen.add(address)
    if not subject and not person.get("subject"):
        yield "The subject is required. You can get around this requirement if you use a template.", "subject"
    arguments = person.get("custom_args") or {}
    if any(not isinstance(value, str) for value in arguments.values()):
        yield "Custom arguments must be strings.", f"{where}.custom_args"
    if len(json.dumps(arguments)) >= 10_000:
        yield "The overall size of all custom_args must be less than 10,000 bytes.", f"{where}.custom_args"
    yield from _header_problems(person.get("headers"), f"{where}.headers")


def _header_problems(headers: Any, where: str) -> Iterator[Problem]:
    for name, value in (headers or {}).items():
        if name.lower() in _RESERVED:
            yield f"The {name} header is reserved and cannot be set.", where
        elif not isinstance(value, str) or "\n" in value or "\r" in value:
            yield "Header values must be strings without line breaks.", where


def _deliver(world: World, body: Mapping[str, Any], person: Mapping[str, Any], key: str, number: int) -> None:
    headers = {**(body.get("headers") or {}), **(person.get("headers") or {})}
    arguments = {**(body.get("custom_args") or {}), **(person.get("custom_args") or {})}
    named = {name.lower(): value for name, value in headers.items()}
    message_id = named.get("message-id") or f"<{key}@geopod-ismtpd-{number}>"
    parts = {part["type"]: part["value"] for part in body.get("content") or []}
    reply_to = (body.get("reply_to") or {}).get("email")
    files = [
        {"name": item["filename"], "content_type": item.get("type", ""), "content_base64": item["content"],
         "content_id": item.get("content_id"), "inline": item.get("disposition") == "inline"}
        for item in body.get("attachments") or []
    ]  # fmt: skip
    recipients = [item for kind in ("to", "cc", "bcc") for item in person.get(kind) or []]
    for place, item in enumerate(recipients):
        address = str(item["email"]).lower()
        stored = mail.put(
            world, mailbox=address, folder="inbox",
            document={
                "message_id": message_id, "from": body["from"]["email"], "from_name": body["from"].get("name", ""),
                "to": address, "to_name": item.get("name", ""), "reply_to": reply_to,
                "subject": person.get("subject") or body.get("subject", ""),
                "text": parts.get("text/plain", ""), "html": parts.get("text/html", ""),
                "headers": headers, "attachments": files, "custom_args": arguments, "sg_id": key, "read": False,
            },
        )  # fmt: skip
        base = {
            "email": address, "smtp-id": message_id, **arguments,
            "sg_message_id": f"{key}.recvd-{secrets.token_hex(4)}-{number}-{place}",
        }  # fmt: skip
        if body.get("categories"):
            base["category"] = body["categories"]
        stored["event_base"] = base
        mail.keep(world, stored)
        bounced = world.switches.of("sendgrid")["bounce"]
        outcome: dict[str, Any] = {"event": "delivered", "response": "250 2.0.0 OK"}
        if bounced:
            outcome = {"event": "bounce", "type": "bounce", "status": "5.1.1", "bounce_classification":
                       "Invalid Address", "reason": "550 5.1.1 The email account does not exist"}  # fmt: skip
            world.store.delete("mail", stored["id"])
        post_event(world, {**base, "event": "processed", "send_at": int(world.now())}, 0.2)
        post_event(world, {**base, **outcome}, 0.8)


def post_event(world: World, event: Mapping[str, Any], delay: float = 0.0) -> None:
    """This will post one event: a signed JSON array, retried on anything but 2xx."""
    full = {"timestamp": int(world.now()), "sg_event_id": secrets.token_urlsafe(22), **event}
    body = (json.dumps([full], separators=(",", ":")) + "\r\n").encode()
    url = world.config.hub_public + world.config.mail_events_path
    letter = Letter(
        "sendgrid", f"event {event['event']}", url, body,
        lambda sent: mail.signed(world.config.sendgrid_event_private_key, sent, "application/json"),
        retry_on=lambda status: True,
    )  # fmt: skip
    world.courier.post(letter, delay)
