"""The payment twin's bookkeeping: intents, charges, refunds, saved methods, and the events about them."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from ops_admin.sandbox import signing
from ops_admin.sandbox.courier import Letter
from ops_admin.sandbox.stripe_forms import StripeError
from ops_admin.sandbox.world import World

API_VERSION = "2026-10-28.endive"
Thing = dict[str, Any]
# last four digits -> how a card behaves
DECLINES: dict[str, tuple[str, str, str]] = {
    "0002": ("card_declined", "generic_decline", "Your card was declined."),
    "9995": ("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "0069": ("expired_card", "expired_card", "Your card has expired."),
    "0127": ("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."),
    "0119": ("processing_error", "processing_error", "An error occurred while processing your card."),
    "0341": ("card_declined", "generic_decline", "Your card was declined."),
}
CHALLENGED = frozenset({"3155", "3184", "3220"})
DEBITS = ("us_bank_account", "sepa_debit")
SEPA_DELAYED = frozenset({"3003", "3004"})  # the German test IBANs that take longer, by their last four digits
TOKENS: dict[str, tuple[str, str]] = {
    "pm_card_visa": ("card", "4242"),
    "pm_card_mastercard": ("card", "4444"),
    "pm_card_chargeDeclined": ("card", "0002"),
    "pm_card_visa_chargeDeclined": ("card", "0002"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card", "9995"),
    "pm_card_chargeCustomerFail": ("card", "0341"),
    "pm_card_authenticationRequired": ("card", "3155"),
    "pm_card_threeDSecure2Required": ("card", "3220"),
    "pm_usBankAccount": ("us_bank_account", "6789"),
    "pm_usBankAccount_success": ("us_bank_account", "6789"),
    "pm_usBankAccount_insufficientFunds": ("us_bank_account", "2227"),
    "pm_success_de": ("sepa_debit", "3000"),
    "pm_failed_de": ("sepa_debit", "3001"),
    "pm_disputed_de": ("sepa_debit", "3002"),
    "pm_insufficientFunds_de": ("sepa_debit", "2227"),
}


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def keep(world: World, thing: Thing) -> Thing:
    """This will store an object of Stripe's by its id, findable by customer and intent."""
    entries = {"customer": thing.get("customer"), "intent": thing.get("payment_intent")}
    return world.store.put(f"stripe:{thing['object']}", thing["id"], thing, **entries)


def get(world: World, sort: str, key: str, param: str = "id") -> Thing:
    found = world.store.get(f"stripe:{sort}", key)
    if found is None:
        raise StripeError(
            404, "invalid_request_error", f"No such {sort}: '{key}'", code="resource_missing", param=param
        )
    return found


def new_method(
    world: World, sort: str, last4: str, brand: str = "visa", details: Mapping[str, Any] | None = None
) -> Thing:
    """This will make a payment method; of a card number only its last four digits are ever kept."""
    method: Thing = {
        "id": new_id("pm"), "object": "payment_method", "type": sort, "created": int(world.now()), "customer": None,
        "livemode": False, "metadata": {}, "allow_redisplay": "unspecified",
        "billing_details": {"name": None, "email": None, "phone": None, "address": {}, **(details or {})},
    }  # fmt: skip
    if sort == "card":
        method["card"] = {
            "brand": brand, "last4": last4, "exp_month": 12, "exp_year": 2034, "funding": "credit", "country": "US",
            "display_brand": brand, "fingerprint": f"fp{last4}", "networks": {"available": [brand], "preferred": None},
            "checks": {"cvc_check": "pass", "address_line1_check": None, "address_postal_code_check": None},
            "three_d_secure_usage": {"supported": True}, "wallet": None,
        }  # fmt: skip
    elif sort == "sepa_debit":
        method["sepa_debit"] = {
            "last4": last4, "country": "DE", "bank_code": "37040044", "branch_code": "", "fingerprint": f"fps{last4}",
            "generated_from": {"charge": None, "setup_attempt": None},
        }  # fmt: skip
    else:
        method["us_bank_account"] = {
            "last4": last4, "bank_name": "STRIPE TEST BANK", "account_holder_type": "individual", "account_type":
            "checking", "routing_number": "110000000", "fingerprint": f"fpb{last4}", "status_details": None,
            "financial_connections_account": None, "networks": {"preferred": "ach", "supported": ["ach"]},
        }  # fmt: skip
    return keep(world, method)


def method_for(world: World, key: str) -> Thing:
    """This will find a payment method, or make the one that a test token stands for."""
    if key in TOKENS:
        return new_method(world, *TOKENS[key])
    return get(world, "payment_method", key, "payment_method")


