"""The gate to the outside: no network while a transaction is open, and never without a time limit."""

from core import db

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)


def leave() -> None:
    """This will refuse to go outside while a transaction is open; every adapter calls it before it calls a vendor."""
    if db.in_transaction():
        raise RuntimeError("network inside a transaction: read - call - write")
