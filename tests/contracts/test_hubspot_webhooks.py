"""HubSpot's webhooks at our door: what they sign is believed, nothing else; told twice is heard once."""

import json
import pathlib
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from core import outbox
from crm_sync import web
from crm_sync.models import CrmEventRow
from tests.conftest import FakeHub

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
VECTORS = json.loads((pathlib.Path(__file__).parent / "data" / "hubspot_signature.json").read_text())["vectors"]
PATH = "/hooks/hubspot"


@pytest.fixture
def here(hub: FakeHub) -> FakeHub:
    changed = hub.settings.model_copy(
        update={"hubspot_client_secret": SECRET, "public_base_url": "https://hub.example"}
    )
    return hub.with_(settings=changed)


def client(hub: FakeHub) -> FlaskClient:
    app = flask.Flask(__name__)
    app.register_blueprint(web.blueprint(hub))
    return app.test_client()


def post(hub: FakeHub, body: Any, *, secret: str = SECRET, ago: float = 0, **headers: str | None) -> TestResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = str(int((hub.now() - timedelta(seconds=ago)).timestamp() * 1000))
    signed = {
        "X-HubSpot-Signature-v3": web.signature_v3(secret, "POST", f"https://hub.example{PATH}", raw, stamp),
        "X-HubSpot-Request-Timestamp": stamp,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    given = {name: value for name, value in signed.items() if value is not None}
    return client(hub).post(PATH, data=raw, headers=given, content_type="application/json")


def reply(text: str = "On my way", at: int = 1_764_000_000_000, **changes: Any) -> dict[str, Any]:
    return {
        "eventId": 1, "subscriptionId": 2, "portalId": 3, "appId": 4, "occurredAt": at, "attemptNumber": 0,
        "subscriptionType": "ticket.propertyChange", "objectId": 501, "propertyName": "hub_agent_reply",
        "propertyValue": text, "changeSource": "CRM_UI", "sourceId": "userId:7", **changes,
    }  # fmt: skip


def events(hub: FakeHub) -> list[CrmEventRow]:
    with hub.transaction() as session:
        return list(session.scalars(select(CrmEventRow).order_by(CrmEventRow.id)))


def test_the_vendors_own_vector() -> None:
    (vector,) = (v for v in VECTORS if v["version"] == "v3")
    parts = (vector["client_secret"], vector["method"], vector["url"], vector["body"].encode(), vector["timestamp"])
    assert web.signature_v3(*parts) == vector["signature"]
    assert web.signature_v3("x" + vector["client_secret"], *parts[1:]) != vector["signature"]


def test_a_signed_reply_is_kept_and_told(here: FakeHub) -> None:
    assert post(here, [reply()]).status_code == 204
    (event,) = events(here)
    assert (event.ticket_id, event.kind, event.text, event.staff_name) == ("501", "reply", "On my way", None)
    with here.transaction() as session:
        (fact,) = session.scalars(select(outbox.FactRow).where(outbox.FactRow.name == "crm.staff_event"))
        assert fact.payload == {"crm_event_id": event.id}


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "another"},
        {"ago": 301},
        {"ago": -301},  # the SDK's own check lets the future pass
        {"X_HubSpot_Signature_v3": None},
        {"X_HubSpot_Signature_v3": "é"},
        {"X_HubSpot_Request_Timestamp": None},
        {"X_HubSpot_Request_Timestamp": "yesterday"},
        {"X_HubSpot_Request_Timestamp": "9" * 15},
        {"X_HubSpot_Request_Timestamp": "²"},
    ],
)
def test_what_is_not_signed_now_by_them_is_refused(here: FakeHub, wrong: dict[str, Any]) -> None:
    assert post(here, [reply()], **wrong).status_code == 403
    assert events(here) == []


