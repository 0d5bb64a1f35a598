"""The one carrier: everything an edge hands to the work below it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session, sessionmaker

from core import db, ports
from core.outbox import Lane, Subscriber
from core.settings import Settings

Bell = tuple[int, str]  # (delivery id, queue)


def _silent(bells: Sequence[Bell]) -> None:
    """No queue: the sweep, or the test, will find what is owed."""


def _silent_later(bells: Sequence[Bell], seconds: float) -> None:
    """No queue: the sweep, or the test, will find what is owed."""


def _unheard(channel: str, text: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Hub:
    """Settings, sessions, ports, subscriptions and the clock. Put together by ops_admin/wiring.py, once a process."""

    settings: Settings
    sessions: sessionmaker[Session]
    now: Callable[[], datetime]
    assistant: ports.Assistant
    crm: ports.CRM
    payments: ports.PaymentGateway
    channels: Mapping[str, ports.Channel]
    subscriptions: Mapping[str, tuple[Subscriber, ...]] = field(default_factory=dict)
    ring: Callable[[Sequence[Bell]], None] = _silent
    ring_later: Callable[[Sequence[Bell], float], None] = _silent_later
    letters: ports.LetterCarrier | None = None  # None: nothing goes by post
    lane: Lane | None = None  # runs some deliveries in this very process
    publish: Callable[[str, str], None] = _unheard  # wake-ups for open pages: (topic, text); never the truth itself

    def transaction(self) -> AbstractContextManager[Session]:
        """This will open the one transaction of an edge."""
        info: dict[str, Any] = {
            "subscriptions": self.subscriptions,
            "ring": self.ring,
            "lane": self.lane,
            "publish": self.publish,
        }
        return db.transaction(self.sessions, **info)

    def single(self) -> AbstractContextManager[Connection]:
        """This will give a connection for one statement that is its own transaction."""
        return db.single(self.sessions)

    def subscriber(self, name: str) -> Subscriber:
        """This will give a subscriber by its name; KeyError when nothing in this hub bears it."""
        return self._by_name[name]

    @functools.cached_property
    def _by_name(self) -> Mapping[str, Subscriber]:
        return {each.name: each for group in self.subscriptions.values() for each in group}
