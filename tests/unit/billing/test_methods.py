"""Which ways of paying a house offers, and what a German test IBAN is."""

import pytest

from billing import methods
from core.settings import Settings
from ops_admin.sandbox import stripe_debits


@pytest.mark.parametrize(
    ("currency", "named", "offered", "kept"),
    [
        ("USD", (), ("card", "us_bank_account", "link"), ("card", "us_bank_account")),
        ("EUR", (), ("card", "sepa_debit", "link"), ("card", "sepa_debit")),
        ("eur", ("sepa_debit",), ("sepa_debit",), ("sepa_debit",)),
        ("EUR", ("card", "us_bank_account"), ("card",), ("card",)),
        ("CAD", (), ("card", "link"), ("card",)),
    ],
)
def test_the_currency_decides_unless_the_house_does(currency, named, offered, kept):
    settings = Settings(currency=currency, payment_methods=named)
    assert (methods.offered(settings), methods.kept(settings)) == (offered, kept)


def test_a_scheme_is_one_method_and_back():
    assert [methods.of_scheme(methods.scheme(m)) for m in ("us_bank_account", "sepa_debit", "card")] == [
        "us_bank_account", "sepa_debit", "card",
    ]  # fmt: skip
    assert methods.scheme(None) is None


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("DE89370400440532013000", True),
        ("DE65370400440002222227", True),
        ("DE35370400440532013002", True),
        ("DE89370400440532013001", False),
        ("DE8937040044053201300", False),
        ("", False),
        ("0000000000000000", False),
    ],
)
def test_an_iban_is_checked_by_its_digits(text, good):
    assert stripe_debits.iban(text) is good
