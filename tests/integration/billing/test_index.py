"""Bills at the price of the hour: waiting for prices, made of them to the cent, put right when they are corrected."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from billing import handlers, index_file, index_jobs, index_loading, models, prices, queries
from billing import operations as billing
from billing.price_models import IndexPriceRow
from core import errors, outbox, periods
from ops_admin.index_command import index
from tests.integration.billing.conftest import NOW, ZONE
from tests.unit.rating.oracle import round_cents

AT = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
OCTOBER = periods.Days(date(2026, 10, 1), date(2026, 11, 1))
CODE = "DAY_AHEAD"


def price(at):
    """Per MWh, in cents: other on every hour of the month, and below zero now and then."""
    local = periods.local(at, ZONE)
    return Decimal(local.hour * 431 + local.day * 17 - 300) / 100


def file_of(days, of=price, minutes=60):
    lines, at = ["timestamp_utc,price,currency"], periods.midnight(days.starts_on, ZONE)
    while at < periods.midnight(days.ends_on, ZONE):
        lines.append(f"{at:%Y-%m-%dT%H:%M}Z,{of(at)},USD")
        at += timedelta(minutes=minutes)
    return "\n".join(lines).encode()


def load(session, days, of=price, **more):
    parsed = index_file.parse(file_of(days, of), unit="MWh", currency="USD", timezone=ZONE)
    assert parsed.problems == ()
    done = index_loading.load(session, code=CODE, parsed=parsed, source="test", by="test", now=NOW, **more)
    session.commit()
    return done


def lines(session, bill_id):
    return {line.code: line for line in queries.list_bill_lines(session, bill_id=bill_id)}


def test_a_bill_waits_for_its_prices_and_is_made_of_them_to_the_cent(hub, session, make_house):
    waiting = make_house(tariff="RES-HOUR", hourly_wh=lambda day, hour: 400 + hour * 37)
    other = make_house()
    load(session, periods.Days(date(2026, 10, 1), date(2026, 10, 31)))
    report = billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT)
    assert (report.billed, report.parked) == (1, 1)  # whoever needs no prices does not wait for them
    chunk = session.scalars(select(models.BillRunChunkRow)).one()
    assert chunk.parked == {str(waiting.agreement_id): "NO_PRICES"}
    load(session, periods.Days(date(2026, 10, 31), date(2026, 11, 1)))
    again = billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT)
    assert (again.billed, again.unchanged, again.parked) == (1, 1, 0)
    billing.issue_bills(hub, run_id=again.run_id, now=AT)
    (bill,) = queries.list_bills(session, account_id=waiting.account_id)
    cost, kwh, at = Fraction(0), Fraction(0), periods.midnight(OCTOBER.starts_on, ZONE)
    while at < periods.midnight(OCTOBER.ends_on, ZONE):
        used = Fraction(400 + periods.local(at, ZONE).hour * 37, 1000)
        cost, kwh, at = cost + used * Fraction(price(at)) / 1000, kwh + used, at + timedelta(hours=1)
    said = lines(session, bill.id)
    assert said["energy.index"].amount == Decimal(round_cents(cost * Fraction("1.04"), "HALF_UP")) / 100
    assert Fraction(bill.kwh) == kwh == Fraction(said["energy"].quantity)
    assert queries.list_bills(session, account_id=other.account_id)[0].total == Decimal("130.68")
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    why = queries.explain_bill(session, account_id=waiting.account_id, now=NOW)
    hours = why.hours
    assert hours is not None
    # what is told of the hours is what was charged for them: the price of the hour and the supplement
    own = [x for x in queries.list_bill_lines(session, bill_id=bill.id) if {"index", "rider"} & set(x.args)]
    charged = sum(x.amount for x in own if x.args.get("rider") in (None, "INDEX"))
    assert abs(hours.average * bill.kwh - charged) < Decimal("0.012")
    assert periods.local(hours.dearest.starts_at, ZONE) == datetime(2026, 10, 31, 23, tzinfo=periods.zone(ZONE))
    assert periods.local(hours.cheapest.starts_at, ZONE) == datetime(2026, 10, 1, 0, tzinfo=periods.zone(ZONE))
    assert hours.cheapest.price == Decimal("0.006057")  # 1.04 x -0.00283 + 0.009
    assert queries.explain_bill(session, account_id=other.account_id, now=NOW).hours is None


def corrected(hub, session):
    """What is owed for a correction, done as the worker does it."""
    fact = outbox.FactRow
    (row,) = session.scalars(select(fact).where(fact.name == "prices.corrected")).all()
    handlers.follow_prices(hub, outbox.Fact(row.id, row.name, row.order_key, row.payload, row.recorded_at))
    session.expire_all()
    return row


def dearer(at):
    return price(at) + (Decimal("50") if periods.local(at, ZONE).day == 9 else 0)


def test_a_corrected_price_makes_a_draft_anew(hub, session, make_house):
    make_house(tariff="RES-HOUR")
    make_house()
    load(session, OCTOBER)
    report = billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT)
    before = {b.tariff_code: (b.total_cents, b.input_hash) for b in session.scalars(select(models.BillRow))}
    done = load(session, OCTOBER, dearer)
    assert (done.new, done.corrected, done.unchanged, done.bills) == (0, 1, 30, 1)
    corrected(hub, session)
    after = {b.tariff_code: (b.total_cents, b.input_hash) for b in session.scalars(select(models.BillRow))}
    assert after["RES-FLAT"] == before["RES-FLAT"]
    # 24 kWh, each 0.05 x 1.04 dearer: 1.248, with 5.9 and 2 percent of taxes on it
    assert after["RES-HOUR"][0] - before["RES-HOUR"][0] in (134, 135, 136)
    assert after["RES-HOUR"][1] != before["RES-HOUR"][1]
    billing.issue_bills(hub, run_id=report.run_id, now=AT)
    assert billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT).unchanged == 2


def test_a_corrected_price_after_issue_is_proposed_and_carried_out_as_shown(hub, session, make_house):
    house = make_house(tariff="RES-HOUR")
    load(session, OCTOBER)
    report = billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT)
    billing.issue_bills(hub, run_id=report.run_id, now=AT)
    (old,) = queries.list_bills(session, account_id=house.account_id)
    load(session, OCTOBER, dearer)
    corrected(hub, session)
    (proposal,) = queries.list_proposals(session)
    assert (proposal.bill.id, proposal.first_day, proposal.last_day) == (old.id, date(2026, 10, 9), date(2026, 10, 9))
    assert proposal.difference > 0
    assert queries.list_bills(session, account_id=house.account_id)[0].total == old.total  # nothing without a person
    done = billing.accept_correction(session, proposal_id=proposal.id, actor="staff:ana", note="exchange", now=NOW)
    assert done.bill.total == old.total + proposal.difference
    assert lines(session, done.bill.id)["energy.index"].amount > lines(session, old.id)["energy.index"].amount


def test_a_change_of_plan_inside_the_period_needs_prices_of_its_own_days_only(hub, session, make_house):
    house = make_house()
    billing.assign_tariff(
        session, agreement_id=house.agreement_id, tariff_code="RES-HOUR", starts_on=date(2026, 10, 20), now=NOW
    )
    session.commit()
    load(session, periods.Days(date(2026, 10, 20), date(2026, 11, 1)))
    report = billing.run_bills(hub, period_end_on=OCTOBER.ends_on, now=AT)
    assert (report.billed + report.held, report.parked) == (1, 0)
    bill = session.scalars(select(models.BillRow)).one()
    said = lines(session, bill.id)
    assert said["energy.index"].args["from"] == "2026-10-20"
    kwh = [x.quantity for x in queries.list_bill_lines(session, bill_id=bill.id) if x.code == "energy"]
    assert kwh == [Decimal(19 * 24), Decimal(12 * 24)]


def test_what_has_no_price_yet_is_priced_as_the_weeks_before_and_said_to_be(hub, session, make_house):
    house = make_house(tariff="RES-HOUR", reads_to=date(2026, 11, 24))
    with pytest.raises(errors.NotFound, match=r"prices\.none"):
        queries.running_period(session, account_id=house.account_id, now=NOW)
    load(session, periods.Days(date(2026, 10, 1), date(2026, 11, 24)))
    running = queries.running_period(session, account_id=house.account_id, now=NOW)
    assert not running.estimated and running.today_amount > 0
    coming = queries.forecast_bill(session, account_id=house.account_id, now=NOW)
    assert coming.prices_guessed and coming.low <= coming.likely <= coming.high
    compared = queries.compare_tariffs(session, account_id=house.account_id, now=NOW)
    assert compared.current.tariff.code == "RES-HOUR" and compared.estimated
    assert compared.current.tariff.summary["index"] == {"multiplier": "1.04", "beside": "0.0802"}
    load(session, periods.Days(date(2026, 11, 24), date(2026, 12, 1)))
    assert not queries.forecast_bill(session, account_id=house.account_id, now=NOW).prices_guessed


def test_todays_and_tomorrows_prices_are_told_when_they_are_whole(session, make_house):
    house = make_house(tariff="RES-HOUR")
    plain = make_house()
    assert queries.price_outlook(session, account_id=plain.account_id, now=NOW) is None
    assert queries.price_outlook(session, account_id=house.account_id, now=NOW).days == ()
    load(session, periods.Days(date(2026, 11, 23), date(2026, 11, 24)))
    (today,) = queries.price_outlook(session, account_id=house.account_id, now=NOW).days
    assert (today.day, len(today.hours)) == (date(2026, 11, 23), 24)
    assert [periods.local(at, ZONE).hour for at in (today.cheapest.starts_at, today.dearest.starts_at)] == [0, 21]
    # 68.00 for delivery, 3.20 and 9.00 besides, and 1.04 x 0.91 of the exchange, per MWh
    assert today.hours[0].price == Decimal("0.081146")
    load(session, periods.Days(date(2026, 11, 24), date(2026, 11, 25)))
    assert len(queries.price_outlook(session, account_id=house.account_id, now=NOW).days) == 2


@pytest.mark.parametrize("day, hours", [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 6, 1), 24)])
def test_a_day_is_as_long_as_it_is_and_stretches_add_up(session, day, hours):
    days = periods.Days(day, day + timedelta(days=1))
    load(session, days)
    starts_at, ends_at = (periods.midnight(d, ZONE) for d in (days.starts_on, days.ends_on))
    whole = prices.read(session, code=CODE, starts_at=starts_at, ends_at=ends_at)
    assert len(whole.micros) == hours and whole.known.all()
    middle = starts_at + timedelta(hours=7)
    parts = [
        prices.read(session, code=CODE, starts_at=a, ends_at=b) for a, b in ((starts_at, middle), (middle, ends_at))
    ]
    assert [m for part in parts for m in part.micros.tolist()] == whole.micros.tolist()
    assert not prices.read(session, code=CODE, starts_at=starts_at, ends_at=ends_at + timedelta(hours=1)).known[-1]


def test_a_version_never_changes_and_the_same_again_is_nothing(session):
    days = periods.Days(date(2026, 10, 9), date(2026, 10, 11))
    assert load(session, days, dry_run=True).new == 2
    assert session.scalar(select(IndexPriceRow.id)) is None
    assert load(session, days).new == 2
    assert load(session, days).unchanged == 2
    assert load(session, days, dearer).corrected == 1
    versions = session.execute(select(IndexPriceRow.day, IndexPriceRow.version).order_by(IndexPriceRow.id)).all()
    assert versions == [(date(2026, 10, 9), 1), (date(2026, 10, 10), 1), (date(2026, 10, 9), 2)]
    for statement in ("UPDATE index_price SET micros = micros", "DELETE FROM index_price"):
        with pytest.raises(DBAPIError, match="never change"), session.begin_nested():
            session.execute(text(statement))
    parsed = index_file.parse(file_of(days), unit="MWh", currency="USD", timezone=ZONE)
    for wrong, code in (({"currency": "EUR"}, "currency"), ({"timezone": "Etc/UTC"}, "timezone")):
        with pytest.raises(errors.Refused, match=rf"index\.{code}"):
            index_loading.load(
                session, code=CODE, parsed=replace(parsed, **wrong), source="x", by="x", now=NOW
            )  # fmt: skip


def run(hub, *arguments):
    done = CliRunner().invoke(index, list(arguments), obj=lambda: hub)
    return done.exit_code, done.output


def test_the_command_takes_a_file_whole_or_says_line_by_line_why_not(hub, session, tmp_path):
    path = tmp_path / "prices.csv"
    path.write_bytes(file_of(OCTOBER))
    options = [str(path), "--code", CODE, "--unit", "MWh"]
    code, said = run(hub, "import", *options, "--dry-run", "--json")
    assert (code, json.loads(said)["new"], session.scalar(select(IndexPriceRow.id))) == (0, 31, None)
    assert "31 days new" in run(hub, "import", *options)[1]
    assert json.loads(run(hub, "import", *options, "--json")[1])["unchanged"] == 31
    assert "31 days, 0 of them corrected" in run(hub, "list")[1]
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows[:5], "2026-10-01T08:00Z,12.00,EUR", *rows[6:]]))
    code, said = run(hub, "import", *options, "--json")
    told = json.loads(said)
    assert (code, told["refused"]) == (1, {"currency": 1, "hole": 1})
    assert [p["line"] for p in told["problems"]] == [5, 6]
    path.write_text("nothing of the kind")
    code, said = run(hub, "import", *options)
    assert code == 1 and "Traceback" not in said
    assert run(hub, "import", *options, "--timezone", "Mars/Olympus")[0] == 2


def test_a_folder_is_taken_in_and_what_is_wrong_lies_beside_its_reasons(hub, session, tmp_path):
    hub = replace(hub, settings=hub.settings.model_copy(update={"index_folder": str(tmp_path)}))
    (tmp_path / f"{CODE}.MWh.october.csv").write_bytes(file_of(OCTOBER))
    (tmp_path / f"{CODE}.MWh.short.csv").write_bytes(file_of(OCTOBER)[:-40])
    (tmp_path / "prices.csv").write_bytes(file_of(OCTOBER))
    assert index_jobs.take_folder(hub) == 1
    assert (tmp_path / "taken" / f"{CODE}.MWh.october.csv").exists()
    assert "hole" in (tmp_path / "refused" / f"{CODE}.MWh.short.csv.txt").read_text()
    assert (tmp_path / "refused" / "prices.csv").exists() and not list(tmp_path.glob("*.csv"))
    assert session.scalar(text("SELECT count(*) FROM index_price")) == 31
    assert index_jobs.take_folder(hub) == 0
