"""The console's work-list: found, looked at, decided, undone; and corrections accepted or left."""

import re
from datetime import UTC, date, datetime

import flask
import numpy as np
import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from metering import judgements, operations, worklist
from ops_admin.console import entry
from ops_admin.console import web as console
from tests.conftest import FakeHub
from tests.integration.metering.conftest import add_service_point_in

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)


@pytest.fixture
def client(hub: FakeHub) -> FlaskClient:
    hub.clock.at = NOW
    app = flask.Flask("console-under-test")
    app.register_blueprint(console.blueprint(hub, lambda: True))
    made = app.test_client()
    enter(hub, made, "ana")
    return made


def enter(hub: FakeHub, client: FlaskClient, name: str) -> None:
    assert client.get("/ops/enter?" + entry.link(hub.settings, now=NOW, name=name).partition("?")[2]).status_code == 302


@pytest.fixture
def finding(session: Session, hub: FakeHub) -> worklist.Entry:
    point = add_service_point_in(session, "America/New_York")
    meter = operations.install_meter(
        session, service_point_id=point, number="<b>E-9</b>", installed_on=date(2024, 1, 1)
    )
    hour = np.arange(24 * 30)[None, :]
    wh = 500 + hour % 24 * 20 + hour // 24 % 5
    wh[0, 24 * 20 + 1] = 240_000
    operations.load_matrix(session, meter_ids=[meter.id], day_from=date(2026, 10, 19), wh=wh)
    session.commit()
    judgements.judge_days(hub)
    session.expire_all()
    return worklist.list_exceptions(session, filters=worklist.Filters(severity="E", meter_number=meter.number))[0]


def form_of(page: str) -> str:
    return re.findall(r'name="form" value="([^"]+)"', page)[0]


def test_an_empty_list_says_so(hub: FakeHub, client: FlaskClient) -> None:
    page = client.get("/ops/reads").text
    assert "No read waits for a look." in page and "Nothing like it waits." in page
    assert "all issued bills agree with the reads" in client.get("/ops/corrections").text
    assert client.get("/ops/reads/999").status_code == 404


def test_it_is_closed_like_the_rest(hub: FakeHub) -> None:
    app = flask.Flask("console-under-test")
    app.register_blueprint(console.blueprint(hub, lambda: True))
    stranger = app.test_client()
    for path in ("/ops/reads", "/ops/reads/1", "/ops/corrections"):
        assert stranger.get(path).status_code == 403
    for path in ("/ops/reads/accept", "/ops/reads/1/accept", "/ops/corrections/1/accept"):
        assert stranger.post(path, data={"by": "x", "why": "y"}).status_code == 403


def test_a_finding_is_seen_edited_and_undone(
    session: Session, hub: FakeHub, client: FlaskClient, finding: worklist.Entry
) -> None:
    page = client.get("/ops/reads?severity=E&code=TOO_HIGH").text
    assert "TOO_HIGH" in page and "240,000 Wh, limit 100,000" in page and "<b>E-9" not in page
    one = f"/ops/reads/{finding.id}"
    page = client.get(one).text
    assert '<svg class="day"' in page and "240.000" in page and "what came was too high" in page
    assert page.count("<label") == page.count(" for=") and "style=" not in page
    form = form_of(page)
    edit = {"form": form, "first": "1", "last": "1", "kwh": "0.8", "how": "each", "why": "display"}
    for wrong in ({"form": "1.x"}, {"why": " "}, {"kwh": "nan"}, {"first": "5"}, {"kwh": "-3"}):
        assert client.post(f"{one}/edit", data=edit | wrong).status_code in (403, 422)
    assert client.post(f"{one}/edit", data=edit).status_code == 302
    page = client.get(one, query_string={"done": "1 intervals written."}).text
    assert "Edited by staff:ana" in page and 'role="status"' in page and "0.800" in page
    assert client.post(f"{one}/accept", data={"form": form, "why": "x"}).status_code == 409
    assert client.post(f"{one}/undo", data={"form": form, "why": "wrong meter"}).status_code == 302
    session.expire_all()
    assert worklist.get_exception(session, exception_id=finding.id).resolved_at is None
    enter(hub, client, "bo")
    assert client.post(f"{one}/estimate", data=edit | {"by": "ana"}).status_code == 403  # made for ana, not for bo
    edit["form"] = form_of(client.get(one).text)
    assert client.post(f"{one}/estimate", data=edit | {"by": "ana"}).status_code == 302
    assert "Estimated by staff:bo" in client.get(one).text


def test_without_a_name_a_finding_is_read_and_not_decided(
    hub: FakeHub, client: FlaskClient, finding: worklist.Entry
) -> None:
    enter(hub, client, "")
    page = client.get(f"/ops/reads/{finding.id}").text
    assert "You can read here, and decide nothing" in page and "240.000" in page and 'method="post"' not in page
    assert (
        'method="post" action="/ops/reads/accept"' in client.get("/ops/reads").text
    )  # the list, with nothing to press
    assert "Accept those chosen" not in client.get("/ops/reads").text
    form = entry.form(hub.settings, name="", now=NOW)
    for path in (f"{finding.id}/accept", "accept"):
        refused = client.post(f"/ops/reads/{path}", data={"form": form, "id": finding.id, "by": "ana", "why": "x"})
        assert refused.status_code == 403 and "a name that is signed" in refused.text


def test_many_are_accepted_at_once_but_what_cannot_be_is_decided_one_by_one(
    session: Session, hub: FakeHub, client: FlaskClient, finding: worklist.Entry
) -> None:
    assert finding.meter_id is not None
    operations.record_reads(
        session, meter_id=finding.meter_id, starts_at=datetime(2026, 11, 12, tzinfo=UTC), interval_minutes=60,
        wh=[777] * 24, quality="ACTUAL", source="t", now=NOW,
    )  # fmt: skip
    session.commit()
    judgements.judge_days(hub)
    session.expire_all()
    own = worklist.Filters(meter_number=finding.meter_number)
    ids = [str(e.id) for e in worklist.list_exceptions(session, filters=own)]
    assert len(ids) == 2
    form = form_of(client.get("/ops/reads").text)
    answer = client.post("/ops/reads/accept", data={"form": form, "id": [*ids, "x", "'"], "why": "a test"})
    assert answer.status_code == 302 and f"{len(ids) - 1}+accepted" in answer.headers["Location"]
    session.expire_all()
    assert [e.id for e in worklist.list_exceptions(session, filters=own)] == [finding.id]
    assert "accepted by staff:ana" in client.get("/ops/reads?resolved=1").text
