"""A small book: one house on RES-FLAT since a year, with a meter that read every hour."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy.orm import Session

from billing import operations as billing
from core import periods
from core.accounts import operations as accounts
from metering import operations as metering

ZONE = "America/New_York"
TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


@dataclass(frozen=True)
class House:
    customer_id: int
    account_id: int
    service_point_id: int
    agreement_id: int
    meter_id: int


@pytest.fixture
def tariffs(session: Session) -> dict[str, int]:
    ids = billing.load_published(session, today=TODAY, now=NOW)
    session.commit()
    return ids


@pytest.fixture
def make_house(session: Session, tariffs: dict[str, int]) -> Callable[..., House]:
    def make(
        *,
        tariff: str = "RES-FLAT",
        kind: str = "RESIDENTIAL",
        starts_on: date = date(2025, 10, 1),
        hourly_wh: int | Callable[[date, int], int] = 1000,
        reads_to: date = TODAY,
        city: str = "Brightwater",
        cycle_day: int = 1,
        medical: bool = False,
    ) -> House:
        at = datetime(2025, 9, 1, tzinfo=UTC)
        customer = accounts.create_customer(
            session, full_name="Test House", kind=kind, locale="en", opened_on=starts_on, now=at,
            medical_equipment=medical,
        )  # fmt: skip
        account = accounts.open_account(
            session, customer_id=customer.id, jurisdiction="US-PA", bill_cycle_day=cycle_day,
            mailing_address="1 Elm St, Brightwater, PA 19000", opened_on=starts_on, now=at,
        )  # fmt: skip
        premise_id = accounts.add_premise(
            session, address=f"{account.id} Elm St", city=city, postcode="19000", county="Delaware", timezone=ZONE
        )
        point_id = accounts.add_service_point(session, premise_id=premise_id)
        agreement = accounts.open_agreement(
            session, account_id=account.id, service_point_id=point_id, starts_on=starts_on, now=at
        )
        billing.assign_tariff(session, agreement_id=agreement.id, tariff_code=tariff, starts_on=starts_on, now=at)
        meter = metering.install_meter(
            session, service_point_id=point_id, number=f"M{point_id:06d}", installed_on=starts_on, interval_minutes=60
        )
        record(session, meter.id, starts_on, reads_to, hourly_wh)
        session.commit()
        return House(customer.id, account.id, point_id, agreement.id, meter.id)

    return make


def record(
    session: Session, meter_id: int, starts_on: date, ends_on: date, hourly_wh: int | Callable[[date, int], int]
) -> None:
    starts_at, ends_at = periods.midnight(starts_on, ZONE), periods.midnight(ends_on, ZONE)
    hours = int((ends_at - starts_at) / timedelta(hours=1))
    if callable(hourly_wh):
        wh = []
        for n in range(hours):
            local = periods.local(starts_at + n * timedelta(hours=1), ZONE)
            wh.append(hourly_wh(local.date(), local.hour))
    else:
        wh = [hourly_wh] * hours
    metering.record_reads(
        session, meter_id=meter_id, starts_at=starts_at, interval_minutes=60, wh=np.array(wh, dtype=np.int64),
        quality="ACTUAL", source="test", now=NOW,
    )  # fmt: skip


def dollars(text: str) -> Decimal:
    return Decimal(text)
