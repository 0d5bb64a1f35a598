"""The hosted payment page: a card, a card that asks back, or a bank account whose money arrives another day."""

import re
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, redirect, render_template, request

from ops_admin.sandbox import stripe_debits as debits
from ops_admin.sandbox import stripe_money as money
from ops_admin.sandbox.world import World

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Pay {house}", "save": "Save a payment method", "total": "Total due", "card": "Card",
        "us_bank_account": "US bank account", "number": "Card number", "expiry": "Expiry (MM / YY)", "cvc": "CVC",
        "name": "Name", "routing": "Routing number", "account": "Account number", "pay": "Pay {amount}",
        "keep": "Save", "cancel": "Go back without paying", "test": "Test page. No real money moves here.",
        "try": "Fill in", "good": "a good card", "declined": "a declined card", "asks": "a card that asks back",
        "bank_good": "a good account", "bank_bad": "an account without funds",
        "bad_number": "Your card number is invalid.",
        "bad_expiry": "Your card's expiry is invalid.", "bad_cvc": "Your card's security code is incomplete.",
        "bad_account": "Please give a nine-digit routing number and an account number.",
        "challenge": "Your bank asks: is it you?", "challenge_text": "Approve the payment of {amount} to {house}?",
        "approve": "Approve", "refuse": "Refuse", "refused": "We could not authenticate your card. Please try again.",
        "closed": "This page is closed.", "closed_text": "It was paid, has expired, or does not exist.",
        "debit": "The money leaves your account in one to four banking days.",
        "sepa_debit": "SEPA Direct Debit", "iban": "IBAN", "bad_iban": "The IBAN you provided is invalid.",
        "mandate": "By giving your IBAN you allow {house} and its payment provider to send instructions to your "
        "bank to debit your account, and your bank to debit it. Your bank gives a debit back under the terms of your "
        "agreement with it; claim that within eight weeks. You agree to hear of future debits up to two days before.",
    },
    "es": {
        "title": "Pagar a {house}", "save": "Guardar un medio de pago", "total": "Total a pagar", "card": "Tarjeta",
        "us_bank_account": "Cuenta bancaria de EE. UU.", "number": "Número de tarjeta", "expiry": "Caducidad (MM / AA)",
        "cvc": "CVC", "name": "Nombre", "routing": "Número de ruta", "account": "Número de cuenta",
        "pay": "Pagar {amount}", "keep": "Guardar", "cancel": "Volver sin pagar",
        "test": "Página de prueba. Aquí no se mueve dinero real.", "try": "Rellenar con", "good": "una tarjeta válida",
        "declined": "una tarjeta rechazada", "asks": "una tarjeta que pide confirmación",
        "bank_good": "una cuenta válida",
        "bank_bad": "una cuenta sin fondos", "bad_number": "El número de la tarjeta no es válido.",
        "bad_expiry": "La caducidad no es válida.", "bad_cvc": "El código de seguridad está incompleto.",
        "bad_account": "Indique un número de ruta de nueve cifras y un número de cuenta.",
        "challenge": "Su banco pregunta: ¿es usted?", "challenge_text": "¿Aprueba el pago de {amount} a {house}?",
        "approve": "Aprobar", "refuse": "Rechazar", "refused": "No pudimos autenticar su tarjeta. Inténtelo de nuevo.",
        "closed": "Esta página está cerrada.", "closed_text": "Ya se pagó, ha caducado o no existe.",
        "debit": "El dinero sale de su cuenta en uno a cuatro días hábiles.",
        "sepa_debit": "Adeudo directo SEPA", "iban": "IBAN", "bad_iban": "El IBAN no es válido.",
        "mandate": "Al dar su IBAN autoriza a {house} y a su proveedor de pagos a enviar órdenes a su banco para "
        "adeudar su cuenta, y a su banco a adeudarla. Su banco le devuelve un adeudo según su contrato con él; pídalo "
        "dentro de ocho semanas. Acepta que se le avise de los adeudos hasta dos días antes.",
    },
}  # fmt: skip


