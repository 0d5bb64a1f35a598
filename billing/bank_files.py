"""A bank's list of credits: camt.053, or CSV of entry_id, booked_on, amount, currency, payer, remittance. Pure."""

from datetime import date

from billing import camt, csv_files
from billing.bank_entries import Entry, checked
from core import money

COLUMNS = ("entry_id", "booked_on", "amount", "currency", "payer", "remittance")


def parse(body: bytes) -> tuple[Entry, ...]:
    """This will read a file of either form whole, or raise Invalid bank_file.*: half a file is none."""
    is_xml = body.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith(b"<")
    return camt.parse(body) if is_xml else parse_csv(body)


def parse_csv(body: bytes) -> tuple[Entry, ...]:
    """This will read CSV whole, or raise Invalid bank_file.* with the line that is wrong."""
    return checked(tuple(entry for _, entry in csv_files.parse(body, columns=COLUMNS, kind="bank_file", of=_entry)))


def _entry(row: dict[str, str]) -> Entry:
    amount, day, currency = money.parse(row["amount"]), date.fromisoformat(row["booked_on"]), row["currency"]
    payer, remittance = row["payer"].strip(), row["remittance"].strip()
    return Entry(row["entry_id"], day, amount, currency.strip().upper(), payer, remittance)
