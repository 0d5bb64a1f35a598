"""Random tariffs and loads against NREL's engine, month by month and component by component.

The quick sample runs always; RATING_CASES=3000 (`make bench-rate`) runs as many as one likes.
"""

import os
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from billing import rating
from billing.rating import terms
from core import periods
from tests.unit.rating import sam

CASES = int(os.environ.get("RATING_CASES", "60"))
FIRST = int(os.environ.get("RATING_SEED", "0"))
YEAR = 2018  # 365 days, starts on a Monday, as the year of that engine does
MONTHS = [periods.month_of(date(YEAR, month, 1)) for month in range(1, 13)]
TIMED = ("NET_BILLING", "NET_BILLING_CREDIT", "BUY_ALL_SELL_ALL")
EXPORTS = ("NET_METERING", "NET_METERING_CREDIT", "NET_BILLING", "NET_BILLING_CREDIT", "BUY_ALL_SELL_ALL")


def price(rng: np.random.Generator, low: int, high: int, places: int) -> Decimal:
    return Decimal(int(rng.integers(low, high))).scaleb(-places)


def a_schedule(rng: np.random.Generator, groups: list[list[int]], seasons: np.ndarray) -> terms.Schedule:
    """Blocks of hours, as tariffs have; the months of a season are alike."""
    rows = []
    for own in groups:
        cuts = sorted(int(n) for n in rng.choice(np.arange(1, 24), size=3, replace=False))
        chosen = [own[i % len(own)] for i in rng.permutation(4)]
        bounds = [0, *cuts, 24]
        rows.append(
            tuple(p for p, low, high in zip(chosen, bounds, bounds[1:], strict=False) for _ in range(high - low))
        )
    return tuple(rows[season] for season in seasons)


def a_plan(rng: np.random.Generator, metering: str) -> rating.Plan:
    """Any plan both engines can say: seasons, steps in every unit, ratchets, both minimums, every rule of export."""
    seasons = np.zeros(12, dtype=int)
    season_count = 1
    if rng.random() < 0.6:
        season_count = 2
        seasons = (np.arange(12) >= rng.integers(2, 6)).astype(int) * (np.arange(12) < rng.integers(7, 11))
    each = int(rng.integers(1, 5))
    groups = [list(range(season * each, (season + 1) * each)) for season in range(season_count)]
    energy: list[rating.EnergyPeriod] = []
    for _ in groups:
        steps = some_steps(rng)
        for _ in range(each):
            tiers = tuple(
                rating.Tier(price(rng, 0, 500_000, 6), top, unit, price(rng, 0, 200_000, 6)) for top, unit in steps
            )
            energy.append(rating.EnergyPeriod(f"p{len(energy)}", tiers))
    settles = metering in ("NET_METERING", "NET_METERING_CREDIT", "NET_BILLING_CREDIT")
    rule = rating.Export(
        metering=metering,
        true_up_month=int(rng.integers(1, 13)) if settles else None,
        year_end_sell=price(rng, 0, 100_000, 6),
        true_up_over="TOTAL",
        credit_applies=str(rng.choice(["SAME_BILL", "NEXT_BILL"])) if metering == "NET_BILLING_CREDIT" else "SAME_BILL",
        credits_expire=metering == "NET_BILLING_CREDIT" and rng.random() < 0.2,
        carry_by="TIME_OF_DAY",
        settlement="CREDITED" if metering == "NET_METERING" and rng.random() < 0.3 else "PAID",
    )
    minimum = price(rng, 0, 60_00, 2) if rng.random() < 0.4 else Decimal(0)
    return rating.Plan(
        code="R", name="R", energy=tuple(energy),
        weekday=a_schedule(rng, groups, seasons), weekend=a_schedule(rng, groups, seasons),
        fixed_monthly=price(rng, 0, 40_00, 2) if rng.random() < 0.8 else Decimal(0),
        minimum_monthly=minimum,
        minimum_annual=price(rng, 0, 4000_00, 2) if rng.random() < 0.2 else Decimal(0),
        minimum_over=("fixed", "energy", "demand", *(("credit",) if metering != "BUY_ALL_SELL_ALL" else ())),
        annual_minimum_counts="CHARGES",
        demand=a_demand(rng, groups, seasons, metering) if rng.random() < 0.5 else None,
        export=rule,
        tier_scope="CHRONOLOGICAL" if metering in TIMED else "TOTAL_PRORATA",
    )  # fmt: skip


