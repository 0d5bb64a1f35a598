"""Who may have a plan: each rule on both of its sides, and documents that are refused with the place."""

import json
import pathlib
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from billing import catalogue, eligibility, tariff_command
from billing.eligibility import Band, Load, Rules
from core import errors, wording
from core.compliance import rules as compliance
from core.programs import catalogue as programs
from ops_admin.tariff_command import tariff

D = Decimal
TODAY = date(2026, 11, 23)
HOUSE = wording.House("x", "+15550100100", "+15550100911", "USD", "America/New_York", "http://x")
RULES = Rules("BUSINESS", date(2024, 1, 1))
SERVICE = eligibility.Service(
    "BUSINESS", "Brightwater", "Harbor", "US-PA", TODAY, date(2025, 11, 23), sends_out=False, interval_meter=True,
    programs=frozenset({"heat_pump"}), load=Load(34_200, date(2026, 8, 3), D("9312.4")),
)  # fmt: skip


def said(rules: Rules, service: eligibility.Service = SERVICE, *, held: bool = False) -> list[str]:
    return [reason.kind.removeprefix("eligibility.not.") for reason in eligibility.reasons(rules, service, held=held)]


def test_a_plan_without_rules_is_for_its_class_alone() -> None:
    assert said(RULES) == []
    # of a plan for others nothing more is said than that
    assert said(replace(RULES, customer_kind="RESIDENTIAL", cities=("Elsewhere",))) == ["class"]
    assert said(replace(RULES, customer_kind=None)) == []


@pytest.mark.parametrize(
    ("rule", "code", "met"),
    [
        ({"cities": ("Millbrook",)}, "city", {"city": "Millbrook"}),
        ({"cities": ("Millbrook", "Easton")}, "city", {"city": "EASTON"}),
        ({"counties": ("Delaware",)}, "county", {"county": "Delaware"}),
        ({"jurisdictions": ("US-NY",)}, "jurisdiction", {"jurisdiction": "US-NY"}),
        ({"sends_out": True}, "sends_out", {"sends_out": True}),
        ({"programs": ("ev_off_peak", "home_audit")}, "program", {"programs": frozenset({"home_audit"})}),
        ({"customer_months": 13}, "months", {"customer_since": date(2025, 10, 23)}),
        ({"sold_from": date(2026, 11, 24)}, "opens", {"today": date(2026, 11, 24)}),
        ({"sold_to": date(2026, 11, 23)}, "closed", {"today": date(2026, 11, 22)}),
        ({"demand_kw": Band(most=D(20))}, "demand", {"load": Load(20_000, TODAY)}),
        ({"demand_kw": Band(least=D(50))}, "demand", {"load": Load(50_000, TODAY)}),
        ({"annual_kwh": Band(D(10_000), D(20_000))}, "use", {"load": Load(annual_kwh=D(10_000))}),
    ],
)
def test_each_rule_lets_in_and_keeps_out(rule: dict[str, Any], code: str, met: dict[str, Any]) -> None:
    rules = replace(RULES, **rule)
    assert said(rules) == [code]
    assert said(rules, replace(SERVICE, **met)) == []
    assert said(rules, held=True) == []  # whoever has a plan keeps it


def test_each_rule_lets_in_whom_it_is_for() -> None:
    met = replace(
        RULES, cities=("brightwater",), counties=("Harbor",), jurisdictions=("US-PA",), sends_out=False,
        programs=("heat_pump",), interval_meter=True, customer_months=12, demand_kw=Band(D(20), D("34.2")),
        annual_kwh=Band(most=D(10_000)), sold_to=date(2026, 11, 24),
    )  # fmt: skip
    assert said(met) == []
    other = replace(SERVICE, sends_out=True, interval_meter=False)
    assert said(met, other) == ["takes_only", "meter"]


def test_what_is_not_known_is_not_met() -> None:
    sized = replace(RULES, demand_kw=Band(most=D(20)), annual_kwh=Band(least=D(1)))
    assert said(sized, replace(SERVICE, load=Load())) == ["demand_unknown", "use_unknown"]


@given(
    st.integers(0, 10**7), st.none() | st.integers(0, 10_000), st.none() | st.integers(0, 10_000), st.integers(0, 10**6)
)
def test_a_band_is_its_two_bounds(watts: int, least: int | None, most: int | None, kwh: int) -> None:
    band = Band(None if least is None else D(least), None if most is None else D(most))
    service = replace(SERVICE, load=Load(watts, TODAY, D(kwh)))
    fits = (least is None or watts >= least * 1000) and (most is None or watts <= most * 1000)
    reasons = eligibility.reasons(replace(RULES, demand_kw=band), service)
    assert (not reasons) == fits
    for reason in reasons:  # the figure that is shown lies outside of the band, too
        assert reason.data["kw"] not in band
    wanted = (least is None or kwh >= least) and (most is None or kwh <= most)
    assert (not eligibility.reasons(replace(RULES, annual_kwh=band), service)) == wanted


