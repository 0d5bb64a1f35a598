"""Processes beside this one that share its work: each with a connection of its own, and nothing else in common.

The work is claimed row by row in the database (SKIP LOCKED), so a process that dies takes nothing with it: what it held
is free again, and whoever comes next does it.
"""

import os
import pickle  # what is read was written by the process that started this one, over a pipe nobody else holds
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from core import db, heap, log
from core.hub import Hub
from core.outbox import Subscriber
from core.settings import Settings

logger = log.get(__name__)


def size(settings: Settings) -> int:
    """This will give how many processes share a large run."""
    return settings.bill_run_processes or len(os.sched_getaffinity(0))


def run(hub: Hub, processes: int, work: Callable[..., None], *args: Any) -> None:
    """This will let so many processes do ``work(hub, *args)``, and wait for all; one that failed is only logged,
    because the caller goes on with what is left, and meets the same error if it is one of the work itself.
    """
    bind = hub.sessions.kw["bind"]
    if not isinstance(bind, Engine):
        raise ValueError("processes of their own need connections of their own")
    url = bind.url.render_as_string(hide_password=False)
    names = {fact: [(s.name, s.queue, s.after) for s in group] for fact, group in hub.subscriptions.items()}
    task = pickle.dumps((url, hub.settings, names, work, args))
    crew = [subprocess.Popen([sys.executable, "-m", "billing.crew"], stdin=subprocess.PIPE) for _ in range(processes)]
    for each in crew:
        assert each.stdin is not None
        each.stdin.write(task)
        each.stdin.close()
    for each in crew:
        if each.wait():
            logger.error("crew_failed", extra={"exit": each.returncode})


def main() -> None:
    """A process's whole life. No bell is rung from here: the sweep finds what is owed."""
    url, settings, names, work, args = pickle.load(sys.stdin.buffer)  # noqa: S301 - see the import
    engine = db.connect(url, pool_size=1, max_overflow=1)
    subscriptions = {fact: tuple(Subscriber(n, _unable, q, a) for n, q, a in group) for fact, group in names.items()}
    heap.keep()
    try:
        work(_Hand(settings, engine, subscriptions), *args)
    finally:
        engine.dispose()


class _Hand:
    """As much of a hub as work on rows needs: settings and transactions, no way to the outside."""

    def __init__(self, settings: Any, engine: Engine, subscriptions: Any) -> None:
        self.settings, self.subscriptions = settings, subscriptions
        self.sessions = db.sessions(engine)

    def transaction(self) -> Any:
        """This will open a transaction as the hub does."""
        return db.transaction(self.sessions, subscriptions=self.subscriptions, ring=_silent, publish=_silent)


def _unable(*_: Any) -> None:
    """Deliveries are written here, and run elsewhere."""
    raise AssertionError("no delivery runs in a crew")


def _silent(*_: Any) -> None:
    """Nobody is woken."""


if __name__ == "__main__":
    main()
