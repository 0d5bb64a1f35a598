"""The Stripe adapter against a small server that speaks its HTTP: exact cents, idempotency keys, signatures."""

import hashlib
import hmac
import http.server
import json
import threading
import urllib.parse
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.gateways import stripe_gateway
from core import errors

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
SECRET = "whsec_test"


class Twin(http.server.BaseHTTPRequestHandler):
    asked: list = []
    answer: tuple = (200, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        form = dict(urllib.parse.parse_qsl(body))
        Twin.asked.append((self.path, form, self.headers.get("Idempotency-Key")))
        status, answer = Twin.answer
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args):
        pass


@pytest.fixture
def gateway():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Twin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Twin.asked, Twin.answer = [], (200, {})
    yield stripe_gateway.StripeGateway(
        api_key="sk_test_x", webhook_secret=SECRET, api_base=f"http://127.0.0.1:{server.server_port}"
    )
    server.shutdown()
    server.server_close()


def start(gateway, amount="130.68"):
    return gateway.start_checkout(
        amount=Decimal(amount), currency="USD", reference="link:7", description="Brightwater Power", methods=("card",),
        return_url="https://x.example/pay/t/done", locale="es", key="checkout-7-0",
    )  # fmt: skip


def test_a_checkout_asks_for_exact_cents_under_a_key(gateway):
    Twin.answer = (200, {"id": "cs_1", "object": "checkout.session", "url": "https://pay.example/cs_1"})
    assert start(gateway).external_id == "cs_1"
    ((path, form, key),) = Twin.asked
    assert (path, key) == ("/v1/checkout/sessions", "checkout-7-0")
    assert form["line_items[0][price_data][unit_amount]"] == "13068"
    assert form["payment_intent_data[metadata][reference]"] == "link:7"
    assert form["locale"] == "es"
    with pytest.raises(errors.Invalid):
        start(gateway, "1.005")


def test_a_decline_is_an_answer_and_a_failure_is_for_later(gateway):
    def charge():
        return gateway.charge_saved(
            method_id="pm_1",
            customer_id="cus_1",
            method="card",
            amount=Decimal("10"),
            currency="USD",
            reference="account:1",
            key="k",
        )

    Twin.answer = (200, {"id": "pi_1", "object": "payment_intent", "status": "processing"})
    assert charge().status == "PROCESSING"
    intent = {"id": "pi_2", "object": "payment_intent", "status": "requires_payment_method"}
    declined = {"type": "card_error", "code": "card_declined", "message": "no", "payment_intent": intent}
    Twin.answer = (402, {"error": declined})
    assert (charge().status, charge().failure_code, charge().external_id) == ("FAILED", "card_declined", "pi_2")
    Twin.answer = (500, {"error": {"message": "oops"}})
    with pytest.raises(errors.ProviderError) as failed:
        charge()
    assert failed.value.retryable
    Twin.answer = (400, {"error": {"type": "invalid_request_error", "message": "bad"}})
    with pytest.raises(errors.ProviderError) as refused:
        charge()
    assert not refused.value.retryable


def signed(event, at=NOW, secret=SECRET):
    body = json.dumps(event).encode()
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return body, f"t={stamp},v1={digest}"


def event(kind, **thing):
    return {"id": "evt_1", "object": "event", "type": kind, "created": int(NOW.timestamp()), "data": {"object": thing}}


def test_only_a_fresh_signature_of_ours_opens_the_door(gateway):
    told = event("payment_intent.succeeded", id="pi_1", amount=13068, currency="usd", metadata={"reference": "link:7"})
    body, signature = signed(told)
    found = gateway.parse_webhook(body, signature, NOW)
    assert (found.kind, found.amount, found.metadata["reference"]) == ("payment.succeeded", Decimal("130.68"), "link:7")
    for wrong in (None, "", "t=1", signed(told, secret="other")[1], "ü"):
        with pytest.raises(errors.Refused, match=r"webhook\.signature"):
            gateway.parse_webhook(body, wrong, NOW)
    with pytest.raises(errors.Refused, match=r"webhook\.signature"):
        gateway.parse_webhook(body + b" ", signature, NOW)
    with pytest.raises(errors.Refused, match=r"webhook\.stale"):
        gateway.parse_webhook(body, signature, NOW + timedelta(minutes=6))


@pytest.mark.parametrize(
    ("kind", "thing", "said"),
    [
        ("checkout.session.completed", {"payment_intent": "pi_1", "payment_status": "unpaid", "amount_total": 500},
         ("payment.processing", "pi_1", Decimal("5.00"))),
        ("charge.refunded", {"payment_intent": "pi_1", "amount_refunded": 250},
         ("payment.refunded", "pi_1", Decimal("2.50"))),
        ("payment_intent.payment_failed", {"id": "pi_1", "amount": 500, "last_payment_error": {"code": "expired_card"}},
         ("payment.failed", "pi_1", Decimal("5.00"))),
        ("customer.created", {"id": "cus_1"}, None),
    ],
)  # fmt: skip
def test_what_stripe_tells_is_read_as_ours(gateway, kind, thing, said):
    found = gateway.parse_webhook(*signed(event(kind, **thing)), NOW)
    assert (found and (found.kind, found.external_id, found.amount)) == said


def test_a_token_becomes_a_card_and_is_charged_under_keys_of_one_name(gateway):
    def charge(token="tok_1"):
        return gateway.charge_token(
            token=token, amount=Decimal("130.68"), currency="USD", reference="link:7", key="phone-CA1-1"
        )

    Twin.answer = (200, {"id": "pm_1", "object": "payment_method", "status": "succeeded"})
    assert charge().status == "SUCCEEDED"
    (card, card_form, card_key), (path, form, key) = Twin.asked
    assert (card, card_key) == ("/v1/payment_methods", "phone-CA1-1-card")
    assert card_form == {"type": "card", "card[token]": "tok_1"}
    assert (path, key) == ("/v1/payment_intents", "phone-CA1-1")
    assert form == {
        "amount": "13068", "currency": "usd", "payment_method": "pm_1", "payment_method_types[0]": "card",
        "confirm": "true", "error_on_requires_action": "true", "metadata[reference]": "link:7",
    }  # fmt: skip
    assert charge("pm_9").status == "SUCCEEDED"  # a connector may give the method itself
    assert Twin.asked[-1][1]["payment_method"] == "pm_9" and len(Twin.asked) == 3
    with pytest.raises(errors.Invalid):
        gateway.charge_token(token="tok_1", amount=Decimal("1.005"), currency="USD", reference="x", key="k")
    assert len(Twin.asked) == 3


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (402, {"type": "card_error", "code": "incorrect_cvc", "message": "no"}, "payment.declined"),
        (400, {"type": "invalid_request_error", "code": "token_already_used", "message": "no"}, "payment.refused"),
    ],
)
def test_a_token_that_cannot_be_charged_is_refused_for_good(gateway, status, error, code):
    Twin.answer = (status, {"error": error})
    with pytest.raises(errors.Refused) as refused:
        gateway.charge_token(token="tok_1", amount=Decimal("10"), currency="USD", reference="link:7", key="k")
    assert refused.value.code == code
    assert len(Twin.asked) == 1  # nothing was charged


def test_a_charge_whose_outcome_is_unknown_is_for_later(gateway):
    Twin.answer = (500, {"error": {"message": "oops"}})
    with pytest.raises(errors.ProviderError) as failed:
        gateway.charge_token(token="pm_1", amount=Decimal("10"), currency="USD", reference="link:7", key="k")
    assert failed.value.retryable
