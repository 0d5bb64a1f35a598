"""The clock's word on deposits: who has paid well for as long as the rules ask has theirs back, with interest."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from billing import cash_models, deposits, disconnection
from core import errors, log, money, periods
from core.accounts import queries as accounts
from core.compliance import rules
from core.compliance.pack import Rule
from core.conversations import operations as conversing
from core.fieldwork import queries as work
from core.hub import Hub

logger = log.get(__name__)

_PAGE = 500


@dataclass(frozen=True)
class _Due:
    """A deposit to give back, by a rule, after good payment since a day."""

    deposit_id: int
    account: accounts.Account
    rule: Rule
    months: int
    since: date


def return_due(hub: Hub) -> int:
    """This will give back every deposit whose time has come, and tell its customer; gives of how many. Daily.

    Each goes in a transaction of its own, once: what was given back is held no longer. An account that was cut off for
    debt within that time has not paid well.
    """
    today = periods.civil_day(hub.now(), hub.settings.utility_timezone)
    after = done = 0
    while True:
        with hub.transaction() as session:
            ids = _list_held(session, after=after, today=today)
            due = _list_due(session, ids, today, hub.settings.utility_timezone)
        if not ids:
            return done
        after = ids[-1]
        for each in due:
            try:
                with hub.transaction() as session:
                    done += _give_back(session, hub, each, hub.now())
            except errors.WattlineError as refused:  # of one account: the others are due all the same
                logger.warning("deposit_not_returned", extra={"deposit": each.deposit_id, "code": refused.code})


def _list_held(session: Session, *, after: int, today: date) -> list[int]:
    row = cash_models.DepositRow
    return list(
        session.scalars(
            select(row.id)
            .where(row.returned_on.is_(None), row.id > after, row.charged_on < periods.add_months(today, -1))
            .order_by(row.id)
            .limit(_PAGE)
        )
    )


def _list_due(session: Session, deposit_ids: Sequence[int], today: date, timezone: str) -> list[_Due]:
    """Those of some deposits that are held long enough, and whose accounts pay well: as many questions as for one."""
    held = deposits.list_held(session, deposit_ids=deposit_ids)
    known = {a.id: a for a in accounts.list_accounts_of(session, account_ids=sorted({h.account_id for h in held}))}
    long_enough: dict[date, list[_Due]] = defaultdict(list)
    for one in held:
        account = known[one.account_id]
        rule = rules.rule(account.jurisdiction, "deposit_return", today)
        business = account.customer_kind == "BUSINESS" and "business_months" in rule.values
        months = rule.days("business_months" if business else "months")
        since = periods.add_months(today, -months)
        if account.status == "ACTIVE" and one.since <= since:
            long_enough[since].append(_Due(one.deposit_id, account, rule, months, since))
    found: list[_Due] = []
    for since, some in long_enough.items():
        ids = sorted({each.account.id for each in some})
        late = _count_late(session, ids, since, today, timezone)
        behind = disconnection.list_overdue(session, account_ids=ids, today=today)
        found += [
            each
            for each in some
            if late.get(each.account.id, 0) <= each.rule.days("most_late") and not behind[each.account.id].cents
        ]
    return found


# what was paid, by whatever, until the end of the day a bill was due; a bill in dispute is not late
_LATE = text(
    """
    SELECT bill.account_id, count(*)
      FROM bill
     WHERE bill.account_id = ANY(:ids) AND bill.status = 'ISSUED' AND bill.total_cents > 0
       AND bill.due_on >= :since AND bill.due_on < :today
       AND NOT EXISTS (SELECT FROM dispute WHERE dispute.bill_id = bill.id AND dispute.status = 'OPEN')
       AND bill.total_cents > (
           SELECT coalesce(sum(part.amount_cents), 0)
             FROM allocation part
             LEFT JOIN payment ON payment.id = part.payment_id
             LEFT JOIN credit ON credit.id = part.credit_id
            WHERE part.bill_id = bill.id
              AND coalesce(payment.received_at, credit.given_at)
                  < (bill.due_on + 1)::timestamp AT TIME ZONE CAST(:timezone AS text))
     GROUP BY bill.account_id
    """
)


def _count_late(
    session: Session, account_ids: Sequence[int], since: date, today: date, timezone: str
) -> dict[int, int]:
    asked = {"ids": list(account_ids), "since": since, "today": today, "timezone": timezone}
    return {account_id: int(count) for account_id, count in session.execute(_LATE, asked)}


def _give_back(session: Session, hub: Hub, due: _Due, now: datetime) -> bool:
    requests = work.list_requests(session, account_id=due.account.id, limit=100)
    if any(r.kind == "DISCONNECT" and r.status == "DONE" and r.opened_at.date() >= due.since for r in requests):
        return False
    given = deposits.return_deposit(
        session, deposit_id=due.deposit_id, actor="job:deposits", reason=f"{due.rule.id}: {due.rule.citation}", now=now
    )
    interest = session.get_one(cash_models.DepositRow, due.deposit_id).interest_cents
    conversing.notify_customer(
        session,
        customer_id=due.account.customer_id,
        kind="notice.deposit_returned",
        data={"amount": str(given), "interest": str(money.from_cents(interest)), "months": due.months},
        purpose="SERVICE",
        key=f"deposit_returned:{due.deposit_id}",
        now=now,
        house=conversing.house(hub.settings),
    )
    return True
