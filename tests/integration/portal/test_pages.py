"""Every page opens for every kind of customer, in both languages, without a word missing."""

from collections.abc import Callable

import pytest

from tests.integration.portal.conftest import Browser

PAGES = (
    "/portal/", "/portal/bills", "/portal/usage", "/portal/usage?view=day", "/portal/usage?view=week",
    "/portal/usage?view=year", "/portal/outages", "/portal/requests", "/portal/plans", "/portal/plans/RES-FLAT",
    "/portal/plans/BUS-SMALL", "/portal/plans/RES-CAR", "/portal/programs",
    "/portal/messages", "/portal/account",
)  # fmt: skip
MAYA, BEN, ROSA, NORA, CAFE = "5500010011", "5500010060", "5500010053", "5500010094", "5500010128"


@pytest.mark.parametrize("account", [MAYA, BEN, ROSA, NORA, CAFE])
@pytest.mark.parametrize("locale", ["en", "es"])
def test_every_page_opens(enter: Callable[[str], Browser], account: str, locale: str) -> None:
    browser = enter(account)
    for path in PAGES:
        page = browser.get(path, lang=locale) if "?" not in path else browser.get(f"{path}&lang={locale}")
        assert f'<html lang="{locale}">' in page
        assert "portal." not in page.replace("portal.css", "").replace("portal.js", ""), path
