"""Falling behind, and what may and may not follow: the ladder day by day, promises, doubts, and the way back."""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal as D

import flask
import pytest
from click.testing import CliRunner

from billing import (
    arrangements,
    arrears_handlers,
    arrears_jobs,
    corrections,
    credits,
    disconnection,
    dunning,
    jobs,
    queries,
)
from billing import operations as billing
from core import errors, outbox, wording
from core.accounts import operations as accounts
from core.accounts import queries as places
from core.compliance import operations as compliance
from core.compliance import queries as decided
from core.conversations import models as talks
from core.conversations.house import house
from core.fieldwork import queries as work
from core.programs import operations as programs
from core.settings import Settings
from ops_admin import arrears_commands, subscriptions
from ops_admin.console import entry
from ops_admin.console import web as console
from ops_admin.reports import commands
from tests.scenarios.conftest import Walk

MAIL = "house@example.org"


def owing(walk, **more) -> Walk:
    """A house with the bill of April 2027: 122.65, issued on 3 May, due on 24 May (the 23rd is a Sunday)."""
    w = walk(date(2027, 4, 1), email=MAIL, **more)
    w.read(date(2027, 4, 1), date(2027, 5, 1), 1000)
    bill = w.bill(date(2027, 5, 3))
    # 720 kWh: 11.00 + 84.96 + 15.41 + 2.30 = 113.67; taxes 6.71 + 2.27
    due_on = date(2027, 5, 19) if more else date(2027, 5, 24)  # sixteen days in Texas
    assert (bill.total, bill.due_on) == (D("122.65"), due_on)
    return w


def days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


def climb(w: Walk, first: date, last: date, *, delivered: bool = True) -> dict[date, str]:
    """Let the clock's job run at noon of each day; what is sent is delivered an hour later, or is not."""
    taken = {}
    for day in days(first, last):
        w.to(day)
        counts = arrears_jobs.climb(w.hub)
        w.session.expire_all()
        if counts:
            (taken[day],) = counts
        if delivered:
            deliver(w)
    return taken


def deliver(w: Walk) -> None:
    for row in w.session.query(talks.MessageRow).where(talks.MessageRow.status == "OWED"):
        row.status, row.status_at = "DELIVERED", w.now + timedelta(hours=1)
    w.session.commit()


def verdict(w: Walk) -> disconnection.Verdict:
    return disconnection.may_disconnect(w.session, account_id=w.account_id, now=w.now)


def blocks(w: Walk) -> set[str]:
    return {block.name for block in verdict(w).blocks}


def facts_of(w: Walk, name: str) -> list[outbox.FactRow]:
    return list(w.session.query(outbox.FactRow).where(outbox.FactRow.name == name).order_by(outbox.FactRow.id))


def handle(w: Walk, name: str) -> None:
    """What the subscription of a fact would do with the newest of it."""
    row = facts_of(w, name)[-1]
    fact = outbox.Fact(row.id, row.name, row.order_key, row.payload, row.recorded_at)
    arrears_handlers.review_arrears(w.hub, fact)
    w.session.expire_all()


def said(w: Walk) -> list[str]:
    return [row.kind for row in w.session.query(talks.MessageRow).order_by(talks.MessageRow.id)]


def contact(w: Walk, **at: int) -> None:
    dunning.record_contact(
        w.session, account_id=w.account_id, how="PHONE", actor="staff:ana", note="spoke with the customer",
        now=w.now.replace(**at),
    )  # fmt: skip
    w.session.commit()


def behind(walk) -> Walk:
    """An account on the last rung: warned, spoken with twice, and an order open on Monday 28 June."""
    w = owing(walk)
    assert climb(w, date(2027, 5, 25), date(2027, 6, 19)) == {
        date(2027, 5, 27): "REMINDER",
        date(2027, 6, 3): "OVERDUE",
        date(2027, 6, 13): "TERMINATION_NOTICE",
        date(2027, 6, 19): "CONTACT_1",
    }
    contact(w)
    assert climb(w, date(2027, 6, 20), date(2027, 6, 21)) == {date(2027, 6, 21): "CONTACT_2"}
    contact(w)
    # thirty-two days late on Friday the 25th: no Fridays, no weekends; the first day that is allowed is Monday
    assert climb(w, date(2027, 6, 22), date(2027, 6, 27)) == {}
    assert climb(w, date(2027, 6, 28), date(2027, 6, 28)) == {date(2027, 6, 28): "ORDER"}
    return w


