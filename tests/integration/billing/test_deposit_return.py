"""Deposits go back by themselves after good payment, once, with interest and a word to the customer."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event, select

from billing import cash_models, deposit_jobs, queries
from billing import operations as billing
from core import audit
from core.accounts import operations as accounts
from core.conversations import models as talks
from core.fieldwork import operations as fieldwork
from core.periods import zone
from tests.integration.billing import books_check
from tests.integration.billing.conftest import ZONE
from tests.integration.billing.test_payments import AT, D, owes, pay

DUE = datetime(2027, 11, 3, 17, tzinfo=UTC)  # a year after it was paid


@pytest.fixture
def house(hub, session, make_house):
    made = make_house(reads_to=date(2026, 12, 1))
    accounts.update_contact_point(
        session, customer_id=made.customer_id, kind="EMAIL", value="house@example.org", now=AT - timedelta(days=99)
    )
    session.commit()
    hub.clock.at = AT
    bill(hub, date(2026, 11, 1))
    return made


def bill(hub, until):
    report = billing.run_bills(hub, period_end_on=until, now=hub.now())
    billing.issue_bills(hub, run_id=report.run_id, now=hub.now())


def take(session, house, key="d"):
    """A deposit that is asked for and paid on 3 November 2026, with the bill that is open."""
    made = billing.charge_deposit(
        session, account_id=house.account_id, amount=D("146.00"), rule="x", on=AT.date(), key=key, now=AT
    )
    pay(session, house, f"p-{key}-{house.account_id}", str(owes(session, house)))
    return made


def returned_on(session, deposit_id):
    session.expire_all()
    return session.get_one(cash_models.DepositRow, deposit_id).returned_on


def test_it_goes_back_after_a_year_of_good_payment_and_once(hub, session, house):
    deposit = take(session, house)
    hub.clock.at = DUE - timedelta(days=1)
    assert deposit_jobs.return_due(hub) == 0 and returned_on(session, deposit) is None
    hub.clock.at = DUE
    for count in (1, 0, 0):
        assert deposit_jobs.return_due(hub) == count
    assert returned_on(session, deposit) == DUE.date()
    assert owes(session, house, DUE) == D("-148.92")  # 146.00 + 146.00 x 2 % x 365 / 365
    kept = session.scalars(select(audit.AuditRow).where(audit.AuditRow.action == "deposit.returned")).one()
    assert kept.actor == "job:deposits" and kept.detail["reason"].startswith("us-pa.deposit_return: 66 Pa.C.S. 1404")
    (told,) = session.scalars(select(talks.MessageRow).where(talks.MessageRow.kind == "notice.deposit_returned"))
    assert told.data == {"amount": "148.92", "interest": "2.92", "months": 12}
    books_check.check(session)


@pytest.mark.parametrize(("hours", "back"), [(23, 1), (25, 0)])
def test_one_bill_paid_late_keeps_it_and_the_evening_of_the_last_day_is_in_time(hub, session, house, hours, back):
    deposit = take(session, house)
    hub.clock.at = datetime(2026, 12, 3, 12, tzinfo=UTC)
    bill(hub, date(2026, 12, 1))
    (newest,) = queries.list_bills(session, account_id=house.account_id, limit=1)
    day = newest.due_on
    paid_at = datetime(day.year, day.month, day.day, tzinfo=zone(ZONE)) + timedelta(hours=hours)
    pay(session, house, "p2", str(newest.total), now=paid_at)
    assert owes(session, house, paid_at) == D("0.00")
    hub.clock.at = DUE
    assert deposit_jobs.return_due(hub) == back
    assert (returned_on(session, deposit) is not None) is bool(back)


def test_who_is_behind_or_never_paid_it_or_was_cut_off_has_it_back_later(hub, session, house):
    deposit = take(session, house)
    hub.clock.at = DUE
    request = fieldwork.open_request(
        session, kind="DISCONNECT", account_id=house.account_id, customer_id=house.customer_id, description="x",
        data={}, key="cut", now=AT + timedelta(days=90),
    )  # fmt: skip
    fieldwork.add_update(session, request_id=request.id, note=None, status="DONE", now=AT + timedelta(days=90))
    session.commit()
    assert deposit_jobs.return_due(hub) == 0
    hub.clock.at = AT + timedelta(days=366 + 91)
    assert deposit_jobs.return_due(hub) == 1 and returned_on(session, deposit) is not None
    unpaid = billing.charge_deposit(
        session, account_id=house.account_id, amount=D("500.00"), rule="x", on=AT.date(), key="e", now=AT
    )
    session.commit()
    hub.clock.at += timedelta(days=800)
    assert deposit_jobs.return_due(hub) == 0 and returned_on(session, unpaid) is None


def test_for_many_accounts_the_questions_are_as_many_as_for_one(hub, session, make_house, connection):
    houses = [make_house() for _ in range(4)]
    hub.clock.at = AT
    bill(hub, date(2026, 11, 1))
    ids = [take(session, each, f"d{each.account_id}") for each in houses]

    def asked(some) -> int:
        count: list[str] = []
        note = lambda _c, _cursor, statement, *_: count.append(statement)  # noqa: E731
        event.listen(connection, "before_cursor_execute", note)
        found = deposit_jobs._list_due(session, some, DUE.date(), hub.settings.utility_timezone)
        event.remove(connection, "before_cursor_execute", note)
        assert [each.deposit_id for each in found] == list(some)
        return len(count)

    asked(ids)  # the first question opens the transaction
    assert 0 < asked(ids[:1]) == asked(ids)
