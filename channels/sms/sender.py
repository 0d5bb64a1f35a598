"""Text messages out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from channels import edge, twilio_edge
from channels.sms import render
from core import errors
from core.ports import Outbound, Sent
from core.settings import Settings

STATUS_PATH = "/hooks/twilio/status"
_MMS = "+1"  # where text messages may carry pictures


class Sms:
    """The text message channel."""

    name = "SMS"

    def __init__(self, settings: Settings, now: Callable[[], datetime], twilio: Any | None = None) -> None:
        self._settings = settings
        self._now = now
        self._outbox = twilio_edge.Outbox(settings, twilio)
        self._gone: dict[int, Any] = {}  # parts of long messages that went before a later part failed

    def send(self, message: Outbound) -> Sent:
        """This will send a message, in parts when it is longer than one may be; the last part's id is kept."""
        bodies = render.render(message, edge.house(self._settings))
        if not bodies:
            raise errors.Refused("channel.empty")
        numbers = [message.message_id * 100 + part for part in range(len(bodies))]
        pictures = twilio_edge.pictures(message) if message.to.startswith(_MMS) else []
        sent: Any = None
        for number, body in zip(numbers, bodies, strict=True):
            sent = self._gone.get(number) or self._outbox.send(
                self._now(),
                uncertain_since=message.uncertain_since,
                to=message.to,
                from_=self._settings.sms_from,
                body=body,
                status_callback=self._settings.public_base_url.rstrip("/") + STATUS_PATH,
                **({"media_url": pictures} if pictures and number == numbers[0] else {}),
            )
            if number != numbers[-1]:
                self._gone[number] = sent
        for number in numbers:
            self._gone.pop(number, None)
        return Sent(sent.sid, twilio_edge.sent_status(sent))
