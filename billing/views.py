"""What billing tells others: frozen, plain, no rows. Amounts are Decimals with two places."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from billing.eligibility import Sentence
from core import wording


@dataclass(frozen=True)
class Balance:
    """`amount` is what the ledger says is owed (negative: in credit). `due_on` is the earliest date of what is open."""

    account_id: int
    amount: Decimal
    overdue: Decimal
    due_on: date | None
    last_bill_id: int | None
    last_bill_amount: Decimal | None
    autopay: bool
    pending_payments: Decimal


@dataclass(frozen=True)
class Bill:
    """A bill for the civil days `starts_on` (in) to `ends_on` (out)."""

    id: int
    number: str
    account_id: int
    agreement_id: int
    starts_on: date
    ends_on: date
    issued_on: date | None
    due_on: date | None
    total: Decimal
    kwh: Decimal
    status: str
    days: int
    tariff_code: str
    estimated: bool
    version: int = 1
    hold_code: str | None = None
    findings: tuple[str, ...] = ()  # what the checks found, the gravest first
    open_amount: Decimal = Decimal(0)  # what of it has not been paid
    peak_kw: Decimal | None = None


@dataclass(frozen=True)
class CreditNote:
    """What takes a bill back. `total` is the bill's, negated; `replaced_by` the bill made with it, if one was."""

    bill_id: int
    number: str
    issued_on: date
    total: Decimal
    cause: str  # ESTIMATE, DATA, DISPUTE, REBILL, BEFORE, WITHDRAWN
    dispute: str | None
    bill_number: str
    billed_on: date
    replaced_by: str | None


@dataclass(frozen=True)
class Fee:
    """A charge beside the bills, by the rule that allowed it."""

    id: int
    kind: str
    charged_on: date
    amount: Decimal
    rule: str


@dataclass(frozen=True)
class BillLine:
    component: str
    code: str
    description: str
    args: Mapping[str, str]
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount: Decimal


@dataclass(frozen=True)
class Driver:
    """One reason why a bill differs: DAYS, USAGE, WEATHER, RATE, FIXED, TAX."""

    kind: str
    amount: Decimal


@dataclass(frozen=True)
class DayCost:
    """A civil day and what it cost; the days of a period add up to what the period costs."""

    day: date
    kwh: Decimal
    amount: Decimal
    estimated: bool = False


@dataclass(frozen=True)
class Explanation:
    """Why a bill is what it is. The drivers add up to `difference` = this bill - the one before, to the cent."""

    bill: Bill
    previous: Bill | None
    difference: Decimal
    drivers: tuple[Driver, ...]
    lines: tuple[BillLine, ...]  # the largest first
    busiest_day: DayCost | None
    daily_kwh: Decimal
    previous_daily_kwh: Decimal | None
    same_month_last_year: Bill | None = None
    top_days: tuple[DayCost, ...] = ()
    hours: "HourPrices | None" = None  # where energy went by the price of the hour


@dataclass(frozen=True)
class PricedHour:
    """An hour and what a kWh cost in it, or costs, in the currency's units; `ends_at` is out."""

    starts_at: datetime
    ends_at: datetime
    price: Decimal


@dataclass(frozen=True)
class HourPrices:
    """What the hours of a bill cost per kWh: on average of what was used, and the cheapest and the dearest of them."""

    average: Decimal
    cheapest: PricedHour
    dearest: PricedHour


@dataclass(frozen=True)
class PriceDay:
    """A day's prices per kWh by the hour, and the hours on end that are the cheapest and the dearest of it (the mean
    is their price).
    """

    day: date
    hours: tuple[PricedHour, ...]
    cheapest: PricedHour
    dearest: PricedHour


@dataclass(frozen=True)
class PriceOutlook:
    """What energy costs a home by the hour, before taxes: today, and tomorrow once its prices are published."""

    timezone: str
    currency: str
    days: tuple[PriceDay, ...]


