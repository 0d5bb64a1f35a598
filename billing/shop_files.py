"""The settlement file of a cash partner: CSV, a line for each payment that its shops took in a day. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing import csv_files
from core import errors, money

COLUMNS = ("transaction_id", "reference", "amount", "currency", "paid_at", "shop")
_NAME = re.compile(r"[\x21-\x7e]{1,80}")


@dataclass(frozen=True)
class ShopPayment:
    """One payment as the partner reports it. ValueError for one without a name, a time zone or some whole cents."""

    transaction_id: str
    reference: str
    amount: Decimal
    currency: str
    paid_at: datetime
    shop: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.transaction_id) or not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise ValueError("no payment")
        if self.amount <= 0 or self.amount != self.amount.quantize(money.CENT) or self.paid_at.tzinfo is None:
            raise ValueError("no payment")
        if len(self.reference) > 100 or len(self.shop) > 200 or "\x00" in self.reference + self.shop:
            raise ValueError("no payment")


def parse(body: bytes) -> tuple[ShopPayment, ...]:
    """This will read a file whole, or raise Invalid shop_file.* with the line that is wrong: half a file is none.

    A line that stands there twice counts once; two that bear one name and differ are wrong.
    """
    found: dict[str, ShopPayment] = {}
    for line, told in csv_files.parse(body, columns=COLUMNS, kind="shop_file", of=_payment):
        if found.setdefault(told.transaction_id, told) != told:
            raise errors.Invalid("shop_file.line", line=line)
    return tuple(found.values())


def _payment(row: dict[str, str]) -> ShopPayment:
    return ShopPayment(
        transaction_id=row["transaction_id"].strip(), reference=row["reference"].strip(),
        amount=money.parse(row["amount"]), currency=row["currency"].strip().upper(),
        paid_at=datetime.fromisoformat(row["paid_at"]), shop=row["shop"].strip(),
    )  # fmt: skip
