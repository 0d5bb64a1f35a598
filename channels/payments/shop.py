"""What the cash partner posts for each payment at a shop: signed like a vendor's webhook, and one JSON object."""

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.shop_files import ShopPayment
from core import crypto, errors, money

HEADER = "Shop-Signature"
TOLERANCE = timedelta(minutes=5)
_SIGNED = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


def signature(secret: str, at: int, body: bytes) -> str:
    """This will give the header: when it was signed, and the HMAC-SHA256 of "<when>.<body>"."""
    return f"t={at},v1={hmac.new(secret.encode(), b'%d.' % at + body, hashlib.sha256).hexdigest()}"


def check(body: bytes, header: str | None, *, secret: str, now: datetime) -> None:
    """This will raise Refused webhook.signature where the partner did not sign this, webhook.stale where long ago."""
    signed = _SIGNED.fullmatch(header or "")
    if not secret or signed is None or not crypto.same(signature(secret, int(signed[1]), body), signed[0]):
        raise errors.Refused("webhook.signature")
    if abs(now - datetime.fromtimestamp(int(signed[1]), UTC)) > TOLERANCE:
        raise errors.Refused("webhook.stale")


def parse(body: bytes) -> ShopPayment:
    """This will read the payment, or raise Invalid webhook.body: it is told again then, and nothing has changed."""
    try:
        told = json.loads(body, parse_float=Decimal, parse_int=Decimal)
        return ShopPayment(
            transaction_id=_text(told, "transaction_id"), reference=_text(told, "reference"),
            amount=money.parse(str(told["amount"])), currency=_text(told, "currency").upper(),
            paid_at=datetime.fromisoformat(_text(told, "paid_at")), shop=_text(told, "shop"),
        )  # fmt: skip
    except (ArithmeticError, KeyError, TypeError, ValueError, RecursionError) as odd:
        raise errors.Invalid("webhook.body") from odd


def _text(told: Any, name: str) -> str:
    found = told[name]
    if not isinstance(found, str):
        raise TypeError(name)
    return found.strip()
