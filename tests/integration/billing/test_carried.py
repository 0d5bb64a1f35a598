"""Energy sent out: the bank goes from bill to bill in rows of the bills, is settled in May, and ends with the last."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy import exc, select, text
from sqlalchemy.orm import Session

from billing import carried, corrections, issuing, models, queries, runs
from core import periods
from core.accounts import operations as accounts
from core.hub import Hub
from metering import operations as metering
from tests.integration.billing.conftest import NOW, House, record

FIRST = date(2025, 10, 1)


def sun(hour: int, day: date) -> int:
    """Wh sent out in an hour of UTC: more in summer."""
    peak = 900 + 500 * (4 <= day.month <= 9)
    return int(peak) if 15 <= hour <= 20 else 0


@pytest.fixture
def solar(session: Session, make_house: Callable[..., House]) -> House:
    house = make_house(tariff="RES-SOLAR", starts_on=FIRST, hourly_wh=200)
    meter = metering.install_meter(
        session, service_point_id=house.service_point_id, number="X000001", installed_on=FIRST, interval_minutes=60,
        direction="RECEIVED",
    )  # fmt: skip
    record(session, meter.id, FIRST, date(2026, 11, 23), lambda day, hour: sun(hour, day))
    session.commit()
    return dataclasses.replace(house, meter_id=meter.id)


def year(hub: Hub, until: date = date(2026, 11, 1)) -> None:
    day = date(2025, 11, 1)
    while day <= until:
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        report = runs.run_bills(hub, period_end_on=day, now=at)
        issuing.issue_bills(hub, run_id=report.run_id, now=at)
        day = periods.add_months(day, 1)


def kwh(session: Session, bill_id: int) -> dict[str, Decimal]:
    out: dict[str, Decimal] = {}
    for line in queries.list_bill_lines(session, bill_id=bill_id):
        if line.unit == "kWh" and line.component in ("energy", "credit"):
            key = "energy" if line.component == "energy" else line.code
            out[key] = out.get(key, Decimal(0)) + line.quantity
    return out


def test_the_bank_goes_from_bill_to_bill_and_is_settled_in_may(hub: Hub, session: Session, solar: House) -> None:
    year(hub)
    bills = queries.list_bills(session, account_id=solar.account_id, limit=20)[::-1]
    assert [b.starts_on.month for b in bills] == [10, 11, 12, *range(1, 11)]
    bank = Decimal(0)
    for bill in bills:
        said = kwh(session, bill.id)
        row = session.get_one(models.BillCarriedRow, bill.id)
        assert -said.get("credit.kwh_brought", Decimal(0)) == bank
        bank = said.get("credit.kwh_carried", Decimal(0))
        assert sum(row.bank_wh) == bank * 1000
        # metered, less what was set off and brought, and what is carried or settled on top, is what was charged
        assert bill.kwh + sum(v for k, v in said.items() if k.startswith("credit.kwh")) == said.get("energy", 0)
        if bill.starts_on.month == 5:
            lines = {x.code: x for x in queries.list_bill_lines(session, bill_id=bill.id)}
            settled = said["credit.kwh_settled"]
            assert settled > 0 and bank == 0
            assert lines["credit.true_up"].amount == -round(settled * Decimal("0.042"), 2)
    assert any(kwh(session, b.id).get("credit.kwh_carried") for b in bills)
    told = queries.explain_bill(session, account_id=solar.account_id, now=NOW)
    assert sum(d.amount for d in told.drivers) == told.difference
    assert any(d.kind == "EXPORT" for d in told.drivers)


def test_running_again_changes_nothing_and_what_is_carried_never_changes(
    hub: Hub, session: Session, solar: House
) -> None:
    year(hub, date(2026, 3, 1))
    before = session.execute(text("SELECT * FROM bill_carried ORDER BY bill_id")).all()
    assert len(before) == 5
    report = runs.run_bills(hub, period_end_on=date(2026, 3, 1), now=NOW)
    assert report.billed == 0
    assert session.execute(text("SELECT * FROM bill_carried ORDER BY bill_id")).all() == before
    for statement in ("UPDATE bill_carried SET credit_cents = 1", "DELETE FROM bill_carried"):
        with pytest.raises(exc.IntegrityError), session.begin_nested():
            session.execute(text(statement))


def test_a_correction_corrects_the_bills_that_stood_on_it(hub: Hub, session: Session, solar: House) -> None:
    year(hub, date(2026, 10, 1))
    july = next(
        b for b in queries.list_bills(session, account_id=solar.account_id, limit=20) if b.starts_on == date(2026, 7, 1)
    )
    after = [b.id for b in queries.list_bills(session, account_id=solar.account_id) if b.starts_on > july.starts_on]
    carried = sum(session.get_one(models.BillCarriedRow, july.id).bank_wh)
    start = datetime(2026, 7, 10, 15, tzinfo=UTC)
    metering.record_reads(
        session, meter_id=solar.meter_id, starts_at=start, interval_minutes=60, wh=[9000] * 4, quality="ACTUAL",
        source="HEAD_END", now=NOW,
    )  # fmt: skip
    done = corrections.rebill(session, bill_id=july.id, actor="tester", reason="late reads", now=NOW)
    session.commit()
    assert sum(session.get_one(models.BillCarriedRow, done.bill.id).bank_wh) > carried
    statuses = session.scalars(select(models.BillRow.status).where(models.BillRow.id.in_(after))).all()
    assert set(statuses) == {"CANCELLED"}  # August and September were made anew
    standing = queries.list_bills(session, account_id=solar.account_id)[:2]
    assert [b.version for b in standing] == [2, 2]
    assert -kwh(session, standing[1].id)["credit.kwh_brought"] == kwh(session, done.bill.id)["credit.kwh_carried"]


def test_the_last_bill_settles(hub: Hub, session: Session, solar: House) -> None:
    year(hub, date(2026, 9, 1))
    accounts.end_agreement(session, agreement_id=solar.agreement_id, ends_on=date(2026, 9, 16), now=NOW)
    session.commit()
    (last,) = corrections.bill_outstanding(session, account_id=solar.account_id, now=NOW)
    said = kwh(session, last.id)
    assert last.ends_on == date(2026, 9, 16) and said["credit.kwh_settled"] > 0 and "credit.kwh_carried" not in said
    assert session.get_one(models.BillCarriedRow, last.id).bank_wh == [0, 0, 0, 0]


def test_a_silent_meter_and_a_bill_that_is_not_final_park_the_next(hub: Hub, session: Session, solar: House) -> None:
    at = datetime(2025, 11, 1, 12, tzinfo=UTC)
    runs.run_bills(hub, period_end_on=date(2025, 11, 1), now=at)  # not issued
    report = runs.run_bills(hub, period_end_on=date(2025, 12, 1), now=at + timedelta(days=30))
    assert (report.billed, report.parked) == (0, 1)
    chunk = session.scalars(select(models.BillRunChunkRow).order_by(models.BillRunChunkRow.id.desc()).limit(1)).one()
    assert chunk.parked == {str(solar.agreement_id): "CARRIED"}
    session.execute(text("DELETE FROM read_day WHERE meter_id = :meter"), {"meter": solar.meter_id})
    session.execute(text("DELETE FROM bill"))
    session.commit()
    assert runs.run_bills(hub, period_end_on=date(2026, 1, 1), now=at + timedelta(days=61)).parked == 1


def test_a_home_without_export_pays_no_attention(hub: Hub, session: Session, make_house: Callable[..., House]) -> None:
    make_house(tariff="RES-FLAT", starts_on=FIRST)
    year(hub, date(2025, 12, 1))
    assert session.execute(text("SELECT count(*) FROM bill_carried")).scalar() == 0


def test_the_bills_of_a_year_count_toward_its_minimum(hub: Hub, session: Session, solar: House) -> None:
    year(hub, date(2026, 4, 1))
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(text("ALTER TABLE bill_carried DISABLE TRIGGER USER"))
    session.execute(text("UPDATE bill_carried SET minimum_cents = 700"))
    ids = np.array([solar.agreement_id])
    for month, cents in ((1, 0), (2, 700), (4, 2100)):
        days = periods.Days(date(2026, month, 1), date(2026, month + 1, 1))
        assert carried.year_to_date(session, ids, days).tolist() == [cents]
