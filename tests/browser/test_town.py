"""The sandbox page as a person uses it: every door from the customer's side, and the agent's side beside it."""

import re
from datetime import UTC, datetime

import stripe
from playwright.sync_api import Page, expect

from billing import queries as bills
from core import db
from core.accounts import queries as accounts
from tests.browser.conftest import PHONE, Tab, barriers
from tests.stack.running import RunningStack, wait_for

CODE = r"code is (\d{6})"


def enter(page: Page, stack: RunningStack, who: str) -> Page:
    page.goto(stack.sandbox)
    page.locator(f"#people [data-key={who}]").click()
    expect(page.locator(f"#people [data-key={who}]")).to_have_attribute("aria-checked", "true")
    expect(page.locator("#main")).not_to_have_attribute("aria-busy", "true")  # this person's messages are drawn
    return page


def say(page: Page, text: str) -> None:
    page.locator("wattline-chat textarea").fill(text)
    page.keyboard.press("Enter")


def balance_of(stack: RunningStack, number: str) -> str:
    with db.transaction(db.sessions(stack.engine)) as session:
        account = accounts.find_account_by_number(session, number=number)
        assert account is not None
        amount = bills.get_balance(session, account_id=account.id, now=datetime.now(UTC)).amount
    return f"${amount:,.2f}"


def test_a_balance_by_chat_after_a_code_on_the_phone(tab: Tab, stack: RunningStack) -> None:
    page = enter(tab(), stack, "maya")
    phone = page.locator("#sms-log")
    old = re.findall(CODE, phone.inner_text())
    page.locator("#open-chat").click()
    log = page.locator("wattline-chat .log")
    say(page, "What is my balance?")
    expect(log).to_contain_text("account number")
    say(page, "5500010011")
    codes = wait_for("a new code on the phone", lambda: re.findall(CODE, phone.inner_text())[len(old) :])
    code = codes[-1]
    say(page, code)
    expect(log).to_contain_text(balance_of(stack, "5500010011"))
    assert code not in log.inner_text()  # what was typed is blotted out once it was used
    assert barriers(page) == []


# sessions that open slowly, one slower than the other
_SLOWLY = """(() => { const real = window.fetch; window.sessions = 0;
  window.fetch = async (...given) => {
    if (String(given[0]).endsWith("/chat/sessions")) {
      window.sessions += 1;
      await new Promise((done) => setTimeout(done, 6000 - 1500 * window.sessions));
    }
    return real(...given);
  }; })()"""


def test_who_writes_before_the_chat_is_open_is_answered(tab: Tab, stack: RunningStack) -> None:
    page = tab()
    page.add_init_script(_SLOWLY)
    enter(page, stack, "maya")
    page.locator("#open-chat").click()
    say(page, "What is my balance?")
    expect(page.locator("wattline-chat .log")).to_contain_text("account number")
    assert page.evaluate("window.sessions") == 1


def test_a_text_from_the_phone_is_answered(tab: Tab, stack: RunningStack) -> None:
    page = enter(tab(PHONE), stack, "omar")
    answers = page.locator("#sms-log .msg:not(.mine)")
    heard = answers.count()
    page.locator("#sms-text").fill("What can you do?")
    page.keyboard.press("Enter")
    wait_for("an answer on the phone", lambda: answers.count() > heard)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert barriers(page) == []


def test_a_call_by_keys_alone(tab: Tab, stack: RunningStack) -> None:
    page = enter(tab(), stack, "hugo")
    page.locator("#tab-call").click()
    page.locator("#dial").click()
    expect(page.locator("#call-log")).to_contain_text("Brightwater")
    expect(page.locator("#keypad button").first).to_be_enabled()
    before = page.locator("#call-log").inner_text()
    page.locator("#keypad button", has_text="1").first.click()
    page.wait_for_function("was => document.querySelector('#call-log').innerText.length > was + 20", arg=len(before))
    page.locator("#hangup").click()
    expect(page.locator("#dial")).to_be_enabled()


def test_an_agents_answer_reaches_the_chat(tab: Tab, stack: RunningStack) -> None:
    page = enter(tab(), stack, "dana")
    page.locator("#open-chat").click()
    say(page, "I want to talk to a person, please. It is about meter 4711.")
    waiting = page.locator("#tickets .group", has_text="Waiting for agent").locator("button")

    def mine() -> bool:
        for ticket in waiting.all():
            ticket.click()
            page.wait_for_timeout(700)
            if "4711" in page.locator("#ticket").inner_text():
                return True
        page.wait_for_timeout(300)
        return False

    wait_for("a ticket with what was asked", mine)
    answer = page.locator("#answer")
    expect(answer).to_be_visible()
    answer.fill("Hello, this is Priya. I am looking at it now.")
    page.locator("form.answer button").click()
    expect(page.locator("wattline-chat .log")).to_contain_text("this is Priya")
    assert barriers(page) == []


def test_the_payers_bank_sends_back_and_disputes(tab: Tab, stack: RunningStack) -> None:
    settings = stack.run["environment"]
    client = stripe.StripeClient(
        settings["STRIPE_API_KEY"], base_addresses={"api": settings["STRIPE_API_BASE"]}, max_network_retries=0
    )

    def pay(method: str, sort: str) -> str:
        wanted = {"amount": 4711, "currency": "usd", "payment_method": method, "payment_method_types": [sort]}
        return str(client.v1.payment_intents.create({**wanted, "confirm": True}).id)

    page = enter(tab(), stack, "omar")
    debit, card = pay("pm_usBankAccount", "us_bank_account"), pay("pm_card_visa", "card")
    page.locator("#open-drawer").click()
    line = page.locator(f"[data-payment={debit}]")
    expect(line).to_contain_text("$47.11 bank account")
    line.get_by_role("button", name="Return it").click()
    expect(line).to_contain_text("not paid")
    line = page.locator(f"[data-payment={card}]")
    line.get_by_role("button", name="Dispute it").click()
    expect(line).to_contain_text("disputed")
    assert barriers(page) == []
    line.get_by_role("button", name="We win").click()
    expect(line).to_contain_text("dispute won")
