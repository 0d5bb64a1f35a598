"""The terms of a plan: everything that says what a usage costs, and nothing about who uses it.

Prices are exact Decimals in whole currency units (per kWh, per kW, per day, per month) with at most nine
places. Rules on which utilities differ (how tiers meet periods, how a broken month is charged, how a line is
rounded) are attributes, never habits of the engine. All of it is frozen and hashable, so that a plan compiles
once.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from core import money

Component = Literal["fixed", "energy", "demand", "minimum", "credit", "rider", "tax"]
COMPONENTS: tuple[Component, ...] = ("fixed", "energy", "demand", "minimum", "credit", "rider", "tax")

TierScope = Literal["TOTAL_PRORATA", "PER_PERIOD", "CHRONOLOGICAL"]
Proration = Literal["NONE", "DAYS_30", "DAYS_365_12", "CALENDAR_MONTH"]
Prorated = Literal["fixed", "minimum", "tiers", "demand"]
TierUnit = Literal["KWH", "KWH_DAILY", "KWH_PER_KW", "KWH_PER_KW_DAILY"]
PER_KW: tuple[TierUnit, ...] = ("KWH_PER_KW", "KWH_PER_KW_DAILY")
RiderKind = Literal["PER_KWH", "PERCENT", "PER_DAY", "PER_MONTH"]
Observance = Literal["ACTUAL", "SUNDAY_TO_MONDAY", "NEAREST_WEEKDAY"]
Metering = Literal[
    "NONE", "NET_METERING", "NET_METERING_CREDIT", "NET_BILLING", "NET_BILLING_CREDIT", "BUY_ALL_SELL_ALL"
]
TrueUpOver = Literal["PERIODS", "TOTAL"]
CreditApplies = Literal["SAME_BILL", "NEXT_BILL"]
CarryBy = Literal["PERIOD", "TIME_OF_DAY"]
Settlement = Literal["PAID", "CREDITED"]
AnnualMinimumCounts = Literal["CHARGES", "CHARGES_AND_MINIMUM"]
RatchetOver = Literal["FLAT", "PERIODS", "PERIODS_BY_MONTH", "STEPS"]

Schedule = tuple[tuple[int, ...], ...]  # 12 months x 24 hours of the local clock, each the index of a period


@dataclass(frozen=True)
class Tier:
    """A step of an energy price.

    `limit` is the top of the step in kWh per month, or per day, or per kW of the highest demand (hours of use), or
    per kW and day; None is without end. A last step with a limit has no price beyond it: such use is refused.

    Steps in kWh that follow one per kW are steps inside its block: they end where the block ends, and the step per kW
    itself, which only opens the block, has no use of its own.
    """

    price: Decimal
    limit: Decimal | None = None
    unit: TierUnit = "KWH"
    sell: Decimal | None = None  # paid per kWh sent out, under net billing


@dataclass(frozen=True)
class EnergyPeriod:
    """A time-of-use period: its name as the tariff says it, and its steps, lowest first."""

    name: str
    tiers: tuple[Tier, ...]


@dataclass(frozen=True)
class DemandTier:
    """A step of a demand price, per kW and month; `limit` is the top of the step in kW."""

    price: Decimal
    limit: Decimal | None = None


@dataclass(frozen=True)
class DemandPeriod:
    name: str
    tiers: tuple[DemandTier, ...]


@dataclass(frozen=True)
class Ratchet:
    """Billed demand is at least `percent` of the highest demand of the `months` months before.

    `of_months` names the calendar months (1-12) whose demand counts; empty means all of them. `percents` are twelve
    percentages, by the calendar month looked back at, in place of the one. In the calendar months of `shared_months`
    a month's own demand counts by its percentage only, elsewhere in full. `over` says what takes that demand: the
    flat charge, the energy steps per kW, the periods' charges - each with its own highest demand or, BY_MONTH, all
    with the month's (as SAM does).
    """

    percent: Decimal
    months: int
    of_months: tuple[int, ...] = ()
    percents: tuple[Decimal, ...] = ()
    shared_months: tuple[int, ...] = ()
    over: tuple[RatchetOver, ...] = ("FLAT",)

    def share(self, month: int) -> Decimal:
        """This will give the percentage at which the demand of a calendar month (1-12) counts."""
        return self.percents[month - 1] if self.percents else self.percent


@dataclass(frozen=True)
class Demand:
    """Charges for the highest average power of an interval.

    `flat` is charged on the highest demand of the bill period, by `flat_months` (12 indices into `flat`).
    `periods` is charged on the highest demand inside each period of the two schedules. `window_minutes` is
    the length over which the tariff averages; None takes the reads as they come.
    """

    flat: tuple[DemandPeriod, ...] = ()
    flat_months: tuple[int, ...] = (0,) * 12
    periods: tuple[DemandPeriod, ...] = ()
    weekday: Schedule = ()
    weekend: Schedule = ()
    window_minutes: int | None = None
    ratchet: Ratchet | None = None
    minimum_kw: Decimal = Decimal(0)


@dataclass(frozen=True)
class Holidays:
    """Days that take the weekend schedule.

    `names` are those of `billing.rating.calendar.NAMED`, `dates` are days besides.

    `observance` says what becomes of a named holiday that falls on a weekend: nothing (ACTUAL), Sunday moves
    to Monday, or Saturday moves to Friday as well (NEAREST_WEEKDAY).
    """

    names: tuple[str, ...] = ()
    observance: Observance = "ACTUAL"
    dates: tuple[date, ...] = ()


@dataclass(frozen=True)
class Rider:
    """A charge beside the tariff, in force from `starts_on` (in) to `ends_on` (out); versions share a `code`.

    `price` is per kWh, a percentage of the components in `over`, per day, or per month, by `kind`. It may be
    negative.
    """

    code: str
    description: str
    kind: RiderKind
    price: Decimal
    over: tuple[Component, ...] = ("fixed", "energy", "demand")
    starts_on: date | None = None
    ends_on: date | None = None
    of_months: tuple[int, ...] = ()  # calendar months (1-12) in which it applies; empty means all


@dataclass(frozen=True)
class Tax:
    """A percentage over the components named, in force from `starts_on` (in) to `ends_on` (out).

    `cities` and `customer_kinds` say who owes it; empty is everybody. The engine knows neither: whoever asks it names
    by `key` the accounts that do not. Versions share a `code`, and may be owed by different customers.
    """

    code: str
    description: str
    percent: Decimal
    over: tuple[Component, ...] = ("fixed", "energy", "demand", "minimum", "credit", "rider")
    starts_on: date | None = None
    ends_on: date | None = None
    cities: tuple[str, ...] = ()
    customer_kinds: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """This will name the tax together with who owes it."""
        return ":".join((self.code, *self.cities, *self.customer_kinds))

    def owed_by(self, city: str, customer_kind: str) -> bool:
        """This will say whether a customer of a class owes it in a city."""
        here = not self.cities or city in self.cities
        return here and (not self.customer_kinds or customer_kind in self.customer_kinds)


@dataclass(frozen=True)
class Export:
    """What becomes of energy sent out.

    NET_METERING sets it off against use, period by period over the bill, and carries a surplus of kWh to the
    same period of the next bill. NET_METERING_CREDIT sets off alike, but carries the surplus in money, at the
    `sell` price. NET_BILLING pays `sell` for all that was sent out; NET_BILLING_CREDIT carries that as a credit.
    BUY_ALL_SELL_ALL is net billing over two meters. `net_minutes` nets use against export over so many minutes
    before they count (net billing only; None takes the registers as they stand).

    The bill that holds the last day of `true_up_month` (1-12) settles what is carried: kWh at `year_end_sell`,
    money by paying it out, or not at all where `credits_expire`. `true_up_over` says which kWh: the sum of the
    periods' surpluses, or the running total of all export over all use (as SAM does). `settlement` says whether its
    worth is paid out or becomes a credit. `credit_over` names what a credit may pay, in the bill it is earned or from
    the next one on by `credit_applies`.

    `carry_by` says which use a surplus of kWh meets in the next bill: that of the same period, or, where seasons have
    periods of their own, that of the period at the same time of day (as SAM does: the weekday's periods that begin
    the day or hold 5, 11 or 17 o'clock; the surplus of any other period lapses, and counts for the settlement only).
    """

    metering: Metering = "NONE"
    net_minutes: int | None = None
    true_up_month: int | None = None
    year_end_sell: Decimal = Decimal(0)
    true_up_over: TrueUpOver = "PERIODS"
    credit_over: tuple[Component, ...] = ("energy",)
    credit_applies: CreditApplies = "SAME_BILL"
    credits_expire: bool = False
    carry_by: CarryBy = "PERIOD"
    settlement: Settlement = "PAID"

    @property
    def pays(self) -> bool:
        """Whether there is a rule for energy sent out at all; without one nobody pays for it."""
        return self.metering != "NONE"


@dataclass(frozen=True)
class Index:
    """Energy that also costs an hourly price: `adder` + `multiplier` x the price of the hour, per kWh.

    The prices come beside the usage (`Prices`); they are no part of the plan.
    """

    code: str
    multiplier: Decimal = Decimal(1)
    adder: Decimal = Decimal(0)


@dataclass(frozen=True)
class Plan:
    """All the terms of one tariff.

    `tier_scope` says how steps and periods meet: TOTAL_PRORATA fills the steps with the month's total and
    shares each among the periods by their usage (as SAM does; every period must have the same limits),
    PER_PERIOD gives each period a ladder of its own, CHRONOLOGICAL fills one ladder in the order of time.
    `proration` is the share of a month that a bill period counts for, and `prorates` what that share is
    applied to; inside `proration_window` (days, both included) a period counts as one whole month.
    `minimum_over` names the components that count towards the minimum; `annual_minimum_counts` whether what a
    monthly minimum added counts towards the annual one as well (SAM: it does not).
    """

    code: str
    name: str
    energy: tuple[EnergyPeriod, ...]
    weekday: Schedule
    weekend: Schedule
    currency: str = "USD"
    fixed_monthly: Decimal = Decimal(0)
    fixed_daily: Decimal = Decimal(0)
    minimum_monthly: Decimal = Decimal(0)
    minimum_daily: Decimal = Decimal(0)
    minimum_annual: Decimal = Decimal(0)  # settled in the bill that holds 31 December
    minimum_over: tuple[Component, ...] = ("fixed", "energy", "demand")
    annual_minimum_counts: AnnualMinimumCounts = "CHARGES_AND_MINIMUM"
    demand: Demand | None = None
    holidays: Holidays = Holidays()
    riders: tuple[Rider, ...] = ()
    taxes: tuple[Tax, ...] = ()
    export: Export = Export()
    index: Index | None = None
    tier_scope: TierScope = "TOTAL_PRORATA"
    proration: Proration = "CALENDAR_MONTH"
    prorates: tuple[Prorated, ...] = ("fixed", "minimum", "tiers")
    proration_window: tuple[int, int] | None = None
    rounding: money.Rounding = "HALF_UP"
    notes: tuple[str, ...] = ()  # what an importer had to decide, in words for staff


EVERY_HOUR: Schedule = ((0,) * 24,) * 12


def flat(code: str, name: str, price: Decimal, fixed_monthly: Decimal = Decimal(0)) -> Plan:
    """This will make the simplest plan: one price for every kWh, and a fixed charge a month."""
    period = EnergyPeriod(name="", tiers=(Tier(price=price),))
    return Plan(
        code=code,
        name=name,
        energy=(period,),
        weekday=EVERY_HOUR,
        weekend=EVERY_HOUR,
        fixed_monthly=fixed_monthly,
    )
