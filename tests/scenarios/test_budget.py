"""A level amount through the year, each cent with its sum beside it. RES-FLAT's prices stand in the year's scenarios.

A month of `n` hours at 1 kWh is, from 1 November 2027: 11.00 + n x 0.118 + n x 0.0268 + n x 0.0032, and 5.9 % and 2 %.
"""

from datetime import date
from decimal import Decimal as D

import pytest
from sqlalchemy import text

from billing import arrears_jobs, budget_jobs, queries
from billing import operations as billing
from core import errors
from core.accounts import operations as accounts
from tests.integration.billing import books_check


def deferred(w):
    """What stands in BUDGET_DEFERRED, in the ledger itself."""
    cents = w.session.execute(
        text("SELECT coalesce(sum(debit_cents - credit_cents), 0) FROM ledger_entry WHERE code = 'BUDGET_DEFERRED'")
    ).scalar_one()
    return D(int(cents)) / 100


def stands(w):
    w.session.expire_all()
    books_check.check(w.session)
    found = queries.find_budget(w.session, account_id=w.account_id, now=w.now)
    assert found.balance == deferred(w)
    return found


def join(w, kwh=None, key="b"):
    made = billing.open_budget(w.session, account_id=w.account_id, key=key, now=w.now, monthly_kwh=kwh)
    w.session.commit()
    return made


def test_a_stated_use_a_cold_month_a_mild_one_and_the_way_out(walk):
    w = walk(date(2028, 1, 1))
    w.to(date(2028, 1, 3))
    with pytest.raises(errors.NotFound):  # nothing was used yet, and nothing stated
        billing.preview_budget(w.session, account_id=w.account_id, now=w.now)
    for kwh in ("0", "-5", "100001"):
        with pytest.raises(errors.Invalid, match=r"budget\.kwh"):
            billing.preview_budget(w.session, account_id=w.account_id, now=w.now, monthly_kwh=D(kwh))
    made = join(w, D(720))
    # 720 kWh: 11.00 + 84.96 + 19.30 + 2.30 = 117.56; taxes 6.94 + 2.35 = 126.85; x 12 = 1522.20; a twelfth, in dollars
    assert (made.level, made.balance) == (D("127.00"), D("0.00"))
    assert join(w, D(720)) == made  # the same key is the same budget
    with pytest.raises(errors.Refused, match=r"budget\.open"):
        join(w, D(720), key="c")
    w.read(date(2028, 1, 1), date(2028, 2, 1), 2000)
    bill = w.bill(date(2028, 2, 3))
    printed = queries.bill_document(w.session, bill_id=bill.id)
    assert (printed.total, printed.budget, printed.due) == (D("249.48"), D("-122.48"), D("127.00"))
    assert printed.budget_balance == D("122.48")
    # 1488 kWh: 11.00 + 175.58 + 39.88 + 4.76 = 231.22; taxes 13.64 + 4.62 = 249.48: exact underneath
    assert (bill.total, bill.open_amount) == (D("249.48"), D("127.00"))
    assert w.balance().amount == D("127.00") and stands(w).balance == D("122.48")  # 249.48 - 127.00
    w.pay("127.00")
    assert w.balance().amount == D("0.00")
    w.read(date(2028, 2, 1), date(2028, 3, 1), 500)
    bill = w.bill(date(2028, 3, 3))
    # 29 days, 348 kWh: 11.00 + 41.06 + 9.33 + 1.11 = 62.50; taxes 3.69 + 1.25 = 67.44
    assert bill.total == D("67.44")
    assert w.balance().amount == D("127.00") and w.balance().due_on == bill.due_on
    assert stands(w).balance == D("62.92")  # 122.48 + 67.44 - 127.00
    w.pay("127.00")
    assert w.balance().amount == D("0.00")
    # leaving makes the balance due, with a due date of its own
    left = billing.leave_budget(w.session, account_id=w.account_id, now=w.now)
    w.session.commit()
    assert (left.status, left.balance) == ("ENDED", D("0.00"))
    assert w.balance().amount == D("62.92") and stands(w).end_reason == "LEFT"
    with pytest.raises(errors.Refused, match=r"budget\.too_soon"):
        billing.preview_budget(w.session, account_id=w.account_id, now=w.now, monthly_kwh=D(720))
    w.pay("62.92")
    # all that was paid is all that was billed: 249.48 + 67.44 = 316.92 = 127.00 + 127.00 + 62.92
    assert w.balance().amount == D("0.00") and sum(b.total for b in w.bills()) == D("316.92")


