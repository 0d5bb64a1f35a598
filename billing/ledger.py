"""The books. Everything owed and paid passes through `post_journals`; nothing is ever changed, only added to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import bulk, models, periods_open
from core import db

Ints = NDArray[np.int64]

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


@dataclass(frozen=True)
class Owed:
    """n bills that are owed from now on; arrays are [n], `tax_cents` is part of `total_cents`."""

    bill_ids: Ints
    account_ids: Ints
    total_cents: Ints
    tax_cents: Ints

    def only(self, rows: NDArray[Any]) -> "Owed":
        return Owed(self.bill_ids[rows], self.account_ids[rows], self.total_cents[rows], self.tax_cents[rows])


def join(parts: Sequence[Owed]) -> Owed:
    """This will put some together, in order of their ids."""
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Owed(none, none, none, none)
    both = Owed(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("bill_ids", "account_ids", "total_cents", "tax_cents")
        )
    )
    return both.only(np.argsort(both.bill_ids))


_OWED = text(
    """
    SELECT string_agg(int8send(id), ''::bytea), string_agg(int8send(account_id), ''::bytea),
           string_agg(int8send(total_cents), ''::bytea), string_agg(int8send(tax), ''::bytea)
      FROM (SELECT b.id, b.account_id, b.total_cents, billing_sum(b.amounts[f.tax_at :]) AS tax
              FROM bill b JOIN bill_form f ON f.id = b.form_id WHERE b.id = ANY(CAST(:ids AS bigint[])) ORDER BY b.id)
    """
)
_JOURNAL = ("key", "kind", "account_id", "effective_on", "booked_on", "posted_at", "codes", "cents")


def owed_by(session: Session, *, bill_ids: Sequence[int]) -> Owed:
    """This will read from the rows what some bills owe."""
    session.flush()
    found = session.execute(_OWED, {"ids": db.array_of(bill_ids)}).one()
    return Owed(*(db.ints(sent) for sent in found))


def post_bills(session: Session, *, owed: Owed, effective_on: date, now: datetime) -> None:
    """This will post the journals of bills that have just been issued: what is owed, split into revenue and tax.

    It is `post_journals` for very many: key ``bill:<id>``, no entry of nothing. A bill is issued once, so a key that is
    there already is an error.
    """
    first_open = periods_open.hold_open(session)
    booked_on = first_open if first_open and effective_on < first_open else None
    sides = _sides(owed)
    entered = np.stack([cents != 0 for cents in sides.values()], axis=1)
    digits = np.char.str_len(owed.bill_ids.astype("U20"))
    blocks = []
    for pattern, alike in bulk.patterns(entered):
        codes = [code for code, yes in zip(sides, pattern, strict=True) if yes]
        if not codes:
            continue
        for width in np.unique(digits[alike]):
            rows = alike[digits[alike] == width]
            laid = _journals(owed.only(rows), codes, int(width), effective_on, booked_on, now)
            blocks.append(laid.tobytes())
    db.copy_laid_out(session, "ledger_journal", _JOURNAL, blocks)


def _sides(owed: Owed) -> dict[str, Ints]:
    """What a bill enters on each ledger account."""
    return {RECEIVABLE: owed.total_cents, REVENUE: owed.tax_cents - owed.total_cents, TAX_PAYABLE: -owed.tax_cents}


def _journals(
    owed: Owed, codes: Sequence[str], width: int, effective_on: date, booked_on: date | None, now: datetime
) -> bulk.Octets:
    """Journals with entries on the same ledger accounts and ids of the same length, laid out."""
    sides = _sides(owed)
    head = np.frombuffer(b"bill:", dtype=np.uint8)
    keys = np.concatenate(
        [np.broadcast_to(head, (len(owed.bill_ids), len(head))), bulk.digits(owed.bill_ids, width)], axis=1
    )
    cents = bulk.int8_arrays([sides[code] for code in codes], len(owed.bill_ids))
    layout = bulk.Layout()
    layout.row(len(_JOURNAL))
    layout.own("key", keys.shape[1])
    layout.same(bulk.string("BILL"))
    layout.own("account_id", 8)
    layout.same(bulk.day(effective_on))
    layout.same(None if booked_on is None else bulk.day(booked_on))
    layout.same(bulk.instant(now))
    layout.same(bulk.strings(codes))
    layout.own("cents", cents.shape[1])
    own = {"key": keys, "account_id": bulk.int8s(owed.account_ids), "cents": cents}
    return layout.fill(len(owed.bill_ids), own)


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
