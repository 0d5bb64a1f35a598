"""The website in a real browser: at two sizes, in two lights, without a mouse."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, Tab, barriers
from tests.stack.running import RunningStack, Sandbox, wait_for

PAGES = (
    "",
    "bills",
    "cash",
    "usage",
    "usage?view=day",
    "outages",
    "requests",
    "plans",
    "plans/RES-CAR",
    "plans/RES-TOU",
    "programs",
    "messages",
    "account",
)


def sign_in(page: Page, stack: RunningStack, sandbox: Sandbox, *, number: str, account: str) -> None:
    before = {m["text"] for m in sandbox.get(f"/api/phone/{number}/messages", channel="sms")["messages"]}
    page.goto(f"{stack.web}/portal/sign-in")
    page.get_by_label("E-mail, phone or account number").fill(account)
    page.keyboard.press("Enter")

    def code() -> str | None:
        for message in sandbox.get(f"/api/phone/{number}/messages", channel="sms")["messages"]:
            found = re.search(r"(?:code is|código es)\s*:?\s*(\d{6})", message["text"])
            if found and message["text"] not in before:
                return found.group(1)
        return None

    page.get_by_label("Six-digit code").fill(str(wait_for("a code on the phone", code)))
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/")


@pytest.fixture(scope="module")
def cookies(stack: RunningStack, sandbox: Sandbox, chromium):  # type: ignore[no-untyped-def]
    """Sam, signed in once; the cookies serve the tabs that follow."""
    context = chromium.new_context()
    sign_in(context.new_page(), stack, sandbox, number="+15550101008", account="5500010086")
    kept = context.cookies()
    context.close()
    return kept


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")])
def test_every_page_fits_and_keeps_nobody_out(tab: Tab, stack: RunningStack, cookies, size, scheme: str) -> None:  # type: ignore[no-untyped-def]
    page = tab(size, scheme, cookies)
    for name in PAGES:
        page.goto(f"{stack.web}/portal/{name}")
        expect(page.locator("h1")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the screen"
        assert barriers(page) == [], name
    page.goto(f"{stack.web}/portal/bills")
    page.locator("td a[href^='/portal/bills/']").first.click()
    expect(page.locator("tfoot")).to_be_visible()
    assert barriers(page) == []


@pytest.mark.parametrize(
    "path",
    [
        "/portal/sign-in",
        "/portal/outages",
        "/chat/",
        "/ops/",
        "/ops/runs",
        "/ops/money",
        "/ops/money/account/5500010086",
        "/ops/letters",
    ],
)
def test_pages_without_a_session(tab: Tab, stack: RunningStack, path: str) -> None:
    page = tab(PHONE)
    page.goto(stack.web + path)
    expect(page.locator("h1").first).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert barriers(page) == []


def test_the_chat_by_keyboard_knows_who_is_signed_in(tab: Tab, stack: RunningStack, cookies) -> None:  # type: ignore[no-untyped-def]
    page = tab(DESK, "light", cookies)
    page.goto(f"{stack.web}/portal/")
    launcher = page.locator("wattline-chat button.launcher")
    expect(launcher).to_have_attribute("aria-expanded", "false")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "WATTLINE-CHAT":
            break
    page.keyboard.press("Enter")
    expect(page.locator("wattline-chat textarea")).to_be_focused()
    page.keyboard.type("What is my balance?")
    page.keyboard.press("Enter")
    shown = re.findall(r"\$[\d,]+\.\d\d", page.locator(".hero .figure").inner_text())
    expect(page.locator("wattline-chat .log")).to_contain_text(shown[0])  # no code: the session says who it is
    assert barriers(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("wattline-chat .panel")).to_be_hidden()
    expect(launcher).to_be_focused()


def test_a_day_for_a_switch_is_chosen_by_keyboard_or_by_its_card_and_the_switch_taken_back(
    tab: Tab, stack: RunningStack, cookies
) -> None:  # type: ignore[no-untyped-def]
    page = tab(PHONE, "light", cookies)
    page.goto(f"{stack.web}/portal/plans/RES-TOU?lang=en")
    days = page.get_by_role("group", name="When should it start?").get_by_role("radio")
    expect(days).to_have_count(3)
    days.nth(1).focus()
    page.keyboard.press("ArrowDown")
    expect(days.nth(2)).to_be_checked()
    expect(days.nth(2)).to_have_accessible_description(re.compile("You can undo it until"))
    page.locator(".day").nth(1).click()  # the whole card is the label
    expect(days.nth(1)).to_be_checked()
    page.get_by_role("button", name="Switch to this plan").click()
    expect(page.locator("main")).to_contain_text("You will move to Time of Day")
    assert barriers(page) == []
    page.get_by_role("button", name="Take the last change back").click()
    expect(page.get_by_role("status")).to_contain_text("Taken back")
    expect(page.locator("main")).not_to_contain_text("You will move")


def test_usage_and_bills_work_without_scripts(stack: RunningStack, chromium, cookies) -> None:  # type: ignore[no-untyped-def]
    context = chromium.new_context(java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(f"{stack.web}/portal/usage")
    page.get_by_role("link", name="Week").click()
    expect(page.locator("svg.chart.wide")).to_be_visible()
    context.close()
