"""Calls become outages, outages grow, end in steps, and begin again."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import errors, outbox
from core.accounts import places
from core.compliance import queries as compliance
from core.outages import jobs, operations, planning, queries
from tests.integration.outages import network
from tests.integration.outages.network import NOW

MIN = timedelta(minutes=1)


def call(session: Session, point: int, at: datetime = NOW, **more: Any) -> queries.OutageReport:
    key = more.pop("key", f"call:{point}:{at.isoformat()}")
    return operations.report_outage(session, service_point_id=point, channel="SMS", key=key, now=at, **more)


def facts(session: Session) -> list[str]:
    rows = session.scalars(
        select(outbox.FactRow).where(outbox.FactRow.name.like("outage.%")).order_by(outbox.FactRow.id)
    )
    return [row.name for row in rows]


def test_the_first_call_opens_the_second_premise_makes_it_the_transformers(session: Session) -> None:
    net = network.build(session)
    first = call(session, net.points[0][0])
    assert first.outage and first.outage.number == f"OUT-{first.outage.id:06d}"
    assert (first.grouped, first.outage.status, first.outage.affected) == (False, "REPORTED", 1)
    second = call(session, net.points[0][1], NOW + 5 * MIN)
    assert second.outage and second.outage.id == first.outage.id
    assert (second.grouped, second.duplicate) == (True, False)
    assert (second.outage.status, second.outage.affected) == ("CONFIRMED", 3)
    assert facts(session) == ["outage.opened", "outage.updated"]
    neighbour = queries.find_outage_at(session, service_point_id=net.points[0][2], now=NOW + 6 * MIN)
    assert neighbour and neighbour.id == first.outage.id
    assert queries.find_outage_at(session, service_point_id=net.points[1][0], now=NOW) is None


def test_the_same_premise_twice_is_answered_and_counted_once(session: Session) -> None:
    net = network.build(session)
    call(session, net.points[0][0])
    again = call(session, net.points[0][0], NOW + MIN)
    assert again.outage and (again.duplicate, again.outage.affected, again.outage.status) == (
        True,
        1,
        "REPORTED",
    )
    same_key = call(session, net.points[0][0], NOW + 2 * MIN, key=f"call:{net.points[0][0]}:{NOW.isoformat()}")
    assert (same_key.duplicate, same_key.grouped) == (False, False)
    assert facts(session) == ["outage.opened"]


def test_three_transformers_within_fifteen_minutes_lift_to_the_feeder(session: Session) -> None:
    net = network.build(session)
    first = call(session, net.points[0][0])
    second = call(session, net.points[1][0], NOW + 7 * MIN)
    third = call(session, net.points[2][0], NOW + 15 * MIN)
    assert first.outage and second.outage and third.outage
    assert third.outage.id == first.outage.id
    assert (third.outage.transformer_id, third.outage.affected) == (None, 12)
    assert queries.get_outage(session, outage_id=second.outage.id).id == first.outage.id  # the old number still answers
    assert [o.id for o in queries.list_open_outages(session)] == [first.outage.id]
    fourth = call(session, net.points[3][1], NOW + 16 * MIN)
    assert fourth.outage and (fourth.outage.id, fourth.grouped) == (first.outage.id, True)


def test_three_transformers_in_sixteen_minutes_stay_three(session: Session) -> None:
    net = network.build(session)
    for t, minute in enumerate((0, 8, 16)):
        call(session, net.points[t][0], NOW + minute * MIN)
    assert len(queries.list_open_outages(session)) == 3


def test_a_hazard_goes_first(session: Session) -> None:
    net = network.build(session)
    call(session, net.points[0][0])
    call(session, net.points[0][1])
    wire = call(session, net.points[1][0], hazard=True)
    assert wire.outage and wire.outage.hazard
    assert queries.list_open_outages(session)[0].id == wire.outage.id


def test_a_bare_postcode_opens_nothing_but_is_answered(session: Session) -> None:
    net = network.build(session)

    def ask(key: str) -> queries.OutageReport:
        return operations.report_outage(session, postcode="19001", channel="VOICE", key=key, now=NOW)

    assert ask("a").outage is None
    opened = call(session, net.points[0][0])
    answered = ask("b")
    assert answered.outage and opened.outage
    assert (answered.outage.id, answered.grouped) == (opened.outage.id, True)
    with pytest.raises(errors.Invalid):
        operations.report_outage(session, channel="VOICE", key="c", now=NOW)


def test_power_comes_back_in_steps_and_still_out_opens_a_nested_outage(session: Session) -> None:
    net = network.build(session)
    outage = operations.open_outage(session, feeder_id=net.feeder_id, cause="TREE", now=NOW)
    assert outage.affected == 12
    back = [*net.points[0], *net.points[1]]
    (stepped,) = operations.restore_points(session, service_point_ids=back, at=NOW + 30 * MIN, now=NOW + 31 * MIN)
    assert (stepped.status, stepped.affected) == ("CONFIRMED", 6)
    assert queries.find_outage_at(session, service_point_id=net.points[0][0], now=NOW + 32 * MIN) is None

    still_out = call(session, net.points[0][0], NOW + 40 * MIN)
    assert still_out.outage and still_out.outage.id != outage.id
    assert still_out.outage.parent_id == outage.id
    assert still_out.outage.transformer_id == net.transformers[0]

    done = operations.restore_outage(session, outage_id=outage.id, at=NOW + 90 * MIN, now=NOW + 91 * MIN)
    assert (done.status, done.affected, done.restored_at) == ("RESTORED", 12, NOW + 90 * MIN)
    assert operations.restore_outage(session, outage_id=outage.id, at=NOW + 99 * MIN, now=NOW + 99 * MIN) == done
    ends = {
        row.service_point_id: row.restored_at
        for row in queries.list_interruptions(session, starts_at=NOW, ends_at=NOW + MIN)
    }
    assert ends[net.points[0][0]] == NOW + 30 * MIN
    assert ends[net.points[3][0]] == NOW + 90 * MIN
    found = queries.find_outage_at(session, service_point_id=net.points[0][0], now=NOW + 92 * MIN)
    assert found and found.id == still_out.outage.id
    assert facts(session).count("outage.restored") == 1


def test_a_blink_is_kept_apart_and_nobody_is_told(session: Session) -> None:
    net = network.build(session)
    (seen,) = operations.detect_from_last_gasp(session, service_point_ids=net.points[0], at=NOW, now=NOW)
    assert not seen.announced
    assert queries.list_open_outages(session) == ()
    (back,) = operations.restore_points(session, service_point_ids=net.points[0], at=NOW + 4 * MIN, now=NOW + 4 * MIN)
    assert back.momentary
    assert operations.announce_silent(session, now=NOW + 10 * MIN) == 0
    assert queries.list_recent_outages(session, since=NOW - timedelta(days=7)) == ()
    assert facts(session) == []


def test_silent_meters_become_an_outage_after_five_minutes_and_a_feeder_when_three_transformers_are(
    session: Session,
) -> None:
    net = network.build(session)
    silent = [p for t in (0, 1, 2) for p in net.points[t]]
    (seen,) = operations.detect_from_last_gasp(session, service_point_ids=silent, at=NOW, now=NOW)
    assert (seen.transformer_id, seen.affected) == (None, 12)
    assert operations.announce_silent(session, now=NOW + 5 * MIN) == 0
    assert operations.announce_silent(session, now=NOW + 5 * MIN + timedelta(seconds=1)) == 1
    assert operations.announce_silent(session, now=NOW + 6 * MIN) == 0
    assert facts(session) == ["outage.opened"]
    grown = operations.detect_from_last_gasp(session, service_point_ids=net.points[3], at=NOW, now=NOW + 7 * MIN)
    assert [o.id for o in grown] == [seen.id]


def test_a_call_announces_what_the_meters_already_knew(session: Session) -> None:
    net = network.build(session)
    operations.detect_from_last_gasp(session, service_point_ids=net.points[0], at=NOW, now=NOW)
    told = call(session, net.points[0][0], NOW + MIN)
    assert told.outage and told.outage.announced and told.outage.started_at == NOW
    assert facts(session)[0] == "outage.opened"


def test_news_is_a_fact_only_when_it_is_news(session: Session) -> None:
    net = network.build(session)
    outage = operations.open_outage(session, feeder_id=net.feeder_id, transformer_id=net.transformers[0], now=NOW)
    until = NOW + timedelta(hours=2)
    for minute in (1, 2):
        told = operations.update_outage(
            session,
            outage_id=outage.id,
            estimated_restoration_at=until,
            crew_status="EN_ROUTE",
            now=NOW + minute * MIN,
        )
    assert (told.status, told.estimated_restoration_at) == ("CREW_ASSIGNED", until)
    assert facts(session) == ["outage.opened", "outage.updated"]
    assert [u.status for u in queries.list_updates(session, outage_id=outage.id)] == [
        "CONFIRMED",
        "CREW_ASSIGNED",
    ]
    with pytest.raises(errors.Refused, match="open_already"):
        operations.open_outage(session, feeder_id=net.feeder_id, transformer_id=net.transformers[0], now=NOW)
    operations.restore_outage(session, outage_id=outage.id, at=NOW + 30 * MIN, now=NOW + 30 * MIN)
    with pytest.raises(errors.Refused, match="closed"):
        operations.update_outage(session, outage_id=outage.id, crew_status="ON_SITE", now=NOW + 31 * MIN)


def test_the_public_sees_areas_and_never_a_small_number(session: Session) -> None:
    net = network.build(session)
    network.build(session, code="F2", postcode="19002")
    call(session, net.points[0][0])
    (area,) = queries.list_areas(session)
    assert (area.postcode, area.affected, area.few) == ("19001", queries.FEWEST_TOLD, True)
    operations.open_outage(session, feeder_id=net.feeder_id, now=NOW)
    (area,) = queries.list_areas(session)
    assert (area.affected, area.few, area.outages) == (12, False, 1)
    assert queries.list_areas(session, postcode="19002") == ()
    assert queries.list_open_outages(session, postcode="19002") == ()


def test_the_closure_log_remembers_seven_days(session: Session) -> None:
    net = network.build(session)
    opened = call(session, net.points[0][0]).outage
    assert opened
    operations.restore_outage(session, outage_id=opened.id, at=NOW + 60 * MIN, now=NOW + 60 * MIN)

    def log(days: float) -> int:
        since = NOW + timedelta(days=days) - queries.CLOSURE_LOG
        return len(queries.list_recent_outages(session, service_point_id=net.points[0][0], since=since))

    assert (log(7), log(7.1)) == (1, 0)


def test_planned_work_is_told_starts_and_ends(session: Session, hub: Any) -> None:
    net = network.build(session)
    until = NOW + timedelta(hours=3)
    plan = planning.plan_outage(
        session,
        feeder_id=net.feeder_id,
        transformer_id=net.transformers[0],
        reason="pole",
        starts_at=NOW + timedelta(hours=1),
        ends_at=until,
        now=NOW,
    )
    assert [p.number for p in queries.list_planned(session, service_point_id=net.points[0][0], now=NOW)] == [
        plan.number
    ]
    assert queries.list_planned(session, service_point_id=net.points[1][0], now=NOW) == ()
    assert len(queries.list_planned(session, postcode="19001", now=NOW)) == 1
    session.commit()
    jobs.start_planned(hub)
    assert queries.list_open_outages(session) == ()
    hub.clock.move(hours=1)
    jobs.start_planned(hub)
    jobs.start_planned(hub)
    session.expire_all()
    (outage,) = queries.list_open_outages(session)
    assert (outage.planned, outage.affected, outage.estimated_restoration_at) == (True, 3, until)
    operations.restore_outage(session, outage_id=outage.id, at=until, now=until)
    assert queries.list_planned(session, now=NOW) == ()
    with pytest.raises(errors.Refused, match="planned_begun"):
        planning.cancel_planned(session, planned_id=plan.id, now=NOW)


@pytest.mark.parametrize(("jurisdiction", "amount"), [("US-NY", "25.00"), ("US-PA", "0.00")])
def test_a_credit_is_what_the_jurisdiction_gives(session: Session, jurisdiction: str, amount: str) -> None:
    net = network.build(session, jurisdiction=jurisdiction, transformers=1)
    operations.open_outage(session, feeder_id=net.feeder_id, now=NOW)
    later = NOW + timedelta(hours=97)
    credit = queries.credit_for(session, service_point_id=net.points[0][0], now=later)
    assert str(credit.amount) == amount
    assert credit.minutes == 97 * 60
    assert credit.citation


def test_a_large_outage_starts_the_federal_clocks_once(
    session: Session, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network.build(session, transformers=1)
    operations.open_outage(session, feeder_id=net.feeder_id, now=NOW)
    session.commit()
    real = jobs.queries.list_open_outages

    def swollen(session: Session) -> tuple[queries.Outage, ...]:
        from dataclasses import replace

        return tuple(replace(outage, affected=50_001) for outage in real(session))

    monkeypatch.setattr(jobs.queries, "list_open_outages", swollen)
    hub.clock.move(minutes=59)
    jobs.watch_large_outages(hub)
    assert compliance.list_deadlines(session) == ()
    hub.clock.move(minutes=1)
    jobs.watch_large_outages(hub)
    jobs.watch_large_outages(hub)
    due = {d.kind: d.due_at for d in compliance.list_deadlines(session)}
    assert due == {
        "DOE_417_NORMAL": hub.now() + timedelta(hours=6),
        "DOE_417_FINAL": hub.now() + timedelta(hours=72),
    }


def test_a_storm_of_calls_at_once_makes_one_outage(committed_hub: Callable[..., Any]) -> None:
    hub = committed_hub()
    with hub.transaction() as session:
        net = network.build(session)
    failures: list[BaseException] = []

    def ring(point: int) -> None:
        try:
            with hub.transaction() as session:
                call(session, point)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=ring, args=(point,)) for group in net.points for point in group]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with hub.transaction() as session:
        (outage,) = queries.list_open_outages(session)
        assert outage.affected == 12


def test_a_very_large_storm_still_fits_one_question(session: Session) -> None:
    net = network.build(session, transformers=1, homes=1)
    asked = [net.points[0][0], *range(10_000_000, 10_070_000)]
    assert [p.service_point_id for p in places.list_places(session, service_point_ids=asked)] == [net.points[0][0]]
