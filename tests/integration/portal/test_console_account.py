"""An account's money on the console: seen by its number, and each act with a reason and a signed name."""

import re
from datetime import timedelta
from decimal import Decimal

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from billing import credits, deposits, queries, refunds
from billing import operations as billing
from core import audit
from core.accounts import queries as accounts
from ops_admin.console import entry
from ops_admin.console import web as console
from tests.conftest import FakeHub

D = Decimal
SAM = "5500010086"
PAGE = f"/ops/money/account/{SAM}"


@pytest.fixture
def client(hub: FakeHub) -> FlaskClient:
    app = flask.Flask("console-under-test")
    app.register_blueprint(console.blueprint(hub, lambda: True))
    made = app.test_client()
    enter(hub, made, "ana")
    return made


def enter(hub: FakeHub, client: FlaskClient, name: str) -> None:
    link = entry.link(hub.settings, now=hub.now(), name=name, account="kim")
    assert client.get("/ops/enter?" + link.partition("?")[2]).status_code == 302


def post(client: FlaskClient, act: str, **form: str) -> flask.Response:
    page = client.get(PAGE).text
    hidden = {name: re.findall(f'name="{name}" value="([^"]+)"', page)[0] for name in ("form", "key")}
    return client.post(f"{PAGE}/{act}", data=hidden | form)


@pytest.fixture
def sam(hub: FakeHub) -> int:
    with hub.transaction() as session:
        found = accounts.find_account_by_number(session, number=SAM)
        assert found is not None
        return found.id


def owes(hub: FakeHub, account_id: int) -> Decimal:
    with hub.transaction() as session:
        return queries.get_balance(session, account_id=account_id, now=hub.now()).amount


def last_audit(hub: FakeHub) -> tuple[str, str, str]:
    with hub.transaction() as session:
        row = session.scalars(select(audit.AuditRow).order_by(audit.AuditRow.id.desc()).limit(1)).one()
        return row.actor, row.action, row.detail["reason"]


def test_an_account_is_found_by_its_number_or_not(hub: FakeHub, client: FlaskClient) -> None:
    assert 'action="/ops/money/account"' in client.get("/ops/money").text
    answer = client.get("/ops/money/account", query_string={"number": "5500-010 086"})
    assert answer.headers["Location"] == PAGE
    for wrong in ("", "1", "9999999999", "<b>", "5500010086' OR 1=1"):
        sorry = client.get("/ops/money/account", query_string={"number": wrong})
        assert sorry.status_code == 404 and "No account bears that number" in sorry.text and "<b>" not in sorry.text
        assert 'aria-current="page">Money' in sorry.text and 'href="/ops/money">Back' in sorry.text
    assert client.get("/ops/money/account/9999999999").status_code == 404
    page = client.get(PAGE).text
    assert "Sam Okafor" in page and 'aria-current="page">Money' in page
    assert "No fee stands." in page and "No deposit has been asked for." in page
    assert page.count("<label") == page.count("<label>") and "style=" not in page


def test_without_a_name_it_is_seen_and_nothing_can_be_pressed(hub: FakeHub, client: FlaskClient, sam: int) -> None:
    before = owes(hub, sam)
    enter(hub, client, "")
    page = client.get(PAGE).text
    assert "Sam Okafor" in page and "<button" not in page and "You can read here" in page
    form = entry.form(hub.settings, name="", now=hub.now())
    for act in ("refund", "credit", "waive", "deposit", "return-deposit"):
        refused = client.post(f"{PAGE}/{act}", data={"form": form, "by": "ana", "amount": "1", "reason": "x"})
        assert refused.status_code == 422 and "a name that is signed" in refused.text
    assert owes(hub, sam) == before
    assert client.post(f"{PAGE}/nothing", data={"form": form}).status_code == 404


def test_a_credit_is_given_once_and_paid_out_by_two(hub: FakeHub, client: FlaskClient, sam: int) -> None:
    before = owes(hub, sam)
    for wrong in ({"amount": "x"}, {"amount": ""}, {"amount": "-3"}, {"reason": " "}):
        refused = post(client, "credit", **({"amount": "900.00", "reason": "sorry"} | wrong))
        assert refused.status_code == 422 and "Please " in refused.text
    assert owes(hub, sam) == before
    for _ in range(2):  # pressed twice
        done = post(client, "credit", amount="900.00", reason="sorry <b>", kind="OUTAGE", key="once")
        assert done.headers["Location"] == f"{PAGE}?done=credited"
    assert owes(hub, sam) == before - D("900.00")
    assert last_audit(hub) == ("staff:ana", "credit.outage", "sorry <b>")
    page = client.get(PAGE).text
    assert "for an outage" in page and "by staff:ana" in page and "sorry &lt;b&gt;" in page
    with hub.transaction() as session:
        (given,) = (c for c in refunds.list_credits(session, account_id=sam) if c.kind == "OUTAGE")
    assert given.payable == D("900.00") - before
    assert post(client, "refund", credit=str(given.id), reason="moves", amount="9999").status_code == 422
    assert post(client, "refund", credit=str(given.id), reason="moves", amount="10.00").status_code == 302
    with hub.transaction() as session:  # what is asked for cannot be asked for again
        (left,) = (c for c in refunds.list_credits(session, account_id=sam) if c.id == given.id)
        (asked,) = refunds.list_waiting(session)
    assert left.payable == given.payable - 10 and asked.requested_by == "staff:ana"
    with hub.transaction() as session:
        billing.decide_refund(session, refund_id=asked.id, approve=True, actor="staff:bo", now=hub.now())
    assert owes(hub, sam) == before - D("890.00")


