"""Signing in: a code to the contact on file, the same pages for everybody, and nothing without a session."""

import pytest

from channels.portal import visitor
from core import outbox
from tests.conftest import FakeHub
from tests.integration.portal.conftest import Browser, code_sent


@pytest.mark.parametrize(
    ("typed", "channel"),
    [("Maya.Chen@example.com ", "EMAIL"), ("(555) 010-1001", "SMS"), ("5500010011", "SMS")],
)  # fmt: skip
def test_a_code_opens_the_house(hub: FakeHub, stranger: Browser, typed: str, channel: str) -> None:
    stranger.post("/portal/sign-in", status=200, csrf=False, identifier=typed)
    code = code_sent(hub, channel)
    assert stranger.post("/portal/code", csrf=False, code=f"{code[:3]} {code[3:]}") == "/portal/"
    assert "Maya Chen" in stranger.get("/portal/")


def test_nobody_learns_whether_an_address_is_known(hub: FakeHub, stranger: Browser) -> None:
    known = stranger.post("/portal/sign-in", status=200, csrf=False, identifier="maya.chen@example.com")
    outbox.drain(hub)
    sent = len(hub.channels["EMAIL"].sent)  # type: ignore[attr-defined]
    for typed in ("nobody@example.com", "+15550109999", "5599999999", "", "' OR 1=1 --", "😀" * 300):
        assert stranger.post("/portal/sign-in", status=200, csrf=False, identifier=typed) == known
        stranger.post("/portal/code", status=403, csrf=False, code="123456")
    outbox.drain(hub)
    assert len(hub.channels["EMAIL"].sent) == sent  # type: ignore[attr-defined]


def test_a_wrong_code_does_not_open_and_five_of_them_lock(hub: FakeHub, stranger: Browser) -> None:
    stranger.post("/portal/sign-in", status=200, csrf=False, identifier="5500010011")
    code = code_sent(hub, "SMS")
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    for _ in range(5):
        assert 'role="alert"' in stranger.post("/portal/code", status=403, csrf=False, code=wrong)
    stranger.post("/portal/code", status=403, csrf=False, code=code)
    stranger.post("/portal/code", status=403, csrf=False, code="")


def test_a_code_is_good_once_and_for_ten_minutes(hub: FakeHub, stranger: Browser) -> None:
    stranger.post("/portal/sign-in", status=200, csrf=False, identifier="5500010011")
    code = code_sent(hub, "SMS")
    hub.clock.move(minutes=11)
    stranger.post("/portal/code", status=403, csrf=False, code=code)


def test_without_a_session_the_way_leads_to_the_entrance_and_back(hub: FakeHub, stranger: Browser) -> None:
    response = stranger.client.get("/portal/usage?view=day")
    assert response.status_code == 302 and "/portal/sign-in?then=" in response.headers["Location"]
    stranger.post("/portal/sign-in", status=200, csrf=False, identifier="5500010011", then="/portal/usage?view=day")
    code = code_sent(hub, "SMS")
    then = "/portal/usage?view=day"
    assert stranger.post("/portal/code", csrf=False, code=code, then=then) == then


@pytest.mark.parametrize("then", ["https://evil.example/", "//evil.example", "/portal/\\evil", "/pay/x"])
def test_nobody_is_led_elsewhere(hub: FakeHub, stranger: Browser, then: str) -> None:
    stranger.post("/portal/sign-in", status=200, csrf=False, identifier="5500010011")
    assert stranger.post("/portal/code", csrf=False, code=code_sent(hub, "SMS"), then=then) == "/portal/"


def test_forms_without_the_token_change_nothing_and_signing_out_ends_the_session(hub: FakeHub, enter) -> None:  # type: ignore[no-untyped-def]
    browser: Browser = enter("5500010011")
    for path in ("/portal/pay", "/portal/account", "/portal/plans", "/portal/requests", "/portal/sign-out"):
        response = browser.client.post(path, data={"act": "paperless", "on": "yes", "csrf": "0" * 40})
        assert response.status_code == 409, path
    browser.get("/portal/account")
    browser.post("/portal/sign-out")
    browser.client.set_cookie(visitor.COOKIE, browser.token)
    assert browser.client.get("/portal/account").status_code == 302


def test_a_session_ends_by_itself(hub: FakeHub, enter) -> None:  # type: ignore[no-untyped-def]
    browser: Browser = enter("5500010011")
    hub.clock.move(hours=2)
    assert browser.client.get("/portal/").status_code == 302
