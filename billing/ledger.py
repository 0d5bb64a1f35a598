"""The books. Everything owed and paid passes through `post_journals`; nothing is ever changed, only added to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import bulk, models, periods_open

RECEIVABLE, REVENUE, TAX_PAYABLE = "RECEIVABLE", "REVENUE", "TAX_PAYABLE"
CASH, FEE_REVENUE, ADJUSTMENTS = "CASH", "FEE_REVENUE", "ADJUSTMENTS"
DEPOSITS, INTEREST_EXPENSE, BAD_DEBT = "DEPOSITS", "INTEREST_EXPENSE", "BAD_DEBT"
DISPUTED_CASH = "DISPUTED_CASH"
BUDGET_DEFERRED = "BUDGET_DEFERRED"  # billed, but by a budget not due yet; below zero: due, and not used yet


@dataclass(frozen=True)
class Journal:
    """One event: cents per ledger account, a debit above zero and a credit below; they add up to nothing."""

    key: str
    kind: str
    account_id: int
    effective_on: date
    amounts: Mapping[str, int]

    def __post_init__(self) -> None:
        if sum(self.amounts.values()) != 0:
            raise ValueError(f"journal {self.key} is out of balance: {dict(self.amounts)}")


def post_journals(session: Session, journals: Sequence[Journal], *, now: datetime) -> int:
    """This will post the journals whose key is new, for one account or thousands; gives how many.

    What belongs to a month that is closed already counts in the first one that is open.
    """
    wanted = [j for j in journals if any(j.amounts.values())]
    if not wanted:
        return 0
    first_open = periods_open.hold_open(session)
    fresh: dict[str, int] = {}
    for some in bulk.slices(wanted, 5000):
        rows = [
            {
                "key": j.key,
                "kind": j.kind,
                "account_id": j.account_id,
                "effective_on": j.effective_on,
                "booked_on": first_open if first_open and j.effective_on < first_open else None,
                "posted_at": now,
            }
            for j in some
        ]
        statement = insert(models.LedgerJournalRow).on_conflict_do_nothing(index_elements=["key"])
        returned = session.execute(statement.returning(models.LedgerJournalRow.key, models.LedgerJournalRow.id), rows)
        fresh.update((row.key, row.id) for row in returned)
    bulk.copy(
        session,
        "ledger_entry",
        ("journal_id", "code", "account_id", "debit_cents", "credit_cents"),
        (
            (fresh[j.key], code, j.account_id, max(cents, 0), max(-cents, 0))
            for j in wanted
            if j.key in fresh
            for code, cents in j.amounts.items()
            if cents
        ),
    )
    return len(fresh)


_BILLS = text(
    """
    WITH owed AS (
      SELECT b.id, b.account_id, b.total_cents, b.kind_key, coalesce(t.cents, 0) AS tax
        FROM (SELECT id, account_id, total_cents, 'bill:' || id AS kind_key FROM bill
               WHERE id = ANY(CAST(:ids AS bigint[]))) AS b
        LEFT JOIN (SELECT bill_id, CAST(sum(amount_cents) AS bigint) AS cents FROM bill_line
                    WHERE bill_id = ANY(CAST(:ids AS bigint[])) AND component = 'tax' GROUP BY bill_id) AS t
               ON t.bill_id = b.id
    ), posted AS (
      INSERT INTO ledger_journal (key, kind, account_id, effective_on, booked_on, posted_at)
      SELECT kind_key, 'BILL', account_id, :on, :booked_on, :now FROM owed
       WHERE total_cents <> 0 OR tax <> 0 ORDER BY id
      ON CONFLICT (key) DO NOTHING
      RETURNING id, key
    )
    INSERT INTO ledger_entry (journal_id, code, account_id, debit_cents, credit_cents)
    SELECT posted.id, e.code, owed.account_id, greatest(e.cents, 0), greatest(-e.cents, 0)
      FROM owed JOIN posted ON posted.key = owed.kind_key,
           LATERAL (VALUES ('RECEIVABLE', total_cents), ('REVENUE', tax - total_cents), ('TAX_PAYABLE', -tax))
             AS e (code, cents)
     WHERE e.cents <> 0
     ORDER BY posted.id
    """
)


def post_bills(session: Session, *, bill_ids: Sequence[int], effective_on: date, now: datetime) -> None:
    """This will post the journals of issued bills, set-based: what is owed, split into revenue and tax.

    It is `post_journals` for what stands in rows already: key ``bill:<id>``, new keys only, no entry of nothing.
    """
    session.flush()
    first_open = periods_open.hold_open(session)
    booked_on = first_open if first_open and effective_on < first_open else None
    session.execute(_BILLS, {"ids": list(bill_ids), "on": effective_on, "booked_on": booked_on, "now": now})


def balance_cents(session: Session, *, account_id: int) -> int:
    """This will give what an account owes, in cents, from its entries; negative when it is in credit."""
    return balances_cents(session, account_ids=[account_id])[account_id]


def balances_cents(session: Session, *, account_ids: Sequence[int]) -> dict[int, int]:
    """This will give what accounts owe, in cents, by account."""
    entry = models.LedgerEntryRow
    rows = session.execute(
        select(entry.account_id, func.sum(entry.debit_cents) - func.sum(entry.credit_cents))
        .where(entry.account_id.in_(account_ids), entry.code == RECEIVABLE)
        .group_by(entry.account_id)
    )
    return {**dict.fromkeys(account_ids, 0), **{account_id: int(cents) for account_id, cents in rows}}
