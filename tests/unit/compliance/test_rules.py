"""What the packs say on days where it matters, and that a broken pack does not load."""

import pathlib
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pydantic
import pytest

from core import errors
from core.compliance import pack, rules

TUESDAY = date(2026, 10, 6)
HELD = {
    "jurisdiction": "US-PA",
    "notice_on": TUESDAY - timedelta(days=10),
    "contact_on": TUESDAY - timedelta(days=3),
    "contact_attempts": 2,
}


def _disconnect(on: date = TUESDAY, **facts: Any) -> rules.Decision:
    return rules.decide("DISCONNECT", {**HELD, **facts}, on)


def test_every_pack_loads_and_every_rule_cites() -> None:
    files = sorted((pathlib.Path(rules.__file__).parent / "packs").glob("*.yaml"))
    assert [file.stem for file in files] == ["us-default", "us-ny", "us-pa", "us-tx"]
    for file in files:
        found = rules.pack(file.stem.upper())
        assert found.jurisdiction == file.stem.upper()
        assert all(rule.citation for rule in found.rules)


@pytest.mark.parametrize(
    ("jurisdiction", "due"),
    [("US-PA", date(2026, 11, 23)), ("US-TX", date(2026, 11, 16)), ("US-NY", date(2026, 11, 23))],
)
def test_due_dates_move_to_a_business_day(jurisdiction: str, due: date) -> None:
    issued = date(2026, 10, 31) if jurisdiction == "US-TX" else date(2026, 11, 1)  # + 16: Mon 16; + 20: Sat 21
    found = rules.decide("BILL_DUE", {"jurisdiction": jurisdiction, "issued_on": issued}, issued)
    assert found.results["due_on"] == due


def test_a_holiday_moves_the_due_date_too() -> None:
    facts = {"jurisdiction": "US-PA", "issued_on": date(2026, 12, 5), "holidays": [date(2026, 12, 25)]}
    found = rules.decide("BILL_DUE", facts, date(2026, 12, 5))
    assert found.results == {"due_on": date(2026, 12, 28), "late_fee_from": date(2027, 1, 3)}


@pytest.mark.parametrize(
    ("facts", "amount"),
    [
        ({"jurisdiction": "US-PA", "overdue": "100.00", "days_overdue": 6}, "1.50"),
        ({"jurisdiction": "US-PA", "overdue": "100.00", "days_overdue": 5}, "0.00"),
        (
            {"jurisdiction": "US-PA", "overdue": "100.00", "days_overdue": 6, "disputed_estimate": True},
            "0.00",
        ),
        (
            {"jurisdiction": "US-PA", "overdue": "100.00", "days_overdue": 6, "charged_last_year": "17.25"},
            "0.75",
        ),
        (
            {"jurisdiction": "US-TX", "overdue": "100.00", "days_overdue": 1, "customer_kind": "BUSINESS"},
            "5.00",
        ),
        (
            {"jurisdiction": "US-TX", "overdue": "100.00", "days_overdue": 1, "customer_kind": "RESIDENTIAL"},
            "0.00",
        ),
        (
            {
                "jurisdiction": "US-TX",
                "overdue": "9.00",
                "days_overdue": 9,
                "customer_kind": "BUSINESS",
                "charged": True,
            },
            "0.00",
        ),
        ({"jurisdiction": "US-NY", "overdue": "33.33", "days_overdue": 1}, "0.50"),
    ],
)
def test_late_fees(facts: dict[str, Any], amount: str) -> None:
    found = rules.decide("LATE_FEE", facts, TUESDAY)
    assert found.results["amount"] == Decimal(amount)
    assert found.allowed is (Decimal(amount) > 0)


def test_disconnection_is_allowed_only_when_nothing_stands_against_it() -> None:
    assert _disconnect().allowed


