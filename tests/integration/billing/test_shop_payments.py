"""Cash at shops: in the books once, whoever tells first; what does not fit waits; the file shows what differs."""

import json
from dataclasses import replace
from datetime import date, timedelta

import flask
import pytest
import requests
from sqlalchemy import func, select

from billing import (
    archive,
    cash_models,
    models,
    queries,
    reconciling,
    shop_files,
    shop_payments,
    shop_references,
    transfers,
)
from channels.payments import shop as partner
from channels.payments import web as payments_web
from core import audit, errors
from core import settings as settings_module
from core.accounts import queries as accounts
from tests.integration.billing import books_check
from tests.integration.billing.test_payments import AT, D, facts, house, link, owes  # noqa: F401
from tests.integration.sandbox.conftest import running, town  # noqa: F401

SETTINGS = settings_module.Settings(
    cash_partner="QuickCash", cash_partner_gln="0850012345008", cash_webhook_secret="shop_sandbox"
)
HEAD = ",".join(shop_files.COLUMNS) + "\n"


def told(reference, amount="130.68", name="T1", currency="USD", at=AT):
    return shop_files.ShopPayment(name, reference, D(amount), currency, at, "Corner Market")


def take(session, *payments, by="MESSAGE", now=AT):
    counts = shop_payments.take(session, payments=payments, told=by, settings=SETTINGS, now=now)
    return {name: count for name, count in counts.items() if count}


@pytest.fixture
def reference(session, house):  # noqa: F811
    return shop_references.make("ACCOUNT", accounts.get_account(session, account_id=house.account_id).number)


def differing(session, now):
    agreed, found = reconciling.reconcile(
        session, gateway=shop_payments.GATEWAY, grace=shop_payments.SETTLED_WITHIN, now=now
    )
    return agreed, [(each.external_id, each.kind, each.ours, each.theirs) for each in found]


def test_an_evening_at_the_till_is_that_day(session, house, reference):  # noqa: F811
    evening = AT.replace(day=2, hour=3)  # 22:00 of 1 November where the utility is
    take(session, told(reference, "50.00", at=evening))
    assert session.scalar(select(cash_models.TransferRow.booked_on)) == date(2026, 11, 1)


def test_a_payment_counts_once_whoever_tells_of_it_first(session, house, reference):  # noqa: F811
    assert take(session, told(reference, "50.00")) == {"MATCHED": 1}
    assert take(session, told(reference, "50.00")) == {"KNOWN": 1}
    grouped = shop_references.spoken(reference)
    both = [told(grouped, "50.00"), told(grouped, "80.68", "T2")]
    assert take(session, *both, by="FILE") == {"MATCHED": 1, "KNOWN": 1}
    assert take(session, told(reference, "80.68", "T2")) == {"KNOWN": 1}
    assert owes(session, house) == D("0.00")
    methods = session.execute(select(models.PaymentRow.method, models.PaymentRow.received_at)).tuples().all()
    assert methods == [("cash", AT)] * 2
    assert len(facts(session, "payment.received")) == 2
    books_check.check(session)


def test_what_fits_nothing_waits_with_the_transfers_and_a_person_assigns_it(session, house, reference):  # noqa: F811
    odd = [
        told(reference[:-1] + str((int(reference[-1]) + 1) % 10), "1.00", "T1"),
        told(shop_references.make("ACCOUNT", "9999999999"), "2.00", "T2"),
        told(shop_references.make("BILL", 10**15), "3.00", "T3"),
        told(shop_references.make("LINK", 10**18), "4.00", "T4"),
        told(reference, "1500.01", "T5"),
        told(reference, "6.00", "T6", "EUR"),
    ]
    assert take(session, *odd) == {"UNMATCHED": 5, "PARKED": 1}
    assert owes(session, house) == D("130.68")
    waiting = transfers.list_waiting(session)
    assert [each.reason for each in waiting] == ["UNKNOWN_REFERENCE"] * 4 + ["AMOUNT", "CURRENCY"]
    assert {each.method for each in waiting} == {"cash"}
    number = accounts.get_account(session, account_id=house.account_id).number
    transfers.assign(session, transfer_id=waiting[0].id, account_number=number, actor="staff:ana", now=AT)
    assert owes(session, house) == D("129.68")
    assert session.scalars(select(models.PaymentRow.method)).all() == ["cash"]
    with pytest.raises(errors.Refused, match=r"transfer\.currency"):
        transfers.assign(session, transfer_id=waiting[5].id, account_number=number, actor="staff:ana", now=AT)


