"""Decisions are kept as they were made; clocks run by the civil calendar; reports count their rows."""

import csv
import json
import pathlib
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import outbox
from core.compliance import jobs, operations, queries
from core.outages import operations as outages
from core.outages import reliability
from core.periods import Days
from core.programs import catalogue
from core.programs import operations as programs
from ops_admin.reports import commands, eia861, ieee1366
from tests.integration.outages import network
from tests.integration.outages.network import NOW

ZONE = "America/New_York"


def test_a_decision_is_kept_with_rule_citation_and_inputs(session: Session) -> None:
    facts = {
        "jurisdiction": "US-PA",
        "issued_on": date(2026, 11, 1),
        "holidays": frozenset({date(2026, 11, 26)}),
    }
    made = operations.evaluate(session, "BILL_DUE", facts, date(2026, 11, 1), subject="bill", subject_id=7, now=NOW)
    (kept,) = queries.list_decisions(session, subject="bill", subject_id=7)
    assert (kept.id, kept.rule, kept.citation) == (made.id, "us-pa.due_days", "52 Pa. Code 56.21")
    assert kept.inputs == {"jurisdiction": "US-PA", "issued_on": "2026-11-01", "holidays": ["2026-11-26"]}
    assert kept.results["due_on"] == "2026-11-23"
    assert operations.evaluate(None, "BILL_DUE", facts, date(2026, 11, 1)).id is None


def deadline(session: Session, kind: str, key: str = "d") -> queries.Deadline:
    return operations.open_deadline(
        session,
        kind=kind,
        subject="request",
        subject_id=1,
        key=key,
        jurisdiction="US-PA",
        timezone=ZONE,
        now=NOW,
        holidays=frozenset({date(2026, 11, 26)}),
    )


@pytest.mark.parametrize(
    ("kind", "due"),
    [
        ("DSAR_ACKNOWLEDGE", datetime(2026, 12, 9, 5, tzinfo=UTC)),  # Dec 8 over, a holiday between
        ("DSAR_ANSWER", datetime(2027, 1, 8, 5, tzinfo=UTC)),
        ("OPT_OUT", datetime(2026, 12, 9, 5, tzinfo=UTC)),
        ("DOE_417_ALERT", NOW + timedelta(hours=1)),
        ("DOE_417_FINAL", NOW + timedelta(hours=72)),
    ],
)
def test_clocks_run_to_the_end_of_the_civil_day_or_to_the_hour(session: Session, kind: str, due: datetime) -> None:
    assert deadline(session, kind).due_at == due


def test_the_watcher_warns_once_then_marks_what_was_missed(session: Session, hub: Any) -> None:
    late, met = deadline(session, "DOE_417_FINAL", "a"), deadline(session, "DOE_417_FINAL", "b")
    assert deadline(session, "DOE_417_FINAL", "a") == late
    assert operations.meet_deadline(session, deadline_id=met.id, now=NOW).state == "MET"
    session.commit()
    hub.clock.move(hours=49)
    jobs.watch_deadlines(hub)
    jobs.watch_deadlines(hub)
    hub.clock.move(hours=23)
    jobs.watch_deadlines(hub)
    session.expire_all()
    names = list(
        session.scalars(
            select(outbox.FactRow.name).where(outbox.FactRow.name.in_(("deadline.near", "deadline.missed")))
        )
    )
    assert names == ["deadline.near", "deadline.missed"]
    after = operations.meet_deadline(session, deadline_id=late.id, now=hub.now())
    assert (after.state, after.met_at) == ("MISSED", hub.now())


def _interrupt(session: Session, net: network.Network, t: int, at: datetime, minutes: int) -> None:
    row = outages.open_outage(session, feeder_id=net.feeder_id, transformer_id=net.transformers[t], now=at)
    end = at + timedelta(minutes=minutes)
    outages.restore_outage(session, outage_id=row.id, at=end, now=end)