def test_a_debt_that_was_given_up_is_not_paid_out(hub: FakeHub, client: FlaskClient, sam: int) -> None:
    with hub.transaction() as session:
        billing.write_off(session, account_id=sam, reason="gone", actor="staff:bo", key="w", now=hub.now())
        (credit,) = (c for c in refunds.list_credits(session, account_id=sam) if c.kind == "WRITE_OFF")
    assert credit.payable == 0
    page = client.get(PAGE).text
    assert "a debt given up" in page and "Ask to pay it out" not in page and "Every bill is paid." in page


def test_a_fee_is_let_go(hub: FakeHub, client: FlaskClient, sam: int) -> None:
    before = owes(hub, sam)
    with hub.transaction() as session:
        fee = credits.charge(
            session, kind="RETURN_FEE", account_id=sam, cents=2000, rule="us.returned_payment_fee",
            on=hub.now().date(), key="f", now=hub.now(),
        )  # fmt: skip
    page = client.get(PAGE).text
    assert "a debit came back" in page and "us.returned_payment_fee" in page
    assert "Please say why" in post(client, "waive", charge=str(fee), reason="").text
    assert "No fee bears" in post(client, "waive", charge="x", reason="first time").text
    assert owes(hub, sam) == before + 20
    assert post(client, "waive", charge=str(fee), reason="first time").status_code == 302
    assert owes(hub, sam) == before and last_audit(hub) == ("staff:ana", "charge.waived", "first time")
    assert "No fee stands." in client.get(PAGE).text


def test_a_deposit_is_asked_within_the_rules_held_and_given_back(hub: FakeHub, client: FlaskClient, sam: int) -> None:
    with hub.transaction() as session:
        limit = deposits.find_limit(session, account_id=sam, now=hub.now())
    assert limit is not None and limit.most > 0
    assert f"At most {limit.most} by {limit.citation}" in client.get(PAGE).text
    high = post(client, "deposit", amount=str(limit.most + 1), reason="paid late")
    assert high.status_code == 422 and "more than the rules let us" in high.text
    assert f'value="{limit.most + 1}"' in high.text and 'value="paid late"' in high.text  # nobody types it again
    assert post(client, "deposit", amount="100.00", reason="paid late").status_code == 302
    assert last_audit(hub) == ("staff:ana", "deposit.asked", "paid late")
    assert f"At most {limit.most - 100} by" in client.get(PAGE).text  # the rule holds for all of them together
    assert post(client, "deposit", amount=str(limit.most), reason="more").status_code == 422
    with hub.transaction() as session:
        (deposit,) = deposits.list_deposits(session, account_id=sam, now=hub.now())
        early = post(client, "return-deposit", deposit=str(deposit.id), reason="good payer")
        assert early.status_code == 422 and "not been paid yet" in early.text
        billing.record_payment(
            session, gateway="stripe", external_id="pi_deposit", account_id=sam, method="card", status="SUCCEEDED",
            amount=queries.get_balance(session, account_id=sam, now=hub.now()).amount, at=hub.now(), now=hub.now(),
        )  # fmt: skip
    hub.clock.at += timedelta(days=365)
    enter(hub, client, "ana")
    with hub.transaction() as session:
        (deposit,) = deposits.list_deposits(session, account_id=sam, now=hub.now())
    assert deposit.interest > 0
    assert f"Give {deposit.amount + deposit.interest} back" in client.get(PAGE).text
    assert post(client, "return-deposit", deposit=str(deposit.id), reason="good payer").status_code == 302
    assert last_audit(hub) == ("staff:ana", "deposit.returned", "good payer")
    assert owes(hub, sam) == -(deposit.amount + deposit.interest)
    page = client.get(PAGE).text
    assert "a deposit given back" in page and "in credit" in page and "Give back" not in page


def test_a_refund_of_a_payment_is_asked_where_it_is_seen(hub: FakeHub, client: FlaskClient, sam: int) -> None:
    with hub.transaction() as session:
        paid = billing.record_payment(
            session, gateway="stripe", external_id="pi_acc", account_id=sam, amount=D("80.00"), method="card",
            status="SUCCEEDED", at=hub.now(), now=hub.now(),
        ).id  # fmt: skip
    assert post(client, "refund", payment=str(paid), amount="30.00", reason="twice").status_code == 302
    page = client.get("/ops/money").text
    assert "waits for somebody else" in page and f'href="{PAGE}"' in page
