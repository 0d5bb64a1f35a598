"""URDB files become plans, or are refused with the place that cannot be priced."""

import json
import pathlib
from copy import deepcopy
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from billing import rating, urdb
from core import errors, periods

DATA = pathlib.Path(__file__).parent / "data" / "urdb"
JANUARY = periods.Days(date(2018, 1, 1), date(2018, 2, 1))
HOURS = [[0] * 24] * 12


def rate(**more: Any) -> dict[str, Any]:
    return {"label": "x", "name": "X", "energyratestructure": [[{"rate": 0.1}]], **more}


def priced(document: dict[str, Any], wh: Any = 1000, **more: Any) -> rating.Rated:
    reads = np.broadcast_to(np.asarray(wh, dtype=np.int64), (744,))
    used = rating.Usage(periods.midnight(JANUARY.starts_on, "Etc/UTC"), 60, "Etc/UTC", reads)
    return rating.rate(urdb.parse(json.dumps(document), **more), used, JANUARY)


def test_floats_that_went_through_32_bits_are_what_was_meant() -> None:
    plan = urdb.parse((DATA / "urdbv7.json").read_text())
    assert plan.demand is not None
    assert [t.price for t in plan.demand.periods[0].tiers] == [Decimal("19.539"), Decimal("13.093")]
    assert [t.limit for t in plan.demand.periods[0].tiers] == [Decimal("100.0"), None]
    assert plan.fixed_monthly == Decimal("35.28")
    assert plan.minimum_annual == 12
    assert any("TOTAL_PRORATA" in note for note in plan.notes)
    assert urdb.parse((DATA / "urdbv7.json").read_text(), tier_scope="PER_PERIOD").tier_scope == "PER_PERIOD"


def test_hours_of_use_steps_grow_with_demand() -> None:
    """LP1: the first 300 kWh per kW at 4.2 cents, the rest at 2.9; demand 100 kW at 13.50, the rest at 12.10."""
    used = rating.Usage(
        periods.midnight(JANUARY.starts_on, "Etc/UTC"),
        60,
        "Etc/UTC",
        np.array([[150_000] * 744, [150_000] * 372 + [0] * 372]),
    )
    rated = rating.rate(urdb.parse((DATA / "lp1.json").read_text()), used, JANUARY)
    assert [(x.quantity, x.amount) for x in rated.lines(0)] == [
        (Decimal(45_000), Decimal("1890.00")), (Decimal(66_600), Decimal("1931.40")),
        (Decimal(100), Decimal("1350.00")), (Decimal(50), Decimal("605.00")),
    ]  # fmt: skip
    assert [x.quantity for x in rated.lines(1) if x.component == "energy"] == [
        Decimal(45_000),
        Decimal(10_800),
    ]


def test_adjustments_fuel_fixed_units_and_minimum() -> None:
    document = rate(
        energyratestructure=[
            [{"rate": 0.1, "adj": 0.013, "max": 10, "unit": "kWh daily"}, {"rate": 0.2, "adj": -0.05}]
        ],
        fixedchargefirstmeter=0.5, fixedchargeunits="$/day", mincharge=200, minchargeunits="$/month",
        fueladjustmentsmonthly=[0.01] + [0] * 11,
    )  # fmt: skip
    rated = priced(document)
    assert [(x.component, x.quantity, x.amount) for x in rated.lines()] == [
        ("fixed", Decimal(31), Decimal("15.50")),
        ("energy", Decimal(310), Decimal("35.03")),
        ("energy", Decimal(434), Decimal("65.10")),
        ("rider", Decimal(744), Decimal("7.44")),
        ("minimum", Decimal(8437), Decimal("84.37")),
    ]
    yearly = rate(fixedchargefirstmeter=12, fixedchargeunits="$/year")
    assert priced(yearly, 0).total() == Decimal("1.00")


