"""A credit of a bank's statement, whichever form the bank gives it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from core import errors, money


@dataclass(frozen=True)
class Entry:
    """One credit of a bank statement. `entry_id` is the bank's own, the same whenever it is told again.

    ValueError for one without a name, or whose amount is not some cents.
    """

    entry_id: str
    booked_on: date
    amount: Decimal
    currency: str
    payer: str
    remittance: str

    def __post_init__(self) -> None:
        if not self.entry_id or self.amount <= 0 or self.amount != self.amount.quantize(money.CENT):
            raise ValueError("no credit")


def checked(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """This will give the entries back; Invalid ``bank_file.entry_twice`` when two have one name."""
    if len({entry.entry_id for entry in entries}) != len(entries):
        raise errors.Invalid("bank_file.entry_twice")
    return tuple(entries)
