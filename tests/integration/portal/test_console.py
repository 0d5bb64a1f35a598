"""The console: open on a demonstration, else only by a link made on the machine; it can owe dead letters again."""

import re
from datetime import timedelta

import flask
import pytest
from flask.testing import FlaskClient

from core import errors, outbox
from ops_admin import clock, schedule
from ops_admin.console import entry
from ops_admin.console import web as console
from tests.conftest import FakeHub


@pytest.fixture
def client(hub: FakeHub) -> FlaskClient:
    app = flask.Flask("console-under-test")
    app.register_blueprint(console.blueprint(hub, lambda: True))
    return app.test_client()


def test_it_is_closed_without_the_link(hub: FakeHub, client: FlaskClient) -> None:
    now = hub.now()
    stay = entry.pass_for(hub.settings, purpose="stay", until=now + timedelta(hours=1))
    other = hub.settings.model_copy(update={"secret_key": "another"})
    assert client.get("/ops/").status_code == 403
    assert client.post("/ops/retry", data={"delivery": "1"}).status_code == 403
    for wrong in (
        "",
        "x",
        "99999999999.x",
        stay,
        entry.pass_for(other, purpose="link", until=now + timedelta(hours=1)),
    ):
        assert client.get("/ops/enter", query_string={"pass": wrong}).status_code == 403
    old = entry.link(hub.settings, now=now - timedelta(minutes=16)).partition("pass=")[2]
    assert client.get("/ops/enter", query_string={"pass": old}).status_code == 403
    assert client.get("/ops/").status_code == 403


def test_the_link_opens_it_and_a_dead_letter_is_owed_again(hub: FakeHub, client: FlaskClient) -> None:
    def fail(_: object, fact: outbox.Fact) -> None:
        raise errors.Refused("vendor.says_no", why="<script>alert(1)</script>")

    broken = hub.with_(subscriptions={"thing.happened": (outbox.Subscriber("a.test.subscriber", fail),)})
    with broken.transaction() as session:
        outbox.record_fact(session, "thing.happened", key="thing:1", payload={}, now=hub.now())
    outbox.drain(broken)
    shown = entry.link(hub.settings, now=hub.now()).partition("pass=")[2]
    assert client.get("/ops/enter", query_string={"pass": shown}).status_code == 302
    page = client.get("/ops/").text
    assert "a.test.subscriber" in page and "vendor.says_no" in page and "<script>" not in page
    form, delivery = (re.findall(f'name="{name}" value="([^"]+)"', page)[0] for name in ("form", "delivery"))
    assert client.post("/ops/retry", data={"form": "1.x", "delivery": delivery}).status_code == 403
    answer = client.post("/ops/retry", data={"form": form, "delivery": [delivery, "x", "'"]})
    assert answer.headers["Location"].endswith("tried=1")
    with hub.transaction() as session:
        assert session.get_one(outbox.DeliveryRow, int(delivery)).state == "OWED"


def test_it_says_which_job_failed_or_is_late(hub: FakeHub, client: FlaskClient) -> None:
    shown = entry.link(hub.settings, now=hub.now()).partition("pass=")[2]
    client.get("/ops/enter", query_string={"pass": shown})
    with hub.transaction() as session:
        clock.wind(session, jobs=schedule.JOBS, now=hub.now())
    assert f"All {len(schedule.JOBS)} run when they are due." in client.get("/ops/").text
    with hub.transaction() as session:
        job = next(job for job in schedule.JOBS if job.name == "billing.climb")
        clock.begin(session, job=job, now=hub.now() + job.every)
        clock.end(session, name=job.name, now=hub.now(), error="RuntimeError: <b>no</b>")
    page = client.get("/ops/").text
    assert "run when they are due" not in page and "failed: RuntimeError: &lt;b&gt;no&lt;/b&gt;" in page