def test_the_reminder_and_the_news_of_a_bill_name_what_is_due(walk):
    w = walk(date(2028, 1, 1), email="house@example.org")
    w.to(date(2028, 1, 3))
    join(w, D(720))
    w.read(date(2028, 1, 1), date(2028, 2, 1), 500)
    bill = w.bill(date(2028, 2, 3))
    fact = w.session.execute(text("SELECT payload FROM fact WHERE name = 'bill.issued'")).scalar_one()
    assert (fact["total"], fact["budget_due"]) == ("71.28", "127.00")
    told = 0
    for day in range(1, 21):
        w.to(date(2028, 2, 3 + day))
        told += arrears_jobs.remind_due(w.hub)
    assert told == 2 and bill.due_on == date(2028, 2, 23)  # five days before and one
    said = w.session.execute(text("SELECT text FROM message WHERE text LIKE '%127.00%'")).scalars().all()
    assert len(said) == 2


def test_a_bill_put_right_leaves_the_level_and_changes_the_balance(walk):
    w = walk(date(2028, 1, 1))
    w.to(date(2028, 1, 3))
    join(w, D(720))
    w.read(date(2028, 1, 1), date(2028, 2, 1), 2000)
    bill = w.bill(date(2028, 2, 3))
    w.pay("127.00")
    printed = queries.bill_document(w.session, bill_id=bill.id)
    w.to(date(2028, 2, 3), hour=14)
    w.read(date(2028, 1, 1), date(2028, 2, 1), 1000)
    billing.rebill(w.session, bill_id=bill.id, actor="staff:ana", reason="a wrong read", now=w.now)
    w.session.commit()
    w.session.expire_all()
    anew = w.bills()[0]
    # 744 kWh: 11.00 + 87.79 + 19.94 + 2.38 = 121.11; taxes 7.15 + 2.42 = 130.68; due is the level all the same
    assert (anew.version, anew.total, anew.open_amount) == (2, D("130.68"), D("0.00"))
    assert w.balance().amount == D("0.00") and stands(w).balance == D("3.68")  # 130.68 - 127.00
    # drawn again, the cancelled bill knows what the budget did to it, and nothing of its end
    again = queries.bill_document(w.session, bill_id=bill.id)
    assert again == printed and again.budget_balance == bill.total - D("127.00")
    assert queries.bill_document(w.session, bill_id=anew.id).budget_balance == D("3.68")


def test_moving_out_ends_it_with_the_last_bill(walk):
    w = walk(date(2028, 1, 1))
    w.to(date(2028, 1, 3))
    join(w, D(720))
    w.read(date(2028, 1, 1), date(2028, 2, 1), 500)
    w.bill(date(2028, 2, 3))
    # 372 kWh: 11.00 + 43.90 + 9.97 + 1.19 = 66.06; taxes 3.90 + 1.32 = 71.28; the level is 55.72 more
    assert w.balance().amount == D("127.00") and stands(w).balance == D("-55.72")
    w.pay("127.00")
    accounts.end_agreement(w.session, agreement_id=w.agreement_id, ends_on=date(2028, 3, 1), now=w.now)
    w.session.commit()
    w.read(date(2028, 2, 1), date(2028, 3, 1), 500)
    bill = w.bill(date(2028, 3, 3))
    found = stands(w)
    assert (found.status, found.end_reason, found.balance) == ("ENDED", "MOVED", D("0.00"))
    # the last bill is due as it is, 67.44, less the 55.72 that were paid ahead
    assert bill.total == D("67.44") and w.balance().amount == D("11.72")