def order_of(w: Walk, kind: str = "DISCONNECT") -> work.ServiceRequest:
    return next(r for r in work.list_requests(w.session, account_id=w.account_id) if r.kind == kind)


def connected(w: Walk) -> bool:
    return places.get_service_point(w.session, service_point_id=w.service_point_id, on=w.now.date()).connected


def test_reminders_before_a_bill_is_due_come_once_and_not_to_who_has_paid(walk):
    w = owing(walk)
    told = {}
    for day in days(date(2027, 5, 4), date(2027, 5, 26)):
        w.to(day)
        told[day] = arrears_jobs.remind_due(w.hub)
        assert arrears_jobs.remind_due(w.hub) == told[day]  # again is the same message
    assert {day for day, count in told.items() if count} == {date(2027, 5, 19), date(2027, 5, 23)}
    assert said(w).count("notice.due_soon") == 2
    w.to(date(2027, 5, 19))
    w.pay("122.65")
    w.to(date(2027, 5, 23))
    assert arrears_jobs.remind_due(w.hub) == 0


def test_late_fees_month_by_month(walk):
    w = owing(walk)
    w.to(date(2027, 5, 29))
    assert w.fees() == 0  # five days of grace after the 24th
    w.to(date(2027, 5, 30))
    assert w.fees() == D("1.84")  # 122.65 x 1.5 % = 1.840
    w.to(date(2027, 6, 20))
    assert w.fees() == D("1.84")  # once in thirty days
    w.pay("100.00")  # the bill comes first: 22.65 of it stays open
    w.to(date(2027, 6, 29))
    assert w.fees() == D("2.18")  # 22.65 x 1.5 % = 0.340 more
    assert w.balance().amount == D("24.83")  # 22.65 + 1.84 + 0.34


def owing_by(walk, phone: str) -> Walk:
    """The same, of who is reached by telephone alone."""
    w = walk(date(2027, 4, 1), phone=phone)
    w.read(date(2027, 4, 1), date(2027, 5, 1), 1000)
    w.bill(date(2027, 5, 3))
    return w


def tell_fees(w: Walk) -> list[talks.MessageRow]:
    """Whatever subscribes to the fees hears of each, and of each twice; gives what was said in all."""
    (subscriber,) = subscriptions.SUBSCRIPTIONS["late_fee.charged"]
    for row in facts_of(w, "late_fee.charged") * 2:
        subscriber.handler(w.hub, outbox.Fact(row.id, row.name, "", row.payload, row.recorded_at))
    w.session.expire_all()
    said = w.session.query(talks.MessageRow).where(talks.MessageRow.kind == "notice.late_fee_charged")
    return list(said.order_by(talks.MessageRow.id))


@pytest.mark.parametrize(
    ("phone", "locale", "channel", "words"),
    [
        (None, "en", "EMAIL", ("late fee of $1.84 was added", "$122.65 is past due now", "ending in")),
        ("+15550107777", "en", "SMS", ("late fee of $1.84 was added", "$122.65 is past due", "Reply PAY")),
        ("+15550107777", "es", "SMS", ("recargo de $1.84", "$122.65 vencidos", "PAGAR")),
    ],
)
def test_a_late_fee_is_told_on_the_channel_the_customer_reads(walk, phone, locale, channel, words):
    w = owing_by(walk, phone) if phone else owing(walk)
    accounts.set_locale(w.session, customer_id=w.customer_id, locale=locale, now=w.now)
    w.session.commit()
    w.to(date(2027, 5, 30))
    assert w.fees() == D("1.84")
    (told,) = tell_fees(w)
    assert all(word in told.text for word in words), told.text
    assert w.session.get_one(talks.ConversationRow, told.conversation_id).channel == channel


def test_a_fee_is_not_told_when_it_is_old_or_was_let_go_or_the_customer_wants_no_word(walk):
    w = owing(walk)
    w.to(date(2027, 5, 30))
    w.fees()
    w.to(date(2027, 6, 2))  # history being loaded, or a queue that stood still
    assert tell_fees(w) == []
    w.to(date(2027, 5, 30))
    for granted in (False, True):
        accounts.record_consent(
            w.session, customer_id=w.customer_id, contact_value=MAIL, channel="EMAIL", purpose="SERVICE",
            granted=granted, source="portal", now=w.now,
        )  # fmt: skip
        w.session.commit()
        if not granted:
            assert tell_fees(w) == []
    (fee,) = credits.list_fees(w.session, account_id=w.account_id)
    billing.waive_charge(w.session, charge_id=fee.id, actor="staff:ana", reason="first time", now=w.now)
    w.session.commit()
    assert tell_fees(w) == []


