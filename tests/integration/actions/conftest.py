"""A verified customer with a home, a meter and two bills, and a short way to run an action for them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from actions import frame, server
from billing import operations as billing
from core.accounts import operations as accounts
from core.conversations import operations as conversing
from core.conversations import queries as conversations
from tests.conftest import FakeHub
from tests.integration.billing.conftest import House, make_house, tariffs  # noqa: F401 - fixtures
from tests.unit.actions.trackers import tracker

PHONE, EMAIL = "+15550101001", "maya.chen@example.com"


@dataclass
class Said:
    kinds: list[str]
    replies: list[dict[str, Any]]
    slots: dict[str, Any]
    followup: str | None

    def data(self, kind: str) -> dict[str, Any]:
        return next(reply["data"] for reply in self.replies if reply["kind"] == kind)


@dataclass
class Talk:
    """A conversation, and the slots the assistant keeps of it."""

    hub: FakeHub
    house: House
    token: str
    conversation_id: int
    slots: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    turns: int = 0

    def act(self, action: str, text: str = "", intent: str = "", *, turn: str | None = None, **more: Any) -> Said:
        """This will run one action as the assistant would, keeping its slots and what was said."""
        self.turns += 1
        found = tracker(
            text, intent, sender=self.token, turn=turn or f"t{self.turns}", slots=self.slots, events=self.events, **more
        )
        call = {
            "next_action": action,
            "sender_id": self.token,
            "tracker": {**found.current_state(), "latest_action_name": found.latest_action_name},
            "domain": {},
        }
        result = asyncio.run(EXECUTOR.run(call))
        assert result is not None
        replies = [response["custom"] for response in result.responses]
        self.events += [{"event": "bot", "data": {"custom": reply}} for reply in replies]
        slots = {e["name"]: e["value"] for e in result.events if e["event"] == "slot"}
        self.slots.update(slots)
        followup = next((e["name"] for e in result.events if e["event"] == "followup"), None)
        return Said([reply["kind"] for reply in replies], replies, slots, followup)

    def answer(self, form: str, slot: str, text: str, intent: str = "", **more: Any) -> Said:
        """This will answer a form's question: the slot is filled with the text, as rules do, and then checked."""
        self.events.append({"event": "user"})
        self.events.append({"event": "slot", "name": slot, "value": text})
        return self.act(f"validate_{form}", text, intent, **more)

    def verify(self) -> None:
        with self.hub.transaction() as session:
            conversing.mark_verified(
                session,
                conversation_id=self.conversation_id,
                customer_id=self.house.customer_id,
                level=2,
                until=self.hub.now() + timedelta(minutes=30),
                now=self.hub.now(),
            )

    def speaker(self) -> conversations.Speaker:
        with self.hub.transaction() as session:
            return conversations.get_speaker(session, token=self.token, now=self.hub.now())


EXECUTOR = server.create_executor()


@pytest.fixture
def talk(hub: FakeHub, make_house: Callable[..., House]) -> Callable[..., Talk]:  # noqa: F811
    """Opens a conversation on a channel; `known` puts the speaker's number on the customer's file."""
    frame.attach(hub)

    def open_talk(channel: str = "SMS", *, known: bool = True, bills: bool = True, **house: Any) -> Talk:
        home = make_house(**house)
        with hub.transaction() as session:
            if known:
                for kind, value in (("PHONE", PHONE), ("EMAIL", EMAIL)):
                    accounts.update_contact_point(
                        session,
                        customer_id=home.customer_id,
                        kind=kind,
                        value=value,
                        verified=True,
                        actor="test",
                        now=hub.now(),
                    )
        if bills:
            for end in (date(2026, 10, 1), date(2026, 11, 1)):
                now = datetime(end.year, end.month, 3, 12, 0, tzinfo=UTC)
                run = billing.run_bills(hub, period_end_on=end, now=now)
                billing.issue_bills(hub, run_id=run.run_id, now=now, announce=False)
        kind, identity = ("PHONE", PHONE) if channel in ("SMS", "WHATSAPP", "VOICE") else ("VISITOR", "visitor-1")
        with hub.transaction() as session:
            received = conversing.receive_message(
                session,
                inbound=conversing.Inbound(channel, kind, identity, "in-1", "hello"),
                now=hub.now(),
                settings=hub.settings,
            )
        return Talk(hub, home, received.token, received.conversation_id)

    return open_talk