def test_two_missed_bills_end_it_and_dunning_looks_at_what_was_due(walk):
    w = walk(date(2028, 1, 1))
    w.to(date(2028, 1, 3))
    join(w, D(720))
    w.read(date(2028, 1, 1), date(2028, 3, 1), 2000)
    first = w.bill(date(2028, 2, 3))
    w.to(date(2028, 2, 27))
    assert budget_jobs.review_budgets(w.hub) == {}
    assert w.balance().overdue == D("127.00")  # not 249.48
    arrears_jobs.climb(w.hub)
    w.session.expire_all()
    asked = w.session.execute(text("SELECT overdue_cents FROM dunning_step")).scalars().all()
    assert asked == [12700]
    w.bill(date(2028, 3, 3))
    w.to(date(2028, 3, 30))
    assert budget_jobs.review_budgets(w.hub) == {"MISSED": 1}
    found = stands(w)
    # 29 days at 2 kWh, 1392 kWh: 11.00 + 164.26 + 37.31 + 4.45 = 217.02; taxes 12.80 + 4.34 = 234.16
    assert first.total == D("249.48") and w.bills()[0].total == D("234.16")
    assert (found.end_reason, w.balance().amount) == ("MISSED", D("483.64"))  # both bills, whole
    assert budget_jobs.review_budgets(w.hub) == {}


def test_reviews_move_the_level_by_the_cap_with_notice_and_the_year_is_settled(walk):
    w = walk(date(2028, 1, 1))
    w.to(date(2028, 1, 3))
    join(w, D(360))
    # 360 kWh: 11.00 + 42.48 + 9.65 + 1.15 = 64.28; taxes 3.79 + 1.29 = 69.36: a level of 69.00
    w.read(date(2028, 1, 1), date(2029, 3, 1), 1000)
    for month in (2, 3, 4):
        w.bill(date(2028, month, 3))
        w.pay(w.balance().amount)
    # January as above, 130.68; February, 696 kWh: 11.00 + 82.13 + 18.65 + 2.23 = 114.01; 6.73 + 2.28 = 123.02
    # March has an hour less, 743 kWh: 11.00 + 87.67 + 19.91 + 2.38 = 120.96; 7.14 + 2.42 = 130.52
    assert [b.total for b in w.bills()] == [D("130.52"), D("123.02"), D("130.68")]
    assert stands(w).balance == D("177.22")  # 384.22 - 3 x 69.00
    assert budget_jobs.review_budgets(w.hub) == {"CHANGED": 1}
    found = stands(w)
    # what is thought to come and what is owed would be more than double: the cap of 20 % is 13.80, in dollars 13.00
    assert (found.level, found.next_level, found.next_level_from) == (D("69.00"), D("82.00"), date(2028, 5, 3))
    assert budget_jobs.review_budgets(w.hub) == {}  # once
    for month in range(5, 13):
        w.bill(date(2028, month, 3))
        w.pay(w.balance().amount)
        budget_jobs.review_budgets(w.hub)
    levels = w.session.execute(text("SELECT level_cents FROM budget_level ORDER BY position")).scalars().all()
    assert levels == [6900, 8200, 9800, 11700]  # + 16.40 -> 16, + 19.60 -> 19
    w.bill(date(2029, 1, 3))
    before = stands(w).balance
    paid = sum(m.due for m in stands(w).months)
    assert before == sum(m.actual for m in stands(w).months) - paid
    assert budget_jobs.review_budgets(w.hub) == {"CHANGED": 1} or stands(w).ends_on == date(2030, 1, 3)
    found = stands(w)
    # more than 100.00 is spread over six months, each up to the cent; what is left then is nothing
    assert (found.starts_on, found.catch_up, found.balance) == (date(2029, 1, 3), before, before)
    w.bill(date(2029, 2, 3))
    after = stands(w)
    part = -(-int(before * 100) // 6)
    assert after.catch_up == before - D(part) / 100
    # and the level is a twelfth of what the year came to, in dollars, thirty days after it was told
    year = sum(b.total for b in w.bills()[1:13])
    assert round(year / 12) == 129 and after.months[-1].due == D("129.00") + D(part) / 100
