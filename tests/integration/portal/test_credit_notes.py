"""A corrected bill on the website: the cancelled one, its credit note and the new one in order, with their papers."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta

import pypdf
import pytest

from billing import documents
from billing import operations as billing
from billing import queries as bills
from tests.conftest import FakeHub
from tests.integration.misread import put_right
from tests.integration.portal.conftest import Browser
from tests.integration.portal.test_money import CAFE, LUIS, MAYA, account_id, last_bill

Enter = Callable[[str], Browser]


def corrected(hub: FakeHub, number: str) -> bills.Rebill:
    """The newest bill made anew from a read put right; the papers are looked at here, not the figures."""
    bill = last_bill(hub, number)
    with hub.transaction() as session:
        put_right(session, bill, hub.now())
        return billing.rebill(session, bill_id=bill.id, actor="staff:ana", reason="misread", now=hub.now())


def words(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


@pytest.mark.parametrize(
    ("locale", "cancelled", "note"), [("en", "Cancelled", "Credit note"), ("es", "Anulada", "Nota de crédito")]
)
def test_the_list_shows_bill_note_and_new_bill_in_order(
    hub: FakeHub, enter: Enter, locale: str, cancelled: str, note: str
) -> None:
    browser = enter(MAYA)
    before = browser.get("/portal/bills", lang=locale)
    assert cancelled not in before and note not in before
    done = corrected(hub, MAYA)
    page = browser.get("/portal/bills", lang=locale)
    rows = re.findall(r"<tr><td>.*?</tr>", page.split("<tbody>")[1].split("</tbody>")[0], re.DOTALL)
    new, back, old = rows[:3]
    assert done.cancelled.number in new and f'href="/portal/bills/{done.bill.id}.pdf"' in new
    assert f"{note} {done.credit_note.number}" in back and done.cancelled.number in back
    assert f"-${done.cancelled.total}" in back
    assert f'href="/portal/bills/{done.cancelled.id}/credit-note.pdf"' in back
    assert cancelled in old and done.cancelled.number in old
    assert f'href="/portal/bills/{done.cancelled.id}.pdf"' in old
    assert not [row for row in rows[3:] if cancelled in row or note in row]
    assert len(rows) == before.split("<tbody>")[1].split("</tbody>")[0].count("<tr><td>") + 2
    assert "portal." not in re.sub(r'href="[^"]*"', "", "".join(rows))


def test_rebilled_twice_the_list_has_two_notes(hub: FakeHub, enter: Enter) -> None:
    first, second = corrected(hub, MAYA), corrected(hub, MAYA)
    page = enter(MAYA).get("/portal/bills", lang="en")
    at = [page.index(f"Credit note {each.credit_note.number}") for each in (second, first)]
    assert at == sorted(at) and page.count("/credit-note.pdf") == 2 and page.count(">Cancelled<") == 2


def test_the_old_paper_stays_and_the_note_has_its_own(hub: FakeHub, enter: Enter) -> None:
    browser, bill = enter(MAYA), last_bill(hub, MAYA)
    before = browser.client.get(f"/portal/bills/{bill.id}.pdf").data
    done = corrected(hub, MAYA)
    assert browser.client.get(f"/portal/bills/{bill.id}.pdf").data == before
    note = browser.client.get(f"/portal/bills/{bill.id}/credit-note.pdf")
    assert note.mimetype == "application/pdf"
    assert note.headers["Content-Disposition"] == f'inline; filename="credit-note-{done.credit_note.number}.pdf"'
    said = words(note.data)
    for each in (done.credit_note.number, bill.number, done.bill.number, f"-${bill.total}"):
        assert each in said
    assert browser.client.get(f"/portal/bills/{bill.id}/credit-note.pdf").data == note.data
    page = browser.client.get(f"/portal/bills/{bill.id}/credit-note.html?lang=es")
    assert page.headers["Content-Security-Policy"] == documents.html_policy() and "Nota de crédito" in page.text
    browser.get(f"/portal/bills/{bill.id}/credit-note.xml", status=404)  # not a business
    browser.get(f"/portal/bills/{done.bill.id}/credit-note.pdf", status=404)  # nothing cancels it


def test_a_business_has_its_note_as_ubl(hub: FakeHub, enter: Enter) -> None:
    done, browser = corrected(hub, CAFE), enter(CAFE)
    note = browser.client.get(f"/portal/bills/{done.cancelled.id}/credit-note.xml")
    assert note.mimetype == "application/xml" and "attachment" in note.headers["Content-Disposition"]
    assert "CreditNote-2" in note.text and f">{done.cancelled.number}</cbc:ID>" in note.text
    assert f"/portal/bills/{done.cancelled.id}/credit-note.xml" in browser.get(f"/portal/bills/{done.cancelled.id}")


@pytest.mark.parametrize("locale", ["en", "es"])
def test_the_page_of_a_cancelled_bill_says_so_and_asks_for_nothing(hub: FakeHub, enter: Enter, locale: str) -> None:
    done, browser = corrected(hub, MAYA), enter(MAYA)
    page = browser.get(f"/portal/bills/{done.cancelled.id}", lang=locale)
    assert done.credit_note.number in page and done.bill.number in page
    assert "/dispute" not in page and "None" not in page and "portal.bill" not in page and "document.note" not in page
    browser.post(f"/portal/bills/{done.cancelled.id}/dispute", status=404, reason="too late")
    fresh = browser.get(f"/portal/bills/{done.bill.id}", lang=locale)
    assert done.cancelled.number in fresh and "/dispute" in fresh


def test_another_customers_note_is_not_there(hub: FakeHub, enter: Enter) -> None:
    done, browser = corrected(hub, LUIS), enter(MAYA)
    for ending in ("pdf", "html", "xml"):
        page = browser.get(f"/portal/bills/{done.cancelled.id}/credit-note.{ending}", status=404)
        assert "Luis" not in page and done.credit_note.number not in page
    browser.get(f"/portal/bills/{done.cancelled.id}", status=404)
    browser.get(f"/portal/bills/{done.cancelled.id}.pdf", status=404)
    assert done.credit_note.number not in browser.get("/portal/bills")


def test_a_cancelled_bill_of_years_ago_does_not_come_back(hub: FakeHub, enter: Enter) -> None:
    """The list is of the last thirteen: what was cancelled before them is not in it."""
    with hub.transaction() as session:
        listed = bills.list_bills(session, account_id=account_id(hub, MAYA), limit=40)
        oldest = listed[-1]
        put_right(session, oldest, hub.now())
        billing.rebill(session, bill_id=oldest.id, actor="staff:ana", reason="misread", now=hub.now())
        own = account_id(hub, MAYA)
        assert bills.list_cancelled_bills(session, account_id=own)[0].id == oldest.id
        assert bills.list_cancelled_bills(session, account_id=own, since=oldest.starts_on)[0].id == oldest.id
        later = oldest.starts_on + timedelta(days=1)
        assert bills.list_cancelled_bills(session, account_id=own, since=later) == ()


@pytest.mark.parametrize(("locale", "said"), [("en", "Credit note"), ("es", "Nota de crédito")])
def test_the_statement_names_them(hub: FakeHub, enter: Enter, locale: str, said: str) -> None:
    done, browser = corrected(hub, MAYA), enter(MAYA)
    page = browser.get("/portal/statement", lang=locale)
    assert f"{said} {done.credit_note.number}" in page and done.bill.number in page
    file = browser.client.get("/portal/statement.csv", query_string={"lang": locale}).data.decode("utf-8-sig")
    assert [row[2] for row in csv.reader(io.StringIO(file)) if row[1] == f"{said} {done.credit_note.number}"] == [
        str(done.credit_note.total)
    ]
