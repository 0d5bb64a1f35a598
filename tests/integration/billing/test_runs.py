"""The bill run on a real PostgreSQL: exact, repeatable, resumable, and immutable once issued."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from billing import models, queries
from billing import operations as billing
from core import periods
from core.accounts import operations as accounts
from tests.integration.billing.conftest import NOW

AT = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


def bill_month(hub, end=date(2026, 11, 1), now=AT, **more):
    report = billing.run_bills(hub, period_end_on=end, now=now, **more)
    billing.issue_bills(hub, run_id=report.run_id, now=now)
    return report


def test_a_flat_bill_to_the_cent(hub, session, make_house):
    house = make_house()
    report = bill_month(hub)
    assert (report.agreements, report.billed, report.held, report.parked) == (1, 1, 0, 0)
    (bill,) = queries.list_bills(session, account_id=house.account_id)
    # October 2026: 744 hours at 1 kWh. 11.00 + 744 x 0.118 = 87.79; fuel 744 x 0.0268 = 19.94; efficiency 744 x 0.0032
    # = 2.38; sum 121.11; gross receipts 5.9 % = 7.15; city 2 % = 2.42
    assert bill.kwh == Decimal("744.000")
    assert [(x.component, x.amount) for x in queries.list_bill_lines(session, bill_id=bill.id)] == [
        ("fixed", Decimal("11.00")),
        ("energy", Decimal("87.79")),
        ("rider", Decimal("19.94")),
        ("rider", Decimal("2.38")),
        ("tax", Decimal("7.15")),
        ("tax", Decimal("2.42")),
    ]
    assert bill.total == Decimal("130.68") == report.total
    assert bill.due_on == date(2026, 11, 23)  # 20 days from 3 November
    balance = queries.get_balance(session, account_id=house.account_id, now=NOW)
    assert (balance.amount, balance.overdue, balance.due_on) == (bill.total, Decimal("0.00"), date(2026, 11, 23))
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # every journal balances


def test_running_again_changes_nothing_and_new_reads_change_only_drafts(hub, session, make_house):
    house = make_house()
    first = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT)
    before = session.execute(select(models.BillRow.id, models.BillRow.input_hash)).all()
    again = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT + timedelta(hours=1))
    assert (again.run_id, again.unchanged, again.billed) == (first.run_id, 1, 0)
    assert session.execute(select(models.BillRow.id, models.BillRow.input_hash)).all() == before
    correct(session, house.meter_id, date(2026, 10, 5), 2000)
    third = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT)
    session.expire_all()
    (bill,) = session.scalars(select(models.BillRow)).all()
    assert (third.billed, bill.wh, bill.version) == (1, 744_000 + 24_000, 1)
    billing.issue_bills(hub, run_id=third.run_id, now=AT)
    correct(session, house.meter_id, date(2026, 10, 6), 3000)
    assert billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT).unchanged == 1
    session.expire_all()
    assert session.scalars(select(models.BillRow)).one().wh == 768_000


def correct(session, meter_id, day, hourly_wh):
    from metering import operations as metering

    metering.record_reads(
        session, meter_id=meter_id, starts_at=periods.midnight(day, "America/New_York"), interval_minutes=60,
        wh=[hourly_wh] * 24, quality="EDITED", source="test", now=NOW,
    )  # fmt: skip
    session.commit()


def test_an_issued_bill_and_the_ledger_cannot_be_changed(hub, session, make_house):
    make_house()
    bill_month(hub)
    for statement in (
        "UPDATE bill SET total_cents = 1",
        "DELETE FROM bill",
        "UPDATE bill SET status = 'CANCELLED', cancelled_at = now(), wh = 1",
        "UPDATE bill_line SET amount_cents = 1",
        "DELETE FROM bill_line",
        "INSERT INTO bill_line SELECT bill_id, 99, component, code, description, args, quantity, unit, unit_price, 5"
        " FROM bill_line LIMIT 1",
        "UPDATE ledger_entry SET debit_cents = debit_cents + 1 WHERE debit_cents > 0",
        "DELETE FROM ledger_journal",
    ):
        with pytest.raises(DBAPIError), session.begin_nested():
            session.execute(text(statement))
    for cents, refused in (
        ("5, -4", "balances"), ("5, -3, -2", "entries"), ("0, 0", "entries"), ("5, NULL", "missing"),
    ):  # fmt: skip
        with pytest.raises(DBAPIError, match=refused), session.begin_nested():
            session.execute(
                text(
                    "INSERT INTO ledger_journal (key, kind, account_id, effective_on, posted_at, codes, cents) SELECT"
                    f" 'x', kind, account_id, effective_on, posted_at, '{{CASH,RECEIVABLE}}', ARRAY[{cents}]"
                    " FROM ledger_journal LIMIT 1"
                )
            )


def test_a_bill_that_does_not_add_up_cannot_be_there(hub, session, make_house):
    make_house()
    billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT)
    assert session.scalar(text("SELECT count(*) FROM bill_line")) == 6
    columns = [column.name for column in models.BillRow.__table__.columns]
    for changed, refused in (
        ({"total_cents": "total_cents + 1"}, "adds_up"),
        ({"quantities": "quantities[2:]"}, "adds_up"),
        ({"amounts": "amounts[2:] || NULL::bigint"}, "missing"),
        ({"quantities": "array_append(quantities, 0)", "amounts": "array_append(amounts, 0)"}, "fit its form"),
        ({"wh": "wh + 1"}, "fit its form"),
        ({"form_id": "form_id + 1000000"}, "fit its form"),
        ({"run_id": "run_id + 1000000"}, "no bill run"),
        ({"account_id": "account_id + 1"}, "fk_bill_account_id_agreement_id"),
        ({"number": "'wrong-' || id"}, "ck_bill_number"),
    ):
        own = {"id": "id + 1000", "number": "'2611-' || id + 1000", "version": "2", "status": "'CANCELLED'",
               "cancelled_at": "now()", "issued_on": "ends_on", "due_on": "ends_on"} | changed  # fmt: skip
        with pytest.raises(DBAPIError, match=refused), session.begin_nested():
            session.execute(
                text(f"INSERT INTO bill SELECT {', '.join(own.get(name, name) for name in columns)} FROM bill")
            )
    for statement in (
        "UPDATE bill SET amounts = amounts[2:] || amounts[1]",
        "UPDATE bill SET run_id = NULL",
        "UPDATE bill_form SET units = units",
        "DELETE FROM bill_form",
        "DELETE FROM bill_run_chunk; DELETE FROM bill_run",
        "TRUNCATE bill_form",
        "TRUNCATE bill_run CASCADE",
    ):
        with pytest.raises(DBAPIError), session.begin_nested():
            session.execute(text(statement))


def test_cancel_and_rebill(hub, session, make_house):
    house = make_house()
    report = bill_month(hub)
    (bill,) = queries.list_bills(session, account_id=house.account_id)
    billing.record_payment(
        session, gateway="bank", external_id="p1", account_id=house.account_id, amount=bill.total, method="check",
        status="SUCCEEDED", at=NOW, now=NOW,
    )  # fmt: skip
    billing.cancel_bill(session, bill_id=bill.id, actor="staff:ana", reason="wrong meter", now=NOW)
    assert queries.get_balance(session, account_id=house.account_id, now=NOW).amount == -bill.total
    correct(session, house.meter_id, date(2026, 10, 5), 2000)
    session.commit()
    billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT)
    billing.issue_bills(hub, run_id=report.run_id, now=NOW)
    (anew,) = queries.list_bills(session, account_id=house.account_id)
    assert anew.version == 2 and anew.total > bill.total
    assert anew.open_amount == anew.total - bill.total  # what was paid on the first pays the second
    assert queries.get_balance(session, account_id=house.account_id, now=NOW).amount == anew.open_amount


def test_a_switch_in_the_period_and_a_move_in_are_seen_in_the_lines(hub, session, make_house):
    house = make_house(starts_on=date(2026, 10, 11))
    billing.assign_tariff(
        session, agreement_id=house.agreement_id, tariff_code="RES-TIER", starts_on=date(2026, 10, 21), now=AT
    )
    session.commit()
    bill_month(hub)
    (bill,) = queries.list_bills(session, account_id=house.account_id)
    lines = queries.list_bill_lines(session, bill_id=bill.id)
    assert (bill.starts_on, bill.days, bill.tariff_code) == (date(2026, 10, 11), 21, "RES-TIER")
    fixed = [x for x in lines if x.component == "fixed"]
    assert [x.amount for x in fixed] == [Decimal("3.55"), Decimal("3.55")]  # 11 x 10/31 and 10 x 11/31
    assert sum(x.quantity for x in lines if x.component == "energy") == bill.kwh == 21 * 24
    assert sum((x.amount for x in lines), Decimal(0)) == bill.total


def test_what_looks_wrong_is_held_and_what_cannot_be_priced_is_parked(hub, session, make_house):
    usual = make_house()
    gone, wild, short = make_house(), make_house(), make_house(reads_to=date(2026, 10, 25))
    for end in (date(2026, 9, 1), date(2026, 10, 1)):
        bill_month(hub, end)
    correct_month(session, gone.meter_id, 0)
    correct_month(session, wild.meter_id, 5000)
    bare = make_house()
    session.execute(text("DELETE FROM agreement_tariff WHERE agreement_id = :id"), {"id": bare.agreement_id})
    session.commit()
    report = bill_month(hub)
    assert (report.agreements, report.billed, report.held, report.parked) == (5, 1, 3, 1)
    held = {b.account_id: b.hold_code for b in queries.list_held_bills(session)}
    assert held == {
        gone.account_id: "ZERO_USAGE",
        wild.account_id: "HIGH_BILL",
        short.account_id: "MISSING_READS",
    }
    chunk = session.scalars(select(models.BillRunChunkRow).where(models.BillRunChunkRow.run_id == report.run_id)).one()
    assert chunk.parked == {str(bare.agreement_id): "NO_TARIFF"}
    assert len(queries.list_bills(session, account_id=usual.account_id)) == 3
    high = next(b for b in queries.list_held_bills(session) if b.account_id == wild.account_id)
    billing.release_bill(session, bill_id=high.id, actor="staff:ana", reason="a new furnace, seen", now=NOW)
    session.commit()
    assert billing.issue_bills(hub, run_id=report.run_id, now=NOW) == 1


def correct_month(session, meter_id, hourly_wh):
    from metering import operations as metering

    starts = periods.midnight(date(2026, 10, 1), "America/New_York")
    metering.record_reads(
        session, meter_id=meter_id, starts_at=starts, interval_minutes=60, wh=[hourly_wh] * 744, quality="EDITED",
        source="test", now=NOW,
    )  # fmt: skip
    session.commit()


def test_a_run_that_was_stopped_goes_on(hub, session, make_house, monkeypatch):
    from billing import runs

    houses = [make_house() for _ in range(3)]
    whole = runs._chunk
    calls = []

    def breaks(*args):
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("the machine went down")
        whole(*args)

    monkeypatch.setattr(runs, "_chunk", breaks)
    with pytest.raises(RuntimeError):
        billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT, chunk_size=1)
    assert session.scalar(select(func.count()).select_from(models.BillRow)) == 1
    monkeypatch.setattr(runs, "_chunk", whole)
    report = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT, chunk_size=1)
    assert (report.billed, report.agreements) == (len(houses), len(houses))
    assert session.scalar(select(func.count()).select_from(models.BillRow)) == len(houses)


def test_moving_out_ends_the_last_bill(hub, session, make_house):
    house = make_house()
    accounts.end_agreement(session, agreement_id=house.agreement_id, ends_on=date(2026, 10, 16), now=AT)
    session.commit()
    bill_month(hub)
    (bill,) = queries.list_bills(session, account_id=house.account_id)
    assert (bill.starts_on, bill.ends_on, bill.kwh) == (date(2026, 10, 1), date(2026, 10, 16), Decimal(360))
