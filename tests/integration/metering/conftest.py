from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from core.accounts import operations as accounts
from metering import operations, queries

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


@pytest.fixture
def service_point(session: Session) -> int:
    return add_service_point_in(session, "America/New_York")


def add_service_point_in(session: Session, timezone: str) -> int:
    customer = accounts.create_customer(
        session, full_name="Nora Lind", kind="RESIDENTIAL", locale="en", opened_on=date(2024, 1, 1), now=NOW
    )
    account = accounts.open_account(
        session,
        customer_id=customer.id,
        jurisdiction="US-PA",
        bill_cycle_day=5,
        mailing_address="1 Test Way",
        opened_on=date(2024, 1, 1),
        now=NOW,
    )
    premise = accounts.add_premise(
        session,
        address="1 Test Way",
        city="Brightwater",
        postcode="19000",
        county="Bright",
        timezone=timezone,
    )
    point = accounts.add_service_point(session, premise_id=premise)
    accounts.open_agreement(session, account_id=account.id, service_point_id=point, starts_on=date(2024, 1, 1), now=NOW)
    return point


@pytest.fixture
def point_in(session: Session) -> Callable[[str], int]:
    return lambda timezone: add_service_point_in(session, timezone)


@pytest.fixture
def meter(session: Session, service_point: int) -> queries.Meter:
    return operations.install_meter(
        session, service_point_id=service_point, number="E-1", installed_on=date(2024, 1, 1)
    )


@pytest.fixture
def register(session: Session, service_point: int) -> queries.Meter:
    return operations.install_meter(
        session,
        service_point_id=service_point,
        number="R-1",
        installed_on=date(2024, 1, 1),
        interval_minutes=None,
        digits=5,
        multiplier=Decimal(1),
    )
