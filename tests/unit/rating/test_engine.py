"""The engine against an oracle without arrays, against another engine's published results, and against its own laws."""

import json
import pathlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import rating
from billing.rating import calendar, terms
from core import errors, periods
from tests.unit.rating.oracle import Oracle

DATA = pathlib.Path(__file__).parent / "data"
VECTORS = {case["name"]: case for case in json.loads((DATA / "ssc_vectors.json").read_text())["cases"]}
JANUARY = periods.Days(date(2026, 1, 1), date(2026, 2, 1))


def D(text: object) -> Decimal:
    return Decimal(str(text))


def use(
    wh: list[int] | np.ndarray,
    start: date = date(2026, 1, 1),
    zone: str = "Etc/UTC",
    minutes: int = 60,
    **more,
):
    return rating.Usage(periods.midnight(start, zone), minutes, zone, np.asarray(wh, dtype=np.int64), **more)


def even(days: int, wh: int = 1000, **more: object) -> rating.Usage:
    return use([wh] * 24 * days, **more)


# against NREL's engine


def ladders(matrix: list, limit: int, price: int) -> dict[int, list]:
    out: dict[int, list] = {}
    for row in sorted(matrix):
        top = None if row[limit] > 1e30 else D(row[limit])
        out.setdefault(int(row[0]), []).append((top, D(row[price]), row))
    return out


def ssc_plan(case: dict) -> rating.Plan:
    given_ = case["inputs"]

    def schedule(name: str) -> terms.Schedule:
        return tuple(tuple(int(p) - 1 for p in row) for row in given_[name])

    def demand(matrix: list) -> tuple[rating.DemandPeriod, ...]:
        return tuple(
            rating.DemandPeriod("", tuple(rating.DemandTier(price, top) for top, price, _ in steps))
            for _, steps in sorted(ladders(matrix, 2, 3).items())
        )

    energy = tuple(
        rating.EnergyPeriod(
            str(number),
            tuple(rating.Tier(price, top, "KWH" if row[3] == 0 else "KWH_DAILY") for top, price, row in steps),
        )
        for number, steps in sorted(ladders(given_["ur_ec_tou_mat"], 2, 4).items())
    )
    charges = None
    if given_.get("ur_dc_enable"):
        charges = rating.Demand(
            flat=demand(given_["ur_dc_flat_mat"]),
            flat_months=tuple(range(12)),
            periods=demand(given_["ur_dc_tou_mat"]),
            weekday=schedule("ur_dc_sched_weekday"),
            weekend=schedule("ur_dc_sched_weekend"),
        )
    return rating.Plan(
        case["name"],
        case["name"],
        energy,
        schedule("ur_ec_sched_weekday"),
        schedule("ur_ec_sched_weekend"),
        fixed_monthly=D(given_.get("ur_monthly_fixed_charge", 0)),
        demand=charges,
    )


@pytest.mark.parametrize(
    ("name", "year"),
    [
        ("Test_Residential_TOU_Rates", "771.78"),
        ("Test_Residential_TOU_Rates_w_tiers", "1839.69"),
        ("Test_Commercial_Demand_Charges", "104614.49"),
        ("Test_Residential_TOU_Rates_w_36_periods", "475.57"),
    ],
)
def test_agrees_with_sam_month_by_month(name: str, year: str) -> None:
    case = VECTORS[name]
    plan = ssc_plan(case)
    load = np.load(DATA / case["load"].replace(".csv", ".npz"))["mwh"].astype(np.int64)
    used = use(load, date(2018, 1, 1), per_kwh=1_000_000)
    exact = Fraction(0)
    for month in range(12):
        rated = rating.rate(plan, used, periods.month_of(date(2018, month + 1, 1)))
        lines = rated.lines()
        for component, keys in (
            ("fixed", ["year1_monthly_fixed"]),
            ("energy", ["year1_monthly_ec_charge"]),
            ("demand", ["year1_monthly_dc_fixed", "year1_monthly_dc_tou"]),
        ):
            own = [line for line in lines if line.component == component]
            theirs = sum(D(case["monthly"][f"{key}_without_system"][month]) for key in keys)
            assert abs(sum((line.amount for line in own), D(0)) - theirs) <= D("0.01") * max(1, len(own)), (
                month,
                component,
            )
        exact += sum(Fraction(line.quantity) * Fraction(line.unit_price) for line in lines)
        assert abs(rated.kwh() - D(case["monthly"]["year1_monthly_load"][month])) < D("0.001")
    assert abs(Decimal(float(exact)) - D(year)) < D("0.01")  # unrounded, for a year of rounded lines is cents away


