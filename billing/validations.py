"""What is looked at on every bill before it goes out: one table of named checks, each a predicate over arrays. Pure.

An ERROR holds the bill until a person has released it, a WARNING is shown to staff, an INFO is counted. `Check.key`
names the sentence staff read (`SENTENCES`). A check never changes a bill, and whatever they find, the run goes on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Severity = Literal["ERROR", "WARNING", "INFO"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

MISSING_SHARE = 0.10  # of the intervals of the period
ESTIMATED_SHARE = 0.50
HIGH_TIMES = 3.0  # times the usual day
HIGH_FLOOR_CENTS = 5000  # and at least this much above it
LOW_SHARE = 1 / 3
ZERO_USUAL_DAILY_WH = 500  # nothing used is only odd where something used to be
HUGE_CENTS = {"RESIDENTIAL": 1_000_000, "BUSINESS": 50_000_000}  # nobody is sent that unseen
MAX_WATTS = {"RESIDENTIAL": 100_000, "BUSINESS": 20_000_000}  # more than the fuse of such a place lets through
SHORT_DAYS, LONG_DAYS = 5, 35
PROLONGED = 3  # estimated bills one after the other


@dataclass(frozen=True)
class Facts:
    """n bills of one period and one set of terms, and what is known of the agreements. Arrays are [n].

    `usual_*` are nan and `last_ends` is 0 where nothing has been issued yet; days are proleptic ordinals. `cents` is by
    component. `best_wh` is the highest daily use of an issued bill of the last year.
    """

    customer_kind: NDArray[Any]
    starts: int
    ends: int
    segments: int
    intervals: int
    interval_minutes: int
    filled: Ints
    estimated: Ints
    wh: Ints
    top_wh: Ints
    zeros: Ints
    total_cents: Ints
    lines: Ints
    cents: Mapping[str, Ints]
    usual_wh: Floats
    usual_cents: Floats
    best_wh: Floats
    bills: Ints
    estimated_bills: Ints
    last_ends: Ints
    version: Ints
    first_day: Mask
    last_day: Mask

    @property
    def days(self) -> int:
        return self.ends - self.starts

    def of(self, component: str) -> Ints:
        """This will give the cents of a component, zeros where there is none."""
        return self.cents.get(component, np.zeros_like(self.total_cents))


@dataclass(frozen=True)
class Check:
    code: str
    severity: Severity
    strikes: Callable[[Facts], Mask]

    @property
    def key(self) -> str:
        return f"validation.{self.code.lower()}"


def _by_kind(f: Facts, limits: Mapping[str, int]) -> Ints:
    return np.where(f.customer_kind == "BUSINESS", limits["BUSINESS"], limits["RESIDENTIAL"]).astype(np.int64)


def _all(f: Facts, yes: bool) -> Mask:
    return np.full(len(f.wh), yes, dtype=np.bool_)


def _high(f: Facts) -> Mask:
    usual = f.usual_cents * f.days
    out: Mask = (f.total_cents > HIGH_TIMES * usual) & (f.total_cents - usual > HIGH_FLOOR_CENTS)
    return out


def _watts(f: Facts) -> Ints:
    return f.top_wh * 60 // f.interval_minutes


CHECKS: tuple[Check, ...] = (
    # what is owed
    Check("NEGATIVE_BILL", "ERROR", lambda f: f.total_cents - f.of("credit") < 0),
    Check("TOTAL_DIFFERS", "ERROR", lambda f: f.total_cents != sum(f.cents.values(), np.zeros_like(f.total_cents))),
    Check("NO_LINES", "ERROR", lambda f: f.lines == 0),
    Check("HIGH_BILL", "ERROR", _high),
    Check("HUGE_BILL", "ERROR", lambda f: f.total_cents > _by_kind(f, HUGE_CENTS)),
    Check("NEGATIVE_ENERGY", "ERROR", lambda f: (f.of("energy") < 0) & (f.wh > 0)),
    Check("NEGATIVE_TAX", "ERROR", lambda f: (f.of("tax") < 0) & (f.total_cents > 0)),
    Check(
        "CREDIT_ABOVE_CHARGES", "WARNING", lambda f: -f.of("credit") > f.of("energy") + f.of("fixed") + f.of("demand")
    ),
    Check("ENERGY_FREE", "WARNING", lambda f: (f.wh > 0) & (f.of("energy") == 0)),
    Check("TAX_ABOVE_FIFTH", "WARNING", lambda f: 5 * f.of("tax") > f.total_cents),
    Check("LOW_BILL", "WARNING", lambda f: (f.bills >= 3) & (f.total_cents < LOW_SHARE * f.usual_cents * f.days)),
    Check("ZERO_BILL", "INFO", lambda f: f.total_cents == 0),
    Check("MINIMUM_APPLIED", "INFO", lambda f: f.of("minimum") > 0),
    # where the reads come from
    Check("MISSING_READS", "ERROR", lambda f: f.filled > MISSING_SHARE * f.intervals),
    Check(
        "PROLONGED_ESTIMATION",
        "WARNING",  # a meter without a radio is always spread from its dial; the deadline for a true read is metering's
        lambda f: (f.estimated > ESTIMATED_SHARE * f.intervals) & (f.estimated_bills >= PROLONGED),
    ),
    Check("MOSTLY_ESTIMATED", "WARNING", lambda f: f.estimated > ESTIMATED_SHARE * f.intervals),
    Check("FIRST_DAY_WITHOUT_READS", "WARNING", lambda f: f.first_day),
    Check("LAST_DAY_WITHOUT_READS", "WARNING", lambda f: f.last_day),
    Check("SOME_READS_FILLED", "INFO", lambda f: (f.filled > 0) & (f.filled <= MISSING_SHARE * f.intervals)),
    Check("SOME_READS_ESTIMATED", "INFO", lambda f: f.estimated > f.filled),
    # what was used
    Check("ZERO_USAGE", "ERROR", lambda f: (f.wh == 0) & (f.usual_wh > ZERO_USUAL_DAILY_WH)),
    Check("ABOVE_THE_FUSE", "ERROR", lambda f: _watts(f) > _by_kind(f, MAX_WATTS)),
    Check("ABOVE_BEST_YEAR", "WARNING", lambda f: (f.bills >= 3) & (f.wh > 2 * f.best_wh * f.days)),
    Check("FAR_BELOW_USUAL", "WARNING", lambda f: (f.bills >= 3) & (f.wh > 0) & (f.wh < 0.2 * f.usual_wh * f.days)),
    Check("ONE_INTERVAL_SPIKE", "WARNING", lambda f: (f.wh > 50_000) & (2 * f.top_wh > f.wh)),
    Check("STOOD_STILL", "WARNING", lambda f: (f.wh > 0) & (2 * f.zeros > f.intervals)),
    Check("SAME_ALL_THE_TIME", "WARNING", lambda f: (f.wh > 0) & (f.intervals > 24) & (f.top_wh * f.intervals == f.wh)),
    Check("NOTHING_YET_USED", "INFO", lambda f: (f.wh == 0) & (f.bills == 0)),
    # the period
    Check("OVERLAPS_LAST_BILL", "ERROR", lambda f: (f.version == 1) & (f.last_ends > f.starts)),
    Check("GAP_SINCE_LAST_BILL", "WARNING", lambda f: (f.last_ends > 0) & (f.last_ends < f.starts)),
    Check("SHORT_PERIOD", "INFO", lambda f: _all(f, f.days < SHORT_DAYS)),
    Check("LONG_PERIOD", "WARNING", lambda f: _all(f, f.days > LONG_DAYS)),
    Check("TERMS_CHANGED", "INFO", lambda f: _all(f, f.segments > 1)),
    Check("FIRST_BILL", "INFO", lambda f: f.bills == 0),
    Check("BILLED_ANEW", "INFO", lambda f: f.version > 1),
)
BY_CODE: Mapping[str, Check] = {check.code: check for check in CHECKS}
_RANK = {"ERROR": 0, "WARNING": 1, "INFO": 2}
ORDERED = tuple(sorted(CHECKS, key=lambda check: _RANK[check.severity]))  # stable: the table's own order within

SENTENCES: Mapping[str, str] = {
    "validation.negative_bill": "The total is below zero.",
    "validation.total_differs": "The total is not the sum of the components.",
    "validation.no_lines": "The bill has no lines.",
    "validation.high_bill": "The bill is more than three times what is usual here.",
    "validation.huge_bill": "The bill is larger than any that may go out unseen.",
    "validation.negative_energy": "Energy was used, but its price came out below zero.",
    "validation.negative_tax": "The tax is below zero although something is owed.",
    "validation.credit_above_charges": "The credits are larger than all charges.",
    "validation.energy_free": "Energy was used, but costs nothing.",
    "validation.tax_above_fifth": "Taxes are more than a fifth of the total.",
    "validation.low_bill": "The bill is less than a third of what is usual here.",
    "validation.zero_bill": "Nothing is owed.",
    "validation.minimum_applied": "The minimum charge applies.",
    "validation.missing_reads": "More than a tenth of the period has no reads.",
    "validation.prolonged_estimation": "It is mostly estimated, and the three bills before it have estimates too.",
    "validation.mostly_estimated": "More than half of the period is estimated.",
    "validation.first_day_without_reads": "The first day has no reads.",
    "validation.last_day_without_reads": "The last day has no reads.",
    "validation.some_reads_filled": "A few reads were missing and have been filled in.",
    "validation.some_reads_estimated": "Some reads were estimated by metering.",
    "validation.zero_usage": "Nothing was used where something used to be.",
    "validation.above_the_fuse": "An interval is above what the connection can carry.",
    "validation.above_best_year": "The use is twice the highest of the last year.",
    "validation.far_below_usual": "The use is less than a fifth of what is usual here.",
    "validation.one_interval_spike": "One interval holds more than half of the use.",
    "validation.stood_still": "The meter stood still for more than half of the period.",
    "validation.same_all_the_time": "Every interval reads the same.",
    "validation.nothing_yet_used": "Nothing has been used since service began.",
    "validation.overlaps_last_bill": "An issued bill already covers some of these days.",
    "validation.gap_since_last_bill": "Days since the last bill are on no bill.",
    "validation.short_period": "The period is shorter than five days.",
    "validation.long_period": "The period is longer than 35 days.",
    "validation.terms_changed": "The terms changed within the period.",
    "validation.first_bill": "It is the first bill.",
    "validation.billed_anew": "It replaces a bill that was cancelled.",
}


def look(facts: Facts) -> NDArray[np.bool_]:
    """This will give what each check of `ORDERED` says of each bill: [n, checks]."""
    with np.errstate(invalid="ignore"):
        return np.stack([np.broadcast_to(check.strikes(facts), len(facts.wh)) for check in ORDERED], axis=1)


def kept(struck: NDArray[np.bool_]) -> tuple[str, ...]:
    """This will name the errors and warnings among one bill's findings, the gravest first; infos are only counted."""
    return tuple(c.code for c, yes in zip(ORDERED, struck, strict=True) if yes and c.severity != "INFO")


def hold_code(codes: tuple[str, ...]) -> str | None:
    """This will give the error that holds a bill, or None."""
    return next((code for code in codes if BY_CODE[code].severity == "ERROR"), None)


def sentence(code: str) -> str:
    """This will say to staff what a finding means."""
    return SENTENCES[BY_CODE[code].key]