def new_intent(world: World, amount: int, currency: str, **more: Any) -> Thing:
    """This will make a payment intent and tell of it."""
    key = new_id("pi")
    intent: Thing = {
        "id": key, "object": "payment_intent", "amount": amount, "amount_capturable": 0, "amount_received": 0,
        "amount_details": {"tip": {}}, "application": None, "application_fee_amount": None,
        "automatic_payment_methods": None, "canceled_at": None, "cancellation_reason": None,
        "capture_method": "automatic", "client_secret": f"{key}_secret_{secrets.token_hex(12)}",
        "confirmation_method": "automatic", "created": int(world.now()), "currency": currency.lower(),
        "customer": None, "description": None, "last_payment_error": None, "latest_charge": None,
        "livemode": False, "metadata": {}, "next_action": None, "on_behalf_of": None, "payment_method": None,
        "payment_method_options": {}, "payment_method_types": ["card"], "processing": None, "receipt_email": None,
        "review": None, "setup_future_usage": None, "shipping": None, "source": None, "statement_descriptor": None,
        "statement_descriptor_suffix": None, "status": "requires_payment_method", "transfer_data": None,
        "transfer_group": None, **more,
    }  # fmt: skip
    if intent["payment_method"]:
        intent["status"] = "requires_confirmation"
    keep(world, intent)
    tell(world, "payment_intent.created", intent)
    return intent


def confirm(world: World, intent: Thing, method: Thing, unattended: bool = False, authenticated: bool = False) -> Thing:
    """This will try to take the money, and tell how it went. A decline leaves the intent open for another try."""
    last4 = method[method["type"]]["last4"]
    intent.update(payment_method=method["id"], next_action=None, last_payment_error=None)
    if method["type"] not in intent["payment_method_types"]:
        raise StripeError(
            400, "invalid_request_error", f"The payment method type {method['type']} is not allowed here.",
            param="payment_method",
        )  # fmt: skip
    if method["type"] == "sepa_debit" and intent["currency"] != "eur":
        raise StripeError(400, "invalid_request_error", "sepa_debit supports eur only.", param="currency")
    if method["type"] in DEBITS:
        charge = _charge(world, intent, method, "pending")
        intent.update(status="processing", latest_charge=charge["id"])
        keep(world, intent)
        days = 1 if method["type"] != "sepa_debit" else 6 if last4 in SEPA_DELAYED else 5  # banking days
        debit = {"intent": intent["id"], "last4": last4, "sort": method["type"], "days": days}
        world.store.put("stripe-debit", intent["id"], debit)
        tell(world, "payment_intent.processing", intent)
        tell(world, "charge.pending", charge)
        return intent
    if last4 in CHALLENGED and not authenticated:
        if unattended:  # nobody is there whom the bank could ask
            error = ("authentication_required", "authentication_required",
                     "Your card was declined. This transaction requires authentication.")  # fmt: skip
            return fail(world, intent, method, error)
        intent.update(status="requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": {}})
        keep(world, intent)
        tell(world, "payment_intent.requires_action", intent)
        return intent
    if last4 in DECLINES:
        return fail(world, intent, method, DECLINES[last4])
    charge = _charge(world, intent, method, "succeeded")
    succeed(world, intent, charge)
    return intent


def latest_payments(world: World, limit: int) -> list[Thing]:
    """This will list the latest payments, newest first: what was paid how, how it stands, and what is disputed."""
    shown = []
    for intent in world.store.all("stripe:payment_intent", limit=limit, newest_first=True):
        charge = world.store.get("stripe:charge", intent["latest_charge"] or "") or {}
        details = charge.get("payment_method_details") or {}
        sort = details.get("type")
        disputes = world.store.find("stripe:dispute", "intent", intent["id"])
        shown.append(
            {
                **{name: intent[name] for name in ("id", "amount", "currency", "status", "metadata", "created")},
                "sort": sort, "last4": details[sort]["last4"] if sort else None,
                "dispute": {"id": disputes[-1]["id"], "status": disputes[-1]["status"]} if disputes else None,
            }
        )  # fmt: skip
    return shown


def tell(world: World, sort: str, thing: Mapping[str, Any]) -> None:
    """This will write an event down and post it, signed at the moment it is sent."""
    event: Thing = {
        "id": new_id("evt"), "object": "event", "api_version": API_VERSION, "created": int(world.now()),
        "data": {"object": public(thing)}, "livemode": False, "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None}, "type": sort,
    }  # fmt: skip
    keep(world, event)
    body = json.dumps(event, indent=2).encode()

    def sign(sent: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signing.stripe(world.config.stripe_webhook_secret, int(world.now()), sent),
        }

    url = world.config.hub_public + world.config.stripe_path
    world.courier.post(Letter("stripe", sort, url, body, sign, retry_on=lambda status: True), 0.3)


