# ruff: noqa: E501 - queries
"""Who could not be billed is billed when what was missing is there: once, by itself, also when killed or twice at once."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from billing import chunks, handlers, issuing, jobs, models, parked, queries, waiting
from billing import operations as billing
from billing.runs import list_runs
from core import db, outbox, periods
from core.hub import Hub
from tests.integration.billing.conftest import House, record
from tests.integration.billing.test_carried import solar  # noqa: F401 - a fixture
from tests.integration.billing.test_index import AT, CODE, OCTOBER, load
from tests.integration.billing.test_kill import AGREEMENTS, BOOKS, MONEY, apart
from tests.load import bench_bill

MOST, LAST_DAY = (
    periods.Days(date(2026, 10, 1), date(2026, 10, 31)),
    periods.Days(date(2026, 10, 31), date(2026, 11, 1)),
)


def told(session: Session, name: str) -> list[outbox.Fact]:
    fact = outbox.FactRow
    rows = session.scalars(select(fact).where(fact.name == name).order_by(fact.id))
    return [outbox.Fact(r.id, r.name, r.order_key, r.payload, r.recorded_at) for r in rows]


def statuses(session: Session) -> dict[int, str]:
    session.expire_all()
    return {b.agreement_id: b.status for b in session.scalars(select(models.BillRow))}


def test_prices_that_come_bill_who_waited_and_the_bill_goes_out_once(
    hub: Any, session: Session, make_house: Callable[..., House]
) -> None:
    hub.clock.at = AT
    house = make_house(tariff="RES-HOUR")
    load(session, MOST)
    report = billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT, release=True)
    billing.issue_bills(hub, run_id=report.run_id, now=AT)
    (waits,) = waiting.list_waiting(session)
    assert (waits.code, waits.count, waits.account_ids, waits.comes_back) == ("NO_PRICES", 1, (house.account_id,), True)
    assert waits.lacks == ((CODE, periods.midnight(date(2026, 10, 31), "America/New_York")),)
    assert (waits.since, waiting.count_waiting(session)) == (AT, 1)
    assert jobs.bill_waiting(hub) == 0 and statuses(session) == {}
    load(session, LAST_DAY)
    *_, arrived = told(session, "prices.arrived")
    for _ in range(2):  # a fact may be handled twice
        handlers.bill_waiting(hub, arrived)
        assert statuses(session) == {house.agreement_id: "ISSUED"}
    assert len(told(session, "bill.issued")) == 1
    assert (waiting.list_waiting(session), waiting.count_waiting(session)) == ((), 0)
    (run,) = list_runs(session, limit=5)
    assert run.counts == {"agreements": 1, "billed": 1, "held": 0, "unchanged": 0, "parked": 0}
    assert queries.get_balance(session, account_id=house.account_id, now=AT).amount > 0
    assert billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT).unchanged == 1


def test_prices_of_other_days_try_nothing_and_a_correction_brings_nothing_new(
    hub: Any, session: Session, make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.clock.at = AT
    make_house(tariff="RES-HOUR")
    load(session, MOST)
    billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT)
    load(session, periods.Days(date(2026, 11, 3), date(2026, 11, 5)))
    load(session, periods.Days(date(2026, 10, 9), date(2026, 10, 10)), lambda at: Decimal("3.00"))
    tried: list[object] = []
    monkeypatch.setattr(chunks, "make", lambda *_, **asked: tried.append(asked))
    facts = told(session, "prices.arrived")
    assert [f.payload["first_day"] for f in facts] == ["2026-10-01", "2026-11-03"]  # the correction is no arrival
    handlers.bill_waiting(hub, facts[1])
    assert tried == []


def test_in_a_run_whose_drafts_wait_for_a_look_it_is_a_draft_and_goes_out_with_them(
    hub: Any, session: Session, make_house: Callable[..., House]
) -> None:
    hub.clock.at = AT
    house, other = make_house(tariff="RES-HOUR"), make_house()
    report = billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT)
    load(session, OCTOBER)
    assert jobs.bill_waiting(hub) == 1
    assert statuses(session) == {house.agreement_id: "DRAFT", other.agreement_id: "DRAFT"}
    assert billing.issue_bills(hub, run_id=report.run_id, now=AT) == 2
    assert set(statuses(session).values()) == {"ISSUED"}


def test_drafts_made_while_a_run_was_being_issued_go_out_with_it(
    hub: Any, session: Session, make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.clock.at = AT
    house, other = make_house(tariff="RES-HOUR"), make_house()
    report = billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT)
    load(session, OCTOBER)
    issue = issuing._issue_drafts

    def meanwhile(*arguments: Any, **more: Any) -> None:
        issue(*arguments, **more)
        jobs.bill_waiting(hub)

    monkeypatch.setattr(issuing, "_issue_drafts", meanwhile)
    assert billing.issue_bills(hub, run_id=report.run_id, now=AT) == 2
    assert statuses(session) == {house.agreement_id: "ISSUED", other.agreement_id: "ISSUED"}


def test_reads_that_come_late_are_billed_by_the_clock_and_a_tariff_given_late_too(
    hub: Any, session: Session, make_house: Callable[..., House]
) -> None:
    hub.clock.at = AT
    silent = make_house(reads_to=date(2026, 9, 20))
    bare = make_house()
    session.execute(
        text("UPDATE agreement_tariff SET ends_on = '2026-10-01' WHERE agreement_id = :id"), {"id": bare.agreement_id}
    )
    session.commit()
    report = billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT, release=True)
    billing.issue_bills(hub, run_id=report.run_id, now=AT)
    assert {w.code for w in waiting.list_waiting(session)} == {"NO_READS", "NO_TARIFF"}
    record(session, silent.meter_id, date(2026, 9, 20), date(2026, 11, 3), 1000)
    session.commit()
    assert jobs.bill_waiting(hub) == 1
    assert statuses(session) == {silent.agreement_id: "ISSUED"}
    billing.assign_tariff(
        session, agreement_id=bare.agreement_id, tariff_code="RES-FLAT", starts_on=date(2026, 10, 1), now=AT
    )
    session.commit()
    assert (jobs.bill_waiting(hub), jobs.bill_waiting(hub)) == (1, 0)
    assert statuses(session) == {silent.agreement_id: "ISSUED", bare.agreement_id: "ISSUED"}


def test_bills_that_stand_on_each_other_come_back_in_their_order(
    hub: Any,
    session: Session,
    solar: House,  # noqa: F811
) -> None:
    at = datetime(2025, 11, 1, 12, tzinfo=UTC)
    hub.clock.at = at
    first = billing.run_bills(hub, period_end_on=date(2025, 11, 1), now=at)
    for n in (1, 2):  # the first is not issued, so the next two wait
        later = at + timedelta(days=31 * n)
        report = billing.run_bills(hub, period_end_on=date(2025, 11 + n, 1) if n == 1 else date(2026, 1, 1), now=later)
        billing.issue_bills(hub, run_id=report.run_id, now=later)
    assert [w.code for w in waiting.list_waiting(session)] == ["CARRIED", "CARRIED"]
    billing.issue_bills(hub, run_id=first.run_id, now=at)
    assert jobs.bill_waiting(hub) == 2
    bills = queries.list_bills(session, account_id=solar.account_id)
    assert [b.starts_on for b in bills] == [date(2025, 12, 1), date(2025, 11, 1), date(2025, 10, 1)]


def test_what_lies_further_back_than_the_rules_allow_is_not_billed_and_said_to_be_so(
    hub: Any, session: Session, make_house: Callable[..., House]
) -> None:
    make_house(tariff="RES-HOUR")
    report = billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT, release=True)
    billing.issue_bills(hub, run_id=report.run_id, now=AT)
    load(session, OCTOBER)
    hub.clock.at = AT + timedelta(days=4 * 366)  # Pennsylvania: four years
    assert jobs.bill_waiting(hub) == 0 and statuses(session) == {}
    (waits,) = waiting.list_waiting(session)
    assert (waits.code, waits.comes_back, waiting.count_waiting(session)) == (parked.TOO_OLD, False, 0)


@pytest.fixture(scope="module")
def book(postgres: Any) -> Iterator[Engine]:
    url = postgres.create_database("waited")
    engine = db.connect(url, pool_size=2)
    with engine.begin() as connection:
        db.Base.metadata.create_all(connection)
    bench_bill.make_book(url, AGREEMENTS, 60)
    with engine.begin() as connection:
        for table, some in (("read_day", "meter_id % 40 = 2"), ("agreement_tariff", "agreement_id % 40 = 3")):
            connection.execute(text(f"CREATE TABLE late_{table} AS SELECT * FROM {table} WHERE {some}"))
    yield engine
    engine.dispose()


def hub_of(engine: Engine) -> Hub:
    hub = bench_bill.make_hub_of(engine)
    hub.clock.at = bench_bill.NOW
    return hub  # type: ignore[no-any-return]


def run(engine: Engine, parked: int) -> None:
    hub = hub_of(engine)
    report = billing.run_bills(hub, period_end_on=bench_bill.LAST, now=bench_bill.NOW, chunk_size=8, release=True)
    billing.issue_bills(hub, run_id=report.run_id, now=bench_bill.NOW)
    assert (report.agreements, report.parked) == (AGREEMENTS, parked)


def come(engine: Engine) -> None:
    waiting.bill_waiting(hub_of(engine))


def come_and_die(engine: Engine) -> None:
    """Bills some of those that wait, and is killed over the next with its bills written and not committed."""
    write, left = chunks._write, [2]

    def struck(*arguments: Any) -> Any:
        done = write(*arguments)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    chunks._write = struck
    come(engine)


def books(engine: Engine) -> list[list[tuple[object, ...]]]:
    with engine.connect() as connection:
        return [[tuple(row) for row in connection.execute(text(query))] for query in BOOKS]


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM bill")) or 0


@pytest.fixture
def late(book: Engine) -> Iterator[list[list[tuple[object, ...]]]]:
    """The books as they are where nothing was ever missing; and a book of which 12 could not be billed, and now could."""
    run(book, 0)
    whole = books(book)
    with book.begin() as connection:
        connection.execute(text(f"TRUNCATE {MONEY} CASCADE"))
        connection.execute(text("DELETE FROM read_day WHERE meter_id % 40 = 2"))
        connection.execute(text("DELETE FROM agreement_tariff WHERE agreement_id % 40 = 3"))
    run(book, 12)
    with book.begin() as connection:
        for table in ("read_day", "agreement_tariff"):
            connection.execute(text(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM late_{table}"))
    yield whole
    with book.begin() as connection:
        connection.execute(text(f"TRUNCATE {MONEY} CASCADE"))


def test_two_at_once_bill_nobody_twice(book: Engine, late: list[list[tuple[object, ...]]]) -> None:
    assert count(book) == AGREEMENTS - 12
    both = [apart(book, come) for _ in range(2)]
    assert [os.waitpid(pid, 0)[1] for pid in both] == [0, 0]
    assert books(book) == late


def test_one_beside_a_run_that_is_repeated_bills_nobody_twice(
    book: Engine, late: list[list[tuple[object, ...]]]
) -> None:
    both = [apart(book, come), apart(book, lambda engine: run(engine, 0))]
    assert [os.waitpid(pid, 0)[1] for pid in both] == [0, 0]
    come(book)
    assert books(book) == late


def test_one_that_is_killed_has_billed_whole_chunks_and_the_next_bills_the_rest(
    book: Engine, late: list[list[tuple[object, ...]]]
) -> None:
    _, status = os.waitpid(apart(book, come_and_die), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert AGREEMENTS - 12 < count(book) < AGREEMENTS
    come(book)
    assert books(book) == late