def test_one_ladder_for_each_period_is_another_bill() -> None:
    """The trap: 18 % less, when a tariff of one ladder is priced with one per period."""
    case = VECTORS["Test_Residential_TOU_Rates_w_tiers"]
    used = use(np.load(DATA / "pvsamv1_residential_load.npz")["mwh"], date(2018, 1, 1), per_kwh=1_000_000)
    months = [periods.month_of(date(2018, m, 1)) for m in range(1, 13)]
    wrong = replace(ssc_plan(case), tier_scope="PER_PERIOD")
    assert abs(sum(rating.rate(wrong, used, m).total() for m in months) - D("1506.35")) < D("0.4")


# against the oracle

prices = st.integers(0, 900_000).map(lambda n: Decimal(n) / 1_000_000)
components = st.lists(st.sampled_from(["fixed", "energy", "demand"]), min_size=1, max_size=3, unique=True).map(tuple)
days_2026 = st.integers(0, 70).map(lambda n: date(2026, 2, 20) + timedelta(days=n))


kinds = st.sampled_from(["FLAT", "PERIODS", "PERIODS_BY_MONTH", "STEPS"])
ratchets = st.none() | st.builds(
    rating.Ratchet,
    percent=st.integers(0, 100).map(D),
    months=st.integers(1, 11),
    of_months=st.sampled_from([(), (1, 7, 8, 12)]),
    percents=st.just(()) | st.lists(st.integers(20, 120).map(D), min_size=12, max_size=12).map(tuple),
    shared_months=st.sampled_from([(), (2, 3, 4), tuple(range(1, 13))]),
    over=st.lists(kinds, min_size=1, max_size=3, unique=True).map(tuple),
)


def some_schedule(draw, count: int, seasons: list[list[int]]) -> terms.Schedule:
    hours = [draw(st.lists(st.sampled_from(own), min_size=24, max_size=24)) for own in seasons]
    return tuple(tuple(hours[0 if month < 3 or month > 9 else 1]) for month in range(12))


