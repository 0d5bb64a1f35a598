"""Stripe's API: customers, payment methods, setup and payment intents, checkout sessions, refunds, events."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from ops_admin.sandbox import signing, stripe_tokens, switches
from ops_admin.sandbox import stripe_debits as debits
from ops_admin.sandbox import stripe_money as money
from ops_admin.sandbox.stripe_forms import StripeError, allow, decode, fingerprint, integer, need, recall, remember
from ops_admin.sandbox.world import World, guard_loss

Thing = dict[str, Any]
View = Callable[..., Thing]
Route = Callable[[str], Callable[[View], View]]


def blueprint(world: World) -> Blueprint:
    """This will give the twin of api.stripe.com. The hosted payment page is in stripe_page."""
    pages = Blueprint("stripe", __name__, url_prefix="/stripe/v1")
    guard_loss(pages, world, "stripe")

    @pages.before_request
    def guard() -> None:
        trouble = switches.pause_or_fail(world.switches.of("stripe"))
        if trouble == 429:
            raise StripeError(429, "invalid_request_error", "Too many requests hit the API.", code="rate_limit")
        if trouble:
            raise StripeError(503, "api_error", "An error occurred on our side.")
        given = request.authorization
        key = given.username if given and given.type == "basic" else given.token if given else None
        if not signing.same(key, world.config.stripe_api_key):
            raise StripeError(401, "invalid_request_error", "Invalid API Key provided.")

    @pages.errorhandler(StripeError)
    def refused(error: StripeError) -> Response:
        answer = jsonify(error={**error.error, "request_log_url": None})
        answer.status_code = error.status
        return answer

    def post(rule: str) -> Callable[[View], View]:
        def add(view: View) -> View:
            pages.add_url_rule(
                rule, view.__name__, lambda **where: _once(world, lambda given: view(given, **where)), methods=["POST"]
            )
            return view

        return add

    def read(rule: str) -> Callable[[View], View]:
        def add(view: View) -> View:
            pages.add_url_rule(
                rule, view.__name__, lambda **where: jsonify(view(decode(request.args.items(multi=True)), **where))
            )
            return view

        return add

    _customers(world, post, read)
    _methods(world, post, read)
    _intents(world, post, read)
    _sessions(world, post, read)
    _rest(world, post, read)
    return pages


def _once(world: World, work: Callable[[Thing], Thing]) -> Response:
    """This will do a POST once per Idempotency-Key: the same key gives the same answer, errors too."""
    given = decode(request.form.items(multi=True))
    key = request.headers.get("Idempotency-Key")
    with world.store.change():
        mark = fingerprint(request.path, given)
        known = recall(world, key, mark) if key else None
        if known is None:
            try:
                status, body = 200, work(given)
            except StripeError as error:
                if error.status == 400 and error.error["type"] == "invalid_request_error":
                    raise  # a request that never began is not remembered
                status, body = error.status, {"error": error.error}
            if key:
                remember(world, key, mark, status, body)
        else:
            status, body = known
    answer = jsonify(body)
    answer.status_code = status
    answer.headers["Request-Id"] = money.new_id("req")
    if key:
        answer.headers["Idempotency-Key"] = key
    if known is not None:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer


def _metadata(given: Mapping[str, Any]) -> dict[str, str]:
    values = given.get("metadata") or {}
    if not isinstance(values, dict) or len(values) > 50 or any(len(str(value)) > 500 for value in values.values()):
        raise StripeError(
            400, "invalid_request_error", "Metadata values can have up to 500 characters.", param="metadata"
        )
    return {name: str(value) for name, value in values.items()}


def _customers(world: World, post: Route, read: Route) -> None:
    names = "email name phone description address preferred_locales payment_method invoice_settings"

    @post("/customers")
    def create_customer(given: Thing) -> Thing:
        allow(given, names)
        customer = {
            "id": money.new_id("cus"), "object": "customer", "address": given.get("address"), "balance": 0,
            "created": int(world.now()), "currency": None, "default_source": None, "delinquent": False,
            "description": given.get("description"), "email": given.get("email"), "invoice_prefix": "SANDBOX",
            "invoice_settings": given.get("invoice_settings") or {"default_payment_method": None}, "livemode": False,
            "metadata": _metadata(given), "name": given.get("name"), "phone": given.get("phone"),
            "preferred_locales": given.get("preferred_locales") or [], "shipping": None, "tax_exempt": "none",
        }  # fmt: skip
        money.keep(world, customer)
        if given.get("payment_method"):
            money.attach(world, money.method_for(world, given["payment_method"]), str(customer["id"]))
        money.tell(world, "customer.created", customer)
        return customer

    @read("/customers")
    def list_customers(given: Thing) -> Thing:
        found = [
            item for item in world.store.all("stripe:customer")
            if given.get("email") in (None, item["email"])
        ]  # fmt: skip
        return money.listed(found, "/v1/customers", given)

    @read("/customers/<key>")
    def get_customer(given: Thing, key: str) -> Thing:
        return money.get(world, "customer", key)

    @post("/customers/<key>")
    def change_customer(given: Thing, key: str) -> Thing:
        allow(given, names)
        customer = money.get(world, "customer", key)
        customer["metadata"].update(_metadata(given))
        customer.update({name: value for name, value in given.items() if name not in ("metadata", "expand")})
        return money.keep(world, customer)

    @read("/customers/<key>/payment_methods")
    def customer_methods(given: Thing, key: str) -> Thing:
        found = world.store.find("stripe:payment_method", "customer", key)
        return money.listed(found, f"/v1/customers/{key}/payment_methods", given)


def _methods(world: World, post: Route, read: Route) -> None:
    @post("/payment_methods")
    def create_method(given: Thing) -> Thing:
        need(given, "type")
        sort = given["type"]
        details = given.get(sort) or {}
        if sort == "card" and details.get("token"):
            return stripe_tokens.spend_token(world, str(details["token"]))
        if sort == "card":
            number = str(details.get("number") or "4242424242424242").replace(" ", "")
            return money.new_method(world, "card", number[-4:], details=given.get("billing_details"))
        if sort == "us_bank_account":
            number = str(details.get("account_number") or "000123456789")
            return money.new_method(world, sort, number[-4:], details=given.get("billing_details"))
        if sort == "sepa_debit":
            need(details, "iban")
            iban = str(details["iban"]).replace(" ", "").upper()
            if not debits.iban(iban):
                raise StripeError(400, "invalid_request_error", "The IBAN you provided is invalid.",
                                  code="invalid_bank_account_iban", param="sepa_debit[iban]")  # fmt: skip
            return money.new_method(world, sort, iban[-4:], details=given.get("billing_details"))
        raise StripeError(400, "invalid_request_error", f"Invalid type: {sort}", param="type")

    @read("/payment_methods")
    def list_methods(given: Thing) -> Thing:
        found = world.store.find("stripe:payment_method", "customer", str(given.get("customer", "")))
        kept = [item for item in found if given.get("type") in (None, item["type"])]
        return money.listed(kept, "/v1/payment_methods", given)

    @read("/payment_methods/<key>")
    def get_method(given: Thing, key: str) -> Thing:
        return money.get(world, "payment_method", key)

    @post("/payment_methods/<key>/attach")
    def attach_method(given: Thing, key: str) -> Thing:
        need(given, "customer")
        money.get(world, "customer", given["customer"], "customer")
        return money.attach(world, money.method_for(world, key), given["customer"])

    @post("/payment_methods/<key>/detach")
    def detach_method(given: Thing, key: str) -> Thing:
        method = money.get(world, "payment_method", key)
        method["customer"] = None
        return money.keep(world, method)

    @post("/setup_intents")
    def create_setup(given: Thing) -> Thing:
        allow(given, "customer payment_method payment_method_types usage confirm description automatic_payment_methods "
                     "payment_method_options mandate_data return_url")  # fmt: skip
        key = money.new_id("seti")
        setup = {
            "id": key, "object": "setup_intent", "application": None, "client_secret": f"{key}_secret_sandbox",
            "created": int(world.now()), "customer": given.get("customer"), "description": given.get("description"),
            "last_setup_error": None, "livemode": False, "mandate": None, "metadata": _metadata(given),
            "next_action": None, "payment_method": given.get("payment_method"),
            "usage": given.get("usage", "off_session"),
            "payment_method_types": given.get("payment_method_types") or ["card"],
            "status": "requires_confirmation" if given.get("payment_method") else "requires_payment_method",
        }  # fmt: skip
        money.keep(world, setup)
        return _confirm_setup(world, setup, given) if given.get("confirm") == "true" else setup

    @post("/setup_intents/<key>/confirm")
    def confirm_setup(given: Thing, key: str) -> Thing:
        return _confirm_setup(world, money.get(world, "setup_intent", key), given)

    @read("/setup_intents/<key>")
    def get_setup(given: Thing, key: str) -> Thing:
        setup = dict(money.get(world, "setup_intent", key))
        for name in ("payment_method", "mandate"):
            if name in (given.get("expand") or []) and setup.get(name):
                setup[name] = money.get(world, name, setup[name])
        return setup

    @read("/mandates/<key>")
    def get_mandate(given: Thing, key: str) -> Thing:
        return money.get(world, "mandate", key)


def _confirm_setup(world: World, setup: Thing, given: Thing) -> Thing:
    method = money.method_for(world, given.get("payment_method") or setup["payment_method"] or "none")
    setup.update(status="succeeded", payment_method=method["id"])
    if method["type"] in money.DEBITS:
        setup["mandate"] = debits.mandate(world, method)["id"]
    if setup["customer"]:
        money.attach(world, method, setup["customer"])
    money.keep(world, setup)
    money.tell(world, "setup_intent.succeeded", setup)
    return setup


def _intents(world: World, post: Route, read: Route) -> None:
    names = (
        "amount currency customer payment_method payment_method_types confirm off_session description receipt_email "
        "setup_future_usage automatic_payment_methods return_url statement_descriptor statement_descriptor_suffix "
        "payment_method_options capture_method confirmation_method error_on_requires_action mandate mandate_data"
    )

    def confirmed(intent: Thing, given: Thing) -> Thing:
        method = money.method_for(world, given.get("payment_method") or intent["payment_method"] or "none")
        off_session = str(given.get("off_session", "false")).lower() not in ("false", "")
        if off_session and method["customer"] != intent["customer"]:
            raise StripeError(
                400, "invalid_request_error", "The payment method must be attached to the customer for off-session use."
            )
        unattended = off_session or given.get("error_on_requires_action") == "true"
        intent = money.confirm(world, intent, method, unattended)
        error = intent["last_payment_error"]
        if error:
            raise StripeError(402, "card_error", error["message"], code=error["code"],
                              decline_code=error["decline_code"], charge=error["charge"],
                              payment_intent=intent, payment_method=method)  # fmt: skip
        return intent

    @post("/payment_intents")
    def create_intent(given: Thing) -> Thing:
        allow(given, names)
        need(given, "amount", "currency")
        amount = integer(given, "amount", 50)
        if given.get("customer"):
            money.get(world, "customer", given["customer"], "customer")
        method = money.method_for(world, given["payment_method"])["id"] if given.get("payment_method") else None
        intent = money.new_intent(
            world, amount, given["currency"], customer=given.get("customer"), metadata=_metadata(given),
            description=given.get("description"), receipt_email=given.get("receipt_email"), payment_method=method,
            payment_method_types=given.get("payment_method_types") or ["card"],
            setup_future_usage=given.get("setup_future_usage"),
        )  # fmt: skip
        wanted = {**given, "payment_method": method} if method else given
        return confirmed(intent, wanted) if given.get("confirm") == "true" else intent

    @read("/payment_intents")
    def list_intents(given: Thing) -> Thing:
        found = [
            item for item in world.store.all("stripe:payment_intent")
            if given.get("customer") in (None, item["customer"])
        ]  # fmt: skip
        return money.listed(found, "/v1/payment_intents", given)

    @read("/payment_intents/<key>")
    def get_intent(given: Thing, key: str) -> Thing:
        return money.get(world, "payment_intent", key)

    @post("/payment_intents/<key>")
    def change_intent(given: Thing, key: str) -> Thing:
        intent = money.get(world, "payment_intent", key)
        intent["metadata"].update(_metadata(given))
        if given.get("description"):
            intent["description"] = given["description"]
        return money.keep(world, intent)

    @post("/payment_intents/<key>/confirm")
    def confirm_intent(given: Thing, key: str) -> Thing:
        intent = money.get(world, "payment_intent", key)
        if intent["status"] not in ("requires_payment_method", "requires_confirmation", "requires_action"):
            raise StripeError(
                400, "invalid_request_error", f"This PaymentIntent has a status of {intent['status']}.",
                code="payment_intent_unexpected_state",
            )  # fmt: skip
        return confirmed(intent, given)

    @post("/payment_intents/<key>/cancel")
    def cancel_intent(given: Thing, key: str) -> Thing:
        intent = money.get(world, "payment_intent", key)
        if intent["status"] in ("succeeded", "canceled", "processing"):
            raise StripeError(
                400, "invalid_request_error", f"You cannot cancel this PaymentIntent: {intent['status']}.",
                code="payment_intent_unexpected_state",
            )  # fmt: skip
        intent.update(status="canceled", canceled_at=int(world.now()))
        money.keep(world, intent)
        money.tell(world, "payment_intent.canceled", intent)
        return intent


def _sessions(world: World, post: Route, read: Route) -> None:
    names = (
        "mode line_items success_url cancel_url return_url ui_mode customer customer_email client_reference_id "
        "payment_method_types payment_intent_data setup_intent_data locale currency submit_type expires_at "
        "payment_method_options customer_creation billing_address_collection automatic_tax customer_update "
        "saved_payment_method_options phone_number_collection allow_promotion_codes consent_collection custom_text"
    )

    @post("/checkout/sessions")
    def create_session(given: Thing) -> Thing:
        allow(given, names)
        need(given, "mode")
        if given["mode"] not in ("payment", "setup"):
            raise StripeError(400, "invalid_request_error", f"Invalid mode: {given['mode']}", param="mode")
        if given.get("ui_mode", "hosted") in ("hosted", "hosted_page"):
            need(given, "success_url")
        items = given.get("line_items") or []
        if given["mode"] == "payment" and not items:
            raise StripeError(400, "invalid_request_error", "You must provide line_items.", param="line_items")
        total, currency, lines = _totals(items, given.get("currency", "usd"))
        now, key = int(world.now()), money.new_id("cs_test")
        expires = integer(given, "expires_at") if given.get("expires_at") else now + 86_400
        session = {
            "id": key, "object": "checkout.session", "amount_subtotal": total, "amount_total": total,
            "cancel_url": given.get("cancel_url"), "client_reference_id": given.get("client_reference_id"),
            "created": now, "currency": currency, "customer": given.get("customer"),
            "customer_email": given.get("customer_email"), "customer_details": None, "expires_at": expires,
            "livemode": False, "locale": given.get("locale"), "metadata": _metadata(given), "mode": given["mode"],
            "payment_intent": None, "payment_link": None, "setup_intent": None, "status": "open",
            "payment_method_types": given.get("payment_method_types") or ["card"],
            "payment_status": "unpaid" if given["mode"] == "payment" else "no_payment_required",
            "success_url": given.get("success_url"), "ui_mode": given.get("ui_mode", "hosted"),
            "url": f"{world.here()}/stripe/pay/{key}", "lines": lines,
            "intent_data": given.get("payment_intent_data") or given.get("setup_intent_data") or {},
        }  # fmt: skip
        money.keep(world, session)
        return money.public(session)

    @read("/checkout/sessions")
    def list_sessions(given: Thing) -> Thing:
        found = [
            money.public(item) for item in world.store.all("stripe:checkout.session")
            if given.get("payment_intent") in (None, item["payment_intent"])
        ]  # fmt: skip
        return money.listed(found, "/v1/checkout/sessions", given)

    @read("/checkout/sessions/<key>")
    def get_session(given: Thing, key: str) -> Thing:
        session = money.public(money.get(world, "checkout.session", key))
        if "payment_intent" in (given.get("expand") or []) and session["payment_intent"]:
            session["payment_intent"] = money.get(world, "payment_intent", session["payment_intent"])
        return session

    @post("/checkout/sessions/<key>/expire")
    def expire_session(given: Thing, key: str) -> Thing:
        session = money.get(world, "checkout.session", key)
        if session["status"] != "open":
            raise StripeError(
                400, "invalid_request_error", "Only Checkout Sessions with a status in [open] can be expired."
            )
        session.update(status="expired", url=None)
        money.keep(world, session)
        money.tell(world, "checkout.session.expired", money.public(session))
        return money.public(session)


def _rest(world: World, post: Route, read: Route) -> None:
    @post("/refunds")
    def create_refund(given: Thing) -> Thing:
        allow(given, "payment_intent charge amount reason")
        if given.get("charge"):
            intent_id = money.get(world, "charge", given["charge"], "charge")["payment_intent"]
        else:
            need(given, "payment_intent")
            intent_id = given["payment_intent"]
        intent = money.get(world, "payment_intent", intent_id, "payment_intent")
        amount = integer(given, "amount", 1) if given.get("amount") else None
        return debits.refund(world, intent, amount, given.get("reason"), _metadata(given))

    @read("/refunds")
    def list_refunds(given: Thing) -> Thing:
        found = [
            item for item in world.store.all("stripe:refund")
            if given.get("payment_intent") in (None, item["payment_intent"])
        ]  # fmt: skip
        return money.listed(found, "/v1/refunds", given)

    for sort in ("refund", "charge", "event", "dispute"):

        def get_one(given: Thing, key: str, sort: str = sort) -> Thing:
            return money.get(world, sort, key)

        get_one.__name__ = f"get_{sort}"
        read(f"/{sort}s/<key>")(get_one)

    @read("/events")
    def list_events(given: Thing) -> Thing:
        kept = [item for item in world.store.all("stripe:event") if given.get("type") in (None, item["type"])]
        return money.listed(kept, "/v1/events", given)

    @read("/balance_transactions")
    def list_movements(given: Thing) -> Thing:
        span = given.get("created") or {}
        since, until = int(span.get("gte", 0)), int(span.get("lt", 1 << 40))
        kept = [m for m in world.store.all("stripe:balance_transaction") if since <= m["created"] < until]
        page = money.listed(kept, "/v1/balance_transactions", given)
        whole = "data.source" in (given.get("expand") or [])
        shown = []
        for moved in page["data"]:
            public = {name: value for name, value in moved.items() if name != "source_object"}
            if whole:
                public["source"] = money.get(world, moved["source_object"], moved["source"])
            shown.append(public)
        return {**page, "data": shown}

    @read("/balance")
    def balance(given: Thing) -> Thing:
        return {"object": "balance", "available": [], "pending": [], "livemode": False}


def _totals(items: list[Thing], currency: str) -> tuple[int, str, list[Thing]]:
    total, lines = 0, []
    for place, item in enumerate(items):
        price = item.get("price_data")
        if not isinstance(price, dict):
            raise StripeError(400, "invalid_request_error", "price_data is required.", param=f"line_items[{place}]")
        need(price, "currency", "unit_amount")
        currency = str(price["currency"]).lower()
        amount = integer(price, "unit_amount") * int(item.get("quantity", 1))
        total += amount
        lines.append({"name": str((price.get("product_data") or {}).get("name", "")), "amount": amount})
    return total, currency, lines
