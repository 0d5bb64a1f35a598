"""Random tariffs and loads against NREL's engine, month by month and component by component.

The quick sample runs always; RATING_CASES=3000 (`make bench-rate`) runs as many as one likes.
"""

import os
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
EXPORTS = ("NET_METERING", "NET_METERING_CREDIT", "NET_BILLING", "NET_BILLING_CREDIT", "BUY_ALL_SELL_ALL")


def price(rng: np.random.Generator, low: int, high: int, places: int) -> Decimal:
    return Decimal(int(rng.integers(low, high))).scaleb(-places)


def a_schedule(rng: np.random.Generator, groups: list[list[int]], seasons: np.ndarray) -> terms.Schedule:
    """Blocks of hours, as tariffs have; the months of a season are alike."""
    rows = []
    for own in groups:
        # a surplus of kWh is carried there by the period at 0, 5, 11 and 17 o'clock: each block holds one of these
        cuts = [int(rng.integers(low, low + 5)) for low in (1, 6, 12)]
        chosen = [own[i % len(own)] for i in rng.permutation(4)]
        bounds = [0, *cuts, 24]
        rows.append(
            tuple(p for p, low, high in zip(chosen, bounds, bounds[1:], strict=False) for _ in range(high - low))
        )
    return tuple(rows[season] for season in seasons)


def a_plan(rng: np.random.Generator, metering: str) -> rating.Plan:
    """Any plan both engines can say. The other engine fills steps hour by hour under net billing, and carries
    kWh by hours of the day, so with export a plan here has no steps and the same periods all year."""
    seasons = np.zeros(12, dtype=int)
    season_count = 1
    if metering == "NONE" and rng.random() < 0.6:
        season_count = 2
        seasons = (np.arange(12) >= rng.integers(2, 6)).astype(int) * (np.arange(12) < rng.integers(7, 11))
    each = int(rng.integers(1, 5))
    groups = [list(range(season * each, (season + 1) * each)) for season in range(season_count)]
    steps = int(rng.integers(1, 5)) if metering == "NONE" else 1
    unit = str(rng.choice(["KWH", "KWH_DAILY"]))
    most = 4000 if unit == "KWH" else 130
    energy: list[rating.EnergyPeriod] = []
    for _ in groups:
        limits = [Decimal(int(n)) for n in sorted(rng.choice(np.arange(1, most), size=steps - 1, replace=False))]
        for _ in range(each):
            tiers = tuple(
                rating.Tier(price(rng, 0, 500_000, 6), top, unit if steps > 1 else "KWH", price(rng, 0, 200_000, 6))
                for top in [*limits, None]
            )
            energy.append(rating.EnergyPeriod(f"p{len(energy)}", tiers))
    rule = rating.Export(
        metering=metering if metering != "NONE" else "NONE",
        true_up_month=12 if metering in ("NET_METERING", "NET_METERING_CREDIT", "NET_BILLING_CREDIT") else None,
        year_end_sell=price(rng, 0, 100_000, 6),
        true_up_over="TOTAL",
        credit_applies=str(rng.choice(["SAME_BILL", "NEXT_BILL"])) if metering == "NET_BILLING_CREDIT" else "SAME_BILL",
    )
    minimum = price(rng, 0, 60_00, 2) if rng.random() < 0.4 else Decimal(0)
    yearly = metering == "NONE" and not minimum and rng.random() < 0.2  # beside a monthly one, it counts that otherwise
    return rating.Plan(
        code="R", name="R", energy=tuple(energy),
        weekday=a_schedule(rng, groups, seasons), weekend=a_schedule(rng, groups, seasons),
        fixed_monthly=price(rng, 0, 40_00, 2) if rng.random() < 0.8 else Decimal(0),
        minimum_monthly=minimum,
        minimum_annual=price(rng, 0, 4000_00, 2) if yearly else Decimal(0),
        minimum_over=("fixed", "energy", "demand", *(("credit",) if metering != "BUY_ALL_SELL_ALL" else ())),
        demand=a_demand(rng, groups, seasons) if rng.random() < 0.5 else None,
        export=rule,
    )  # fmt: skip


