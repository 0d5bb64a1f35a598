"""A hub that answers and delivers, one known customer, and a short way to say something."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from core import outbox, ports
from core.accounts import operations as accounts
from core.accounts import queries as account_queries
from core.conversations import handlers, models, notices, queries, receiving, sending
from core.hub import Hub
from core.outbox import Subscriber
from tests.conftest import FakeHub

SUBSCRIPTIONS = {
    "message.received": (Subscriber("conversations.answer_message", handlers.answer_message),),
    "message.owed": (Subscriber("conversations.deliver_message", handlers.deliver_message),),
    "handoff.accepted": (Subscriber("conversations.tell_accepted", handlers.tell_handoff),),
    "handoff.closed": (Subscriber("conversations.tell_closed", handlers.tell_handoff),),
    "bill.issued": (Subscriber("conversations.notify_bill", notices.notify_bill),),
}
PHONE = "+15550101001"
EMAIL = "maya.chen@example.com"


@dataclass
class World:
    hub: FakeHub
    customer: account_queries.Customer
    account: account_queries.Account
    _count: int = 0

    def say(self, text: str = "", *, channel: str = "SMS", drain: bool = True, **more: Any) -> receiving.Received:
        self._count += 1
        kind, identity = {
            "SMS": ("PHONE", PHONE),
            "WHATSAPP": ("PHONE", PHONE),
            "EMAIL": ("EMAIL", EMAIL),
            "WEB": ("VISITOR", "visitor-1"),
            "VOICE": ("PHONE", PHONE),
        }[channel]
        values = {"identity_kind": kind, "identity": identity, "external_id": f"in-{channel}-{self._count}", **more}
        with self.hub.transaction() as session:
            received = receiving.receive_message(
                session,
                inbound=receiving.Inbound(channel=channel, text=text, **values),
                now=self.hub.now(),
                settings=self.hub.settings,
            )
        if drain:
            self.settle()
        return received

    def settle(self) -> None:
        self.hub.clock.move(seconds=5)
        outbox.drain(self.hub)

    def sent(self, channel: str = "SMS") -> list[Any]:
        """What went out. A page, or a call, fetches its messages: there, what is stored as sent."""
        if channel not in sending.FETCHED:
            return self.hub.channels[channel].sent  # type: ignore[attr-defined,no-any-return]
        with self.hub.transaction() as session:
            rows = session.execute(
                select(models.MessageRow.id, models.MessageRow.conversation_id)
                .where(models.MessageRow.channel == channel, models.MessageRow.direction == "OUT")
                .order_by(models.MessageRow.id)
            ).all()
            found = {
                m.id: m
                for talk in {row.conversation_id for row in rows}
                for m in queries.list_outbound(session, conversation_id=talk)
            }
        return [found[row.id] for row in rows]

    def kinds(self, channel: str = "SMS") -> list[str | None]:
        return [message.kind for message in self.sent(channel)]

    def messages(self, received: receiving.Received) -> tuple[queries.Message, ...]:
        with self.hub.transaction() as session:
            return queries.transcript(session, conversation_id=received.conversation_id)

    def talk(self, received: receiving.Received) -> queries.Conversation:
        with self.hub.transaction() as session:
            return queries.get_conversation(session, conversation_id=received.conversation_id, now=self.hub.now())

    def script(self, answer: Callable[[ports.Turn], ports.Answer]) -> None:
        self.hub.assistant.script = answer  # type: ignore[attr-defined]

    @property
    def turns(self) -> list[ports.Turn]:
        return self.hub.assistant.turns  # type: ignore[attr-defined,no-any-return]


def open_customer(hub: Hub) -> tuple[account_queries.Customer, account_queries.Account]:
    with hub.transaction() as session:
        customer = accounts.create_customer(
            session,
            full_name="Maya Chen",
            kind="RESIDENTIAL",
            locale="en",
            opened_on=date(2020, 1, 1),
            now=hub.now(),
            phone=PHONE,
            email=EMAIL,
        )
        account = accounts.open_account(
            session,
            customer_id=customer.id,
            jurisdiction="US-PA",
            bill_cycle_day=5,
            mailing_address="1 Elm St",
            opened_on=date(2020, 1, 1),
            now=hub.now(),
            number="5500010011",
        )
    return customer, account


@pytest.fixture
def world(hub: FakeHub) -> World:
    hub = hub.with_(subscriptions=SUBSCRIPTIONS)
    hub.assistant.script = lambda turn: ports.Answer(  # type: ignore[attr-defined]
        (ports.Reply("talk.thanks"),), intent="thanks", confidence=0.9
    )
    return World(hub, *open_customer(hub))
