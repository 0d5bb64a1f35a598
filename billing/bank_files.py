"""A bank's list of credits: camt.053, or CSV of entry_id, booked_on, amount, currency, payer, remittance. Pure."""

import csv
import io
from datetime import date

from billing import camt
from billing.bank_entries import Entry, checked
from core import errors, money

COLUMNS = ("entry_id", "booked_on", "amount", "currency", "payer", "remittance")


def parse(body: bytes) -> tuple[Entry, ...]:
    """This will read a file of either form whole, or raise Invalid bank_file.*: half a file is none."""
    is_xml = body.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith(b"<")
    return camt.parse(body) if is_xml else parse_csv(body)


def parse_csv(body: bytes) -> tuple[Entry, ...]:
    """This will read CSV whole, or raise Invalid bank_file.* with the line that is wrong."""
    try:
        rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise errors.Invalid("bank_file.columns", wanted=list(COLUMNS))
        found = tuple(_entry(row, number) for number, row in enumerate(rows, 2))
    except (UnicodeDecodeError, csv.Error) as wrong:
        raise errors.Invalid("bank_file.unreadable") from wrong
    return checked(found)


def _entry(row: dict[str, str], line: int) -> Entry:
    try:
        amount, day, currency = money.parse(row["amount"]), date.fromisoformat(row["booked_on"]), row["currency"]
        payer, remittance = row["payer"].strip(), row["remittance"].strip()
        return Entry(row["entry_id"], day, amount, currency.strip().upper(), payer, remittance)
    except (AttributeError, TypeError, ValueError) as wrong:
        raise errors.Invalid("bank_file.line", line=line) from wrong