def a_demand(rng: np.random.Generator, groups: list[list[int]], seasons: np.ndarray) -> rating.Demand:
    """That engine wants the same steps in all periods of a month."""
    edges = sorted(rng.choice(np.arange(1, 80), size=int(rng.integers(0, 3)), replace=False))
    tops = [*(Decimal(int(n)) / 10 for n in edges), None]

    def ladder() -> rating.DemandPeriod:
        return rating.DemandPeriod("", tuple(rating.DemandTier(price(rng, 0, 20_000, 3), top) for top in tops))

    timed = rng.random() < 0.7
    flat = rng.random() < 0.7 or not timed
    return rating.Demand(
        flat=tuple(ladder() for _ in groups) if flat else (),
        flat_months=tuple(int(season) for season in seasons) if flat else (0,) * 12,
        periods=tuple(ladder() for own in groups for _ in own) if timed else (),
        weekday=a_schedule(rng, groups, seasons) if timed else (),
        weekend=a_schedule(rng, groups, seasons) if timed else (),
    )


def a_year(rng: np.random.Generator, metering: str) -> tuple[np.ndarray, np.ndarray]:
    """Load and generation in whole Wh by hour."""
    hours = np.arange(8760)
    load = rng.integers(100, 2500, 8760) + (rng.random(8760) < 0.02) * rng.integers(0, 9000)
    load = np.where(rng.random() < 0.1, 0, load)
    if metering == "NONE":
        return load, np.zeros(8760, dtype=np.int64)
    sun = np.maximum(np.sin((hours % 24 - 6) / 12 * np.pi), 0) * (1 - 0.6 * np.cos(hours / 8760 * 2 * np.pi))
    return load, (sun * rng.integers(500, 9000) * rng.random(8760)).astype(np.int64)


def ours(plan: rating.Plan, load: np.ndarray, gen: np.ndarray) -> list[rating.Rated]:
    both = plan.export.metering == "BUY_ALL_SELL_ALL"
    used = rating.Usage(
        periods.midnight(MONTHS[0].starts_on, "Etc/UTC"), 60, "Etc/UTC",
        load if both else np.maximum(load - gen, 0), export_wh=gen if both else np.maximum(gen - load, 0),
    )  # fmt: skip
    bills: list[rating.Rated] = []
    state, charged = None, np.zeros(1, dtype=np.int64)
    for month in MONTHS:
        bill = rating.rate(plan, used, month, state=state, year_to_date=charged)
        state, charged = bill.state, charged + bill.sum_cents(*plan.minimum_over, "minimum")
        bills.append(bill)
    return bills


def compare(plan: rating.Plan, load: np.ndarray, gen: np.ndarray) -> list[str]:
    """Where the two part by more than a cent for each printed line; empty when they agree."""
    theirs = sam.months(sam.year(sam.inputs(plan), load / 1000, gen / 1000))
    parted = []
    for month, bill in enumerate(ours(plan, load, gen)):
        for component, names in (
            ("fixed", ("fixed",)), ("energy", ("energy", "credit")), ("demand", ("demand",)), ("minimum", ("minimum",)),
            ("bill", terms.COMPONENTS),
        ):  # fmt: skip
            lines = [line for line in bill.lines() if line.component in names]
            found = sum((line.amount for line in lines), Decimal(0))
            # what lacks to a minimum is a sum of rounded lines subtracted; credits carry the cents of months before
            count = len(bill.lines()) if component in ("minimum", "bill") else len(lines)
            allowed = Decimal("0.01") * max(1, count) * (month + 1 if "CREDIT" in plan.export.metering else 1)
            if component in ("minimum", "bill") and plan.minimum_annual:
                allowed *= month + 1
            expected = Decimal(repr(float(theirs[component][month])))
            if abs(found - expected) > allowed + Decimal("0.0001"):
                parted.append(f"month {month + 1} {component}: {found} here, {expected:.4f} there")
    return parted


def run(seed: int, metering: str) -> None:
    rng = np.random.default_rng(seed)
    plan = a_plan(rng, metering)
    load, gen = a_year(rng, metering)
    parted = compare(plan, load, gen)
    assert not parted, (seed, parted, plan)


@pytest.mark.parametrize("metering", ["NONE", *EXPORTS])
def test_random_tariffs_agree_with_nrels_engine(metering: str) -> None:
    share = CASES // 2 if metering == "NONE" else CASES // 10
    for seed in range(FIRST, FIRST + max(1, share)):
        run(seed, metering)
