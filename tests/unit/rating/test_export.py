"""Energy sent out, hourly prices, and plans written as URDB: against a twin in plain fractions, and by their laws."""

import json
import pathlib
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from click.testing import CliRunner

from billing import catalogue, rating, urdb_export
from billing.rating import terms
from core import errors, periods
from ops_admin.tariff_command import tariff
from tests.unit.rating.oracle import round_cents
from tests.unit.rating.test_sam import EXPORTS, a_plan


class Twin:
    """One account's export by the longest way: a read at a time, fractions, and the bank as a dict."""

    def __init__(self, plan: rating.Plan, zone: str) -> None:
        self.plan, self.zone = plan, ZoneInfo(zone)
        self.bank: dict[int, int] = defaultdict(int)
        self.excess = self.credit = 0

    def bill(self, starts_at: datetime, reads: list[tuple[int, int]], minutes: int, last: date) -> tuple[int, int]:
        """Cents of energy and of credit."""
        plan, rule = self.plan, self.plan.export
        used: dict[int, int] = defaultdict(int)
        sent: dict[int, int] = defaultdict(int)
        window = (rule.net_minutes or minutes) // minutes
        for first in range(0, len(reads), window):
            part = reads[first : first + window]
            local = (starts_at + timedelta(minutes=first * minutes)).astimezone(self.zone)
            table = plan.weekend if local.weekday() >= 5 else plan.weekday
            period = table[local.month - 1][local.hour]
            took, gave = sum(wh for wh, _ in part), sum(wh for _, wh in part)
            if rule.net_minutes:
                took, gave = max(0, took - gave), max(0, gave - took)
            used[period] += took
            sent[period] += gave
        settles = last.month == rule.true_up_month and (last + timedelta(days=1)).month != last.month
        settled = 0
        if rule.metering == "NET_METERING" and rule.carry_by == "TIME_OF_DAY":
            self.bank = self.moved(starts_at)
        if rule.metering.startswith("NET_METERING"):
            self.excess = max(0, self.excess + sum(sent.values()) - sum(used.values()))
            for period in range(len(plan.energy)):
                left = used[period] - sent[period] - self.bank[period]
                used[period], sent[period] = max(0, left), max(0, -left)
                if rule.metering == "NET_METERING":
                    self.bank[period], sent[period] = sent[period], 0
            if settles and rule.metering == "NET_METERING":
                settled = self.excess if rule.true_up_over == "TOTAL" else sum(self.bank.values())
                self.bank.clear()
                self.excess = 0
        energy = sum(self.cents(used[p], plan.energy[p].tiers[0].price) for p in range(len(plan.energy)))
        earned = sum(self.cents(sent[p], plan.energy[p].tiers[0].sell) for p in range(len(plan.energy)))
        if rule.metering == "NET_METERING" and not rule.credits_expire:
            earned += self.cents(settled, rule.year_end_sell)
        if not rule.metering.endswith("_CREDIT") and rule.settlement == "PAID":
            return energy, -earned
        payable = self.credit + (earned if rule.credit_applies == "SAME_BILL" else 0)
        applied = min(payable, max(0, energy))
        self.credit += earned - applied
        paid = 0
        if settles and rule.settlement == "PAID":
            paid, self.credit = (0 if rule.credits_expire else self.credit), 0
        return energy, -applied - paid

    def moved(self, starts_at: datetime) -> dict[int, int]:
        first = starts_at.astimezone(self.zone).date()
        then, now = self.plan.weekday[(first - timedelta(days=1)).month - 1], self.plan.weekday[first.month - 1]
        out: dict[int, int] = defaultdict(int)
        for period, wh in self.bank.items():
            hours = [hour for hour in (0, 5, 11, 17) if then[hour] == period]
            if hours:
                out[now[hours[0]]] += wh
        return out

    def cents(self, wh: int, price: Decimal) -> int:
        return round_cents(Fraction(wh, 1000) * Fraction(price), self.plan.rounding)


