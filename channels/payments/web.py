"""The payment gateway's door."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from billing import operations as billing
from channels import edge
from core import log
from core.hub import Hub

logger = log.get(__name__)


def blueprint(hub: Hub) -> Blueprint:
    """This will give POST /hooks/payments/<gateway>: signed, settled once, and answered when it is stored."""
    door = edge.guard(Blueprint("payments", __name__), limit=edge.MEGABYTE)

    @door.post("/hooks/payments/<gateway>")
    def told(gateway: str) -> Response:
        if gateway != hub.payments.name:
            raise NotFound
        event = hub.payments.parse_webhook(request.get_data(), request.headers.get("Stripe-Signature"), hub.now())
        if event is not None:
            billing.settle_gateway_event(hub, event)
        return Response(status=204)

    return door
