"""Chat messages out: they stand in the database already; the page is woken to fetch them."""

from collections.abc import Callable

from channels.web_chat import render, visitors
from core.ports import Outbound, Sent


class WebChat:
    """The chat channel. `publish` is Hub.publish: (topic, text)."""

    name = "WEB"

    def __init__(self, publish: Callable[[str, str], None]) -> None:
        self._publish = publish

    def send(self, message: Outbound) -> Sent:
        """This will wake the visitor's page."""
        self._publish(visitors.topic(message.to), render.wake(message))
        return Sent(None, "SENT")
