"""The chat with a real database and a real Redis: resumed streams, one talk a visitor, doors shut to strangers."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.web_chat import sender, visitors, wakeups
from channels.web_chat import web as chat
from core import settings
from core.conversations import models
from core.conversations import operations as conversations
from tests.conftest import FakeHub
from tests.unit.channels import made

SETTINGS = settings.Settings(
    public_base_url="https://hub.example", allowed_origins=("https://utility.example",), secret_key="s"
)


@pytest.fixture
def wakes(redis_url: str) -> Iterator[wakeups.Wakeups]:
    made = wakeups.Wakeups(redis_url)
    yield made
    made.close()


@pytest.fixture
def hub(hub: FakeHub) -> FakeHub:
    return hub.with_(settings=SETTINGS)


@pytest.fixture
def open_door(hub: FakeHub, wakes: wakeups.Wakeups) -> Callable[..., Any]:
    def make(**options: Any) -> Any:
        app = Flask("test")
        app.register_blueprint(chat.blueprint(hub, wakes, **options))
        return app.test_client(use_cookies=False)

    return make


def enter(door: Any) -> dict[str, str]:
    answer = door.post("/chat/sessions", json={"locale": "es-MX"})
    assert answer.status_code == 200
    assert answer.get_json()["locale"] == "es"
    return {"Authorization": "Bearer " + answer.get_json()["token"]}


def write(door: Any, who: dict[str, str], text: str, client_id: str = "client-0001", **more: Any) -> Any:
    return door.post("/chat/messages", json={"text": text, "client_id": client_id, **more}, headers=who)


def events(response: Any, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for chunk in response.response:
        text = chunk.decode() if isinstance(chunk, bytes) else chunk
        if "data: " in text:
            fields = dict(line.split(": ", 1) for line in text.strip().split("\n"))
            found.append({"event": fields["event"], "id": fields.get("id"), **json.loads(fields["data"])})
        if len(found) == count:
            break
    response.response.close()
    return found


def test_a_message_is_taken_once_and_the_stream_resumes_where_it_broke_off(
    hub: FakeHub, session: Session, open_door: Callable[..., Any]
) -> None:
    door = open_door()
    who = enter(door)
    first = write(door, who, "Hola", locale="es-MX")
    assert first.status_code == 202
    again = write(door, who, "Hola")
    assert (again.status_code, again.get_json()["id"]) == (200, first.get_json()["id"])
    talk = session.scalars(select(models.ConversationRow)).one()
    assert talk.locale == "es"
    conversations.send_staff_message(
        session, conversation_id=talk.id, text="<b>Sí</b>", staff_name="Ana", external_id="1", now=hub.now()
    )
    session.commit()
    status, hello, reply = events(door.get("/chat/events", headers=who), 3)
    assert (status["event"], status["floor"]) == ("status", "staff")
    assert (hello["text"], hello["from"], hello["client_id"]) == ("Hola", "customer", "client-0001")
    assert (reply["text"], reply["name"], reply["from"]) == ("<b>Sí</b>", "Ana", "staff")
    resumed = events(door.get("/chat/events", headers={**who, "Last-Event-ID": hello["id"]}), 2)
    assert [e.get("text") for e in resumed] == [None, "<b>Sí</b>"]
    polled = door.get("/chat/messages?after=" + hello["id"], headers=who).get_json()
    assert [m["text"] for m in polled["messages"]] == ["<b>Sí</b>"]


def test_an_open_stream_is_woken_by_what_is_new_and_ends_on_shutdown(
    hub: FakeHub, wakes: wakeups.Wakeups, open_door: Callable[..., Any]
) -> None:
    door = open_door()
    who = enter(door)
    response = door.get("/chat/events", headers=who)
    assert response.headers["X-Accel-Buffering"] == "no"
    chunks = iter(response.response)
    assert next(chunks).startswith(b"retry")
    assert b"event: status" in next(chunks)
    write(door, who, "new")
    heard = [next(chunks), next(chunks)]  # within the heartbeat: it was woken
    assert b'"locale": "en"' in heard[0]
    assert b'"text": "new"' in heard[1]
    wakes.close()
    assert list(chunks) == []


def test_wake_ups_reach_other_processes(redis_url: str) -> None:
    here, there = wakeups.Wakeups(redis_url), wakeups.Wakeups(redis_url)
    heard = there.subscribe("chat:x")
    assert heard.get(timeout=5) == wakeups.LOST  # the ear is open now
    sender.WebChat(here.publish).send(made.outbound(channel="WEB", to="x", message_id=9))
    assert heard.get(timeout=5) == "9"
    there.close()
    assert heard.get(timeout=5) == wakeups.ENDED
    here.close()


def test_without_redis_the_chat_still_works(hub: FakeHub) -> None:
    app = Flask("test")
    deaf = wakeups.Wakeups("redis://127.0.0.1:9")
    app.register_blueprint(chat.blueprint(hub, deaf))
    door = app.test_client(use_cookies=False)
    who = enter(door)
    assert write(door, who, "Hola").status_code == 202
    assert [m["text"] for m in door.get("/chat/messages", headers=who).get_json()["messages"]] == ["Hola"]
    deaf.close()


def test_nobody_reads_another_visitors_talk(open_door: Callable[..., Any]) -> None:
    door = open_door()
    maya, dana = enter(door), enter(door)
    write(door, maya, "secret")
    assert door.get("/chat/messages", headers=dana).get_json()["messages"] == []
    assert "secret" in door.get("/chat/transcript", headers=maya).text
    assert "secret" not in door.get("/chat/transcript", headers=dana).text
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": f"{visitors.COOKIE}=x"}):
        for path in ("/chat/messages", "/chat/events", "/chat/transcript"):
            assert door.get(path, headers=headers).status_code == 403


def test_only_pages_on_the_list_may_speak(open_door: Callable[..., Any]) -> None:
    door = open_door()
    who = enter(door)
    allowed = door.get("/chat/messages", headers={**who, "Origin": "https://utility.example"})
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://utility.example"
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    preflight = door.options("/chat/messages", headers={"Origin": "https://utility.example"})
    assert preflight.status_code == 200
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    for origin in ("https://evil.example", "https://utility.example.evil.example", "null"):
        refused = door.get("/chat/messages", headers={**who, "Origin": origin})
        assert refused.status_code == 403
        assert "Access-Control-Allow-Origin" not in refused.headers
    cross = door.post("/chat/messages", json={}, headers={**who, "Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403
    widget = door.get("/chat/widget.js", headers={"Origin": "https://anywhere.example"})
    assert (widget.status_code, widget.mimetype) == (200, "text/javascript")
    assert door.get("/chat/widget.js", headers={"If-None-Match": widget.headers["ETag"]}).status_code == 304


def test_a_visitor_who_is_signed_in_is_known_only_on_our_own_pages(
    session: Session, open_door: Callable[..., Any]
) -> None:
    asked: list[bool] = []

    def signed_in(request: Any) -> int | None:
        asked.append(True)
        return None

    door = open_door(signed_in=signed_in)
    who = enter(door)
    write(door, {**who, "Origin": "https://utility.example"}, "hi", "client-0001")
    assert asked == []
    write(door, {**who, "Origin": "https://hub.example"}, "hi", "client-0002")
    assert asked == [True]


def test_bodies_and_pace_are_bounded(open_door: Callable[..., Any]) -> None:
    door = open_door()
    who = enter(door)
    assert write(door, who, "x" * 70_000).status_code == 413
    assert door.post("/chat/messages", data="{", content_type="application/json", headers=who).status_code == 400
    assert write(door, who, "").status_code == 422
    answers = [write(door, who, "x", f"client-{n:04}") for n in range(1000, 1025)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_the_language_can_be_changed_in_the_talk(session: Session, open_door: Callable[..., Any]) -> None:
    door = open_door()
    who = enter(door)
    write(door, who, "Hola")
    answer = door.post("/chat/locale", json={"locale": "en"}, headers=who).get_json()
    assert answer["strings"]["send"] == "Send"
    assert session.scalars(select(models.ConversationRow.locale)).one() == "en"
