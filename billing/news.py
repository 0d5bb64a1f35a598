"""Facts of an account, as whoever hears them expects them: one after the other, and with whose account it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from core import outbox
from core.accounts import queries as accounts


def tell(session: Session, name: str, account: accounts.Account, payload: Mapping[str, Any], now: datetime) -> None:
    """This will record a fact of an account."""
    outbox.record_fact(
        session,
        name,
        key=f"account:{account.id}",
        payload={"account_id": account.id, "customer_id": account.customer_id, **payload},
        now=now,
    )