def test_the_fees_of_a_day_are_told_as_one(walk):
    w = owing(walk)
    w.read(date(2027, 5, 1), date(2027, 6, 1), 1000)
    w.bill(date(2027, 6, 3))
    w.to(date(2027, 7, 20))
    w.fees()
    assert len(facts_of(w, "late_fee.charged")) == 2
    (told,) = tell_fees(w)
    amounts = [f.amount for f in credits.list_fees(w.session, account_id=w.account_id)]
    assert len(amounts) == 2 and f"${sum(amounts)} was added" in told.text


def test_the_ladder_ends_in_an_order_that_another_person_carries_out_and_payment_undoes(walk):
    w = behind(walk)
    order = order_of(w)
    assert order.data["overdue"] == "122.65" and order.data["ordered_by"] == "clock"
    kept = next(d for d in decided.list_decisions(w.session) if d.id == order.data["decision_id"])
    assert kept.allowed and kept.inputs["notice_on"] == "2027-06-13" and kept.inputs["contact_attempts"] == 2
    notice = next(n for n in verdict(w).notices if n.step == "TERMINATION_NOTICE")
    assert (notice.channel, notice.message_status, notice.status) == ("EMAIL", "DELIVERED", "PROVEN")
    w.to(date(2027, 6, 29), hour=10)
    with pytest.raises(errors.Refused, match="same_person"):
        disconnection.complete_disconnection(w.session, number=order.number, actor="clock", now=w.now)
    w.to(date(2027, 6, 29), hour=18)
    with pytest.raises(errors.Refused, match="not_allowed") as refused:  # after hours
        disconnection.complete_disconnection(w.session, number=order.number, actor="staff:bo", now=w.now)
    assert refused.value.data["blocks"] == ["disconnect_hours"]
    w.to(date(2027, 6, 30), hour=10)
    disconnection.complete_disconnection(w.session, number=order.number, actor="staff:bo", now=w.now)
    w.session.commit()
    assert not connected(w) and order_of(w).status == "DONE"
    w.pay("122.65")
    handle(w, "payment.received")
    back = order_of(w, "RECONNECT")
    assert back.data["due_at"] == "2027-07-01T14:00:00+00:00"  # within 24 hours of 10:00 in New York
    done = disconnection.complete_reconnection(w.session, number=back.number, actor="staff:bo", now=w.now)
    assert done.status == "DONE" and connected(w)
    w.session.commit()
    climb(w, date(2027, 7, 1), date(2027, 7, 1))
    assert dunning.open_case(w.session, w.account_id) is None
    handle(w, "payment.received")  # heard twice, it orders nothing twice
    assert [r.kind for r in work.list_requests(w.session, account_id=w.account_id)] == ["RECONNECT", "DISCONNECT"]


@pytest.mark.parametrize("why", ["dispute", "arrangement", "payment", "assistance", "medical"])
def test_an_order_that_loses_its_ground_is_taken_back(walk, why):
    w = behind(walk)
    if why == "dispute":
        bill = w.bills()[0]
        billing.open_dispute(w.session, account_id=w.account_id, bill_id=bill.id, reason="too high", key="d", now=w.now)
        heard = "dispute.opened"
    elif why == "arrangement":
        billing.open_arrangement(w.session, account_id=w.account_id, instalments=3, key="a", now=w.now)
        heard = "arrangement.opened"
    elif why == "payment":
        w.pay("100.00")  # what is left is too little to cut anybody off for
        heard = "payment.received"
    elif why == "assistance":
        ask_for_help(w)
        heard = "program.enrolled"
    else:
        billing.note_medical_word(w.session, account_id=w.account_id, actor="customer", now=w.now)
        heard = "medical.held"
    w.session.commit()
    handle(w, heard)
    assert order_of(w).status == "CANCELLED" and connected(w)
    expected = {
        "dispute": "disconnect_dispute", "arrangement": "disconnect_arrangement", "payment": "disconnect_amount",
        "assistance": "disconnect_assistance", "medical": "medical_hold",
    }  # fmt: skip
    assert expected[why] in blocks(w)
    with pytest.raises(errors.Refused, match="not_allowed"):
        disconnection.order_disconnection(w.session, account_id=w.account_id, actor="staff:ana", now=w.now)


