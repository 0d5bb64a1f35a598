"""Bills of odd months, each cent with its sum beside it.

RES-FLAT: 11.00 a month, 0.118 a kWh, fuel 0.0214 (0.0268 from 1 November 2027), efficiency 0.0032; taxes 5.9 % and 2 %
of what stands above them. Every line is rounded half up.
"""

from datetime import date
from decimal import Decimal as D

import pytest

from billing import correction_jobs, corrections, jobs, queries
from billing import operations as billing
from core import errors, periods
from core.accounts import operations as accounts
from metering import operations as metering
from tests.scenarios.conftest import ZONE


def test_moving_in_on_8_january_makes_a_short_first_bill(walk):
    w = walk(date(2027, 1, 8))
    w.read(date(2027, 1, 8), date(2027, 2, 1), 1000)
    bill = w.bill(date(2027, 2, 3))
    assert (bill.starts_on, bill.ends_on, bill.days, bill.kwh) == (date(2027, 1, 8), date(2027, 2, 1), 24, D(576))
    assert w.lines(bill) == [
        ("fixed", D("8.52")),  # 11.00 x 24/31 = 8.516
        ("energy", D("67.97")),  # 576 x 0.118 = 67.968
        ("rider", D("12.33")),  # 576 x 0.0214 = 12.326
        ("rider", D("1.84")),  # 576 x 0.0032 = 1.843
        ("tax", D("5.35")),  # 90.66 x 5.9 % = 5.349
        ("tax", D("1.81")),  # 90.66 x 2 % = 1.813
    ]
    assert bill.total == D("97.82") and bill.due_on == date(2027, 2, 23)  # 20 days from 3 February


def test_an_estimated_month_is_put_right_by_the_read_that_came_late(walk):
    w = walk(date(2027, 1, 1))
    w.read(date(2027, 1, 1), date(2027, 2, 10), 1000)
    w.to(date(2027, 3, 2))
    days = periods.Days(date(2027, 2, 1), date(2027, 3, 1))
    made = metering.estimate_gaps(w.session, service_point_id=w.service_point_id, days=days, timezone=ZONE, now=w.now)
    w.session.commit()
    assert made == 19 * 24
    bill = w.bill(date(2027, 3, 3))
    # 672 kWh: 11.00 + 79.30 + 14.38 + 2.15 = 106.83; taxes 6.30 + 2.14
    assert bill.estimated and (bill.kwh, bill.total) == (D(672), D("115.27"))
    w.pay(bill.total)
    w.read(date(2027, 2, 10), date(2027, 3, 1), 2000)  # what was truly used
    w.to(date(2027, 3, 20))
    assert correction_jobs.true_up(w.hub) == 1
    w.session.expire_all()
    anew = w.bills()[0]
    # 9 x 24 + 19 x 48 = 1128 kWh: 11.00 + 133.10 + 24.14 + 3.61 = 171.85; taxes 10.14 + 3.44
    assert (anew.version, anew.kwh, anew.total, anew.estimated) == (2, D(1128), D("185.43"), False)
    assert anew.open_amount == w.balance().amount == D("70.16")  # 185.43 - 115.27, which was paid
    assert correction_jobs.true_up(w.hub) == 0  # and again is nothing


def test_another_plan_from_the_middle_of_a_month(walk):
    w = walk(date(2027, 3, 1))
    w.read(date(2027, 3, 1), date(2027, 5, 1), 1000)
    w.to(date(2027, 4, 16))
    billing.switch_tariff(
        w.session, account_id=w.account_id, tariff_code="RES-TIER", starts_on=date(2027, 4, 16), key="s", now=w.now
    )
    w.session.commit()
    bill = w.bill(date(2027, 5, 3))
    amounts = [amount for _, amount in w.lines(bill)]
    # fifteen days each of 360 kWh. Flat: 11.00 x 15/30, 360 x 0.118, 360 x 0.0214, 360 x 0.0032
    # Steps: 10.00 x 15/30, 600 x 15/30 = 300 kWh at 0.098, 60 at 0.154, and the same riders
    for amount in ("5.50", "42.48", "5.00", "29.40", "9.24"):
        assert D(amount) in amounts
    assert amounts.count(D("7.70")) == amounts.count(D("1.15")) == 2
    # 56.83 + 52.49 = 109.32, taxes 6.45 + 2.19
    assert (bill.tariff_code, bill.total) == ("RES-TIER", D("117.96"))


