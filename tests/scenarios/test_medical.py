"""Illness at home: a word gives days, a certificate the rule's; renewals are counted, each end is told beforehand."""

import re
from datetime import date, timedelta

import flask
import pytest
from click.testing import CliRunner

from billing import arrears_handlers, arrears_jobs, disconnection, queries
from billing import operations as billing
from core import audit, errors, outbox
from core.accounts import operations as accounts
from core.accounts import queries as places
from core.conversations import models as talks
from core.settings import Settings
from ops_admin import arrears_commands, shell
from ops_admin.console import entry
from ops_admin.console import web as console
from tests.scenarios.conftest import Walk
from tests.scenarios.test_arrears import behind, blocks, climb, connected, facts_of, handle, order_of

ANA = "staff:ana"
BO = f"cli:{shell.account()}/bo"


def certify(w: Walk, doctor: str = "Dr. Lee", days: int | None = None) -> queries.MedicalHold:
    held = billing.certify_illness(w.session, account_id=w.account_id, doctor=doctor, days=days, actor=ANA, now=w.now)
    w.session.commit()
    return held


def word(w: Walk) -> queries.MedicalHold | None:
    held = billing.note_medical_word(w.session, account_id=w.account_id, actor="customer:1", now=w.now)
    w.session.commit()
    return held


def tell(w: Walk, name: str) -> list[str]:
    """What the customer reads of a fact; its delivery may come twice."""
    row = facts_of(w, name)[-1]
    for _ in range(2):
        arrears_handlers.tell_arrears(w.hub, outbox.Fact(row.id, row.name, "", row.payload, row.recorded_at))
    return texts(w, "notice." + name.replace(".", "_"))


def texts(w: Walk, kind: str) -> list[str]:
    w.session.expire_all()
    rows = w.session.query(talks.MessageRow).where(talks.MessageRow.kind == kind).order_by(talks.MessageRow.id)
    return [row.text for row in rows]


def audited(w: Walk) -> list[tuple[str, str]]:
    rows = w.session.query(audit.AuditRow).where(audit.AuditRow.action.like("medical.%")).order_by(audit.AuditRow.id)
    return [(row.action, row.actor) for row in rows]


def bill_of_june(w: Walk) -> None:
    """Issued while the certificate holds, due on 23 July, and not paid."""
    w.read(date(2027, 6, 1), date(2027, 7, 1), 1000)
    assert w.bill(date(2027, 7, 3)).due_on == date(2027, 7, 23)
    assert len(w.bills()) == 2


def test_a_word_holds_for_the_rules_days_and_then_the_order_comes(walk):
    w = behind(walk)
    held = word(w)
    assert held is not None and (held.kind, held.until) == ("WORD", date(2027, 7, 1))  # three days from 28 June
    assert "medical_hold" in blocks(w) and word(w) == held  # said again it is the same word
    (told,) = tell(w, "medical.held")
    assert "On your word" in told and "Wednesday, June 30" in told and "up to 30 days" in told
    assert climb(w, date(2027, 6, 29), date(2027, 6, 30)) == {} and order_of(w).status == "CANCELLED"
    assert climb(w, date(2027, 7, 1), date(2027, 7, 1)) == {date(2027, 7, 1): "ORDER"}
    assert word(w) is None and "medical_hold" not in blocks(w)  # one word against one debt
    assert audited(w) == [("medical.word", "customer:1")]
    w.pay("122.65")
    assert word(w) is not None  # of another debt it may be said again


def test_equipment_on_file_holds_nothing_off_and_is_seen_by_who_decides(walk):
    w = behind(walk)
    accounts.register_medical_equipment(w.session, customer_id=w.customer_id, detail="oxygen", now=w.now)
    w.session.commit()
    w.to(date(2027, 6, 29))
    seen = disconnection.may_disconnect(w.session, account_id=w.account_id, now=w.now)
    assert seen.allowed and seen.facts["medical_equipment"] is True


