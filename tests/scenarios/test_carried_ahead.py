"""What a bill brings with it is in every figure shown before it: the forecast of a steady home is the bill it gets.

The plans here have no riders and no taxes: 10.00 a month, 0.10 a kWh, and what each is about.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from billing import correction_jobs, models, queries
from billing import operations as billing
from core import periods
from core.accounts import operations as accounts
from metering import operations as metering
from tests.scenarios.conftest import OPENED, ZONE, Walk, named

ALL_DAY = [[0] * 24] * 12
BANK = {"metering": "NET_METERING", "year_end_sell": "0.04"}
CREDIT = {"metering": "NET_BILLING_CREDIT"}


def plan(code: str, rate: float = 0.10, export: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    ours = {"proration": "CALENDAR_MONTH", "prorates": ["fixed", "minimum", "tiers", "demand"], **named(code)}
    return {
        "label": code, "name": code, "sector": "Residential", "fixedchargefirstmeter": 10.0,
        "fixedchargeunits": "$/month", "energyratestructure": [[{"rate": rate, "sell": 0.05, "unit": "kWh"}]],
        "energyweekdayschedule": ALL_DAY, "energyweekendschedule": ALL_DAY,
        "tariff": {"kind": "FLAT", "customer_kind": "RESIDENTIAL", "sold_from": "2026-01-01"},
        "wattline": ours | ({} if export is None else {"export": export}),
    } | more  # fmt: skip


@pytest.fixture
def on_plan(walk: Callable[..., Walk], session: Session) -> Callable[..., Walk]:
    """Makes a house that moved in on 1 January 2027 on the first of some plans."""

    def start(*plans: dict[str, Any]) -> Walk:
        for document in plans:
            billing.publish(session, document=document, starts_on=date(2026, 1, 1), now=OPENED)
        session.commit()
        return walk(date(2027, 1, 1), tariff=plans[0]["label"])

    return start


def sends(w: Walk, *spans: tuple[date, date, int]) -> None:
    """Every hour of the days from the first (in) to the second (out) sends out so many Wh."""
    meter = metering.install_meter(
        w.session, service_point_id=w.service_point_id, number=f"X{w.service_point_id:06d}",
        installed_on=date(2027, 1, 1), interval_minutes=60, direction="RECEIVED",
    )  # fmt: skip
    for first, last, wh in spans:
        starts_at, ends_at = periods.midnight(first, ZONE), periods.midnight(last, ZONE)
        metering.record_reads(
            w.session, meter_id=meter.id, starts_at=starts_at, interval_minutes=60,
            wh=[wh] * ((ends_at - starts_at) // timedelta(hours=1)), quality="ACTUAL", source="test", now=ends_at,
        )  # fmt: skip
    w.session.commit()


def banked(w: Walk) -> Walk:
    """1 kWh an hour used, and sent out: 2.8 in January, then 0.25; billed for three months.

    January: 744 x 1.8 = 1339.2 kWh are banked; February needs 672 x 0.75 = 504, March 743 x 0.75 = 557.25: on 1 April
    277.95 kWh are left.
    """
    w.read(date(2027, 1, 1), date(2027, 5, 1), 1000)
    sends(w, (date(2027, 1, 1), date(2027, 2, 1), 2800), (date(2027, 2, 1), date(2027, 5, 1), 250))
    for month in (2, 3, 4):
        assert made(w, date(2027, month, 3)) == D("10.00")
    return w


def likely(w: Walk) -> D:
    return queries.forecast_bill(w.session, account_id=w.account_id, now=w.now).likely


def made(w: Walk, run_on: date) -> D:
    """What the bill comes to that the clock makes on a day; one far from the bills before is held for a look."""
    w.bill(run_on)
    bill = w.session.scalars(select(models.BillRow).order_by(models.BillRow.id.desc()).limit(1)).one()
    return D(bill.total_cents) / 100


@contextmanager
def asked(session: Session, word: str) -> Iterator[list[str]]:
    """The statements that name a table."""
    found: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if word in statement:
            found.append(statement)

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_bank_of_kwh_is_in_the_forecast_the_running_bill_and_its_days(on_plan: Callable[..., Walk]) -> None:
    w = banked(on_plan(plan("RES-BANK", export=BANK)))
    w.to(date(2027, 4, 16))
    # April needs 720 x 0.75 = 540 kWh, 277.95 are there: 262.05 x 0.10 = 26.205, and 10.00
    assert likely(w) == D("36.21")
    running = queries.running_period(w.session, account_id=w.account_id, now=w.now)
    # with all of today 384 x 0.75 = 288 less 277.95 is 10.05 kWh = 1.01; 10.00 x 16/30 = 5.33. Without today 270 kWh,
    # which the bank covers
    assert (running.amount, running.today_amount) == (D("6.34"), D("1.01"))
    seen = queries.preview_bill(w.session, account_id=w.account_id, now=w.now)
    _, costs = queries.period_costs(w.session, account_id=w.account_id, on=date(2027, 4, 16), now=w.now)
    assert sum(cost.amount for cost in costs) == seen.total == D("5.00")  # 10.00 x 15/30
    assert made(w, date(2027, 5, 3)) == D("36.21")


def test_what_a_switch_means_counts_the_bank(on_plan: Callable[..., Walk]) -> None:
    w = banked(on_plan(plan("RES-BANK", export=BANK), plan("RES-BANK-DEAR", 0.20, export=BANK)))
    w.to(date(2027, 4, 16))
    today = queries.preview_switch(w.session, account_id=w.account_id, tariff_code="RES-BANK-DEAR", now=w.now)[0]
    # half of April needs 270 kWh: 7.95 are left for the other half, 262.05 x 0.20 = 52.41; 5.00 and 5.00
    assert (today.split.likely, today.split.likely_unchanged) == (D("62.41"), D("36.21"))
    billing.switch_tariff(
        w.session, account_id=w.account_id, tariff_code="RES-BANK-DEAR", starts_on=today.starts_on, key="s", now=w.now
    )
    w.session.commit()
    assert made(w, date(2027, 5, 3)) == D("62.41")


def test_what_is_sent_out_before_a_plan_that_pays_for_it_is_no_hindrance(on_plan: Callable[..., Walk]) -> None:
    plain = plan("RES-PLAIN", energyratestructure=[[{"rate": 0.10, "unit": "kWh"}]])
    w = on_plan(plain, plan("RES-BANK", export=BANK))
    w.read(date(2027, 1, 1), date(2027, 5, 1), 1000)
    sends(w, (date(2027, 1, 1), date(2027, 5, 1), 250))
    for month in (2, 3, 4):
        w.bill(date(2027, month, 3))
    w.to(date(2027, 4, 16))
    today = queries.preview_switch(w.session, account_id=w.account_id, tariff_code="RES-BANK", now=w.now)[0]
    # half of April as it was, 360 x 0.10 = 36.00; half of it less a quarter, 27.00; and 5.00 twice
    assert today.split.likely == D("73.00")
    billing.switch_tariff(
        w.session, account_id=w.account_id, tariff_code="RES-BANK", starts_on=today.starts_on, key="s", now=w.now
    )
    w.session.commit()
    assert made(w, date(2027, 5, 3)) == D("73.00")


def test_the_bank_counts_before_the_bill_that_fills_it_is_made(on_plan: Callable[..., Walk]) -> None:
    w = on_plan(plan("RES-BANK", export=BANK))
    w.read(date(2027, 1, 1), date(2027, 2, 2), 1000)
    sends(w, (date(2027, 1, 1), date(2027, 2, 2), 2800))
    w.to(date(2027, 2, 2), hour=1)  # January's bill is made tomorrow
    early = queries.running_period(w.session, account_id=w.account_id, now=w.now)
    seen = queries.preview_bill(w.session, account_id=w.account_id, now=w.now)
    assert not w.bills()
    w.bill(date(2027, 2, 3))
    w.to(date(2027, 2, 2), hour=1)
    assert early == queries.running_period(w.session, account_id=w.account_id, now=w.now)
    assert seen == queries.preview_bill(w.session, account_id=w.account_id, now=w.now)
    brought = next(x for x in seen.lines if x.code == "credit.kwh_brought")
    assert brought.quantity == D("-1339.2")


def test_a_credit_in_money_is_in_the_forecast(on_plan: Callable[..., Walk]) -> None:
    w = on_plan(plan("RES-CREDIT", export=CREDIT))
    w.read(date(2027, 1, 1), date(2027, 4, 1), 1000)
    sends(w, (date(2027, 1, 1), date(2027, 2, 1), 4000), (date(2027, 2, 1), date(2027, 4, 1), 250))
    # January: 74.40 used, 2976 x 0.05 = 148.80 sent: 74.40 stay. February: 67.20 used, 8.40 sent: 15.60 stay
    for month in (2, 3):
        assert made(w, date(2027, month, 3)) == D("10.00")
    w.to(date(2027, 3, 30))
    # March: 743 x 0.10 = 74.30, less 743 x 0.25 x 0.05 = 9.29 and 15.60; and 10.00
    assert likely(w) == D("59.41")
    assert made(w, date(2027, 4, 3)) == D("59.41")


@pytest.mark.parametrize("pays", [False, True], ids=["for nothing sent out", "for what is sent out"])
def test_who_leaves_a_plan_that_keeps_kwh_on_the_first_day_of_a_bill_is_paid_for_them(
    on_plan: Callable[..., Walk], pays: bool
) -> None:
    step = {"rate": 0.10, "unit": "kWh"} | ({"sell": 0.05} if pays else {})
    w = on_plan(plan("RES-BANK", export=BANK), plan("RES-PLAIN", energyratestructure=[[step]]))
    w.read(date(2027, 1, 1), date(2027, 4, 1), 1000)
    sends(w, (date(2027, 1, 1), date(2027, 2, 1), 2800), (date(2027, 2, 1), date(2027, 4, 1), 0))
    w.to(date(2027, 1, 20))
    billing.switch_tariff(
        w.session, account_id=w.account_id, tariff_code="RES-PLAIN", starts_on=date(2027, 2, 1), key="s", now=w.now
    )
    w.session.commit()
    assert made(w, date(2027, 2, 3)) == D("10.00")  # and 744 x 1.8 = 1339.2 kWh are kept
    w.to(date(2027, 2, 16))
    # February: 10.00 and 672 x 0.10 = 67.20, less 1339.2 x 0.04 = 53.57 (53.568)
    if not pays:  # else the forecast still looks for some of January's sun
        assert likely(w) == D("23.63")
    assert made(w, date(2027, 3, 3)) == D("23.63")
    assert made(w, date(2027, 4, 3)) == D("84.30")  # nothing is left: 743 kWh, and 10.00


def test_the_last_bill_settles_in_the_forecast_too(on_plan: Callable[..., Walk]) -> None:
    w = banked(on_plan(plan("RES-BANK", export=BANK)))
    accounts.end_agreement(w.session, agreement_id=w.agreement_id, ends_on=date(2027, 4, 11), now=w.now)
    w.session.commit()
    w.to(date(2027, 4, 6))
    # ten days need 240 x 0.75 = 180 kWh: 97.95 are left and paid with 0.04 = 3.92 (3.918); 10.00 x 10/30 = 3.33
    assert likely(w) == D("-0.59")
    w.to(date(2027, 4, 13))
    assert correction_jobs.bill_final(w.hub) == 1
    w.session.expire_all()
    assert w.bills()[0].total == D("-0.59")


def test_a_ratchet_looks_back_in_the_forecast(on_plan: Callable[..., Walk]) -> None:
    w = on_plan(
        plan(
            "RES-RATCHET", flatdemandstructure=[[{"rate": 5.0}]], flatdemandmonths=[0] * 12, flatdemandunit="kW",
            lookbackpercent=0.8, lookbackrange=11, lookbackmonths=[1] * 12,
        )
    )  # fmt: skip
    w.read(date(2027, 1, 1), date(2027, 3, 1), 1000)
    w.read(date(2027, 1, 5), date(2027, 1, 6), 10_000)
    # January: 720 + 240 = 960 kWh = 96.00, 10 kW x 5.00, 10.00
    assert made(w, date(2027, 2, 3)) == D("156.00")
    w.to(date(2027, 2, 20))
    # 672 x 0.10 = 67.20; 80 % of 10 kW = 8 x 5.00; 10.00
    assert likely(w) == D("117.20")
    assert made(w, date(2027, 3, 3)) == D("117.20")


def test_the_years_minimum_is_in_the_forecast_of_its_last_bill(on_plan: Callable[..., Walk]) -> None:
    w = on_plan(plan("RES-YEAR", mincharge=300.0, minchargeunits="$/year"))
    w.read(date(2027, 1, 1), date(2028, 1, 1), 100)
    for month in range(2, 13):
        made(w, date(2027, month, 3))
    w.to(date(2027, 12, 16))
    coming = likely(w)
    # 8760 hours x 0.1 x 0.10 = 87.60 and 120.00 are 207.60: December is lifted by the rest
    assert coming == made(w, date(2028, 1, 3)) == D("109.84")
    assert sum(w.session.scalars(select(models.BillRow.total_cents))) == 300_00


def test_cheap_hours_promise_nothing_that_a_bank_pays(on_plan: Callable[..., Walk]) -> None:
    steps = [[{"rate": rate, "unit": "kWh"}] for rate in (0.10, 0.30)]
    hours = [[0] * 16 + [1] * 4 + [0] * 4] * 12
    w = on_plan(
        plan(
            "RES-BANK-TOU", export=BANK, energyratestructure=steps, energyweekdayschedule=hours,
            energyweekendschedule=hours,
        )
    )  # fmt: skip
    w.read(date(2027, 1, 1), date(2027, 3, 20), 1000)
    sends(w, (date(2027, 1, 1), date(2027, 2, 1), 9000), (date(2027, 2, 1), date(2027, 3, 20), 250))
    w.to(date(2027, 3, 20))
    # unbilled, only February's bill is priced on the way, and January's bank is not known: a dishwasher's 1.2 kWh
    # cost 0.20 less each in cheap hours
    before = queries.hour_advice(w.session, account_id=w.account_id, now=w.now)
    assert [(s.code, s.saving) for s in before.savings] == [("dishwasher", D("0.24")), ("car", D("4.00"))]
    for month in (2, 3):
        made(w, date(2027, month, 3))
    w.to(date(2027, 3, 20))
    assert queries.hour_advice(w.session, account_id=w.account_id, now=w.now).savings == ()


def test_nothing_is_asked_where_a_plan_carries_nothing(on_plan: Callable[..., Walk]) -> None:
    w = on_plan(plan("RES-PLAIN", energyratestructure=[[{"rate": 0.10, "unit": "kWh"}]]))
    w.read(date(2027, 1, 1), date(2027, 2, 10), 1000)
    w.bill(date(2027, 2, 3))
    w.to(date(2027, 2, 10))
    with asked(w.session, "FROM bill ") as statements:
        queries.running_period(w.session, account_id=w.account_id, now=w.now)
    assert statements == []


def test_one_question_is_asked_where_it_does(on_plan: Callable[..., Walk]) -> None:
    w = banked(on_plan(plan("RES-BANK", export=BANK)))
    w.to(date(2027, 4, 16))
    with asked(w.session, "FROM bill ") as statements:
        queries.running_period(w.session, account_id=w.account_id, now=w.now)
    assert len(statements) == 1 and "bill_carried" in statements[0]
