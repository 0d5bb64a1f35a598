"""SEPA from the mandate to the refund: set up on the gateway's page, announced, debited days later, and taken back."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest
import requests
from sqlalchemy import select

from billing import cash_models, jobs, models, queries
from billing import operations as billing
from billing.gateways.stripe_gateway import StripeGateway
from core import errors
from core.outbox import FactRow
from tests.integration.billing import books_check
from tests.integration.sandbox.conftest import running, town

__all__ = ["running", "town"]  # fixtures of the sandbox

AT = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
GOOD, POOR, DISPUTED = "DE89370400440532013000", "DE65370400440002222227", "DE35370400440532013002"


@pytest.fixture
def euro(hub, town):
    config = town.config
    gateway = StripeGateway(
        api_key=config.stripe_api_key, webhook_secret=config.stripe_webhook_secret, api_base=f"{town.url}/stripe"
    )
    hub.clock.at = datetime.now(UTC)
    settings = hub.settings.model_copy(update={"currency": "EUR", "sepa_creditor_id": "DE98ZZZ09999999999"})
    return hub.with_(payments=gateway, settings=settings)


def settle(hub, town, kind, seen):
    """Every event of a kind that was not looked at before, as the hub's door would take it."""

    def fresh(item):
        told = json.loads(item.body)
        return told["type"] == kind and told["id"] not in seen

    outcomes = []
    for item in town.hub.wait("/hooks/payments/stripe", match=fresh):
        seen.add(json.loads(item.body)["id"])
        event = hub.payments.parse_webhook(item.body, item.headers["Stripe-Signature"], datetime.now(UTC))
        outcomes.append(billing.settle_gateway_event(hub, event))
    return outcomes


def set_up(hub, town, session, house, iban, seen):
    page = billing.begin_setup(
        hub, account_id=house.account_id, method="sepa_debit", return_url="http://127.0.0.1/back", locale="en", key="s"
    )
    shown = requests.get(page.url, timeout=5).text
    assert "SEPA Direct Debit" in shown and "within eight weeks" in shown
    wrong = requests.post(
        page.url, data={"method": "sepa_debit", "iban": "DE00" + iban[4:], "name": "Omar"}, timeout=5,
        allow_redirects=False,
    )  # fmt: skip
    assert wrong.status_code == 200 and "The IBAN you provided is invalid." in wrong.text
    form = {"method": "sepa_debit", "iban": iban, "name": "Omar"}
    assert requests.post(page.url, data=form, timeout=5, allow_redirects=False).status_code == 303
    assert settle(hub, town, "setup_intent.succeeded", seen) == ["APPLIED"]
    (kept,) = queries.list_saved_methods(session, account_id=house.account_id)
    return kept


def bill(hub, house):
    report = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT)
    billing.issue_bills(hub, run_id=report.run_id, now=AT)


def facts(session, name):
    session.expire_all()
    return session.scalars(select(FactRow).where(FactRow.name == name).order_by(FactRow.id)).all()


def balance(hub, session, house):
    session.expire_all()
    return queries.get_balance(session, account_id=house.account_id, now=hub.now())


def begun(hub, town, session, house, iban, seen):
    """The mandate is set up, autopay on, the bill announced, and its day has come: the debit is under way."""
    kept = set_up(hub, town, session, house, iban, seen)
    billing.set_autopay(session, account_id=house.account_id, enabled=True, saved_method_id=kept.id, key="a", now=AT)
    session.commit()
    bill(hub, house)
    hub.clock.at = datetime(2026, 11, 23, 15, tzinfo=UTC)  # due that day: too late to be told in time
    jobs.charge_autopay(hub)
    jobs.charge_autopay(hub)
    (notice,) = facts(session, "debit.announced")
    assert queries.list_payments(session, account_id=house.account_id) == ()  # nothing without the notice promised
    hub.clock.move(days=1)
    jobs.charge_autopay(hub)
    assert queries.list_payments(session, account_id=house.account_id) == ()
    hub.clock.move(days=1)
    jobs.charge_autopay(hub)
    jobs.charge_autopay(hub)
    (payment,) = queries.list_payments(session, account_id=house.account_id)
    assert (payment.status, payment.method, payment.amount) == ("PROCESSING", "sepa_debit", D(notice.payload["amount"]))
    assert len(facts(session, "debit.announced")) == 1
    return kept, notice


def days_pass(town, number):
    for _ in range(number):
        requests.post(f"{town.url}/api/advance-day", timeout=5)


def test_a_mandate_is_kept_a_debit_announced_and_the_money_comes_days_later(euro, session, make_house, town):
    house, seen = make_house(), set()
    kept, notice = begun(euro, town, session, house, GOOD, seen)
    assert (kept.kind, kept.scheme, kept.last4, kept.notice_days) == ("BANK", "SEPA", "3000", 2)
    mandate = session.scalars(select(cash_models.MandateRow)).one()
    assert mandate.reference and (mandate.text_version, mandate.accepted_how) == ("sepa-core-2026-01", "HOSTED_PAGE")
    assert notice.payload["mandate"] == mandate.reference == kept.mandate
    assert notice.payload["collect_on"] == "2026-11-25" and notice.payload["creditor"] == "DE98ZZZ09999999999"
    owed = balance(euro, session, house)
    assert owed.amount == owed.pending_payments == D("130.68")
    days_pass(town, 4)
    assert euro.payments._client.v1.payment_intents.list().data[0].status == "processing"
    days_pass(town, 1)
    assert settle(euro, town, "payment_intent.succeeded", seen) == ["APPLIED"]
    assert balance(euro, session, house).amount == D("0.00")
    books_check.check(session)


