"""Stripe: what we ask of checkout, set-ups and debits stands in their document, and what they tell is understood."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from billing.gateways.stripe_gateway import StripeGateway
from core import errors
from ops_admin.sandbox import signing
from ops_admin.sandbox.stripe_forms import decode
from tests.contracts import captured

DOCUMENT = captured.Document("stripe_spec3_2022-04-12.trimmed.json", "https://api.stripe.com")
FORM = "application/x-www-form-urlencoded"
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
SECRET = "whsec_test"
SESSION = {"id": "cs_1", "object": "checkout.session", "url": "https://pay.example/cs_1"}


@pytest.fixture
def vendor() -> Iterator[captured.Vendor]:
    with captured.serving(captured.Vendor(default=(200, SESSION, {}))) as vendor:
        yield vendor


@pytest.fixture
def gateway(vendor: captured.Vendor) -> StripeGateway:
    return StripeGateway(api_key="sk_test_x", webhook_secret=SECRET, api_base=vendor.base)


def asked(vendor: captured.Vendor, path: str) -> dict[str, Any]:
    """The one request's form, each name of it known to the document."""
    (request,) = vendor.requests
    assert (request.method, request.path) == ("POST", path)
    form = decode(parse_qsl(request.body.decode()))
    assert DOCUMENT.unknown(form, DOCUMENT.schema(path, FORM)) == []
    return dict(form)


def values(path: str, name: str) -> list[str]:
    found = DOCUMENT.schema(path, FORM)["properties"][name]
    return list(found.get("enum") or found["items"]["enum"])


def test_the_check_can_fail() -> None:
    schema = DOCUMENT.schema("/v1/checkout/sessions", FORM)
    assert DOCUMENT.unknown({"payment_method_type": ["card"]}, schema) == [".payment_method_type"]
    assert DOCUMENT.unknown({"setup_intent_data": {"metdata": {}}}, schema) == [".setup_intent_data.metdata"]


@pytest.mark.parametrize(("currency", "method"), [("USD", "us_bank_account"), ("EUR", "sepa_debit"), ("EUR", "card")])
def test_a_set_up_keeps_a_method_and_charges_nothing(
    vendor: captured.Vendor, gateway: StripeGateway, currency: str, method: str
) -> None:
    gateway.start_setup(
        currency=currency, reference="account:7", methods=(method,), return_url="https://x.example/portal/account",
        locale="es", key="setup-7",
    )  # fmt: skip
    form = asked(vendor, "/v1/checkout/sessions")
    assert form["mode"] in values("/v1/checkout/sessions", "mode")
    assert form["customer_creation"] in values("/v1/checkout/sessions", "customer_creation")
    assert set(form["payment_method_types"]) <= set(values("/v1/checkout/sessions", "payment_method_types"))
    assert form["setup_intent_data"]["metadata"]["reference"] == "account:7" and "line_items" not in form


def test_a_debit_in_another_currency_is_never_asked_for(vendor: captured.Vendor, gateway: StripeGateway) -> None:
    for currency, method in (("USD", "sepa_debit"), ("EUR", "us_bank_account"), ("EUR", "cheque")):
        with pytest.raises(errors.Invalid, match=r"payment\.method"):
            gateway.start_setup(
                currency=currency, reference="account:7", methods=(method,), return_url="https://x.example/",
                locale="en", key="k",
            )  # fmt: skip
    assert vendor.requests == []


def test_a_kept_iban_is_debited_as_what_it_is(vendor: captured.Vendor, gateway: StripeGateway) -> None:
    vendor.answers.append((200, {"id": "pi_1", "object": "payment_intent", "status": "processing"}, {}))
    charge = gateway.charge_saved(
        method_id="pm_1", customer_id="cus_1", method="sepa_debit", amount=Decimal("84.32"), currency="EUR",
        reference="account:7", key="k",
    )  # fmt: skip
    form = asked(vendor, "/v1/payment_intents")
    assert (form["amount"], form["currency"], form["payment_method_types"]) == ("8432", "eur", ["sepa_debit"])
    assert (charge.external_id, charge.status) == ("pi_1", "PROCESSING")


def test_what_a_set_up_keeps_is_read_with_its_mandate(vendor: captured.Vendor, gateway: StripeGateway) -> None:
    setup = {
        "id": "seti_1", "object": "setup_intent", "status": "succeeded", "customer": "cus_1",
        "payment_method": {"id": "pm_1", "object": "payment_method", "type": "sepa_debit", "customer": "cus_1",
                           "sepa_debit": {"last4": "3000", "country": "DE"}},
        "mandate": {"id": "mandate_1", "object": "mandate", "status": "active", "payment_method_details": {
            "type": "sepa_debit", "sepa_debit": {"reference": "A1B2C3", "url": "https://x.example/m"}}},
    }  # fmt: skip
    vendor.answers.append((200, setup, {}))
    kept = gateway.find_kept(setup_id="seti_1")
    assert (kept.method_id, kept.customer_id, kept.method, kept.last4) == ("pm_1", "cus_1", "sepa_debit", "3000")
    assert kept.mandate == "A1B2C3"
    (request,) = vendor.requests
    names = {p["name"] for p in DOCUMENT.content["paths"]["/v1/setup_intents/{intent}"]["get"]["parameters"]}
    assert {name.partition("[")[0] for name, _ in parse_qsl(request.query)} <= names
    vendor.answers.append((200, {**setup, "status": "requires_action"}, {}))
    with pytest.raises(errors.NotFound):
        gateway.find_kept(setup_id="seti_1")


def told(gateway: StripeGateway, kind: str, **thing: Any) -> Any:
    event = {"id": "evt_1", "object": "event", "type": kind, "created": int(NOW.timestamp()), "data": {"object": thing}}
    body = json.dumps(event).encode()
    return gateway.parse_webhook(body, signing.stripe(SECRET, int(NOW.timestamp()), body), NOW)


@pytest.mark.parametrize("code", ["insufficient_funds", "debit_not_authorized", "account_closed"])
def test_a_returned_debit_names_its_reason(gateway: StripeGateway, code: str) -> None:
    error = {"code": code, "payment_method": {"type": "sepa_debit"}}
    found = told(
        gateway, "payment_intent.payment_failed", id="pi_1", amount=8432, currency="eur", last_payment_error=error,
        payment_method_types=["card", "sepa_debit"],
    )  # fmt: skip
    assert (found.kind, found.method, found.failure_code, found.currency) == (
        "payment.failed", "sepa_debit", code, "EUR",
    )  # fmt: skip


def test_a_set_up_is_told_of_and_a_bare_attachment_is_not(gateway: StripeGateway) -> None:
    found = told(gateway, "setup_intent.succeeded", id="seti_1", metadata={"reference": "account:7"})
    assert (found.kind, found.external_id, found.metadata["reference"]) == ("method.set_up", "seti_1", "account:7")
    bare = {"id": "pm_1", "type": "sepa_debit", "customer": "cus_1", "metadata": {}, "sepa_debit": {"last4": "3000"}}
    assert told(gateway, "payment_method.attached", **bare) is None