def blueprint(world: World) -> Blueprint:
    """This will give the payment page, /stripe/pay/<session>."""
    pages = Blueprint("stripe_page", __name__)

    def show(session: dict[str, Any], error: str = "", challenge: str = "") -> Response:
        text = words(session)
        body = render_template(
            "pay.html", session=session, text=text, error=text.get(error, error), challenge=challenge,
            amount=_amount(session), house=world.config.utility_name, language=_language(session),
        )  # fmt: skip
        return _guarded(world, session, body)

    def words(session: dict[str, Any]) -> dict[str, str]:
        return {
            name: value.replace("{house}", world.config.utility_name).replace("{amount}", _amount(session))
            for name, value in _WORDS[_language(session)].items()
        }

    def open_session(key: str) -> dict[str, Any] | None:
        session = world.store.get("stripe:checkout.session", key)
        if session is None or session["status"] != "open" or session["expires_at"] < world.now():
            return None
        return session

    def closed() -> tuple[str, int]:
        language = "es" if request.accept_languages.best_match(["en", "es"]) == "es" else "en"
        return render_template("pay_closed.html", text=_WORDS[language], language=language), 410

    @pages.get("/stripe/pay/<key>")
    def look(key: str) -> Response | tuple[str, int]:
        session = open_session(key)
        return show(session) if session else closed()

    @pages.post("/stripe/pay/<key>")
    def pay(key: str) -> Any:
        with world.store.change():
            session = open_session(key)
            if session is None:
                return closed()
            if request.form.get("challenge"):
                return _challenged(session)
            sort = request.form.get("method", "")
            if sort not in session["payment_method_types"] or sort not in _WAYS:
                abort(400)
            check, field = _WAYS[sort]
            problem = check()
            if problem:
                return show(session, problem)
            number = re.sub(r"\D", "", request.form[field])
            brand = {"5": "mastercard", "3": "amex"}.get(number[0], "visa")
            details = {"name": request.form.get("name"), "email": session["customer_email"]}
            method = money.new_method(world, sort, number[-4:], brand, details)
            return _settle(session, method, authenticated=False)

    def _challenged(session: dict[str, Any]) -> Any:
        method = money.get(world, "payment_method", request.form["challenge"])
        if request.form.get("answer") != "approve":
            return show(session, "refused")
        return _settle(session, method, authenticated=True)

    def _settle(session: dict[str, Any], method: dict[str, Any], authenticated: bool) -> Any:
        if session["mode"] == "setup":
            return _saved(session, method)
        known = session["payment_intent"]
        given = session["intent_data"]
        intent = money.get(world, "payment_intent", known) if known else money.new_intent(
            world, session["amount_total"], session["currency"], customer=session["customer"],
            metadata=given.get("metadata") or {}, description=given.get("description"),
            payment_method_types=session["payment_method_types"],
            setup_future_usage=given.get("setup_future_usage"),
        )  # fmt: skip
        session["payment_intent"] = intent["id"]
        money.keep(world, session)
        if intent["setup_future_usage"] and not intent["customer"]:
            intent["customer"] = session["customer"] = _customer(session, method)
        intent = money.confirm(world, intent, method, authenticated=authenticated)
        if intent["status"] == "requires_action":
            return show(session, challenge=method["id"])
        if intent["last_payment_error"]:
            return show(session, intent["last_payment_error"]["message"])
        return _complete(session, "paid" if intent["status"] == "succeeded" else "unpaid", method)

    def _saved(session: dict[str, Any], method: dict[str, Any]) -> Any:
        customer = session["customer"] or _customer(session, method)
        money.attach(world, method, customer)
        key = money.new_id("seti")
        agreed = debits.mandate(world, method)["id"] if method["type"] in money.DEBITS else None
        setup = {
            "id": key, "object": "setup_intent", "client_secret": f"{key}_secret_sandbox", "created": int(world.now()),
            "customer": customer, "description": None, "last_setup_error": None, "livemode": False, "mandate": agreed,
            "metadata": session["intent_data"].get("metadata") or {}, "next_action": None,
            "payment_method": method["id"], "payment_method_types": session["payment_method_types"],
            "status": "succeeded", "usage": "off_session",
        }  # fmt: skip
        money.keep(world, setup)
        money.tell(world, "setup_intent.succeeded", setup)
        session.update(setup_intent=key, customer=customer)
        return _complete(session, "no_payment_required", method)

    def _customer(session: dict[str, Any], method: dict[str, Any]) -> str:
        customer = {
            "id": money.new_id("cus"), "object": "customer", "created": int(world.now()), "livemode": False,
            "email": session["customer_email"], "name": method["billing_details"].get("name"), "metadata": {},
            "invoice_settings": {"default_payment_method": None},
        }  # fmt: skip
        return str(money.keep(world, customer)["id"])

    def _complete(session: dict[str, Any], payment_status: str, method: dict[str, Any]) -> Any:
        session.update(
            status="complete", payment_status=payment_status, url=None,
            customer_details={"email": session["customer_email"], "name": method["billing_details"].get("name")},
        )  # fmt: skip
        money.keep(world, session)
        money.tell(world, "checkout.session.completed", session)
        return redirect(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]), 303)

    return pages


def _language(session: dict[str, Any]) -> str:
    return "es" if str(session.get("locale") or "").startswith("es") else "en"


def _amount(session: dict[str, Any]) -> str:
    sign = {"usd": "$", "eur": "€"}.get(session["currency"], f"{session['currency'].upper()} ")
    return f"{sign}{session['amount_total'] / 100:,.2f}"


def _guarded(world: World, session: dict[str, Any], body: str) -> Response:
    """A browser follows a form's redirect only to where form-action allows it."""
    targets = {world.config.hub_public}
    for url in (session["success_url"], session["cancel_url"]):
        parts = urlsplit(url or "")
        if parts.scheme in ("http", "https"):
            targets.add(f"{parts.scheme}://{parts.netloc}")
    answer = Response(body)
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self' {' '.join(sorted(targets))}"
    )
    return answer


def _card_problem() -> str:
    number = re.sub(r"[\s-]", "", request.form.get("number", ""))
    if not is_card_number(number):
        return "bad_number"
    month = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{2}|\d{4})\s*", request.form.get("expiry", ""))
    if not month or not 1 <= int(month.group(1)) <= 12:
        return "bad_expiry"
    return "" if re.fullmatch(r"\d{3,4}", request.form.get("cvc", "").strip()) else "bad_cvc"


def _bank_problem() -> str:
    routing, account = request.form.get("routing", "").strip(), request.form.get("account", "").strip()
    return "" if re.fullmatch(r"\d{9}", routing) and re.fullmatch(r"\d{4,17}", account) else "bad_account"


def _iban_problem() -> str:
    return "" if debits.iban(re.sub(r"\s", "", request.form.get("iban", "")).upper()) else "bad_iban"


_WAYS = {
    "card": (_card_problem, "number"),
    "us_bank_account": (_bank_problem, "account"),
    "sepa_debit": (_iban_problem, "iban"),
}


def is_card_number(number: str) -> bool:
    """This will say whether digits can be the number of a card, by their count and their check digit."""
    if not re.fullmatch(r"[0-9]{13,19}", number):
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
