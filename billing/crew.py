"""Processes beside this one that share its work: each with a connection of its own, and nothing else in common.

The work is claimed row by row in the database (SKIP LOCKED), so a process that dies takes nothing with it: what it held
is free again, and whoever comes next does it.
"""

import importlib
import os
import pickle  # what is read was written by the process that started this one, over a pipe nobody else holds
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine

from core import db, heap, log
from core.hub import Hub
from core.outbox import Subscriber
from core.settings import Settings

logger = log.get(__name__)


def size(settings: Settings) -> int:
    """This will give how many processes share a large run."""
    return settings.bill_run_processes or len(os.sched_getaffinity(0))


class Crew:
    """Processes that each do ``work(hub, *args)``. They may be called before it is known what they are given: it
    takes them a while to come. Who was called and is given nothing goes home.
    """

    def __init__(self, hub: Hub, work: Callable[..., None]) -> None:
        self._hub, self._work = hub, work
        self._hands: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, at: TracebackType | None
    ) -> None:
        for hand in self._hands:
            assert hand.stdin is not None
            if not hand.stdin.closed:
                hand.stdin.close()
        for hand in self._hands:
            hand.wait()

    def call(self, processes: int) -> None:
        """This will start as many as are not there yet."""
        for _ in range(processes - len(self._hands)):
            command = [sys.executable, "-m", "billing.crew", self._work.__module__]
            self._hands.append(subprocess.Popen(command, stdin=subprocess.PIPE))  # noqa: S603 - this very program

    def work(self, processes: int, *args: Any) -> None:
        """This will let so many of them work, and wait for all; one that failed is only logged, because the caller
        goes on with what is left, and meets the same error if it is one of the work itself.
        """
        bind = self._hub.sessions.kw["bind"]
        if not isinstance(bind, Engine):
            raise ValueError("processes of their own need connections of their own")
        url = bind.url.render_as_string(hide_password=False)
        names = {fact: [(s.name, s.queue, s.after) for s in group] for fact, group in self._hub.subscriptions.items()}
        task = pickle.dumps((url, self._hub.settings, names, self._work, args))
        self.call(processes)
        for hand in self._hands[:processes]:
            assert hand.stdin is not None
            try:
                hand.stdin.write(task)
                hand.stdin.close()
            except BrokenPipeError:
                pass  # it died; its end is logged below
        for hand in self._hands[:processes]:
            if hand.wait():
                logger.error("crew_failed", extra={"exit": hand.returncode})


def main() -> None:
    """A process's whole life. No bell is rung from here: the sweep finds what is owed."""
    importlib.import_module(sys.argv[1])
    heap.keep()
    heap.hoard()
    task = sys.stdin.buffer.read()
    if not task:
        return  # nothing was left to do
    url, settings, names, work, args = pickle.loads(task)  # noqa: S301 - see the import
    engine = db.connect(url, pool_size=1, max_overflow=1)
    subscriptions = {fact: tuple(Subscriber(n, _unable, q, a) for n, q, a in group) for fact, group in names.items()}
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
