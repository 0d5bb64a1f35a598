"""WhatsApp messages out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from channels import edge, twilio_edge
from channels.whatsapp import render
from core import errors
from core.ports import Outbound, Sent
from core.settings import Settings

STATUS_PATH = "/hooks/twilio/status"
_PREFIX = "whatsapp:"


class WhatsApp:
    """The WhatsApp channel: free words within 24 hours of the customer's last, a template outside them."""

    name = "WHATSAPP"

    def __init__(self, settings: Settings, now: Callable[[], datetime], twilio: Any | None = None) -> None:
        self._settings = settings
        self._now = now
        self._outbox = twilio_edge.Outbox(settings, twilio)

    def send(self, message: Outbound) -> Sent:
        """This will send a message. Refused('whatsapp.window_closed') when it may not go and no template stands in."""
        content = render.render(message, self._settings.whatsapp_templates, edge.house(self._settings))
        parameters: dict[str, Any] = {
            "to": message.to if message.to.startswith(_PREFIX) else _PREFIX + message.to,
            "from_": self._settings.whatsapp_from,
            "status_callback": self._settings.public_base_url.rstrip("/") + STATUS_PATH,
        }
        if content.template is not None:
            parameters["content_sid"] = content.template
            parameters["content_variables"] = twilio_edge.variables(content.variables)
        elif content.body:
            parameters["body"] = content.body
            if pictures := twilio_edge.pictures(message):
                parameters["media_url"] = pictures
        else:
            raise errors.Refused("channel.empty")
        sent = self._outbox.send(self._now(), uncertain_since=message.uncertain_since, **parameters)
        return Sent(sent.sid, twilio_edge.sent_status(sent))
