"""Months of reads: made ahead, moved home, dropped when their time is over and nothing needs them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from billing import forms, rating, retention_jobs
from billing import models as billing_models
from core import audit, errors, periods
from metering import models, operations, partition_jobs, queries
from tests.conftest import FakeHub

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
OLD = periods.Days(date(2018, 3, 1), date(2018, 4, 1))


def keep(session: Session, meter: queries.Meter, at: datetime) -> None:
    operations.record_reads(
        session, meter_id=meter.id, starts_at=at, interval_minutes=60, wh=[5], quality="ACTUAL", source="t", now=NOW
    )


def where(session: Session) -> list[str]:
    return list(session.scalars(text("SELECT CAST(tableoid AS regclass)::text FROM read_day ORDER BY day")))


def test_months_are_made_ahead_and_days_without_one_come_home(
    session: Session, hub: FakeHub, meter: queries.Meter
) -> None:
    for year in (2025, 2026):
        keep(session, meter, datetime(year, 2, 3, tzinfo=UTC))
    keep(session, meter, datetime(2190, 1, 1, tzinfo=UTC))  # a clock gone mad: stored, but no month is made for it
    session.commit()
    hub.clock.at = NOW
    partition_jobs.make_ahead(hub)
    partition_jobs.make_ahead(hub)
    assert where(session) == ["read_day_2025_02", "read_day_2026_02", "read_day_default"]
    months = [month.starts_on for month in queries.list_months(session)]
    assert months[2:] == [periods.add_months(date(2026, 10, 1), n) for n in range(5)]


def test_an_old_month_goes_whole_and_is_audited(session: Session, hub: FakeHub, meter: queries.Meter) -> None:
    session.execute(text("UPDATE meter SET installed_on = '2017-01-01'"))
    session.expire_all()
    operations.make_months(session, days=OLD)
    keep(session, meter, datetime(2018, 3, 9, tzinfo=UTC))
    keep(session, meter, datetime(2026, 3, 9, tzinfo=UTC))
    session.commit()
    hub.clock.at = NOW
    retention_jobs.drop_old_reads(hub)
    assert session.scalar(select(func.count()).select_from(models.ReadDayRow)) == 1
    assert OLD not in queries.list_months(session)
    entry = session.scalars(select(audit.AuditRow).where(audit.AuditRow.action == "reads.dropped")).one()
    assert (entry.subject_id, entry.detail) == ("2018-03", {"days": 1, "years_kept": 7})
    with pytest.raises(errors.NotFound, match="no_such_month"):
        operations.drop_month(session, month=OLD)


def test_what_is_not_billed_or_is_disputed_keeps_its_reads(
    session: Session, hub: FakeHub, meter: queries.Meter
) -> None:
    session.execute(text("UPDATE service_agreement SET starts_on = '2018-03-11'"))
    operations.make_months(session, days=OLD)
    session.commit()
    assert retention_jobs.needed_by(session, month=OLD) == ["UNBILLED"]
    row = session.execute(text("SELECT id, account_id FROM service_agreement")).one()
    line = rating.Line("energy", "", Decimal("0.001"), "kWh", Decimal(10), 1, "energy")
    bill = billing_models.BillRow(
        id=900_001, number="2604-0900001", form_id=forms.keep(session, [[line]])[0], quantities=[1000], amounts=[1],
        account_id=row.account_id, agreement_id=row.id, starts_on=date(2018, 3, 11),
        ends_on=date(2018, 4, 11), tariff_code="T", status="ISSUED", issued_on=date(2018, 4, 13),
        due_on=date(2018, 5, 3), total_cents=1, wh=1, input_hash=b"x", rated_at=NOW,
    )  # fmt: skip
    session.add(bill)
    session.flush()
    assert retention_jobs.needed_by(session, month=OLD) == []
    session.add(
        billing_models.DisputeRow(
            number="D", key="d", account_id=row.account_id, bill_id=bill.id, reason="AMOUNT", opened_at=NOW
        )
    )
    session.commit()
    assert retention_jobs.needed_by(session, month=OLD) == ["DISPUTED"]
    hub.clock.at = NOW
    retention_jobs.drop_old_reads(hub)
    assert OLD in queries.list_months(session)


def test_the_policy_in_force_says_how_long() -> None:
    policy = ((date(2020, 1, 1), 10), (date(2027, 1, 1), 3))
    assert [retention_jobs.years_kept(policy, date(year, 6, 1)) for year in (2019, 2026, 2027)] == [10, 10, 3]