def ask_for_help(w: Walk) -> None:
    programs.add_program(
        w.session, code="HELP", kind="ASSISTANCE", customer_kinds=["RESIDENTIAL"], opens_on=date(2027, 1, 1),
        approval=True,
    )  # fmt: skip
    programs.enroll(w.session, account_id=w.account_id, program_code="HELP", key="h", now=w.now)


def test_nothing_counts_that_is_not_proven(walk):
    w = owing(walk)
    taken = climb(w, date(2027, 5, 25), date(2027, 6, 30), delivered=False)
    assert list(taken.values()) == ["REMINDER", "OVERDUE", "TERMINATION_NOTICE", "CONTACT_1", "CONTACT_2"]
    assert {"disconnect_notice", "disconnect_contact"} <= blocks(w)
    warning = next(n for n in verdict(w).notices if n.step == "TERMINATION_NOTICE")
    assert warning.status == "LETTER"  # nobody confirmed the mail, so a letter is owed
    dunning.record_letter(w.session, account_id=w.account_id, actor="staff:ana", proof="RR123", now=w.now)
    w.session.commit()
    assert "disconnect_notice" in blocks(w)  # ten days from the posting on the 30th
    contact(w)
    contact(w)
    w.to(date(2027, 7, 12))
    assert blocks(w) == {"disconnect_contact"}  # two calls on one day are one attempt


@pytest.mark.parametrize(("hour", "counts"), [(3, False), (10, False), (11, True)])
def test_a_call_counts_only_at_an_hour_that_may_be_called_at(walk, hour, counts):
    w = owing(walk)
    climb(w, date(2027, 5, 25), date(2027, 6, 19))
    contact(w)
    climb(w, date(2027, 6, 20), date(2027, 6, 21))
    contact(w, hour=hour)  # from seven in the morning, which is 11:00 UTC in June
    w.to(date(2027, 6, 28))
    assert ("disconnect_contact" not in blocks(w)) is counts


def test_a_warning_that_ran_out_takes_its_order_with_it_and_is_given_anew(walk):
    w = behind(walk)
    w.to(date(2027, 8, 13))  # a Friday, sixty-one days after the warning
    assert {"disconnect_notice", "no_disconnect_days"} <= blocks(w)
    assert climb(w, date(2027, 8, 13), date(2027, 8, 13)) == {} and order_of(w).status == "CANCELLED"
    assert climb(w, date(2027, 8, 14), date(2027, 8, 15)) == {
        date(2027, 8, 14): "TERMINATION_NOTICE", date(2027, 8, 15): "CONTACT_1",
    }  # fmt: skip
    contact(w)
    assert climb(w, date(2027, 8, 16), date(2027, 8, 16)) == {date(2027, 8, 16): "CONTACT_2"}
    contact(w)
    # ten days from the 14th
    assert climb(w, date(2027, 8, 17), date(2027, 8, 24)) == {date(2027, 8, 24): "ORDER"}
    assert [n.round for n in verdict(w).notices if n.step == "TERMINATION_NOTICE"] == [1, 2]


def test_when_the_reason_to_wait_is_gone_the_rung_is_tried_again(walk):
    w = behind(walk)
    billing.certify_illness(w.session, account_id=w.account_id, doctor="Dr. Lee", days=9, actor="staff:ana", now=w.now)
    w.session.commit()
    assert climb(w, date(2027, 6, 29), date(2027, 7, 6)) == {}
    assert climb(w, date(2027, 7, 7), date(2027, 7, 7)) == {date(2027, 7, 7): "ORDER"}
    assert [r.status for r in work.list_requests(w.session, account_id=w.account_id)] == ["OPEN", "CANCELLED"]


def test_texan_weather_is_asked_of_the_county(walk):
    w = owing(walk, jurisdiction="US-TX")
    w.to(date(2027, 7, 6))
    assert "no_disconnect_weather" in blocks(w)  # a rule that cannot be checked forbids
    for day, high, forecast, advisory in (
        (date(2027, 7, 5), 95, 96, True), (date(2027, 7, 6), None, 94, False), (date(2027, 7, 8), 93, 92, False),
        (date(2027, 7, 7), 93, 92, False),
    ):  # fmt: skip
        compliance.record_weather(
            w.session, county="Delaware", day=day, high_f=high, forecast_high_f=forecast, heat_advisory=advisory,
            source="test", now=w.now,
        )  # fmt: skip
    assert "no_disconnect_weather" in blocks(w)  # an advisory yesterday
    w.to(date(2027, 7, 8))
    assert "no_disconnect_weather" not in blocks(w)  # three days ago


