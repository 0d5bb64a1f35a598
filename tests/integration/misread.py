"""A read of a bill that turns out to be wrong, as something has to be before a bill is made anew."""

from datetime import datetime

from sqlalchemy.orm import Session

from billing import queries as bills
from core import periods
from core.accounts import queries as accounts
from metering import operations as metering
from metering import queries as meters


def put_right(session: Session, bill: bills.Bill, now: datetime) -> None:
    """This will put right the first interval of a bill's first day, by another read for each bill."""
    agreement = accounts.get_agreement(session, agreement_id=bill.agreement_id)
    meter = meters.find_meter(session, service_point_id=agreement.service_point_id)
    assert meter is not None
    metering.record_reads(
        session, meter_id=meter.id, starts_at=periods.midnight(bill.starts_on, agreement.timezone),
        interval_minutes=meter.interval_minutes, wh=[2000 + bill.id % 5000], quality="EDITED", source="STAFF", now=now,
    )  # fmt: skip