@pytest.mark.parametrize(
    ("on", "facts", "rule"),
    [
        (date(2026, 10, 9), {}, "us-pa.no_disconnect_days"),  # Friday
        (TUESDAY, {"holidays": [TUESDAY + timedelta(days=1)]}, "us-pa.no_disconnect_days"),  # the eve
        (TUESDAY, {"medical_hold_until": TUESDAY + timedelta(days=1)}, "us-pa.medical_hold"),
        (TUESDAY, {"notice_on": TUESDAY - timedelta(days=9)}, "us-pa.disconnect_notice"),
        (TUESDAY, {"notice_on": TUESDAY - timedelta(days=61)}, "us-pa.disconnect_notice"),
        (TUESDAY, {"contact_on": TUESDAY - timedelta(days=2)}, "us-pa.disconnect_contact"),
        (TUESDAY, {"contact_attempts": 1}, "us-pa.disconnect_contact"),
        (TUESDAY, {"disputed": True}, "us.disconnect_dispute"),
        (TUESDAY, {"arrangement": True}, "us.disconnect_arrangement"),
        (date(2027, 1, 12), {"low_income": True}, "us-pa.no_disconnect_season"),  # over the turn of the year
    ],
)
def test_each_reason_not_to_disconnect(on: date, facts: dict[str, Any], rule: str) -> None:
    found = _disconnect(on, **facts)
    assert (found.allowed, found.rule) == (False, rule)
    assert found.citation


def test_winter_protects_by_income_and_unknown_income_is_protected() -> None:
    on = date(2027, 1, 12)
    noticed = {"notice_on": on - timedelta(days=11), "contact_on": on - timedelta(days=4)}
    assert not _disconnect(on, **noticed).allowed
    assert _disconnect(on, **noticed, low_income=False).allowed


@pytest.mark.parametrize(
    ("weather", "allowed"),
    [
        ({"temperature_high_f": 32, "forecast_high_f": 32}, False),
        ({"temperature_high_f": 33, "forecast_high_f": 30}, True),
        ({"temperature_high_f": 90, "forecast_high_f": 90, "heat_advisory_days_ago": 2}, False),
        ({"temperature_high_f": 90, "forecast_high_f": 90, "heat_advisory_days_ago": 3}, True),
        ({}, False),  # a rule that cannot be checked forbids
    ],
)
def test_texan_weather(weather: dict[str, Any], allowed: bool) -> None:
    assert _disconnect(jurisdiction="US-TX", **weather).allowed is allowed


def test_new_york_wants_contact_only_in_the_cold() -> None:
    cold = date(2026, 11, 3)
    facts = {"jurisdiction": "US-NY", "contact_on": None}
    assert _disconnect(notice_on=TUESDAY - timedelta(days=15), **facts).allowed
    found = _disconnect(cold, notice_on=cold - timedelta(days=15), **facts)
    assert found.rule == "us-ny.disconnect_contact"


def test_medical_holds_renew_twice_while_bills_are_unpaid() -> None:
    facts = {"jurisdiction": "US-PA", "starts_on": TUESDAY}
    assert rules.decide("MEDICAL_HOLD", facts, TUESDAY).results["until"] == TUESDAY + timedelta(days=30)
    assert rules.decide("MEDICAL_HOLD", {**facts, "renewals": 2}, TUESDAY).allowed
    assert not rules.decide("MEDICAL_HOLD", {**facts, "renewals": 3}, TUESDAY).allowed
    assert rules.decide("MEDICAL_HOLD", {**facts, "renewals": 3, "bills_paid": True}, TUESDAY).allowed


def test_a_certificate_holds_for_the_days_it_names_and_no_longer_than_the_rule() -> None:
    facts = {"jurisdiction": "US-PA", "starts_on": TUESDAY}
    for certified, holds in ((10, 10), (30, 30), (365, 30), (None, 30)):
        found = rules.decide("MEDICAL_HOLD", {**facts, "certified_days": certified}, TUESDAY)
        assert found.results["until"] == TUESDAY + timedelta(days=holds)