def test_a_slip_of_a_bill_takes_what_was_printed_on_it_once(hub, session, house):  # noqa: F811
    bill = queries.list_bills(session, account_id=house.account_id)[0]
    session.commit()
    reference = shop_references.make("BILL", bill.id)
    assert take(session, told(reference, name="T0")) == {"UNMATCHED": 1}  # nothing has been printed yet
    with hub.transaction() as own:
        archive.file_bills(own, bill_ids=[bill.id], settings=SETTINGS, now=AT)
    shown = archive.get_document(session, bill_id=bill.id, kind="HTML", locale="en", settings=SETTINGS, now=AT)
    assert shop_references.spoken(reference) in shown.body.decode()
    assert take(session, told(reference, "130.00", "T1")) == {"UNMATCHED": 1}
    assert take(session, told(reference, name="T2")) == {"MATCHED": 1}
    assert take(session, told(reference, name="T3")) == {"UNMATCHED": 1}
    reasons = [each.reason for each in transfers.list_waiting(session)]
    assert reasons == ["UNKNOWN_REFERENCE", "AMOUNT", "PAID_BEFORE"]
    assert owes(session, house) == D("0.00")


def test_no_slip_where_no_shop_takes_the_money(hub, session, house):  # noqa: F811
    bill = queries.list_bills(session, account_id=house.account_id)[0]
    (document,) = queries.bill_documents(session, bill_ids=[bill.id], settings=SETTINGS)
    for bill_like, own in (
        (document, settings_module.Settings()),
        (document, SETTINGS.model_copy(update={"cash_most": D("130.67")})),
        (replace(document, autopay=True), SETTINGS),
        (replace(document, payments=-document.due), SETTINGS),
    ):
        assert shop_payments.add_slips(session, bills=[bill_like], settings=own, now=AT) == {}
    assert session.scalar(select(func.count()).select_from(cash_models.ShopSlipRow)) == 0
    slips = shop_payments.add_slips(session, bills=[document], settings=SETTINGS, now=AT)
    assert slips[bill.id].amount == document.due == D("130.68")
    # drawn again, in another language, when something has been paid since: the amount that was printed stays good
    less = replace(document, payments=D("-30.00"))
    assert shop_payments.add_slips(session, bills=[less], settings=SETTINGS, now=AT) == slips


def test_a_link_paid_at_a_shop_is_paid(session, house):  # noqa: F811
    made, _ = link(session, house)
    reference = shop_payments.link_reference(session, token=made.token)
    assert take(session, told(reference, "10.00")) == {"UNMATCHED": 1}
    assert take(session, told(reference, name="T2")) == {"MATCHED": 1}
    assert queries.get_payment_link(session, token=made.token, now=AT).status == "PAID"
    assert take(session, told(reference, name="T3")) == {"UNMATCHED": 1}
    assert owes(session, house) == D("0.00")
    with pytest.raises(errors.NotFound, match=r"payment_link\.unknown"):
        shop_payments.link_reference(session, token="none")


