"""HubSpot's webhooks: checked, kept, answered in milliseconds; what they mean is worked out afterwards."""

import json
import re
from datetime import UTC, datetime, timedelta

import flask

from core import crypto, errors
from core.hub import Hub
from crm_sync import operations

_LIMIT = 1024 * 1024
_FRESH = timedelta(minutes=5)
_STAMP = re.compile(r"[0-9]{1,13}")  # milliseconds


def blueprint(hub: Hub) -> flask.Blueprint:
    """This will give the blueprint with the one address HubSpot posts to."""
    doors = flask.Blueprint("hubspot", __name__)

    @doors.post("/hooks/hubspot")
    def receive() -> flask.typing.ResponseReturnValue:
        request = flask.request
        request.max_content_length = _LIMIT
        body = request.get_data()
        if not _signed(hub, request, body):
            flask.abort(403)
        try:
            events = json.loads(body)
            if isinstance(events, dict):
                events = [events]
            if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
                raise ValueError("not a list of events")
            told = [event for event in (operations.parse_event(event) for event in events) if event is not None]
        except (ValueError, errors.Invalid):
            flask.abort(400)
        with hub.transaction() as session:
            for event, raw in told:
                operations.receive_event(session, event=event, raw=raw, now=hub.now())
        return "", 204

    return doors


def _signed(hub: Hub, request: flask.Request, body: bytes) -> bool:
    """v3: HMAC-SHA256 of method, address, body and timestamp; stale is refused, and so is the future."""
    secret = hub.settings.hubspot_client_secret
    signature = request.headers.get("X-HubSpot-Signature-v3")
    stamp = request.headers.get("X-HubSpot-Request-Timestamp", "")
    if not secret or not signature or not _STAMP.fullmatch(stamp):
        return False  # without a secret of our own nobody can have signed
    if abs(hub.now() - datetime.fromtimestamp(int(stamp) / 1000, UTC)) > _FRESH:
        return False
    address = hub.settings.public_base_url.rstrip("/") + _path(request)
    return crypto.same(signature_v3(secret, request.method, address, body, stamp), signature)


def signature_v3(secret: str, method: str, address: str, body: bytes, stamp: str) -> str:
    """This will compute HubSpot's v3 signature (base64), by the SDK's own helper."""
    from hubspot.utils.signature import Signature

    return str(
        Signature.get_signature(
            client_secret=secret,
            signature_version="v3",
            http_method=method,
            http_uri=address,
            request_body=body.decode("utf-8", errors="replace"),
            timestamp=stamp,
        )
    )


def _path(request: flask.Request) -> str:
    query = request.query_string.decode()
    return request.path + (f"?{query}" if query else "")
