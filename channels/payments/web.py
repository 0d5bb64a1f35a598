"""The doors of those who bring money: the payment gateway, and the partner whose shops take cash."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from billing import operations as billing
from billing import shop_payments
from channels import edge
from channels.payments import shop
from core import log
from core.hub import Hub

logger = log.get(__name__)


def blueprint(hub: Hub) -> Blueprint:
    """This will give POST /hooks/payments/<gateway> and /hooks/shop-payments: signed, settled once, and stored."""
    door = edge.guard(Blueprint("payments", __name__), limit=edge.MEGABYTE)

    @door.post("/hooks/payments/<gateway>")
    def told(gateway: str) -> Response:
        if gateway != hub.payments.name:
            raise NotFound
        event = hub.payments.parse_webhook(request.get_data(), request.headers.get("Stripe-Signature"), hub.now())
        if event is not None:
            billing.settle_gateway_event(hub, event)
        return Response(status=204)

    @door.post("/hooks/shop-payments")
    def paid_at_shop() -> Response:
        if not hub.settings.cash_partner:
            raise NotFound
        body, now = request.get_data(), hub.now()
        shop.check(body, request.headers.get(shop.HEADER), secret=hub.settings.cash_webhook_secret, now=now)
        told = shop.parse(body)
        with hub.transaction() as session:
            counts = shop_payments.take(session, payments=[told], told="MESSAGE", settings=hub.settings, now=now)
        logger.info("paid_at_shop", extra={"outcome": next(name for name, count in counts.items() if count)})
        return Response(status=204)

    return door
