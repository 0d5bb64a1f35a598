"""Debts that will hardly be paid: accounts that are closed and were dunned for long. A person gives them up."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import credits, disconnection, dunning, models, once, views
from core import errors, money
from core.accounts import queries as accounts

_PAGE = 200


def list_proposals(
    session: Session, *, after_days: int, now: datetime, limit: int = 50
) -> tuple[views.Uncollected, ...]:
    """This will list closed accounts that are behind, so many days after they were first reminded; oldest first."""
    case = models.DunningCaseRow
    found: list[views.Uncollected] = []
    last = 0
    while len(found) < limit:
        cases = session.execute(
            select(case.id, case.account_id)
            .where(case.status == "OPEN", case.opened_at <= now - timedelta(days=after_days), case.id > last)
            .order_by(case.id)
            .limit(_PAGE)
        ).all()
        if not cases:
            break
        last = cases[-1].id
        known = accounts.list_accounts_of(session, account_ids=[row.account_id for row in cases])
        gone = {account.id: account for account in known if account.status == "CLOSED"}
        found += _behind(session, [gone[row.account_id] for row in cases if row.account_id in gone], now)
    return tuple(found[:limit])


def give_up(session: Session, *, account_id: int, reason: str, actor: str, after_days: int, now: datetime) -> Decimal:
    """This will write off what a proposed account owes; what it pays later is a recovery. Gives the amount.

    Invalid write_off.reason; Refused write_off.not_due for an account that is not proposed, or not any more.
    """
    if not reason.strip():
        raise errors.Invalid("write_off.reason")
    once.lock_account(session, account_id)
    case = dunning.open_case(session, account_id)
    account = accounts.get_account(session, account_id=account_id)
    long_ago = case is not None and case.opened_at <= now - timedelta(days=after_days)
    if case is None or not long_ago or account.status != "CLOSED" or not _behind(session, [account], now):
        raise errors.Refused("write_off.not_due")
    key = f"write-off:case:{case.id}"
    return credits.write_off(session, account_id=account_id, reason=reason.strip(), actor=actor, key=key, now=now)


def _behind(session: Session, gone: Sequence[accounts.Account], now: datetime) -> list[views.Uncollected]:
    """Those of closed accounts that are behind. They take no service, so their day is UTC's."""
    late = disconnection.list_overdue(
        session, account_ids=[account.id for account in gone], today=now.astimezone(UTC).date()
    )
    return [
        views.Uncollected(
            account.id, account.number, money.from_cents(late[account.id].cents), since, account.closed_on
        )
        for account in gone
        if (since := late[account.id].since) is not None and account.closed_on is not None
    ]
