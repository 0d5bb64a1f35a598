"""The page of bill runs: what is held and let go, who waits for what, and what each run did."""

import re

import flask
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import select

from billing import issuing, models, single
from billing import queries as bills
from core import audit, periods
from core.accounts import queries as accounts
from ops_admin.arrears_commands import bills as commands
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


@pytest.fixture
def held(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> bills.Bill:
    """The newest bill of the town, cancelled and made anew, and held for looking wrong."""
    with hub.transaction() as session:
        newest = session.scalars(select(models.BillRow.id).order_by(models.BillRow.id.desc()).limit(1)).one()
        before = bills.get_bill(session, bill_id=newest)
        issuing.cancel_bill(session, bill_id=newest, actor="staff:bo", reason="a test", now=hub.now())
        agreement = accounts.get_agreement(session, agreement_id=before.agreement_id)
        priced = single.price(session, agreement=agreement, days=periods.Days(before.starts_on, before.ends_on))
        monkeypatch.setattr(single, "_findings", lambda *_, **__: ("HIGH_BILL",))
        return bills.get_bill(session, bill_id=single.draft(session, priced, now=hub.now()))


def act_as(client: FlaskClient, name: str) -> None:
    form = re.findall(r'name="form" value="([^"]+)"', client.get("/ops/runs").text)[0]
    answer = client.post("/ops/act-as", data={"form": form, "name": name, "back": "/ops/runs"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/ops/runs")


def release(client: FlaskClient, **form: str) -> flask.Response:
    shown = re.findall(r'name="form" value="([^"]+)"', client.get("/ops/runs").text)
    return client.post("/ops/runs/release", data={"form": shown[0] if shown else "", **form})


def test_a_held_bill_goes_out_once_somebody_says_why_it_is_right(
    hub: FakeHub, client: FlaskClient, held: bills.Bill
) -> None:
    assert 'href="/ops/runs#held"' in client.get("/ops/").text
    page = client.get("/ops/runs").text
    assert "Choose above whom you act as, ana or ben" in page and 'action="/ops/runs/release"' not in page
    nobody = release(client, bill=str(held.id), by="Ana", why="a new furnace")  # a name that is typed signs nothing
    assert nobody.status_code == 422 and "a name that is signed" in nobody.text
    act_as(client, "ana")
    page = client.get("/ops/runs").text
    assert held.number in page and "more than three times what is usual" in page
    with hub.transaction() as session:
        before = bills.get_balance(session, account_id=held.account_id, now=hub.now()).amount
    assert "Please say why the bill is right" in release(client, bill=str(held.id), why=" ").text
    assert "has been made anew" in release(client, bill="99999999", why="seen").text
    done = release(client, bill=str(held.id), why="a new furnace, seen")
    assert done.headers["Location"].endswith(f"issued={held.number}")
    with hub.transaction() as session:
        out = bills.get_bill(session, bill_id=held.id)
        assert (out.status, out.hold_code) == ("ISSUED", None) and out.due_on is not None
        assert bills.get_balance(session, account_id=held.account_id, now=hub.now()).amount == before + out.total
        assert audit.verify(session) is None
    assert "No bill is held." in client.get("/ops/runs").text


def test_a_bill_is_not_let_go_by_a_form_of_somebody_else(client: FlaskClient, held: bills.Bill) -> None:
    act_as(client, "ana")
    refused = client.post("/ops/runs/release", data={"bill": str(held.id), "why": "x", "form": "forged"})
    assert refused.status_code == 422 and "too old" in refused.text and held.number in refused.text


def test_a_held_bill_goes_out_from_the_command_line_too(hub: FakeHub, held: bills.Bill) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(commands, words, obj=lambda: hub)
        return done.exit_code, done.output

    code, said = run("held")
    assert code == 0 and held.number in said and "more than three times" in said and said.endswith("1 held\n")
    assert run("release", held.number, "--by", "ana", "--reason", " ")[0] == 1
    assert run("release", held.number, "--by", "ana", "--reason", "seen") == (
        0,
        f"{held.number} {held.total} issued\n",
    )
    assert run("release", held.number, "--by", "ana", "--reason", "again")[0] == 1
    assert run("held") == (0, "0 held\n")
