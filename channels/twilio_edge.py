"""What the three Twilio channels share: the client, the signature, the forms, and what Twilio's errors mean."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Request, Response
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator, get_signature_algorithm
from twilio.rest import Client

from core import errors, http, log
from core.ports import Outbound
from core.settings import Settings

logger = log.get(__name__)

EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'

STATUSES = {
    "accepted": "QUEUED",
    "scheduled": "QUEUED",
    "queued": "QUEUED",
    "sending": "QUEUED",
    "sent": "SENT",
    "delivered": "DELIVERED",
    "partially_delivered": "DELIVERED",
    "read": "READ",
    "undelivered": "UNDELIVERED",
    "failed": "FAILED",
    "canceled": "CANCELLED",
}
# Twilio's own numbers: https://www.twilio.com/docs/api/errors
OPTED_OUT = 21610
WINDOW_CLOSED = 63016
_CLOCKS_APART = timedelta(seconds=60)  # Twilio's list keeps whole seconds, and its clock is not ours
_BUSY = {20429, 63018, 14107}


class Rebased(TwilioHttpClient):  # type: ignore[misc]
    """Twilio's own HTTP client, with the scheme and host of every call replaced by those of another base."""

    def __init__(self, base: str | None, **options: Any) -> None:
        super().__init__(**options)
        self._base = base.rstrip("/") if base else None

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        if self._base:
            parts = urlsplit(url)
            url = self._base + parts.path + (f"?{parts.query}" if parts.query else "")
        return super().request(method, url, *args, **options)


def client(settings: Settings, *, timeout: float = http.READ_SECONDS) -> Any:
    """This will give a Twilio client with a time limit, at the base the settings name."""
    transport = Rebased(settings.twilio_api_base, timeout=timeout, max_retries=0)
    return Client(settings.twilio_account_sid, settings.twilio_auth_token or "-", http_client=transport)


def check(settings: Settings, request: Request) -> None:
    """This will refuse a request that Twilio did not sign over our public URL and the whole form."""
    signature = request.headers.get("X-Twilio-Signature")
    if not signature or not signature.isascii() or not settings.twilio_auth_token:
        raise errors.Refused("webhook.signature")
    algorithm = get_signature_algorithm(request.headers.get("X-Twilio-Webhooks-Signature-Settings"))
    signed: Any = request.form if request.mimetype != "application/json" else request.get_data(as_text=True)
    try:
        valid = RequestValidator(settings.twilio_auth_token).validate(
            public_url(settings, request), signed, signature, algorithm
        )
    except (TypeError, ValueError):  # a JSON body without bodySHA256, a URL that cannot be one
        valid = False
    if not valid:
        raise errors.Refused("webhook.signature")


def public_url(settings: Settings, request: Request) -> str:
    """This will give the URL as the vendor called it: our public base, the path and the query as they came."""
    # as it came: `request.path` is decoded, and a slash that was written %2F must stay that
    raw = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or "")
    path = raw.split("?", 1)[0] if raw.startswith("/") else request.path
    query = request.query_string.decode("latin-1")
    return settings.public_base_url.rstrip("/") + path + (f"?{query}" if query else "")


def form(request: Request) -> dict[str, str]:
    """This will give the form's fields, the first value of each."""
    return {name: values[0] for name, values in request.form.lists()}


def empty() -> Response:
    """This will say to Twilio that there is nothing to say."""
    return Response(EMPTY_TWIML, mimetype="text/xml")


def attachments(fields: Mapping[str, str]) -> tuple[dict[str, str], ...]:
    """This will list the media of an inbound message; the count Twilio names is bounded."""
    count = min(int(fields.get("NumMedia") or 0), 10) if (fields.get("NumMedia") or "0").isdigit() else 0
    return tuple(
        {
            "name": f"media-{n + 1}",
            "content_type": fields.get(f"MediaContentType{n}", "application/octet-stream")[:100],
            "url": fields[f"MediaUrl{n}"][:2000],
        }
        for n in range(count)
        if fields.get(f"MediaUrl{n}", "").startswith("https://")
    )


def pictures(message: Outbound) -> list[str]:
    """This will list the addresses of the pictures a message brings; Twilio fetches them from there."""
    return [str(each["url"]) for each in message.pictures]


