"""Which months of the books are open. Posting and closing wait for each other here."""

from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import cash_models, once
from core import periods

_LOCK = "ledger-close"  # the trigger on ledger_journal takes the same one


def hold_open(session: Session) -> date | None:
    """This will keep months from being closed until the transaction ends; gives the first open one (None: all)."""
    once.lock(session, _LOCK, shared=True)
    return first_open(session)


def hold_closed(session: Session) -> date | None:
    """This will wait until nobody posts, and keep everybody from it until the transaction ends."""
    once.lock(session, _LOCK)
    return first_open(session)


def first_open(session: Session) -> date | None:
    """This will give the first day of the month after the last closed one; None when none has been closed."""
    last = session.scalar(select(func.max(cash_models.LedgerPeriodRow.starts_on)))
    return None if last is None else periods.add_months(last, 1)