def test_reasons_name_the_rule_and_the_customers_own_figures() -> None:
    (reason,) = eligibility.reasons(replace(RULES, demand_kw=Band(most=D(20))), SERVICE)
    en, es = (wording.label(reason.kind, reason.data, locale=locale, house=HOUSE) for locale in ("en", "es"))
    assert en == "For services up to 20 kW; yours reached 34.2 kW in the last twelve months, on Aug 3."
    assert es == "Para servicios de hasta 20 kW; el suyo llegó a 34.2 kW en los últimos doce meses, el 3 ago."
    (reason,) = eligibility.reasons(replace(RULES, demand_kw=Band(least=D(50))), SERVICE)
    assert "from 50 kW; yours reached no more than 34.2 kW" in wording.label(
        reason.kind, reason.data, locale="en", house=HOUSE
    )
    (reason,) = eligibility.reasons(
        replace(RULES, demand_kw=Band(most=D(20))), replace(SERVICE, load=Load(20_010, TODAY))
    )
    assert "yours reached 20.01 kW" in wording.label(reason.kind, reason.data, locale="en", house=HOUSE)


# --- documents -------------------------------------------------------------------------------------------------------

RATE = {"label": "X", "energyratestructure": [[{"rate": 0.1}]]}


def rules_of(eligible: dict[str, Any] | None = None, sold: dict[str, Any] | None = None, **rate: Any) -> Rules:
    tariff = {"eligibility": eligible or {}, **(sold or {})}
    return catalogue.rules_of({**RATE, "tariff": tariff, **rate}, opens_on=TODAY)


