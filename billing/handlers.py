"""What billing does on a fact: refunds that were agreed to go out, removed methods are forgotten at the gateway."""

from billing import models, refunds
from core import http, outbox
from core.hub import Hub


def send_refund(hub: Hub, fact: outbox.Fact) -> None:
    """This will send a refund that a second person agreed to. For ``refund.approved``."""
    refunds.send_refund(hub, refund_id=int(fact.payload["refund_id"]))


def forget_method(hub: Hub, fact: outbox.Fact) -> None:
    """This will let the gateway forget a method that a customer removed. For ``method.removed``."""
    with hub.transaction() as session:
        row = session.get_one(models.SavedMethodRow, int(fact.payload["saved_method_id"]))
        gateway, method_id = row.gateway, row.method_id
    if gateway != hub.payments.name:
        return
    http.leave()
    hub.payments.forget_method(method_id=method_id)
