"""Processes beside this one that share its work: each with a connection of its own, and nothing else in common.

The work is claimed row by row in the database (SKIP LOCKED), so a process that dies takes nothing with it: what it held
is free again, and whoever comes next does it.
"""

import multiprocessing
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from core import db, log
from core.hub import Hub

logger = log.get(__name__)


def run(hub: Hub, processes: int, work: Callable[..., None], *args: Any) -> None:
    """This will let so many processes do ``work(hub, *args)``, and wait for all; one that failed is only logged,
    because the caller goes on with what is left, and meets the same error if it is one of the work itself.
    """
    bind = hub.sessions.kw["bind"]
    if not isinstance(bind, Engine):
        raise ValueError("processes of their own need connections of their own")
    url = bind.url.render_as_string(hide_password=False)
    start = multiprocessing.get_context("spawn")  # a forked process would share this one's connections
    subscriptions = dict(hub.subscriptions)
    crew = [start.Process(target=_main, args=(url, hub.settings, subscriptions, work, args)) for _ in range(processes)]
    for each in crew:
        each.start()
    for each in crew:
        each.join()
        if each.exitcode:
            logger.error("crew_failed", extra={"exit": each.exitcode})


def _main(url: str, settings: Any, subscriptions: Any, work: Callable[..., None], args: Any) -> None:
    """A process's whole life. No bell is rung from here: the sweep finds what is owed."""
    engine = db.connect(url, pool_size=1, max_overflow=1)
    hub: Any = _Hand(settings, engine, subscriptions)
    try:
        work(hub, *args)
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


def _silent(*_: Any) -> None:
    """Nobody is woken."""
