"""The second belt: the hub knows an emergency before the assistant does; if one comes this far, safety goes first."""

from collections.abc import Sequence

from actions import frame
from core.conversations import emergency
from core.conversations import operations as conversing


class Emergency(frame.HubAction):
    name_ = "action_emergency"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        danger = emergency.recognise(ask.text)
        ask.say(f"emergency.{danger.kind if danger else 'danger'}")
        conversing.request_handoff(
            ask.session,
            conversation_id=ask.speaker.conversation_id,
            reason="EMERGENCY",
            now=ask.now,
            key=ask.key,
        )
        return []


ACTIONS = (Emergency,)
