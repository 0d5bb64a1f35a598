# ruff: noqa: E501 - queries
"""A bill run whose process is killed, or that is started twice, ends with the same books as one left in peace."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from billing import crew, issuing
from billing import operations as billing
from core import db
from tests.load import bench_bill

AGREEMENTS, KILLS = 240, 50
# ids, and what they are part of, are aside: they tell in which order things were done, not what
BOOKS = (
    "SELECT account_id, agreement_id, version, starts_on, ends_on, tariff_code, status, hold_code, findings,"
    " total_cents, wh, peak_watts, estimated, rounding, input_hash, rated_at, issued_on, due_on, cancelled_at FROM bill ORDER BY 2, 3",
    "SELECT b.agreement_id, l.position, l.component, l.code, l.description, l.args::text, l.quantity, l.unit,"
    " l.unit_price, l.amount_cents FROM bill_line l JOIN bill b ON b.id = l.bill_id ORDER BY 1, 2",
    "SELECT b.agreement_id, j.kind, j.account_id, j.effective_on, j.posted_at FROM ledger_journal j"
    " LEFT JOIN bill b ON j.key = 'bill:' || b.id ORDER BY 1",
    "SELECT j.account_id, e.account_id, e.code, e.debit_cents, e.credit_cents FROM ledger_entry e"
    " JOIN ledger_journal j ON j.id = e.journal_id ORDER BY 1, 3",
    "SELECT name, order_key, payload::jsonb - 'bill_id' FROM fact WHERE name = 'bill.issued' ORDER BY 2",
    "SELECT b.agreement_id, count(*) FROM fact f, jsonb_array_elements_text(f.payload -> 'bill_ids') AS owed(id), bill b"
    " WHERE f.name = 'bills.issued' AND b.id = owed.id::bigint GROUP BY 1 ORDER BY 1",
)
MONEY = "bill, bill_form, bill_run, bill_run_chunk, ledger_journal, fact, delivery, charge, allocation"


@pytest.fixture(scope="module")
def book(postgres) -> Iterator[Engine]:
    url = postgres.create_database("killed")
    engine = db.connect(url, pool_size=2)
    with engine.begin() as connection:
        db.Base.metadata.create_all(connection)
    bench_bill.make_book(url, AGREEMENTS, 60)
    with engine.begin() as connection:  # some that are held, and some that cannot be billed
        connection.execute(text("DELETE FROM read_day WHERE meter_id % 40 = 1 AND day > '2026-10-20'"))
        connection.execute(text("DELETE FROM read_day WHERE meter_id % 40 = 2"))
        connection.execute(text("DELETE FROM agreement_tariff WHERE agreement_id % 40 = 3"))
    yield engine
    engine.dispose()


def bill_and_issue(engine: Engine) -> None:
    hub = bench_bill.make_hub_of(engine)
    report = billing.run_bills(hub, period_end_on=bench_bill.LAST, now=bench_bill.NOW, chunk_size=8)
    billing.issue_bills(hub, run_id=report.run_id, now=bench_bill.NOW)
    assert (report.agreements, report.parked) == (AGREEMENTS, 12)


def bill_at_once(engine: Engine) -> None:
    """The same where nobody looks at drafts: each chunk issues what it makes."""
    hub = bench_bill.make_hub_of(engine)
    report = billing.run_bills(hub, period_end_on=bench_bill.LAST, now=bench_bill.NOW, chunk_size=8, release=True)
    billing.issue_bills(hub, run_id=report.run_id, now=bench_bill.NOW)
    assert (report.agreements, report.parked) == (AGREEMENTS, 12)


def apart(engine: Engine, work: Callable[[Engine], None]) -> int:
    """A process of its own, with connections of its own; gives its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        engine.dispose(close=False)  # those belong to the parent
        work(db.connect(engine.url.render_as_string(hide_password=False), pool_size=1))
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def books(engine: Engine) -> list[list[tuple[object, ...]]]:
    with engine.connect() as connection:
        return [[tuple(row) for row in connection.execute(text(query))] for query in BOOKS]


def forget(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {MONEY} CASCADE"))


@pytest.fixture(scope="module")
def in_peace(book) -> list[list[tuple[object, ...]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuing, "_PER_TRANSACTION", 10)
        bill_and_issue(book)
    found = books(book)
    assert len(found[0]) == AGREEMENTS - 12 and {row[7] for row in found[0]} == {None, "MISSING_READS"}
    forget(book)
    return found


@pytest.mark.parametrize("bill", [bill_and_issue, bill_at_once])
def test_killed_fifty_times_the_books_are_those_of_a_run_left_in_peace(book, in_peace, monkeypatch, bill):
    monkeypatch.setattr(issuing, "_PER_TRANSACTION", 10)
    chance = random.Random(11)
    began = time.monotonic()
    assert os.waitpid(apart(book, bill), 0)[1] == 0
    took = time.monotonic() - began  # a slow machine is killed more slowly
    forget(book)
    kills = passes = 0
    halfway = set()
    while kills < KILLS:
        pid = apart(book, bill)
        time.sleep(chance.uniform(0.05, 0.6) * min(took, 1.5))
        done, status = os.waitpid(pid, os.WNOHANG)
        if not done:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            kills += 1
            with book.connect() as connection:
                halfway.add(connection.scalar(text("SELECT count(*) FROM bill")))
            continue
        assert status == 0
        passes += 1
        assert books(book) == in_peace
        forget(book)
    bill(book)
    assert books(book) == in_peace
    assert any(0 < count < len(in_peace[0]) for count in halfway), "no kill met a run at work"
    forget(book)


@pytest.mark.parametrize("second", [bill_and_issue, bill_at_once])
def test_two_runs_at_once_bill_nothing_twice(book, in_peace, monkeypatch, second):
    monkeypatch.setattr(issuing, "_PER_TRANSACTION", 10)
    both = [apart(book, work) for work in (bill_and_issue, second)]
    assert [os.waitpid(pid, 0)[1] for pid in both] == [0, 0]
    assert books(book) == in_peace
    forget(book)


@pytest.mark.parametrize("release", [False, True])
def test_processes_share_the_chunks_of_a_run(book, in_peace, release):
    hub = bench_bill.make_hub_of(book)
    report = billing.run_bills(
        hub, period_end_on=bench_bill.LAST, now=bench_bill.NOW, chunk_size=8, processes=2, release=release
    )
    issued = billing.issue_bills(hub, run_id=report.run_id, now=bench_bill.NOW, processes=2)
    assert issued == (0 if release else report.billed)
    assert books(book) == in_peace
    forget(book)


def test_hands_called_for_a_cycle_with_nothing_to_bill_go_home(book, monkeypatch):
    came: list[subprocess.Popen[bytes]] = []

    class Hand(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            came.append(self)

    monkeypatch.setattr(crew.subprocess, "Popen", Hand)
    report = billing.run_bills(
        bench_bill.make_hub_of(book), period_end_on=bench_bill.LAST, now=bench_bill.NOW, chunk_size=8, cycle_day=2,
        processes=2,
    )  # fmt: skip
    assert report.agreements == 0
    assert [hand.returncode for hand in came] == [0, 0]
    forget(book)
