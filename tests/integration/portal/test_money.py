"""Bills, paying, plans: the same figures as everywhere, and never another's."""

import io
import re
from collections.abc import Callable
from decimal import Decimal

import pypdf
import pytest

from billing import documents
from billing import queries as bills
from core import wording
from core.accounts import queries as accounts
from tests.conftest import FakeHub
from tests.integration.portal.conftest import Browser

Enter = Callable[[str], Browser]
MAYA, LUIS, ROSA, SAM, CAFE = "5500010011", "5500010029", "5500010053", "5500010086", "5500010128"


def account_id(hub: FakeHub, number: str) -> int:
    with hub.transaction() as session:
        found = accounts.find_account_by_number(session, number=number)
    assert found is not None
    return found.id


def last_bill(hub: FakeHub, number: str) -> bills.Bill:
    own = account_id(hub, number)
    with hub.transaction() as session:
        return bills.list_bills(session, account_id=own)[0]


@pytest.mark.parametrize(("number", "locale"), [(MAYA, "en"), (LUIS, "es"), (ROSA, "es"), (CAFE, "es")])
def test_a_bill_page_adds_up_and_leaves_no_line_unworded(hub: FakeHub, enter: Enter, number: str, locale: str) -> None:
    bill = last_bill(hub, number)
    page = enter(number).get(f"/portal/bills/{bill.id}", lang=locale)
    table = page.split("<tbody>")[1].split("</table>")[0]
    amounts = [Decimal(a.replace(",", "")) for a in re.findall(r'class="num">-?\$(-?[\d,.]+)</t[dh]>', table)]
    assert amounts[-1] == bill.total == sum(amounts[:-1])
    for raw in ("flat.", "energy.", "rider.", "GROSS_RECEIPTS", "summer_peak", "None"):
        assert raw not in table
    assert bill.number in page


def test_the_bill_as_a_paper(hub: FakeHub, enter: Enter) -> None:
    bill = last_bill(hub, LUIS)
    response = enter(LUIS).client.get(f"/portal/bills/{bill.id}.pdf")
    assert response.mimetype == "application/pdf" and response.status_code == 200
    text = pypdf.PdfReader(io.BytesIO(response.data)).pages[0].extract_text()
    assert bill.number in text and "Luis Ortega" in text


def test_the_bill_as_a_page_and_the_invoice_of_a_business(hub: FakeHub, enter: Enter) -> None:
    bill, browser = last_bill(hub, CAFE), enter(CAFE)
    page = browser.client.get(f"/portal/bills/{bill.id}.html")
    assert page.status_code == 200 and bill.number in page.text
    assert page.headers["Content-Security-Policy"] == documents.html_policy()
    assert browser.client.get(f"/portal/bills/{bill.id}.html").data == page.data
    invoice = browser.client.get(f"/portal/bills/{bill.id}.xml")
    assert invoice.mimetype == "application/xml" and f">{bill.total}</cbc:PayableAmount>" in invoice.text
    own = last_bill(hub, LUIS)
    enter(LUIS).get(f"/portal/bills/{own.id}.xml", status=404)


def test_another_customers_bill_is_not_there(hub: FakeHub, enter: Enter) -> None:
    other, browser = last_bill(hub, LUIS), enter(MAYA)
    for path in (
        f"/portal/bills/{other.id}",
        f"/portal/bills/{other.id}.pdf",
        f"/portal/bills/{other.id}.html",
        "/portal/bills/99999999",
    ):
        page = browser.get(path, status=404)
        assert "Luis" not in page and "Traceback" not in page
    browser.post(f"/portal/bills/{other.id}/dispute", status=404, reason="not mine")


def test_paying_leads_to_the_gateways_own_page(hub: FakeHub, enter: Enter, stranger: Browser) -> None:
    browser = enter(MAYA)
    path = browser.post("/portal/pay", amount="")
    page = stranger.get(path)  # whoever holds the link may pay it, and learns no more than the amount
    assert "Maya" not in page and "••••••0011" in page
    with hub.transaction() as session:
        owed = bills.get_balance(session, account_id=account_id(hub, MAYA), now=hub.now()).amount
    assert f"${owed:,.2f}" in page
    address = stranger.post(path, status=303, csrf=False, method="us_bank_account")
    assert address.startswith("https://pay.example/")
    (details,) = hub.payments.checkouts.values()  # type: ignore[attr-defined]
    assert details["amount"] == owed and details["methods"] == ("us_bank_account",)
    stranger.get(f"{path}/done")
    stranger.post(path, status=422, csrf=False, method="cash")
    stranger.get("/pay/made-up-token", status=404)


@pytest.mark.parametrize("typed", ["0", "-5", "1e3", "12.345", "NaN", "<script>", "99999999999999999999"])
def test_an_amount_that_cannot_be_is_refused_in_words(enter: Enter, typed: str) -> None:
    response = enter(MAYA).client.post("/portal/pay", data={"amount": typed})
    assert response.status_code == 409  # no token of the form
    browser = enter(MAYA)
    page = browser.post("/portal/pay", status=422, amount=typed)
    assert "<script>alert" not in page and "payment.amount" not in page and "Traceback" not in page


def test_arrears_are_spread_over_months(hub: FakeHub, enter: Enter) -> None:
    browser = enter(ROSA)
    browser.post("/portal/plan", months="3")
    with hub.transaction() as session:
        made = bills.get_arrangement(session, account_id=account_id(hub, ROSA))
    assert made is not None and made.status == "ACTIVE"
    page = browser.get("/portal/bills", lang="en")
    for part in made.instalments:
        assert f"${part.amount:,.2f}" in page
    browser.post("/portal/plan", status=422, months="many")


def test_a_dispute_stops_the_late_fee(hub: FakeHub, enter: Enter) -> None:
    bill, browser = last_bill(hub, MAYA), enter(MAYA)
    browser.post(f"/portal/bills/{bill.id}/dispute", reason="<b>I was away</b>")
    browser.post(f"/portal/bills/{bill.id}/dispute", status=422, reason="   ")
    with hub.transaction() as session:
        own = account_id(hub, MAYA)
        assert [d.bill_id for d in bills.list_disputes(session, account_id=own)] == [bill.id]
        assert bills.late_fee_status(session, account_id=own, now=hub.now()).blocked_by == "DISPUTE"


def test_plans_are_priced_on_the_customers_own_usage_and_switched(hub: FakeHub, enter: Enter) -> None:
    browser, own = enter(SAM), account_id(hub, SAM)
    with hub.transaction() as session:
        compared = bills.compare_tariffs(session, account_id=own, now=hub.now())
    page = browser.get("/portal/plans", lang="en")
    spread = f"{compared.spread * 100:.0f}%"
    for option in compared.options:
        assert f"${option.annual_cost:,.2f}" in page
        assert f"${option.low:,.2f} to ${option.high:,.2f} with {spread} less or more use" in page
        saves = f"cheapest: ${option.shift_saving or 0:,.2f} less a year"
        assert (saves in page) == (option.shift_saving is not None)
    assert page.count("hours moved to the cheapest") == sum(o.shift_saving is not None for o in compared.options) > 0
    best = compared.best.tariff
    assert f"Switch to {wording.label(best.name_key, {}, locale='en', house=HOUSE)}" in browser.get(
        f"/portal/plans/{best.code}", lang="en"
    )
    assert "done=switch" in browser.post("/portal/plans", tariff=best.code)
    browser.get("/portal/plans", done="switch")
    browser.post("/portal/plans", status=404, tariff="NO-SUCH-PLAN")


HOUSE = wording.House("x", "+15550100100", "+15550100911", "USD", "America/New_York", "http://x")
