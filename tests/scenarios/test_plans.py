"""Changing plans and changing one's mind, and a term that comes to its end."""

from datetime import date
from decimal import Decimal as D

import pytest
from sqlalchemy import select

from billing import models, plan_jobs, queries, statement
from billing import operations as billing
from core import errors
from core.conversations import models as talks
from tests.scenarios.conftest import Walk, named


def on_a_term(walk) -> Walk:
    """A house on a plan of twelve months from 1 March 2027, which costs 50.00 to leave early."""
    w = walk(date(2027, 3, 1), email="house@example.org")
    document = urdb_document(w)
    document |= {"label": "RES-FIXED", "name": "Fixed Year"}
    document["wattline"] |= named("Fixed Year")
    document["tariff"] = {**document["tariff"], "term_months": 12, "exit_fee": "50.00"}
    billing.publish(w.session, document=document, starts_on=date(2026, 1, 1), now=w.now)
    billing.assign_tariff(
        w.session, agreement_id=w.agreement_id, tariff_code="RES-FIXED", starts_on=date(2027, 3, 1), now=w.now
    )
    w.session.commit()
    w.read(date(2027, 3, 1), date(2027, 6, 1), 1000)
    return w


def switched_and_back(w: Walk, on: date = date(2027, 5, 10), back_on: date = date(2027, 5, 20)) -> None:
    """To Saver Steps from a day on, and back on a later one."""
    w.to(on)
    billing.switch_tariff(w.session, account_id=w.account_id, tariff_code="RES-TIER", starts_on=on, key="s", now=w.now)
    w.to(back_on)
    undo(w, "c", ("RES-TIER", on))


def undo(w: Walk, key: str, meant: tuple[str, date]) -> None:
    billing.cancel_switch(w.session, account_id=w.account_id, key=key, now=w.now, meant=meant)
    w.session.commit()


def rows_of(w: Walk) -> list[tuple[str, date, date | None, date]]:
    held, tariff = models.AgreementTariffRow, models.TariffRow
    found = w.session.execute(
        select(tariff.code, held.starts_on, held.ends_on, held.term_starts_on)
        .join(tariff, tariff.id == held.tariff_id)
        .where(held.agreement_id == w.agreement_id)
        .order_by(held.starts_on)
    )
    return [tuple(row) for row in found]


def urdb_document(w: Walk) -> dict:
    row = w.session.query(models.TariffRow).where(models.TariffRow.code == "RES-FLAT").one()
    version = w.session.query(models.TariffVersionRow).where(models.TariffVersionRow.tariff_id == row.id).one()
    return dict(version.plan)


def test_leaving_early_costs_the_fee_and_taking_it_back_gives_it_back(walk):
    w = on_a_term(walk)
    w.to(date(2027, 5, 10))
    assert queries.switch_dates(w.session, account_id=w.account_id, now=w.now) == (
        date(2027, 5, 10), date(2027, 6, 1), date(2027, 7, 1),
    )  # fmt: skip
    assert queries.recent_switch(w.session, account_id=w.account_id, now=w.now) is None
    switch = billing.switch_tariff(
        w.session, account_id=w.account_id, tariff_code="RES-FLAT", starts_on=None, key="s", now=w.now
    )
    assert (switch.starts_on, switch.exit_fee, w.balance().amount) == (date(2027, 6, 1), D("50.00"), D("50.00"))
    until = queries.recent_switch(w.session, account_id=w.account_id, now=w.now).until
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


def test_who_changes_their_mind_after_the_switch_began_has_the_old_term_back_as_it_was(walk):
    w = on_a_term(walk)
    switched_and_back(w)
    held = queries.current_tariff(w.session, agreement_id=w.agreement_id, on=date(2027, 5, 20))
    assert (held.code, held.since) == ("RES-FIXED", date(2027, 3, 1))
    # the rows tell what happened, day by day; the last of them goes on with the term of the first
    assert rows_of(w) == [
        ("RES-FIXED", date(2027, 3, 1), date(2027, 5, 10), date(2027, 3, 1)),
        ("RES-TIER", date(2027, 5, 10), date(2027, 5, 20), date(2027, 5, 10)),
        ("RES-FIXED", date(2027, 5, 20), None, date(2027, 3, 1)),
    ]
    assert w.balance().amount == 0  # the fee went with the switch
    paper = statement.bill_document(w.session, bill_id=w.bill(date(2027, 6, 3)).id)
    assert (paper.plan_ends_on, paper.exit_fee) == (date(2028, 3, 1), D("50.00"))
    for today, fee in ((date(2028, 1, 10), D("50.00")), (date(2028, 2, 10), D(0))):  # to start on 1 February, 1 March
        w.to(today)
        _, following, _ = queries.preview_switch(w.session, account_id=w.account_id, tariff_code="RES-FLAT", now=w.now)
        assert (following.starts_on.day, following.exit_fee) == (1, fee)