def test_a_disputed_bill_draws_no_fee_and_no_cut_and_is_made_right_when_it_was_wrong(walk):
    w = owing(walk)
    bill = w.bills()[0]
    w.to(date(2027, 5, 10))
    dispute = billing.open_dispute(
        w.session, account_id=w.account_id, bill_id=bill.id, reason="misread", key="d", now=w.now
    )
    w.session.commit()
    w.to(date(2027, 6, 20))
    assert w.fees() == 0 and w.balance().overdue == 0
    assert climb(w, date(2027, 6, 20), date(2027, 6, 22)) == {}
    w.read(date(2027, 4, 10), date(2027, 4, 20), 500, quality="EDITED")  # ten days were read double: 120 kWh less
    done = corrections.uphold(w.session, dispute_id=dispute.id, actor="staff:ana", now=w.now)
    w.session.commit()
    # 600 kWh: 11.00 + 70.80 + 12.84 + 1.92 = 96.56; taxes 5.70 + 1.93
    assert (done.bill.total, done.difference) == (D("104.19"), D("-18.46"))
    assert queries.list_disputes(w.session, account_id=w.account_id)[0].status == "UPHELD"
    assert w.balance().amount == D("104.19") and done.bill.due_on == date(2027, 7, 12)  # twenty days from 22 June
    assert [f.payload["difference"] for f in facts_of(w, "bill.corrected")] == ["-18.46"]


def test_a_dispute_is_not_upheld_while_nothing_of_the_bill_is_put_right(walk):
    w = owing(walk)
    bill = w.bills()[0]
    dispute = billing.open_dispute(
        w.session, account_id=w.account_id, bill_id=bill.id, reason="too high", key="d", now=w.now
    )
    w.session.commit()
    page = flask.Flask("console")
    page.register_blueprint(console.blueprint(w.hub.with_(settings=Settings(demo=True)), lambda: True))
    client = page.test_client()
    client.set_cookie(entry.NAME, entry.signed_name(Settings(), "ana", now=w.now), path="/ops")
    form = re.findall(r'name="form" value="([^"]+)"', client.get("/ops/money").text)[0]
    sent = {"form": form, "dispute": str(dispute.id), "verdict": "uphold"}
    refused = client.post("/ops/money/dispute", data=sent)
    assert refused.status_code == 422 and "correct the reads, the plan or the terms first" in refused.text
    with pytest.raises(errors.Refused, match=r"bill\.unchanged"):
        corrections.uphold(w.session, dispute_id=dispute.id, actor="staff:ana", now=w.now)
    w.session.expire_all()
    assert w.bills() == (bill,) and facts_of(w, "bill.corrected") == facts_of(w, "dispute.closed") == []
    assert queries.list_disputes(w.session, account_id=w.account_id)[0].status == "OPEN"
    plain = CliRunner().invoke(
        arrears_commands.bills,
        ["rebill", bill.number, "--reason", "asked", "--by", "ana"], obj=lambda: w.hub,
    )  # fmt: skip
    assert plain.exit_code == 1 and "Nothing has changed" in plain.output
    w.read(date(2027, 4, 10), date(2027, 4, 20), 500, quality="EDITED")
    assert client.post("/ops/money/dispute", data=sent).headers["Location"].endswith("done=dispute")
    w.session.expire_all()
    assert queries.list_disputes(w.session, account_id=w.account_id)[0].status == "UPHELD"
    again = corrections.uphold(w.session, dispute_id=dispute.id, actor="staff:ana", now=w.now)
    assert again.bill.id == w.bills()[0].id and len(facts_of(w, "dispute.closed")) == 1


def test_an_estimate_that_was_right_is_not_corrected_by_nothing_more(walk):
    w = owing(walk)
    told = {"number": "1", "before": "122.65", "after": "122.65", "difference": "0.00", "fees_waived": "0.00"}
    told["credit_note"] = "CN2705-0000001"
    for locale, said, wrong in (("en", "the same amount", "more"), ("es", "la misma cantidad", "más")):
        text = wording.render(
            "notice.bill_corrected", told, locale=locale, medium="email", house=house(w.hub.settings)
        ).text
        assert said in text and wrong not in text


