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


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en", ("IBAN ending in 3000", "Mandate A1B2C3", "2 days before", "within 8 weeks", "within 13 months")),
        ("es", ("IBAN terminado en 3000", "Mandato A1B2C3", "2 días antes", "dentro de 8 semanas", "13 meses")),
    ],
)
def test_a_sepa_mandate_is_shown_with_what_its_payer_may_do(
    hub: FakeHub, enter: Enter, locale: str, words: tuple[str, ...]
) -> None:
    browser = enter(MAYA)
    with hub.transaction() as session:
        account = accounts.find_account_by_number(session, number=MAYA)
        assert account is not None
        billing.keep_method(
            session, account_id=account.id, gateway="stripe", method_id="pm_s", gateway_customer_id="cus_s",
            kind="BANK", last4="3000", now=hub.now(), scheme="SEPA", reference="A1B2C3",
        )  # fmt: skip
    page = browser.get("/portal/account", lang=locale)
    assert [word for word in words if word not in page] == []


def test_a_method_is_kept_on_the_gateways_own_page(hub: FakeHub, enter: Enter) -> None:
    browser = enter(MAYA)
    page = browser.get("/portal/account")
    assert 'value="us_bank_account"' in page and "sepa_debit" not in page  # the house is paid in dollars
    address = browser.post("/portal/account/method", status=303, method="us_bank_account")
    ((key, asked),) = hub.payments.setups.items()  # type: ignore[attr-defined]
    assert address == f"https://pay.example/{key}" and asked["methods"] == ("us_bank_account",)
    with hub.transaction() as session:
        account = accounts.find_account_by_number(session, number=MAYA)
        assert account is not None and asked["reference"] == f"account:{account.id}"
    browser.post("/portal/account/method", status=422, method="sepa_debit")
    browser.post("/portal/account/method", status=422)
    assert len(hub.payments.setups) == 1  # type: ignore[attr-defined]
    assert 'role="status"' in browser.get("/portal/account?result=done")


def test_a_stranger_and_a_forged_form_open_no_page(hub: FakeHub, enter: Enter) -> None:
    browser = enter(MAYA)
    browser.post("/portal/account/method", status=409, csrf=False, method="card")
    assert hub.payments.setups == {}  # type: ignore[attr-defined]


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