@st.composite
def plans(draw) -> rating.Plan:
    scope = draw(st.sampled_from(["TOTAL_PRORATA", "PER_PERIOD", "CHRONOLOGICAL"]))
    steps = draw(st.integers(1, 3))
    unit = draw(st.sampled_from(["KWH", "KWH_DAILY", "KWH_PER_KW", "KWH_PER_KW_DAILY"]))
    blocks = steps == 3 and unit == "KWH_PER_KW" and draw(st.booleans())

    def edges() -> list[Decimal]:
        most = {"KWH": 6000, "KWH_DAILY": 300, "KWH_PER_KW": 5000, "KWH_PER_KW_DAILY": 160}[unit]
        chosen = draw(st.sets(st.integers(1, most), min_size=steps - 1, max_size=steps - 1))
        return [D(n) / 10 for n in sorted(chosen)]

    winter, summer = edges(), edges()

    def period(number: int) -> rating.EnergyPeriod:
        limits = edges() if scope == "PER_PERIOD" else (winter if number < 2 else summer)
        tiers = [rating.Tier(draw(prices), top, unit) for top in [*limits, None]]
        if blocks:  # up to 300 h, of which the first kWh apart; up to more hours; and the rest
            inside = [rating.Tier(draw(prices), D(200), "KWH"), rating.Tier(draw(prices), None, "KWH")]
            tiers = [replace(tiers[0], limit=D(300)), *inside, replace(tiers[1], limit=D(800)), tiers[2]]
        return rating.EnergyPeriod(f"p{number}", tuple(tiers))

    seasons = [[0, 1], [2, 3]]
    demand = None
    if draw(st.booleans()):

        def ladder() -> rating.DemandPeriod:
            low, high = draw(prices) * 20, draw(prices) * 20
            return rating.DemandPeriod("", (rating.DemandTier(low, D("2.5")), rating.DemandTier(high)))

        demand = rating.Demand(
            flat=(ladder(), ladder()),
            flat_months=(0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0),
            periods=(ladder(), ladder(), ladder(), ladder()),
            weekday=some_schedule(draw, 4, seasons),
            weekend=some_schedule(draw, 4, seasons),
            minimum_kw=draw(st.sampled_from([D(0), D("1.75")])),
            ratchet=draw(ratchets),
        )
    change = draw(days_2026)
    return rating.Plan(
        "P",
        "P",
        tuple(period(n) for n in range(4)),
        some_schedule(draw, 4, seasons),
        some_schedule(draw, 4, seasons),
        fixed_monthly=draw(prices) * 30,
        fixed_daily=draw(prices),
        minimum_monthly=draw(st.sampled_from([D(0), D("45.67")])),
        demand=demand,
        holidays=rating.Holidays(dates=(date(2026, 3, 17), date(2026, 4, 3))),
        riders=(
            rating.Rider("F", "Fuel", "PER_KWH", draw(prices) - D("0.2"), ends_on=change),
            rating.Rider("F", "Fuel", "PER_KWH", draw(prices), starts_on=change),
            rating.Rider("S", "Surcharge", "PERCENT", draw(prices) * 10, over=draw(components)),
            rating.Rider("D", "Per day", "PER_DAY", -draw(prices)),
            rating.Rider("M", "Per month", "PER_MONTH", draw(prices), starts_on=change),
        ),
        taxes=(
            rating.Tax("T", "Tax", draw(prices) * 20, ends_on=change),
            rating.Tax("T", "Tax", draw(prices) * 20, starts_on=change, over=("energy", "rider")),
        ),
        tier_scope=scope,
        proration=draw(st.sampled_from(["NONE", "DAYS_30", "DAYS_365_12", "CALENDAR_MONTH"])),
        prorates=draw(st.sampled_from([("fixed", "minimum", "tiers"), ("fixed", "demand"), ()])),
        proration_window=draw(st.sampled_from([None, (25, 35)])),
        rounding=draw(st.sampled_from(["HALF_UP", "HALF_EVEN"])),
    )


def history_of(watts: dict[tuple[int, int], int], n: int) -> rating.History:
    return rating.History(tuple(watts), np.tile(np.array(list(watts.values()), dtype=np.int64), (n, 1)))


NONE_YET = history_of({(2025, month): 0 for month in range(1, 13)}, 4)


@settings(max_examples=50)
@given(
    plans(),
    days_2026,
    st.integers(3, 40),
    st.sampled_from(["America/New_York", "Asia/Kolkata"]),
    st.integers(0, 2**32),
)
def test_agrees_with_the_oracle_to_the_cent(plan: rating.Plan, start: date, days: int, zone: str, seed: int) -> None:
    end = start + timedelta(days=days)
    count = (periods.midnight(end, zone) - periods.midnight(start, zone)) // timedelta(hours=1)
    wh = np.random.default_rng(seed).integers(0, 4000, (3, count))
    wh[1] = 0
    earlier = {(year, month): 997 * month for year in (2025, 2026) for month in range(1, 13)}
    rated = rating.rate(plan, use(wh, start, zone), periods.Days(start, end), history=history_of(earlier, 3))
    oracle = Oracle(plan, start, end, zone, 60, earlier)
    for account in range(3):
        expected = oracle.bill(wh[account].tolist())
        found = {c: int(rated.sum_cents(c)[account]) for c in terms.COMPONENTS}
        assert found == {c: expected.get(c, 0) for c in terms.COMPONENTS}
        lines = rated.lines(account)
        steps = {
            (int(x.args["period"][1:]), int(x.args.get("tier", 1)) - 1): int(x.quantity * 1000)
            for x in lines
            if x.component == "energy"
        }
        assert steps == oracle.steps
        assert sum(line.amount_cents for line in lines) == expected["total"] == int(rated.total_cents[account])
        assert sum((x.quantity for x in lines if x.component == "energy"), D(0)) * 1000 == int(wh[account].sum())


# laws


