"""The whole way of a payment: a link, the gateway's page, its signed events, the books. The gateway is the twin."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import requests

from billing import operations as billing
from billing import queries
from billing.gateways.stripe_gateway import StripeGateway
from core import errors
from tests.integration.sandbox.conftest import running, town

__all__ = ["running", "town"]  # fixtures of the sandbox

AT = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


@pytest.fixture
def paying(hub, town):
    config = town.config
    gateway = StripeGateway(
        api_key=config.stripe_api_key, webhook_secret=config.stripe_webhook_secret, api_base=f"{town.url}/stripe"
    )
    hub.clock.at = datetime.now(UTC)
    return hub.with_(payments=gateway)


def owed_house(hub, make_house):
    house = make_house()
    report = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT)
    billing.issue_bills(hub, run_id=report.run_id, now=AT)
    return house


def pay_page(hub, session, house, key, methods):
    link = billing.open_payment_link(session, account_id=house.account_id, amount=None, key=key, now=hub.now())
    session.commit()
    page = billing.begin_checkout(
        hub, token=link.token, return_url="http://127.0.0.1/back", methods=methods, locale="en"
    )
    again = billing.begin_checkout(
        hub, token=link.token, return_url="http://127.0.0.1/back", methods=methods, locale="en"
    )
    assert again == page  # the same attempt is the same page
    return page.url


def settle(hub, town, kind):
    outcomes = []
    for item in town.hub.wait("/hooks/payments/stripe", match=lambda it: json.loads(it.body)["type"] == kind):
        event = hub.payments.parse_webhook(item.body, item.headers["Stripe-Signature"], hub.now())
        outcomes.append(billing.settle_gateway_event(hub, event))
        assert billing.settle_gateway_event(hub, event) == "DUPLICATE"
    return outcomes


def balance(session, house):
    session.expire_all()
    return queries.get_balance(session, account_id=house.account_id, now=AT).amount


def test_a_card_pays_and_is_given_back(paying, session, make_house, town):
    house = owed_house(paying, make_house)
    url = pay_page(paying, session, house, "k", ("card",))
    form = {"method": "card", "number": "4242424242424242", "expiry": "12/34", "cvc": "123", "name": "Omar"}
    assert requests.post(url, data=form, timeout=5, allow_redirects=False).status_code == 303
    assert settle(paying, town, "payment_intent.succeeded") == ["APPLIED"]
    assert settle(paying, town, "checkout.session.completed") == ["STALE"]
    assert balance(session, house) == Decimal("0.00")
    (payment,) = queries.list_payments(session, account_id=house.account_id)
    asked = billing.request_refund(
        session, payment_id=payment.id, amount=Decimal("30.68"), actor="staff:ana", reason="paid twice", key="r", now=AT
    )
    billing.decide_refund(session, refund_id=asked.id, approve=True, actor="staff:bo", now=AT)
    session.commit()
    assert billing.send_refund(paying, refund_id=asked.id).status == "DONE"
    assert balance(session, house) == Decimal("30.68")
    assert settle(paying, town, "charge.refunded") == ["STALE"]
    assert balance(session, house) == Decimal("30.68")


@pytest.mark.parametrize(("account", "kind", "left"), [
    ("000123456789", "payment_intent.succeeded", "0.00"), ("000222222227", "payment_intent.payment_failed", "150.68"),
])  # fmt: skip
def test_a_bank_debit_takes_its_time(paying, session, make_house, town, account, kind, left):
    house = owed_house(paying, make_house)
    url = pay_page(paying, session, house, "k", ("us_bank_account",))
    requests.post(
        url, data={"method": "us_bank_account", "routing": "110000000", "account": account, "name": "Omar"},
        timeout=5, allow_redirects=False,
    )  # fmt: skip
    assert settle(paying, town, "payment_intent.processing") == ["APPLIED"]
    known = queries.get_balance(session, account_id=house.account_id, now=AT)
    assert (known.amount, known.pending_payments) == (Decimal("130.68"), Decimal("130.68"))
    requests.post(f"{town.url}/api/advance-day", timeout=5)
    assert settle(paying, town, kind) == ["APPLIED"]
    assert balance(session, house) == Decimal(left)


def test_a_body_that_was_touched_is_not_believed(paying, session, make_house, town):
    house = owed_house(paying, make_house)
    url = pay_page(paying, session, house, "k", ("card",))
    form = {"method": "card", "number": "4242424242424242", "expiry": "12/34", "cvc": "123", "name": "Omar"}
    requests.post(url, data=form, timeout=5, allow_redirects=False)
    (item, *_) = town.hub.wait("/hooks/payments/stripe")
    with pytest.raises(errors.Refused):
        paying.payments.parse_webhook(item.body.replace(b"13068", b"1"), item.headers["Stripe-Signature"], paying.now())