@dataclass(frozen=True)
class HourDay:
    """What a kWh costs a home by the hour of a day, before taxes, and the hours on end that are its cheapest and its
    dearest; none where all cost the same.
    """

    day: date
    hours: tuple[PricedHour, ...]
    cheap: tuple[PricedHour, ...]
    dear: tuple[PricedHour, ...]


@dataclass(frozen=True)
class LoadSaving:
    """What the bill is less by when a machine runs in the cheapest hours of a day and not in the dearest."""

    code: str
    kwh: Decimal
    cheap: PricedHour
    dear: PricedHour
    saving: Decimal


@dataclass(frozen=True)
class ShiftSaving:
    """What a home used in the dear hours of its last days, and what they would have cost less with a share of that in
    the cheap ones.
    """

    days: int
    dear_share: Decimal
    dear_kwh: Decimal
    share: Decimal
    saving: Decimal


@dataclass(frozen=True)
class HourAdvice:
    """When power is cheap for a home whose price goes by the hour. `by_index`: by the market's prices, known a day
    ahead; `savings` are those of the day `saving_on`.
    """

    timezone: str
    by_index: bool
    days: tuple[HourDay, ...]
    saving_on: date | None
    savings: tuple[LoadSaving, ...]
    shift: ShiftSaving | None


@dataclass(frozen=True)
class Tariff:
    """`name_key` and `about_key` are to be worded, kinds or words by locale. `summary` holds its prices, as strings."""

    id: int
    code: str
    name_key: wording.Kind
    about_key: wording.Kind
    kind: str
    customer_kind: str
    summary: Mapping[str, Any]
    exit_fee: Decimal
    term_months: int
    cooling_off_days: int
    conditions: tuple[Sentence, ...] = ()  # whom it is for
    since: date | None = None  # current_tariff: since when the agreement's term on it runs


@dataclass(frozen=True)
class Option:
    """What the last twelve months would have cost on a tariff. `saving` is against the current one.

    `low` and `high`: with as much less and more use as the comparison's `spread` says; `shift_saving`: what the year
    would have cost less with the `shift_share` of the use in the dear hours in cheap ones.
    """

    tariff: Tariff
    annual_cost: Decimal
    saving: Decimal
    worst_month: Decimal
    best_month: Decimal
    low: Decimal
    high: Decimal
    shift_saving: Decimal | None = None  # where the hour makes a difference, and it saves something
    months: tuple[Decimal, ...] = ()


@dataclass(frozen=True)
class NotOpen:
    """A tariff the account may not have, and why not."""

    tariff_code: str
    name_key: wording.Kind
    about_key: wording.Kind
    reasons: tuple[Sentence, ...]


@dataclass(frozen=True)
class TariffFor:
    """A tariff as an account sees it. `reasons` say why it is not open to them: nothing where it is, or is `held`."""

    tariff: Tariff
    held: bool
    reasons: tuple[Sentence, ...]


@dataclass(frozen=True)
class Comparison:
    """`options` are every tariff open to the account, cheapest first, the current one among them; `not_open` are the
    others of its class, by code. `spread`: how much less or more use each option's range is for, as a share.
    """

    account_id: int
    current: Option
    options: tuple[Option, ...]
    basis_days: int
    estimated: bool
    spread: Decimal
    shift_share: Decimal
    not_open: tuple[NotOpen, ...] = ()

    @property
    def best(self) -> Option:
        return self.options[0]


@dataclass(frozen=True)
class BillForecast:
    account_id: int
    starts_on: date
    ends_on: date
    low: Decimal
    likely: Decimal
    high: Decimal
    so_far: Decimal
    so_far_kwh: Decimal
    likely_kwh: Decimal
    confidence: str  # HIGH, MEDIUM, LOW
    previous_total: Decimal | None = None
    days_left: int = 0
    basis_days: int = 0  # days with reads that it stands on
    daily_kwh: tuple[tuple[date, Decimal], ...] = ()  # the days to come, today among them
    prices_guessed: bool = False  # hours to come whose price nobody knows yet were priced as those of the last weeks