def test_a_certificate_holds_for_thirty_days_takes_the_order_back_and_follows_a_word(walk):
    w = behind(walk)
    word(w)
    w.to(date(2027, 6, 29))
    held = certify(w)
    assert (held.until, held.renewal, held.certified_by) == (date(2027, 7, 29), 0, "Dr. Lee")
    assert certify(w).id == held.id  # the button pressed twice
    handle(w, "medical.held")
    assert order_of(w).status == "CANCELLED" and blocks(w) == {"medical_hold"}
    (told,) = tell(w, "medical.held")
    assert "your doctor's certificate" in told and "Wednesday, July 28" in told
    assert certify(walk(date(2027, 4, 1)), days=10).until == date(2027, 7, 9)  # as the doctor says, where it is less


@pytest.mark.parametrize("paid", [False, True])
def test_renewals_are_limited_while_later_bills_are_unpaid(walk, paid):
    w = behind(walk)
    first = certify(w)
    if not paid:
        bill_of_june(w)
    spans = [first]
    for day in (date(2027, 7, 26), date(2027, 8, 20)):
        w.to(day)
        spans.append(certify(w))
    assert [(h.starts_on, h.until, h.renewal) for h in spans] == [
        (date(2027, 6, 28), date(2027, 7, 28), 0), (date(2027, 7, 28), date(2027, 8, 27), 1),
        (date(2027, 8, 27), date(2027, 9, 26), 2),
    ]  # fmt: skip
    w.to(date(2027, 9, 20))
    if paid:  # nothing came due since that is open: the old debt alone does not limit it
        assert (certify(w).renewal, certify(w).until) == (3, date(2027, 10, 26))
        return
    with pytest.raises(errors.Refused, match=r"medical\.renewals") as refused:
        certify(w)
    assert refused.value.data == {"renewals": 2, "citation": "52 Pa. Code 56.111, 56.114"}
    w.session.rollback()
    w.pay(w.balance().amount)
    assert certify(w).renewal == 0  # the debt is gone: counted from the start


def test_before_it_ends_the_customer_is_told_once_how_to_renew(walk):
    w = behind(walk)
    certify(w)

    def remind(day: date) -> int:
        w.to(day)
        return arrears_jobs.remind_medical(w.hub)

    assert [remind(date(2027, 7, day)) for day in (20, 21, 21, 22)] == [0, 1, 0, 0]  # seven days before the 28th
    (told,) = texts(w, "notice.medical_ending")
    assert "Tuesday, July 27" in told and "new certificate" in told and "up to 30 more days" in told
    w.to(date(2027, 7, 22))
    certify(w, "Dr. Roe")
    bill_of_june(w)
    w.to(date(2027, 8, 5))
    certify(w)  # a second renewal; the first one ends nothing then
    assert [remind(date(2027, 8, day)) for day in (20, 21, 26)] == [0, 0, 0]
    assert [remind(date(2027, 9, day)) for day in (18, 19)] == [0, 1]
    assert "cannot be renewed again while bills that came since are unpaid" in texts(w, "notice.medical_ending")[-1]


def test_a_word_is_reminded_of_a_day_before_and_in_the_customers_language(walk):
    w = behind(walk)
    accounts.set_locale(w.session, customer_id=w.customer_id, locale="es", now=w.now)
    word(w)
    assert "miércoles, 30 de junio" in tell(w, "medical.held")[0]
    assert arrears_jobs.remind_medical(w.hub) == 0  # the day it began
    w.to(date(2027, 6, 30))
    assert arrears_jobs.remind_medical(w.hub) == 1
    assert "un certificado vale hasta 30 días" in texts(w, "notice.medical_ending")[0]


def test_who_was_cut_off_is_connected_again_on_a_certificate_and_not_on_a_word(walk):
    w = behind(walk)
    w.to(date(2027, 6, 29), hour=10)
    disconnection.complete_disconnection(w.session, number=order_of(w).number, actor="staff:bo", now=w.now)
    w.session.commit()
    word(w)
    handle(w, "medical.held")
    assert not connected(w) and [r.kind for r in [order_of(w)]] == ["DISCONNECT"]
    certify(w)
    handle(w, "medical.held")
    back = order_of(w, "RECONNECT")
    assert back.description == "MEDICAL"
    disconnection.complete_reconnection(w.session, number=back.number, actor="staff:bo", now=w.now)
    assert connected(w)


