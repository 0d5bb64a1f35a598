"""Real PostgreSQL and real Redis for every test that wants them; fakes for the outside."""

import pathlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import hypothesis
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session, sessionmaker

from core import db, hub, settings
from ops_admin import subscriptions
from ops_admin.stack import embedded
from tests import fakes

# what is told is what is wrong, not how fast the machine is: that is for the benchmarks
hypothesis.settings.register_profile("anywhere", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("anywhere")


@pytest.fixture(scope="session")
def postgres() -> Iterator[embedded.EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="wattline-pg-", dir="/tmp") as folder:
        pathlib.Path(folder).chmod(0o755)
        server = embedded.EmbeddedPostgres(pathlib.Path(folder) / "pg", durable=False).start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="wattline-redis-", dir="/tmp") as folder:
        server = embedded.EmbeddedValkey(pathlib.Path(folder) / "valkey").start()
        yield server.url()
        server.stop()


@pytest.fixture(scope="session")
def engine(postgres: embedded.EmbeddedPostgres) -> Iterator[Engine]:
    """A database with every table, made from the models (a test of its own compares them with the migrations)."""
    from ops_admin import models  # noqa: F401 - fills the metadata

    engine = db.connect(postgres.create_database("wattline_test"), pool_size=30)
    with engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS btree_gist"))
        db.Base.metadata.create_all(connection)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        outer = connection.begin()
        yield connection
        outer.rollback()


@pytest.fixture
def session(connection: Connection) -> Iterator[Session]:
    """A session whose work is rolled back after the test; it may commit, that only ends a savepoint."""
    session = Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
    session.info.update(subscriptions={}, ring=lambda bells: None, after_commit=[])
    yield session
    session.close()


@dataclass(frozen=True)
class FakeHub(hub.Hub):
    """A hub whose doors are fakes and whose clock is moved by hand."""

    clock: fakes.Clock = field(default_factory=fakes.Clock)

    def with_(self, **changes: object) -> "FakeHub":
        return replace(self, **changes)  # type: ignore[arg-type]


def make_hub(factory: sessionmaker[Session], **changes: object) -> FakeHub:
    clock = fakes.Clock()
    made = FakeHub(
        settings=settings.Settings(),
        sessions=factory,
        now=clock,
        clock=clock,
        assistant=fakes.FakeAssistant(),
        crm=fakes.FakeCRM(),
        payments=fakes.FakeGateway(),
        channels={name: fakes.FakeChannel(name) for name in ("WEB", "SMS", "WHATSAPP", "EMAIL", "VOICE")},
        subscriptions=subscriptions.SUBSCRIPTIONS,
    )
    return made.with_(**changes) if changes else made


@pytest.fixture
def hub(connection: Connection) -> FakeHub:
    """A hub on the test's own connection: everything it commits is rolled back after the test."""
    factory = sessionmaker(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
    return make_hub(factory)


@pytest.fixture
def committed_hub(engine: Engine) -> Iterator[Callable[..., FakeHub]]:
    """For tests of concurrency: hubs that really commit. Every table is emptied afterwards."""
    yield lambda **changes: make_hub(db.sessions(engine), **changes)
    with engine.begin() as connection:
        names = ", ".join(f'"{table.name}"' for table in db.Base.metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
