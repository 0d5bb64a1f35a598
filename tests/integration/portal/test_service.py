"""Usage, outages, visits, programs, the account: what a customer can see and change without calling."""

import csv
import io
import re
import zipfile
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from core.accounts import queries as accounts
from core.conversations import operations as conversations
from core.conversations import receiving
from core.fieldwork import queries as fieldwork
from core.outages import queries as outages
from core.programs import queries as programs
from tests.conftest import FakeHub
from tests.integration.portal.conftest import Browser
from tests.integration.portal.test_money import account_id, last_bill

Enter = Callable[[str], Browser]
MAYA, BEN, IVY, NORA = "5500010011", "5500010060", "5500010078", "5500010094"


def test_usage_refuses_what_is_no_day(enter: Enter) -> None:
    browser = enter(MAYA)
    for query in ({"view": "century"}, {"on": "yesterday"}, {"on": "2026-02-30"}):
        page = browser.get("/portal/usage", status=422, **query)
        assert "Traceback" not in page and "ValueError" not in page
    browser.get("/portal/usage", on="1999-01-01", view="day")
    browser.get("/portal/usage", on="2026-11-01", view="day")  # the day of twenty-five hours
    browser.get("/portal/usage", on="2099-01-01")


def test_the_months_figure_is_the_sum_of_its_days(enter: Enter) -> None:
    page = enter(MAYA).get("/portal/usage", lang="en", on="2026-10-20")  # a bill period that is over
    said = [float(x) for x in re.findall(r"<li>\w+ \d+: ([\d.]+) kWh", page)]
    total = float(re.findall(r"<strong>([\d,.]+) kWh", page)[0].replace(",", ""))
    assert len(said) in (30, 31) and abs(sum(said) - total) < 2


def test_figures_to_take_home(enter: Enter) -> None:
    browser = enter(MAYA)
    table = list(csv.reader(io.StringIO(browser.get("/portal/usage.csv"))))
    assert table[0] == ["start", "kwh", "quality"] and len(table) > 390 * 24
    assert all(cell[:1].isalnum() for row in table for cell in row)  # nothing a spreadsheet would take for a formula
    book = zipfile.ZipFile(io.BytesIO(browser.client.get("/portal/usage.xlsx?lang=es").data))
    assert "<sheetData>" in book.read("xl/worksheets/sheet1.xml").decode()
    assert 'name="Lecturas"' in book.read("xl/workbook.xml").decode()
    root = ElementTree.fromstring(browser.get("/portal/usage.xml"))
    assert root.tag.endswith("feed")


def test_a_reading_is_taken_checked_or_turned_away(enter: Enter) -> None:
    browser = enter(NORA)
    assert "done=reading_rejected" in browser.post("/portal/usage/reading", value="1")
    browser.get("/portal/usage", done="reading_rejected")
    browser.post("/portal/usage/reading", status=422, value="=1+1")
    browser.post("/portal/usage/reading", status=422, value="")


def test_outages_are_open_to_everybody_and_name_nobody(hub: FakeHub, stranger: Browser, enter: Enter) -> None:
    page = stranger.get("/portal/outages")
    assert "19004" in page or "1900" in page
    assert "Ben" not in page and "Station Street" not in page
    stranger.get("/portal/outages", postcode="00000")
    stranger.get("/portal/outages", status=422, postcode="<script>")
    with hub.transaction() as session:
        own = accounts.list_service_points(session, account_id=account_id(hub, BEN), on=hub.now().date())[0]
        outage = outages.find_outage_at(session, service_point_id=own.id, now=hub.now())
    assert outage is not None and outage.number in enter(BEN).get("/portal/outages")


def test_reporting_an_outage(hub: FakeHub, enter: Enter) -> None:
    browser = enter(MAYA)
    assert "done=report" in browser.post("/portal/outages/report", hazard="yes")
    browser.get("/portal/outages")


def test_a_visit_is_asked_for_booked_moved_and_cancelled(hub: FakeHub, enter: Enter) -> None:
    browser, own = enter(IVY), account_id(hub, IVY)
    where = browser.post("/portal/requests", kind="REPAIR", description="<script>alert(1)</script> flicker")
    page = browser.get(where)
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page
    number = where.split("book=")[1]
    slots = re.findall(r'name="slot" value="(\d+)"', page)
    assert len(slots) > 2
    browser.post("/portal/appointments", act="book", request=number, slot=slots[0])
    browser.post("/portal/appointments", act="book", request=number, slot=slots[1])
    with hub.transaction() as session:
        (visit,) = fieldwork.list_appointments(session, account_id=own, now=hub.now())
    stranger = enter(MAYA)
    stranger.get("/portal/requests", status=404, book=number)
    stranger.post("/portal/appointments", status=404, act="cancel", appointment=visit.id)
    stranger.post("/portal/appointments", status=404, act="book", request=number, slot=slots[2])
    browser.post("/portal/appointments", act="cancel", appointment=visit.id)
    with hub.transaction() as session:
        assert not fieldwork.list_appointments(session, account_id=own, now=hub.now())
    no_slot = {"act": "book", "request": number, "slot": "x"}
    for bad in (no_slot, {"act": "burn"}, {"act": "cancel", "appointment": "²"}):
        browser.post("/portal/appointments", status=422, **bad)
    browser.post("/portal/requests", status=422, kind="PRIVACY", description="x")
    browser.post("/portal/requests", status=422, kind="REPAIR", description="  ")