@settings(max_examples=30)
@given(plans(), st.integers(0, 2**32))
def test_thousands_at_once_are_thousands_one_by_one(plan: rating.Plan, seed: int) -> None:
    wh = np.random.default_rng(seed).integers(0, 5000, (4, 31 * 24))
    together = rating.rate(plan, use(wh), JANUARY, history=NONE_YET)
    own = rating.History(NONE_YET.months, NONE_YET.watts[:1])
    alone = [rating.rate(plan, use(row), JANUARY, history=own) for row in wh]
    assert [together.lines(n) for n in range(4)] == [one.lines() for one in alone]


@settings(max_examples=30)
@given(plans(), st.integers(1, 30), st.integers(0, 2**32))
def test_a_split_that_changes_nothing_costs_the_same_energy_and_days(plan: rating.Plan, cut: int, seed: int) -> None:
    plan = replace(
        plan, energy=tuple(replace(p, tiers=(replace(p.tiers[-1], unit="KWH"),)) for p in plan.energy), demand=None,
        riders=(), taxes=(),
        minimum_monthly=D(0),
    )  # fmt: skip
    used = use(np.random.default_rng(seed).integers(0, 5000, 31 * 24))
    middle = JANUARY.starts_on + timedelta(days=cut)
    parts = [
        rating.Segment(periods.Days(JANUARY.starts_on, middle), plan),
        rating.Segment(periods.Days(middle, JANUARY.ends_on), plan),
    ]
    whole, split = rating.rate(plan, used, JANUARY), rating.rate_segments(parts, used)
    assert abs(int(whole.total_cents[0]) - int(split.total_cents[0])) <= len(split.lines())
    assert whole.metered == split.metered


def test_more_use_never_costs_less() -> None:
    plan = ssc_plan(VECTORS["Test_Residential_TOU_Rates_w_tiers"])
    wh = np.cumsum(np.random.default_rng(1).integers(0, 300, (40, 31 * 24)), axis=0)
    totals = rating.rate(plan, use(wh), JANUARY).total_cents
    assert (np.diff(totals) >= 0).all()


# the calendar


@pytest.mark.parametrize(
    ("zone", "month", "hours"),
    [
        ("America/New_York", date(2026, 3, 1), 743),
        ("America/New_York", date(2026, 11, 1), 721),
        ("Australia/Lord_Howe", date(2026, 4, 1), 720.5),
        ("Asia/Kolkata", date(2026, 4, 1), 720),
        ("Etc/UTC", date(2028, 2, 1), 696),
    ],
)
def test_months_have_the_hours_the_clock_says(zone: str, month: date, hours: float) -> None:
    days = periods.month_of(month)
    start = periods.midnight(days.starts_on - timedelta(days=2), zone)
    used = rating.Usage(start, 15, zone, np.full(40 * 96, 250, dtype=np.int64))
    plan = terms.flat("F", "F", D("1"))
    assert rating.rate(plan, used, days).kwh() == D(hours)


def test_the_hour_that_comes_twice_is_priced_twice() -> None:
    night = tuple((0, 1) + (0,) * 22 for _ in range(12))  # one dear hour: one o'clock
    plan = replace(
        terms.flat("F", "F", D(0)),
        energy=(rating.EnergyPeriod("", (rating.Tier(D(0)),)), rating.EnergyPeriod("one", (rating.Tier(D(1)),))),
        weekday=night, weekend=night,
    )  # fmt: skip
    november = periods.Days(date(2026, 11, 1), date(2026, 11, 2))
    march = periods.Days(date(2026, 3, 8), date(2026, 3, 9))
    zone = "America/New_York"
    assert rating.rate(plan, use([1000] * 25, date(2026, 11, 1), zone), november).total() == D("2.00")
    assert rating.rate(plan, use([1000] * 23, date(2026, 3, 8), zone), march).total() == D("1.00")


def test_consecutive_bills_of_a_half_hour_zone_share_no_interval() -> None:
    """Hourly reads on UTC hours straddle Kolkata's midnight: each counts once, for the day in which it starts."""
    plan = terms.flat("F", "F", D("1"))
    used = rating.Usage(datetime(2026, 3, 30, tzinfo=UTC), 60, "Asia/Kolkata", np.arange(24 * 40, dtype=np.int64))
    days = [periods.Days(date(2026, 4, n), date(2026, 4, n + 1)) for n in range(1, 30)]
    month = periods.Days(date(2026, 4, 1), date(2026, 4, 30))
    assert sum(rating.rate(plan, used, d).kwh() for d in days) == rating.rate(plan, used, month).kwh()


