"""The page of bill runs: who waits for what, and what each run did."""

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from billing import models
from ops_admin.console import web as console
from tests.conftest import FakeHub


@pytest.fixture
def client(hub: FakeHub) -> FlaskClient:
    hub = hub.with_(settings=hub.settings.model_copy(update={"demo": True}))
    app = flask.Flask("console-under-test")
    app.register_blueprint(console.blueprint(hub, lambda: True))
    return app.test_client()


def test_a_run_that_billed_all_says_that_nobody_waits(client: FlaskClient) -> None:
    page = client.get("/ops/runs").text
    assert "Whoever a run could bill has a bill." in page and 'aria-current="page">Bill runs' in page
    assert "day 1" in page and "issued" in page


def test_who_waits_is_shown_with_why_and_since_when_and_that_it_comes_back(hub: FakeHub, client: FlaskClient) -> None:
    with hub.transaction() as session:
        chunk = session.scalars(
            select(models.BillRunChunkRow).order_by(models.BillRunChunkRow.id.desc()).limit(1)
        ).one()
        chunk.parked = {str(chunk.agreement_ids[0]): "NO_READS"}
        chunk.counts = {**chunk.counts, "parked": 1}
    page = client.get("/ops/runs").text
    assert "reads: none came for the period" in page and "by itself, looked at every day" in page
    assert "1 bill waits" in client.get("/ops/").text
