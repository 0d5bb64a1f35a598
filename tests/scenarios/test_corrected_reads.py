"""A read that was wrong, put right late: the draft is priced anew at once, and what was issued is proposed to be.

RES-FLAT: 11.00 a month, 0.118 a kWh, fuel 0.0214, efficiency 0.0032; taxes 5.9 % and 2 % of what stands above them.
Every line is rounded half up.
"""

from datetime import date, timedelta
from decimal import Decimal as D

import pytest
from sqlalchemy import select

from billing import issuing, models, runs
from billing import operations as billing
from billing import queries as bills
from core import audit, errors, outbox, periods
from metering import deciding, judgements, worklist
from metering import models as meters
from metering import queries as metering
from tests.scenarios.conftest import ZONE

JANUARY = (date(2027, 1, 1), date(2027, 2, 1))


def put_right(w, day, hourly_wh):
    """The head-end sends a day again; the clock's jobs and the handlers do the rest."""
    w.read(day, day + timedelta(days=1), hourly_wh)
    judgements.judge_days(w.hub)
    outbox.drain(w.hub)
    w.session.expire_all()


def usage(w, first=JANUARY[0], last=JANUARY[1]):
    days = metering.daily_usage(
        w.session, service_point_id=w.service_point_id, days=periods.Days(first, last), timezone=ZONE
    )
    return D(sum(day.wh for day in days)) / 1000


def drafted(w):
    """January as a draft: 744 kWh at one kilowatt."""
    w.read(*JANUARY, 1000)
    w.read(date(2027, 2, 1), date(2027, 2, 3), 1000)
    w.to(date(2027, 2, 3))
    judgements.judge_days(w.hub)
    outbox.drain(w.hub)
    report = runs.run_bills(w.hub, period_end_on=date(2027, 2, 1), cycle_day=1, now=w.now)
    w.session.expire_all()
    return report.run_id, w.session.scalars(select(models.BillRow)).one()


def issued(w):
    run_id, _ = drafted(w)
    issuing.issue_bills(w.hub, run_id=run_id, now=w.now)
    w.session.expire_all()
    return w.bills()[0]


def test_a_late_corrected_read_changes_usage_the_draft_and_after_issue_proposes_the_exact_difference(walk):
    w = walk(JANUARY[0])
    run_id, draft = drafted(w)
    # 744 kWh: 11.00 + 87.79 + 15.92 + 2.38 = 117.09; taxes 6.91 + 2.34
    assert usage(w) == 744 and (draft.status, draft.total_cents) == ("DRAFT", 12_634)

    put_right(w, date(2027, 1, 10), 3000)  # 24 x 2 kWh more
    anew = w.session.scalars(select(models.BillRow)).one()
    # 792 kWh: 11.00 + 93.46 + 16.95 + 2.53 = 123.94; taxes 7.31 + 2.48
    assert usage(w) == 792
    assert (anew.status, anew.total_cents, anew.wh, anew.run_id) == ("DRAFT", 13_373, 792_000, run_id)
    assert bills.list_proposals(w.session) == ()

    assert issuing.issue_bills(w.hub, run_id=run_id, now=w.now) == 1
    w.session.expire_all()
    w.pay("133.73")
    w.to(date(2027, 2, 20))
    put_right(w, date(2027, 1, 20), 500)  # 24 x 0.5 kWh less
    bill = w.bills()[0]
    assert usage(w) == 780 and (bill.status, bill.total) == ("ISSUED", D("133.73"))  # the bill stands until decided
    (proposal,) = bills.list_proposals(w.session)
    # 780 kWh: 11.00 + 92.04 + 16.69 + 2.50 = 122.23; taxes 7.21 + 2.44
    assert (proposal.before, proposal.after, proposal.difference) == (D("133.73"), D("131.88"), D("-1.85"))
    assert (proposal.kwh_before, proposal.kwh_after, proposal.allowed) == (D(792), D(780), True)
    assert [(x.component, x.before, x.after, x.difference) for x in proposal.lines] == [
        ("fixed", D("11.00"), D("11.00"), D("0.00")),
        ("energy", D("93.46"), D("92.04"), D("-1.42")),  # 12 x 0.118 = 1.416
        ("rider", D("16.95"), D("16.69"), D("-0.26")),  # 12 x 0.0214 = 0.257
        ("rider", D("2.53"), D("2.50"), D("-0.03")),  # 12 x 0.0032 = 0.038; 2.534 and 2.496 before rounding
        ("tax", D("7.31"), D("7.21"), D("-0.10")),  # 123.94 and 122.23 x 5.9 %
        ("tax", D("2.48"), D("2.44"), D("-0.04")),  # and x 2 %
    ]
    assert sum(x.difference for x in proposal.lines) == proposal.difference

    done = billing.accept_correction(
        w.session, proposal_id=proposal.id, actor="staff:ana", note="meter was read again", now=w.now
    )
    w.session.commit()
    assert (done.cancelled.id, done.bill.version, done.difference) == (bill.id, 2, D("-1.85"))
    assert w.bills()[0].total == D("131.88") and w.balance().amount == D("-1.85")  # 133.73 was paid
    decided = bills.get_proposal(w.session, proposal_id=proposal.id)
    assert (decided.status, decided.decided_by, decided.new_bill_id) == ("ACCEPTED", "staff:ana", done.bill.id)
    assert "correction.accepted" in w.session.scalars(select(audit.AuditRow.action)).all()
    with pytest.raises(errors.Refused, match=r"correction\.decided"):
        billing.accept_correction(w.session, proposal_id=proposal.id, actor="staff:ana", note="again", now=w.now)


