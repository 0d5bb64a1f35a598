"""Twilio's REST API: messages, calls, content templates. Mounted at /twilio/<hostname>/<path>."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request, send_file

from ops_admin.sandbox import phones, signing, switches, twilio_calls
from ops_admin.sandbox import twilio_shapes as shapes
from ops_admin.sandbox.world import World, guard_loss, sid

_API = "/<host>/2010-04-01/Accounts/<account>"


def blueprint(world: World) -> Blueprint:
    """This will give the twin of api.twilio.com and content.twilio.com."""
    pages = Blueprint("twilio", __name__, url_prefix="/twilio")
    guard_loss(pages, world, "twilio")

    @pages.before_request
    def guard() -> Response | None:
        trouble = switches.pause_or_fail(world.switches.of("twilio"))
        if trouble == 429:
            return shapes.error(429, 20429, "Too Many Requests")
        if trouble:
            return shapes.error(503, 20503, "Service is unavailable. Please try again")
        if request.endpoint == "twilio.media":
            return None
        given = request.authorization
        known = given is not None and signing.same(given.username, world.config.twilio_account_sid)
        if given is None or not (signing.same(given.password, world.config.twilio_auth_token) and known):
            return shapes.error(401, 20003, "Authenticate")
        account = (request.view_args or {}).get("account", world.config.twilio_account_sid)
        if account != world.config.twilio_account_sid:
            return shapes.error(404, 20404, f"The requested resource {request.path} was not found")
        return None

    @pages.post(f"{_API}/Messages.json")
    def create_message(host: str, account: str) -> tuple[Response, int] | Response:
        form = request.form
        refusal = _refusal(world)
        if refusal:
            return refusal
        text, buttons, template = _content(world)
        document = phones.send(
            world,
            sender=form.get("From") or world.config.sms_from,
            to=form["To"],
            body=text,
            buttons=buttons,
            media=form.getlist("MediaUrl"),
            template=template,
            callback=form.get("StatusCallback"),
            service=form.get("MessagingServiceSid"),
        )
        return jsonify(shapes.message(account, document)), 201

    @pages.get(f"{_API}/Messages.json")
    def list_messages(host: str, account: str) -> Response:
        found = [item for item in world.store.all("message", newest_first=True) if _asked_for(item)]
        size = min(max(request.args.get("PageSize", 50, int), 1), 1000)
        page = max(request.args.get("Page", 0, int), 0)
        shown = found[page * size : (page + 1) * size]
        base = f"/2010-04-01/Accounts/{account}/Messages.json?PageSize={size}"
        more = len(found) > (page + 1) * size
        return jsonify(
            messages=[shapes.message(account, item) for item in shown],
            first_page_uri=f"{base}&Page=0",
            next_page_uri=f"{base}&Page={page + 1}" if more else None,
            previous_page_uri=f"{base}&Page={page - 1}" if page else None,
            uri=f"{base}&Page={page}",
            page=page,
            page_size=size,
            start=page * size,
            end=page * size + len(shown) - 1 if shown else 0,
        )

    @pages.get(f"{_API}/Messages/<key>.json")
    def get_message(host: str, account: str, key: str) -> Response:
        return _found(world, "message", key, lambda found: jsonify(shapes.message(account, found)))

    @pages.post(f"{_API}/Messages/<key>.json")
    def redact_message(host: str, account: str, key: str) -> Response:
        def redact(found: dict[str, Any]) -> Response:
            if request.form.get("Body") == "":
                phones.keep(world, {**found, "body": "", "updated": world.now()})
            return jsonify(shapes.message(account, world.store.get("message", key) or found))

        return _found(world, "message", key, redact)

    @pages.delete(f"{_API}/Messages/<key>.json")
    def delete_message(host: str, account: str, key: str) -> Response:
        def delete(found: dict[str, Any]) -> Response:
            world.store.delete("message", key)
            return Response(status=204)

        return _found(world, "message", key, delete)

    @pages.get(f"{_API}/Messages/<key>/Media/<media>")
    def media(host: str, account: str, key: str, media: str) -> Response:
        folder = (world.config.data_dir / "media").resolve()
        path = folder / media
        if not re.fullmatch(r"ME[0-9a-f]{32}", media) or not path.is_file():
            return shapes.error(404, 20404, f"The requested resource {request.path} was not found")
        kind = (world.store.get("media", media) or {}).get("content_type", "application/octet-stream")
        return send_file(path, mimetype=kind, as_attachment=True)

    @pages.post(f"{_API}/Calls.json")
    def create_call(host: str, account: str) -> tuple[Response, int] | Response:
        form = request.form
        if not form.get("To"):
            return shapes.error(400, 21201, "No 'To' number is specified")
        if form.get("From") != world.config.voice_from:
            return shapes.error(400, 21210, f"The source phone number provided, {form.get('From')}, is not yours")
        if not (form.get("Url") or form.get("Twiml")):
            return shapes.error(400, 21205, "Url parameter is required")
        document = twilio_calls.ring(world, form["To"], form.get("Url"), form.get("Twiml"), form.get("StatusCallback"))
        return jsonify(shapes.call(account, document)), 201

    @pages.get(f"{_API}/Calls/<key>.json")
    def get_call(host: str, account: str, key: str) -> Response:
        return _found(world, "call", key, lambda found: jsonify(shapes.call(account, found)))

    @pages.post(f"{_API}/Calls/<key>.json")
    def update_call(host: str, account: str, key: str) -> Response:
        def update(found: dict[str, Any]) -> Response:
            if request.form.get("Status") in ("completed", "canceled"):
                twilio_calls.end(world, key)
            elif request.form.get("Url") or request.form.get("Twiml"):
                twilio_calls.steer(world, key, request.form.get("Url"), request.form.get("Twiml"))
            return jsonify(shapes.call(account, world.store.get("call", key) or found))

        return _found(world, "call", key, update)

    @pages.get("/<host>/2010-04-01/Accounts/<account>.json")
    def get_account(host: str, account: str) -> Response:
        return jsonify(sid=account, status="active", type="Full", friendly_name=world.config.utility_name)

    @pages.post("/<host>/v1/Content")
    def create_content(host: str) -> tuple[Response, int] | Response:
        body = request.get_json(silent=True) or {}
        if not isinstance(body.get("types"), dict) or not body["types"] or not body.get("language"):
            return shapes.error(400, 20001, "types and language are required")
        key = sid("HX")
        document = {**body, "sid": key, "account_sid": world.config.twilio_account_sid}
        world.store.put("content", key, document)
        return jsonify(document), 201

    @pages.get("/<host>/v1/Content/<key>")
    def get_content(host: str, key: str) -> Response:
        return _found(world, "content", key, jsonify)

    @pages.route("/<host>/<path:rest>", methods=["GET", "POST", "PUT", "DELETE"])
    def unknown(host: str, rest: str) -> Response:
        return shapes.error(404, 20404, f"The requested resource /{rest} was not found")

    return pages


def _found(world: World, kind: str, key: str, then: Callable[[dict[str, Any]], Response]) -> Response:
    document = world.store.get(kind, key)
    if document is None:
        return shapes.error(404, 20404, f"The requested resource {request.path} was not found")
    return then(document)


def _refusal(world: World) -> Response | None:
    form, config = request.form, world.config
    to, sender = form.get("To", ""), form.get("From", "")
    if not to:
        return shapes.error(400, 21604, "A 'To' phone number is required.")
    if not sender and not form.get("MessagingServiceSid"):
        return shapes.error(400, 21603, "A 'From' or 'MessagingServiceSid' is required.")
    whatsapp = to.startswith("whatsapp:")
    if not re.fullmatch(r"\+[1-9]\d{6,14}", to.removeprefix("whatsapp:")) and not (
        whatsapp and re.fullmatch(r"whatsapp:[A-Z]{2}\.[0-9]+", to)
    ):
        return shapes.error(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if whatsapp and sender and sender != config.whatsapp_from:
        return shapes.error(400, 63007, "Twilio could not find a Channel with the specified From address")
    if not whatsapp and sender and sender != config.sms_from:
        return shapes.error(400, 21606, f"The 'From' phone number {sender} is not a valid, SMS-capable number.")
    template = form.get("ContentSid")
    if template and not _template(world, template):
        return shapes.error(400, 21655, f"The ContentSid {template} is Invalid")
    if template and form.get("ContentVariables"):
        try:
            variables = json.loads(form["ContentVariables"])
        except ValueError:
            variables = None
        if not isinstance(variables, dict):
            return shapes.error(400, 21656, "The ContentVariables parameter is invalid.")
    if not template and not form.get("Body") and not form.getlist("MediaUrl"):
        return shapes.error(400, 21619, "A text message body or media urls must be specified.")
    if len(form.get("Body", "")) > 1600:
        return shapes.error(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    if not whatsapp and world.store.get("opt_out", f"{to}|{config.sms_from}"):
        return shapes.error(400, 21610, "Attempt to send to unsubscribed recipient")
    return None


def _template(world: World, key: str) -> tuple[str, list[dict[str, str]]] | None:
    names = {content_id: name for name, content_id in shapes.template_ids().items()}
    names.update({content_id: name for name, content_id in world.config.whatsapp_templates.items()})
    if key in names:  # one that nobody described here has its whole text as its first variable
        _, body, replies = shapes.TEMPLATES.get(names[key], ("", "{{1}}", ()))
        return body, [{"title": title, "id": reply} for title, reply in replies]
    document = world.store.get("content", key)
    if document is None:
        return None
    for content in document["types"].values():
        actions = content.get("actions") or content.get("items") or []
        buttons = [{"title": str(a.get("title") or a.get("item", "")), "id": str(a.get("id", ""))} for a in actions]
        return str(content.get("body", "")), buttons
    return None


def _content(world: World) -> tuple[str, list[dict[str, str]], str | None]:
    key = request.form.get("ContentSid")
    template = _template(world, key) if key else None
    if template is None:
        return request.form.get("Body", ""), [], None
    variables = json.loads(request.form.get("ContentVariables") or "{}")
    body, buttons = template
    filled = [{name: shapes.fill(value, variables) for name, value in button.items()} for button in buttons]
    return shapes.fill(body, variables), filled, key


def _asked_for(item: dict[str, Any]) -> bool:
    asked = request.args
    if asked.get("To") and item["to"] != asked["To"]:
        return False
    if asked.get("From") and item["from"] != asked["From"]:
        return False
    at = item.get("sent") or item["created"]
    after, before, on = asked.get("DateSent>"), asked.get("DateSent<"), asked.get("DateSent")
    if after and at < _instant(after):
        return False
    if before and at > _instant(before) + (86_399 if len(before) == 10 else 0):
        return False
    return not (on and not _instant(on[:10]) <= at < _instant(on[:10]) + 86_400)


def _instant(text: str) -> float:
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        at = parsedate_to_datetime(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
