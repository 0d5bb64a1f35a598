"""What Twilio posts for a text message, read into an `Inbound`. Pure."""

from collections.abc import Mapping
from datetime import datetime

from channels import edge, twilio_edge
from core.conversations import operations as conversations

_WORDS = frozenset({"Body", "ButtonText", "SpeechResult", "Digits"})  # kept redacted as the message's text, not twice


def parse(fields: Mapping[str, str], *, now: datetime) -> conversations.Inbound | None:
    """This will read a text message; None when it names no message or no sender."""
    sid = fields.get("MessageSid") or fields.get("SmsSid") or fields.get("SmsMessageSid")
    sender = fields.get("From", "").strip()
    if not sid or not sender:
        return None
    return conversations.Inbound(
        channel="SMS",
        identity_kind="PHONE",
        identity=edge.clean(sender, 64),
        external_id=edge.clean(sid, 64),
        text=edge.clean(fields.get("Body", "")),
        attachments=twilio_edge.attachments(fields),
        provider_ts=now,
        raw=edge.kept(fields, without=_WORDS),
    )


def vendor_answered(fields: Mapping[str, str]) -> str | None:
    """This will give STOP, START or HELP where Twilio's Advanced Opt-Out recognised a word (perhaps one of the
    operator's own) and has answered it itself; the hub must then stay silent. The usual words the hub knows too.
    """
    mark = fields.get("OptOutType", "").strip().upper()
    return mark if mark in ("STOP", "START", "HELP") else None