def test_the_file_and_the_messages_are_held_against_each_other(session, house, reference):  # noqa: F811
    take(session, told(reference, "10.00", "SAME"), told(reference, "20.00", "LESS"), told(reference, "5.00", "GONE"))
    file = [told(reference, "10.00", "SAME"), told(reference, "19.00", "LESS"), told("20", "7.00", "LOST")]
    assert take(session, *file, told("20", "9.00", "EUROS", "EUR"), by="FILE") == {
        "KNOWN": 1, "DIFFERS": 1, "UNMATCHED": 1, "PARKED": 1,
    }  # fmt: skip
    assert differing(session, AT + timedelta(hours=35)) == (0, [])  # the file may still be on its way
    agreed, found = differing(session, AT + timedelta(hours=37))
    assert agreed == 1
    assert sorted(found) == [
        ("GONE", "MISSING_THERE", D("5.00"), D("0.00")),
        ("LESS", "AMOUNT_DIFFERS", D("20.00"), D("19.00")),
        ("LOST", "MISSING_HERE", D("0.00"), D("7.00")),
    ]
    kept = session.scalars(select(audit.AuditRow.action).where(audit.AuditRow.actor == "partner:shop")).all()
    assert kept == ["shop_payment.told_otherwise"]
    books_check.check(session)


def test_cash_in_another_currency_goes_back_and_ours_does_not(session, house, reference):  # noqa: F811
    take(session, told(reference, "9.00", "EUROS", "EUR"), told("20", "6.00", "LOST"), by="FILE")
    euros, lost = sorted(transfers.list_waiting(session), key=lambda each: each.entry_id)
    how = {"reason": "not our money", "actor": "staff:ana", "now": AT}
    with pytest.raises(errors.Refused, match=r"transfer\.at_shop"):  # ours it is: somebody's, only not known whose
        transfers.send_back(session, transfer_id=lost.id, **how)
    transfers.send_back(session, transfer_id=euros.id, **how)
    differs = [("LOST", "MISSING_HERE", D("0.00"), D("6.00"))]
    assert differing(session, AT + timedelta(days=3)) == (0, differs)
    assert [each.id for each in transfers.list_waiting(session)] == [lost.id]
    books_check.check(session)


def test_a_payment_that_has_yet_to_happen_changes_nothing(session, house, reference):  # noqa: F811
    with pytest.raises(errors.Invalid, match=r"shop_payment\.time"):
        take(session, told(reference, "1.00"), told(reference, "1.00", "T2", at=AT + timedelta(hours=2)))
    assert session.scalar(select(func.count()).select_from(cash_models.TransferRow)) == 0


def test_the_door_takes_what_is_signed_and_nothing_else(hub, session, house, reference):  # noqa: F811
    session.commit()
    body = json.dumps({**_body(reference), "amount": 130.68}).encode()
    door, now = _door(hub.with_(settings=SETTINGS)), int(AT.timestamp())
    good = partner.signature("shop_sandbox", now, body)
    for header in (None, "", good[:-1] + ("0" if good[-1] != "0" else "1"), partner.signature("other", now, body)):
        assert post(door, body, header) == 403
    assert post(door, body + b" ", good) == 403
    assert post(door, body, partner.signature("shop_sandbox", now - 301, body)) == 403
    assert owes(session, house) == D("130.68")
    assert [post(door, body, good) for _ in range(2)] == [204, 204]
    assert owes(session, house) == D("0.00")
    for change in (
        {"amount": "1.001"}, {"amount": "-1"}, {"amount": "NaN"}, {"amount": None}, {"transaction_id": ""},
        {"paid_at": "2026-11-03T12:00:00"}, {"paid_at": "x"}, {"reference": 7}, {"shop": "a\x00"}, {"currency": "US"},
    ):  # fmt: skip
        odd = json.dumps({**_body(reference), "transaction_id": "T9", **change}).encode()
        assert post(door, odd, partner.signature("shop_sandbox", now, odd)) == 422, change
    for odd in (b"", b"[]", b"{", b"\xff", b"[" * 100_000):
        assert post(door, odd, partner.signature("shop_sandbox", now, odd)) == 422
    assert session.scalar(select(func.count()).select_from(cash_models.TransferRow)) == 1
    assert post(_door(hub), body, good) == 404  # without a partner there is no such door