def test_programs_are_joined_once(hub: FakeHub, enter: Enter) -> None:
    browser, own = enter(MAYA), account_id(hub, MAYA)
    with hub.transaction() as session:
        offered = programs.list_programs(session, customer_kind="RESIDENTIAL", on=hub.now().date())
    free = next(p for p in offered if not p.requires and not p.tariff_kinds)
    bound = [p for p in offered if p.requires]
    assert "done=enroll" in browser.post("/portal/programs", program=free.code)
    assert "done=enroll" in browser.post("/portal/programs", program=free.code)  # pressed twice
    with hub.transaction() as session:
        assert [e.program.code for e in programs.list_enrolments(session, account_id=own)] == [free.code]
    for program in bound[:1]:
        browser.post("/portal/programs", status=409, program=program.code)
        browser.post("/portal/programs", program=program.code, declared=program.requires[0])
    browser.post("/portal/programs", status=404, program="nothing")


def test_a_program_for_a_kind_of_plan_knows_the_customers_plan(hub: FakeHub, enter: Enter) -> None:
    with hub.transaction() as session:
        offered = programs.list_programs(session, customer_kind="RESIDENTIAL", on=hub.now().date())
    bound = next((p for p in offered if p.tariff_kinds and not p.requires), None)
    if bound is None:
        pytest.skip("no program is bound to a kind of plan")
    fits = BEN if "TOU" in bound.tariff_kinds else MAYA
    browser = enter(fits)
    with hub.transaction() as session:
        taken = programs.list_enrolments(session, account_id=account_id(hub, fits))
    if bound.code not in {e.program.code for e in taken}:
        assert "done=enroll" in browser.post("/portal/programs", program=bound.code)
    if "FLAT" not in bound.tariff_kinds:
        enter(MAYA).post("/portal/programs", status=409, program=bound.code)


def test_the_account_is_changed_by_its_holder(hub: FakeHub, enter: Enter) -> None:
    browser = enter(MAYA)
    browser.post("/portal/account", act="paperless", on="yes")
    browser.post("/portal/account", act="contact", value="maya.second@example.com")
    browser.post("/portal/account", act="consent", value="+15550101001", channel="SMS", purpose="ALERTS", on="no")
    browser.post("/portal/account", act="locale", locale="es")
    page = browser.get("/portal/account")
    assert '<html lang="es">' in page and "maya.second@example.com" in page
    with hub.transaction() as session:
        account = accounts.get_account(session, account_id=account_id(hub, MAYA))
        assert account.paperless
        assert not accounts.allowed(session, contact_value="+15550101001", channel="SMS", purpose="ALERTS")
        assert accounts.get_customer(session, customer_id=account.customer_id).locale == "es"
    for bad in (
        {"act": "locale", "locale": "xx"}, {"act": "contact", "value": "<script>"}, {"act": "nothing"},
        {"act": "consent", "value": "+15550101002", "channel": "SMS", "purpose": "ALERTS", "on": "no"},
    ):  # fmt: skip
        assert "Traceback" not in browser.post("/portal/account", status=422, **bad)
    with hub.transaction() as session:
        assert accounts.allowed(session, contact_value="+15550101002", channel="SMS", purpose="SERVICE")


def test_an_account_that_is_not_theirs_cannot_be_chosen(enter: Enter) -> None:
    browser = enter(MAYA)
    browser.post("/portal/choose-account", number=BEN)
    assert "Ben Walker" not in browser.get("/portal/") and BEN not in browser.get("/portal/account")


def test_every_page_is_guarded_by_its_policy(hub: FakeHub, enter: Enter) -> None:
    response = enter(MAYA).client.get("/portal/")
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert response.headers["Cache-Control"] == "no-store" and "nosniff" in response.headers["X-Content-Type-Options"]
    assert "onclick" not in response.text and "<script>" not in response.text and "style=" not in response.text
    assert last_bill(hub, MAYA).total > 0


def test_what_breaks_says_so_without_its_insides(hub: FakeHub, enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    browser = enter(MAYA)
    monkeypatch.setattr("channels.portal.money_pages.bills.get_balance", fail)
    page = browser.get("/portal/bills", status=500)
    assert "secret" not in page and "RuntimeError" not in page and "<h1>" in page


def test_the_chat_has_a_page_of_its_own(stranger: Browser) -> None:
    page = stranger.get("/chat/", lang="es")
    assert 'src="/chat/widget.js"' in page and "Pregúntenos" in page


def test_what_was_said_is_shown_as_text(hub: FakeHub, enter: Enter) -> None:
    own = account_id(hub, MAYA)
    with hub.transaction() as session:
        customer = accounts.get_account(session, account_id=own).customer_id
        inbound = receiving.Inbound(
            "WEB", "VISITOR", "a" * 64, None, text="<script>alert(1)</script> & <b>bold</b>", client_id="c1",
            customer_id=customer, locale="en",
        )  # fmt: skip
        conversations.receive_message(session, inbound=inbound, now=hub.now(), settings=hub.settings)
    page = enter(MAYA).get("/portal/messages")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;" in page and "<script>alert" not in page
    assert "alert(1)" not in enter(BEN).get("/portal/messages")