def test_staff_note_renew_and_end_by_command(walk):
    w = behind(walk)
    number = places.get_account(w.session, account_id=w.account_id).number

    def run(*words: str) -> str:
        done = CliRunner().invoke(arrears_commands.arrears, [words[0], number, *words[1:]], obj=lambda: w.hub)
        w.session.expire_all()
        return done.output

    assert run("medical-word", "--by", "ana") == "held through 2027-06-30\n"
    assert run("medical-certificate", "--doctor", "Dr. Lee", "--by", "ana") == "held through 2027-07-27\n"
    w.to(date(2027, 7, 20))
    assert run("medical-certificate", "--doctor", "Dr. Lee", "--days", "10", "--by", "bo") == (
        "held through 2027-08-06, renewal 1\n"
    )
    assert "a day or more" in run("medical-certificate", "--doctor", "Dr. Lee", "--days", "0", "--by", "bo")
    assert run("medical-end", "--reason", "they moved to a hospital", "--by", "bo") == "ended\n"
    assert "No medical hold is in force" in run("medical-end", "--reason", "again", "--by", "bo")
    assert "medical_hold" not in blocks(w)
    (told,) = tell(w, "medical.ended")
    assert "has ended" in told
    listed, by_ana = run("medical"), f"cli:{shell.account()}/ana"
    assert f"renewal 1, noted by {BO}; ended 2027-07-20 by {BO}: they moved to a hospital" in listed
    assert audited(w) == [
        ("medical.word", by_ana), ("medical.certificate", by_ana), ("medical.certificate", BO), ("medical.ended", BO),
    ]  # fmt: skip
    assert arrears_jobs.remind_medical(w.hub) == 0
    w.to(date(2027, 7, 21))
    assert certify(w).renewal == 1  # the renewal that never began does not count


def test_staff_note_renew_and_end_on_the_console(walk):
    w = behind(walk)
    number = places.get_account(w.session, account_id=w.account_id).number
    app = flask.Flask("console")
    hub = w.hub.with_(settings=Settings(demo=True))
    app.register_blueprint(console.blueprint(hub, lambda: True))
    client = app.test_client()
    assert "/ops/medical/" not in client.get(f"/ops/?account={number}").text  # nobody is named

    def post(act: str, **fields: str):
        client.set_cookie(entry.NAME, entry.signed_name(hub.settings, "ana", now=w.now), path="/ops")
        form = re.findall(r'name="form" value="([^"]+)"', client.get(f"/ops/?account={number}").text)[0]
        sent = {"form": form, "account": number, **fields}
        done = client.post(f"/ops/medical/{act}", data=sent, follow_redirects=True)
        w.session.expire_all()
        return done

    for wrong, said in (({"form": "1.x"}, "too old"), ({"account": "1"}, "No account")):
        refused = post("certificate", **{"doctor": "Dr. Lee", **wrong})
        assert refused.status_code == 422 and said in refused.text
    assert "doctor&#39;s name" in post("certificate", doctor=" ").text
    assert "whole days" in post("certificate", doctor="Dr. Lee", days="-1").text
    assert not queries.list_medical_holds(w.session, account_id=w.account_id)
    assert "Held on the customer" in post("word").text
    noted = post("certificate", doctor="Dr. Lee", days="20").text
    assert "certified by Dr. Lee" in noted and "2027-07-17" in noted and "Note a renewal" in noted
    w.to(date(2027, 7, 10))
    assert "2027-08-16" in post("certificate", doctor="Dr. Lee").text
    ended = post("end", reason="well again").text
    assert "The hold has ended" in ended and "2027-07-10 by staff:ana: well again" in ended
    w.to(w.now.date() + timedelta(days=1))
    assert "word was used" in post("word").text
    assert [actor for _, actor in audited(w)] == [ANA] * 4
    assert post("nothing").status_code == 404
