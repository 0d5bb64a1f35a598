"""A closed account that was dunned for long is proposed to be given up, and a person gives it up, once."""

import re
from datetime import date, timedelta
from decimal import Decimal

import flask
import pytest
from sqlalchemy import event

from billing import dunning, write_offs
from billing import operations as billing
from core import errors
from core.accounts import operations as keeping
from core.conversations import operations as conversing
from ops_admin.console import entry
from ops_admin.console import web as console
from tests.integration.billing import books_check
from tests.integration.billing.test_closing import pay
from tests.integration.billing.test_payments import AT, D, house, owes  # noqa: F401

LONG = 120


def move_out(session, house):  # noqa: F811
    keeping.end_agreement(session, agreement_id=house.agreement_id, ends_on=date(2026, 11, 1), now=AT)
    keeping.close_account(session, account_id=house.account_id, closed_on=date(2026, 11, 1), now=AT)


def fall_behind(hub, session, house, days):  # noqa: F811
    """Nobody pays for so long that the ladder begins; then more days go by."""
    hub.clock.at = AT + timedelta(days=60)
    dunning.walk(session, account_id=house.account_id, house=conversing.house(hub.settings), now=hub.now())
    assert dunning.open_case(session, house.account_id) is not None
    hub.clock.move(days=days)


def proposed(hub, session):
    return write_offs.list_proposals(session, after_days=LONG, now=hub.now())


def give_up(hub, session, house, reason="moved away"):  # noqa: F811
    return write_offs.give_up(
        session, account_id=house.account_id, reason=reason, actor="staff:ana", after_days=LONG, now=hub.now()
    )


def test_who_is_gone_and_long_behind_is_proposed_and_given_up_once(hub, session, house):  # noqa: F811
    move_out(session, house)
    fall_behind(hub, session, house, LONG - 1)
    assert proposed(hub, session) == ()
    hub.clock.move(days=1)
    (found,) = proposed(hub, session)
    assert (found.account_id, found.closed_on) == (house.account_id, date(2026, 11, 1))
    owed = owes(session, house, hub.now())
    assert owed >= D("130.68") and found.amount <= owed  # a late fee may stand beside the bill, and not be due yet
    with pytest.raises(errors.Invalid, match=r"write_off\.reason"):
        give_up(hub, session, house, " ")
    assert give_up(hub, session, house) == owed
    assert owes(session, house, hub.now()) == D("0.00")
    assert proposed(hub, session) == ()
    with pytest.raises(errors.Refused, match=r"write_off\.not_due"):
        give_up(hub, session, house)
    pay(session, house, "p1", "50.00")
    assert owes(session, house, hub.now()) == D("0.00")  # a recovery, no credit
    books_check.check(session)


def test_who_is_still_served_is_dunned_and_not_given_up(hub, session, house):  # noqa: F811
    fall_behind(hub, session, house, 2 * LONG)
    assert proposed(hub, session) == ()
    with pytest.raises(errors.Refused, match=r"write_off\.not_due"):
        give_up(hub, session, house)
    assert owes(session, house, hub.now()) > Decimal(0)


def test_a_person_gives_it_up_in_the_console(hub, session, house):  # noqa: F811
    move_out(session, house)
    fall_behind(hub, session, house, LONG)
    session.commit()
    app = flask.Flask("console-under-test")
    app.register_blueprint(console.blueprint(hub, lambda: True))
    client = app.test_client()
    link = entry.link(hub.settings, now=hub.now(), name="ana")
    assert client.get("/ops/enter?" + link.partition("?")[2]).status_code == 302

    def post(account: str) -> flask.Response:
        form = re.findall(r'name="form" value="([^"]+)"', client.get("/ops/money").text)[0]
        return client.post("/ops/money/give-up", data={"form": form, "account": account, "reason": "gone"})

    assert f'value="{house.account_id}"' in client.get("/ops/money").text.partition("Debts to give up")[2]
    assert post("1000000000").status_code == 422
    assert post(str(house.account_id)).headers["Location"].endswith("done=given-up")
    assert "No debt is old enough." in client.get("/ops/money?done=given-up").text
    assert post(str(house.account_id)).status_code == 422
    assert owes(session, house, hub.now()) == D("0.00")


def test_many_are_proposed_with_as_many_questions_as_one(hub, session, connection, make_house):
    houses = [make_house() for _ in range(5)]
    report = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT)
    billing.issue_bills(hub, run_id=report.run_id, now=AT)
    for house in houses:  # noqa: F402
        move_out(session, house)
    asked, counts = [], []
    event.listen(connection, "before_cursor_execute", lambda _c, _cursor, statement, *_: asked.append(statement))
    for number, house in enumerate(houses, 1):
        fall_behind(hub, session, house, LONG)
        asked.clear()
        assert len(proposed(hub, session)) == number
        counts.append(len([each for each in asked if not each.startswith(("SAVEPOINT", "RELEASE"))]))
    assert len(set(counts)) == 1, counts