def test_importing_twice_gives_the_same_and_leaves_the_document_alone() -> None:
    document = json.loads(json.loads((DATA / "lp1.json").read_text()))["items"][0]
    before = deepcopy(document)
    assert urdb.plan(document) == urdb.plan(document)
    assert document == before


@pytest.mark.parametrize(
    ("document", "where"),
    [
        (rate(energyratestructure=[]), "energyratestructure"),
        (rate(energyratestructure=[[{"rate": 0.1}, {"rate": 0.2}]]), "energyratestructure[0][0].max"),
        (
            rate(
                energyratestructure=[[{"rate": 0.1, "max": 9}, {"rate": 0.2, "max": 5, "unit": "kWh/kW"}, {"rate": 1}]]
            ),
            "energyratestructure[0]",
        ),
        (
            rate(energyratestructure=[[{"rate": 0.1, "max": 9}, {"rate": 0.2, "max": 5}, {"rate": 1}]]),
            "energyratestructure[0]",
        ),
        (
            rate(energyratestructure=[[{"rate": 0.1}], [{"rate": 0.2, "unit": "kWh/kVA"}]]),
            "energyratestructure[1][0].unit",
        ),
        (rate(energyratestructure=[[{"rate": "free"}]]), "energyratestructure[0][0].rate"),
        (rate(energyratestructure=[[{"rate": True}]]), "energyratestructure[0][0].rate"),
        (rate(energyratestructure=[[{"unit": "kWh"}]]), "energyratestructure[0][0].rate"),
        (rate(energyratestructure={"0": []}), "energyratestructure"),
        (rate(energyratestructure=[[{"rate": 0.1}], [{"rate": 0.2}]]), "energyweekdayschedule"),
        (rate(energyweekdayschedule=[[0] * 24] * 11), "energyweekdayschedule"),
        (rate(energyweekdayschedule=[[3] * 24] * 12), "energyweekdayschedule[0][0]"),
        (rate(fixedchargefirstmeter=5, fixedchargeunits="$/fortnight"), "fixedchargeunits"),
        (rate(flatdemandstructure=[[{"rate": 5}]], flatdemandunit="kVA"), "flatdemandunit"),
        (rate(flatdemandstructure=[[{"rate": 5}]], flatdemandmonths=[1] * 12), "flatdemandmonths[0]"),
        (rate(coincidentratestructure=[[{"rate": 5}]]), "coincidentratestructure[0][0]"),
        (rate(demandreactivepowercharge=0.2), "demandreactivepowercharge"),
        (rate(demandratchetpercentage=[0.8] * 12), "demandratchetpercentage"),
        ({"items": [rate(), rate(label="y")]}, "items"),
        ({"items": []}, "items"),
    ],
)
def test_refusals_name_the_place(document: dict[str, Any], where: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        urdb.parse(json.dumps(document))
    assert caught.value.code == "tariff.unpriceable"
    assert caught.value.data["where"] == where
    assert len(caught.value.data["reason"].split()) > 2


def test_several_rates_need_a_label_and_free_extras_do_not_matter() -> None:
    several = {
        "items": [
            rate(),
            rate(label="y", coincidentratestructure=[[{"rate": 0}]], demandreactivepowercharge=0),
        ]
    }
    assert urdb.parse(json.dumps(several), label="y").code == "y"
    for text in ("", "{", "[]", "null", "3", '"x"', "{}", "[[]]"):
        with pytest.raises(errors.Invalid):
            urdb.parse(text)


def test_lookback_percent_is_a_share_or_a_percentage() -> None:
    for percent in (0.8, 80):
        document = rate(flatdemandstructure=[[{"rate": 5}]], lookbackpercent=percent, lookbackrange=11)
        plan = urdb.parse(json.dumps(document))
        assert plan.demand is not None and plan.demand.ratchet is not None
        assert (plan.demand.ratchet.percent, plan.demand.ratchet.months) == (80, 11)
