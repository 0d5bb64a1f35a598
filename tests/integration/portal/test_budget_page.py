"""Budget billing on the website: an offer in figures, in by one form, out by another, and refusals in words."""

from collections.abc import Callable

import pytest

from billing import queries as bills
from core.accounts import queries as accounts
from tests.conftest import FakeHub
from tests.integration.portal.conftest import Browser

Enter = Callable[[str], Browser]
MAYA, CAFE = "5500010011", "5500010128"


def held(hub: FakeHub, number: str) -> bills.Budget | None:
    with hub.transaction() as session:
        account = accounts.find_account_by_number(session, number=number)
        assert account is not None
        return bills.find_budget(session, account_id=account.id, now=hub.now())


@pytest.mark.parametrize(("locale", "join", "leave"), [
    ("en", "Pay this amount every month", "Leave budget billing"),
    ("es", "Pagar este monto cada mes", "Dejar el pago nivelado"),
])  # fmt: skip
def test_in_and_out(hub: FakeHub, enter: Enter, locale: str, join: str, leave: str) -> None:
    browser = enter(MAYA)
    page = browser.get("/portal/budget", lang=locale)
    assert join in page and "$" in page and "None" not in page
    stated = browser.get("/portal/budget", lang=locale, kwh="500")
    assert join in stated and 'value="500"' in stated
    browser.post("/portal/budget", kwh="500")
    budget = held(hub, MAYA)
    assert budget is not None and budget.status == "ACTIVE" and budget.level > 0
    page = browser.get("/portal/budget", lang=locale)
    assert leave in page and f"${budget.level}" in page and "None" not in page
    browser.post("/portal/budget/leave")
    ended = held(hub, MAYA)
    assert ended is not None and ended.status == "ENDED"


def test_refusals_are_words(hub: FakeHub, enter: Enter) -> None:
    assert "Budget billing is for homes." in enter(CAFE).get("/portal/budget", lang="en")
    browser = enter(MAYA)
    for wrong in ("abc", "0", "-3", "NaN", "1e99"):
        assert "kWh a month" in browser.get("/portal/budget", lang="en", kwh=wrong)
    browser.post("/portal/budget/leave", status=404)
    browser.post("/portal/budget", status=409, csrf=False)
    assert held(hub, MAYA) is None
