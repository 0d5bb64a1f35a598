"""Requests that may arrive twice: the first answer is kept by its key and given again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import models
from core import errors


def lock(session: Session, name: str, *, shared: bool = False) -> None:
    """This will let one transaction at a time work under a name, or many that share it; it is free again at its end."""
    taken = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
    session.execute(select(taken(func.hashtextextended(name, 0))))


def lock_account(session: Session, account_id: int) -> None:
    """This will let one transaction at a time change what an account owes."""
    lock(session, f"billing-account:{account_id}")


def answered(session: Session, *, key: str, operation: str, account_id: int) -> Mapping[str, Any] | None:
    """This will give the first answer to a key, or None; Invalid request.key when the key served something else."""
    lock(session, f"billing-request:{key}")
    row = session.get(models.BillingRequestRow, key)
    if row is None:
        return None
    if row.operation != operation or row.account_id != account_id:
        raise errors.Invalid("request.key")
    return row.result


def answer(
    session: Session, *, key: str, operation: str, account_id: int, result: Mapping[str, Any], now: datetime
) -> None:
    """This will keep the first answer to a key."""
    session.add(
        models.BillingRequestRow(
            key=key, operation=operation, account_id=account_id, result=dict(result), recorded_at=now
        )
    )
    session.flush()
