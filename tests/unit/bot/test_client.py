"""The assistant's client against a small real HTTP server that answers as the channel does."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bot.client import RasaAssistant
from core import db, errors
from core.ports import Choice, Reply, Turn

TURN = Turn(conversation="c1", turn_id="t1", channel="SMS", locale="es", text="hola")
GOOD = {
    "messages": [
        {
            "kind": "greet",
            "data": {"name": "Ana"},
            "choices": [{"label": "choice.menu", "payload": "/help", "data": {}, "colour": "blue"}],
            "later": 1,
        }
    ],
    "intent": "greet",
    "confidence": 0.93,
    "version": 2,
}


class Twin:
    def __init__(self) -> None:
        self.status, self.body, self.seen = 200, json.dumps(GOOD), list[dict[str, Any]]()
        self.wait = threading.Event()
        self.slow = False
        twin = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                twin.seen.append(
                    {"path": self.path, "auth": self.headers["Authorization"], **json.loads(self.rfile.read(length))}
                )
                if twin.slow:
                    twin.wait.wait(2)
                self._send()

            def do_GET(self) -> None:
                self._send()

            def _send(self) -> None:
                self.send_response(twin.status)
                self.end_headers()
                self.wfile.write(twin.body.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.wait.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def start() -> Iterator[Callable[[], Twin]]:
    twins: list[Twin] = []

    def one() -> Twin:
        twins.append(Twin())
        return twins[-1]

    yield one
    for twin in twins:
        twin.close()


def client(*twins: Twin, timeout: float = 2.0) -> RasaAssistant:
    return RasaAssistant(urls=[twin.url for twin in twins], token="secret", timeout=timeout)


def test_a_turn_is_sent_and_read(start: Callable[[], Twin]) -> None:
    twin = start()
    answer = client(twin).ask(TURN)
    assert answer.replies == (Reply("greet", {"name": "Ana"}, (Choice("choice.menu", "/help"),)),)
    assert (answer.intent, answer.confidence) == ("greet", 0.93)
    assert twin.seen == [
        {
            "path": "/webhooks/hub/webhook",
            "auth": "Bearer secret",
            "sender": "c1",
            "turn_id": "t1",
            "channel": "SMS",
            "locale": "es",
            "text": "hola",
        }
    ]


def test_a_payload_never_travels_as_text(start: Callable[[], Twin]) -> None:
    twin = start()
    client(twin).ask(Turn("c1", "t2", "SMS", "en", payload="/affirm"))
    assert twin.seen[0]["payload"] == "/affirm"
    assert "text" not in twin.seen[0]


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable"),
    [
        (200, '{"messages": []}', "assistant.silent", True),
        (200, "<html>", "assistant.unreadable", True),
        (200, '{"messages": [{"data": {}}]}', "assistant.unreadable", True),
        (502, "{}", "assistant.failed", True),
        (401, "{}", "assistant.failed", False),
        (400, "{}", "assistant.failed", False),
    ],
)
def test_anything_but_an_answer_is_an_error(
    start: Callable[[], Twin], status: int, body: str, code: str, retryable: bool
) -> None:
    twin = start()
    twin.status, twin.body = status, body
    with pytest.raises(errors.ProviderError) as caught:
        client(twin).ask(TURN)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)


def test_a_late_and_an_absent_assistant_are_retryable(start: Callable[[], Twin]) -> None:
    twin = start()
    twin.slow = True
    with pytest.raises(errors.ProviderError) as late:
        client(twin, timeout=0.1).ask(TURN)
    assert (late.value.code, late.value.retryable) == ("assistant.late", True)
    with pytest.raises(errors.ProviderError) as absent:
        RasaAssistant(urls=["http://127.0.0.1:9"], token="t", timeout=0.5).ask(TURN)
    assert (absent.value.code, absent.value.retryable) == ("assistant.unreachable", True)


def test_a_conversation_stays_with_one_process(start: Callable[[], Twin]) -> None:
    first, second = start(), start()
    both = client(first, second)
    for n in range(12):
        for _ in range(2):
            both.ask(Turn(f"c{n}", "t", "WEB", "en", text="hi"))
    seen = [{entry["sender"] for entry in twin.seen} for twin in (first, second)]
    assert not seen[0] & seen[1]
    assert all(seen)


def test_ready_needs_every_process(start: Callable[[], Twin]) -> None:
    first, second = start(), start()
    assert client(first, second).ready()
    second.status = 503
    assert not client(first, second).ready()


def test_it_does_not_go_outside_in_a_transaction(start: Callable[[], Twin], monkeypatch: pytest.MonkeyPatch) -> None:
    twin = start()
    monkeypatch.setattr(db, "in_transaction", lambda: True)
    with pytest.raises(RuntimeError):
        client(twin).ask(TURN)
    assert not twin.seen