def some_steps(rng: np.random.Generator) -> list[tuple[Decimal | None, str]]:
    """The tops of a ladder, each with its unit; some ladders have blocks per kW with steps in kWh inside."""

    def rising(count: int, most: int) -> list[Decimal]:
        return [Decimal(int(n)) for n in sorted(rng.choice(np.arange(1, most), size=count, replace=False))]

    if rng.random() < 0.15:
        inside = [(top, "KWH") for top in rising(int(rng.integers(1, 4)), 4000)] + [(None, "KWH")]
        hours = rising(int(rng.integers(2, 4)), 600)
        return [(hours[0], "KWH_PER_KW"), *inside, *((top, "KWH_PER_KW") for top in [*hours[1:], None])]
    unit = str(rng.choice(["KWH", "KWH", "KWH_DAILY", "KWH_PER_KW", "KWH_PER_KW_DAILY"]))
    most = {"KWH": 4000, "KWH_DAILY": 130, "KWH_PER_KW": 500, "KWH_PER_KW_DAILY": 16}[unit]
    steps = int(rng.integers(1, 5))
    return [(top, unit if steps > 1 else "KWH") for top in [*rising(steps - 1, most), None]]


def a_demand(rng: np.random.Generator, groups: list[list[int]], seasons: np.ndarray, metering: str) -> rating.Demand:
    """That engine wants the same steps in all periods of a month, and charges the least demand for the meter of what is
    sold as well.
    """
    edges = sorted(rng.choice(np.arange(1, 80), size=int(rng.integers(0, 3)), replace=False))
    tops = [*(Decimal(int(n)) / 10 for n in edges), None]

    def ladder() -> rating.DemandPeriod:
        return rating.DemandPeriod("", tuple(rating.DemandTier(price(rng, 0, 20_000, 3), top) for top in tops))

    timed = rng.random() < 0.7
    flat = rng.random() < 0.7 or not timed
    demand = rating.Demand(
        flat=tuple(ladder() for _ in groups) if flat else (),
        flat_months=tuple(int(season) for season in seasons) if flat else (0,) * 12,
        periods=tuple(ladder() for own in groups for _ in own) if timed else (),
        weekday=a_schedule(rng, groups, seasons) if timed else (),
        weekend=a_schedule(rng, groups, seasons) if timed else (),
    )
    if rng.random() < 0.6:
        return demand
    percents = tuple(Decimal(int(n)) for n in rng.integers(30, 101, 12))
    shared = tuple(month for month in range(1, 13) if rng.random() < 0.5)
    ratchet = rating.Ratchet(
        Decimal(0), 12, percents=percents, shared_months=shared, over=("FLAT", "PERIODS_BY_MONTH", "STEPS")
    )
    least = Decimal(0) if metering == "BUY_ALL_SELL_ALL" else price(rng, 0, 50, 1)
    return replace(demand, ratchet=ratchet, minimum_kw=least)


def a_year(rng: np.random.Generator, metering: str) -> tuple[np.ndarray, np.ndarray]:
    """Load and generation in whole Wh by interval: hours, or quarters now and then."""
    each = 4 if rng.random() < 0.1 else 1
    hours = np.arange(8760 * each) / each
    load = rng.integers(100, 2500, len(hours)) + (rng.random(len(hours)) < 0.02) * rng.integers(0, 9000)
    empty = rng.random() < 0.1
    if metering == "NONE":
        load = np.where(empty, 0, load) // each
        return load, np.zeros_like(load)
    load = load // each  # a home that takes nothing has blocks per kW of no size, in which export has no price there
    sun = np.maximum(np.sin((hours % 24 - 6) / 12 * np.pi), 0) * (1 - 0.6 * np.cos(hours / 8760 * 2 * np.pi))
    return load, (sun * rng.integers(500, 9000) * rng.random(len(hours))).astype(np.int64) // each


