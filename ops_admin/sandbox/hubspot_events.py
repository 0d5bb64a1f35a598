"""HubSpot's webhooks: what happened is gathered for a moment and posted as a signed array of at most 100 events."""

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ops_admin.sandbox import signing
from ops_admin.sandbox.courier import Letter
from ops_admin.sandbox.world import World

# What the app is subscribed to. A subscription is to named properties, never to all of them.
SUBSCRIBED = frozenset(
    {
        ("tickets", "hs_pipeline_stage"),
        ("tickets", "hubspot_owner_id"),
        ("contacts", "email"),
        ("contacts", "phone"),
    }
)
_HAPPENINGS = frozenset(
    {"tickets.creation", "tickets.deletion", "tickets.merge", "contacts.creation", "contacts.deletion",
     "contacts.merge", "contacts.privacyDeletion"}
)  # fmt: skip
_waiting: dict[int, list[dict[str, Any]]] = {}
_lock = threading.Lock()


def changed(world: World, kind: str, key: str, name: str, value: str, source: str) -> None:
    """This will report a changed property, when the app is subscribed to it."""
    if (kind, name) not in SUBSCRIBED and not (kind == "tickets" and name == world.config.agent_reply_property):
        return
    more = {"propertyName": name, "propertyValue": value}
    _gather(world, _event(world, f"{kind.removesuffix('s')}.propertyChange", key, source, more))


def happened(world: World, kind: str, what: str, key: str, source: str) -> None:
    """This will report a creation or a deletion."""
    if f"{kind}.{what}" in _HAPPENINGS:
        flag = {"creation": "CREATED", "deletion": "DELETED"}.get(what, what.upper())
        event = _event(world, f"{kind.removesuffix('s')}.{what}", key, source, {"changeFlag": flag})
        _gather(world, event)


def merged(world: World, kind: str, primary: str, others: Sequence[str], fresh: str) -> None:
    """This will report a merge: the survivor has a new id."""
    more = {
        "primaryObjectId": int(primary), "mergedObjectIds": [int(other) for other in others],
        "newObjectId": int(fresh), "numberOfPropertiesMoved": 0, "changeFlag": "MERGED",
    }  # fmt: skip
    _gather(world, _event(world, f"{kind.removesuffix('s')}.merge", primary, "CRM_UI", more))


def conversation(world: World, what: str, thread: str, more: Mapping[str, Any]) -> None:
    """This will report something about a thread of the inbox."""
    _gather(world, _event(world, f"conversation.{what}", thread, "CRM_UI", more))


def channel_message(world: World, body: Mapping[str, Any]) -> None:
    """This will post an agent's answer to a custom channel: one object, not an array."""
    _post(world, json.dumps(body).encode(), str(body["type"]))


def _event(world: World, sort: str, key: str, source: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "eventId": world.store.next("hubspot-event", 100_001),
        "subscriptionId": 2_000_000 + sum(map(ord, sort + str(more.get("propertyName", "")))),
        "portalId": world.config.hubspot_portal_id,
        "appId": world.config.hubspot_app_id,
        "occurredAt": int(world.now() * 1000),
        "subscriptionType": sort,
        "attemptNumber": 0,
        "objectId": int(key),
        "changeSource": source,
        "sourceId": "userId:551010" if source == "CRM_UI" else str(world.config.hubspot_app_id),
        **more,
    }


def _gather(world: World, event: dict[str, Any]) -> None:
    with _lock:
        waiting = _waiting.setdefault(id(world), [])
        waiting.append(event)
        if len(waiting) > 1:
            return
    world.courier.later(0.25, lambda: _send(world))


def _send(world: World) -> None:
    with _lock:
        events = _waiting.pop(id(world), [])
    for start in range(0, len(events), 100):
        batch = events[start : start + 100]
        label = ", ".join(sorted({str(event["subscriptionType"]) for event in batch}))
        _post(world, json.dumps(batch).encode(), label)


def _post(world: World, body: bytes, label: str) -> None:
    url = world.config.hub_public + world.config.hubspot_path

    def renumber(text: bytes, attempt: int) -> bytes:
        events = json.loads(text)
        if not isinstance(events, list):
            return text
        return json.dumps([{**event, "attemptNumber": attempt} for event in events]).encode()

    letter = Letter(
        "hubspot", label, url, body, lambda sent: _headers(world, url, sent), timeout=5,
        retry_on=lambda status: True, renumber=renumber,
    )  # fmt: skip
    world.courier.post(letter)


def _headers(world: World, url: str, body: bytes) -> dict[str, str]:
    timestamp = str(int(world.now() * 1000))
    return {
        "Content-Type": "application/json",
        "User-Agent": "HubSpot Connect 2.0 (http://dev.hubspot.com/) (namespace: webhooks-nio-http-client)",
        "X-HubSpot-Request-Timestamp": timestamp,
        "X-HubSpot-Signature-v3": signing.hubspot(world.config.hubspot_client_secret, "POST", url, body, timestamp),
    }
