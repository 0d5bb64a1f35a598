"""What SendGrid tells us of our mails, and whether it was SendGrid. Pure but for the arithmetic of curves."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core import errors

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
_OLDEST = timedelta(minutes=15)
_AHEAD = timedelta(minutes=5)

_STATUSES = {
    "processed": "QUEUED",
    "deferred": "QUEUED",
    "delivered": "DELIVERED",
    "open": "READ",
    "click": "READ",
    "bounce": "UNDELIVERED",
    "dropped": "FAILED",
}
_WITHDRAWS = {"spamreport", "unsubscribe", "group_unsubscribe"}


@dataclass(frozen=True)
class Event:
    """One thing that became of one mail."""

    event_id: str
    kind: str
    external_id: str | None
    status: str | None
    error_code: str | None
    address: str
    withdraws: bool
    purpose: str | None
    at: datetime


def verify(public_key: str, signature: str | None, timestamp: str | None, body: bytes, now: datetime) -> None:
    """This will refuse a body that SendGrid did not sign just now (ECDSA P-256 over timestamp and raw body)."""
    if not public_key or not signature or not timestamp or not signed(public_key, signature, timestamp, body):
        raise errors.Refused("webhook.signature")
    if not timestamp.isdigit() or len(timestamp) > 12:
        raise errors.Refused("webhook.signature")
    at = datetime.fromtimestamp(int(timestamp), UTC)
    if not now - _OLDEST <= at <= now + _AHEAD:
        raise errors.Refused("webhook.stale")


def signed(public_key: str, signature: str, timestamp: str, body: bytes) -> bool:
    """This will say whether the signature is right, whatever its age."""
    try:
        key = serialization.load_der_public_key(base64.b64decode(public_key))
        octets = base64.b64decode(signature, validate=True)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(octets, timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error, ValueError, TypeError):
        return False
    return True


def parse(entry: Mapping[str, Any], *, now: datetime) -> Event | None:
    """This will read one event; None for what is none of ours."""
    kind = str(entry.get("event") or "")
    if kind not in _STATUSES and kind not in _WITHDRAWS:
        return None
    sg_id = str(entry.get("sg_message_id") or "")
    stamp = entry.get("timestamp")
    known = isinstance(stamp, int) and not isinstance(stamp, bool) and 0 < stamp < 10**11
    permanent = kind == "bounce" and str(entry.get("type") or "bounce") == "bounce"
    return Event(
        event_id=str(entry.get("sg_event_id") or ""),
        kind=kind,
        external_id=sg_id.split(".")[0] or None,  # what follows the first dot is SendGrid's own routing
        status=_STATUSES.get(kind),
        error_code=_reason(entry) if kind in ("bounce", "dropped") else None,
        address=str(entry.get("email") or "").strip().lower()[:254],
        withdraws=kind in _WITHDRAWS or permanent,
        purpose=str(entry["purpose"]) if entry.get("purpose") else None,
        at=datetime.fromtimestamp(stamp, UTC) if known and isinstance(stamp, int) else now,
    )


def _reason(entry: Mapping[str, Any]) -> str:
    return str(entry.get("status") or entry.get("type") or entry.get("reason") or "unknown")[:60]
