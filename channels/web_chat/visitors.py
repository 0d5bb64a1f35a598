"""Who a visitor is: a random token that we signed; its digest is the identity, so the database holds no bearer."""

import re

from core import crypto

COOKIE = "wattline_visitor"
_FORM = re.compile(r"([\w-]{43})\.([0-9a-f]{32})")


def new(secret: str) -> str:
    """This will make a visitor's token: 256 random bits and our signature."""
    value = crypto.token(32)
    return f"{value}.{_sign(secret, value)}"


def identity(secret: str, token: str | None) -> str | None:
    """This will give the identity behind a token, or None when we did not make it."""
    found = _FORM.fullmatch(token or "")
    if found is None or not crypto.same(found.group(2), _sign(secret, found.group(1))):
        return None
    return crypto.digest(secret, "visitor", found.group(1))


def topic(identity_value: str) -> str:
    """This will give the name under which a visitor's page is woken."""
    return f"chat:{identity_value}"


def _sign(secret: str, value: str) -> str:
    return crypto.digest(secret, "visitor-token", value)[:32]