def test_what_a_switch_today_was_said_to_come_to_is_what_is_billed(walk):
    w = walk(date(2027, 1, 1))
    w.read(date(2027, 1, 1), date(2027, 4, 16), 1000)
    w.to(date(2027, 4, 16))
    today, following, later = queries.preview_switch(
        w.session, account_id=w.account_id, tariff_code="RES-TIER", now=w.now
    )
    assert (today.today, following.today, later.today) == (True, False, False)
    assert (following.starts_on, following.split, later.starts_on) == (date(2027, 5, 1), None, date(2027, 6, 1))
    split = today.split
    assert (split.starts_on, split.ends_on, split.days_before, split.days_after) == (
        date(2027, 4, 1), date(2027, 5, 1), 15, 15,
    )  # fmt: skip
    # the likely use is that of every day before: 24 kWh. Half and half it is the bill of the test above, 117.96;
    # on the old plan alone 11.00 + 84.96 + 15.41 + 2.30 = 113.67, taxes 6.71 + 2.27
    assert (split.likely, split.likely_unchanged) == (D("117.96"), D("122.65"))
    assert today.cooling_off_until == date(2027, 4, 30) and today.exit_fee == 0
    billing.switch_tariff(
        w.session, account_id=w.account_id, tariff_code="RES-TIER", starts_on=today.starts_on, key="s", now=w.now
    )
    w.session.commit()
    w.read(date(2027, 4, 16), date(2027, 5, 1), 1000)
    assert w.bill(date(2027, 5, 3)).total == split.likely


def test_a_switch_before_moving_out_is_told_as_the_last_bill_and_billed_so(walk):
    w = walk(date(2027, 1, 1))
    w.read(date(2027, 1, 1), date(2027, 4, 11), 1000)
    w.to(date(2027, 4, 11))
    accounts.end_agreement(w.session, agreement_id=w.agreement_id, ends_on=date(2027, 4, 21), now=w.now)
    w.session.commit()
    (today,) = queries.preview_switch(w.session, account_id=w.account_id, tariff_code="RES-TIER", now=w.now)
    split = today.split
    assert (split.ends_on, split.days_before, split.days_after) == (date(2027, 4, 21), 10, 10)
    billing.switch_tariff(
        w.session, account_id=w.account_id, tariff_code="RES-TIER", starts_on=today.starts_on, key="s", now=w.now
    )
    w.session.commit()
    coming = queries.forecast_bill(w.session, account_id=w.account_id, now=w.now)
    assert (coming.ends_on, coming.days_left, coming.likely) == (date(2027, 4, 21), 10, split.likely)
    w.read(date(2027, 4, 11), date(2027, 4, 21), 1000)
    w.to(date(2027, 4, 23))
    assert correction_jobs.bill_final(w.hub) == 4  # and the three months before it
    w.session.expire_all()
    last = w.bills()[0]
    # ten days each of 240 kWh. Flat: 3.67 + 28.32 + 5.14 + 0.77 = 37.90; steps: 3.33 + 200 x 0.098 + 40 x 0.154 + 5.14
    # + 0.77 = 35.00; taxes 2.24 + 0.76 + 2.07 (2.065) + 0.70
    assert last.total == split.likely == D("78.67")
    for day in (date(2027, 4, 23), None):
        with pytest.raises(errors.Refused, match="service_ends"):
            billing.switch_tariff(
                w.session, account_id=w.account_id, tariff_code="RES-TOU", starts_on=day, key="n", now=w.now
            )


def test_a_price_that_changes_inside_a_period_with_a_day_of_25_hours(walk):
    w = walk(date(2027, 9, 15), cycle_day=15)
    w.read(date(2027, 9, 15), date(2027, 11, 15), 1000)
    bill = w.bill(date(2027, 11, 17))
    assert (bill.starts_on, bill.ends_on, bill.kwh) == (date(2027, 10, 15), date(2027, 11, 15), D(745))
    assert w.lines(bill) == [
        ("fixed", D("11.17")),  # 11.00 x (17/31 + 14/30) = 11.166
        ("energy", D("87.91")),  # 31 x 24 + 1 = 745 x 0.118: the clocks go back on 7 November
        ("rider", D("8.73")),  # 17 x 24 = 408 x 0.0214 = 8.731
        ("rider", D("9.03")),  # 14 x 24 + 1 = 337 x 0.0268 = 9.032
        ("rider", D("2.38")),  # 745 x 0.0032 = 2.384
        ("tax", D("7.03")),  # 119.22 x 5.9 % = 7.034
        ("tax", D("2.38")),  # 119.22 x 2 % = 2.384
    ]
    assert bill.total == D("128.63")


