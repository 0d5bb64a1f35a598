"""The clock's errands in compliance."""

from core.compliance import operations
from core.hub import Hub


def watch_deadlines(hub: Hub) -> None:
    """This will warn of deadlines that are near and mark those that passed. Every five minutes."""
    with hub.transaction() as session:
        operations.watch_deadlines(session, now=hub.now())
