"""Stripe as the payment gateway: hosted checkout, kept methods, refunds, signed events. Card digits never come here.

The SDK is used with its own retries off: the outbox and the jobs try again, under the same idempotency key.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from core import errors, http, money, ports

Answer = TypeVar("Answer")

TIMEOUT = 5.0
TOLERANCE = timedelta(minutes=5)
METHODS = ("card", "us_bank_account", "sepa_debit", "link")
_CURRENCY = {"us_bank_account": "USD", "sepa_debit": "EUR"}  # a debit scheme knows one currency

_INTENT = {
    "payment_intent.succeeded": "payment.succeeded",
    "payment_intent.processing": "payment.processing",
    "payment_intent.payment_failed": "payment.failed",
}
_SESSION = {
    "checkout.session.async_payment_succeeded": "payment.succeeded",
    "checkout.session.async_payment_failed": "payment.failed",
}


_REFUNDS = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
_REFUND_OVER = ("failed", "canceled")  # the money is back with us
_DISPUTES = {"won": "payment.dispute_won", "lost": "payment.dispute_lost"}


class StripeGateway:
    """ports.PaymentGateway over Stripe's own SDK, or over whatever speaks its HTTP at `api_base`."""

    name = "stripe"

    def __init__(self, *, api_key: str, webhook_secret: str, api_base: str | None = None) -> None:
        import stripe

        self._stripe = stripe
        self._secret = webhook_secret
        self._client = stripe.StripeClient(
            api_key or "sk_test_sandbox",
            base_addresses={"api": api_base} if api_base else {},
            http_client=stripe.RequestsClient(timeout=TIMEOUT),
            max_network_retries=0,
        )

    def start_checkout(
        self,
        *,
        amount: Decimal,
        currency: str,
        reference: str,
        description: str,
        methods: Sequence[str],
        return_url: str,
        locale: str,
        key: str,
    ) -> ports.Checkout:
        """This will open a hosted page; `reference` comes back with every event of the payment."""
        _fit(methods, currency)
        params = {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": currency.lower(),
                        "unit_amount": _exact_cents(amount),
                        "product_data": {"name": description},
                    },
                }
            ],
            "payment_method_types": list(methods),
            **_ways_back(return_url),
            "client_reference_id": reference,
            "metadata": {"reference": reference},
            "payment_intent_data": {"metadata": {"reference": reference}},
            "locale": locale if locale in ("en", "es") else "auto",
        }
        return self._page(params, key)

    def start_setup(
        self, *, currency: str, reference: str, methods: Sequence[str], return_url: str, locale: str, key: str
    ) -> ports.Checkout:
        """This will open a hosted page that keeps a method; the page shows the mandate and takes the word for it."""
        _fit(methods, currency)
        params = {
            "mode": "setup",
            "payment_method_types": list(methods),
            "customer_creation": "always",
            "client_reference_id": reference,
            "metadata": {"reference": reference},
            "setup_intent_data": {"metadata": {"reference": reference}},
            "locale": locale if locale in ("en", "es") else "auto",
            **_ways_back(return_url),
        }
        return self._page(params, key)

    def find_kept(self, *, setup_id: str) -> ports.KeptMethod:
        """This will read a set-up with its method and its mandate; one that is not done is not there (NotFound)."""
        params: dict[str, Any] = {"expand": ["payment_method", "mandate"]}
        setup = self._call(lambda: self._client.v1.setup_intents.retrieve(setup_id, params))
        kept: Any = setup.payment_method
        if setup.status != "succeeded" or kept is None:
            raise errors.NotFound("method.unknown")
        detail = getattr(kept, kept.type, None)
        agreed: Any = setup.mandate
        terms = getattr(agreed.payment_method_details, kept.type, None) if agreed else None
        return ports.KeptMethod(
            method_id=str(kept.id),
            customer_id=str(kept.customer or setup.customer or ""),
            method=str(kept.type),
            last4=str(getattr(detail, "last4", None) or ""),
            mandate=getattr(terms, "reference", None) or (str(agreed.id) if agreed else None),
        )

    def charge_saved(
        self,
        *,
        method_id: str,
        customer_id: str,
        method: str,
        amount: Decimal,
        currency: str,
        reference: str,
        key: str,
    ) -> ports.GatewayCharge:
        """This will charge a kept method while the customer is away; a decline is an answer, not an error."""
        params = {
            "amount": _exact_cents(amount),
            "currency": currency.lower(),
            "customer": customer_id,
            "payment_method": method_id,
            "payment_method_types": [method],
            "off_session": True,
            "confirm": True,
            "metadata": {"reference": reference},
        }
        return self._charge(params, key)

    def charge_token(
        self, *, token: str, amount: Decimal, currency: str, reference: str, key: str
    ) -> ports.GatewayCharge:
        """This will charge a card whose payer is on the phone, by a token (tok_) or a payment method (pm_) for it.

        Nobody can answer a bank's question there: a card that asks one is declined.
        """
        cents = _exact_cents(amount)
        try:
            method = token if token.startswith("pm_") else self._method_of(token, key)
            params = {
                "amount": cents,
                "currency": currency.lower(),
                "payment_method": method,
                "payment_method_types": ["card"],
                "confirm": True,
                "error_on_requires_action": True,
                "metadata": {"reference": reference},
            }
            return self._charge(params, key)
        except errors.ProviderError as failed:
            if failed.code == "stripe.refused":  # it never began
                raise errors.Refused("payment.refused", reason=failed.data.get("reason")) from failed
            raise

    def _method_of(self, token: str, key: str) -> str:
        params = {"type": "card", "card": {"token": token}}
        try:
            method = self._call(
                lambda: self._client.v1.payment_methods.create(params, options={"idempotency_key": f"{key}-card"})
            )
        except self._stripe.CardError as declined:
            raise errors.Refused("payment.declined", reason=declined.code) from declined
        return str(method.id)

    def _charge(self, params: dict[str, Any], key: str) -> ports.GatewayCharge:
        try:
            intent = self._call(
                lambda: self._client.v1.payment_intents.create(params, options={"idempotency_key": key})
            )
        except self._stripe.CardError as declined:
            found = getattr(declined.error, "payment_intent", None)
            if found is None:
                raise errors.Refused("payment.declined", reason=declined.code) from declined
            return ports.GatewayCharge(found["id"], "FAILED", declined.code)
        return ports.GatewayCharge(intent.id, _status(intent.status))

    def refund(self, *, external_id: str, amount: Decimal, key: str) -> str:
        """This will give part or all of a payment back."""
        params = {"payment_intent": external_id, "amount": _exact_cents(amount), "metadata": {"refund": key}}
        refund = self._call(lambda: self._client.v1.refunds.create(params, options={"idempotency_key": key}))
        return str(refund.id)

    def find_refund(self, *, external_id: str, key: str) -> ports.GatewayRefund | None:
        """This will look through the payment's refunds for the one that bears our key."""
        found = self._call(lambda: self._client.v1.refunds.list({"payment_intent": external_id, "limit": 100}))
        for refund in found.data:
            if (refund.metadata or {}).get("refund") == key:
                failed = refund.status in _REFUND_OVER
                return ports.GatewayRefund(
                    str(refund.id), "FAILED" if failed else "SENT", getattr(refund, "failure_reason", None)
                )
        return None

    def forget_method(self, *, method_id: str) -> None:
        """This will detach a kept method from its customer; what is detached already may be so."""
        try:
            self._call(lambda: self._client.v1.payment_methods.detach(method_id))
        except errors.ProviderError as refused:
            if refused.code != "stripe.refused":
                raise

    def list_movements(self, *, since: datetime, until: datetime) -> Iterator[ports.GatewayMovement]:
        """This will read the balance transactions page by page; payouts and the like name no payment and are left."""
        after: str | None = None
        while True:
            params: dict[str, Any] = {
                "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
                "limit": 100,
                "expand": ["data.source"],
                **({"starting_after": after} if after else {}),
            }
            page = self._call(lambda given=params: self._client.v1.balance_transactions.list(given))  # type: ignore[misc]
            for moved in page.data:
                after = moved.id
                intent = getattr(moved.source, "payment_intent", None)
                if intent:
                    yield ports.GatewayMovement(
                        movement_id=moved.id,
                        external_id=str(intent),
                        kind=str(moved.type),
                        amount=money.from_cents(int(moved.amount)),
                        currency=str(moved.currency).upper(),
                        at=datetime.fromtimestamp(int(moved.created), UTC),
                    )
            if not page.has_more:
                return

    def parse_webhook(self, body: bytes, signature: str | None, now: datetime) -> ports.GatewayEvent | None:
        """This will check that Stripe signed the body, not long ago, and say what it tells (None: nothing for us)."""
        if not signature or not self._secret:
            raise errors.Refused("webhook.signature")
        try:
            self._stripe.WebhookSignature.verify_header(body.decode(), signature, self._secret, None)
        except (self._stripe.SignatureVerificationError, UnicodeDecodeError) as wrong:
            raise errors.Refused("webhook.signature") from wrong
        signed_at = _signed_at(signature)
        if abs(now - signed_at) > TOLERANCE:
            raise errors.Refused("webhook.stale")
        try:
            event = json.loads(body)
            return _event(event)
        except (KeyError, TypeError, ValueError) as odd:
            raise errors.Invalid("webhook.body") from odd

    def _page(self, params: Any, key: str) -> ports.Checkout:
        session = self._call(lambda: self._client.v1.checkout.sessions.create(params, options={"idempotency_key": key}))
        if not session.url:
            raise errors.ProviderError("stripe.no_url", retryable=False)
        return ports.Checkout(session.url, session.id)

    def _call(self, call: Callable[[], Answer]) -> Answer:
        http.leave()
        try:
            return call()
        except self._stripe.CardError:
            raise
        except self._stripe.RateLimitError as busy:
            raise errors.ProviderError("stripe.busy", retry_after=2.0) from busy
        except (self._stripe.APIConnectionError, self._stripe.APIError) as failed:
            raise errors.ProviderError("stripe.down") from failed
        except self._stripe.IdempotencyError as clash:
            raise errors.ProviderError("stripe.key_clash", retryable=False) from clash
        except self._stripe.StripeError as refused:
            raise errors.ProviderError("stripe.refused", retryable=False, reason=refused.code) from refused


