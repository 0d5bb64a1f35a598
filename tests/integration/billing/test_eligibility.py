"""Who may have a plan, with real services: what is offered, what is refused and why, and what is kept."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from billing import catalogue, models, queries, standing, views
from billing import operations as billing
from core import errors, outbox
from core.accounts import queries as accounts
from core.periods import Days
from core.programs import catalogue as programs_catalogue
from core.programs import operations as programs
from metering import operations as metering
from ops_admin.tariff_command import tariff
from tests.integration.billing.conftest import NOW, TODAY, House, record

D = Decimal
Publish = Callable[..., None]


@pytest.fixture
def publish(session: Session, tariffs: dict[str, int]) -> Publish:
    """Publishes the flat plan for homes under another code, with rules."""

    def made(
        code: str, eligibility: dict[str, Any] | None = None, *, starts_on: date = date(2025, 1, 1), **sold: Any
    ) -> None:
        flat = next(d for d in catalogue.published(TODAY) if d["label"] == "RES-FLAT")
        document = json.loads(json.dumps(flat))
        document |= {"label": code, "name": code}
        document["wattline"] |= {
            "names": dict.fromkeys(("en", "es"), code),
            "about": dict.fromkeys(("en", "es"), "A plan."),
        }
        document["tariff"] |= {"eligibility": eligibility or {}, **sold}
        billing.publish(session, document=document, starts_on=starts_on, now=NOW)

    return made


def agreement_of(session: Session, house: House) -> accounts.Agreement:
    period = Days(TODAY, TODAY + timedelta(days=1))
    return next(a for a in accounts.list_agreements(session, period=period) if a.id == house.agreement_id)


def compare(session: Session, house: House) -> views.Comparison:
    return queries.compare_tariffs(session, account_id=house.account_id, now=NOW)


def offered(session: Session, house: House) -> set[str]:
    return {option.tariff.code for option in compare(session, house).options}


def why_not(session: Session, house: House) -> dict[str, list[str]]:
    return {
        plan.tariff_code: [r.kind.removeprefix("eligibility.not.") for r in plan.reasons]
        for plan in compare(session, house).not_open
    }


def switch(session: Session, house: House, code: str, key: str = "k") -> views.Switch:
    return billing.switch_tariff(
        session, account_id=house.account_id, tariff_code=code, starts_on=None, key=key, now=NOW
    )


def test_a_service_too_large_is_told_its_own_peak_and_a_switch_changes_nothing(session, make_house, publish):
    peak = date(2026, 8, 3)
    house = make_house(hourly_wh=lambda day, hour: 34_200 if (day, hour) == (peak, 17) else 500)
    publish("RES-SMALL", {"demand_kw": {"max": "20"}})
    publish("RES-LARGE", {"demand_kw": {"min": "20"}, "annual_kwh": {"max": "6000"}})
    assert "RES-LARGE" in offered(session, house) and "RES-SMALL" not in offered(session, house)
    (plan,) = (p for p in compare(session, house).not_open if p.tariff_code == "RES-SMALL")
    (reason,) = plan.reasons
    assert reason.kind == "eligibility.not.demand"
    assert reason.data == {"least": None, "most": D(20), "kw": D("34.2"), "on": peak}
    before = session.scalar(select(func.count()).select_from(models.AgreementTariffRow))
    facts = session.scalar(select(func.count()).select_from(outbox.FactRow))
    with pytest.raises(errors.Refused, match=r"tariff\.not_for_you") as caught:
        switch(session, house, "RES-SMALL")
    assert caught.value.data["reasons"] == [{"kind": reason.kind, "data": dict(reason.data)}]
    assert session.scalar(select(func.count()).select_from(models.AgreementTariffRow)) == before
    assert session.scalar(select(func.count()).select_from(outbox.FactRow)) == facts
    assert switch(session, house, "RES-LARGE").to_code == "RES-LARGE"  # the key of what was refused is not used up


def test_a_closed_plan_keeps_whom_it_has_and_takes_nobody_new(hub, session, make_house, publish):
    publish("RES-OLD")
    house, neighbour = make_house(tariff="RES-OLD"), make_house()
    publish("RES-OLD", starts_on=date(2026, 11, 1), sold_to="2026-11-01")  # closed three weeks ago
    row = session.scalars(select(models.TariffRow).where(models.TariffRow.code == "RES-OLD")).one()
    assert row.sold_to == date(2026, 11, 1)
    assert compare(session, house).current.tariff.code == "RES-OLD" and "RES-OLD" not in why_not(session, house)
    assert "RES-OLD" not in offered(session, neighbour)
    assert why_not(session, neighbour)["RES-OLD"] == ["closed"]
    with pytest.raises(errors.Refused, match=r"tariff\.not_for_you"):
        switch(session, neighbour, "RES-OLD")
    # it is billed on, and a switch away can be taken back
    session.commit()
    report = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=NOW)
    assert report.parked == 0
    billing.issue_bills(hub, run_id=report.run_id, now=NOW, announce=False)
    bill = queries.list_bills(session, account_id=house.account_id)[0]
    assert bill.tariff_code == "RES-OLD"
    switch(session, house, "RES-TIER", "away")
    back = billing.cancel_switch(session, account_id=house.account_id, key="back", now=NOW)
    assert back.to_code == "RES-OLD"
    # long closed, it is not spoken of any more; who asks for it by name is still told why
    publish("RES-OLD", starts_on=date(2026, 11, 2), sold_to="2025-11-01")
    assert "RES-OLD" not in why_not(session, neighbour)
    assert compare(session, house).current.tariff.code == "RES-OLD"
    asked = queries.find_tariff(session, account_id=neighbour.account_id, tariff_code="RES-OLD", now=NOW)
    assert [r.kind for r in asked.reasons] == ["eligibility.not.closed"] and not asked.held


def test_a_plan_to_come_is_announced_and_not_yet_sold(session, make_house, publish):
    house = make_house()
    publish("RES-NEXT", sold_from="2027-01-01")
    publish("RES-FAR", sold_from="2027-09-01")
    assert why_not(session, house)["RES-NEXT"] == ["opens"] and "RES-FAR" not in why_not(session, house)
    with pytest.raises(errors.Refused, match=r"tariff\.not_for_you"):
        switch(session, house, "RES-NEXT")


def test_a_program_opens_its_plan_and_leaving_it_takes_no_plan_away(session, make_house, publish):
    programs_catalogue.load(session, opens_on=date(2026, 1, 1))
    house = make_house()
    publish("RES-CLUB", {"programs": ["home_audit", "smart_thermostat"]})
    assert why_not(session, house)["RES-CLUB"] == ["program"]
    joined = programs.enroll(session, account_id=house.account_id, program_code="home_audit", key="j", now=NOW)
    assert "RES-CLUB" in offered(session, house)
    billing.assign_tariff(
        session, agreement_id=house.agreement_id, tariff_code="RES-CLUB", starts_on=date(2026, 11, 1), now=NOW
    )
    programs.end_enrolment(session, enrolment_id=joined.id, account_id=house.account_id, now=NOW)
    session.flush()
    assert compare(session, house).current.tariff.code == "RES-CLUB"


def test_the_plan_for_panels_is_offered_to_whoever_has_the_second_meter(session, make_house):
    house = make_house()
    assert why_not(session, house)["RES-SOLAR"] == ["sends_out"]
    sent = metering.install_meter(
        session, service_point_id=house.service_point_id, number="X1", installed_on=date(2025, 10, 1),
        interval_minutes=60, direction="RECEIVED",
    )  # fmt: skip
    record(session, sent.id, date(2025, 10, 1), TODAY, 200)
    assert "RES-SOLAR" in offered(session, house)


def test_a_dial_has_no_plan_by_the_hour_and_no_known_demand(session, make_house, publish):
    house = make_house()
    publish("RES-SMALL", {"demand_kw": {"max": "20"}})
    metering.exchange_meter(
        session, meter_id=house.meter_id, number="DIAL", on=date(2026, 11, 1), interval_minutes=None
    )
    assert why_not(session, house)["RES-TOU"] == ["meter"]
    assert "RES-SMALL" in offered(session, house)  # what was measured before is known
    far = agreement_of(session, house)
    late = TODAY + timedelta(days=400)
    assert standing.load_of(session, agreement=far, today=late) == standing.eligibility.Load()


def test_demand_is_what_was_measured_and_a_part_of_a_year_is_brought_up_to_one(session, make_house):
    house = make_house(starts_on=date(2026, 8, 1), hourly_wh=1000)
    metering.record_reads(
        session, meter_id=house.meter_id, starts_at=NOW, interval_minutes=60, wh=[90_000], quality="ESTIMATED",
        source="test", now=NOW,
    )  # fmt: skip
    load = standing.load_of(session, agreement=agreement_of(session, house), today=TODAY + timedelta(days=1))
    assert (load.peak_watts, load.peak_on) == (1000, date(2026, 8, 1))
    assert load.annual_kwh is not None and 8760 < load.annual_kwh < 9200  # a kW all year, and one estimate
    young = standing.load_of(session, agreement=agreement_of(session, house), today=date(2026, 8, 20))
    assert young.annual_kwh is None and young.peak_watts == 1000
    # what was taken before them is not theirs
    fresh = standing.load_of(session, agreement=agreement_of(session, house), today=date(2026, 8, 1))
    assert fresh == standing.eligibility.Load()


def test_places_and_years_as_a_customer(session, make_house, publish):
    house = make_house(city="Millbrook")
    publish("RES-TOWN", {"cities": ["MILLBROOK"], "counties": ["Delaware"], "jurisdictions": ["US-PA"]})
    publish("RES-NY", {"jurisdictions": ["US-NY"]})
    publish("RES-LONG", {"customer_months": 24})
    publish("RES-YEAR", {"customer_months": 12})
    assert {"RES-TOWN", "RES-YEAR"} <= offered(session, house)
    assert why_not(session, house)["RES-NY"] == ["jurisdiction"]
    assert why_not(session, house)["RES-LONG"] == ["months"]


@pytest.mark.parametrize(
    ("eligibility", "sold", "said"),
    [
        ({"cities": ["Atlantis"]}, {}, "nobody is served in Atlantis"),
        ({"counties": ["Nowhere"]}, {}, "nobody is served in Nowhere"),
        ({"programs": ["moon_shot"]}, {}, "'moon_shot' is not known"),
        ({"demand_kw": {"min": 9, "max": 5}}, {}, "it begins at 9 and ends at 5"),
        ({}, {"sold_to": "2020-01-01"}, "it closes on 2020-01-01"),
        ({}, {"sold_from": "2024-01-01", "sold_to": "2024-06-01"}, "its prices begin on 2025-01-01"),
    ],
)
def test_publishing_refuses_rules_that_cannot_be_and_leaves_the_plan_as_it_was(
    session, make_house, publish, eligibility, sold, said
):
    make_house(city="Millbrook")
    publish("RES-NEW", {"interval_meter": True})
    session.commit()
    for code in ("RES-NEW", "RES-OTHER"):
        with pytest.raises(errors.Invalid, match=r"tariff\.eligibility") as caught:
            publish(code, eligibility, **sold)
        assert said in caught.value.data["reason"]
        session.rollback()
    rows = session.scalars(select(models.TariffRow).where(models.TariffRow.code.in_(("RES-NEW", "RES-OTHER")))).all()
    assert [(row.code, row.eligibility, row.sold_to) for row in rows] == [("RES-NEW", {"interval_meter": True}, None)]


def test_however_many_plans_there_are_the_questions_are_as_many(session, make_house, publish):
    house = make_house()
    publish("RES-0", {"demand_kw": {"max": "20"}, "programs": ["home_audit"]})
    agreement = agreement_of(session, house)

    def asked() -> int:
        session.expire_all()
        count: list[str] = []
        note = lambda _c, _cursor, statement, *_: count.append(statement)  # noqa: E731
        event.listen(session.connection(), "before_cursor_execute", note)
        offers = standing.list_offers(session, agreement=agreement, today=TODAY, held="RES-FLAT")
        event.remove(session.connection(), "before_cursor_execute", note)
        assert len(offers) >= 7
        return len(count)

    few = asked()
    for number in range(1, 30):
        publish(f"RES-{number}", {"demand_kw": {"max": str(number)}, "cities": ["Brightwater"]})
    session.flush()
    assert 0 < few == asked() <= 10


def test_staff_publish_a_document_that_can_be_priced_sold_and_named(hub, session, tariffs, tmp_path):
    def run(document: dict[str, Any], day: str) -> tuple[int, str]:
        (tmp_path / "plan.json").write_text(json.dumps(document))
        words = ["publish", str(tmp_path / "plan.json"), "--from", day, "--by", "ana"]
        done = CliRunner().invoke(tariff, words, obj=lambda: hub)
        return done.exit_code, done.output

    flat = next(d for d in catalogue.published(TODAY) if d["label"] == "RES-FLAT")
    dearer = {**flat, "fixedchargefirstmeter": 12.5}
    day = (hub.now().date() + timedelta(days=30)).isoformat()
    assert run(dearer, "2020-01-01")[0] == 2  # what is over stays as it was billed
    assert "there is no 'tax' here" in run({**dearer, "wattline": {"tax": []}}, day)[1]
    assert "customers are told of it in en, es" in run({**dearer, "label": "RES-NEW"}, day)[1]
    assert "nobody is served in Atlantis" in run(
        {**dearer, "tariff": {**flat["tariff"], "eligibility": {"cities": ["Atlantis"]}}}, day
    )[1]  # fmt: skip
    for _ in range(2):
        assert run(dearer, day) == (0, f"RES-FLAT is published, its prices from {day} on\n")
    assert "tariff.version_order" in run({**dearer, "fixedchargefirstmeter": 13}, day)[1]
    versions = session.scalars(
        select(models.TariffVersionRow)
        .where(models.TariffVersionRow.tariff_id == tariffs["RES-FLAT"])
        .order_by(models.TariffVersionRow.version)
    ).all()
    assert [(v.plan["fixedchargefirstmeter"], v.ends_on is None) for v in versions] == [
        (flat["fixedchargefirstmeter"], False),
        (12.5, True),
    ]