def test_a_rejected_dispute_is_owed_as_it_was(walk):
    w = owing(walk)
    bill = w.bills()[0]
    dispute = billing.open_dispute(
        w.session, account_id=w.account_id, bill_id=bill.id, reason="too high", key="d", now=w.now
    )
    w.session.commit()
    w.to(date(2027, 6, 10))
    assert w.fees() == 0
    billing.close_dispute(w.session, dispute_id=dispute.id, outcome="REJECTED", actor="staff:ana", now=w.now)
    w.session.commit()
    (closed,) = facts_of(w, "dispute.closed")
    for _ in range(2):  # the customer was promised a word; again is the same one
        arrears_handlers.tell_dispute(w.hub, outbox.Fact(closed.id, closed.name, "", closed.payload, w.now))
    (word,) = w.session.query(talks.MessageRow).where(talks.MessageRow.kind == "notice.dispute_closed")
    assert dispute.number in word.text and "$122.65" in word.text and "692-7380" in word.text
    assert w.fees() == D("1.84")
    assert (w.balance().overdue, w.balance().amount) == (D("122.65"), D("124.49"))  # the fee itself is of today


def test_a_payment_on_its_way_draws_no_fee_and_one_that_comes_back_does(walk):
    w = owing(walk)

    def bank(status: str) -> None:
        billing.record_payment(
            w.session, gateway="fake", external_id="ach-1", account_id=w.account_id, amount=D("122.65"),
            method="us_bank_account", status=status, at=w.now, now=w.now,
        )  # fmt: skip
        w.session.commit()

    w.to(date(2027, 5, 24))  # its last day
    bank("PROCESSING")
    w.to(date(2027, 5, 31))
    assert w.fees() == 0
    bank("FAILED")
    assert w.fees() == D("1.84")


def test_a_fee_on_a_wrong_bill_goes_with_it(walk):
    w = owing(walk)
    w.to(date(2027, 5, 30))
    assert w.fees() == D("1.84")
    w.read(date(2027, 4, 10), date(2027, 4, 20), 500, quality="EDITED")
    done = corrections.rebill(w.session, bill_id=w.bills()[0].id, actor="staff:ana", reason="misread", now=w.now)
    assert done.fees_waived == D("1.84") and w.balance().amount == D("104.19")


def test_an_arrangement_that_is_kept(walk):
    w = owing(walk)
    w.to(date(2027, 6, 1))
    plan = billing.open_arrangement(w.session, account_id=w.account_id, instalments=3, key="a", now=w.now)
    w.session.commit()
    # 122.65 in three: 40.89 + 40.88 + 40.88, on the 15th
    assert [(i.due_on, i.amount) for i in plan.instalments] == [
        (date(2027, 6, 15), D("40.89")), (date(2027, 7, 15), D("40.88")), (date(2027, 8, 15), D("40.88")),
    ]  # fmt: skip
    told = 0
    for month, amount in ((6, "40.89"), (7, "40.88"), (8, "40.88")):
        w.to(date(2027, month, 14))
        told += arrears_jobs.remind_instalments(w.hub)
        assert w.fees() == 0 and climb(w, date(2027, month, 14), date(2027, month, 14)) == {}
        w.pay(amount)
    kept = queries.get_arrangement(w.session, account_id=w.account_id)
    assert kept is not None and kept.status == "KEPT" and w.balance().amount == 0 and told == 3


def test_an_arrangement_that_is_broken_lives_again_once_when_it_is_caught_up(walk):
    w = owing(walk)
    w.to(date(2027, 6, 1))
    billing.open_arrangement(w.session, account_id=w.account_id, instalments=3, key="a", now=w.now)
    w.session.commit()
    w.to(date(2027, 6, 18))
    jobs.follow_arrangements(w.hub)
    assert status(w) == "ACTIVE"  # three days of grace
    w.to(date(2027, 6, 19))
    jobs.follow_arrangements(w.hub)
    assert status(w) == "BROKEN"
    assert facts_of(w, "arrangement.broken")[0].payload["catch_up"] == "40.89"
    assert w.fees() == D("1.84")  # the protection is gone
    w.pay("40.88")
    handle(w, "payment.received")
    assert status(w) == "BROKEN"  # a cent short
    w.pay("0.01")
    handle(w, "payment.received")
    assert status(w) == "ACTIVE"
    w.to(date(2027, 7, 19))
    jobs.follow_arrangements(w.hub)
    assert status(w) == "BROKEN"
    w.pay("40.88")
    handle(w, "payment.received")
    assert status(w) == "BROKEN"  # once in twelve months


