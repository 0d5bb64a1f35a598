"""Twilio's doors for text messages and for what became of ours."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from channels import edge, twilio_edge
from channels.sms import parse
from core import log
from core.accounts import operations as accounts
from core.accounts import queries as consents
from core.conversations import operations as conversations
from core.hub import Hub

logger = log.get(__name__)


def blueprint(hub: Hub) -> Blueprint:
    """This will give the doors: POST /hooks/twilio/sms and POST /hooks/twilio/status."""
    door = edge.guard(Blueprint("sms", __name__), limit=256 * edge.KILOBYTE)

    @door.post("/hooks/twilio/sms")
    def receive() -> Response:
        twilio_edge.check(hub.settings, request)
        fields = twilio_edge.form(request)
        now = hub.now()
        inbound = parse.parse(fields, now=now)
        if inbound is None or inbound.identity.startswith("whatsapp:"):
            raise BadRequest
        mark = parse.vendor_answered(fields)
        with hub.transaction() as session:
            if mark == "START" and not consents.is_opted_out(session, contact_value=inbound.identity, channel="SMS"):
                mark = None  # nothing was stopped: YES is the answer to a question of ours
            conversations.receive_message(session, inbound=inbound, now=now, settings=hub.settings, answer=mark is None)
            if mark in ("STOP", "START"):
                accounts.record_consent(
                    session,
                    contact_value=inbound.identity,
                    customer_id=None,
                    channel="SMS",
                    granted=mark == "START",
                    source=f"twilio:{mark.lower()}",
                    now=now,
                )
        return twilio_edge.empty()

    @door.post("/hooks/twilio/status")
    def status() -> Response:
        twilio_edge.check(hub.settings, request)
        fields = twilio_edge.form(request)
        update = twilio_edge.status_of(fields)
        if update is not None:
            sid, state, error_code = update
            channel = "WHATSAPP" if fields.get("From", "").startswith("whatsapp:") else "SMS"
            now = hub.now()
            with hub.transaction() as session:
                conversations.record_delivery_status(
                    session, channel=channel, external_id=sid, status=state, error_code=error_code, at=now
                )
                if error_code == str(twilio_edge.OPTED_OUT):
                    accounts.record_consent(
                        session,
                        contact_value=fields.get("To", "").removeprefix("whatsapp:"),
                        customer_id=None,
                        channel=channel,
                        granted=False,
                        source="twilio:21610",
                        now=now,
                    )
        return Response(status=204)

    return door
