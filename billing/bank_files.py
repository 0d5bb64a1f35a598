"""A bank's list of credits as CSV: entry_id, booked_on, amount, currency, payer, remittance. Pure."""

import csv
import io
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from core import errors, money

COLUMNS = ("entry_id", "booked_on", "amount", "currency", "payer", "remittance")


@dataclass(frozen=True)
class Entry:
    """One credit of a bank statement."""

    entry_id: str
    booked_on: date
    amount: Decimal
    currency: str
    payer: str
    remittance: str


def parse_csv(body: bytes) -> tuple[Entry, ...]:
    """This will read a file whole, or raise Invalid bank_file.* with the line that is wrong: half a file is none."""
    try:
        rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise errors.Invalid("bank_file.columns", wanted=list(COLUMNS))
        found = tuple(_entry(row, number) for number, row in enumerate(rows, 2))
    except (UnicodeDecodeError, csv.Error) as wrong:
        raise errors.Invalid("bank_file.unreadable") from wrong
    if len({entry.entry_id for entry in found}) != len(found):
        raise errors.Invalid("bank_file.entry_twice")
    return found


def _entry(row: dict[str, str], line: int) -> Entry:
    try:
        amount, day = money.parse(row["amount"]), date.fromisoformat(row["booked_on"])
    except (TypeError, ValueError) as wrong:
        raise errors.Invalid("bank_file.line", line=line) from wrong
    if amount <= 0 or amount != amount.quantize(money.CENT) or not row["entry_id"] or None in row.values():
        raise errors.Invalid("bank_file.line", line=line)
    currency = row["currency"].strip().upper()
    return Entry(row["entry_id"], day, amount, currency, row["payer"].strip(), row["remittance"].strip())