def public(thing: Mapping[str, Any]) -> Thing:
    """This will leave out what only the hosted page needs to know of a checkout session."""
    if thing["object"] != "checkout.session":
        return dict(thing)
    return {name: value for name, value in thing.items() if name not in ("lines", "intent_data")}


def listed(items: list[Thing], path: str, given: Mapping[str, Any]) -> Thing:
    """This will show a list, newest first, as Stripe pages it."""
    items = list(reversed(items))
    keys = [item["id"] for item in items]
    if given.get("starting_after") in keys:
        items = items[keys.index(given["starting_after"]) + 1 :]
    size = min(max(int(given.get("limit", 10)), 1), 100)
    return {"object": "list", "data": items[:size], "has_more": len(items) > size, "url": path}


def session_of(world: World, intent: str) -> Thing | None:
    """This will find the checkout session of an intent."""
    found = world.store.find("stripe:checkout.session", "intent", intent)
    return found[0] if found else None


def _charge(
    world: World, intent: Thing, method: Thing, status: str, error: tuple[str, str, str] | None = None
) -> Thing:
    details = {key: value for key, value in method[method["type"]].items() if key != "checks"}
    charge: Thing = {
        "id": new_id("ch"), "object": "charge", "amount": intent["amount"], "amount_captured":
        intent["amount"] if status == "succeeded" else 0, "amount_refunded": 0, "balance_transaction": None,
        "billing_details": method["billing_details"], "captured": status == "succeeded",
        "created": int(world.now()), "currency": intent["currency"], "customer": intent["customer"],
        "description": intent["description"], "disputed": False, "failure_code": error[0] if error else None,
        "failure_message": error[2] if error else None, "livemode": False, "metadata": intent["metadata"],
        "outcome": {"type": "authorized" if not error else "issuer_declined", "reason": error[1] if error else None},
        "paid": status == "succeeded", "payment_intent": intent["id"], "payment_method": method["id"],
        "payment_method_details": {"type": method["type"], method["type"]: details}, "refunded": False,
        "status": status,
    }  # fmt: skip
    return keep(world, charge)


def succeed(world: World, intent: Thing, charge: Thing) -> None:
    """This will let a charge have been paid, and tell of it."""
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=charge["amount"])
    keep(world, charge)
    intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"], next_action=None)
    keep(world, intent)
    debit = charge["payment_method_details"]["type"] in DEBITS
    move(world, charge, "payment" if debit else "charge", charge["amount"])
    if intent["setup_future_usage"] and intent["customer"]:
        attach(world, get(world, "payment_method", intent["payment_method"]), intent["customer"])
    tell(world, "charge.succeeded", charge)
    tell(world, "payment_intent.succeeded", intent)


def fail(world: World, intent: Thing, method: Thing, error: tuple[str, str, str], charge: Thing | None = None) -> Thing:
    """This will let a charge fail with a code; its intent waits for another way to pay."""
    if charge is None:
        charge = _charge(world, intent, method, "failed", error)
    else:
        charge.update(status="failed", paid=False, failure_code=error[0], failure_message=error[2])
        keep(world, charge)
    intent.update(
        status="requires_payment_method", payment_method=None, latest_charge=charge["id"],
        last_payment_error={
            "type": "card_error" if method["type"] == "card" else "invalid_request_error", "code": error[0],
            "decline_code": error[1], "message": error[2], "charge": charge["id"], "payment_method": method,
        },
    )  # fmt: skip
    keep(world, intent)
    tell(world, "charge.failed", charge)
    tell(world, "payment_intent.payment_failed", intent)
    return intent


def attach(world: World, method: Thing, customer: str) -> Thing:
    """This will keep a payment method for a customer."""
    if method["customer"] not in (None, customer):
        raise StripeError(
            400, "invalid_request_error", "The payment method you provided has already been attached to a customer."
        )
    fresh = method["customer"] is None
    method["customer"] = customer
    keep(world, method)
    if fresh:
        tell(world, "payment_method.attached", method)
    return method


def move(world: World, source: Thing, sort: str, amount: int) -> Thing:
    """This will write a movement on the merchant's balance; the twin takes no fees."""
    now = int(world.now())
    return keep(
        world,
        {
            "id": new_id("txn"), "object": "balance_transaction", "amount": amount, "available_on": now, "created": now,
            "currency": source["currency"], "description": None, "exchange_rate": None, "fee": 0, "fee_details": [],
            "net": amount, "reporting_category": sort, "source": source["id"], "source_object": source["object"],
            "status": "available", "type": sort,
        },
    )  # fmt: skip
