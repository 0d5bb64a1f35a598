"""Voice messages are said inside the call's own request: handing one over is having sent it."""

from core.ports import Outbound, Sent


class Voice:
    """The telephone channel."""

    name = "VOICE"

    def send(self, message: Outbound) -> Sent:
        """This will count the message as sent; the call's next TwiML carries it."""
        return Sent(None, "SENT")
