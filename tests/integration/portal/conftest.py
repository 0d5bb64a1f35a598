"""A small town, built once by the seed itself, and a browser without a screen in front of its website."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, Engine, text

from channels.portal import visitor
from channels.portal import web as portal
from core import db, outbox
from core.accounts import queries as accounts
from core.accounts import sign_in
from ops_admin.seed import seed
from ops_admin.stack import embedded
from tests.conftest import FakeHub, make_hub


@pytest.fixture(scope="session")
def town(postgres: embedded.EmbeddedPostgres) -> Iterator[Engine]:
    """The named customers and two neighbours, with thirteen months of reads and bills."""
    from ops_admin import models  # noqa: F401 - fills the metadata

    engine = db.connect(postgres.create_database("wattline_portal"), pool_size=10)
    with engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS btree_gist"))
        db.Base.metadata.create_all(connection)
    list(seed.run(make_hub(db.sessions(engine)), customers=15, random_seed=7))
    yield engine
    engine.dispose()


@pytest.fixture
def connection(town: Engine) -> Iterator[Connection]:
    """What a test changes is undone after it; the town stays."""
    with town.connect() as connection:
        outer = connection.begin()
        yield connection
        outer.rollback()


@dataclass
class Browser:
    """A visitor's browser: keeps cookies, follows forms, and brings back the token of the form."""

    hub: FakeHub
    client: FlaskClient
    token: str = ""
    pages: list[str] = field(default_factory=list)

    def get(self, path: str, status: int = 200, **query: Any) -> str:
        response = self.client.get(path, query_string=query or None)
        assert response.status_code == status, (path, response.status_code, response.text[-600:])
        return response.text

    def post(self, path: str, status: int = 302, csrf: bool = True, **form: Any) -> str:
        body = {**form, "csrf": visitor.csrf(self.hub, self.token)} if csrf else form
        response = self.client.post(path, data=body)
        assert response.status_code == status, (path, response.status_code, response.text[-600:])
        return response.headers.get("Location", response.text)


@pytest.fixture
def app(hub: FakeHub) -> flask.Flask:
    app = flask.Flask("portal-under-test")
    app.register_blueprint(portal.blueprint(hub))
    return app


@pytest.fixture
def stranger(hub: FakeHub, app: flask.Flask) -> Browser:
    return Browser(hub, app.test_client())


@pytest.fixture
def enter(hub: FakeHub, app: flask.Flask) -> Callable[[str], Browser]:
    """This will give a browser signed in as the holder of an account."""

    def entered(account: str) -> Browser:
        with hub.transaction() as session:
            found = accounts.find_account_by_number(session, number=account)
            assert found is not None
            token = sign_in.open_web_session(session, customer_id=found.customer_id, now=hub.now(), lasts=3600)
        client = app.test_client()
        client.set_cookie(visitor.COOKIE, token)
        return Browser(hub, client, token)

    return entered


def code_sent(hub: FakeHub, channel: str) -> str:
    """This will give the code in the last message that left on a channel."""
    outbox.drain(hub)
    sent = hub.channels[channel].sent  # type: ignore[attr-defined]
    found = re.search(r"\b\d{3} ?\d{3}\b", sent[-1].text)
    assert found is not None, sent[-1].text
    return found.group().replace(" ", "")
