"""Money coming in: links, the gateway's events in any order and number, refunds, automatic payment, promises, fees."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from billing import jobs, models, queries
from billing import operations as billing
from core import errors, ports
from core.outbox import FactRow

D = Decimal
AT = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


@pytest.fixture
def house(hub, make_house):
    made = make_house()
    hub.clock.at = AT
    report = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT)
    billing.issue_bills(hub, run_id=report.run_id, now=AT)
    return made


def owes(session, house, now=AT):
    session.expire_all()
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    return queries.get_balance(session, account_id=house.account_id, now=now).amount


def event(kind, external_id="pi_1", amount="130.68", event_id=None, reference="", **more):
    return ports.GatewayEvent(
        event_id or f"{kind}-{external_id}", f"payment.{kind}", external_id, D(amount), "USD",
        {"reference": reference}, **more,
    )  # fmt: skip


def link(session, house, key="k1"):
    made = billing.open_payment_link(session, account_id=house.account_id, amount=None, key=key, now=AT)
    session.commit()
    row = session.scalars(select(models.PaymentLinkRow).where(models.PaymentLinkRow.token == made.token)).one()
    return made, f"link:{row.id}"


def facts(session, name):
    return session.scalars(select(FactRow).where(FactRow.name == name).order_by(FactRow.id)).all()


def test_a_link_is_given_again_for_its_key_and_its_page_is_opened_once(hub, session, house):
    made, reference = link(session, house)
    assert billing.open_payment_link(session, account_id=house.account_id, amount=None, key="k1", now=AT) == made
    assert made.amount == D("130.68") and made.path == f"/pay/{made.token}"
    for _ in range(2):
        billing.begin_checkout(hub, token=made.token, return_url="http://127.0.0.1/back")
    ((_, asked),) = hub.payments.checkouts.items()
    assert (asked["amount"], asked["reference"]) == (D("130.68"), reference)
    hub.clock.move(days=8)
    with pytest.raises(errors.Refused, match=r"payment_link\.expired"):
        billing.begin_checkout(hub, token=made.token, return_url="http://127.0.0.1/back")


@pytest.mark.parametrize(
    ("order", "end", "outcomes"),
    [
        (["processing", "succeeded"], "0.00", ["APPLIED", "APPLIED"]),
        (["succeeded", "processing"], "0.00", ["APPLIED", "STALE"]),
        (["succeeded", "succeeded"], "0.00", ["APPLIED", "DUPLICATE"]),
        (["processing", "failed"], "130.68", ["APPLIED", "APPLIED"]),
        (["failed", "succeeded"], "0.00", ["APPLIED", "APPLIED"]),
        (["succeeded", "failed"], "130.68", ["APPLIED", "APPLIED"]),
    ],
)
def test_events_in_any_order_end_in_the_same_books(hub, session, house, order, end, outcomes):
    _, reference = link(session, house)
    assert [billing.settle_gateway_event(hub, event(k, reference=reference)) for k in order] == outcomes
    assert owes(session, house) == D(end)
    paid = [b.open_amount for b in queries.list_bills(session, account_id=house.account_id)]
    assert paid == [D(end)]
    received = len(facts(session, "payment.received"))
    assert received == order.count("succeeded") - outcomes.count("DUPLICATE")


def test_a_failed_try_leaves_the_link_open_and_a_payment_closes_it(hub, session, house):
    made, reference = link(session, house)
    billing.begin_checkout(hub, token=made.token, return_url="http://127.0.0.1/back")
    billing.settle_gateway_event(hub, event("failed", reference=reference, failure_code="card_declined"))
    billing.begin_checkout(hub, token=made.token, return_url="http://127.0.0.1/back")
    assert len(hub.payments.checkouts) == 2  # another try is another page
    billing.settle_gateway_event(hub, event("succeeded", "pi_2", reference=reference))
    with pytest.raises(errors.Refused, match=r"payment_link\.used"):
        billing.begin_checkout(hub, token=made.token, return_url="http://127.0.0.1/back")


def test_what_is_not_ours_is_parked_and_moves_no_money(hub, session, house):
    assert billing.settle_gateway_event(hub, event("succeeded", "pi_x", reference="link:999999")) == "PARKED"
    assert billing.settle_gateway_event(hub, event("succeeded", "pi_y")) == "PARKED"
    _, reference = link(session, house)
    billing.settle_gateway_event(hub, event("processing", reference=reference))
    assert billing.settle_gateway_event(hub, event("succeeded", amount="1.00", reference=reference)) == "PARKED"
    assert owes(session, house) == D("130.68")
    assert queries.get_balance(session, account_id=house.account_id, now=AT).pending_payments == D("130.68")


def refund(hub, session, payment_id, amount, key="r1", by="staff:ana", agreed_by="staff:bo"):
    asked = billing.request_refund(
        session, payment_id=payment_id, amount=amount, actor=by, reason="paid twice", key=key, now=hub.now()
    )
    session.commit()
    if asked.status == "REQUESTED":
        asked = billing.decide_refund(session, refund_id=asked.id, approve=True, actor=agreed_by, now=hub.now())
        session.commit()
    return billing.send_refund(hub, refund_id=asked.id)


def test_a_refund_counts_once_though_the_gateway_tells_of_it_too(hub, session, house):
    _, reference = link(session, house)
    billing.settle_gateway_event(hub, event("succeeded", reference=reference))
    (payment,) = queries.list_payments(session, account_id=house.account_id)
    for _ in range(2):
        assert refund(hub, session, payment.id, D("30.68")).status == "DONE"
    assert list(hub.payments.refunds.values()) == [D("30.68")]
    assert billing.settle_gateway_event(hub, event("refunded", amount="30.68", event_id="e9")) == "STALE"
    assert owes(session, house) == D("30.68")
    assert [f.payload["refunded"] for f in facts(session, "payment.refunded")] == ["30.68"]
    with pytest.raises(errors.Invalid, match=r"refund\.amount"):
        refund(hub, session, payment.id, D("100.01"), key="r2")


def test_nobody_agrees_to_a_refund_of_their_own_and_two_requests_never_exceed_the_payment(hub, session, house):
    _, reference = link(session, house)
    billing.settle_gateway_event(hub, event("succeeded", reference=reference))
    (payment,) = queries.list_payments(session, account_id=house.account_id)
    ask = {"payment_id": payment.id, "reason": "moved", "now": AT}
    first = billing.request_refund(session, amount=D("100.00"), actor="staff:ana", key="r1", **ask)
    with pytest.raises(errors.Invalid, match=r"refund\.amount"):
        billing.request_refund(session, amount=D("30.69"), actor="staff:bo", key="r2", **ask)
    for same in ("staff:ana", " Staff:Ana ", "cli:kim/ana", "cli:ana/kim"):
        with pytest.raises(errors.Refused, match=r"refund\.same_person"):
            billing.decide_refund(session, refund_id=first.id, approve=True, actor=same, now=AT)
    with pytest.raises(IntegrityError, match="four_eyes"), session.begin_nested():
        session.execute(text("UPDATE refund SET status = 'APPROVED', decided_by = 'cli:kim/Ana'"))
    billing.decide_refund(session, refund_id=first.id, approve=False, actor="staff:bo", now=AT)
    session.commit()
    assert billing.send_refund(hub, refund_id=first.id).status == "REJECTED" and hub.payments.refunds == {}
    assert owes(session, house) == D("0.00")
    # what was not agreed to may be asked for anew
    assert refund(hub, session, payment.id, D("130.68"), key="r3").status == "DONE"
    assert owes(session, house) == D("130.68")


def test_a_refund_whose_answer_was_lost_is_sent_again_as_the_same(hub, session, house):
    _, reference = link(session, house)
    billing.settle_gateway_event(hub, event("succeeded", reference=reference))
    (payment,) = queries.list_payments(session, account_id=house.account_id)
    hub.payments.lose_answers = 1
    with pytest.raises(errors.ProviderError):
        refund(hub, session, payment.id, D("10.00"))
    assert owes(session, house) == D("0.00")
    assert refund(hub, session, payment.id, D("10.00")).status == "DONE"
    # the gateway was asked for it before it would have been sent once more
    assert (hub.payments.refund_calls, list(hub.payments.refunds.values())) == (1, [D("10.00")])
    assert owes(session, house) == D("10.00")


def test_autopay_charges_what_is_due_once(hub, session, house):
    with pytest.raises(errors.Refused, match=r"autopay\.no_method"):
        billing.set_autopay(session, account_id=house.account_id, enabled=True, saved_method_id=None, key="a", now=AT)
    billing.keep_method(
        session, account_id=house.account_id, gateway="stripe", method_id="pm_1", gateway_customer_id="cus_1",
        kind="CARD", last4="4242", now=AT,
    )  # fmt: skip
    on = billing.set_autopay(session, account_id=house.account_id, enabled=True, saved_method_id=None, key="b", now=AT)
    session.commit()
    assert on.enabled and on.method and on.method.last4 == "4242"
    jobs.charge_autopay(hub)
    assert hub.payments.charges == {}  # nothing is due yet
    hub.clock.at = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    hub.payments.down = True
    jobs.charge_autopay(hub)
    hub.payments.down = False
    for _ in range(2):
        jobs.charge_autopay(hub)
    ((_, charge),) = hub.payments.charges.items()
    assert charge["amount"] == D("130.68") and owes(session, house) == D("0.00")


def test_a_promise_is_kept_part_by_part_and_stops_late_fees(hub, session, house):
    preview = billing.preview_arrangement(session, account_id=house.account_id, instalments=3, now=AT)
    assert [i.amount for i in preview.instalments] == [D("43.56")] * 3 and preview.total == D("130.68")
    with pytest.raises(errors.Invalid, match=r"arrangement\.instalments"):
        billing.preview_arrangement(session, account_id=house.account_id, instalments=99, now=AT)
    opened = billing.open_arrangement(session, account_id=house.account_id, instalments=3, key="p", now=AT)
    assert billing.open_arrangement(session, account_id=house.account_id, instalments=3, key="p", now=AT) == opened
    with pytest.raises(errors.Refused, match=r"arrangement\.open"):
        billing.open_arrangement(session, account_id=house.account_id, instalments=2, key="q", now=AT)
    session.commit()
    hub.clock.at = AT + timedelta(days=40)
    jobs.post_late_fees(hub)
    assert session.scalar(select(func.count()).select_from(models.ChargeRow)) == 0
    pay(session, house, "c1", "43.56")
    assert queries.get_arrangement(session, account_id=house.account_id).paid == D("43.56")
    pay(session, house, "c2", "87.12")
    session.expire_all()
    kept = queries.get_arrangement(session, account_id=house.account_id)
    assert (kept.status, kept.paid) == ("KEPT", kept.total)
    assert len(facts(session, "arrangement.kept")) == 1


def pay(session, house, external_id, amount, now=AT):
    billing.record_payment(
        session, gateway="bank", external_id=external_id, account_id=house.account_id, amount=D(amount),
        method="check", status="SUCCEEDED", at=now, now=now,
    )  # fmt: skip
    session.commit()


def test_a_missed_part_breaks_the_promise_and_late_fees_come_back(hub, session, house):
    billing.open_arrangement(session, account_id=house.account_id, instalments=2, key="p", now=AT)
    session.commit()
    hub.clock.at = AT + timedelta(days=18, hours=2)  # due after 14 days, 3 days of grace
    jobs.follow_arrangements(hub)
    session.expire_all()
    assert queries.get_arrangement(session, account_id=house.account_id).status == "BROKEN"
    hub.clock.at = datetime(2026, 12, 10, 15, 0, tzinfo=UTC)
    for _ in range(2):
        jobs.post_late_fees(hub)  # once in thirty days
    assert owes(session, house) == D("130.68") + D("1.96")  # 1.5 %
    hub.clock.move(days=31)
    billing.open_dispute(
        session, account_id=house.account_id, bill_id=queries.list_bills(session, account_id=house.account_id)[0].id,
        reason="too high", key="d", now=AT,
    )  # fmt: skip
    session.commit()
    jobs.post_late_fees(hub)
    assert owes(session, house) == D("132.64")  # a disputed bill draws none
    assert queries.late_fee_status(session, account_id=house.account_id, now=hub.now()).blocked_by == "DISPUTE"


def test_a_bank_file_is_loaded_once(hub, session, house):
    lines = [billing.FilePayment(house.account_id, f"f{n}", D("50.00"), "check", AT) for n in range(3)]
    assert billing.record_payment_file(session, gateway="bank", payments=lines, now=AT) == 3
    assert billing.record_payment_file(session, gateway="bank", payments=lines, now=AT) == 0
    assert owes(session, house) == D("-19.32")
    shared = session.scalar(select(func.sum(models.AllocationRow.amount_cents)))
    assert shared == 13068


def test_facts_carry_amounts_as_text(hub, session, house):
    (issued,) = facts(session, "bill.issued")
    assert issued.payload["total"] == "130.68" and issued.payload["due_on"] == "2026-11-23"


@pytest.mark.parametrize(
    "reference", ["account:99999999999999999999", "link:99999999999999999999", "account:²", "-", ""]
)
def test_news_that_names_nothing_that_could_be_ours_is_parked(hub, session, house, reference):
    """An error would be told to the gateway, which would repeat the news for days, and nobody here would see it."""
    assert billing.settle_gateway_event(hub, event("succeeded", reference=reference)) == "PARKED"
    assert billing.settle_gateway_event(hub, event("succeeded", reference=reference)) == "DUPLICATE"


@pytest.mark.parametrize("amount", ["0.00", "-5.00", "99999999999999999.00"])
def test_news_of_an_amount_that_no_payment_has_is_parked(hub, session, house, amount):
    _, reference = link(session, house)
    assert billing.settle_gateway_event(hub, event("succeeded", amount=amount, reference=reference)) == "PARKED"
    assert owes(session, house) == D("130.68")