def status(w: Walk) -> str:
    w.session.expire_all()
    plan = queries.get_arrangement(w.session, account_id=w.account_id)
    assert plan is not None
    return plan.status


def test_more_time_is_given_twice_a_year_and_holds_fees_off(walk):
    w = owing(walk)
    w.to(date(2027, 5, 24))
    seen = arrangements.preview_extension(w.session, account_id=w.account_id, until=None, now=w.now)
    assert (seen.total, seen.instalments[0].due_on) == (D("122.65"), date(2027, 6, 7))
    with pytest.raises(errors.Invalid, match=r"extension\.until") as refused:
        arrangements.preview_extension(w.session, account_id=w.account_id, until=date(2027, 6, 8), now=w.now)
    assert refused.value.data["latest"] == "2027-06-07"
    billing.open_extension(w.session, account_id=w.account_id, until=None, key="x", now=w.now)
    w.session.commit()
    w.to(date(2027, 6, 7))
    assert w.fees() == 0
    w.pay("122.65")
    assert status(w) == "KEPT"
    w.read(date(2027, 5, 1), date(2027, 7, 1), 1000)
    for number, run_on in enumerate((date(2027, 6, 3), date(2027, 7, 3))):
        w.bill(run_on)
        if number == 0:
            billing.open_extension(w.session, account_id=w.account_id, until=None, key="y", now=w.now)
            w.pay(w.balance().amount)
            assert status(w) == "KEPT"
    with pytest.raises(errors.Refused, match="too_often"):
        billing.open_extension(w.session, account_id=w.account_id, until=None, key="z", now=w.now)


def test_a_debit_that_comes_back_is_owed_again(walk):
    w = owing(walk)
    w.to(date(2027, 5, 20))
    w.pay("122.65", name="ach-1")
    assert w.balance().amount == 0
    w.to(date(2027, 6, 1))
    w.pay("122.65", status="FAILED", name="ach-1")
    assert w.balance().amount == w.balance().overdue == D("122.65")
    w.pay("122.65", status="FAILED", name="ach-1")  # told twice
    assert w.balance().amount == D("122.65") and w.fees() == D("1.84")
    assert queries.list_payments(w.session, account_id=w.account_id)[0].status == "RETURNED"


def test_staff_can_see_why_and_do_what_is_theirs(walk):
    w = owing(walk)
    climb(w, date(2027, 5, 25), date(2027, 6, 19))
    number = places.get_account(w.session, account_id=w.account_id).number

    def run(group, *words: str):
        return CliRunner().invoke(group, [*words], obj=lambda: w.hub)

    shown = run(commands.compliance, "may-disconnect", number)
    assert "may NOT" in shown.output and "us-pa.disconnect_contact" in shown.output, shown.output
    assert "TERMINATION_NOTICE PROVEN" in shown.output and "EMAIL DELIVERED" in shown.output
    plain = json.loads(run(commands.compliance, "may-disconnect", number, "--json").output)
    assert plain["allowed"] is False and "disconnect_contact" in [b["name"] for b in plain["blocks"]]
    noted = run(arrears_commands.arrears, "contact", number, "--how", "PHONE", "--by", "ana")
    assert noted.exit_code == 0, noted.output
    again = run(arrears_commands.arrears, "contact", number, "--how", "PHONE", "--by", "ana")
    assert again.exit_code == 1 and "contact.none_owed" in again.output
    bill = w.bills()[0]
    w.read(date(2027, 4, 10), date(2027, 4, 20), 500, quality="EDITED")
    made = run(arrears_commands.bills, "rebill", bill.number, "--reason", "misread", "--by", "ana")
    assert "-18.46" in made.output, made.output
    page = flask.Flask("console")
    page.register_blueprint(console.blueprint(w.hub.with_(settings=Settings(demo=True)), lambda: True))
    seen = page.test_client().get(f"/ops/?account={number}")
    assert seen.status_code == 200 and b"may not be disconnected" in seen.data and b"66 Pa.C.S. 1406" in seen.data
