"""Keyed digests, opaque tokens, and sealing of what must be read back."""

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken


def digest(key: str, *parts: str) -> str:
    """This will give the keyed SHA-256 (hex) of the parts; parts cannot run into each other."""
    message = b"\x00".join(part.encode() for part in parts)
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def same(left: str, right: str) -> bool:
    """This will compare two secrets in constant time; non-ASCII input compares false, it does not raise."""
    return hmac.compare_digest(left.encode(), right.encode())


def token(octets: int = 24) -> str:
    """This will give an unguessable URL-safe token."""
    return secrets.token_urlsafe(octets)


def code(digits: int = 6) -> str:
    """This will give a one-time code of decimal digits."""
    return f"{secrets.randbelow(10**digits):0{digits}d}"


def seal(key: str, text: str) -> str:
    """This will encrypt and sign a text so that only this hub can read it back."""
    return _fernet(key).encrypt(text.encode()).decode()


def unseal(key: str, sealed: str) -> str | None:
    """This will read a sealed text back, or give None when it was not sealed with this key."""
    try:
        return _fernet(key).decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"seal\x00" + key.encode()).digest()))
