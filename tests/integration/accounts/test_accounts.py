"""Agreements never overlap, contact points are known by their normal form, consent is a ledger, codes are scarce."""

from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from core import errors
from core.accounts import addresses, models, operations, queries
from core.fieldwork import moves
from core.periods import Days
from tests.fakes import Clock

NOW = Clock().at


@pytest.fixture
def home(session: Session) -> tuple[queries.Customer, queries.Account, int]:
    customer = operations.create_customer(
        session,
        full_name="Maya Chen",
        kind="RESIDENTIAL",
        locale="en",
        opened_on=date(2020, 1, 1),
        now=NOW,
        phone="(555) 010-1001",
        email="Maya <Maya.Chen@Example.com>",
    )
    account = operations.open_account(
        session,
        customer_id=customer.id,
        jurisdiction="US-PA",
        bill_cycle_day=5,
        mailing_address="1 Elm St",
        opened_on=date(2020, 1, 1),
        now=NOW,
    )
    return customer, account, place(session, "1 Elm Street")


def place(session: Session, address: str) -> int:
    premise = operations.add_premise(
        session,
        address=address,
        city="Brightwater",
        postcode="19000",
        county="Delaware",
        timezone="America/New_York",
    )
    return operations.add_service_point(session, premise_id=premise)


def test_one_agreement_at_a_time(session: Session, home: tuple[queries.Customer, queries.Account, int]) -> None:
    customer, account, point = home
    agreement = operations.open_agreement(
        session, account_id=account.id, service_point_id=point, starts_on=date(2024, 1, 1), now=NOW
    )
    other = operations.open_account(
        session,
        customer_id=customer.id,
        jurisdiction="US-PA",
        bill_cycle_day=5,
        mailing_address="-",
        opened_on=date(2024, 1, 1),
        now=NOW,
    )
    with pytest.raises(errors.Refused, match="overlap"):
        operations.open_agreement(
            session, account_id=other.id, service_point_id=point, starts_on=date(2025, 1, 1), now=NOW
        )
    operations.end_agreement(session, agreement_id=agreement.id, ends_on=date(2025, 1, 1), now=NOW)
    operations.open_agreement(session, account_id=other.id, service_point_id=point, starts_on=date(2025, 1, 1), now=NOW)
    year = Days(date(2024, 1, 1), date(2025, 1, 1))
    assert [a.account_id for a in queries.list_agreements(session, period=year)] == [account.id]
    assert queries.get_service_point(session, service_point_id=point, on=date(2024, 12, 31)).account_id == account.id
    assert queries.get_service_point(session, service_point_id=point, on=date(2025, 1, 1)).account_id == other.id
    assert len(account.number) == 10 and addresses.with_check_digit(account.number[:-1]) == account.number


def test_a_customer_is_found_by_any_spelling_unless_shared(
    session: Session, home: tuple[queries.Customer, queries.Account, int]
) -> None:
    customer, account, _ = home
    for kind, value in (
        ("PHONE", "555-010-1001"),
        ("PHONE", "whatsapp:+15550101001"),
        ("EMAIL", "MAYA.CHEN@example.com"),
    ):
        found = queries.find_customer_by_contact(session, kind=kind, value=value)
        assert found is not None and found.id == customer.id
    operations.create_customer(
        session,
        full_name="Max Chen",
        kind="RESIDENTIAL",
        locale="en",
        opened_on=date(2020, 1, 1),
        now=NOW,
        phone="+15550101001",
    )
    assert queries.find_customer_by_contact(session, kind="PHONE", value="+15550101001") is None
    spaced = f"{account.number[:5]} {account.number[5:]}"
    assert queries.find_account_by_number(session, number=spaced) == account


def test_a_new_phone_replaces_the_old_one_and_kills_its_code(
    session: Session, home: tuple[queries.Customer, queries.Account, int]
) -> None:
    customer, _, _ = home
    challenge = operations.start_verification(
        session,
        conversation_id=7,
        customer_id=customer.id,
        contact_point_id=None,
        purpose="CONVERSATION",
        key="k",
        secret="s",
        now=NOW,
    )
    assert challenge.contact is not None and challenge.contact.kind == "PHONE" and challenge.code
    operations.update_contact_point(session, customer_id=customer.id, kind="PHONE", value="+15550109999", now=NOW)
    phones = [p.value for p in queries.list_contact_points(session, customer_id=customer.id) if p.kind == "PHONE"]
    assert phones == ["+15550109999"]
    assert queries.find_pending_verification(session, conversation_id=7, now=NOW) is None
    with pytest.raises(errors.Invalid):
        operations.update_contact_point(session, customer_id=customer.id, kind="EMAIL", value="nobody", now=NOW)