def test_the_clocks_go_forward_and_back_under_time_of_day_prices(walk):
    w = walk(date(2027, 2, 1), tariff="RES-TOU")
    w.read(date(2027, 2, 1), date(2027, 4, 1), 1000)
    spring = w.bill(date(2027, 4, 3))
    # March 2027: 743 hours; 23 working days with six dear hours = 138 x 0.186 = 25.67; 605 x 0.086 = 52.03
    assert spring.kwh == D(743)
    assert [a for c, a in w.lines(spring) if c == "energy"] == [D("25.67"), D("52.03")]
    # 11.00 + 77.70 + 15.90 + 2.38 = 106.98; taxes 6.31 + 2.14
    assert spring.total == D("115.43")
    w.read(date(2027, 4, 1), date(2027, 12, 1), 1000)
    autumn = w.bill(date(2027, 12, 3))
    # November 2027: 721 hours; 22 working days, one of them Thanksgiving: 21 x 6 = 126 x 0.186 = 23.44; 595 x 0.086
    assert autumn.kwh == D(721)
    assert [a for c, a in w.lines(autumn) if c == "energy"] == [D("23.44"), D("51.17")]
    # 11.00 + 74.61 + 721 x 0.0268 = 19.32 + 2.31 = 107.24; taxes 6.33 + 2.14
    assert autumn.total == D("115.71")


def test_a_month_with_a_leap_day(walk):
    w = walk(date(2028, 1, 1))
    w.read(date(2028, 1, 1), date(2028, 3, 1), 1000)
    bill = w.bill(date(2028, 3, 3))
    # 29 x 24 = 696 kWh: 11.00 + 82.13 + 18.65 + 2.23 = 114.01; taxes 6.73 + 2.28
    assert (bill.days, bill.kwh, bill.total) == (29, D(696), D("123.02"))


def test_the_running_bill_can_be_seen_on_any_day_and_meets_the_real_one(walk):
    w = walk(date(2027, 4, 1))
    w.read(date(2027, 4, 1), date(2027, 5, 1), 1000)
    w.to(date(2027, 4, 1))
    with pytest.raises(errors.NotFound, match=r"usage\.none"):
        corrections.preview_bill(w.session, account_id=w.account_id, now=w.now)
    w.to(date(2027, 4, 11))
    seen = corrections.preview_bill(w.session, account_id=w.account_id, now=w.now)
    # ten days: 11.00 x 10/30 = 3.67; 240 kWh: 28.32 + 5.14 + 0.77; sum 37.90; taxes 2.24 + 0.76
    assert (seen.starts_on, seen.ends_on, seen.bill_ends_on) == (date(2027, 4, 1), date(2027, 4, 11), date(2027, 5, 1))
    assert (seen.kwh, seen.total) == (D(240), D("40.90"))
    assert sum((x.amount for x in seen.lines), D(0)) == seen.total
    w.to(date(2027, 4, 30), hour=23)
    nearly = corrections.preview_bill(w.session, account_id=w.account_id, now=w.now)
    bill = w.bill(date(2027, 5, 3))
    assert nearly.total < bill.total and not w.bills()[1:]


