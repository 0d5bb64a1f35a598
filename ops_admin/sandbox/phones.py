"""The telephones and the carrier between them and Twilio: texts and WhatsApp messages, both ways."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ops_admin.sandbox import signing
from ops_admin.sandbox import twilio_shapes as shapes
from ops_admin.sandbox.courier import Letter
from ops_admin.sandbox.world import World, sid

_DAY = 24 * 3600
_MEDIA_LIMIT = 5 * 1024 * 1024


def keep(world: World, document: dict[str, Any]) -> dict[str, Any]:
    """This will store a message, findable by the customer's number."""
    person = document["from"] if document["direction"] == "inbound" else document["to"]
    return world.store.put("message", document["sid"], document, person=person)


def messages(world: World, number: str, channel: str | None = None) -> list[dict[str, Any]]:
    """This will list what a telephone shows, oldest first. `channel` is SMS or WHATSAPP, or None for both."""
    found = []
    if channel in (None, "SMS"):
        found += world.store.find("message", "person", number)
    if channel in (None, "WHATSAPP"):
        found += world.store.find("message", "person", f"whatsapp:{number}")
    return sorted(found, key=lambda item: item["created"])


def send(
    world: World,
    *,
    sender: str,
    to: str,
    body: str,
    buttons: Sequence[Mapping[str, str]] = (),
    media: Sequence[str] = (),
    template: str | None = None,
    callback: str | None = None,
    service: str | None = None,
) -> dict[str, Any]:
    """This will take a message from the hub and see it through to the telephone, with its status callbacks."""
    now = world.now()
    document: dict[str, Any] = {
        "sid": sid("MM" if media else "SM"), "from": sender, "to": to, "body": body, "buttons": list(buttons),
        "media": [{"url": url, "content_type": ""} for url in media], "template": template,
        "direction": "outbound-api", "status": "queued", "created": now, "updated": now, "sent": None,
        "segments": shapes.segments(body), "messaging_service_sid": service, "callback": callback,
        "shown": False,
    }  # fmt: skip
    keep(world, document)
    failure = _failure(world, document)
    steps: list[tuple[float, str]] = [(0.05, "queued"), (0.25, "sent")]
    if failure:
        steps = [(0.05, "queued"), (0.4, failure[0])]
    else:
        steps.append((0.6, "delivered"))
    for delay, status in steps:
        world.courier.later(
            delay,
            lambda status=status: set_status(  # type: ignore[misc]
                world, document["sid"], status, failure[1] if failure else None
            ),
        )
    return document


def set_status(world: World, key: str, status: str, error: tuple[int, str] | None = None) -> None:
    """This will move a message on and tell the hub."""
    with world.store.change():
        document = world.store.get("message", key)
        if document is None:
            return
        document.update(status=status, updated=world.now())
        if status == "sent":
            document.update(sent=world.now(), shown=True)
        if error and status in ("failed", "undelivered"):
            document.update(error_code=error[0], error_message=error[1])
        keep(world, document)
    if document["callback"]:
        fields = {
            "MessageSid": key, "SmsSid": key, "MessageStatus": status, "SmsStatus": status,
            "To": document["to"], "From": document["from"], "AccountSid": world.config.twilio_account_sid,
            "ApiVersion": "2010-04-01",
        }  # fmt: skip
        if document.get("error_code"):
            fields["ErrorCode"] = str(document["error_code"])
        if status == "read":
            fields["EventType"] = "READ"
        post_form(world, document["callback"], fields, f"status {status}")


def receive(
    world: World,
    *,
    number: str,
    text: str,
    whatsapp: bool,
    here: str,
    media: Sequence[Mapping[str, str]] = (),
    button: Mapping[str, str] | None = None,
    replied_to: str | None = None,
    profile: str = "",
) -> dict[str, Any]:
    """This will let a person send a message: the carrier hears its own words first, then the hub gets it."""
    config = world.config
    account = config.twilio_account_sid
    sender = f"whatsapp:{number}" if whatsapp else number
    to = config.whatsapp_from if whatsapp else config.sms_from
    key, now = sid("MM" if media else "SM"), world.now()
    stored = [_store_media(world, here, key, item) for item in media]
    word = None if whatsapp else shapes.opt_out_type(text)
    document = {
        "sid": key, "from": sender, "to": to, "body": text, "buttons": [], "media": stored, "template": None,
        "direction": "inbound", "status": "received", "created": now, "updated": now, "sent": now,
        "segments": shapes.segments(text), "callback": None, "shown": True,
    }  # fmt: skip
    keep(world, document)
    if whatsapp:
        _mark_read(world, number)
        world.store.put("window", number, {"at": now})
    fields = {
        "ApiVersion": "2010-04-01", "AccountSid": account, "MessageSid": key, "SmsSid": key,
        "SmsMessageSid": key, "From": sender, "To": to, "Body": text, "NumMedia": str(len(stored)),
        "NumSegments": str(document["segments"]), "SmsStatus": "received",
    }  # fmt: skip
    for position, item in enumerate(stored):
        fields[f"MediaUrl{position}"] = item["url"]
        fields[f"MediaContentType{position}"] = item["content_type"]
    if whatsapp:
        kind = "button" if button else (stored[0]["content_type"].split("/")[0] if stored else "text")
        fields.update(
            ProfileName=profile, WaId=number.lstrip("+"), MessageType=kind,
            ChannelMetadata='{"type":"whatsapp","data":{"context":{"ProfileName":' + json.dumps(profile) + "}}}",
        )  # fmt: skip
        if button:
            fields.update(ButtonText=button["title"], ButtonPayload=button["id"])
        if replied_to:
            fields.update(OriginalRepliedMessageSid=replied_to, OriginalRepliedMessageSender=to)
    else:
        place = {"City": "BRIGHTWATER", "State": "PA", "Zip": "19000", "Country": "US"}
        fields.update({f"{side}{name}": value for side in ("From", "To") for name, value in place.items()})
        if word:
            fields["OptOutType"] = word
            _obey(world, number, word)
    path = config.whatsapp_path if whatsapp else config.sms_path
    post_form(world, config.hub_public + path, fields, "WhatsApp in" if whatsapp else "SMS in", wait_at_most=15)
    return document