@pytest.mark.parametrize("metering", EXPORTS)
@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_export_agrees_with_the_twin_to_the_cent_bill_after_bill(metering: str, zone: str) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        plan = a_plan(rng, metering)
        rule = replace(
            plan.export, true_up_month=4, true_up_over=str(rng.choice(["TOTAL", "PERIODS"])),
            credits_expire=bool(rng.integers(2)), credit_applies=str(rng.choice(["SAME_BILL", "NEXT_BILL"])),
            net_minutes=60 if metering.startswith("NET_BILLING") else None,
            carry_by=str(rng.choice(["PERIOD", "TIME_OF_DAY"])),
            settlement=str(rng.choice(["PAID", "CREDITED"])) if metering.startswith("NET_METERING") else "PAID",
        )  # fmt: skip
        one_step = tuple(replace(p, tiers=(replace(p.tiers[0], limit=None, unit="KWH"),)) for p in plan.energy)
        plan = replace(
            plan,
            energy=one_step,
            export=rule,
            minimum_annual=Decimal(0),
            demand=None,
            minimum_monthly=Decimal(0),
            rounding="HALF_EVEN",
        )
        twin, state = Twin(plan, zone), None
        day = date(2024, 2, 1)  # a leap day, and clocks that change
        while day < date(2024, 6, 1):
            month = periods.month_of(day)
            starts_at = periods.midnight(day, zone)
            count = (periods.midnight(month.ends_on, zone) - starts_at) // timedelta(minutes=30)
            reads = rng.integers(0, 900, (2, count))
            used = rating.Usage(starts_at, 30, zone, reads[0], export_wh=reads[1])
            bill = rating.rate(plan, used, month, state=state)
            assert bill == bill and bill.lines() == rating.rate(plan, used, month, state=state).lines()
            state = bill.state
            energy, credit = twin.bill(starts_at, reads.T.tolist(), 30, month.ends_on - timedelta(days=1))
            assert (bill.sum_cents("energy")[0], bill.sum_cents("credit")[0]) == (energy, credit), (seed, day)
            assert bill.total_cents[0] == sum(line.amount_cents for line in bill.lines())
            if metering == "NET_METERING":
                assert state is not None
                assert state.bank[0].tolist() == [twin.bank[p] for p in range(len(plan.energy))]
            if metering.endswith("_CREDIT"):
                assert state is not None and state.credit_cents[0] == twin.credit
            day = month.ends_on


def test_what_is_carried_for_other_periods_is_refused() -> None:
    plan = replace(terms.flat("F", "F", Decimal("0.1")), export=rating.Export("NET_METERING"))
    used = rating.Usage(datetime(2026, 1, 1, tzinfo=UTC), 60, "Etc/UTC", np.full(744, 1))
    none = np.zeros(1, dtype=np.int64)
    with pytest.raises(errors.Invalid, match=r"rating\.state"):
        rating.rate(
            plan,
            used,
            periods.month_of(date(2026, 1, 1)),
            state=rating.State(np.ones((1, 2), dtype=np.int64), none, none),
        )