def test_moving_out_makes_a_final_bill_and_gives_the_credit_back(walk):
    w = walk(date(2027, 3, 1))
    w.read(date(2027, 3, 1), date(2027, 5, 13), 1000)
    march = w.bill(date(2027, 4, 3))
    april = w.bill(date(2027, 5, 3))
    # March 743 kWh: 11.00 + 87.67 + 15.90 + 2.38 = 116.95, taxes 6.90 + 2.34; April 720: 11.00 + 84.96 + 15.41 + 2.30
    # = 113.67, taxes 6.71 + 2.27
    assert (march.total, april.total) == (D("126.19"), D("122.65"))
    w.pay("300.00")  # 51.16 more than both
    w.to(date(2027, 5, 10))
    accounts.end_agreement(w.session, agreement_id=w.agreement_id, ends_on=date(2027, 5, 13), now=w.now)
    w.session.commit()
    w.to(date(2027, 5, 14))
    assert correction_jobs.bill_final(w.hub) == 0  # the last reads may still come
    w.to(date(2027, 5, 15))
    assert correction_jobs.bill_final(w.hub) == 1
    w.session.expire_all()
    last = w.bills()[0]
    # 12 days: 11.00 x 12/31 = 4.26; 288 kWh: 33.98 + 6.16 + 0.92; sum 45.32; taxes 2.67 + 0.91
    assert (last.starts_on, last.ends_on, last.total) == (date(2027, 5, 1), date(2027, 5, 13), D("48.90"))
    assert last.open_amount == 0 and w.balance().amount == D("-2.26")  # 300.00 - 126.19 - 122.65 - 48.90
    (payment,) = queries.list_payments(w.session, account_id=w.account_id)
    asked = billing.request_refund(
        w.session, payment_id=payment.id, amount=D("2.26"), actor="staff:ana", reason="moved out", key="r1", now=w.now
    )
    billing.decide_refund(w.session, refund_id=asked.id, approve=True, actor="staff:ben", now=w.now)
    w.session.commit()
    billing.send_refund(w.hub, refund_id=asked.id)
    w.session.expire_all()
    assert w.balance().amount == 0 and all(bill.open_amount == 0 for bill in w.bills())
    assert correction_jobs.bill_final(w.hub) == 0
    w.to(date(2027, 6, 3))
    jobs.run_due_cycles(w.hub)  # the regular run finds nothing left to bill
    w.session.expire_all()
    assert [bill.id for bill in w.bills()] == [last.id, april.id, march.id]


def test_what_was_never_billed_reaches_back_only_as_far_as_the_rules_let_it(walk):
    w = walk(date(2026, 12, 1), jurisdiction="US-TX")  # Texas: six months
    w.read(date(2026, 12, 1), date(2027, 10, 1), 1000)
    w.to(date(2027, 10, 3))
    made = corrections.bill_outstanding(w.session, account_id=w.account_id, now=w.now)
    w.session.commit()
    # from 3 April on: 28 days of April, then five whole months
    assert [(bill.starts_on, bill.ends_on) for bill in made] == [
        (date(2027, 4, 3), date(2027, 5, 1)),
        (date(2027, 5, 1), date(2027, 6, 1)),
        (date(2027, 6, 1), date(2027, 7, 1)),
        (date(2027, 7, 1), date(2027, 8, 1)),
        (date(2027, 8, 1), date(2027, 9, 1)),
        (date(2027, 9, 1), date(2027, 10, 1)),
    ]
    # 11.00 x 28/30 = 10.27; 672 kWh: 79.30 + 14.38 + 2.15; sum 106.10; taxes 6.26 + 2.12
    assert made[0].total == D("114.48")
    assert corrections.bill_outstanding(w.session, account_id=w.account_id, now=w.now) == ()


def test_an_old_bill_may_be_lowered_but_not_raised(walk):
    w = walk(date(2027, 1, 1), jurisdiction="US-TX")
    w.read(date(2027, 1, 1), date(2027, 2, 1), 1000)
    bill = w.bill(date(2027, 2, 3))
    w.read(date(2027, 1, 10), date(2027, 1, 11), 3000, quality="EDITED")
    w.to(date(2027, 9, 1))
    with pytest.raises(errors.Refused, match="back_billing") as refused:
        corrections.rebill(w.session, bill_id=bill.id, actor="staff:ana", reason="meter", now=w.now)
    assert refused.value.data["earliest"] == "2027-03-01"
    assert w.bills()[0].id == bill.id and w.balance().amount == bill.total  # nothing has changed
    w.read(date(2027, 1, 10), date(2027, 1, 11), 500, quality="EDITED")
    done = corrections.rebill(w.session, bill_id=bill.id, actor="staff:ana", reason="meter", now=w.now)
    # 12 kWh less: 1.42 + 0.25 + 0.04 = 1.71 before taxes (87.79 -> 86.38, 15.92 -> 15.66, 2.38 -> 2.34)
    assert done.by_component == {"energy": D("-1.41"), "rider": D("-0.30"), "tax": D("-0.13")}
    assert done.difference == D("-1.84") == w.balance().amount - bill.total
    assert (
        corrections.rebill(w.session, bill_id=bill.id, actor="staff:ana", reason="meter", now=w.now).bill.id
        == done.bill.id
    )
