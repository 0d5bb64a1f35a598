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
    posted = 0
    for some in bulk.slices(wanted, 5000):
        rows = []
        for j in some:
            entries = {code: cents for code, cents in j.amounts.items() if cents}
            rows.append(
                {
                    "key": j.key,
                    "kind": j.kind,
                    "account_id": j.account_id,
                    "effective_on": j.effective_on,
                    "booked_on": first_open if first_open and j.effective_on < first_open else None,
                    "posted_at": now,
                    "codes": list(entries),
                    "cents": list(entries.values()),
                }
            )
        statement = insert(models.LedgerJournalRow).on_conflict_do_nothing(index_elements=["key"])
        posted += len(session.execute(statement.returning(models.LedgerJournalRow.id), rows).all())
    return posted


_BILLS = text(
    """
    INSERT INTO ledger_journal (key, kind, account_id, effective_on, booked_on, posted_at, codes, cents)
    SELECT 'bill:' || id, 'BILL', account_id, :on, :booked_on, :now,
           CASE WHEN tax = 0 THEN ARRAY['RECEIVABLE', 'REVENUE']
                WHEN total_cents = 0 THEN ARRAY['REVENUE', 'TAX_PAYABLE']
                WHEN total_cents = tax THEN ARRAY['RECEIVABLE', 'TAX_PAYABLE']
                ELSE ARRAY['RECEIVABLE', 'REVENUE', 'TAX_PAYABLE'] END,
           CASE WHEN tax = 0 THEN ARRAY[total_cents, -total_cents]
                WHEN total_cents = 0 THEN ARRAY[tax, -tax]
                WHEN total_cents = tax THEN ARRAY[total_cents, -tax]
                ELSE ARRAY[total_cents, tax - total_cents, -tax] END
      FROM (SELECT b.id, b.account_id, b.total_cents, billing_sum(b.amounts[f.tax_at :]) AS tax
              FROM bill b JOIN bill_form f ON f.id = b.form_id
             WHERE b.id BETWEEN :first AND :last AND b.id = ANY(CAST(:ids AS bigint[]))) AS owed
     WHERE total_cents <> 0 OR tax <> 0
     ORDER BY id
    ON CONFLICT (key) DO NOTHING
    """
)


def post_bills(session: Session, *, bill_ids: Sequence[int], effective_on: date, now: datetime) -> None:
    """This will post the journals of issued bills, set-based: what is owed, split into revenue and tax.

    It is `post_journals` for what stands in rows already: key ``bill:<id>``, new keys only, no entry of nothing.
    """
    if not bill_ids:
        return
    session.flush()
    first_open = periods_open.hold_open(session)
    booked_on = first_open if first_open and effective_on < first_open else None
    session.execute(
        _BILLS,
        {
            "ids": list(bill_ids), "first": min(bill_ids), "last": max(bill_ids), "on": effective_on,
            "booked_on": booked_on, "now": now,
        },
    )  # fmt: skip


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