def test_leap_day_is_a_day_of_its_own_weekday() -> None:
    peak = tuple((1,) * 24 for _ in range(12))
    plan = replace(
        terms.flat("F", "F", D(0)),
        energy=(rating.EnergyPeriod("", (rating.Tier(D(0)),)), rating.EnergyPeriod("", (rating.Tier(D(1)),))),
        weekday=peak,
    )  # fmt: skip
    for year, priced in ((2024, True), (2032, False)):  # a Thursday, a Sunday
        day = date(year, 2, 29)
        total = rating.rate(plan, use([1000] * 24, day), periods.Days(day, day + timedelta(days=1))).total()
        assert total == (D("24.00") if priced else D(0))


def test_named_holidays_follow_their_observance() -> None:
    names = (
        "NEW_YEARS_DAY",
        "INDEPENDENCE_DAY",
        "MEMORIAL_DAY",
        "LABOR_DAY",
        "THANKSGIVING",
        "CHRISTMAS_DAY",
    )
    observed = lambda rule, year: calendar.holidays_of(rating.Holidays(names, rule), year)  # noqa: E731
    assert date(2026, 7, 4) in observed("ACTUAL", 2026)
    assert date(2026, 7, 3) in observed("NEAREST_WEEKDAY", 2026)
    assert date(2026, 7, 4) not in observed("NEAREST_WEEKDAY", 2026)
    assert date(2026, 7, 4) in observed("SUNDAY_TO_MONDAY", 2026)
    assert date(2027, 7, 5) in observed("SUNDAY_TO_MONDAY", 2027)
    assert date(2027, 12, 31) in observed("NEAREST_WEEKDAY", 2027)  # New Year's Day 2028 is a Saturday
    with pytest.raises(errors.Invalid, match=r"rating\.terms"):
        calendar.holidays_of(rating.Holidays(("BLACK_FRYDAY",)), 2026)


def test_named_holidays_are_those_of_the_federal_calendar() -> None:
    import holidays as package

    names = (
        "NEW_YEARS_DAY", "MARTIN_LUTHER_KING_DAY", "PRESIDENTS_DAY", "MEMORIAL_DAY", "JUNETEENTH",
        "INDEPENDENCE_DAY", "LABOR_DAY", "COLUMBUS_DAY", "VETERANS_DAY", "THANKSGIVING", "CHRISTMAS_DAY",
    )  # fmt: skip
    for year in range(2022, 2040):
        federal = set(package.US(years=year, observed=False, categories="public"))
        assert calendar.holidays_of(rating.Holidays(names), year) == federal
    easter = package.country_holidays("GB", subdiv="ENG", years=range(2020, 2060), observed=False)
    goods = {d for d in easter if "Good Friday" in easter[d]}
    assert {calendar.NAMED["GOOD_FRIDAY"](y) for y in range(2020, 2060)} == goods


# proration and versions, from published examples


def test_fixed_charge_by_days_over_365_12() -> None:
    """Otter Tail: 9.75 a month, 29 days, 9.30."""
    plan = replace(terms.flat("F", "F", D(0), D("9.75")), proration="DAYS_365_12")
    days = periods.Days(date(2026, 1, 1), date(2026, 1, 30))
    assert rating.rate(plan, even(29), days).total() == D("9.30")


@pytest.mark.parametrize(("days", "charge"), [(26, "30.00"), (24, "24.00"), (36, "36.00")])
def test_prorated_only_outside_25_to_35_days(days: int, charge: str) -> None:
    plan = replace(terms.flat("F", "F", D(0), D(30)), proration="DAYS_30", proration_window=(25, 35))
    period = periods.Days(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=days))
    assert rating.rate(plan, even(days), period).total() == D(charge)