@pytest.mark.parametrize("zone", ["Etc/UTC", "Asia/Kolkata"])
def test_energy_at_the_price_of_the_hour(zone: str) -> None:
    plan = replace(
        terms.flat("S", "Spot", Decimal(0)), index=rating.Index("DAY_AHEAD", Decimal("1.05"), Decimal("0.012345"))
    )
    rng = np.random.default_rng(7)
    march = periods.month_of(date(2026, 3, 1))
    starts_at = periods.midnight(march.starts_on, zone)
    wh = rng.integers(0, 5000, (3, 744 * 2))
    micros = rng.integers(-50_000, 900_000, 800)
    first = starts_at.replace(minute=0)
    prices = rating.Prices("DAY_AHEAD", first, 60, micros)
    used = rating.Usage(starts_at, 30, zone, wh)
    bill = rating.rate(plan, used, march, prices=prices)
    for account in range(3):
        cost = Fraction(0)
        for n, value in enumerate(wh[account].tolist()):
            hour = (starts_at + timedelta(minutes=30 * n) - first) // timedelta(hours=1)
            cost += Fraction(value, 1000) * Fraction(int(micros[hour]), 10**6) * Fraction("1.05")
        assert bill.sum_cents("energy")[account] == round_cents(cost, "HALF_UP")
        adder = Fraction(int(wh[account].sum()), 1000) * Fraction("0.012345")
        assert bill.sum_cents("rider")[account] == round_cents(adder, "HALF_UP")
    for wrong in ((), replace(prices, code="OTHER"), replace(prices, micros=micros[:700])):
        with pytest.raises(errors.Invalid, match=r"rating\.prices"):
            rating.rate(plan, used, march, prices=wrong)


def same(plan: rating.Plan) -> rating.Plan:
    return replace(plan, notes=())


@pytest.mark.parametrize("metering", ["NONE", *EXPORTS])
def test_a_plan_written_as_urdb_reads_back_equal(metering: str) -> None:
    for seed in range(8):
        plan = a_plan(np.random.default_rng(seed), metering)
        if plan.demand is not None and plan.demand.flat:
            ratchet = rating.Ratchet(
                Decimal(80),
                11,
                (6, 7),
                percents=(Decimal("55.5"),) * 12,
                shared_months=(1, 2),
                over=("PERIODS", "STEPS"),
            )
            demand = replace(plan.demand, ratchet=ratchet, minimum_kw=Decimal("2.5"))
            plan = replace(plan, demand=demand)
        plan = replace(
            plan, fixed_daily=Decimal("0.123456789"),
            index=None if metering.startswith("NET_METERING") else rating.Index("DA", adder=Decimal("0.01")),
            riders=(rating.Rider("D", "Off", "PERCENT", Decimal(-5), over=("energy",), of_months=(1, 2)),),
            taxes=(
                rating.Tax("T", "Tax", Decimal("6.25"), over=("energy",), starts_on=date(2026, 1, 1)),
                rating.Tax("C", "City", Decimal(2), cities=("Brightwater",), customer_kinds=("BUSINESS",)),
            ),
            holidays=rating.Holidays(("LABOR_DAY",), "NEAREST_WEEKDAY", (date(2026, 1, 2),)),
            proration_window=(27, 34), proration="DAYS_30", rounding="HALF_EVEN", tier_scope="PER_PERIOD",
        )  # fmt: skip
        document = json.loads(json.dumps(urdb_export.document(plan)))
        assert same(catalogue.plan_of(document)) == plan


def test_a_document_is_tried_before_it_is_published(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"label": "X", "energyratestructure": [[{"rate": 0.1}]], "fixedmonthlycharge": 5}))
    result = CliRunner().invoke(tariff, ["check", str(path)])
    assert result.exit_code == 0 and json.loads(result.stdout)[0]["currency"] == "USD"
    bad = {"label": "X", "energyratestructure": [[{"rate": 0.1}]], "energyweekdayschedule": [[1] * 24] * 12}
    for document, where in (
        (bad, "energyweekdayschedule[0][0]"),
        ({**bad, "energyweekdayschedule": None, "wattline": {"riders": [{}]}}, "wattline"),
    ):
        path.write_text(json.dumps(document))
        result = CliRunner().invoke(tariff, ["check", str(path)])
        assert result.exit_code == 2 and where in result.stderr
    assert json.loads(CliRunner().invoke(tariff, ["export", "RES-TOU"]).stdout)["label"] == "RES-TOU"


