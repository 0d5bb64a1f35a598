"""Which ways of paying a house offers: what its currency allows, or what it names. Pure."""

from core.settings import Settings

BY_CURRENCY: dict[str, tuple[str, ...]] = {
    "USD": ("card", "us_bank_account", "link"),
    "EUR": ("card", "sepa_debit", "link"),
}
ANYWHERE = ("card", "link")
DEBITS = ("us_bank_account", "sepa_debit")
_SCHEMES = {"us_bank_account": "ACH", "sepa_debit": "SEPA"}
_CURRENCIES = {"us_bank_account": "USD", "sepa_debit": "EUR"}


def offered(settings: Settings) -> tuple[str, ...]:
    """This will give what may be paid with. A debit scheme that does not know the currency is never offered."""
    currency = settings.currency.upper()
    named = settings.payment_methods or BY_CURRENCY.get(currency, ANYWHERE)
    return tuple(m for m in named if _CURRENCIES.get(m, currency) == currency)


def kept(settings: Settings) -> tuple[str, ...]:
    """This will give what may be kept for later: what is offered, but for a wallet, which keeps itself."""
    return tuple(m for m in offered(settings) if m != "link")


def scheme(method: str | None) -> str | None:
    """This will give the scheme by which a bank account is debited; None for what is no debit."""
    return _SCHEMES.get(method or "")


def of_scheme(scheme: str | None) -> str:
    """This will give the method of a mandate's scheme; without a mandate it is a card."""
    return next((method for method, own in _SCHEMES.items() if own == scheme), "card")