def test_a_customers_word_holds_for_the_jurisdictions_days_and_once() -> None:
    for place, days, rule in (("US-PA", 3, "us-pa.medical_word"), ("US-TX", 7, "us.medical_word")):
        facts = {"jurisdiction": place, "starts_on": TUESDAY}
        found = rules.decide("MEDICAL_WORD", facts, TUESDAY)
        assert (found.allowed, found.rule, found.results["until"]) == (True, rule, TUESDAY + timedelta(days=days))
        again = rules.decide("MEDICAL_WORD", {**facts, "words": 1}, TUESDAY)
        assert (again.allowed, again.results["until"]) == (False, None)


def test_back_billing_reaches_as_far_as_the_rule() -> None:
    facts = {"jurisdiction": "US-NY", "oldest_on": date(2025, 10, 6)}
    assert rules.decide("BACK_BILL", facts, TUESDAY).allowed
    older = {**facts, "oldest_on": date(2025, 10, 5)}
    assert not rules.decide("BACK_BILL", older, TUESDAY).allowed
    assert rules.decide("BACK_BILL", {**older, "customer_at_fault": True}, TUESDAY).allowed


def test_an_outage_credit_counts_whole_days_after_the_first_three() -> None:
    def credit(hours: int) -> Decimal:
        facts = {"jurisdiction": "US-NY", "minutes": hours * 60}
        return Decimal(rules.decide("OUTAGE_CREDIT", facts, TUESDAY).results["amount"])

    assert [credit(h) for h in (72, 95, 96, 120)] == [Decimal(x) for x in ("0.00", "0.00", "25.00", "50.00")]


def test_a_place_without_a_pack_is_judged_by_the_default_and_unverified_rules_say_so() -> None:
    found = rules.decide("COOLING_OFF", {"jurisdiction": "US-OH", "agreed_on": TUESDAY}, TUESDAY)
    assert (found.rule, found.verified, found.jurisdiction) == ("us.cooling_off", False, "US-OH")
    assert rules.decide("BILL_DUE", {"jurisdiction": "../../etc", "issued_on": TUESDAY}, TUESDAY).rule == "us.due_days"


def test_what_is_missing_or_unknown_is_said() -> None:
    with pytest.raises(errors.Invalid, match="missing_fact") as caught:
        rules.decide("BILL_DUE", {"jurisdiction": "US-PA"}, TUESDAY)
    assert caught.value.data["fact"] == "issued_on"
    with pytest.raises(errors.Invalid, match="action"):
        rules.decide("TELEPORT", {"jurisdiction": "US-PA"}, TUESDAY)
    with pytest.raises(errors.NotFound, match="no_rule"):
        rules.rule("US-PA", "due_days", date(1999, 1, 1))


def _rule(**changes: Any) -> dict[str, Any]:
    kept = {"id": "x.1", "name": "cooling_off", "citation": "c", "verified": True, "valid_from": "2020-01-01"}
    return {**kept, "values": {"days": 3}, **changes}


@pytest.mark.parametrize(
    "broken",
    [
        [_rule(values={})],
        [_rule(citation=" ")],
        [_rule(name="no_such_rule")],
        [_rule(), _rule(id="x.2", valid_from="2021-01-01")],  # two in force on one day
        [_rule(valid_to="2021-01-01"), _rule(valid_from="2021-01-01")],  # one id twice
        [_rule(valid_to="2019-01-01")],
    ],
)
def test_a_broken_pack_does_not_load(broken: list[dict[str, Any]]) -> None:
    with pytest.raises(pydantic.ValidationError):
        pack.Pack.model_validate({"jurisdiction": "X", "title": "X", "rules": broken})


def test_business_days_skip_weekends_and_holidays() -> None:
    assert rules.add_business_days(date(2026, 12, 23), 2, frozenset({date(2026, 12, 25)})) == date(2026, 12, 28)