def ours(plan: rating.Plan, load: np.ndarray, gen: np.ndarray) -> list[rating.Rated]:
    both = plan.export.metering == "BUY_ALL_SELL_ALL"
    minutes = 60 * 8760 // len(load)
    used = rating.Usage(
        periods.midnight(MONTHS[0].starts_on, "Etc/UTC"), minutes, "Etc/UTC",
        load if both else np.maximum(load - gen, 0), export_wh=gen if both else np.maximum(gen - load, 0),
    )  # fmt: skip
    bills: list[rating.Rated] = []
    state, charged = None, np.zeros(1, dtype=np.int64)
    for number, month in enumerate(MONTHS):
        at = [0, *np.cumsum([len(m) * 24 * 60 // minutes for m in MONTHS])]
        peaks = [used.wh[at[n] : at[n + 1]].max() * 60 // minutes for n in range(number)]
        months = (*((YEAR - 1, m) for m in range(1, 13)), *((YEAR, m) for m in range(1, number + 1)))
        history = rating.History(months, np.array([[0] * 12 + peaks]))
        bill = rating.rate(plan, used, month, history=history, state=state, year_to_date=charged)
        state = bill.state
        if bill.toward_minimum is not None:
            charged = charged + bill.toward_minimum
        bills.append(bill)
    return bills


def compare(plan: rating.Plan, load: np.ndarray, gen: np.ndarray, rates: dict | None = None) -> list[str]:
    """Where the two part by more than a cent for each printed line; empty when they agree."""
    per_hour = len(load) // 8760
    theirs = sam.months(sam.year(rates or sam.inputs(plan), load * per_hour / 1000, gen * per_hour / 1000))
    return parted(plan, ours(plan, load, gen), theirs)


def parted(plan: rating.Plan, bills: list[rating.Rated], theirs: dict[str, np.ndarray]) -> list[str]:
    apart = []
    carries = "CREDIT" in plan.export.metering or plan.export.settlement == "CREDITED"
    for month, bill in enumerate(bills):
        printed = [line for line in bill.lines() if line.amount]
        for component, names in (
            ("fixed", ("fixed",)), ("energy", ("energy", "credit")), ("demand", ("demand",)), ("minimum", ("minimum",)),
            ("bill", terms.COMPONENTS),
        ):  # fmt: skip
            lines = [line for line in printed if line.component in names]
            found = sum((line.amount for line in lines), Decimal(0))
            # what lacks to a minimum is a sum of rounded lines subtracted; credits carry the cents of months before
            count = len(printed) if component in ("minimum", "bill") else len(lines)
            allowed = Decimal("0.01") * max(1, count) * (month + 1 if carries else 1)
            if component in ("minimum", "bill") and plan.minimum_annual:
                allowed *= month + 1
            expected = Decimal(repr(float(theirs[component][month])))
            if abs(found - expected) > allowed + Decimal("0.0001"):
                apart.append(f"month {month + 1} {component}: {found} here, {expected:.4f} there")
    return apart


def run(seed: int, metering: str) -> None:
    rng = np.random.default_rng(seed)
    plan = a_plan(rng, metering)
    load, gen = a_year(rng, metering)
    apart = compare(plan, load, gen)
    assert not apart, (seed, metering, apart, plan)


@pytest.mark.parametrize("metering", ["NONE", *EXPORTS])
def test_random_tariffs_agree_with_nrels_engine(metering: str) -> None:
    share = CASES // 2 if metering == "NONE" else CASES // 10
    for seed in range(FIRST, FIRST + max(1, share)):
        run(seed, metering)
