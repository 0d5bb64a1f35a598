"""How our mails name their conversation, so that nobody else's can: signed plus-addresses and Message-IDs. Pure."""

import re

from core import crypto

_SIGNED = 16  # hex digits of the signature


class Addressing:
    """Writes and reads the signed names. Both are bearer names: the sender is checked against the case besides."""

    def __init__(self, secret: str, domain: str) -> None:
        self._secret = secret
        self._domain = domain

    def recipient(self, mailbox: str, conversation: str) -> str:
        """This will give the Reply-To of a conversation: ``care+c.<token>.<signature>@domain``."""
        local = mailbox.split("@")[0].split("+")[0]
        return f"{local}+c.{conversation}.{self._sign('to', conversation)}@{self._domain}"

    def read_recipient(self, address: str) -> str | None:
        """This will give the conversation a recipient address names, or None when we did not sign it."""
        found = re.fullmatch(r"[^@+\s]+\+c\.([\w-]{1,64})\.([0-9a-f]{16})@.+", address)
        if found and crypto.same(found.group(2), self._sign("to", found.group(1))):
            return found.group(1)
        return None

    def message_id(self, conversation: str, message_id: int) -> str:
        """This will give the Message-ID of one outbound message; the same on every try."""
        name = f"{conversation}.{message_id}"
        return f"<c.{name}.{self._sign('id', name)}@{self._domain}>"

    def read_message_id(self, reference: str) -> str | None:
        """This will give the conversation of one of our own Message-IDs, or None when we did not sign it."""
        found = re.fullmatch(r"<c\.([\w-]{1,64})\.(\d{1,19})\.([0-9a-f]{16})@[^>\s]+>", reference)
        if found and crypto.same(found.group(3), self._sign("id", f"{found.group(1)}.{found.group(2)}")):
            return found.group(1)
        return None

    def _sign(self, purpose: str, name: str) -> str:
        return crypto.digest(self._secret, "email", purpose, name)[:_SIGNED]
