"""What Twilio posts for a WhatsApp message, read into an `Inbound`. Pure."""

from collections.abc import Mapping
from datetime import datetime

from channels import edge, twilio_edge
from core.conversations import operations as conversations

PREFIX = "whatsapp:"
_WORDS = frozenset({"Body", "ButtonText", "ListTitle"})


def parse(fields: Mapping[str, str], *, now: datetime) -> conversations.Inbound | None:
    """This will read a WhatsApp message; None when it names no message or no sender.

    A sender may be a number (``whatsapp:+15550100001``) or a business-scoped user id (``whatsapp:US.1349…``): a number
    is an identity we can match, the id is one only this business knows. Every further name of the sender is in `raw`.
    """
    sid = fields.get("MessageSid") or fields.get("SmsSid") or fields.get("SmsMessageSid")
    sender = fields.get("From", "").strip()
    if not sid or not sender.startswith(PREFIX) or len(sender) <= len(PREFIX):
        return None
    value = sender.removeprefix(PREFIX)
    return conversations.Inbound(
        channel="WHATSAPP",
        identity_kind="PHONE" if value.startswith("+") else "BSUID",
        identity=edge.clean(value, 128),
        external_id=edge.clean(sid, 64),
        text=edge.clean(fields.get("Body") or fields.get("ButtonText") or fields.get("ListTitle") or ""),
        attachments=twilio_edge.attachments(fields),
        provider_ts=now,
        raw={**edge.kept(fields, without=_WORDS), "identities": [list(i) for i in other_identities(fields)]},
        choice_token=_token(fields),
    )


def other_identities(fields: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """This will list the sender's further names: (kind, value)."""
    found: list[tuple[str, str]] = []
    if wa_id := fields.get("WaId"):
        found.append(("PHONE", "+" + wa_id.lstrip("+")))
    if bsuid := fields.get("ExternalUserId"):
        found.append(("BSUID", bsuid.removeprefix(PREFIX)))
    if parent := fields.get("ParentExternalUserId"):
        found.append(("BSUID", parent.removeprefix(PREFIX)))
    if username := fields.get("ProfileUsername"):
        found.append(("USERNAME", username))
    own = fields.get("From", "").removeprefix(PREFIX)
    return tuple((kind, edge.clean(value, 128)) for kind, value in dict.fromkeys(found) if value != own)


def _token(fields: Mapping[str, str]) -> str | None:
    token = fields.get("ButtonPayload") or fields.get("ListId")
    return edge.clean(token, 200) or None if token else None
