"""Stand-ins for the four doors. They keep what they were told, and fail when asked to."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core import errors, ports


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    at: datetime = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> datetime:
        self.at += timedelta(**by)
        return self.at


@dataclass
class FakeAssistant:
    """Answers by `script` (a function of the turn); by default it echoes. `down` makes it fail."""

    script: Callable[[ports.Turn], ports.Answer] | None = None
    down: bool = False
    turns: list[ports.Turn] = field(default_factory=list)

    def ask(self, turn: ports.Turn) -> ports.Answer:
        if self.down:
            raise errors.ProviderError("assistant.down")
        self.turns.append(turn)
        if self.script is not None:
            return self.script(turn)
        return ports.Answer((ports.Reply("greet"),), intent="greet", confidence=0.9)

    def ready(self) -> bool:
        return not self.down


@dataclass
class FakeChannel:
    name: str
    down: bool = False
    refuse: str | None = None
    sent: list[ports.Outbound] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    def send(self, message: ports.Outbound) -> ports.Sent:
        if self.down:
            raise errors.ProviderError("vendor.down")
        if self.refuse:
            raise errors.Refused(self.refuse)
        self.sent.append(message)
        return ports.Sent(f"{self.name}-{next(self._ids)}")


@dataclass
class FakeCRM:
    down: bool = False
    contacts: dict[str, ports.CrmContact] = field(default_factory=dict)
    tickets: dict[str, ports.CrmTicket] = field(default_factory=dict)
    activities: dict[str, ports.CrmActivity] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    pushed: list[tuple[str, str]] = field(default_factory=list)
    events: list[ports.StaffEvent] = field(default_factory=list)
    cleared: list[tuple[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    people: dict[str, str] = field(default_factory=dict)  # ticket id -> who has it
    thread: str | None = None  # the id a thread has, where people answer in threads
    lose_answers: int = 0  # so many writes are done without our hearing of it
    _keys: set[str] = field(default_factory=set)

    def _up(self) -> None:
        if self.down:
            raise errors.ProviderError("crm.down")

    def _done(self, call: str) -> None:
        self.calls.append(call)
        if self.lose_answers:
            self.lose_answers -= 1
            raise errors.ProviderError("crm.unreachable")

    def upsert_contacts(self, contacts: Sequence[ports.CrmContact]) -> Mapping[str, str]:
        self._up()
        self.contacts.update({c.key: c for c in contacts})
        self._done("contact")
        return {c.key: f"contact-{c.key}" for c in contacts}

    def upsert_ticket(self, ticket: ports.CrmTicket, remote_id: str | None) -> str:
        self._up()
        self.tickets[ticket.key] = ticket
        self._done("ticket")
        return remote_id or f"ticket-{ticket.key}"

    def upsert_activity(self, activity: ports.CrmActivity, remote_id: str | None) -> str:
        self._up()
        self.activities[activity.key] = activity
        self._done("activity")
        return remote_id or f"activity-{activity.key}"

    def add_note(self, ticket_id: str, body: str, at: datetime, key: str) -> str:
        self._up()
        if key not in self._keys:  # written by its key: again is the same note
            self._keys.add(key)
            self.notes.append((ticket_id, body))
        self._done("note")
        return f"note-{key}"

    def push_customer_message(
        self, ticket_id: str, conversation: str, text: str, at: datetime, key: str, contact_id: str | None = None
    ) -> str | None:
        self._up()
        if key not in self._keys:
            self._keys.add(key)
            self.pushed.append((ticket_id, text))
        self._done("message")
        return self.thread

    def event_of_stage(self, stage_id: str) -> str | None:
        return {"With agent": "accepted", "Returned to assistant": "closed", "Closed": "closed"}.get(stage_id)

    def staff_name(self, ticket_id: str) -> str | None:
        self._up()
        return self.people.get(ticket_id)

    def clear_reply(self, ticket_id: str, text: str) -> None:
        self._up()
        self.cleared.append((ticket_id, text))
        self.events = [e for e in self.events if (e.ticket_id, e.kind, e.text) != (ticket_id, "reply", text)]
        self._done("clear")

    def pull_staff_events(self, ticket_ids: Sequence[str]) -> Sequence[ports.StaffEvent]:
        self._up()
        return [event for event in self.events if event.ticket_id in ticket_ids]


@dataclass
class FakeGateway:
    name: str = "stripe"
    down: bool = False
    checkouts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    charges: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    setups: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    kept: dict[str, ports.KeptMethod] = field(default_factory=dict)
    refunds: dict[str, Decimal] = field(default_factory=dict)
    refund_calls: int = 0
    refuse: str | None = None  # what a token is refused for
    lose_answers: int = 0  # so many calls are done without our hearing of it
    answers: list[tuple[str, str | None]] = field(default_factory=list)  # what the next saved charges come to
    movements: list[ports.GatewayMovement] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    _said: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    def _done(self) -> None:
        if self.lose_answers:
            self.lose_answers -= 1
            raise errors.ProviderError("gateway.down")

    def _up(self) -> None:
        if self.down:
            raise errors.ProviderError("gateway.down")

    def start_checkout(self, *, key: str, **details: Any) -> ports.Checkout:
        self._up()
        self.checkouts.setdefault(key, details)
        return ports.Checkout(f"https://pay.example/{key}", f"cs_{key}")

    def start_setup(self, *, key: str, **details: Any) -> ports.Checkout:
        self._up()
        self.setups.setdefault(key, details)
        return ports.Checkout(f"https://pay.example/{key}", f"cs_{key}")

    def find_kept(self, *, setup_id: str) -> ports.KeptMethod:
        self._up()
        if setup_id not in self.kept:
            raise errors.NotFound("method.unknown")
        return self.kept[setup_id]

    def charge_saved(self, *, key: str, **details: Any) -> ports.GatewayCharge:
        self._up()
        self.charges.setdefault(key, details)
        status, failure = self._said.setdefault(key, self.answers.pop(0) if self.answers else ("SUCCEEDED", None))
        self._done()
        return ports.GatewayCharge(f"pi_{key}", status, failure)

    def charge_token(self, *, key: str, **details: Any) -> ports.GatewayCharge:
        if self.refuse:
            raise errors.Refused(self.refuse)
        return self.charge_saved(key=key, **details)

    def refund(self, *, external_id: str, amount: Decimal, key: str) -> str:
        self._up()
        self.refund_calls += 1
        self.refunds.setdefault(key, amount)
        self._done()
        return f"re_{key}"

    def find_refund(self, *, external_id: str, key: str) -> ports.GatewayRefund | None:
        self._up()
        return ports.GatewayRefund(f"re_{key}", "SENT") if key in self.refunds else None

    def forget_method(self, *, method_id: str) -> None:
        self._up()
        self.forgotten.append(method_id)

    def list_movements(self, *, since: datetime, until: datetime) -> Sequence[ports.GatewayMovement]:
        self._up()
        return [m for m in self.movements if since <= m.at < until]

    def parse_webhook(self, body: bytes, signature: str | None, now: datetime) -> ports.GatewayEvent | None:
        raise errors.Refused("webhook.signature")