def test_a_body_that_was_changed_and_a_hub_without_a_secret(here: FakeHub) -> None:
    good = json.dumps([reply()]).encode()
    stamp = str(int(here.now().timestamp() * 1000))
    headers = {
        "X-HubSpot-Signature-v3": web.signature_v3(SECRET, "POST", f"https://hub.example{PATH}", good, stamp),
        "X-HubSpot-Request-Timestamp": stamp,
    }
    assert client(here).post(PATH, data=good.replace(b"way", b"bus"), headers=headers).status_code == 403
    assert client(here).post(f"{PATH}?x=1", data=good, headers=headers).status_code == 403
    open_hub = here.with_(settings=here.settings.model_copy(update={"hubspot_client_secret": ""}))
    assert post(open_hub, [reply()], secret="").status_code == 403


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff\xfe", b'"text"', b"[1]", [reply(occurredAt="soon")], [reply(occurredAt=10**18)],
     [{"subscriptionType": "ticket.propertyChange"}], [{"type": "OUTGOING_CHANNEL_MESSAGE_CREATED"}]],
)  # fmt: skip
def test_malformed(here: FakeHub, body: Any) -> None:
    assert post(here, body).status_code == 400
    assert events(here) == []


def test_too_large(here: FakeHub) -> None:
    assert post(here, [reply("x" * 1_100_000)]).status_code == 413


def test_repeated_and_reordered_events_count_once(here: FakeHub) -> None:
    first, second = reply("One", 1_764_000_000_000), reply("Two", 1_764_000_005_000)
    assert post(here, [second, first]).status_code == 204
    again = [reply("One", 1_764_000_000_000, eventId=99, attemptNumber=3, subscriptionId=7), second, second]
    assert post(here, again).status_code == 204
    assert sorted((e.text, e.occurred_at) for e in events(here)) == [
        ("One", datetime.fromtimestamp(1_764_000_000, UTC)),
        ("Two", datetime.fromtimestamp(1_764_000_005, UTC)),
    ]


@pytest.mark.parametrize(
    "ours",
    [
        {"changeSource": "INTEGRATION", "sourceId": "4"},
        {"changeSource": "API"},
        {"propertyValue": ""},  # the box was emptied
        {"propertyName": "subject"},
        {"subscriptionType": "contact.propertyChange"},
        {"subscriptionType": "ticket.creation"},
        {"subscriptionType": "object.propertyChange", "objectTypeId": "0-1"},
    ],
)
def test_our_own_writes_and_what_concerns_nobody_are_let_pass(here: FakeHub, ours: dict[str, Any]) -> None:
    assert post(here, [reply(**ours)]).status_code == 204
    assert events(here) == []


def test_the_generic_form_of_a_subscription_says_the_same(here: FakeHub) -> None:
    generic = reply(subscriptionType="object.propertyChange", objectTypeId="0-5", eventId=2, subscriptionId=9)
    assert post(here, [reply()]).status_code == post(here, [generic]).status_code == 204
    assert len(events(here)) == 1


def test_a_message_and_a_close_in_a_thread(here: FakeHub) -> None:
    message = {
        "type": "OUTGOING_CHANNEL_MESSAGE_CREATED", "portalId": 3, "channelId": "8000",
        "channelIntegrationThreadIds": ["talk-1"], "eventTimestamp": "2026-11-23T15:00:00.000Z",
        "message": {"id": "m1", "text": "Hello", "createdAt": "2026-11-23T15:00:00.000Z",
                    "senders": [{"actorId": "A-1", "name": "Priya Nair"}]},
    }  # fmt: skip
    close = {
        "subscriptionType": "conversation.propertyChange", "objectId": 70001, "propertyName": "status",
        "propertyValue": "CLOSED", "occurredAt": 1_764_000_000_000, "changeSource": "CRM_UI",
    }  # fmt: skip
    for _ in range(2):
        assert post(here, message).status_code == post(here, [close]).status_code == 204
    assert [(e.ticket_id, e.kind, e.text, e.staff_name) for e in events(here)] == [
        ("conversation:talk-1", "reply", "Hello", "Priya Nair"),
        ("thread:70001", "closed", None, None),
    ]