def test_the_proposal_follows_the_reads_and_goes_when_they_go_back(walk):
    w = walk(JANUARY[0])
    issued(w)
    put_right(w, date(2027, 1, 20), 500)
    put_right(w, date(2027, 1, 21), 500)
    (proposal,) = bills.list_proposals(w.session)
    # 744 - 24 = 720 kWh: 11.00 + 84.96 + 15.41 + 2.30 = 113.67; taxes 6.71 + 2.27 = 122.65, against 126.34
    assert (proposal.after, proposal.difference) == (D("122.65"), D("-3.69"))
    w.read(date(2027, 1, 20), date(2027, 1, 21), 400)  # known, but nobody has looked at it yet
    with pytest.raises(errors.Refused, match=r"correction\.changed"):
        billing.accept_correction(w.session, proposal_id=proposal.id, actor="staff:ana", note="x", now=w.now)
    assert billing.refresh_correction(w.session, proposal_id=proposal.id, now=w.now) == "proposed"
    # 717.6 kWh: 11.00 + 84.68 + 15.36 + 2.30 = 113.34; taxes 6.69 + 2.27 = 122.30
    assert bills.get_proposal(w.session, proposal_id=proposal.id).difference == D("-4.04")
    w.session.commit()
    put_right(w, date(2027, 1, 20), 1000)
    put_right(w, date(2027, 1, 21), 1000)
    assert bills.list_proposals(w.session) == ()
    assert bills.get_proposal(w.session, proposal_id=proposal.id).status == "OVERTAKEN"
    assert w.bills()[0].total == D("126.34")


def test_what_staff_said_no_to_is_not_proposed_again(walk):
    w = walk(JANUARY[0])
    issued(w)
    put_right(w, date(2027, 1, 20), 900)
    (proposal,) = bills.list_proposals(w.session)
    with pytest.raises(errors.Invalid, match=r"correction\.reason"):
        billing.reject_correction(w.session, proposal_id=proposal.id, actor="staff:ana", note=" ", now=w.now)
    billing.reject_correction(w.session, proposal_id=proposal.id, actor="staff:ana", note="test read", now=w.now)
    w.session.commit()
    put_right(w, date(2027, 1, 20), 800)  # something else is proposed
    assert len(bills.list_proposals(w.session)) == 1
    put_right(w, date(2027, 1, 20), 900)  # the very same is not
    assert bills.list_proposals(w.session) == ()
    assert w.bills()[0].status == "ISSUED"


