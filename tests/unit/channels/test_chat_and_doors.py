"""The chat's reading and writing, the head-end's lines, and what every door shares."""

import json
import pathlib
from datetime import timedelta
from decimal import Decimal

import pytest
from flask import Blueprint, Flask, request

import channels.web_chat
from channels import edge
from channels.meters import parse as meters
from channels.web_chat import parse, render, visitors
from core import errors, wording
from metering.formats import told
from tests.unit.channels.made import NOW, SETTINGS

WIDGET = pathlib.Path(channels.web_chat.__file__).parent / "static" / "widget.js"


def test_a_visitor_is_a_token_we_signed_and_the_identity_does_not_give_it_away() -> None:
    token = visitors.new(SETTINGS.secret_key)
    identity = visitors.identity(SETTINGS.secret_key, token)
    assert identity is not None
    assert token.split(".")[0] not in identity
    assert visitors.identity("other", token) is None
    for forged in (None, "", "x", token[:-1] + ("0" if token[-1] != "0" else "1"), "a" * 43 + "." + "0" * 32):
        assert visitors.identity(SETTINGS.secret_key, forged) is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "x"},
        {"text": "x", "client_id": "short"},
        {"text": "x", "client_id": "a b c d e f g"},
        {"text": " \n ", "client_id": "12345678"},
        {"text": 7, "client_id": "12345678"},
        {"choice": {"a": 1}, "client_id": "12345678"},
        {"choice": "/affirm", "client_id": "12345678"},
    ],
)
def test_a_chat_message_that_cannot_be_right(body: dict[str, object]) -> None:
    with pytest.raises(errors.Invalid):
        parse.inbound(body, identity="i" * 64, now=NOW)


def test_a_typed_slash_is_only_text_and_a_choice_only_a_token() -> None:
    typed = parse.inbound({"text": "/affirm", "client_id": "12345678"}, identity="i" * 64, now=NOW)
    assert (typed.text, typed.payload, typed.choice_token) == ("/affirm", None, None)
    assert typed.external_id == "i" * 24 + ":12345678"
    chosen = parse.inbound({"choice": "tok-1", "client_id": "12345678"}, identity="i" * 64, now=NOW)
    assert (chosen.choice_token, chosen.payload) == ("tok-1", None)


def test_a_cursor_is_read_or_is_the_start() -> None:
    assert parse.cursor("12-7") == (12, 7)
    for odd in (None, "", "7", "-1-2", "a-b", "1-2-3", "9" * 30 + "-1"):
        assert parse.cursor(odd) == (0, 0)


def test_an_event_is_one_line_whatever_is_said() -> None:
    text = render.event("message", {"text": "a\n\nevent: x\r\u2028b"}, id="1-2")
    assert text.count("\n\n") == 1
    assert text.endswith("\n\n")
    assert json.loads(text.split("data: ")[1])["text"] == "a\n\nevent: x\r\u2028b"


def test_the_widget_is_small_and_never_writes_markup() -> None:
    source = WIDGET.read_text()
    assert len(source.encode()) < 28_000
    for never in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert never not in source, never
    for always in ('role: "log"', 'role: "status"', 'role: "alert"', "prefers-reduced-motion", 'dir: "auto"'):
        assert always in source, always


def test_the_widget_says_nothing_the_catalogues_do_not() -> None:
    for locale in SETTINGS.locales:
        said = render.strings(locale, edge.house(SETTINGS))
        assert all(said[name] for name in render.STRINGS)


def test_both_languages_have_the_same_sentences() -> None:
    mine = [{kind for kind in wording.kinds(locale) if kind.startswith("channels.")} for locale in ("en", "es")]
    assert mine[0] == mine[1]
    assert mine[0]


LINE = {"meter": "M-1", "starts_at": "2026-11-22T00:00:00+00:00", "wh": [100, -1, 300]}


