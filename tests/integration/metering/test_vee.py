"""Stored days are judged, gaps are estimated by the clock, and staff decide what is left."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import audit, errors, outbox
from core.compliance import weather
from metering import deciding, estimating, judgements, models, operations, queries, worklist
from metering.quality import Quality
from tests.conftest import FakeHub

FIRST = date(2026, 9, 21)  # a Monday
DAYS = 56
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
SPOILT = date(2026, 11, 10)
WHO = {"actor": "staff:ana", "reason": "looked at it"}


def hours(day: date) -> int:
    return (day - FIRST).days * 24


@pytest.fixture
def loaded(session: Session, hub: FakeHub, meter: queries.Meter) -> np.ndarray:
    """Eight weeks of hours that differ by hour and day; on 10 November 01:00 to 03:00 UTC what cannot be."""
    hub.clock.at = NOW
    hour, day = np.arange(DAYS * 24) % 24, np.arange(DAYS * 24) // 24
    wh = 500 + hour * 20 + day % 5
    wh[hours(SPOILT) + 1 : hours(SPOILT) + 3] = 240_000
    operations.load_matrix(session, meter_ids=[meter.id], day_from=FIRST, wh=wh[None, :])
    session.commit()
    return wh


def judged(hub: FakeHub, session: Session) -> None:
    judgements.judge_days(hub)
    session.expire_all()


def one(session: Session, code: str) -> worklist.Entry:
    return next(e for e in worklist.list_exceptions(session, limit=500) if e.code == code)


def stands(session: Session, meter: queries.Meter, day: date) -> models.ReadDayRow:
    session.expire_all()
    return session.get_one(models.ReadDayRow, (meter.id, day))


def told(session: Session) -> list[dict]:
    facts = session.scalars(select(outbox.FactRow).where(outbox.FactRow.name == "reads.corrected"))
    return [fact.payload for fact in facts]


def test_every_stored_day_is_judged_once_and_again_when_it_changes(
    session: Session, hub: FakeHub, meter: queries.Meter, loaded: np.ndarray
) -> None:
    waiting = select(func.count()).select_from(models.ReadDayRow).where(models.ReadDayRow.judged_at.is_(None))
    assert session.scalar(waiting) == DAYS
    assert judgements.judge_next(session, now=NOW, limit=20) == 20  # a run that stops is gone on with
    session.commit()
    judged(hub, session)
    assert session.scalar(waiting) == 0
    found = [(e.code, e.severity, e.data["measured"], e.data["limit"]) for e in worklist.list_exceptions(session)]
    assert found == [("TOO_HIGH", "E", 240_000, 100_000)]
    assert told(session) == []  # a book that is loaded has nothing billed on it yet
    assert judgements.judge_days(hub) == 0
    operations.record_reads(
        session, meter_id=meter.id, starts_at=datetime(2026, 11, 12, 5, tzinfo=UTC), interval_minutes=60, wh=[900],
        quality="ACTUAL", source="late", now=NOW,
    )  # fmt: skip
    session.commit()
    assert session.scalar(waiting) == 1
    judged(hub, session)
    assert session.scalar(waiting) == 0
    point = meter.service_point_id
    assert told(session) == [{"by": "validation", "points": [[point, "2026-11-12", "2026-11-12", True]]}]


def test_what_cannot_be_is_estimated_what_came_is_kept_and_sent_again_it_changes_nothing(
    session: Session, hub: FakeHub, meter: queries.Meter, loaded: np.ndarray
) -> None:
    judged(hub, session)
    start = datetime(2026, 11, 10, 1, tzinfo=UTC)
    entry = one(session, "TOO_HIGH")
    assert (entry.starts_at, entry.ends_at, entry.meter_number) == (start, start + timedelta(hours=2), meter.number)
    shown = worklist.show_day(session, entry=entry, now=NOW)
    assert shown is not None
    assert (shown.raw[1], shown.quality[1], shown.cause[1]) == (240_000, "ESTIMATED", "TOO_HIGH")
    # two hours are a short gap: a line from 00:00 (500 + 0) to 03:00 (560 + 0); day 50 of the load, 50 % 5 = 0
    assert shown.wh[:4] == (500, 520, 540, 560) and shown.method[1] == "INTERPOLATED"
    again = operations.record_reads(
        session, meter_id=meter.id, starts_at=start, interval_minutes=60, wh=[240_000, 240_000], quality="ACTUAL",
        source="resent", now=NOW,
    )  # fmt: skip
    assert again == queries.Counts(0, 2, 0)
    better = operations.record_reads(
        session, meter_id=meter.id, starts_at=start, interval_minutes=60, wh=[600], quality="ACTUAL", source="late",
        now=NOW,
    )  # fmt: skip
    assert better.stored == 1
    session.commit()
    judged(hub, session)
    moments = worklist.interval_history(session, meter_id=meter.id, starts_at=start)
    assert [(m.wh, m.raw, m.quality, m.cause, m.method, m.by) for m in moments] == [
        (240_000, 240_000, "ACTUAL", "NONE", "NONE", None),
        (520, 240_000, "ESTIMATED", "TOO_HIGH", "INTERPOLATED", "validation"),
        (600, 600, "ACTUAL", "NONE", "NONE", "late"),
    ]
    assert one(session, "TOO_HIGH").resolved_at is None  # the second hour is still refused
    with pytest.raises(errors.NotFound):
        worklist.interval_history(session, meter_id=meter.id, starts_at=datetime(2020, 1, 1, tzinfo=UTC))


def test_staff_accept_and_undo(
    session: Session, hub: FakeHub, meter: queries.Meter, loaded: np.ndarray
) -> None:  # fmt: skip
    judged(hub, session)
    entry = one(session, "TOO_HIGH")
    with pytest.raises(errors.Invalid, match=r"read_exception\.reason"):
        deciding.accept_exception(session, exception_id=entry.id, actor="staff:ana", reason=" ", now=NOW)
    before = stands(session, meter, SPOILT).wh
    deciding.accept_exception(session, exception_id=entry.id, **WHO, now=NOW)
    row = stands(session, meter, SPOILT)
    assert np.frombuffer(row.wh, "<i4")[1:3].tolist() == [240_000, 240_000]
    assert np.frombuffer(row.quality, "u1")[1:3].tolist() == [Quality.EDITED] * 2
    assert worklist.list_exceptions(session) == ()
    assert told(session)[-1]["by"] == "staff:ana"
    with pytest.raises(errors.Refused, match=r"read_exception\.decided"):
        deciding.accept_exception(session, exception_id=entry.id, **WHO, now=NOW)
    session.commit()
    judged(hub, session)
    assert worklist.list_exceptions(session) == ()  # what a person said is right is not found again
    deciding.undo_exception(session, exception_id=entry.id, **WHO, now=NOW + timedelta(minutes=1))
    row = stands(session, meter, SPOILT)
    assert row.wh == before and row.rule is not None
    assert [e.id for e in worklist.list_exceptions(session)] == [entry.id]
    with pytest.raises(errors.Refused, match=r"read_exception\.nothing_to_undo"):
        deciding.undo_exception(session, exception_id=entry.id, **WHO, now=NOW)
    actions = session.scalars(select(audit.AuditRow.action).order_by(audit.AuditRow.id)).all()
    assert actions[-2:] == ["reads.accepted", "reads.undone"] and audit.verify(session) is None


def test_staff_edit_a_range_by_value_and_by_total(
    session: Session, hub: FakeHub, meter: queries.Meter, loaded: np.ndarray
) -> None:
    judged(hub, session)
    entry = one(session, "TOO_HIGH")
    start = datetime(2026, 11, 10, 1, tzinfo=UTC)
    span = {"starts_at": start, "ends_at": start + timedelta(hours=2)}
    for wrong in (-1, 100_001):
        with pytest.raises(errors.Invalid, match=r"read_exception\.value"):
            deciding.edit_exception(session, exception_id=entry.id, **span, wh=wrong, each=True, **WHO, now=NOW)
    with pytest.raises(errors.Invalid, match=r"read_exception\.span"):
        deciding.edit_exception(
            session, exception_id=entry.id, starts_at=start, ends_at=start, wh=1, each=True, **WHO, now=NOW
        )
    made = deciding.edit_exception(session, exception_id=entry.id, **span, wh=2121, each=False, **WHO, now=NOW)
    row = stands(session, meter, SPOILT)
    # shared as 520 to 540: 2121 x 520 / 1060 = 1040.5, and the rest
    assert made == 2 and np.frombuffer(row.wh, "<i4")[1:3].tolist() == [1040, 1081]
    deciding.undo_exception(session, exception_id=entry.id, **WHO, now=NOW + timedelta(minutes=1))
    assert np.frombuffer(stands(session, meter, SPOILT).wh, "<i4")[1:3].tolist() == [520, 540]
    later = {"now": NOW + timedelta(minutes=2)}
    deciding.edit_exception(session, exception_id=entry.id, **span, wh=700, each=True, **WHO, **later)
    # the meter cannot overrule a person, and what came later cannot be undone with it
    sent = operations.record_reads(
        session, meter_id=meter.id, starts_at=start, interval_minutes=60, wh=[610, 610, 610], quality="ACTUAL",
        source="late", now=NOW + timedelta(minutes=3),
    )  # fmt: skip
    assert sent.stored == 1
    with pytest.raises(errors.Refused, match=r"read_exception\.changed_since"):
        deciding.undo_exception(session, exception_id=entry.id, **WHO, now=NOW + timedelta(minutes=4))


def test_staff_estimate_a_doubtful_part_and_accept_many(
    session: Session, hub: FakeHub, meter: queries.Meter, loaded: np.ndarray
) -> None:
    flat, spike = date(2026, 11, 12), date(2026, 11, 13)
    operations.record_reads(
        session, meter_id=meter.id, starts_at=datetime(2026, 11, 12, tzinfo=UTC), interval_minutes=60, wh=[777] * 24,
        quality="ACTUAL", source="t", now=NOW,
    )  # fmt: skip
    operations.record_reads(
        session, meter_id=meter.id, starts_at=datetime(2026, 11, 13, 8, tzinfo=UTC), interval_minutes=60, wh=[30_000],
        quality="ACTUAL", source="t", now=NOW,
    )  # fmt: skip
    session.commit()
    judged(hub, session)
    counts = worklist.count_open(session)
    assert counts["W", "FLAT"] == counts["W", "SPIKE"] == counts["E", "TOO_HIGH"] == 1
    made = deciding.estimate_exception(session, exception_id=one(session, "SPIKE").id, **WHO, now=NOW)
    row = stands(session, meter, spike)
    # one hour between 07:00 (640 + 3) and 09:00 (680 + 3): 663
    assert made == 1 and np.frombuffer(row.wh, "<i4")[8] == 663
    assert np.frombuffer(row.raw or b"", "<i4")[8] == 30_000
    ids = [e.id for e in worklist.list_exceptions(session, filters=worklist.Filters(severity="W"))]
    assert deciding.accept_exceptions(session, exception_ids=ids, **WHO, now=NOW) == len(ids) >= 2
    assert deciding.accept_exceptions(session, exception_ids=ids, **WHO, now=NOW) == 0
    assert {e.code for e in worklist.list_exceptions(session)} == {"TOO_HIGH"}
    assert np.frombuffer(stands(session, meter, flat).wh, "<i4").tolist() == [777] * 24
    with pytest.raises(errors.Invalid):
        deciding.accept_exceptions(session, exception_ids=range(501), **WHO, now=NOW)
    assert worklist.list_exceptions(session, filters=worklist.Filters(meter_number="nobody's")) == ()
    assert len(worklist.list_exceptions(session, filters=worklist.Filters(resolved=True, code="FLAT"))) == 1


def test_the_clock_estimates_what_has_been_missing_for_long_and_a_read_takes_its_place(
    session: Session, hub: FakeHub, meter: queries.Meter, loaded: np.ndarray
) -> None:
    judged(hub, session)
    session.execute(models.ReadDayRow.__table__.delete().where(models.ReadDayRow.day == date(2026, 11, 11)))
    row = stands(session, meter, date(2026, 11, 13))
    wh, codes = np.frombuffer(row.wh, "<i4").copy(), np.frombuffer(row.quality, "u1").copy()
    wh[4:10], codes[4:10] = -1, 0
    row.wh, row.quality = wh.tobytes(), codes.tobytes()
    session.commit()
    hub.clock.at = datetime(2026, 11, 16, 15, tzinfo=UTC)
    judged(hub, session)
    gap = one(session, "GAP")
    assert (gap.day, gap.data["measured"], gap.severity) == (date(2026, 11, 13), 6, "W")
    assert estimating.fill_due(hub) == 24 + 6
    assert estimating.fill_due(hub) == 0
    # 10 November was day 50 (+0), the 11th is 51: nearest working days 50, 52, 49 and 53 have +0, +2, +4 and +3
    made = stands(session, meter, date(2026, 11, 11))
    assert np.frombuffer(made.quality, "u1").tolist() == [Quality.ESTIMATED] * 24
    assert made.rule is not None and set(np.frombuffer(made.rule, "u1") & 15) == {2}
    assert worklist.get_exception(session, exception_id=gap.id).resolution == "ESTIMATED"
    stored = operations.record_reads(
        session, meter_id=meter.id, starts_at=datetime(2026, 11, 11, tzinfo=UTC), interval_minutes=60, wh=[1] * 24,
        quality="ACTUAL", source="late", now=hub.now(),
    )  # fmt: skip
    assert stored.stored == 24 and stands(session, meter, date(2026, 11, 11)).rule is None


def test_the_dial_decides_how_much_an_estimate_is(
    session: Session, hub: FakeHub, meter: queries.Meter, loaded: np.ndarray
) -> None:
    judged(hub, session)
    session.execute(models.ReadDayRow.__table__.delete().where(models.ReadDayRow.day == date(2026, 11, 11)))
    for day, value in ((10, "4000"), (13, "4060")):
        operations.record_register_read(
            session, meter_id=meter.id, read_at=datetime(2026, 11, day, tzinfo=UTC), value=Decimal(value),
            quality="ACTUAL", source="t", now=NOW,
        )  # fmt: skip
    weather.record_weather(session, county="Bright", day=date(2026, 11, 11), source="t", now=NOW, high_f=50)
    session.commit()
    hub.clock.at = datetime(2026, 11, 14, 15, tzinfo=UTC)
    estimating.fill_due(hub)
    session.expire_all()
    series = queries.usage_series(
        session, service_point_id=meter.service_point_id, starts_at=datetime(2026, 11, 10, tzinfo=UTC),
        ends_at=datetime(2026, 11, 13, tzinfo=UTC),
    )  # fmt: skip
    assert int(series.wh.sum()) == 60_000  # the dial moved by 60 kWh
