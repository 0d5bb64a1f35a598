"""Bills paid by SEPA: announced, debited on the due day for no more than was announced, and taken back weeks later.

The house is billed on the 3rd of a month for the month before; its bills are due twenty days later.
"""

from datetime import date, timedelta
from decimal import Decimal as D

import pytest
from sqlalchemy import select

from billing import cash_models, jobs, queries
from billing import operations as billing
from core import outbox, ports
from core.conversations import models as talk


@pytest.fixture
def house(walk):
    w = walk(date(2027, 1, 1), email="test.house@example.com")
    settings = w.hub.settings.model_copy(update={"currency": "EUR", "sepa_creditor_id": "DE98ZZZ09999999999"})
    w.hub = w.hub.with_(settings=settings)
    w.read(date(2027, 1, 1), date(2027, 3, 1), 1000)
    kept = billing.keep_method(
        w.session, account_id=w.account_id, gateway="stripe", method_id="pm_1", gateway_customer_id="cus_1",
        kind="BANK", last4="3000", now=w.now, scheme="SEPA", reference="A1B2C3",
    )  # fmt: skip
    billing.set_autopay(w.session, account_id=w.account_id, enabled=True, saved_method_id=kept.id, key="a", now=w.now)
    w.session.commit()
    return w


def days(w, first, last):
    """Every day's job, from the first day to before the last."""
    for number in range((last - first).days):
        w.to(first + timedelta(days=number))
        jobs.charge_autopay(w.hub)
    w.session.expire_all()


def notices(w):
    rows = w.session.scalars(select(cash_models.DebitNoticeRow).order_by(cash_models.DebitNoticeRow.id))
    return [(row.collect_on, D(row.amount_cents) / 100, row.used_at is not None) for row in rows]


def news(w, kind, charge, amount, event_id, **more):
    told = ports.GatewayEvent(event_id, f"payment.{kind}", charge, amount, "EUR", {}, at=w.now, **more)
    outcome = billing.settle_gateway_event(w.hub, told)
    w.session.expire_all()
    return outcome


def test_a_bill_is_announced_before_its_due_day_and_debited_on_it(house):
    w = house
    w.hub.payments.answers = [("PROCESSING", None)] * 2
    january = w.bill(date(2027, 2, 3))
    days(w, date(2027, 2, 3), january.due_on - timedelta(days=2))
    assert notices(w) == []
    days(w, january.due_on - timedelta(days=2), january.due_on)
    assert notices(w) == [(january.due_on, january.total, False)] and w.hub.payments.charges == {}
    w.pay("20.00")  # what was paid meanwhile is not debited
    days(w, january.due_on, january.due_on + timedelta(days=3))
    ((key, asked),) = w.hub.payments.charges.items()
    assert (asked["amount"], asked["method"], asked["currency"]) == (january.total - D("20.00"), "sepa_debit", "EUR")
    assert notices(w) == [(january.due_on, january.total, True)]
    # the next bill is announced while the first debit is still under way, and the first is not announced again
    february = w.bill(date(2027, 3, 3))
    days(w, february.due_on - timedelta(days=2), february.due_on)
    assert notices(w)[1:] == [(february.due_on, february.total, False)]
    assert news(w, "succeeded", f"pi_{key}", asked["amount"], "e1", method="sepa_debit") == "APPLIED"
    days(w, february.due_on, february.due_on + timedelta(days=1))
    assert [c["amount"] for c in w.hub.payments.charges.values()] == [asked["amount"], february.total]


def test_the_customer_reads_amount_day_and_mandate_once(house):
    w = house
    january = w.bill(date(2027, 2, 3))
    days(w, january.due_on - timedelta(days=2), january.due_on)
    outbox.drain(w.hub)
    outbox.drain(w.hub)
    w.session.expire_all()
    said = [
        m.text
        for m in w.session.scalars(select(talk.MessageRow).order_by(talk.MessageRow.id))
        if m.direction == "OUT" and "A1B2C3" in (m.text or "")
    ]
    assert len(said) == 1
    assert "ending in 3000" in said[0] and "DE98ZZZ09999999999" in said[0] and f"€{january.total}" in said[0]


def test_what_was_taken_back_eight_weeks_later_is_owed_and_waits_for_the_customer(house):
    w = house
    w.hub.payments.answers = [("PROCESSING", None)]
    january = w.bill(date(2027, 2, 3))
    days(w, january.due_on - timedelta(days=2), january.due_on + timedelta(days=1))
    ((key, asked),) = w.hub.payments.charges.items()
    w.to(january.due_on + timedelta(days=7))
    assert news(w, "succeeded", f"pi_{key}", asked["amount"], "e1", method="sepa_debit") == "APPLIED"
    assert w.balance().amount == D("0.00")
    w.to(january.due_on + timedelta(weeks=8))
    back = {"failure_code": "debit_not_authorized"}
    lost = ports.GatewayEvent(
        "e2", "payment.dispute_lost", f"pi_{key}", asked["amount"], "EUR", {"dispute": "dp_1"}, at=w.now, **back
    )
    assert billing.settle_gateway_event(w.hub, lost) == "APPLIED"
    assert billing.settle_gateway_event(w.hub, lost) == "DUPLICATE"
    w.session.expire_all()
    assert w.balance().amount == january.total
    assert queries.list_saved_methods(w.session, account_id=w.account_id) == ()
    days(w, january.due_on + timedelta(weeks=8), january.due_on + timedelta(weeks=9))
    assert len(w.hub.payments.charges) == 1
