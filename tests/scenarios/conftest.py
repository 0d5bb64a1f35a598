"""A house, a clock, and the calendar: a year is walked through with the product's own jobs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from billing import jobs, queries, views
from billing import operations as billing
from core import periods
from core.accounts import operations as accounts
from metering import operations as metering
from tests.conftest import FakeHub

ZONE = "America/New_York"
PUBLISHED = date(2028, 3, 1)  # the fuel rider of the house's plans then rises on 1 November 2027
OPENED = datetime(2026, 12, 1, tzinfo=UTC)


@dataclass
class Walk:
    """One account and its meter, on a clock that is moved by hand."""

    hub: FakeHub
    session: Session
    account_id: int
    customer_id: int
    agreement_id: int
    service_point_id: int
    meter_id: int
    _payments: int = field(default=0)

    @property
    def now(self) -> datetime:
        return self.hub.clock.at

    def to(self, day: date, hour: int = 12) -> None:
        self.hub.clock.at = periods.at(day, time(hour), ZONE)

    def read(self, first: date, last: date, hourly_wh: int, quality: str = "ACTUAL") -> None:
        """Every hour of the days from `first` (in) to `last` (out)."""
        starts_at = periods.midnight(first, ZONE)
        hours = int((periods.midnight(last, ZONE) - starts_at).total_seconds() // 3600)
        metering.record_reads(
            self.session, meter_id=self.meter_id, starts_at=starts_at, interval_minutes=60, wh=[hourly_wh] * hours,
            quality=quality, source="test", now=max(self.now, periods.midnight(last, ZONE)),
        )  # fmt: skip
        self.session.commit()

    def bill(self, run_on: date) -> views.Bill:
        """Let the clock's own job bill what ended two days before, and give the newest bill."""
        self.to(run_on)
        jobs.run_due_cycles(self.hub)
        self.session.expire_all()
        return self.bills()[0]

    def bills(self) -> tuple[views.Bill, ...]:
        return queries.list_bills(self.session, account_id=self.account_id)

    def lines(self, bill: views.Bill) -> list[tuple[str, Decimal]]:
        return [(x.component, x.amount) for x in queries.list_bill_lines(self.session, bill_id=bill.id)]

    def balance(self) -> views.Balance:
        return queries.get_balance(self.session, account_id=self.account_id, now=self.now)

    def pay(self, amount: str | Decimal, status: str = "SUCCEEDED", name: str | None = None) -> views.Payment:
        self._payments += 1
        paid = billing.record_payment(
            self.session, gateway="bank", external_id=name or f"p{self.account_id}-{self._payments}",
            account_id=self.account_id, amount=Decimal(amount), method="ach", status=status, at=self.now, now=self.now,
        )  # fmt: skip
        self.session.commit()
        return paid

    def fees(self) -> Decimal:
        jobs.post_late_fees(self.hub)
        self.session.expire_all()
        return queries.late_fee_status(self.session, account_id=self.account_id, now=self.now).charged


def named(name: str) -> dict[str, dict[str, str]]:
    """What a tariff document says of its plan to customers."""
    return {"names": {"en": name, "es": name}, "about": {"en": "A plan.", "es": "Un plan."}}


@pytest.fixture
def walk(hub: FakeHub, session: Session) -> Callable[..., Walk]:
    """Makes a house that moved in on a day, on a plan, billed on a day of the month."""
    hub.clock.at = OPENED
    billing.load_published(session, today=PUBLISHED, now=OPENED)
    session.commit()

    def start(
        moved_in: date,
        *,
        tariff: str = "RES-FLAT",
        cycle_day: int = 1,
        jurisdiction: str = "US-PA",
        kind: str = "RESIDENTIAL",
        email: str | None = None,
        phone: str | None = None,
    ) -> Walk:
        customer = accounts.create_customer(
            session, full_name="Test House", kind=kind, locale="en", opened_on=moved_in, now=OPENED, email=email,
            phone=phone,
        )  # fmt: skip
        account = accounts.open_account(
            session, customer_id=customer.id, jurisdiction=jurisdiction, bill_cycle_day=cycle_day,
            mailing_address="1 Elm St, Brightwater, PA 19000", opened_on=moved_in, now=OPENED,
        )  # fmt: skip
        premise_id = accounts.add_premise(
            session, address=f"{account.id} Elm St", city="Brightwater", postcode="19000", county="Delaware",
            timezone=ZONE,
        )  # fmt: skip
        point_id = accounts.add_service_point(session, premise_id=premise_id)
        agreement = accounts.open_agreement(
            session, account_id=account.id, service_point_id=point_id, starts_on=moved_in, now=OPENED
        )
        billing.assign_tariff(session, agreement_id=agreement.id, tariff_code=tariff, starts_on=moved_in, now=OPENED)
        meter = metering.install_meter(
            session, service_point_id=point_id, number=f"M{point_id:06d}", installed_on=moved_in, interval_minutes=60
        )
        session.commit()
        return Walk(hub, session, account.id, customer.id, agreement.id, point_id, meter.id)

    return start