def test_a_debit_without_funds_is_announced_anew_before_it_is_shown_again(euro, session, make_house, town):
    house, seen = make_house(), set()
    kept, _ = begun(euro, town, session, house, POOR, seen)
    days_pass(town, 5)
    assert settle(euro, town, "payment_intent.payment_failed", seen) == ["APPLIED"]
    assert balance(euro, session, house).amount == D("150.68")  # and the fee for its return
    jobs.charge_autopay(euro)
    assert len(facts(session, "debit.announced")) == 1  # not before three days have gone
    euro.clock.move(days=3, hours=1)
    jobs.charge_autopay(euro)
    assert [f.payload["collect_on"] for f in facts(session, "debit.announced")] == ["2026-11-25", "2026-11-30"]
    assert len(queries.list_payments(session, account_id=house.account_id)) == 1
    euro.clock.move(days=2)
    jobs.charge_autopay(euro)
    tried = queries.list_payments(session, account_id=house.account_id)
    assert sorted(p.status for p in tried) == ["FAILED", "PROCESSING"]
    books_check.check(session)
    billing.remove_method(session, account_id=house.account_id, saved_method_id=kept.id, now=euro.now())
    session.commit()
    assert queries.list_saved_methods(session, account_id=house.account_id) == ()
    euro.payments.forget_method(method_id=session.get(models.SavedMethodRow, kept.id).method_id)


def test_a_payer_who_takes_a_debit_back_owes_it_again_and_is_not_debited_again(euro, session, make_house, town):
    house, seen = make_house(), set()
    kept, _ = begun(euro, town, session, house, DISPUTED, seen)
    days_pass(town, 5)
    assert settle(euro, town, "payment_intent.succeeded", seen) == ["APPLIED"]
    assert settle(euro, town, "charge.dispute.created", seen) == ["APPLIED"]
    assert settle(euro, town, "charge.dispute.closed", seen) == ["APPLIED"]
    assert balance(euro, session, house).amount == D("130.68")
    (paused,) = facts(session, "autopay.paused")
    assert paused.payload["failure_code"] == "customer_initiated"
    euro.clock.move(days=10)
    jobs.charge_autopay(euro)
    assert len(queries.list_payments(session, account_id=house.account_id)) == 1
    assert [m.id for m in queries.list_saved_methods(session, account_id=house.account_id)] == [kept.id]
    books_check.check(session)


@pytest.mark.parametrize("code", ["debit_not_authorized", "account_closed"])
def test_a_bank_that_knows_no_mandate_or_no_account_ends_it(euro, session, make_house, town, code):
    house, seen = make_house(), set()
    begun(euro, town, session, house, GOOD, seen)
    intent = session.scalars(select(models.PaymentRow.external_id)).one()
    answer = requests.post(f"{town.url}/api/payments/{intent}/return", json={"code": code}, timeout=5)
    assert answer.status_code == 200
    assert settle(euro, town, "payment_intent.payment_failed", seen) == ["APPLIED"]
    assert queries.list_saved_methods(session, account_id=house.account_id) == ()
    mandate = session.scalars(select(cash_models.MandateRow)).one()
    assert mandate.revoked_at is not None
    assert [f.payload["failure_code"] for f in facts(session, "autopay.paused")] == [code]
    assert len(facts(session, "method.removed")) == 1
    assert balance(euro, session, house).amount == D("130.68")  # no fee: nothing the payer could have known


def test_thirteen_months_on_nothing_goes_back_any_more(euro, session, make_house, town):
    house, seen = make_house(), set()
    begun(euro, town, session, house, GOOD, seen)
    days_pass(town, 5)
    intent = session.scalars(select(models.PaymentRow.external_id)).one()
    charges = town.world.store.find("stripe:charge", "intent", intent)
    for days, status, reason in ((400, 400, None), (60, 201, "debit_not_authorized")):
        born = int(town.world.now()) - days * 86_400
        with town.world.store.change():
            town.world.store.put("stripe:charge", charges[0]["id"], {**charges[0], "created": born}, intent=intent)
        answer = requests.post(f"{town.url}/api/payments/{intent}/dispute", json={}, timeout=5)
        assert answer.status_code == status
        assert reason is None or (answer.json()["reason"], answer.json()["status"]) == (reason, "lost")


def test_a_mandate_without_a_reference_and_a_method_not_offered_are_refused(euro, hub, session, make_house):
    house = make_house()
    with pytest.raises(errors.Invalid, match=r"mandate\.reference"):
        billing.keep_method(
            session, account_id=house.account_id, gateway="stripe", method_id="pm_1", gateway_customer_id="cus_1",
            kind="BANK", last4="3000", now=AT, scheme="SEPA",
        )  # fmt: skip
    for method, house_hub in (("us_bank_account", euro), ("sepa_debit", hub), ("link", euro)):
        with pytest.raises(errors.Invalid, match=r"payment\.method"):
            billing.begin_setup(
                house_hub, account_id=house.account_id, method=method, return_url="http://127.0.0.1/", locale="en",
                key="x",
            )  # fmt: skip
    paper = billing.keep_method(
        session, account_id=house.account_id, gateway="bank", method_id="x", gateway_customer_id="", kind="BANK",
        last4="3000", now=AT, scheme="SEPA", reference="P-1", accepted_how="PAPER",
    )  # fmt: skip
    (kept,) = queries.list_saved_methods(session, account_id=house.account_id)
    assert (kept.id, kept.notice_days) == (paper.id, 14)  # paper agreed to nothing shorter
