"""What a message costs the database: a budget, so that it cannot creep back."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, event, text

from core import db, outbox
from core.hub import Hub
from tests.integration.conversations.conftest import World

RECEIVE, ANSWER, DELIVER = 3, 6, 10


@contextmanager
def counted(connection: Connection) -> Iterator[list[str]]:
    """The statements a block sends, but for the savepoints that stand for transactions in a test."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(connection, "before_cursor_execute", note)


def due(hub: Hub) -> int:
    with hub.transaction() as session:
        ((delivery_id, _),) = outbox.list_due(session, now=hub.now())
    return delivery_id


def test_a_turn_stays_within_its_statements(world: World, connection: Connection) -> None:
    world.say("hello")  # the first message also opens the conversation and says who answers
    with counted(connection) as received:
        world.say("what do I owe", drain=False)
    world.hub.clock.move(seconds=5)
    for budget in (ANSWER, DELIVER):
        delivery_id = due(world.hub)
        with counted(connection) as used:
            assert outbox.deliver(world.hub, delivery_id) == "DONE"
        assert len(used) <= budget, "\n".join(used)
    assert len(received) <= RECEIVE, "\n".join(received)
    assert len(world.sent()) == 2  # the first text carries the disclosure


def test_a_connection_that_died_at_rest_is_replaced_before_it_is_used(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = db.connect(engine.url.render_as_string(hide_password=False), pool_size=1, max_overflow=0)
    with small.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    with small.connect() as connection, counted(connection) as used:
        assert connection.scalar(text("SELECT pg_backend_pid()")) == pid and len(used) == 1
    with engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with small.connect() as connection:  # its last word lies in the socket
        second = connection.scalar(text("SELECT pg_backend_pid()"))
    assert second != pid
    monkeypatch.setattr(db, "_has_news", lambda connection: False)  # a server that vanished without a word
    monkeypatch.setattr(db, "_TRUSTED_SECONDS", 0.0)
    with engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": second})
    with small.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) not in (pid, second)
    small.dispose()
