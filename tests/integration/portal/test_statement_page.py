"""The statement: the ledger in words, adding up to the balance, also as a file."""

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal

import pytest

from billing import models
from billing import queries as bills
from core import wording
from core.accounts import queries as accounts
from tests.conftest import FakeHub
from tests.integration.portal.conftest import Browser

Enter = Callable[[str], Browser]
MAYA = "5500010011"


@pytest.mark.parametrize("locale", ["en", "es"])
def test_the_statement_ends_in_the_balance(hub: FakeHub, enter: Enter, locale: str) -> None:
    browser = enter(MAYA)
    page = browser.get("/portal/statement", lang=locale)
    assert "portal.journal" not in page and "portal.statement." not in page and "None" not in page
    file = browser.client.get("/portal/statement.csv", query_string={"lang": locale})
    assert file.mimetype == "text/csv" and "attachment" in file.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(file.data.decode("utf-8-sig"))))
    amounts = [Decimal(row[2]) for row in rows[2:]]
    assert len(rows) > 10 and Decimal(rows[1][3]) + sum(amounts) == Decimal(rows[-1][3])
    with hub.transaction() as session:
        account = accounts.find_account_by_number(session, number=MAYA)
        assert account is not None
        balance = bills.get_balance(session, account_id=account.id, now=hub.now()).amount
    assert Decimal(rows[-1][3]) == balance


def test_months_are_whole_and_in_order(enter: Enter) -> None:
    browser = enter(MAYA)
    assert "Nothing happened" in browser.get("/portal/statement", lang="en", **{"from": "2001-01", "until": "2001-02"})
    for first, last in (("2026-05", "2026-04"), ("x", ""), ("2026-13", ""), ("0001-01", "9999-12"), ("2001-01", "")):
        page = browser.get("/portal/statement", status=422, lang="en", **{"from": first, "until": last})
        assert "first day before its last" in page


def test_every_kind_of_the_ledger_has_words() -> None:
    check = next(str(c.sqltext) for c in models.LedgerJournalRow.__table__.constraints if str(c.name).endswith("kind"))
    kinds = re.findall(r"'(\w+)'", check)
    for locale in ("en", "es"):
        assert {f"portal.journal.{kind.lower()}" for kind in kinds} <= set(wording.kinds(locale))
    assert len(kinds) > 20