@dataclass(frozen=True)
class PlanPart:
    """What of a period was used in one time-of-use period of the account's plan, and what that energy cost."""

    name: str
    kwh: Decimal
    amount: Decimal
    percent: int


@dataclass(frozen=True)
class Running:
    """The running bill period up to `until`, the end of today's newest read (None: none today yet)."""

    account_id: int
    starts_on: date
    ends_on: date
    today: date
    until: datetime | None
    today_kwh: Decimal
    today_amount: Decimal
    kwh: Decimal
    amount: Decimal
    estimated: bool
    parts: tuple[PlanPart, ...]


@dataclass(frozen=True)
class Payment:
    id: int
    gateway: str
    external_id: str
    account_id: int
    amount: Decimal
    refunded: Decimal
    method: str | None
    status: str
    failure_code: str | None
    received_at: datetime


@dataclass(frozen=True)
class PaymentLink:
    token: str
    path: str
    amount: Decimal
    expires_at: datetime
    account_id: int
    status: str = "OPEN"


@dataclass(frozen=True)
class PhonePayment:
    """One try to pay in a call: ASKING for the card, CHARGING it, PAID or FAILED."""

    id: int
    attempt: int
    amount: Decimal
    status: str
    failure_code: str | None


@dataclass(frozen=True)
class SavedMethod:
    """A kept card or bank account: whether bills are paid with it, and of a bank account when its holder agreed."""

    id: int
    account_id: int
    kind: str
    last4: str
    saved_at: datetime
    autopay: bool = False
    agreed_at: datetime | None = None
    notice_days: int | None = None
    scheme: str | None = None
    mandate: str | None = None


@dataclass(frozen=True)
class Autopay:
    account_id: int
    enabled: bool
    method: SavedMethod | None


@dataclass(frozen=True)
class Instalment:
    position: int
    due_on: date
    amount: Decimal
    status: str = "DUE"


@dataclass(frozen=True)
class ArrangementPreview:
    """What an arrangement would look like. The instalments add up to `total` to the cent."""

    account_id: int
    total: Decimal
    instalments: tuple[Instalment, ...]
    max_instalments: int


@dataclass(frozen=True)
class Arrangement:
    id: int
    account_id: int
    status: str
    total: Decimal
    paid: Decimal
    instalments: tuple[Instalment, ...]
    opened_at: datetime

    @property
    def next_instalment(self) -> Instalment | None:
        return next((i for i in self.instalments if i.status == "DUE"), None)


@dataclass(frozen=True)
class Dispute:
    id: int
    number: str
    account_id: int
    bill_id: int
    reason: str
    status: str
    opened_at: datetime


@dataclass(frozen=True)
class LateFeeStatus:
    """Whether a late fee stands or is coming. `blocked_by`: DISPUTE, ARRANGEMENT, MEDICAL or a rule; None when not."""

    account_id: int
    charged: Decimal
    next_amount: Decimal
    next_on: date | None
    blocked_by: str | None
    rule: str


@dataclass(frozen=True)
class Switch:
    from_code: str
    to_code: str
    starts_on: date
    cooling_off_until: date
    exit_fee: Decimal
    to_name: wording.Kind


@dataclass(frozen=True)
class RecentSwitch:
    """A switch that can still be taken back, up to and with `until`; `exit_fee` goes with it."""

    from_code: str
    to_code: str
    starts_on: date
    begun: bool
    until: date
    exit_fee: Decimal
    from_name: wording.Kind
    to_name: wording.Kind


@dataclass(frozen=True)
class SplitPeriod:
    """The running bill period with two plans in it: how many days each, and what the whole period will likely come to
    with both and without the switch; no amounts where too little is known of the use or of the prices.
    """

    starts_on: date
    ends_on: date
    days_before: int
    days_after: int
    likely: Decimal | None
    likely_unchanged: Decimal | None


@dataclass(frozen=True)
class SwitchPreview:
    """What a switch from a day on means. Where it begins with a bill period there is nothing to split."""

    from_code: str
    to_code: str
    starts_on: date
    today: bool
    cooling_off_until: date
    exit_fee: Decimal
    split: SplitPeriod | None
    from_name: wording.Kind
    to_name: wording.Kind