def _event(event: Mapping[str, Any]) -> ports.GatewayEvent | None:
    kind, thing = event["type"], event["data"]["object"]
    at = datetime.fromtimestamp(int(event["created"]), UTC)

    def told(
        name: str, external_id: str, cents: int, *, method: str | None = None, failure: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ports.GatewayEvent:  # fmt: skip
        return ports.GatewayEvent(
            event_id=event["id"],
            kind=name,
            external_id=external_id,
            amount=money.from_cents(int(cents)),
            currency=str(thing.get("currency") or "").upper(),
            metadata=dict(metadata if metadata is not None else thing.get("metadata") or {}),
            method=method,
            failure_code=failure,
            at=at,
        )

    if kind in _INTENT:
        failed = thing.get("last_payment_error") or {}
        types = thing.get("payment_method_types") or [None]
        method = (failed.get("payment_method") or {}).get("type") or (types[0] if len(types) == 1 else None)
        code = failed.get("code") if kind.endswith("failed") else None
        return told(_INTENT[kind], thing["id"], thing["amount"], method=method, failure=code)
    if kind == "checkout.session.completed":
        if not thing.get("payment_intent"):
            return None
        name = "payment.succeeded" if thing.get("payment_status") == "paid" else "payment.processing"
        return told(name, thing["payment_intent"], thing["amount_total"])
    if kind in _SESSION:
        return told(_SESSION[kind], thing["payment_intent"], thing["amount_total"])
    if kind == "charge.refunded":
        # what has been given back of the payment altogether
        return told("payment.refunded", thing["payment_intent"], thing["amount_refunded"])
    if kind in _REFUNDS:
        if not thing.get("payment_intent") or thing["status"] == "requires_action":
            return None
        name = "refund.failed" if thing["status"] in _REFUND_OVER else "refund.sent"
        metadata = {**(thing.get("metadata") or {}), "gateway_refund": thing["id"]}
        code = thing.get("failure_reason")
        return told(name, thing["payment_intent"], thing["amount"], failure=code, metadata=metadata)
    if kind in ("charge.dispute.created", "charge.dispute.closed"):
        state = str(thing["status"])
        if state.startswith("warning") or (kind.endswith("closed") and state not in _DISPUTES):
            return None  # an inquiry: no money has moved
        metadata = {**(thing.get("metadata") or {}), "dispute": thing["id"]}
        ended = _DISPUTES.get(state, "payment.disputed") if kind.endswith("closed") else "payment.disputed"
        return told(ended, thing["payment_intent"], thing["amount"], failure=thing.get("reason"), metadata=metadata)
    if kind == "setup_intent.succeeded":
        return told("method.set_up", thing["id"], 0)
    if kind == "payment_method.attached":
        if not (thing.get("metadata") or {}).get("reference"):
            return None  # its set-up tells whose it is
        detail = thing.get(thing["type"]) or {}
        metadata = {
            **(thing.get("metadata") or {}),
            "last4": str(detail.get("last4") or ""),
            "gateway_customer": str(thing.get("customer") or ""),
        }
        return told("method.saved", thing["id"], 0, method=thing["type"], metadata=metadata)
    return None


def _fit(methods: Sequence[str], currency: str) -> None:
    """Invalid payment.method for what is not known, or does not know the currency."""
    unfit = sorted(m for m in methods if m not in METHODS or _CURRENCY.get(m, currency.upper()) != currency.upper())
    if unfit or not methods:
        raise errors.Invalid("payment.method", methods=unfit)


def _ways_back(return_url: str) -> dict[str, str]:
    joint = "&" if "?" in return_url else "?"
    return {"success_url": f"{return_url}{joint}result=done", "cancel_url": f"{return_url}{joint}result=back"}


def _status(status: str) -> str:
    return {"succeeded": "SUCCEEDED", "processing": "PROCESSING", "requires_action": "REQUIRES_ACTION"}.get(
        status, "FAILED"
    )


def _exact_cents(amount: Decimal) -> int:
    cents = amount * 100
    if cents != cents.to_integral_value():
        raise errors.Invalid("payment.amount", amount=str(amount))
    return int(cents)


def _signed_at(signature: str) -> datetime:
    for part in signature.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t" and value.isdigit():
            return datetime.fromtimestamp(int(value), UTC)
    raise errors.Refused("webhook.signature")
