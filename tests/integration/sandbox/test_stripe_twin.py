import json
from typing import Any

import pytest
import requests
import stripe


@pytest.fixture
def client(town: Any) -> Any:
    return stripe.StripeClient(
        town.config.stripe_api_key,
        base_addresses={"api": f"{town.url}/stripe"},
        http_client=stripe.RequestsClient(timeout=5),
        max_network_retries=0,
    )


def _session(client: Any, **more: Any) -> Any:
    price = {"currency": "usd", "unit_amount": 8432, "product_data": {"name": "Account 5500010045"}}
    return client.v1.checkout.sessions.create(
        {
            "mode": "payment", "line_items": [{"price_data": price, "quantity": 1}],
            "success_url": "http://127.0.0.1/paid?s={CHECKOUT_SESSION_ID}",
            "payment_method_types": ["card", "us_bank_account"],
            "payment_intent_data": {"metadata": {"reference": "P-1"}}, **more,
        }
    )  # fmt: skip


def _pay(session: Any, **form: str) -> requests.Response:
    card = {"method": "card", "expiry": "12/34", "cvc": "123", "name": "Omar"}
    return requests.post(session.url, data={**card, **form}, timeout=5, allow_redirects=False)


def _events(town: Any, sort: str) -> list[Any]:
    posted = town.hub.wait("/hooks/payments/stripe", match=lambda item: json.loads(item.body)["type"] == sort)
    secret = town.config.stripe_webhook_secret
    return [stripe.Webhook.construct_event(item.body, item.headers["Stripe-Signature"], secret) for item in posted]


def test_a_good_card_pays_and_the_event_is_signed(town: Any, client: Any) -> None:
    session = _session(client)
    answer = _pay(session, number="4242 4242 4242 4242")
    assert answer.status_code == 303 and answer.headers["Location"].endswith(f"s={session.id}")
    (event,) = _events(town, "payment_intent.succeeded")
    assert (event.data.object.amount_received, event.data.object.metadata["reference"]) == (8432, "P-1")
    assert requests.get(session.url, timeout=5).status_code == 410  # paid once is paid
    assert b"4242424242424242" not in (town.config.data_dir / "sandbox.sqlite3").read_bytes()
    refund = client.v1.refunds.create({"payment_intent": event.data.object.id, "amount": 1000})
    assert refund.status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": event.data.object.id, "amount": 7433})


def test_a_declined_card_leaves_the_page_open_and_3ds_asks_back(town: Any, client: Any) -> None:
    session = _session(client)
    assert "Your card was declined." in _pay(session, number="4000000000000002").text
    assert _events(town, "payment_intent.payment_failed")
    asked = _pay(session, number="4000002500003155").text
    method = asked.split('name="challenge" value="')[1].split('"')[0]
    paid = requests.post(session.url, data={"challenge": method, "answer": "approve"}, timeout=5, allow_redirects=False)
    assert paid.status_code == 303
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


@pytest.mark.parametrize(
    ("account", "status"), [("000123456789", "succeeded"), ("000222222227", "requires_payment_method")]
)
def test_a_bank_debit_takes_a_day(town: Any, client: Any, account: str, status: str) -> None:
    session = _session(client)
    _pay(session, method="us_bank_account", routing="110000000", account=account)
    key = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert client.v1.payment_intents.retrieve(key).status == "processing"
    assert _events(town, "payment_intent.processing")
    requests.post(f"{town.url}/api/advance-day", timeout=5)
    assert client.v1.payment_intents.retrieve(key).status == status
    sort = "succeeded" if status == "succeeded" else "failed"
    assert _events(town, f"checkout.session.async_payment_{sort}")


def test_the_same_key_gives_the_same_answer_and_never_a_second_payment(town: Any, client: Any) -> None:
    customer = client.v1.customers.create({"email": "omar.haddad@example.com"})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    wanted = {"amount": 500, "currency": "usd", "customer": customer.id, "payment_method": method.id, "confirm": True,
              "off_session": True}  # fmt: skip
    first = client.v1.payment_intents.create(wanted, {"idempotency_key": "k1"})
    again = client.v1.payment_intents.create(wanted, {"idempotency_key": "k1"})
    assert first.id == again.id and first.status == "succeeded"
    assert len(client.v1.payment_intents.list().data) == 1
    with pytest.raises(stripe.IdempotencyError):
        client.v1.payment_intents.create({**wanted, "amount": 600}, {"idempotency_key": "k1"})


def test_a_declined_charge_is_a_card_error_and_is_remembered(client: Any) -> None:
    customer = client.v1.customers.create({"name": "Omar"})
    method = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
    wanted = {"amount": 500, "currency": "usd", "customer": customer.id, "payment_method": method.id, "confirm": True,
              "off_session": True}  # fmt: skip
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            client.v1.payment_intents.create(wanted, {"idempotency_key": "k2"})
        assert declined.value.code == "card_declined"
    assert len(client.v1.payment_intents.list().data) == 1


def test_typing_errors_and_wrong_keys_are_refused(town: Any, client: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as typo:
        client.v1.payment_intents.create({"amuont": 500, "currency": "usd"})
    assert typo.value.code == "parameter_unknown"
    other = stripe.StripeClient("sk_test_wrong", base_addresses={"api": f"{town.url}/stripe"})
    with pytest.raises(stripe.AuthenticationError):
        other.v1.customers.create({})


def test_the_payers_bank_returns_disputes_and_decides(town: Any, client: Any) -> None:
    def push(path: str) -> requests.Response:
        return requests.post(f"{town.url}/api{path}", json={}, timeout=5)

    def shown(key: str) -> Any:
        return next(p for p in requests.get(f"{town.url}/api/payments", timeout=5).json()["payments"] if p["id"] == key)

    debit, card = _session(client), _session(client)
    _pay(debit, method="us_bank_account", routing="110000000", account="000123456789")
    _pay(card, number="4242424242424242")
    returned, paid = (client.v1.checkout.sessions.retrieve(each.id).payment_intent for each in (debit, card))
    assert [(shown(key)["status"], shown(key)["sort"], shown(key)["last4"]) for key in (returned, paid)] == [
        ("processing", "us_bank_account", "6789"), ("succeeded", "card", "4242"),
    ]  # fmt: skip
    assert push(f"/payments/{returned}/return").status_code == 200
    assert push(f"/payments/{returned}/return").status_code == 400  # it is back already
    assert client.v1.payment_intents.retrieve(returned).last_payment_error.code == "insufficient_funds"
    assert _events(town, "checkout.session.async_payment_failed")
    assert push(f"/payments/{paid}/return").status_code == 400  # a card is not sent back, it is disputed
    assert push(f"/payments/{paid}/dispute").status_code == 201
    dispute = shown(paid)["dispute"]
    assert dispute["status"] == "needs_response"
    assert push(f"/disputes/{dispute['id']}/won").json()["status"] == "won"
    assert shown(paid)["dispute"]["status"] == "won"
    assert _events(town, "charge.dispute.funds_reinstated")