def test_a_tax_that_changes_in_the_middle_makes_two_lines_of_half() -> None:
    april = periods.month_of(date(2026, 4, 1))
    change = date(2026, 4, 16)
    plan = replace(
        terms.flat("F", "F", D("0.1")),
        taxes=(
            rating.Tax("T", "Tax", D(6), ends_on=change),
            rating.Tax("T", "Tax", D("6.5"), starts_on=change),
        ),
    )
    rated = rating.rate(plan, even(30, start=date(2026, 4, 1)), april)
    assert [(x.quantity, x.unit_price, x.amount) for x in rated.lines() if x.component == "tax"] == [
        (D("36"), D("6"), D("2.16")), (D("36"), D("6.5"), D("2.34")),
    ]  # fmt: skip


def test_a_plan_switch_goes_by_reads_for_energy_and_by_days_for_the_month() -> None:
    april, cut = periods.month_of(date(2026, 4, 1)), date(2026, 4, 21)
    old, new = terms.flat("A", "A", D("0.10"), D(30)), terms.flat("B", "B", D("0.20"), D(60))
    used = use([1000] * 24 * 20 + [2000] * 24 * 10, date(2026, 4, 1))
    rated = rating.rate_segments(
        [
            rating.Segment(periods.Days(april.starts_on, cut), old),
            rating.Segment(periods.Days(cut, april.ends_on), new),
        ],
        used,
    )
    assert [(x.component, x.amount, x.args["from"]) for x in rated.lines()] == [
        ("fixed", D("20.00"), "2026-04-01"), ("fixed", D("20.00"), "2026-04-21"),
        ("energy", D("48.00"), "2026-04-01"), ("energy", D("96.00"), "2026-04-21"),
    ]  # fmt: skip


def test_demand_for_half_the_days_costs_half() -> None:
    """Oracle: 2.00 a kW, 50 kW, 15 of 30 days: 50.00."""
    demand = rating.Demand(flat=(rating.DemandPeriod("", (rating.DemandTier(D(2)),)),))
    plan = replace(terms.flat("F", "F", D(0)), demand=demand, proration="DAYS_30", prorates=("demand",))
    days = periods.Days(date(2026, 4, 1), date(2026, 4, 16))
    assert rating.rate(plan, even(15, 50_000, start=date(2026, 4, 1)), days).sum_cents("demand") == 5000


def test_lookback_demand_over_a_year() -> None:
    """REopt: 1 kW all year but 100 in January, 35 %: 100 x (10.5 + 0.35 x 10.5 x 5 + 0.35 x 11.5 x 6)."""
    flat = tuple(rating.DemandPeriod("", (rating.DemandTier(D(p)),)) for p in ("10.5", "11.5"))
    demand = rating.Demand(
        flat=flat,
        flat_months=(0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0),
        ratchet=rating.Ratchet(D(35), 11),
    )
    plan = replace(terms.flat("F", "F", D(0)), demand=demand)
    wh = np.full(8760, 1000, dtype=np.int64)
    wh[7] = 100_000
    peaks = {(2022, m): 100_000 if m == 1 else 1000 for m in range(1, 13)} | {(2021, m): 0 for m in range(1, 13)}
    history = rating.History(tuple(peaks), np.array([list(peaks.values())]))
    total = sum(
        rating.rate(plan, use(wh, date(2022, 1, 1)), periods.month_of(date(2022, m, 1)), history=history).total()
        for m in range(1, 13)
    )
    assert total == D("5302.50")
    with pytest.raises(errors.Invalid, match=r"rating\.demand_history") as caught:
        rating.rate(plan, use(wh, date(2022, 1, 1)), periods.month_of(date(2022, 3, 1)))
    assert "2022-02" in caught.value.data["reason"]


def test_demand_is_averaged_over_the_tariffs_window() -> None:
    demand = rating.Demand(flat=(rating.DemandPeriod("", (rating.DemandTier(D(1)),)),), window_minutes=30)
    plan = replace(terms.flat("F", "F", D(0)), demand=demand)
    wh = [0] * 96
    wh[1], wh[2], wh[5] = 1000, 1000, 1500  # two quarters of 4 kW in different half hours, and one of 6
    day = periods.Days(date(2026, 1, 1), date(2026, 1, 2))
    rated = rating.rate(plan, use(wh, minutes=15), day)
    assert rated.peak_watts.tolist() == [3000]
    assert rated.total() == D("3.00")