@pytest.mark.parametrize(
    ("ours", "where"),
    [
        ({"tier_scop": "PER_PERIOD"}, "wattline"),
        ({"tier_scope": "PER_MOOD"}, "tier_scope"),
        ({"proration": "SOMETIMES"}, "proration"),
        ({"rounding": "BANKERS"}, "rounding"),
        ({"currency": "dollars"}, "currency"),
        ({"minimum_over": ["enrgy"]}, "minimum_over[0]"),
        ({"holidays": {"observance": "WHENEVER"}}, "holidays.observance"),
        ({"export": {"metering": "GENEROUS"}}, "export.metering"),
        ({"taxes": [{"code": "T", "description": "T", "percent": "5", "over": ["enrgy"]}]}, "taxes[0].over[0]"),
        ({"taxes": [{"code": "T", "description": "T", "percent": "5", "city": "Here"}]}, "wattline.taxes"),
        ({"taxes": [{"code": "T", "description": "T", "percent": "-5"}]}, "taxes[T].percent"),
        ({"riders": [{"code": "R", "description": "R", "kind": "PER_KWHH", "price": "1"}]}, "riders[0].kind"),
        (
            {"riders": [{"code": "R", "description": "R", "kind": "PER_DAY", "price": "1", "of_months": [13]}]},
            "riders[R].of_months",
        ),
        (
            {"taxes": [{"code": "T", "description": "T", "percent": "5", "starts_on": "2026-02-01",
                        "ends_on": "2026-01-01"}]},
            "taxes[T]",
        ),
    ],
)  # fmt: skip
def test_a_word_of_ours_that_nobody_knows_is_refused_and_not_left_out(ours: dict[str, object], where: str) -> None:
    """Left out, or taken for another, it would charge something else without a word."""
    document = {"label": "X", "energyratestructure": [[{"rate": 0.1}]], "wattline": ours}
    with pytest.raises(errors.Invalid) as refused:
        catalogue.plan_of(document)
    assert refused.value.code == "tariff.unpriceable" and refused.value.data["where"] == where


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "CHEAP"}, {"exit_fee": "-5"}, {"exit_fee": "0.001"}, {"term_months": -1}, {"cooling_off_days": "x"}],
)
def test_conditions_that_nobody_can_keep_are_refused_before_they_are_sold(wrong: dict[str, object]) -> None:
    good = {"kind": "FLAT", "customer_kind": "RESIDENTIAL", "exit_fee": "12.50", "term_months": 12}
    assert catalogue.sold_of({"tariff": good}) == catalogue.Sold("FLAT", 1250, 12, 14)
    with pytest.raises(errors.Invalid, match=r"tariff\.eligibility"):
        catalogue.sold_of({"tariff": {**good, **wrong}})


def test_a_trial_has_the_taxes_of_whom_it_is_sold_to(tmp_path: pathlib.Path) -> None:
    taxes = [
        {"code": "STATE", "description": "State", "percent": "10", "customer_kinds": ["BUSINESS"]},
        {"code": "CITY", "description": "City", "percent": "2", "cities": ["Brightwater"]},
    ]
    document = {
        "label": "RES-FLAT", "energyratestructure": [[{"rate": 0}]], "fixedmonthlycharge": 100,
        "wattline": {"taxes": taxes}, "tariff": {"kind": "FLAT", "customer_kind": "RESIDENTIAL"},
    }  # fmt: skip
    path = tmp_path / "plan.json"

    def total(*more: str) -> str:
        path.write_text(json.dumps(document))
        found: str = json.loads(CliRunner().invoke(tariff, ["check", str(path), *more]).stdout)[0]["total"]
        return found

    assert (total(), total("--city", "Brightwater"), total("--city", "Elsewhere")) == ("100.00", "102.00", "100.00")
    document["tariff"] = {"kind": "FLAT", "customer_kind": "BUSINESS"}
    assert (total(), total("--city", "Brightwater")) == ("110.00", "112.00")


def test_what_is_exported_is_unknown_or_a_tariff() -> None:
    assert CliRunner().invoke(tariff, ["export", "NONE"]).exit_code == 2
