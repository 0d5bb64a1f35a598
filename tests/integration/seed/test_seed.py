"""The demonstration utility is believable: everything in it follows from its own reads, and every story can be told."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from billing import queries as bills
from core import db
from core.accounts import queries as accounts
from core.hub import Hub
from core.outages import queries as outages
from ops_admin.seed import live, load, people, seed
from ops_admin.stack import embedded
from tests.conftest import make_hub

NOW = datetime(2026, 11, 23, 15, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def town(postgres: embedded.EmbeddedPostgres) -> Iterator[tuple[Hub, Engine]]:
    from ops_admin import models  # noqa: F401 - fills the metadata

    engine = db.connect(postgres.create_database("town"))
    with engine.begin() as connection:
        db.Base.metadata.create_all(connection)
    hub = make_hub(db.sessions(engine), now=lambda: NOW)
    assert list(seed.run(hub, customers=26, random_seed=20))
    yield hub, engine
    engine.dispose()


def rows(town: tuple[Hub, Engine], sql: str, **parameters: Any) -> list[Any]:
    with town[1].connect() as connection:
        return list(connection.execute(text(sql), parameters))


def account(town: tuple[Hub, Engine], number: str) -> accounts.Account:
    with town[0].transaction() as session:
        found = accounts.find_account_by_number(session, number=number)
    assert found is not None
    return found


def test_bills_are_the_sum_of_their_lines_and_the_books_balance(town: tuple[Hub, Engine]) -> None:
    wrong = rows(
        town,
        "SELECT b.id FROM bill b JOIN bill_line l ON l.bill_id = b.id GROUP BY b.id, b.total_cents"
        " HAVING sum(l.amount_cents) <> b.total_cents",
    )
    assert wrong == []
    issued = rows(town, "SELECT count(*) FROM bill WHERE status = 'ISSUED'")[0][0]
    assert issued >= 26 * 12
    assert rows(town, "SELECT sum(debit_cents) - sum(credit_cents) FROM ledger_entry")[0][0] == 0


def test_billed_energy_is_metered_energy(town: tuple[Hub, Engine]) -> None:
    """The kWh of a bill are the sum of the hours of its civil days, read straight from the rows."""
    bill = rows(
        town,
        "SELECT b.wh, b.starts_on, b.ends_on, m.id FROM bill b JOIN service_agreement a ON a.id = b.agreement_id"
        " JOIN meter m ON m.service_point_id = a.service_point_id WHERE b.status = 'ISSUED' AND m.interval_minutes = 60"
        " ORDER BY b.id LIMIT 1",
    )[0]
    hours = rows(
        town,
        "SELECT sum(get_byte(wh, 4*h) + get_byte(wh, 4*h+1) * 256 + get_byte(wh, 4*h+2) * 65536)"
        " FROM read_day, generate_series(0, 23) h WHERE meter_id = :meter"
        " AND day + make_interval(hours => h) >= :first ::timestamp AT TIME ZONE 'America/New_York' AT TIME ZONE 'UTC'"
        " AND day + make_interval(hours => h) < :last ::timestamp AT TIME ZONE 'America/New_York' AT TIME ZONE 'UTC'",
        meter=bill.id, first=bill.starts_on, last=bill.ends_on,
    )  # fmt: skip
    assert hours[0][0] == bill.wh


def test_every_story_can_be_told(town: tuple[Hub, Engine]) -> None:
    hub = town[0]
    with hub.transaction() as session:
        balance = {
            key: bills.get_balance(session, account_id=account(town, number).id, now=NOW)
            for key, number in (("maya", "5500010011"), ("rosa", "5500010053"), ("omar", "5500010045"))
        }
        why = bills.explain_bill(session, account_id=account(town, "5500010037").id)
        home = accounts.list_service_points(session, account_id=account(town, "5500010060").id, on=NOW.date())[0]
        outage = outages.find_outage_at(session, service_point_id=home.id, now=NOW)
        plans = bills.compare_tariffs(session, account_id=account(town, "5500010086").id, now=NOW)
        dial = bills.list_bills(session, account_id=account(town, "5500010094").id)
    assert balance["maya"].amount > 0 and balance["maya"].overdue == 0
    assert balance["omar"].amount > 0 and balance["omar"].overdue == 0
    assert balance["rosa"].overdue > 0
    assert why.previous is not None and why.difference > 10
    assert sum(driver.amount for driver in why.drivers) == why.difference
    assert outage is not None and outage.estimated_restoration_at is not None and outage.status == "CREW_ASSIGNED"
    assert plans.best.saving > 0 and plans.best.tariff.code != plans.current.tariff.code
    assert len(dial) >= 12 and all(bill.estimated for bill in dial)


def test_running_it_again_changes_nothing(town: tuple[Hub, Engine]) -> None:
    before = rows(town, "SELECT count(*), sum(total_cents) FROM bill")[0]
    assert list(seed.run(town[0], customers=26, random_seed=20)) == ["Brightwater Power is there already."]
    assert rows(town, "SELECT count(*), sum(total_cents) FROM bill")[0] == before


def test_reads_go_on_arriving_and_are_what_the_seed_would_have_drawn(town: tuple[Hub, Engine]) -> None:
    later = NOW + timedelta(hours=30)
    hub = make_hub(town[0].sessions, now=lambda: later, settings=town[0].settings.model_copy(update={"demo": True}))
    live.record(hub)
    with hub.transaction() as session:
        book = seed.book(session)
        assert book is not None
        drawn = load.day_wh(book.habits, later.date(), 20)
        got = rows(
            town,
            "SELECT wh FROM read_day WHERE meter_id = :meter AND day = :day",
            meter=book.meters[0],
            day=later.date(),
        )[0][0]
    assert [int.from_bytes(got[4 * h : 4 * h + 4], "little") for h in range(later.hour)] == drawn[
        0, : later.hour
    ].tolist()


def test_the_same_seed_draws_the_same_day() -> None:
    habits = [person.habit for person in people.neighbours(5, 20)]
    assert (load.day_wh(habits, NOW.date(), 20) == load.day_wh(habits, NOW.date(), 20)).all()
    assert (load.day_wh(habits, NOW.date(), 20) != load.day_wh(habits, NOW.date(), 21)).any()


def test_the_home_with_panels_has_a_year_of_bills_that_say_what_it_sent_out(town: tuple[Hub, Engine]) -> None:
    paula = account(town, "5500010136")
    said = rows(
        town,
        "SELECT b.starts_on, l.code, l.quantity, l.amount_cents FROM bill b JOIN bill_line l ON l.bill_id = b.id"
        " WHERE b.account_id = :account AND b.status = 'ISSUED' ORDER BY b.starts_on, l.position",
        account=paula.id,
    )
    months = sorted({row.starts_on for row in said})
    assert len(months) == seed.MONTHS
    assert {row.starts_on for row in said if row.code == "credit.kwh_sent"} == set(months)
    carried = [(row.starts_on, row.quantity) for row in said if row.code == "credit.kwh_carried"]
    brought = [(row.starts_on, -row.quantity) for row in said if row.code == "credit.kwh_brought"]
    assert carried and brought
    following = dict(itertools.pairwise(months))
    assert [(following[day], kwh) for day, kwh in carried if day in following] == brought
