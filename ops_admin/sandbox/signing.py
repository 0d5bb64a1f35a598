"""How each vendor signs what it posts."""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def twilio(token: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """This will give X-Twilio-Signature: HMAC-SHA1 over the public URL and the sorted parameters."""
    text = url + "".join(name + value for name, value in sorted(set(parameters)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def sendgrid(private_key: str, timestamp: str, body: bytes) -> str:
    """This will give the ECDSA signature (P-256, SHA-256, DER, base64) over timestamp and raw body."""
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("SendGrid signs with an elliptic-curve key")
    return base64.b64encode(key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()


def hubspot(secret: str, method: str, url: str, body: bytes, timestamp: str) -> str:
    """This will give X-HubSpot-Signature-v3: HMAC-SHA256 over method, URI, body and timestamp (ms)."""
    text = method.encode() + url.encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()


def stripe(secret: str, timestamp: int, body: bytes) -> str:
    """This will give the Stripe-Signature header."""
    digest = hmac.new(secret.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def new_key_pair() -> tuple[str, str]:
    """This will make an elliptic-curve key: (private PEM, public key as SendGrid shows it, base64 DER)."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), base64.b64encode(public).decode()


def same(left: str | None, right: str) -> bool:
    """This will compare credentials in constant time; no credential is no match."""
    return bool(right) and hmac.compare_digest((left or "").encode(), right.encode())