@pytest.mark.parametrize(
    ("eligible", "sold", "rate", "where"),
    [
        ({"demand_kw": {"min": 50, "max": "20"}}, {}, {}, "eligibility.demand_kw"),
        ({"annual_kwh": {"min": 2, "max": 1}}, {}, {}, "eligibility.annual_kwh"),
        ({"demand_kw": {"most": 20}}, {}, {}, "eligibility.demand_kw"),
        ({"demand_kw": {"max": "much"}}, {}, {}, "eligibility.demand_kw.max"),
        ({"demand_kw": {"max": -1}}, {}, {}, "eligibility.demand_kw.max"),
        ({"programs": ["moon_shot"]}, {}, {}, "eligibility.programs"),
        ({"programs": "ev_off_peak"}, {}, {}, "eligibility.programs"),
        ({"jurisdictions": ["US-XX"]}, {}, {}, "eligibility.jurisdictions"),
        ({"sends_out": "yes"}, {}, {}, "eligibility.sends_out"),
        ({"sends_out": False}, {}, {"dgrules": "Net Metering"}, "eligibility.sends_out"),
        ({"customer_months": -1}, {}, {}, "eligibility.customer_months"),
        ({"customer_months": True}, {}, {}, "eligibility.customer_months"),
        ({"zodiac": "lion"}, {}, {}, "eligibility.zodiac"),
        ({}, {"sold_from": "2026-05-01", "sold_to": "2026-05-01"}, {}, "tariff.sold_to"),
        ({}, {"sold_to": "soon"}, {}, "tariff.sold_to"),
        ({}, {"customer_kind": "ROYALTY"}, {}, "tariff.customer_kind"),
        ({}, {"customer_kind": "RESIDENTIAL"}, {"sector": "Industrial"}, "tariff.customer_kind"),
        ({}, {}, {"peakkwcapacitymin": 50, "peakkwcapacitymax": 20}, "eligibility.demand_kw"),
        ({}, {}, {"peakkwcapacitymax": 20, "peakkwcapacityhistory": 3}, "peakkwcapacityhistory"),
        ({}, {}, {"peakkwcapacitymax": 20, "demandunits": "kVA"}, "demandunits"),
        ({}, {}, {"startdate": "May"}, "startdate"),
        ({}, {}, {"enddate": 10**20}, "enddate"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_are_refused_with_their_place(
    eligible: dict[str, Any], sold: dict[str, Any], rate: dict[str, Any], where: str
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        rules_of(eligible, sold, **rate)
    assert caught.value.code == "tariff.eligibility" and caught.value.data["where"] == where
    assert caught.value.data["reason"]


def test_urdb_says_it_in_its_own_words_and_is_written_back_in_them() -> None:
    rate = {
        "sector": "Commercial", "startdate": 1704067200, "enddate": 1798675200, "peakkwcapacitymin": 20,
        "peakkwcapacitymax": 199.5, "peakkwcapacityhistory": 12, "peakkwhusagemin": 0, "peakkwhusagemax": 1e38,
        "demandunits": "kW",
    }  # fmt: skip
    rules = rules_of(**rate)
    assert rules == Rules(
        "BUSINESS", date(2024, 1, 1), date(2027, 1, 1), demand_kw=Band(D(20), D("199.5"))
    )  # the last day is in it
    written = eligibility.published(rules)
    assert written == {key: rate[key] for key in written} and "peakkwhusagemax" not in written
    assert rules_of(**written) == rules
    # what our own part says goes before it
    assert rules_of({"demand_kw": {"max": 50}}, {"sold_from": "2026-01-01"}, **rate).demand_kw == Band(most=D(50))
    assert rules_of(sector="Lighting").customer_kind is None


BAND = st.builds(
    lambda least, more: Band(least, None if more is None else (least or D(0)) + more),
    st.none() | st.decimals(1, 10_000, places=2), st.none() | st.decimals(1, 10_000, places=2),
)  # fmt: skip


@given(
    st.builds(
        Rules, st.sampled_from(("RESIDENTIAL", "BUSINESS")), st.just(TODAY), st.none() | st.just(date(2027, 5, 1)),
        cities=st.lists(st.sampled_from(("Brightwater", "Millbrook")), unique=True).map(tuple),
        demand_kw=BAND, annual_kwh=BAND, sends_out=st.sampled_from((None, True, False)),
        programs=st.sampled_from(((), ("heat_pump", "ev_off_peak"))), interval_meter=st.booleans(),
        customer_months=st.integers(0, 60),
    )
)  # fmt: skip
def test_what_a_row_keeps_is_what_the_document_said(rules: Rules) -> None:
    sold = {"customer_kind": rules.customer_kind, "sold_from": str(rules.sold_from)}
    if rules.sold_to is not None:
        sold["sold_to"] = str(rules.sold_to)
    assert rules_of(eligibility.stored(rules), sold) == rules
    for locale in ("en", "es"):
        for whom in eligibility.conditions(rules):
            assert wording.label(whom.kind, whom.data, locale=locale, house=HOUSE)
        for reason in eligibility.reasons(replace(rules, customer_kind=None), replace(SERVICE, load=Load(1, TODAY))):
            assert wording.label(reason.kind, reason.data, locale=locale, house=HOUSE)


def test_every_program_and_every_jurisdiction_with_rules_of_its_own_can_be_named() -> None:
    for program in programs.entries():
        assert rules_of({"programs": [program["code"]]}).programs == (program["code"],)
    folder = pathlib.Path(compliance.__file__).parent / "packs"
    packs = {path.stem.upper() for path in folder.glob("us-*.yaml")} - {"US-DEFAULT"}
    assert packs
    for code in packs:
        assert rules_of({"jurisdictions": [code]}).jurisdictions == (code,)


def test_the_utilitys_own_plans_say_for_whom_they_are_and_their_export_says_it_too() -> None:
    small, car = (
        tariff_command.for_whom(tariff_command.published(code, TODAY), TODAY) for code in ("BUS-SMALL", "RES-CAR")
    )
    assert small == ("For businesses", "For services up to 20 kW")
    assert car[-1] == "For those who take part in EV off-peak charging"
    exported = tariff_command.published("BUS-SMALL", TODAY)
    assert (exported["sector"], exported["peakkwcapacitymax"]) == ("Commercial", 20.0)
    assert rules_of(**{k: v for k, v in exported.items() if k not in ("label", "tariff")}).demand_kw == Band(most=D(20))


def test_staff_read_for_whom_a_document_is_or_why_it_cannot_be_sold(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "plan.json"
    for eligible, status, words in (
        ({"demand_kw": {"max": "20"}}, 0, "for whom: For services up to 20 kW"),
        ({"demand_kw": {"min": "50", "max": "20"}}, 2, "cannot sell: it begins at 50 and ends at 20 (at eligibility"),
        ({"programs": ["moon_shot"]}, 2, "cannot sell: 'moon_shot' is not known (at eligibility.programs)"),
    ):
        path.write_text(json.dumps({**RATE, "tariff": {"eligibility": eligible}}))
        result = CliRunner().invoke(tariff, ["check", str(path)])
        assert result.exit_code == status and words in result.stderr
        assert bool(result.stdout) == (status == 0)