def test_the_end_of_a_restored_term_is_told_once_though_the_switch_came_between(walk):
    w = walk(date(2027, 3, 1), tariff="RES-EV", email="house@example.org")
    for day in (date(2028, 1, 16), date(2028, 1, 20), date(2028, 1, 25)):
        w.to(day)
        if day.day == 20:
            switched_and_back(w, day, date(2028, 1, 24))
        plan_jobs.remind_expiry(w.hub)
    w.session.expire_all()
    (told,) = w.session.query(talks.MessageRow).where(talks.MessageRow.kind == "notice.plan_expiry").all()
    assert told.data["ends_on"] == "2028-03-01"


def test_the_bill_of_a_month_with_a_switch_and_its_undo_counts_each_day_under_its_plan(walk):
    w = on_a_term(walk)
    switched_and_back(w)
    bill = w.bill(date(2027, 6, 3))
    # nine days of 216 kWh at one price, ten of 240 in steps (600 x 10/31 = 193.548 in the first), twelve of 288 at one
    assert [(name, str(amount)) for name, amount in w.lines(bill)] == [
        ("fixed", "3.19"), ("fixed", "3.23"), ("fixed", "4.26"),  # 11.00 x 9/31, 10.00 x 10/31, 11.00 x 12/31
        ("energy", "25.49"),  # 216 x 0.118
        ("energy", "18.97"), ("energy", "7.15"),  # 193.548 x 0.098, 46.452 x 0.154
        ("energy", "33.98"),  # 288 x 0.118
        ("rider", "4.62"), ("rider", "0.69"), ("rider", "5.14"), ("rider", "0.77"),
        ("rider", "6.16"), ("rider", "0.92"),
        ("tax", "2.01"), ("tax", "0.68"),  # of 33.99
        ("tax", "2.08"), ("tax", "0.71"),  # of 35.26
        ("tax", "2.67"), ("tax", "0.91"),  # of 45.32
    ]  # fmt: skip
    assert (bill.tariff_code, bill.days, bill.total) == ("RES-FIXED", 31, D("123.63"))


def test_a_switch_that_was_itself_still_new_can_be_taken_back_after_the_one_upon_it(walk):
    """Night Drive, then Simple Home upon it: each undo gives back what was there, with its days to undo."""
    w = on_a_term(walk)
    for n, (day, code) in enumerate(((date(2027, 5, 3), "RES-EV"), (date(2027, 5, 7), "RES-FLAT"))):
        w.to(day)
        billing.switch_tariff(
            w.session, account_id=w.account_id, tariff_code=code, starts_on=day, key=f"s{n}", now=w.now
        )
    w.to(date(2027, 5, 10))
    undo(w, "u1", ("RES-FLAT", date(2027, 5, 7)))
    recent = queries.recent_switch(w.session, account_id=w.account_id, now=w.now)
    assert (recent.from_code, recent.to_code, recent.starts_on) == ("RES-FIXED", "RES-EV", date(2027, 5, 3))
    assert (recent.until, recent.exit_fee) == (date(2027, 5, 17), D("50.00"))
    today, *_ = queries.preview_switch(w.session, account_id=w.account_id, tariff_code="RES-FLAT", now=w.now)
    assert today.exit_fee == 0  # Night Drive can still be left for nothing
    with pytest.raises(errors.Refused, match="another_switch"):  # the same undo once more is of a switch that is gone
        undo(w, "u2", ("RES-FLAT", date(2027, 5, 7)))
    undo(w, "u3", ("RES-EV", date(2027, 5, 3)))
    assert rows_of(w)[2:] == [
        ("RES-FLAT", date(2027, 5, 7), date(2027, 5, 10), date(2027, 5, 7)),
        ("RES-FIXED", date(2027, 5, 10), None, date(2027, 3, 1)),
    ]
    assert w.balance().amount == 0
    assert queries.recent_switch(w.session, account_id=w.account_id, now=w.now) is None


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


@pytest.mark.parametrize(("place", "until"), [("US-PA", date(2027, 3, 19)), ("US-TX", date(2027, 3, 10))])
def test_a_plan_gives_no_less_time_to_think_again_than_the_rules_do(walk, place, until):
    """Fourteen days by house policy; in Texas three working days, of which a weekend is none."""
    w = walk(date(2027, 3, 1), jurisdiction=place)
    w.to(date(2027, 3, 5))  # a Friday
    document = urdb_document(w)
    document |= {"label": "RES-HASTY", "name": "Hasty", "tariff": {**document["tariff"], "cooling_off_days": 0}}
    document["wattline"] |= named("Hasty")
    billing.publish(w.session, document=document, starts_on=date(2026, 1, 1), now=w.now)
    switch = billing.switch_tariff(
        w.session, account_id=w.account_id, tariff_code="RES-HASTY", starts_on=date(2027, 3, 5), key="s", now=w.now
    )
    recent = queries.recent_switch(w.session, account_id=w.account_id, now=w.now)
    assert recent is not None and switch.cooling_off_until == until == recent.until
