"""Statements, the close of a month, reconciliation with the gateway, disputes and debits that come back."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from billing import books, cash_models, jobs, models, queries, reconciling
from billing import operations as billing
from core import errors, ports
from core.outbox import FactRow
from tests.integration.billing import books_check
from tests.integration.billing.test_payments import AT, event, facts, house, link, owes, pay  # noqa: F401

D = Decimal


def dispute(kind, amount="130.68", number="dp_1"):
    told = event(kind, amount=amount, failure_code="fraudulent", event_id=f"{kind}-{number}")
    return ports.GatewayEvent(**{**told.__dict__, "metadata": {"dispute": number}})


@pytest.mark.parametrize(("end", "owed"), [("dispute_won", "0.00"), ("dispute_lost", "130.68")])
@pytest.mark.parametrize("told_first", ["opened", "ended"])
def test_a_dispute_holds_the_money_and_ends_in_either_order(hub, session, house, end, owed, told_first):  # noqa: F811
    _, reference = link(session, house)
    billing.settle_gateway_event(hub, event("succeeded", reference=reference))
    if told_first == "opened":
        assert billing.settle_gateway_event(hub, dispute("disputed")) == "APPLIED"
        assert owes(session, house) == D("0.00")  # held: 130.68 in dispute, nothing owed again
        books_check.check(session)
        assert billing.settle_gateway_event(hub, dispute(end)) == "APPLIED"
    else:
        assert billing.settle_gateway_event(hub, dispute(end)) == "APPLIED"
        assert billing.settle_gateway_event(hub, dispute("disputed")) == "STALE"
    assert owes(session, house) == D(owed)  # won 0.00; lost 130.68 - 0.00
    books_check.check(session)


def test_news_that_comes_before_its_payment_waits_for_it(hub, session, house):  # noqa: F811
    _, reference = link(session, house)
    assert billing.settle_gateway_event(hub, event("refunded", amount="30.68")) == "PARKED"
    billing.settle_gateway_event(hub, event("processing", reference=reference))
    assert owes(session, house) == D("130.68")
    billing.settle_gateway_event(hub, event("succeeded", reference=reference))
    assert owes(session, house) == D("30.68")  # 130.68 - 130.68 + 30.68
    kept = session.scalars(select(models.PaymentEventRow).where(models.PaymentEventRow.kind == "payment.refunded"))
    assert [row.outcome for row in kept] == ["APPLIED"]


def test_money_of_another_country_is_parked_until_somebody_looks(hub, session, house):  # noqa: F811
    _, reference = link(session, house)
    told = event("succeeded", reference=reference)
    euros = ports.GatewayEvent(**{**told.__dict__, "currency": "EUR"})
    assert billing.settle_gateway_event(hub, euros) == "PARKED"
    assert owes(session, house) == D("130.68")
    (parked,) = queries.list_parked(session)
    assert (parked.reason, parked.currency) == ("CURRENCY", "EUR")
    how = {"actor": "staff:ana", "currency": "USD", "now": AT}
    assert billing.resolve_parked(session, event_id=parked.id, account_number=None, **how) == "DISMISSED"
    assert queries.list_parked(session) == ()
    with pytest.raises(errors.Refused, match=r"payment_event\.decided"):
        billing.resolve_parked(session, event_id=parked.id, account_number=None, **how)


def test_an_overpayment_pays_the_next_bill(hub, session, house):  # noqa: F811
    pay(session, house, "p1", "200.00")
    assert owes(session, house) == D("-69.32")  # 130.68 - 200.00
    report = billing.run_bills(hub, period_end_on=date(2026, 10, 1), now=AT)
    billing.issue_bills(hub, run_id=report.run_id, now=AT)
    session.expire_all()
    bills = queries.list_bills(session, account_id=house.account_id)
    open_amounts = {bill.starts_on: bill.open_amount for bill in bills}
    september = next(bill for bill in bills if bill.starts_on == date(2026, 9, 1))
    assert open_amounts[date(2026, 9, 1)] == september.total - D("69.32")
    assert owes(session, house) == september.total - D("69.32")
    books_check.check(session)


def test_a_returned_debit_costs_its_fee_once_is_tried_thrice_and_then_waits(hub, session, house):  # noqa: F811
    kept = billing.keep_method(
        session, account_id=house.account_id, gateway="stripe", method_id="pm_1", gateway_customer_id="cus_1",
        kind="BANK", last4="6789", now=AT,
    )  # fmt: skip
    billing.set_autopay(session, account_id=house.account_id, enabled=True, saved_method_id=kept.id, key="a", now=AT)
    session.commit()
    hub.payments.answers = [("PROCESSING", None)] * 3
    hub.clock.at = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    for number in range(3):
        for _ in range(2):
            jobs.charge_autopay(hub)
        key = list(hub.payments.charges)[-1]
        assert len(hub.payments.charges) == number + 1
        asked = str(hub.payments.charges[key]["amount"])
        billing.settle_gateway_event(
            hub, event("failed", f"pi_{key}", asked, method="us_bank_account", failure_code="insufficient_funds")
        )
        jobs.charge_autopay(hub)
        assert len(hub.payments.charges) == number + 1  # not before three days have gone
        hub.clock.move(days=3, hours=1)
    jobs.charge_autopay(hub)
    assert [d["amount"] for d in hub.payments.charges.values()] == [D("130.68"), D("150.68"), D("150.68")]
    assert owes(session, house) == D("150.68")  # 130.68 + 20.00 once
    assert [f.payload["failure_code"] for f in facts(session, "autopay.paused")] == ["insufficient_funds"]
    assert [f.payload["fee"] for f in facts(session, "payment.returned")] == ["20.00", "0.00", "0.00"]
    billing.remove_method(session, account_id=house.account_id, saved_method_id=kept.id, now=AT)
    assert queries.list_saved_methods(session, account_id=house.account_id) == ()
    mandate = session.scalars(select(cash_models.MandateRow)).one()
    assert (mandate.accepted_how, mandate.revoked_at) == ("HOSTED_PAGE", AT)
    assert session.scalars(select(FactRow).where(FactRow.name == "method.removed")).one()
    books_check.check(session)


def test_an_unknown_outcome_is_asked_again_under_the_same_key(hub, session, house):  # noqa: F811
    kept = billing.keep_method(
        session, account_id=house.account_id, gateway="stripe", method_id="pm_1", gateway_customer_id="cus_1",
        kind="CARD", last4="4242", now=AT,
    )  # fmt: skip
    billing.set_autopay(session, account_id=house.account_id, enabled=True, saved_method_id=kept.id, key="a", now=AT)
    session.commit()
    hub.clock.at = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    hub.payments.lose_answers = 1
    jobs.charge_autopay(hub)  # the money was taken, and nobody told us
    assert owes(session, house) == D("130.68")
    jobs.charge_autopay(hub)
    assert len(hub.payments.charges) == 1 and owes(session, house) == D("0.00")


def test_a_deposit_is_held_and_comes_back_with_interest(hub, session, house):  # noqa: F811
    deposit_id = billing.charge_deposit(
        session, account_id=house.account_id, amount=D("146.00"), rule="x", on=AT.date(), key="d", now=AT
    )
    with pytest.raises(errors.Refused, match=r"deposit\.not_held"):
        billing.return_deposit(session, deposit_id=deposit_id, actor="staff:ana", now=AT)
    pay(session, house, "p1", "276.68")  # 130.68 + 146.00
    later = AT + timedelta(days=365)
    back = billing.return_deposit(session, deposit_id=deposit_id, actor="staff:ana", now=later)
    assert back == D("148.92")  # 146.00 + 146.00 x 2 % x 365 / 365
    assert billing.return_deposit(session, deposit_id=deposit_id, actor="staff:ana", now=later) == back
    assert owes(session, house) == D("-148.92")
    books_check.check(session)


def test_what_was_written_off_is_recovered_when_money_comes(hub, session, house):  # noqa: F811
    how = {"account_id": house.account_id, "reason": "gone", "actor": "staff:ana", "key": "w", "now": AT}
    assert billing.write_off(session, **how) == D("130.68") == billing.write_off(session, **how)
    assert owes(session, house) == D("0.00")
    pay(session, house, "p1", "50.00")
    assert owes(session, house) == D("0.00")  # 50.00 paid, 50.00 of the write-off taken back
    pay(session, house, "p2", "100.00")
    assert owes(session, house) == D("-19.32")  # 150.00 - 130.68
    books_check.check(session)


def test_a_statement_runs_from_its_opening_to_its_closing_balance(hub, session, house):  # noqa: F811
    pay(session, house, "p1", "100.00")
    day = AT.date()
    found = books.account_statement(
        session, account_id=house.account_id, starts_on=day, ends_on=day + timedelta(days=1)
    )
    assert [(x.kind, x.amount, x.balance) for x in found.lines] == [
        ("BILL", D("130.68"), D("130.68")), ("PAYMENT", D("-100.00"), D("30.68")),
    ]  # fmt: skip
    assert (found.opening, found.closing) == (D("0.00"), D("30.68"))
    after = books.account_statement(
        session, account_id=house.account_id, starts_on=day + timedelta(days=1), ends_on=day + timedelta(days=2)
    )
    assert (after.opening, after.lines, after.closing) == (D("30.68"), (), D("30.68"))


def test_what_happens_in_the_evening_is_booked_on_its_day_there(hub, session, house):  # noqa: F811
    """31 October, half past eight in New York, is November in the clock of the servers."""
    evening, last = datetime(2026, 11, 1, 0, 30, tzinfo=UTC), date(2026, 10, 31)
    midnight = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
    pay(session, house, "p1", "100.00", evening)
    billing.give_credit(
        session, account_id=house.account_id, kind="GOODWILL", amount=D("5.00"), reason="sorry", actor="staff:ana",
        key="c", now=evening,
    )  # fmt: skip
    found = books.account_statement(session, account_id=house.account_id, starts_on=last, ends_on=date(2026, 11, 1))
    assert [(x.on, x.kind) for x in found.lines] == [(last, "PAYMENT"), (last, "CREDIT")]
    lines = [billing.FilePayment(house.account_id, f"f{at:%H%M}", D("1.00"), "check", at) for at in (evening, midnight)]
    billing.record_payment_file(session, gateway="lockbox", payments=lines, now=AT)
    found = books.account_statement(session, account_id=house.account_id, starts_on=last, ends_on=date(2026, 11, 2))
    assert [x.on for x in found.lines if x.amount == D("-1.00")] == [last, date(2026, 11, 1)]


def test_a_closed_month_stays_as_it_was_and_late_news_counts_in_the_next(hub, session, house):  # noqa: F811
    november, december = date(2026, 11, 1), datetime(2026, 12, 2, tzinfo=UTC)
    ana = {"actor": "staff:ana", "timezone": "America/New_York"}
    for early in (AT, datetime(2026, 12, 1, 4, 59, tzinfo=UTC)):  # one minute to midnight of 30 November there
        with pytest.raises(errors.Refused, match=r"ledger\.month_not_over"):
            books.close_month(session, month=november, now=early, **ana)
    closed = books.close_month(session, month=november, now=december, **ana)
    assert sum(x.debit for x in closed) == sum(x.credit for x in closed) == 13068
    pay(session, house, "p1", "100.00")  # of 3 November, told in December
    assert books.trial_balance(session, month=november) == closed
    cash = {x.code: x for x in books.trial_balance(session, month=date(2026, 12, 1))}
    assert (cash["CASH"].debit, cash["RECEIVABLE"].opening, cash["RECEIVABLE"].closing) == (10000, 13068, 3068)
    with pytest.raises(errors.Refused, match=r"ledger\.earlier_open"):
        books.close_month(session, month=date(2027, 1, 1), now=datetime(2027, 3, 1, tzinfo=UTC), **ana)
    late = text(
        "INSERT INTO ledger_journal (key, kind, account_id, effective_on, posted_at, codes, cents)"
        " VALUES ('late', 'CREDIT', :a, '2026-11-05', now(), '{RECEIVABLE,ADJUSTMENTS}', '{-1,1}')"
    )
    with pytest.raises(IntegrityError, match="is closed"), session.begin_nested():
        session.execute(late, {"a": house.account_id})


def test_reconciliation_finds_what_is_missing_on_either_side_and_what_differs(hub, session, house):  # noqa: F811
    def moved(number, external_id, amount):
        return ports.GatewayMovement(f"txn_{number}", external_id, "charge", D(amount), "USD", AT)

    for name, amount in (("pi_1", "50.00"), ("pi_2", "40.00"), ("pi_3", "30.00")):
        told = event("succeeded", name, amount, reference=f"account:{house.account_id}")
        billing.settle_gateway_event(hub, told)
    billing.settle_gateway_event(hub, event("failed", "pi_4", "9.00", reference=f"account:{house.account_id}"))
    hub.payments.movements = [
        moved(1, "pi_1", "50.00"), moved(2, "pi_2", "40.00"), moved(3, "pi_2", "-1.00"), moved(4, "pi_9", "7.00"),
    ]  # fmt: skip
    hub.clock.move(days=1)
    assert (reconciling.pull_movements(hub), reconciling.pull_movements(hub)) == (4, 0)
    agreed, differences = reconciling.reconcile(session, gateway="stripe", now=hub.now())
    assert agreed == 1
    assert [(d.kind, d.external_id, d.ours, d.theirs) for d in differences] == [
        ("MISSING_THERE", "pi_3", D("30.00"), D("0.00")),
        ("MISSING_HERE", "pi_9", D("0.00"), D("7.00")),
        ("AMOUNT_DIFFERS", "pi_2", D("40.00"), D("39.00")),
    ]
