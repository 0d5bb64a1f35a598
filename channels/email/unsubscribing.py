"""The way out of mails nobody asked for (RFC 8058): a sealed link; looking changes nothing, posting does."""

import json

from core import crypto
from core.settings import Settings


def link(settings: Settings, *, address: str, purpose: str) -> str:
    """This will give the link that ends one purpose for one address; nobody can read it or make another."""
    token = crypto.seal(settings.secret_key, json.dumps({"unsubscribe": address, "purpose": purpose}))
    return f"{settings.public_base_url.rstrip('/')}/unsubscribe/{token}"


def read(settings: Settings, token: str) -> tuple[str, str] | None:
    """This will give the address and purpose of a link, or None when it is not ours."""
    text = crypto.unseal(settings.secret_key, token) if token.isascii() else None
    if text is None:
        return None
    try:
        meant = json.loads(text)
        return str(meant["unsubscribe"]), str(meant["purpose"])
    except (ValueError, KeyError, TypeError):
        return None
