"""Who may join, what is paid once, and what the year's figures are made of."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from core import errors
from core.programs import catalogue, operations, queries
from tests.integration.outages import network
from tests.integration.outages.network import NOW

OPENS = date(2026, 1, 1)


@pytest.fixture(autouse=True)
def programs(session: Session) -> None:
    catalogue.load(session, opens_on=OPENS)


def test_loading_the_catalogue_twice_adds_nothing(session: Session) -> None:
    assert catalogue.load(session, opens_on=OPENS) == ()
    assert len(queries.list_codes(session)) >= 8


def test_the_catalogue_is_for_a_kind_of_customer_and_a_day(session: Session) -> None:
    homes = {p.code for p in queries.list_programs(session, customer_kind="RESIDENTIAL", on=OPENS)}
    firms = {p.code for p in queries.list_programs(session, customer_kind="BUSINESS", on=OPENS)}
    assert "business_lighting" in firms - homes
    assert "home_audit" in homes - firms
    assert queries.list_programs(session, customer_kind="RESIDENTIAL", on=OPENS - timedelta(days=1)) == ()


def enroll(session: Session, account: int, code: str, key: str = "k", **more: object) -> queries.Enrolment:
    return operations.enroll(session, account_id=account, program_code=code, key=key, now=NOW, **more)  # type: ignore[arg-type]


def test_enrolling_is_once_and_the_key_repeats(session: Session) -> None:
    account = network.add_account(session)
    first = enroll(session, account, "home_audit")
    assert first.status == "ACTIVE"
    assert enroll(session, account, "heat_pump") == first  # the same key: the first answer
    with pytest.raises(errors.Refused, match="enrolled_already"):
        enroll(session, account, "home_audit", "k2")
    operations.end_enrolment(session, enrolment_id=first.id, account_id=account, now=NOW)
    assert enroll(session, account, "home_audit", "k3").id != first.id
    assert [e.status for e in queries.list_enrolments(session, account_id=account)] == ["ACTIVE", "ENDED"]


@pytest.mark.parametrize(
    ("code", "refused", "more"),
    [
        ("business_lighting", "customer_kind", {}),
        ("budget_help", "declaration", {}),
        ("budget_help", None, {"declared": ("LOW_INCOME",)}),
        ("ev_off_peak", "tariff", {"tariff_kind": "FLAT"}),
        ("ev_off_peak", None, {"tariff_kind": "TOU"}),
        ("medical_backup", "declaration", {}),
    ],
)
def test_eligibility_is_what_the_row_says(
    session: Session, code: str, refused: str | None, more: dict[str, object]
) -> None:
    account = network.add_account(session)
    if refused is None:
        assert enroll(session, account, code, **more).program.code == code
        return
    with pytest.raises(errors.Refused, match=refused):
        enroll(session, account, code, **more)


def test_medical_equipment_on_file_is_a_declaration(session: Session) -> None:
    assert enroll(session, network.add_account(session, medical=True), "medical_backup").status == "ACTIVE"


def test_a_rebate_is_claimed_approved_paid_and_never_twice(session: Session) -> None:
    account, other = network.add_account(session), network.add_account(session)

    def claim(who: int, key: str, evidence: str = "sn-1") -> queries.Rebate:
        return operations.claim_rebate(
            session, account_id=who, program_code="heat_pump", evidence=evidence, key=key, now=NOW
        )

    requested = enroll(session, account, "heat_pump", "e1")
    assert requested.status == "REQUESTED"
    with pytest.raises(errors.Refused, match="not_enrolled"):
        claim(account, "c0")
    for who in (requested.id, enroll(session, other, "heat_pump", "e2").id):
        operations.decide_enrolment(session, enrolment_id=who, approved=True, now=NOW)
    rebate = claim(account, "c1")
    assert claim(account, "c1", "sn-9") == rebate
    with pytest.raises(errors.Refused, match="claimed_already"):
        claim(other, "c2", "SN-1 ")
    with pytest.raises(errors.Refused, match="step"):
        operations.advance_rebate(session, rebate_id=rebate.id, status="PAID", now=NOW)
    for status in ("APPROVED", "PAID", "PAID"):
        paid = operations.advance_rebate(session, rebate_id=rebate.id, status=status, now=NOW)
    assert [u.status for u in paid.updates] == ["CLAIMED", "APPROVED", "PAID"]
    with pytest.raises(errors.Refused, match="step"):
        operations.advance_rebate(session, rebate_id=rebate.id, status="DECLINED", now=NOW)
    with pytest.raises(errors.Refused, match="none"):
        operations.claim_rebate(session, account_id=account, program_code="home_audit", evidence="x", key="c3", now=NOW)


def test_a_demand_event_counts_those_who_stayed_in(session: Session) -> None:
    accounts = [network.add_account(session) for _ in range(3)]
    for account in accounts:
        enroll(session, account, "smart_thermostat", f"e{account}")
    starts, ends = NOW + timedelta(hours=4), NOW + timedelta(hours=6)
    event = operations.call_event(
        session, program_code="smart_thermostat", starts_at=starts, ends_at=ends, key="d", now=NOW
    )
    operations.answer_event(session, event_id=event.id, account_id=accounts[2], taking_part=False, now=NOW)
    assert queries.list_participants(session, event_id=event.id) == tuple(accounts[:2])
    assert len(queries.list_events(session, account_id=accounts[0], now=NOW)) == 1
    assert queries.list_events(session, account_id=accounts[2], now=NOW) == ()
    with pytest.raises(errors.Refused, match="begun"):
        operations.answer_event(session, event_id=event.id, account_id=accounts[0], taking_part=False, now=starts)
    with pytest.raises(errors.Refused, match="running"):
        operations.close_event(session, event_id=event.id, saved={}, now=starts)
    saved = {account: (Decimal("1.5"), Decimal("0.8")) for account in accounts}
    operations.close_event(session, event_id=event.id, saved=saved, now=ends)
    year = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
    found = {r.program.code: r for r in queries.results(session, starts_at=year[0], ends_at=year[1])}
    thermostat = found["smart_thermostat"]
    assert (thermostat.active, thermostat.event_kwh, thermostat.saved_kw) == (
        3,
        Decimal("3.0"),
        Decimal("1.6"),
    )
    assert thermostat.potential_kw == Decimal("2.4")
    with pytest.raises(errors.Invalid, match="no_events"):
        operations.call_event(session, program_code="home_audit", starts_at=starts, ends_at=ends, key="d2", now=NOW)
