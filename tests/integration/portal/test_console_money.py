"""The cashier's page: two people for a refund, an account for what waits, and a refusal in words."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from billing import bank_entries, gateway_news, refunds, shop_files, shop_payments, transfers
from billing import operations as billing
from billing import queries as bills
from core import audit, ports
from core.accounts import queries as accounts
from ops_admin.console import entry
from ops_admin.console import web as console
from tests.conftest import FakeHub

SAM = "5500010086"


@pytest.fixture
def client(hub: FakeHub) -> FlaskClient:
    app = flask.Flask("console-under-test")
    app.register_blueprint(console.blueprint(hub, lambda: True))
    return app.test_client()


def enter(hub: FakeHub, client: FlaskClient, name: str) -> None:
    link = entry.link(hub.settings, now=hub.now(), name=name, account="kim")
    assert client.get("/ops/enter?" + link.partition("?")[2]).status_code == 302


def post(hub: FakeHub, client: FlaskClient, act: str, **form: str) -> flask.Response:
    page = client.get("/ops/money").text
    return client.post(f"/ops/money/{act}", data={"form": re.findall(r'name="form" value="([^"]+)"', page)[0], **form})


@pytest.fixture
def paid(hub: FakeHub) -> int:
    with hub.transaction() as session:
        account = accounts.find_account_by_number(session, number=SAM)
        assert account is not None
        return billing.record_payment(
            session, gateway="stripe", external_id="pi_console", account_id=account.id, amount=Decimal("80.00"),
            method="card", status="SUCCEEDED", at=hub.now(), now=hub.now(),
        ).id  # fmt: skip


def test_nothing_is_shown_or_decided_without_a_pass(client: FlaskClient) -> None:
    assert client.get("/ops/money").status_code == 403
    assert client.post("/ops/money/refund", data={"refund": "1"}).status_code == 403


def test_a_name_in_the_link_is_signed(hub: FakeHub, client: FlaskClient) -> None:
    query = entry.link(hub.settings, now=hub.now(), name="ana").partition("?")[2]
    assert client.get("/ops/enter?" + query.replace("ana", "bo")).status_code == 403
    assert client.get("/ops/enter?" + query.partition("&")[0]).status_code == 403
    enter(hub, client, "ana")
    assert "as ana" in client.get("/ops/money").text
    with hub.transaction() as session:  # who opened it, by whose link, stands in the audit
        entered = session.scalars(select(audit.AuditRow).order_by(audit.AuditRow.id.desc()).limit(1)).one()
    assert (entered.actor, entered.action, entered.detail) == ("staff:ana", "console.entered", {"link_made_by": "kim"})
    good = client.get_cookie(entry.NAME, path="/ops")
    assert good is not None
    client.set_cookie(entry.NAME, good.value.replace("ana", "bo"), path="/ops")
    assert "as bo" not in client.get("/ops/money").text
    hub.clock.at += timedelta(hours=12)
    assert entry.name_of(hub.settings, {entry.NAME: good.value}, now=hub.now()) == ""


def test_without_a_signed_name_money_is_seen_and_not_decided(hub: FakeHub, client: FlaskClient, paid: int) -> None:
    with hub.transaction() as session:
        billing.request_refund(
            session, payment_id=paid, amount=None, reason="paid twice", actor="staff:bo", key="k", now=hub.now()
        )
    enter(hub, client, "")
    page = client.get("/ops/money").text
    assert "paid twice" in page and "wattline ops-link --as your-name" in page
    assert 'method="post"' not in page and 'name="by"' not in page
    form = entry.form(hub.settings, name="", now=hub.now())
    for act in ("ask", "refund", "transfer", "event", "dispute", "give-up", "close"):
        refused = client.post(
            f"/ops/money/{act}", data={"form": form, "by": "ana", "refund": "1", "verdict": "approve"}
        )
        assert refused.status_code == 422 and "Nobody decides here without a name that is signed" in refused.text
    # and nobody chooses a name outside the demonstration
    assert client.post("/ops/act-as", data={"form": form, "name": "ana"}).status_code == 404


def test_in_the_demonstration_one_acts_as_one_of_two_people(hub: FakeHub, paid: int) -> None:
    hub = hub.with_(settings=hub.settings.model_copy(update={"demo": True}))
    app = flask.Flask("console-under-test")
    app.register_blueprint(console.blueprint(hub, lambda: True))
    client = app.test_client()

    def act_as(name: str, back: str = "/ops/money") -> flask.Response:
        form = re.findall(r'name="form" value="([^"]+)"', client.get("/ops/money").text)[0]
        return client.post("/ops/act-as", data={"form": form, "name": name, "back": back})

    assert "Choose above whom you act as, ana or ben" in client.get("/ops/money").text
    assert act_as("kim").status_code == 404
    assert client.post("/ops/act-as", data={"form": "forged", "name": "ana"}).status_code == 403
    for wrong in ("https://evil.example/", "//evil.example", "/ops/..//x", "/portal/"):
        assert act_as("ana", wrong).headers["Location"] == "/ops/"
    assert 'value="ana" aria-pressed="true"' in client.get("/ops/money").text
    assert post(hub, client, "ask", payment=str(paid), amount="", reason="twice", key="d").status_code == 302
    with hub.transaction() as session:
        (asked,) = refunds.list_waiting(session)
    assert asked.requested_by == "staff:ana"
    stale = re.findall(r'name="form" value="([^"]+)"', client.get("/ops/money").text)[0]
    approve = {"refund": str(asked.id), "verdict": "approve"}
    assert post(hub, client, "refund", **approve).status_code == 422
    assert act_as("ben").headers["Location"] == "/ops/money"
    assert "made for somebody else" in client.post("/ops/money/refund", data={"form": stale, **approve}).text
    assert post(hub, client, "refund", **approve).headers["Location"].endswith("done=approved")


def test_a_refund_needs_somebody_else(hub: FakeHub, client: FlaskClient, paid: int) -> None:
    enter(hub, client, "ana")
    assert "No refund waits" in client.get("/ops/money").text
    answer = post(hub, client, "ask", payment=str(paid), amount="30.00", reason="paid <b>twice</b>", key="k1")
    assert answer.headers["Location"].endswith("done=asked")
    page = client.get("/ops/money").text
    assert "30.00" in page and "<b>twice" not in page and "waits for somebody else" in page
    with hub.transaction() as session:
        (asked,) = refunds.list_waiting(session)
    for amount in ("1e30", "-1", "0.001", "9" * 40, "ten"):
        wrong = post(hub, client, "ask", payment=str(paid), amount=amount, reason="no", key="k2")
        assert wrong.status_code == 422 and "an amount such as 12.34" in wrong.text
    # the name in the form counts for nothing where the link has signed one
    same = post(hub, client, "refund", refund=str(asked.id), verdict="approve", by="bo")
    assert same.status_code == 422 and "Somebody else has to decide" in same.text
    enter(hub, client, "bo")
    done = post(hub, client, "refund", refund=str(asked.id), verdict="approve")
    assert done.headers["Location"].endswith("done=approved")
    again = post(hub, client, "refund", refund=str(asked.id), verdict="reject")
    assert again.status_code == 422 and "Somebody was quicker" in again.text
    for amount, said in (("x", "such as 12.34"), ("99999", "more than is left"), ("0.001", "such as 12.34")):
        wrong = post(hub, client, "ask", payment=str(paid), amount=amount, reason="r", key=amount)
        assert wrong.status_code == 422 and said in wrong.text
    assert "No payment bears" in post(hub, client, "ask", payment="x'", amount="", reason="r", key="z").text


def test_what_waits_finds_its_account(hub: FakeHub, client: FlaskClient) -> None:
    enter(hub, client, "ana")
    day = datetime(2026, 11, 3, tzinfo=UTC).date()
    news = ports.GatewayEvent("evt_c", "payment.succeeded", "pi_lost", Decimal("12.00"), "USD", {})
    with hub.transaction() as session:
        transfers.load(
            session, bank="bank", currency="USD", now=hub.now(),
            entries=[bank_entries.Entry("e1", day, Decimal("25.00"), "USD", "Sam", "no reference")],
        )  # fmt: skip
    assert gateway_news.settle_gateway_event(hub, news) == "PARKED"
    page = client.get("/ops/money").text
    assert "bears no reference of ours" in page and "no payment of ours bears that name" in page
    with hub.transaction() as session:
        (waiting,), (event,) = transfers.list_waiting(session), gateway_news.list_parked(session)
    refused = post(hub, client, "transfer", transfer=str(waiting.id), account="1")
    assert refused.status_code == 422 and "No account bears that number" in refused.text
    assert post(hub, client, "transfer", transfer=str(waiting.id), account=SAM).headers["Location"].endswith("assigned")
    assert post(hub, client, "event", event=str(event.id), account=SAM).headers["Location"].endswith("resolved")
    page = client.get("/ops/money").text
    assert (
        "Every transfer and every payment at a shop found its account" in page
        and "is in the books" not in page.partition("News")[0]
    )
    with hub.transaction() as session:
        account = accounts.find_account_by_number(session, number=SAM)
        assert account is not None
        amounts = [p.amount for p in bills.list_payments(session, account_id=account.id)]
    assert Decimal("25.00") in amounts and Decimal("12.00") in amounts


def test_a_transfer_in_another_currency_is_noted_as_sent_back(hub: FakeHub, client: FlaskClient) -> None:
    enter(hub, client, "ana")
    day = datetime(2026, 11, 3, tzinfo=UTC).date()
    with hub.transaction() as session:
        transfers.load(
            session, bank="bank", currency="USD", now=hub.now(),
            entries=[bank_entries.Entry("eur-1", day, Decimal("44.00"), "EUR", "Sam", "power")],
        )  # fmt: skip
        (waiting,) = transfers.list_waiting(session)
    page = client.get("/ops/money").text
    assert "another currency: send it back" in page and "Why it goes back" in page
    which = {"transfer": str(waiting.id)}
    for reason, said in ((" ", "Please say why"), ("no euro account", "")):
        answer = post(hub, client, "send-back", reason=reason, **which)
        assert (answer.status_code == 422 and said in answer.text) if said else answer.status_code == 302
    assert answer.headers["Location"].endswith("done=sent-back")
    again = post(hub, client, "send-back", reason="again", **which)
    assert again.status_code == 422 and "Somebody was quicker" in again.text
    assert "another currency" not in client.get("/ops/money").text
    with hub.transaction() as session:
        last = session.scalars(select(audit.AuditRow).order_by(audit.AuditRow.id.desc())).first()
    assert last is not None and (last.action, last.actor) == ("transfer.sent_back", "staff:ana")
    assert last.detail["reason"] == "no euro account"


def test_payments_at_shops_that_wait_or_differ_are_shown_in_words(hub: FakeHub, client: FlaskClient) -> None:
    enter(hub, client, "ana")
    long_ago = hub.now() - timedelta(days=3)
    lost = shop_files.ShopPayment("SHOP-1", "123", Decimal("17.00"), "USD", long_ago, "Corner Market")
    with hub.transaction() as session:
        shop_payments.take(session, payments=[lost], told="FILE", settings=hub.settings, now=hub.now())
    page = client.get("/ops/money").text
    assert "paid at a shop under no reference of ours" in page and "Corner Market" in page
    assert "in the file, not in our books" in page
    assert "Why it goes back" not in page  # nobody can be sent it
    with hub.transaction() as session:
        (waiting,) = transfers.list_waiting(session)
    refused = post(hub, client, "send-back", transfer=str(waiting.id), reason="no")
    assert refused.status_code == 422 and "cannot be sent back" in refused.text
    assert post(hub, client, "transfer", transfer=str(waiting.id), account=SAM).headers["Location"].endswith("assigned")
    page = client.get("/ops/money").text
    assert "under no reference" not in page and "in the file, not in our books" not in page  # now both have it


def test_the_trial_balance_balances_and_months_close_in_order(hub: FakeHub, client: FlaskClient) -> None:
    enter(hub, client, "ana")
    page = client.get("/ops/money").text
    rows = re.findall(r'<th scope="row">\w+</th>((?:<td class="num">[-\d.,]+</td>){4})', page)
    sums = [[Decimal(x.replace(",", "")) for x in re.findall(r">([-\d.,]+)<", row)] for row in rows]
    assert rows and sum(row[0] for row in sums) == 0
    assert sum(row[1] for row in sums) == sum(row[2] for row in sums) > 0
    late = post(hub, client, "close", month=f"{hub.now():%Y-%m}")
    assert late.status_code == 422 and "That month is not over" in late.text