def test_lines_of_reads_are_read_and_bad_ones_do_not_stop_the_rest() -> None:
    bad = [
        b"{", b"[]", b'"x"', json.dumps({**LINE, "starts_at": "2026-11-22T00:00:00"}).encode(),
        json.dumps({**LINE, "wh": [1.5]}).encode(), json.dumps({**LINE, "wh": [2**63]}).encode(),
        json.dumps({**LINE, "wh": [True]}).encode(), json.dumps({**LINE, "interval_minutes": 7}).encode(),
        json.dumps({**LINE, "quality": ["ACTUAL"]}).encode(), json.dumps({**LINE, "quality": "EDITED"}).encode(),
        json.dumps({**LINE, "meter": ""}).encode(), json.dumps({"meter": "M-1"}).encode(), b"[" * 100_000,
        json.dumps({"meter": "M-1", "read_at": "2026-11-22T00:00:00Z", "value": "NaN"}).encode(), b"\xff\x00",
    ]  # fmt: skip
    read = list(meters.lines([*bad, b"", json.dumps(LINE).encode()]))
    assert [type(one) for one in read] == [told.Unreadable] * len(bad) + [told.Run]
    assert isinstance(read[-1], told.Run)
    assert (read[-1].wh.tolist(), read[-1].quality.tolist()) == ([100, -1, 300], [3, 0, 3])
    assert [one.line for one in read[:-1] if isinstance(one, told.Unreadable)] == list(range(1, len(bad) + 1))


def test_a_dial_is_read_beside_intervals_and_what_it_sent_out() -> None:
    dial = {"meter": "R-1", "read_at": "2026-11-22T09:30:00-05:00", "value": "10482.5", "direction": "RECEIVED"}
    (read,) = meters.lines([json.dumps(dial).encode()], 7)
    assert isinstance(read, told.Dial)
    assert (read.value, read.direction, read.read_at.isoformat(), read.line) == (
        Decimal("10482.500"), "RECEIVED", "2026-11-22T14:30:00+00:00", 7,
    )  # fmt: skip


def test_a_push_is_signed_and_fresh() -> None:
    body = b'{"meter": "\xff"}'
    at = str(int(NOW.timestamp()))
    header = f"t={at},v1={meters.signature('s', at, body)}"
    assert meters.is_signed("s", header, body, NOW)
    assert not meters.is_signed("s", header, body + b" ", NOW)
    assert not meters.is_signed("other", header, body, NOW)
    assert not meters.is_signed("s", header, body, NOW + timedelta(minutes=6))
    assert not meters.is_signed("s", header, body, NOW - timedelta(minutes=6))
    for odd in (None, "", "t=,v1=", "v1=x", "t=٣,v1=x", f"t={at},v1=é"):
        assert not meters.is_signed("s", odd, body, NOW)


def test_errors_become_http_without_a_trace() -> None:
    app = Flask("test")
    door = edge.guard(Blueprint("door", "door"), limit=100)
    raised: list[Exception] = [
        errors.Invalid("a.b"), errors.NotFound("a.b"), errors.Refused("a.b"), errors.Refused("webhook.signature"),
        errors.ProviderError("a.b", retry_after=2.0), errors.ProviderError("a.b", retryable=False),
        ValueError("secret words"),
    ]  # fmt: skip

    @door.post("/<int:n>")
    def fail(n: int) -> str:
        raise raised[n]

    @door.post("/json")
    def body() -> str:
        edge.json_body()
        return "ok"

    @door.post("/read")
    def read() -> str:
        return str(len(request.get_data()))

    app.register_blueprint(door)
    client = app.test_client()
    answers = [client.post(f"/{n}") for n in range(len(raised))]
    assert [a.status_code for a in answers] == [422, 404, 409, 403, 503, 502, 500]
    assert answers[4].headers["Retry-After"] == "2"
    assert all("secret" not in a.text and "Traceback" not in a.text for a in answers)
    assert client.post("/json", data="{", content_type="application/json").status_code == 400
    assert client.post("/json", data="[]", content_type="application/json").status_code == 400
    assert client.post("/json", data="{}").status_code == 400
    assert client.post("/read", data=b"x" * 101).status_code == 413
    assert client.get("/json").status_code == 405