def test_a_bill_is_raised_only_as_far_back_as_the_rules_let_it_and_lowered_always(walk):
    w = walk(JANUARY[0], jurisdiction="US-TX")  # six months, PUCT 25.28
    bill = issued(w)
    w.to(date(2027, 11, 1))
    put_right(w, date(2027, 1, 20), 2000)
    (proposal,) = bills.list_proposals(w.session)
    # 768 kWh: 11.00 + 90.62 + 16.44 + 2.46 = 120.52; taxes 7.11 + 2.41 = 130.04, against 126.34
    assert (proposal.difference, proposal.allowed) == (D("3.70"), False)
    assert proposal.earliest_on is not None and proposal.citation
    with pytest.raises(errors.Refused, match=r"bill\.back_billing"):
        billing.accept_correction(w.session, proposal_id=proposal.id, actor="staff:ana", note="x", now=w.now)
    w.session.rollback()
    assert bills.get_bill(w.session, bill_id=bill.id).status == "ISSUED"
    put_right(w, date(2027, 1, 20), 500)
    (proposal,) = bills.list_proposals(w.session)
    assert proposal.allowed and proposal.difference < 0
    billing.accept_correction(w.session, proposal_id=proposal.id, actor="staff:ana", note="x", now=w.now)
    w.session.commit()
    assert w.bills()[0].version == 2


def test_what_cannot_be_is_billed_as_an_estimate_until_staff_say_otherwise(walk):
    w = walk(JANUARY[0])
    w.read(date(2027, 1, 1), date(2027, 1, 20), 1000)
    w.read(date(2027, 1, 21), date(2027, 2, 1), 1000)
    w.read(date(2027, 2, 1), date(2027, 2, 3), 1000)
    spoilt = periods.midnight(date(2027, 1, 20), ZONE)
    w.read(date(2027, 1, 20), date(2027, 1, 21), 150_000)  # a home cannot take 150 kW
    w.to(date(2027, 2, 3))
    judgements.judge_days(w.hub)
    w.session.expire_all()
    assert usage(w) == 744  # the like days have 1000 Wh an hour
    found = worklist.list_exceptions(w.session, filters=worklist.Filters(severity="E"))
    assert {(e.code, e.severity, e.data["measured"], e.data["limit"]) for e in found} == {
        ("TOO_HIGH", "E", 150_000, 100_000)
    }
    history = worklist.interval_history(w.session, meter_id=w.meter_id, starts_at=spoilt)
    assert [(m.wh, m.raw, m.quality, m.cause, m.method, m.by) for m in history][-1] == (
        1000, 150_000, "ESTIMATED", "TOO_HIGH", "LIKE_DAYS", "validation",
    )  # fmt: skip
    bill = w.bill(date(2027, 2, 3))
    assert (bill.kwh, bill.total, bill.estimated) == (D(744), D("126.34"), True)
    # staff know what was used: 2 kWh in each hour of the evening that was spoilt first
    first = min(found, key=lambda e: e.day)
    with w.hub.transaction() as session:
        deciding.edit_exception(
            session, exception_id=first.id, starts_at=spoilt, ends_at=spoilt + timedelta(hours=10), wh=2000, each=True,
            actor="staff:ana", reason="read from the display", now=w.now,
        )  # fmt: skip
    outbox.drain(w.hub)
    w.session.expire_all()
    (proposal,) = bills.list_proposals(w.session)
    # 754 kWh: 11.00 + 88.97 + 16.14 + 2.41 = 118.52; taxes 6.99 + 2.37 = 127.88
    assert (proposal.kwh_after, proposal.difference, proposal.changed_by) == (D(754), D("1.54"), "staff:ana")
    assert w.session.scalar(select(meters.ReadDayRow.version).where(meters.ReadDayRow.day == date(2027, 1, 20))) > 1
