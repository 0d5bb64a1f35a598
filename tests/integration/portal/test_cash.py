"""Paying in cash: the barcode on a link's page and on the account's own, in both languages, and none without a shop."""

import io
import re
from collections.abc import Callable
from decimal import Decimal

import flask
import pytest
import resvg_py
import zxingcpp
from PIL import Image

from billing import operations as billing
from billing import shop_files, shop_payments, shop_references
from channels.portal import visitor
from channels.portal import web as portal
from core import settings, wording
from core.conversations import house
from tests.conftest import FakeHub
from tests.integration.portal.conftest import Browser
from tests.integration.portal.test_money import SAM, account_id

GLN = "0850012345008"


@pytest.fixture
def hub(hub: FakeHub) -> FakeHub:
    changes = {"cash_partner": "QuickCash", "cash_partner_gln": GLN, "cash_webhook_secret": "x"}
    return hub.with_(settings=hub.settings.model_copy(update=changes))


def scanned(page: str) -> str:
    (drawn,) = re.findall(r'<svg class="barcode".*?</svg>', page)
    svg = drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    picture = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=3)))).convert("L")
    return str(zxingcpp.read_barcodes(picture)[0].text)


@pytest.mark.parametrize(("locale", "said"), [("en", "Let the cashier"), ("es", "Pida que")])
def test_the_accounts_own_barcode(hub: FakeHub, enter: Callable[[str], Browser], locale: str, said: str) -> None:
    browser = enter(SAM)
    assert 'href="/portal/cash"' in browser.get("/portal/bills", lang=locale)
    page = browser.get("/portal/cash", lang=locale)
    reference = shop_references.make("ACCOUNT", SAM)
    assert (
        said.lower() in page.lower()
        and "QuickCash" in page
        and "portal." not in page.replace("portal.css", "").replace("portal.js", "")
    )
    assert scanned(page) == f"(415){GLN}(8020){reference}"
    digits = shop_references.spoken(reference)
    assert f'<p class="digits">{digits}</p>' in page and re.search(rf'role="img" aria-label="[^"]+{digits}"', page)


def test_a_links_page_shows_a_barcode_that_names_no_account(hub: FakeHub, stranger: Browser) -> None:
    with hub.transaction() as session:
        link = billing.open_payment_link(
            session, account_id=account_id(hub, SAM), amount=Decimal("12.34"), key="cash", now=hub.now()
        )
    page = stranger.get(link.path)
    found = re.fullmatch(rf"\(415\){GLN}\(8020\)([0-9]+)\(3902\)0000001234", scanned(page))
    assert found is not None and SAM not in page and SAM not in found[1]
    told = shop_files.ShopPayment("T1", found[1], Decimal("12.34"), "USD", hub.now(), "Corner Market")
    with hub.transaction() as session:
        shop_payments.take(session, payments=[told], told="MESSAGE", settings=hub.settings, now=hub.now())
    assert "barcode" not in stranger.get(link.path)  # paid: there is nothing left to scan


def test_more_than_a_shop_may_take_shows_no_barcode(hub: FakeHub, stranger: Browser) -> None:
    with hub.transaction() as session:
        link = billing.open_payment_link(
            session, account_id=account_id(hub, SAM), amount=Decimal("1500.01"), key="much", now=hub.now()
        )
    assert "barcode" not in stranger.get(link.path)


def test_without_a_partner_no_page_speaks_of_shops(hub: FakeHub, enter: Callable[[str], Browser]) -> None:
    bare = hub.with_(settings=settings.Settings())
    app = flask.Flask("bare")
    app.register_blueprint(portal.blueprint(bare))
    browser = enter(SAM)
    client = app.test_client()
    client.set_cookie(visitor.COOKIE, browser.token)
    signed = Browser(bare, client, browser.token)
    assert "/portal/cash" not in signed.get("/portal/bills")
    assert "No shop takes cash" in signed.get("/portal/cash", status=404, lang="en")


@pytest.mark.parametrize("locale", ["en", "es"])
@pytest.mark.parametrize("medium", ["chat", "email", "voice"])
def test_whoever_asks_to_pay_hears_of_the_shops(hub: FakeHub, locale: str, medium: str) -> None:
    data = {
        "amount": "12.34", "link": "https://x/pay/1", "expires_at": hub.now().isoformat(), "autopay": False,
        "pending": "0", "texted": False,
    }  # fmt: skip

    def said(own: settings.Settings) -> str:
        return wording.render("billing.pay_link", data, locale=locale, medium=medium, house=house.house(own)).text

    assert "QuickCash" in said(hub.settings) and ("barcode" in said(hub.settings)) == (locale == "en")
    plain = said(settings.Settings())
    assert "QuickCash" not in plain and "cash" not in plain and "efectivo" not in plain
