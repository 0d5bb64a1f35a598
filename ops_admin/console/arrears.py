"""Who is behind, how far up the ladder, and why each may or may not be disconnected today."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from billing import dunning
from billing import queries as billing
from core.accounts import queries as accounts

_SHOWN = 20


@dataclass(frozen=True)
class Behind:
    """An account and its verdict of this moment."""

    number: str
    verdict: billing.Verdict


def read(session: Session, *, now: datetime) -> tuple[Behind, ...]:
    """This will give the accounts that have been on the ladder longest."""
    return tuple(_of(session, account_id, now) for account_id in dunning.list_cases(session, limit=_SHOWN))


def find(session: Session, *, number: str, now: datetime) -> Behind | None:
    """This will give the verdict of one account, behind or not; None when nobody bears the number."""
    account = accounts.find_account_by_number(session, number=number)
    return _of(session, account.id, now) if account is not None else None


def _of(session: Session, account_id: int, now: datetime) -> Behind:
    account = accounts.get_account(session, account_id=account_id)
    return Behind(account.number, billing.may_disconnect(session, account_id=account_id, now=now))