def test_minimum_annual_minimum_exemption_and_export() -> None:
    december = periods.month_of(date(2026, 12, 1))
    used = even(31, 10, start=date(2026, 12, 1))
    plan = replace(
        terms.flat("F", "F", D("0.1"), D(2)), minimum_monthly=D(5), minimum_annual=D(100),
        taxes=(rating.Tax("CITY", "City", D(10)),),
    )  # fmt: skip
    with pytest.raises(errors.Invalid, match=r"rating\.year_to_date"):
        rating.rate(plan, used, december)
    rated = rating.rate(plan, used, december, year_to_date=np.array([8000]))
    assert [(x.code, x.amount) for x in rated.lines()] == [
        ("fixed.month", D("2.00")), ("energy", D("0.74")), ("minimum", D("2.26")),
        ("minimum.annual", D("15.00")), ("tax", D("2.00")),
    ]  # fmt: skip
    free = rating.rate(plan, used, december, year_to_date=np.array([8000]), exempt={"CITY": np.array([True])})
    assert free.total() == D("20.00")
    sold = even(31, 10, start=date(2026, 12, 1), export_wh=np.full(31 * 24, 100, dtype=np.int64))
    with pytest.raises(errors.Invalid, match=r"rating\.export_unpriceable"):
        rating.rate(terms.flat("F", "F", D("0.1")), sold, december)
    seller = replace(
        terms.flat("F", "F", D("0.1")), export=rating.Export("NET_BILLING"),
        energy=(rating.EnergyPeriod("", (rating.Tier(D("0.1"), sell=D("0.04")),)),),
    )  # fmt: skip
    assert [(x.component, x.amount) for x in rating.rate(seller, sold, december).lines()] == [
        ("energy", D("0.74")), ("credit", D("-2.98")),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"starts_at": datetime(2026, 1, 1, 1, tzinfo=UTC)}, "rating.uncovered"),
        ({"wh": np.full(100, 1)}, "rating.uncovered"),
        ({"wh": np.array([[1] * 743 + [-1]])}, "rating.missing_reads"),
        ({"wh": np.array([[1] * 743 + [-2]])}, "rating.usage"),
        ({"wh": np.full(744, 0.5)}, "rating.usage"),
    ],
)
def test_what_cannot_be_priced_is_refused(change: dict, code: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        rating.rate(terms.flat("F", "F", D("0.1")), replace(even(31), **change), JANUARY)
    assert caught.value.code == code
    assert caught.value.data["reason"]


def test_unequal_steps_in_one_month_need_a_ladder_each() -> None:
    tiers = lambda top: rating.EnergyPeriod("", (rating.Tier(D("0.1"), D(top)), rating.Tier(D("0.2"))))  # noqa: E731
    halves = tuple((0,) * 12 + (1,) * 12 for _ in range(12))
    plan = replace(terms.flat("F", "F", D(0)), energy=(tiers(100), tiers(200)), weekday=halves, weekend=halves)
    with pytest.raises(errors.Invalid, match=r"rating\.terms"):
        rating.rate(plan, even(31), JANUARY)
    assert rating.rate(replace(plan, tier_scope="PER_PERIOD"), even(31), JANUARY).total() == D("118.80")


def test_very_large_meters_do_not_overflow() -> None:
    plan = ssc_plan(VECTORS["Test_Residential_TOU_Rates_w_tiers"])
    used = use(np.full(744, 10**13, dtype=np.int64), per_kwh=1_000_000)  # 10 GWh an hour
    rated = rating.rate(plan, used, JANUARY)
    exact = sum(Fraction(x.quantity) * Fraction(x.unit_price) for x in rated.lines())
    assert abs(Fraction(rated.total()) - exact) < Fraction(3, 100)
    assert rated.total() > D(10**9)


def test_half_even_and_half_up_part_at_the_half_cent() -> None:
    plan = terms.flat("F", "F", D("0.005"))
    used = use([1000] + [0] * 743)
    assert rating.rate(plan, used, JANUARY).total() == D("0.01")
    assert rating.rate(replace(plan, rounding="HALF_EVEN"), used, JANUARY).total() == D("0.00")


def test_zone_is_not_assumed() -> None:
    with pytest.raises(ValueError, match="naive"):
        rating.rate(terms.flat("F", "F", D(1)), replace(even(31), starts_at=datetime(2026, 1, 1)), JANUARY)
    assert ZoneInfo("Etc/UTC")