@dataclass(frozen=True)
class Tip:
    """Advice with what it would save in a year, found by pricing the changed use. Wording: `tip.<code>`."""

    code: str
    saving_year: Decimal
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassSales:
    customer_kind: str
    customers: int
    kwh: Decimal
    revenue: Decimal


@dataclass(frozen=True)
class PrepayStatus:
    """How long a credit lasts at the usual cost of a day. `days_left` is None when there is no usual day yet."""

    account_id: int
    credit: Decimal
    daily_cost: Decimal | None
    days_left: int | None


@dataclass(frozen=True)
class RunReport:
    """What a bill run did: agreements = billed + held + unchanged + parked."""

    run_id: int
    agreements: int
    billed: int
    held: int
    unchanged: int
    parked: int
    total: Decimal
    found: Mapping[str, int] = field(default_factory=dict)  # how often each check of billing.validations struck


@dataclass(frozen=True)
class Refund:
    """Money to go back; who asked for it never decides it."""

    id: int
    account_id: int
    payment_id: int | None
    credit_id: int | None
    amount: Decimal
    reason: str
    status: str
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    failure_code: str | None = None


@dataclass(frozen=True)
class Credit:
    """What an account was given. `payable` pays nothing and is not asked for already: it can be paid out."""

    id: int
    kind: str
    amount: Decimal
    payable: Decimal
    reason: str
    given_by: str
    given_at: datetime


@dataclass(frozen=True)
class Deposit:
    """A security deposit. `interest` is what it has earned by today while it is held, or had when it went back."""

    id: int
    amount: Decimal
    charged_on: date
    held_since: date | None
    interest: Decimal
    returned_on: date | None
    credit_id: int | None


@dataclass(frozen=True)
class DepositLimit:
    """How much more an account may be asked for as a deposit, and by which rule; nothing where the rule spares it."""

    most: Decimal
    allowed: bool
    rule: str
    citation: str
    verified: bool


@dataclass(frozen=True)
class Mandate:
    scheme: str
    text_version: str
    accepted_at: datetime
    accepted_how: str


@dataclass(frozen=True)
class ParkedEvent:
    """News of a gateway that a person has to look at, and why."""

    id: int
    kind: str
    external_id: str
    amount: str
    currency: str
    reason: str
    received_at: datetime


@dataclass(frozen=True)
class Uncollected:
    """A closed account that is still behind; `since` the oldest debt was due."""

    account_id: int
    number: str
    amount: Decimal
    since: date
    closed_on: date


@dataclass(frozen=True)
class Transfer:
    """One credit of a bank statement, or one payment at a shop (`method` "cash").

    `status`: MATCHED, UNMATCHED, PARKED or SENT_BACK.
    """

    id: int
    entry_id: str
    amount: Decimal
    currency: str
    booked_on: date
    payer: str
    remittance: str
    status: str
    reason: str | None
    method: str = "bank_transfer"


@dataclass(frozen=True)
class StatementLine:
    """One event of an account; `amount` above zero is owed more, below zero owed less. `number`: of a bill or a credit
    note.
    """

    on: date
    kind: str
    amount: Decimal
    balance: Decimal
    number: str = ""


@dataclass(frozen=True)
class AccountStatement:
    account_id: int
    starts_on: date
    ends_on: date  # the first day after it
    opening: Decimal
    lines: tuple[StatementLine, ...]
    closing: Decimal


@dataclass(frozen=True)
class TrialLine:
    """One ledger account over a month, in cents: what stood before, what was debited and credited, what stands."""

    code: str
    opening: int
    debit: int
    credit: int

    @property
    def closing(self) -> int:
        return self.opening + self.debit - self.credit


@dataclass(frozen=True)
class Difference:
    """Where our books and the gateway disagree. `kind`: MISSING_HERE, MISSING_THERE or AMOUNT_DIFFERS."""

    external_id: str
    kind: str
    ours: Decimal
    theirs: Decimal
    payment_id: int | None
