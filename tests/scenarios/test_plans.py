"""Changing plans and changing one's mind, and a term that comes to its end."""

from datetime import date
from decimal import Decimal as D

import pytest

from billing import operations as billing
from billing import plan_jobs, queries
from core import errors
from core.conversations import models as talks
from tests.scenarios.conftest import Walk


def on_a_term(walk) -> Walk:
    """A house on a plan of twelve months from 1 March 2027, which costs 50.00 to leave early."""
    w = walk(date(2027, 3, 1), email="house@example.org")
    document = urdb_document(w)
    document |= {"label": "RES-FIXED", "name": "Fixed Year"}
    document["tariff"] = {**document["tariff"], "term_months": 12, "exit_fee": "50.00"}
    billing.publish(w.session, document=document, starts_on=date(2026, 1, 1), now=w.now)
    billing.assign_tariff(
        w.session, agreement_id=w.agreement_id, tariff_code="RES-FIXED", starts_on=date(2027, 3, 1), now=w.now
    )
    w.session.commit()
    w.read(date(2027, 3, 1), date(2027, 6, 1), 1000)
    return w


def urdb_document(w: Walk) -> dict:
    from billing import models

    row = w.session.query(models.TariffRow).where(models.TariffRow.code == "RES-FLAT").one()
    version = w.session.query(models.TariffVersionRow).where(models.TariffVersionRow.tariff_id == row.id).one()
    return dict(version.plan)


def test_leaving_early_costs_the_fee_and_taking_it_back_gives_it_back(walk):
    w = on_a_term(walk)
    w.to(date(2027, 5, 10))
    assert queries.switch_dates(w.session, account_id=w.account_id, now=w.now) == (
        date(2027, 5, 10), date(2027, 6, 1), date(2027, 7, 1),
    )  # fmt: skip
    assert queries.undo_until(w.session, account_id=w.account_id, now=w.now) is None
    switch = billing.switch_tariff(
        w.session, account_id=w.account_id, tariff_code="RES-FLAT", starts_on=None, key="s", now=w.now
    )
    assert (switch.starts_on, switch.exit_fee, w.balance().amount) == (date(2027, 6, 1), D("50.00"), D("50.00"))
    until = queries.undo_until(w.session, account_id=w.account_id, now=w.now)
    assert until == switch.cooling_off_until == date(2027, 6, 15)  # fourteen days from the first day on it
    w.pay("50.00")
    w.to(date(2027, 5, 20))
    back = billing.cancel_switch(w.session, account_id=w.account_id, key="c", now=w.now)
    w.session.commit()
    assert back.to_code == "RES-FIXED" and w.balance().amount == D("-50.00")  # what was paid is theirs again
    bill = w.bill(date(2027, 6, 3))
    # May 2027: 744 kWh: 11.00 + 87.79 + 15.92 + 2.38 = 117.09; taxes 6.91 + 2.34
    assert (bill.tariff_code, bill.total, bill.open_amount) == ("RES-FIXED", D("126.34"), D("76.34"))


def test_a_term_runs_on_when_a_switch_is_taken_back_before_it_began(walk):
    w = on_a_term(walk)
    w.to(date(2027, 5, 10))
    for n, first in enumerate((date(2027, 6, 1), date(2027, 5, 10))):
        asked = queries.preview_switch(w.session, account_id=w.account_id, tariff_code="RES-FLAT", now=w.now)
        assert {each.exit_fee for each in asked} == {D("50.00")}
        billing.switch_tariff(
            w.session, account_id=w.account_id, tariff_code="RES-FLAT", starts_on=first, key=f"s{n}", now=w.now
        )
        recent = queries.recent_switch(w.session, account_id=w.account_id, now=w.now)
        assert (recent.to_code, recent.starts_on, recent.exit_fee) == ("RES-FLAT", first, D("50.00"))
        with pytest.raises(errors.Refused, match="another_switch"):
            billing.cancel_switch(
                w.session, account_id=w.account_id, key=f"x{n}", now=w.now, meant=("RES-FLAT", date(2027, 7, 1))
            )
        billing.cancel_switch(w.session, account_id=w.account_id, key=f"c{n}", now=w.now, meant=("RES-FLAT", first))
        assert queries.recent_switch(w.session, account_id=w.account_id, now=w.now) is None
        assert w.balance().amount == 0
    held = queries.current_tariff(w.session, agreement_id=w.agreement_id, on=date(2027, 8, 1))
    assert (held.code, held.since) == ("RES-FIXED", date(2027, 3, 1))  # its year ends when it would have


def test_a_plan_for_others_or_a_day_gone_by_is_refused_and_changes_nothing(walk):
    w = on_a_term(walk)
    w.to(date(2027, 5, 10))
    for code, on, error, said in (
        ("BUS-FLAT", None, errors.Refused, "not_for_you"), ("RES-FLAT", date(2027, 5, 9), errors.Invalid, "starts_on"),
        ("RES-FIXED", None, errors.Refused, "same"), ("NOPE", None, errors.NotFound, "unknown"),
    ):  # fmt: skip
        with pytest.raises(error, match=said):
            billing.switch_tariff(
                w.session, account_id=w.account_id, tariff_code=code, starts_on=on, key=f"{code}{on}", now=w.now
            )
    assert w.balance().amount == 0
    held = queries.current_tariff(w.session, agreement_id=w.agreement_id, on=date(2027, 7, 1))
    assert held.code == "RES-FIXED"


def test_the_end_of_a_term_is_told_once_and_in_time(walk):
    w = walk(date(2027, 3, 1), tariff="RES-EV", email="house@example.org")  # a year, too
    told = []
    for day in (date(2028, 1, 15), date(2028, 1, 16), date(2028, 1, 17), date(2028, 2, 20)):
        w.to(day)
        plan_jobs.remind_expiry(w.hub)
        w.session.expire_all()
        rows = w.session.query(talks.MessageRow).where(talks.MessageRow.kind == "notice.plan_expiry").all()
        told.append(len(rows))
    # forty-five days before 1 March 2028: on 16 January
    assert told == [0, 1, 1, 1]
    assert rows[0].data["ends_on"] == "2028-03-01"