def create_message(twilio: Any, **parameters: Any) -> Any:
    """This will have Twilio take one message. Refused and ProviderError say why not, and whether to try again.

    Twilio knows no idempotency key: when the answer did not come in time, the message is looked up before anything is
    said to have failed.
    """
    http.leave()
    try:
        return twilio.messages.create(**parameters)
    except TwilioRestException as exc:
        raise translate(exc) from exc
    except requests.ConnectTimeout as exc:
        raise errors.ProviderError("twilio.unreachable") from exc
    except requests.Timeout as exc:
        raise errors.ProviderError("unknown_outcome") from exc
    except (requests.ConnectionError, TwilioException) as exc:
        raise errors.ProviderError("twilio.unreachable") from exc


def find_message(twilio: Any, parameters: Mapping[str, Any], since: datetime) -> Any | None:
    """This will look a message up by receiver, time and words: the outcome of a send whose answer never came."""
    http.leave()
    try:
        recent = twilio.messages.list(to=parameters["to"], date_sent_after=since, limit=50)
    except (TwilioException, requests.RequestException) as exc:
        raise errors.ProviderError("unknown_outcome") from exc
    body = parameters.get("body")
    # of a template Twilio keeps the worded text, which holds our first variable
    within = json.loads(parameters["content_variables"])["1"] if body is None else ""
    for message in recent:
        created = message.date_created or message.date_sent
        if created is not None and created < since:
            continue
        if message.body == body or (body is None and within and within in (message.body or "")):
            return message
    return None


class Outbox:
    """Sends messages. One whose fate is not known is looked for before it is sent again."""

    def __init__(self, settings: Settings, twilio: Any | None = None) -> None:
        self.settings = settings
        self._twilio = twilio

    @property
    def twilio(self) -> Any:
        if self._twilio is None:
            self._twilio = client(self.settings)
        return self._twilio

    def send(self, at: datetime, *, uncertain_since: datetime | None, **parameters: Any) -> Any:
        """This will send once. ProviderError('unknown_outcome'): it may have gone; the next try says since when."""
        if uncertain_since is not None:
            found = find_message(self.twilio, parameters, uncertain_since - _CLOCKS_APART)
            if found is not None:
                return found
        try:
            return create_message(self.twilio, **parameters)
        except errors.ProviderError as exc:
            if exc.code == "unknown_outcome":
                found = find_message(self.twilio, parameters, at - _CLOCKS_APART)
                if found is not None:
                    return found
            raise


def translate(exc: Any) -> errors.WattlineError:
    """This will say what a Twilio error means for us."""
    code = int(exc.code or 0)
    if code == OPTED_OUT:
        return errors.Refused("channel.opted_out", vendor_code=code)
    if code == WINDOW_CLOSED:
        return errors.Refused("whatsapp.window_closed", vendor_code=code)
    if exc.status == 429 or exc.status >= 500 or code in _BUSY:
        return errors.ProviderError("twilio.busy", retryable=True, vendor_code=code)
    if exc.status in (401, 403):
        # our credentials, not the message: it may go once they are put right
        return errors.ProviderError("twilio.credentials", retryable=True, retry_after=300.0, vendor_code=code)
    return errors.Refused("channel.rejected", vendor_code=code)


def sent_status(message: Any) -> str:
    """This will give our word for the status Twilio answered with."""
    return "FAILED" if STATUSES.get(str(message.status)) == "FAILED" else "SENT"


def status_of(fields: Mapping[str, str]) -> tuple[str, str, str | None] | None:
    """This will read a status callback: (message sid, our status, vendor's error code); None when it says nothing."""
    sid = fields.get("MessageSid") or fields.get("SmsSid")
    status = STATUSES.get((fields.get("MessageStatus") or fields.get("SmsStatus") or "").lower())
    if not sid or status is None:
        return None
    return sid, status, fields.get("ErrorCode") or None


def variables(values: Mapping[str, str]) -> str:
    """This will write the variables of a content template as Twilio wants them: one JSON object of strings."""
    return json.dumps(dict(values), ensure_ascii=False)


def parsed_at(text: str | None, fallback: datetime) -> datetime:
    """This will read Twilio's unix seconds or RFC 2822 instants; else the fallback."""
    if text and text.isdigit() and len(text) <= 10:
        return datetime.fromtimestamp(int(text), UTC)
    return fallback
