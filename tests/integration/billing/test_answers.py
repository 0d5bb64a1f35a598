"""What customers ask: why, how much so far, which plan, what would help. Every sum adds up."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from billing import documents, queries
from billing import operations as billing
from core import errors
from core.periods import Days
from tests.integration.billing.conftest import NOW, TODAY

D = Decimal


def bill(hub, *ends):
    for end in ends:
        now = datetime(end.year, end.month, 3, 12, 0, tzinfo=UTC)
        report = billing.run_bills(hub, period_end_on=end, now=now)
        billing.issue_bills(hub, run_id=report.run_id, now=now, announce=False)


def test_an_explanation_adds_up_and_names_the_right_reason(hub, session, make_house):
    # twice the use from October on; September has one day less; nothing about prices changes
    house = make_house(hourly_wh=lambda day, hour: 2000 if day >= date(2026, 10, 1) else 1000)
    bill(hub, date(2026, 10, 1), date(2026, 11, 1))
    said = queries.explain_bill(session, account_id=house.account_id, now=NOW)
    amounts = {d.kind: d.amount for d in said.drivers}
    assert sum(amounts.values()) == said.difference == said.bill.total - said.previous.total
    # 24 kWh of one more day, and 744 kWh more: at 0.118 + 0.0268 + 0.0032 = 0.148
    assert amounts["DAYS"] == D("3.55")
    assert amounts["USAGE"] == D("110.11")
    assert abs(amounts.get("RATE", D(0))) <= D("0.02") and "FIXED" not in amounts
    assert said.drivers[0].kind == "USAGE"
    assert (said.daily_kwh, said.previous_daily_kwh) == (D("48.0"), D("24.0"))


def test_a_price_change_is_told_as_price(hub, session, make_house):
    house = make_house()
    bill(hub, date(2026, 7, 1), date(2026, 8, 1))  # the fuel rider rose on 1 July by 0.0054
    said = queries.explain_bill(session, account_id=house.account_id, now=NOW)
    amounts = {d.kind: d.amount for d in said.drivers}
    assert sum(amounts.values()) == said.difference
    assert amounts["RATE"] == D("4.02") and "USAGE" not in amounts


@pytest.mark.parametrize(("tariff", "kind"), [("RES-TOU", "RESIDENTIAL"), ("RES-TIER", "RESIDENTIAL"),
                                              ("BUS-DEMAND", "BUSINESS")])  # fmt: skip
def test_days_add_up_to_the_bill(hub, session, make_house, tariff, kind):
    house = make_house(
        tariff=tariff, kind=kind, hourly_wh=lambda day, hour: 600 + 90 * hour + 40 * day.day, starts_on=date(2026, 8, 1)
    )
    bill(hub, date(2026, 10, 1), date(2026, 11, 1))
    (newest, _) = queries.list_bills(session, account_id=house.account_id)
    days = queries.cost_of_usage(
        session, account_id=house.account_id, days=Days(date(2026, 10, 1), date(2026, 11, 1)), now=NOW
    )
    assert sum((d.amount for d in days), D(0)) == newest.total
    assert sum((d.kwh for d in days), D(0)) == newest.kwh
    said = queries.explain_bill(session, account_id=house.account_id, now=NOW)
    assert sum((d.amount for d in said.drivers), D(0)) == said.difference
    assert said.busiest_day is not None and said.busiest_day.kwh == max(d.kwh for d in days)


def test_a_forecast_holds_what_is_known_and_meets_a_steady_use(hub, session, make_house):
    house = make_house()
    bill(hub, date(2026, 11, 1))
    seen = queries.forecast_bill(session, account_id=house.account_id, now=NOW)
    assert (seen.starts_on, seen.ends_on) == (date(2026, 11, 1), date(2026, 12, 1))
    assert seen.low <= seen.likely <= seen.high and seen.confidence == "HIGH"
    # 721 hours at 1 kWh: 11.00 + 85.08 + 19.32 + 2.31 = 117.71, taxes 6.94 + 2.35
    assert abs(seen.likely - D("127.00")) < D("0.35")
    assert seen.so_far_kwh == 22 * 24 + 1 and seen.so_far < seen.likely


def test_a_comparison_prices_the_same_year_on_every_plan(hub, session, make_house):
    house = make_house(hourly_wh=lambda day, hour: 2500 if hour in (0, 1, 2, 3, 4) else 150)
    said = queries.compare_tariffs(session, account_id=house.account_id, now=NOW)
    codes = [o.tariff.code for o in said.options]
    assert sorted(codes) == ["RES-EV", "RES-FLAT", "RES-TIER", "RES-TOU"]  # a house is not offered business plans
    assert said.best.tariff.code == "RES-EV" and said.best.saving > 0
    assert said.current.tariff.code == "RES-FLAT" and said.current.saving == 0
    assert all(o.saving == said.current.annual_cost - o.annual_cost for o in said.options)
    assert said.basis_days == 365 and not said.estimated
    with pytest.raises(errors.NotFound):
        queries.compare_tariffs(session, account_id=10**9, now=NOW)


def test_tips_are_found_in_the_reads_and_priced(hub, session, make_house):
    evening = make_house(tariff="RES-TOU", hourly_wh=lambda day, hour: 3000 if 14 <= hour < 20 else 100)
    tips = {t.code: t for t in queries.list_tips(session, account_id=evening.account_id, now=NOW)}
    assert tips["shift_peak"].saving_year > 100 and tips["better_plan"].data["tariff"] in ("RES-FLAT", "RES-TIER")
    assert "night_base" not in tips
    restless = make_house(hourly_wh=800)
    tips = {t.code: t for t in queries.list_tips(session, account_id=restless.account_id, now=NOW)}
    # a quarter of 800 W, all year: 1752 kWh at 0.148 and taxes of 7.9 %
    assert tips["night_base"].data["watts"] == "800"
    assert abs(tips["night_base"].saving_year - D("279")) < 8


def test_a_switch_starts_with_the_next_bill_and_repeats_its_answer(hub, session, make_house):
    house = make_house()
    switch = billing.switch_tariff(
        session, account_id=house.account_id, tariff_code="RES-EV", starts_on=None, key="s", now=NOW
    )
    again = billing.switch_tariff(
        session, account_id=house.account_id, tariff_code="RES-EV", starts_on=None, key="s", now=NOW
    )
    assert switch == again and (switch.from_code, switch.starts_on) == ("RES-FLAT", date(2026, 12, 1))
    assert queries.current_tariff(session, agreement_id=house.agreement_id, on=date(2026, 12, 1)).code == "RES-EV"
    for code, wrong in (("BUS-FLAT", "tariff.not_for_you"), ("RES-TOU", "tariff.switch_pending")):
        with pytest.raises(errors.Refused, match=wrong):
            billing.switch_tariff(
                session, account_id=house.account_id, tariff_code=code, starts_on=None, key=code, now=NOW
            )
    back = billing.cancel_switch(session, account_id=house.account_id, key="c", now=NOW)
    assert (back.from_code, back.to_code) == ("RES-EV", "RES-FLAT")
    assert queries.current_tariff(session, agreement_id=house.agreement_id, on=date(2026, 12, 1)).code == "RES-FLAT"


def test_sales_by_class(hub, session, make_house):
    make_house()
    bill(hub, date(2026, 11, 1))
    (row,) = queries.sales_by_class(session, year=2026)
    assert (row.customer_kind, row.customers, row.kwh, row.revenue) == ("RESIDENTIAL", 1, D("744"), D("121.11"))


def test_a_printed_bill_carries_the_account_over(hub, session, make_house):
    house = make_house()
    bill(hub, date(2026, 10, 1))
    first = queries.list_bills(session, account_id=house.account_id)[0]
    billing.record_payment(
        session, gateway="bank", external_id="p", account_id=house.account_id, amount=D("100.00"), method="check",
        status="SUCCEEDED", at=NOW, now=datetime(2026, 10, 20, tzinfo=UTC),
    )  # fmt: skip
    session.commit()
    bill(hub, date(2026, 11, 1))
    newest = queries.list_bills(session, account_id=house.account_id)[0]
    printed = queries.bill_document(session, bill_id=newest.id)
    assert (printed.balance_before, printed.payments, printed.total) == (first.total, D("-100.00"), newest.total)
    assert printed.due == queries.get_balance(session, account_id=house.account_id, now=NOW).amount
    assert [m.kwh for m in printed.history] == [D("720"), D("744")]
    for locale in ("en", "es"):
        assert documents.bill_pdf(printed, locale).startswith(b"%PDF")


def test_a_year_on_a_plan_counts_its_minimum_and_what_its_ratchet_remembers(session, make_house):
    """Left out, a plan whose price is in its minimum would be recommended as the cheapest."""
    hot = date(2026, 7, 10)
    house = make_house(hourly_wh=lambda day, hour: 10_000 if (day, hour) == (hot, 15) else 1000)
    plain = {"energyratestructure": [[{"rate": 0}]], "tariff": {"kind": "FLAT", "customer_kind": "RESIDENTIAL"}}
    ratchet = {"flatdemandstructure": [[{"rate": 10}]], "lookbackpercent": 0.8, "lookbackrange": 11}
    for code, more in (("RES-TIER", {"annualmincharge": 600, "fixedmonthlycharge": 10}), ("RES-EV", ratchet)):
        billing.publish(session, document={**plain, **more, "label": code, "name": code}, starts_on=TODAY, now=NOW)
    said = queries.compare_tariffs(session, account_id=house.account_id, now=NOW)
    year = {option.tariff.code: option for option in said.options}
    assert year["RES-TIER"].annual_cost == D("600.00")
    # 10 kW in one month, and 80 % of it in the other eleven
    assert year["RES-EV"].annual_cost == D("980.00")
    assert (year["RES-EV"].best_month, year["RES-EV"].worst_month) == (D("80.00"), D("100.00"))


def test_each_plan_has_a_year_of_less_and_of_more_use_and_what_moving_dear_hours_saves(session, make_house):
    house = make_house(hourly_wh=1000)
    sold = {"tariff": {"kind": "FLAT", "customer_kind": "RESIDENTIAL"}}
    hours = [[0] * 16 + [1] * 4 + [0] * 4] * 12
    least = {"mincharge": 100, "minchargeunits": "$/month", "wattline": {"prorates": []}}
    for code, steps, more in (
        ("RES-FLAT", [0.10], {}),
        ("RES-TOU", [0.10, 0.30], {"energyweekdayschedule": hours, "energyweekendschedule": hours}),
        ("RES-TIER", [0.10], least),
    ):
        document = {**sold, **more, "label": code, "name": code, "energyratestructure": [[{"rate": r}] for r in steps]}
        billing.publish(session, document=document, starts_on=TODAY, now=NOW)
    said = queries.compare_tariffs(session, account_id=house.account_id, now=NOW)
    year = {option.tariff.code: option for option in said.options}
    assert said.spread == D("0.10")  # 8 % in common, that would hold eight times in ten: 10.25 %
    flat, tou, tier = (year[code] for code in ("RES-FLAT", "RES-TOU", "RES-TIER"))
    # 8760 hours of 0.9, 1 and 1.1 kWh x 0.10
    assert (flat.low, flat.annual_cost, flat.high, flat.shift_saving) == (D("788.40"), D("876.00"), D("963.60"), None)
    # 7300 x 0.10 + 1460 x 0.30 = 1168.00, a tenth of it less and more; 30 % of 1460 x 0.20 is saved
    assert (tou.low, tou.annual_cost, tou.high) == (D("1051.20"), D("1168.00"), D("1284.80"))
    assert tou.shift_saving == D("87.60")
    # twelve minimums of 100.00, whatever is used: no share of a price, but what the bills would come to
    assert tier.low == tier.annual_cost == tier.high == D("1200.00")


def test_the_range_of_a_year_is_wider_where_the_weeks_differ(session, make_house):
    house = make_house(hourly_wh=lambda day, hour: 500 if day.toordinal() // 7 % 2 else 1000)
    said = queries.compare_tariffs(session, account_id=house.account_id, now=NOW)
    assert said.spread > D("0.20")
    for o in said.options:
        assert o.low < o.annual_cost < o.high
