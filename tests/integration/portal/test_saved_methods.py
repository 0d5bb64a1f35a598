"""Cards and bank accounts kept for the next payment: listed, told apart, and taken away by their owner alone."""

from collections.abc import Callable

import pytest

from billing import operations as billing
from billing import queries as bills
from core.accounts import queries as accounts
from tests.conftest import FakeHub
from tests.integration.portal.conftest import Browser

Enter = Callable[[str], Browser]
MAYA, CAFE = "5500010011", "5500010128"


def keep(hub: FakeHub, number: str, kind: str, last4: str) -> int:
    with hub.transaction() as session:
        account = accounts.find_account_by_number(session, number=number)
        assert account is not None
        return billing.keep_method(
            session, account_id=account.id, gateway="stripe", method_id=f"pm_{number}_{last4}",
            gateway_customer_id=f"cus_{number}", kind=kind, last4=last4, now=hub.now(),
        ).id  # fmt: skip


def kept(hub: FakeHub, number: str) -> list[tuple[str, bool]]:
    with hub.transaction() as session:
        account = accounts.find_account_by_number(session, number=number)
        assert account is not None
        return [(m.last4, m.autopay) for m in bills.list_saved_methods(session, account_id=account.id)]


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en", ("Card ending in 4242", "Bank account ending in 6789", "10 days before", "pays your bills")),
        (
            "es",
            ("Tarjeta terminada en 4242", "Cuenta bancaria terminada en 6789", "10 días", "paga sus facturas"),
        ),
    ],
)
def test_what_is_kept_is_listed_and_can_be_taken_away(
    hub: FakeHub, enter: Enter, locale: str, words: tuple[str, ...]
) -> None:
    browser, before = enter(MAYA), kept(hub, MAYA)
    keep(hub, MAYA, "CARD", "4242")
    bank = keep(hub, MAYA, "BANK", "6789")
    browser.post("/portal/account", act="autopay", on="yes", method=str(bank))
    page = browser.get("/portal/account", lang=locale)
    assert all(word in page for word in words) and "None" not in page
    assert kept(hub, MAYA)[:2] == [("6789", True), ("4242", False)]
    location = browser.post("/portal/account", act="remove_method", method=str(bank))
    assert kept(hub, MAYA)[0] == ("4242", False) and len(kept(hub, MAYA)) == len(before) + 1
    page = browser.get(location)
    assert "6789" not in page and 'role="status"' in page


def test_another_accounts_method_is_not_there_to_be_removed(hub: FakeHub, enter: Enter) -> None:
    theirs = keep(hub, CAFE, "CARD", "1881")
    browser = enter(MAYA)
    assert "1881" not in browser.get("/portal/account")
    browser.post("/portal/account", status=404, act="remove_method", method=str(theirs))
    browser.post("/portal/account", status=404, act="autopay", on="yes", method=str(theirs))
    assert ("1881", False) in kept(hub, CAFE)


@pytest.mark.parametrize("wrong", ["", "x", "\u00b2", "-1", "9" * 30])
def test_a_form_that_names_no_row_is_refused(enter: Enter, wrong: str) -> None:
    browser = enter(MAYA)
    browser.post("/portal/account", status=422, act="remove_method", method=wrong)
    browser.post("/portal/plan", status=422, months=wrong)