def window_open(world: World, number: str) -> bool:
    """This will say whether the customer has written on WhatsApp within the last 24 hours."""
    opened = world.store.get("window", number)
    return opened is not None and world.now() - float(opened["at"]) < _DAY


def age_window(world: World, number: str, hours: float) -> None:
    """This will pretend that the customer's last WhatsApp message is that old."""
    world.store.put("window", number, {"at": world.now() - hours * 3600})


def post_form(
    world: World, url: str, fields: Mapping[str, str], label: str, wait_at_most: float = 15, delay: float = 0
) -> None:
    """This will post a signed form as Twilio does: one more try, and only when no connection was had."""
    pairs = sorted(fields.items())
    body = urlencode(pairs).encode()
    signed_url = url.split("#", 1)[0]
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "User-Agent": "TwilioProxy/1.1",
        "I-Twilio-Idempotency-Token": secrets.token_hex(16),
        "X-Twilio-Signature": signing.twilio(world.config.twilio_auth_token, signed_url, pairs),
    }
    letter = Letter(
        "twilio", label, signed_url, body, lambda _: headers, wait_at_most, lambda status: status is None, 2
    )
    world.courier.post(letter, delay)


def _failure(world: World, document: Mapping[str, Any]) -> tuple[str, tuple[int, str]] | None:
    if world.switches.of("twilio")["undelivered"]:
        return "undelivered", (30003, "Unreachable destination handset")
    number = document["to"].removeprefix("whatsapp:")
    if document["to"].startswith("whatsapp:") and not document["template"] and not window_open(world, number):
        said = "Failed to send freeform message because you are outside the allowed window"
        return "undelivered", (63016, said)
    return None


def _obey(world: World, number: str, word: str) -> None:
    key = f"{number}|{world.config.sms_from}"
    if word == "STOP":
        world.store.put("opt_out", key, {"number": number, "at": world.now()})
    elif word == "START":
        if world.store.get("opt_out", key) is None:
            return  # nothing was stopped: YES is only an answer then
        world.store.delete("opt_out", key)
    answer = {"STOP": shapes.STOP_ANSWER, "START": shapes.START_ANSWER, "HELP": shapes.HELP_ANSWER}[word]
    now = world.now()
    keep(
        world,
        {
            "sid": sid("SM"), "from": world.config.sms_from, "to": number, "body": answer, "buttons": [],
            "media": [], "template": None, "direction": "outbound-reply", "status": "delivered",
            "created": now, "updated": now, "sent": now, "segments": shapes.segments(answer),
            "callback": None, "shown": True, "carrier": True,
        },
    )  # fmt: skip


def _mark_read(world: World, number: str) -> None:
    """WhatsApp tells the sender when its message was seen; answering is seeing."""
    for item in messages(world, number, "WHATSAPP")[-20:]:
        if item["direction"] != "inbound" and item["status"] == "delivered":
            set_status(world, item["sid"], "read")


def _store_media(world: World, here: str, message: str, item: Mapping[str, str]) -> dict[str, str]:
    content = base64.b64decode(item["content_base64"], validate=True)
    if len(content) > _MEDIA_LIMIT:
        raise ValueError("a media file has at most 5 MB")
    key = sid("ME")
    folder = world.config.data_dir / "media"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / key).write_bytes(content)
    kind = item.get("content_type", "application/octet-stream")
    world.store.put("media", key, {"content_type": kind})
    account = world.config.twilio_account_sid
    url = f"{here}/twilio/api.twilio.com/2010-04-01/Accounts/{account}/Messages/{message}/Media/{key}"
    return {"url": url, "content_type": kind}