def test_ieee1366_counts_service_points_and_keeps_major_days_visible(session: Session, tmp_path: pathlib.Path) -> None:
    net = network.build(session, transformers=2, homes=2)
    network.build(session, transformers=1, homes=1, code="F2", postcode="19002")
    day = datetime(2026, 3, 1, 5, 30, tzinfo=UTC)  # half past midnight in the utility's zone
    _interrupt(session, net, 0, day, 60)
    _interrupt(session, net, 1, day + timedelta(days=1), 3)  # momentary
    _interrupt(session, net, 1, day + timedelta(days=40), 600)
    outages.set_threshold(session, year=2026, threshold=reliability.Threshold(100.0, 1.0, 1.0, 30, "SAMPLE"), now=NOW)
    period = Days(date(2026, 1, 1), date(2027, 1, 1))
    done = ieee1366.report(session, period=period, timezone=ZONE, now=NOW, out_dir=tmp_path)
    lines = {(line.scope, line.days): line for line in done.lines}
    whole = lines["ALL", "ALL"]
    assert (done.served, whole.rows, whole.momentary_rows) == (5, 4, 2)
    assert (whole.saifi, whole.saidi, whole.caidi) == (Fraction(4, 5), Fraction(1320, 5), 330)
    assert whole.maifi_e == Fraction(2, 5)
    assert whole.celid == Fraction(2, 5)
    assert done.major_days == (date(2026, 4, 10),)  # SAIDI 240 that day, above T_MED 100
    calm = lines["ALL", "WITHOUT_MED"]
    assert (calm.saifi, calm.saidi) == (Fraction(2, 5), Fraction(120, 5))
    assert lines["ALL", "MED"].minutes == 1200
    assert lines["F1", "ALL"].saidi == Fraction(1320, 4)
    assert lines["F2", "ALL"].rows == 0
    written = list(csv.DictReader((tmp_path / "ieee1366.csv").read_text().splitlines()))
    assert len(written) == len(done.lines)
    assert json.loads((tmp_path / "ieee1366.json").read_text())["lines"][0]["rows"] == 4


def test_t_med_comes_from_the_years_before_and_is_fixed_once(session: Session) -> None:
    net = network.build(session, transformers=1, homes=1)
    for month, minutes in ((1, 10), (2, 20), (3, 40)):
        _interrupt(session, net, 0, datetime(2025, month, 3, 12, tzinfo=UTC), minutes)
    fixed = ieee1366.fix_threshold(session, year=2026, timezone=ZONE, now=NOW)
    expected = reliability.major_event_threshold([10, 20, 40])
    assert fixed and expected and fixed.t_med == pytest.approx(expected.t_med)
    _interrupt(session, net, 0, datetime(2025, 4, 3, 12, tzinfo=UTC), 400)  # a late correction changes nothing
    again = ieee1366.fix_threshold(session, year=2026, timezone=ZONE, now=NOW)
    assert again and again.t_med == pytest.approx(fixed.t_med, abs=1e-5)


def test_eia861_fills_what_rows_can_and_says_what_they_cannot(session: Session, tmp_path: pathlib.Path) -> None:
    net = network.build(session, transformers=1, homes=2)
    _interrupt(session, net, 0, datetime(2026, 5, 3, 12, tzinfo=UTC), 90)
    catalogue.load(session, opens_on=date(2026, 1, 1))
    programs.enroll(session, account_id=net.accounts[0][0], program_code="smart_thermostat", key="e", now=NOW)
    done = eia861.report(
        session, year=2026, utility="Test", jurisdiction="US-PA", timezone=ZONE, now=NOW, out_dir=tmp_path
    )
    with_med = done.schedule("reliability").rows[0]
    assert (with_med["saidi_minutes"], with_med["saifi"], with_med["state"]) == ("90.000", "1.000", "PA")
    assert done.schedule("demand_response").rows[0]["customers"] == 1
    assert [row["customers"] for row in done.schedule("sales_ultimate_customers").rows] == [0, 0]
    assert all(row["customers"] == 0 for row in done.schedule("net_metering").rows)
    trail = {(t["schedule"], t["figure"]): t for t in json.loads((tmp_path / "eia861_trail.json").read_text())["trail"]}
    assert trail["reliability", "all"]["rows"] == 2
    assert trail["advanced_metering", "energy_served_ami_mwh"]["note"]
    for schedule in done.schedules:
        assert (tmp_path / f"eia861_{schedule.name}.csv").exists()


@pytest.mark.parametrize("name", ["ieee1366", "eia861"])
def test_the_command_prints_a_table_and_json(session: Session, hub: Any, name: str) -> None:
    network.build(session, transformers=1, homes=1)
    session.commit()
    shown = CliRunner().invoke(commands.compliance, ["report", name, "--year", "2026"], obj=lambda: hub)
    assert shown.exit_code == 0, shown.output
    assert "SAIFI" in shown.output or "sales_ultimate_customers" in shown.output
    plain = CliRunner().invoke(commands.compliance, ["report", name, "--year", "2026", "--json"], obj=lambda: hub)
    assert json.loads(plain.output)["report"] == name


def test_the_rules_in_force_are_listed_with_their_source() -> None:
    shown = CliRunner().invoke(commands.compliance, ["rules", "us-ny"])
    assert "us-ny.late_fee" in shown.output and "16 NYCRR 11.15" in shown.output, shown.output
    assert "no_other_collection_fee = True  (nobody asks it)" in shown.output
    plain = json.loads(
        CliRunner().invoke(commands.compliance, ["rules", "us-pa", "--on", "2027-06-02", "--json"]).output
    )
    named = {rule["name"]: rule["id"] for rule in plain}
    assert len(named) == len(plain) and named["due_days"] == "us-pa.due_days" and named["dsar"] == "us.dsar"
    assert "doe_417_alert" not in named  # its form ended the day before
