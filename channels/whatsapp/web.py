"""Twilio's door for WhatsApp messages (what became of ours comes to /hooks/twilio/status)."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from channels import edge, twilio_edge
from channels.whatsapp import parse
from core.conversations import operations as conversations
from core.hub import Hub


def blueprint(hub: Hub) -> Blueprint:
    """This will give the door: POST /hooks/twilio/whatsapp."""
    door = edge.guard(Blueprint("whatsapp", __name__), limit=256 * edge.KILOBYTE)

    @door.post("/hooks/twilio/whatsapp")
    def receive() -> Response:
        twilio_edge.check(hub.settings, request)
        now = hub.now()
        inbound = parse.parse(twilio_edge.form(request), now=now)
        if inbound is None:
            raise BadRequest
        with hub.transaction() as session:
            conversations.receive_message(session, inbound=inbound, now=now, settings=hub.settings)
        return twilio_edge.empty()

    return door