def test_codes_are_checked_once_in_time_and_in_their_place(
    session: Session, home: tuple[queries.Customer, queries.Account, int]
) -> None:
    customer, _, _ = home

    def start(key: str) -> operations.Challenge:
        return operations.start_verification(
            session,
            conversation_id=None,
            customer_id=customer.id,
            contact_point_id=None,
            purpose="SIGN_IN",
            key=key,
            secret="s",
            now=NOW,
        )

    def check(challenge: operations.Challenge, code: str, minutes: int = 0) -> operations.Checked:
        return operations.check_verification(
            session,
            conversation_id=None,
            challenge_id=challenge.id,
            digest=queries.code_digest("s", code),
            now=NOW + timedelta(minutes=minutes),
        )

    first, second = start("a"), start("b")
    assert first.code and second.code and start("b").code is None
    assert not check(first, first.code).ok  # superseded
    assert not check(second, second.code, minutes=10).ok  # too late
    assert check(second, second.code).customer_id == customer.id
    assert not check(second, second.code).ok  # once
    assert session.get_one(models.VerificationRow, second.id or 0).code_digest != second.code
    for n in range(3):
        start(f"c{n}")
    assert start("d").locked  # five in an hour are enough


def test_the_last_word_about_consent_holds(
    session: Session, home: tuple[queries.Customer, queries.Account, int]
) -> None:
    customer, _, _ = home

    def may(channel: str, purpose: str) -> bool:
        return (
            queries.may_notify(session, customer_id=customer.id, channel=channel, purpose=purpose, now=NOW) is not None
        )

    def say(granted: bool, purpose: str | None = None) -> None:
        operations.record_consent(
            session,
            contact_value="+15550101001",
            customer_id=customer.id,
            channel="SMS",
            purpose=purpose,
            granted=granted,
            source="test",
            now=NOW,
        )

    assert may("SMS", "OUTAGE") and may("EMAIL", "SERVICE") and not may("SMS", "PROGRAMS") and not may("WEB", "SERVICE")
    say(False)
    assert not may("SMS", "OUTAGE") and may("EMAIL", "SERVICE")
    say(True, "OUTAGE")
    assert may("SMS", "OUTAGE") and not may("SMS", "SERVICE")


def test_web_sessions_end(session: Session, home: tuple[queries.Customer, queries.Account, int]) -> None:
    customer, _, _ = home
    token = operations.open_web_session(session, customer_id=customer.id, now=NOW, lasts=60)
    found = queries.find_web_session(session, token=token, now=NOW)
    assert found is not None and found.customer_id == customer.id
    assert queries.find_web_session(session, token=token, now=NOW + timedelta(seconds=60)) is None
    operations.close_web_session(session, token=token, now=NOW)
    assert queries.find_web_session(session, token=token, now=NOW) is None


def test_moving_house_ends_here_and_starts_there(
    session: Session, home: tuple[queries.Customer, queries.Account, int]
) -> None:
    _, account, point = home
    there = place(session, "22 North Oak Avenue")
    operations.open_agreement(
        session, account_id=account.id, service_point_id=point, starts_on=date(2024, 1, 1), now=NOW
    )
    day = NOW.date() + timedelta(days=10)
    for _ in range(2):
        moved = moves.move_service(
            session, account_id=account.id, address="22 n oak ave, Brightwater 19000", moves_on=day, key="m", now=NOW
        )
    assert moved.settled and moved.request_number
    assert [p.id for p in queries.list_service_points(session, account_id=account.id, on=day)] == [there]
    assert [p.id for p in queries.list_service_points(session, account_id=account.id, on=day - timedelta(1))] == [point]
    stopped = moves.stop_service(session, account_id=account.id, ends_on=day + timedelta(days=30), key="s", now=NOW)
    assert stopped.settled
    unknown = moves.start_service(
        session, account_id=account.id, address="Somewhere else 5", starts_on=day, key="u", now=NOW
    )
    assert not unknown.settled and unknown.agreement_id is None
    with pytest.raises(errors.Invalid):
        moves.start_service(
            session, account_id=account.id, address="x", starts_on=NOW.date() - timedelta(days=2), key="p", now=NOW
        )
