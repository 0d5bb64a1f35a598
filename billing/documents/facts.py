"""What a printed bill is made from: plain figures, gathered by `billing.statement`."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from billing.views import BillLine
from core import wording

ZERO = Decimal("0.00")


@dataclass(frozen=True)
class Month:
    """One bill among the last thirteen, for the chart and the comparison."""

    ends_on: date
    kwh: Decimal
    days: int
    estimated: bool = False
    total: Decimal = ZERO

    @property
    def daily(self) -> Decimal:
        return self.kwh / self.days


@dataclass(frozen=True)
class Regulator:
    """Whom a customer may turn to; `code` is the jurisdiction, under which the catalogues have the name."""

    code: str
    phone: str = ""
    web: str = ""


@dataclass(frozen=True)
class ShopSlip:
    """What a shop needs to take cash for a bill: who it is, our number there, the reference and its amount."""

    partner: str
    gln: str
    reference: str
    amount: Decimal


@dataclass(frozen=True)
class Replaced:
    """The cancelled bill that a bill stands in the place of, and the credit note that cancels it."""

    bill_number: str
    billed_on: date
    note_number: str


@dataclass(frozen=True)
class BillDocument:
    """All a bill says. `balance_before` is what was owed after the bill before it; `payments` (below zero) and
    `adjustments` (fees and corrections) what happened since.
    """

    house: wording.House
    postal_address: str
    email: str
    customer_name: str
    mailing_address: str
    service_address: str
    account_number: str
    bill_number: str
    starts_on: date
    ends_on: date
    issued_on: date
    due_on: date
    total: Decimal
    balance_before: Decimal
    payments: Decimal
    kwh: Decimal
    days: int
    peak_kw: Decimal | None
    tariff_code: str
    estimated: bool
    autopay: bool
    lines: tuple[BillLine, ...]
    history: tuple[Month, ...]
    late_fee_percent: Decimal | None
    regulator: Regulator
    tariff_name: wording.Kind | None = None  # None: nobody knows it any more
    bill_id: int = 0
    customer_kind: str = "RESIDENTIAL"
    adjustments: Decimal = ZERO
    late_fee_grace_days: int = 0
    plan_ends_on: date | None = None  # the first day the contract no longer binds; None: it binds on no day
    exit_fee: Decimal = ZERO
    step_limit: Decimal | None = None  # the top of the first step where the bill is of one whole month
    bank_details: str = ""
    customer_email: str = ""  # of businesses: where an electronic invoice goes
    paper: str = "LETTER"  # or A4

    shop: ShopSlip | None = None  # None: the bill cannot be paid at a shop, or need not be

    budget: Decimal = ZERO  # what a budget adds to this bill's amount due (below zero: holds back)
    budget_balance: Decimal | None = None  # after this bill; None without a budget

    replaces: Replaced | None = None

    @property
    def arrears(self) -> Decimal:
        """What is owed without this bill (below zero: in credit)."""
        return self.balance_before + self.payments + self.adjustments

    @property
    def due(self) -> Decimal:
        return self.arrears + self.total + self.budget

    def ago(self, months: int) -> Month | None:
        """This will find the bill of a number of months before, by the month in which it ended."""
        wanted = self.ends_on.year * 12 + self.ends_on.month - months
        return next((m for m in self.history if m.ends_on.year * 12 + m.ends_on.month == wanted), None)


@dataclass(frozen=True)
class CreditNoteDocument:
    """All a credit note says: which bill it takes back, and why. `replaced_by`: the number of the bill made with it."""

    bill: BillDocument
    number: str
    issued_on: date
    cause: str
    dispute: str | None = None
    replaced_by: str | None = None

    @property
    def bill_id(self) -> int:
        return self.bill.bill_id

    @property
    def customer_kind(self) -> str:
        return self.bill.customer_kind

    @property
    def total(self) -> Decimal:
        return -self.bill.total

    @property
    def lines(self) -> tuple[BillLine, ...]:
        """Those of the bill, negated: as much less, at the same prices."""
        return tuple(replace(line, quantity=-line.quantity, amount=-line.amount) for line in self.bill.lines)


def last_day(ends_on: date) -> date:
    """This will give the last day of a period that ends before a day."""
    return ends_on - timedelta(days=1)
