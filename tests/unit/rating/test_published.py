"""Every published tariff at hand: priced as NREL's engine prices it, and as its own data set does."""

import json
import pathlib
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from billing import catalogue, rate_command, ratebook, rating, tariff_command, urdb, urdb_export
from core import errors, periods
from tests.unit.rating import sam
from tests.unit.rating.test_sam import compare

DATA = pathlib.Path(__file__).parent / "data"
PATHS = sorted((DATA / "ratebook").glob("*.json")) + sorted((DATA / "urdb").glob("*.json"))
BILLS = json.loads((DATA / "ratebook_bills.json").read_text())["cases"]
HOME = np.load(DATA / "pvsamv1_residential_load.npz")["mwh"].astype(np.int64) // 1000
ROOF = np.maximum(np.load(DATA / "gen_1_yr_residential.npz")["mwh"].astype(np.int64) // 1000, 0)


def read(path: pathlib.Path, reading: urdb.Reading) -> rating.Plan:
    return rate_command.plan_of(path.read_text(), None, reading)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_published_tariffs_agree_with_nrels_engine(path: pathlib.Path) -> None:
    """Read as that engine reads them, none is refused; with the panels' export as well where the tariff says a rule."""
    plan = read(path, replace(urdb.SAM, export=None))
    assert plan.holidays == rating.Holidays() and not plan.riders and not plan.fixed_daily
    plan = replace(plan, tier_scope="CHRONOLOGICAL" if plan.tier_scope == "CHRONOLOGICAL" else "TOTAL_PRORATA")
    for size in (1, 3):
        assert compare(replace(plan, export=rating.Export()), HOME * size, np.zeros_like(HOME)) == []
        if plan.export.metering != "NONE":
            assert compare(replace(plan, export=replace(plan.export, true_up_over="TOTAL")), HOME * size, ROOF) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_read_in_its_own_way_each_is_priced_and_goes_round_by_urdb(path: pathlib.Path) -> None:
    plan = read(path, urdb.Reading())
    written = json.loads(json.dumps(urdb_export.document(plan)))
    again = catalogue.plan_of(written)
    assert replace(again, notes=()) == replace(plan, notes=())
    july = periods.month_of(date(2026, 7, 1))
    used = rating.Usage(periods.midnight(july.starts_on, "Etc/UTC"), 60, "Etc/UTC", np.full(744, 900))
    assert rating.rate(again, used, july).lines() == rating.rate(plan, used, july).lines()


@pytest.mark.parametrize("case", BILLS, ids=lambda c: c["name"])
def test_published_bills_of_the_data_set(case: dict[str, Any]) -> None:
    expected = case["expected"]
    if not expected["ok"]:
        with pytest.raises(errors.Invalid, match=r"tariff\.unpriceable"):
            ratebook.plan(case["tariff"])
        return
    plan = replace(ratebook.plan(case["tariff"]), proration="NONE")  # a bill there is a month, of whatever days
    start = date.fromisoformat(case["window"]["start"])
    days = periods.Days(start, start + timedelta(days=case["window"]["days"]))
    hours = len(days) * 24
    if "hourly_kwh" in case["usage"]:
        wh = np.array([int(Decimal(value) * 1000) for value in case["usage"]["hourly_kwh"]])
    else:
        total = int(Decimal(case["usage"]["total_kwh"]) * 1000)
        wh = np.full(hours, total // hours)
        wh[0] += total - int(wh.sum())
    used = rating.Usage(periods.midnight(start, "Etc/UTC"), 60, "Etc/UTC", wh)
    bill = rating.rate(plan, used, days)
    assert abs(bill.total() - Decimal(expected["total"])) <= Decimal("0.005") * len(bill.lines())
    cents = {name: Decimal(int(bill.sum_cents(name)[0])) / 100 for name in ("energy", "fixed")}
    assert abs(cents["energy"] - Decimal(expected["energy_charge"])) <= Decimal("0.005") * len(bill.lines())
    assert abs(cents["fixed"] - Decimal(expected["fixed_charge"])) <= Decimal("0.005")


def test_our_own_tariffs_are_checked_and_go_round() -> None:
    today = date(2026, 11, 23)
    for document in catalogue.published(today):
        plan = tariff_command.plan_of(document, today)
        assert tariff_command.trial(plan, today, "America/New_York")
        written = json.loads(json.dumps(tariff_command.published(document["label"], today)))
        again = tariff_command.plan_of(written, today)
        assert replace(again, notes=()) == replace(plan, notes=())


def test_a_price_per_kva_needs_a_power_factor() -> None:
    rate = {"energyratestructure": [[{"rate": 0.1}]], "flatdemandstructure": [[{"rate": 9, "max": 10}, {"rate": 5}]]}
    with pytest.raises(errors.Invalid) as caught:
        urdb.plan({**rate, "flatdemandunit": "kVA"})
    assert "power factor" in caught.value.data["reason"]
    plan = urdb.plan({**rate, "flatdemandunit": "kVA"}, reading=urdb.Reading(power_factor=Decimal("0.9")))
    assert plan.demand is not None
    tiers = plan.demand.flat[0].tiers
    assert [(tier.price, tier.limit) for tier in tiers] == [(10, 9), (Decimal("5.555555556"), None)]


def test_use_beyond_a_last_step_with_an_end_is_refused_and_below_it_priced() -> None:
    plan = urdb.plan({"energyratestructure": [[{"rate": 0.1, "max": 500}, {"rate": 0.2, "max": 900}]]})
    assert any("900" in note for note in plan.notes)
    july = periods.month_of(date(2026, 7, 1))
    used = rating.Usage(periods.midnight(july.starts_on, "Etc/UTC"), 60, "Etc/UTC", np.full(744, 1000))
    assert rating.rate(plan, used, july).total() == Decimal("98.80")
    with pytest.raises(errors.Invalid, match=r"rating\.terms"):
        rating.rate(plan, replace(used, wh=used.wh * 2), july)


def test_a_ratchet_as_that_engines_importer_reads_it() -> None:
    rate = {
        "energyratestructure": [[{"rate": 0.1}]], "flatdemandstructure": [[{"rate": 9}]], "lookbackpercent": 0.8,
        "lookbackrange": 11, "lookbackmonths": [0] * 5 + [1] * 4 + [0] * 3,
    }  # fmt: skip
    theirs, ours = urdb.plan(rate, reading=urdb.SAM), urdb.plan(rate)
    assert theirs.demand is not None and theirs.demand.ratchet is not None
    assert compare(theirs, HOME, np.zeros_like(HOME)) == []
    assert sam.inputs(theirs)["ur_billing_demand_lookback_percentages"] == [[80.0, 0]] * 12
    assert ours.demand is not None and ours.demand.ratchet is not None
    assert (ours.demand.ratchet.of_months, ours.demand.ratchet.shared_months) == ((6, 7, 8, 9), ())