def test_a_till_of_the_sandbox_its_messages_and_its_file(hub, session, house, reference, town):  # noqa: F811
    session.commit()

    def pay(**given):
        return requests.post(f"{town.url}/api/shop/pay", json=given, timeout=5)

    def switch(**values):
        requests.post(f"{town.url}/api/switches", json={"shop": values}, timeout=5).raise_for_status()

    switch(duplicate=True)
    assert pay(reference=shop_references.spoken(reference), amount="100").status_code == 201
    hub.clock.at = AT.now(AT.tzinfo)
    door = _door(hub.with_(settings=SETTINGS))
    for item in town.hub.wait("/hooks/shop-payments", count=2):
        assert post(door, item.body, item.headers["Shop-Signature"]) == 204
    assert owes(session, house) == D("30.68")
    switch(no_message=True)
    scanned = f"(415)0850012345008(8020){reference}(3902)0000003068"
    assert pay(reference=scanned).json()["amount"] == "30.68"
    assert pay(reference="soup", amount="1").status_code == 400
    assert pay(reference=reference, amount="free").status_code == 400
    assert pay(reference=reference).status_code == 400
    file = requests.get(f"{town.url}/shop/settlement.csv", timeout=5).content
    assert file.count(b"SHOP-") == 4  # every line stands there twice
    payments = shop_files.parse(file)
    assert take(session, *payments, by="FILE", now=hub.now()) == {"KNOWN": 1, "MATCHED": 1}
    assert owes(session, house) == D("0.00")
    switch(duplicate=False, no_message=False)
    assert len(town.hub.wait("/hooks/shop-payments", count=2)) == 2  # nothing was told of the silent one


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("T1,10,-1.00,USD,2026-11-03T12:00:00Z,x", "line"), ("T1,10,1.001,USD,2026-11-03T12:00:00Z,x", "line"),
        ("T1,10,1.00,USD,2026-11-03T12:00:00,x", "line"), ("T1,10,1.00,USD", "line"), 
        (",10,1,USD,2026-11-03,x", "line"),
        ("T0,10,2.00,USD,2026-11-03T12:00:00Z,x", "line"), ('T1,"10', "unreadable"),
        ("T1,10,1.00,USD,2026-11-03T12:00:00Z,x,y", "line"), (f"T1,10,{'9' * 40},USD,2026-11-03T12:00:00Z,x", "line"),
    ],
)  # fmt: skip
def test_a_file_with_a_wrong_line_is_no_file(line, code):
    good = "T0,10,1.00,USD,2026-11-03T12:00:00Z,x\n"
    assert len(shop_files.parse((HEAD + good + good).encode())) == 1
    with pytest.raises(errors.Invalid, match=rf"shop_file\.{code}"):
        shop_files.parse((HEAD + good + line + "\n").encode())
    with pytest.raises(errors.Invalid, match=r"shop_file\.columns"):
        shop_files.parse(good.encode())


def test_settings_that_would_let_anybody_in_are_refused():
    for change in ({"cash_partner_gln": "0850012345009"}, {"cash_partner_gln": ""}, {"cash_webhook_secret": ""}):
        with pytest.raises(ValueError):
            settings_module.Settings(**{**SETTINGS.model_dump(), **change})


def _body(reference):
    return {
        "transaction_id": "T1", "reference": reference, "amount": "130.68", "currency": "usd",
        "paid_at": "2026-11-03T07:00:00-05:00", "shop": "Corner Market",
    }  # fmt: skip


def _door(hub):
    app = flask.Flask("test")
    app.register_blueprint(payments_web.blueprint(hub))
    return app.test_client()


def post(door, body, header):
    headers = {} if header is None else {partner.HEADER: header}
    return door.post("/hooks/shop-payments", data=body, headers=headers).status_code
