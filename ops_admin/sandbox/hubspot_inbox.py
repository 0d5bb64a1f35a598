"""HubSpot's inbox: threads and custom channels, for the mode in which agents answer in the conversation itself."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from ops_admin.sandbox import hubspot_events as events
from ops_admin.sandbox import hubspot_schema as schema
from ops_admin.sandbox.hubspot_records import Refusal
from ops_admin.sandbox.world import World, iso

Answer = Response | tuple[Response, int]
View = Callable[..., Answer]
_BASES = ("/conversations/<version>", "/conversations/<version>/conversations")


def add(pages: Blueprint, world: World) -> None:
    """This will add the conversations API to HubSpot's pages."""

    def route(rule: str, *methods: str) -> Callable[[View], View]:
        def put(view: View) -> View:
            for number, base in enumerate(_BASES):
                pages.add_url_rule(base + rule, f"{view.__name__}_{number}", view, methods=list(methods))
            return view

        return put

    @route("/custom-channels", "GET", "POST")
    def channels(version: str) -> Answer:
        if request.method == "GET":
            return jsonify(results=world.store.all("custom-channel"))
        key = str(world.store.next("custom-channel", 8001))
        body = {**_body(), "id": key, "createdAt": iso(world.now())}
        return jsonify(world.store.put("custom-channel", key, body)), 201

    @route("/custom-channels/<channel>", "GET", "PATCH")
    def channel(version: str, channel: str) -> Answer:
        found = _channel(world, channel)
        if request.method == "PATCH":
            found = world.store.put("custom-channel", channel, {**found, **_body(), "id": channel})
        return jsonify(found)

    @route("/custom-channels/<channel>/channel-accounts", "GET", "POST")
    def accounts(version: str, channel: str) -> Answer:
        _channel(world, channel)
        if request.method == "GET":
            return jsonify(results=world.store.find("channel-account", "channel", channel))
        key = str(world.store.next("channel-account", 9001))
        body = {**_body(), "id": key, "channelId": channel, "active": True, "authorized": True}
        return jsonify(world.store.put("channel-account", key, body, channel=channel)), 201

    @route("/custom-channels/<channel>/messages", "POST")
    def publish(version: str, channel: str) -> Answer:
        _channel(world, channel)
        body = _body()
        for needed in ("channelAccountId", "integrationThreadId", "messageDirection", "senders", "text"):
            if not body.get(needed):
                raise Refusal(400, "VALIDATION_ERROR", f"{needed} is required")
        again = body.get("integrationIdempotencyId")
        with world.store.change():
            known = world.store.find("thread-message", "idempotency", f"{channel}:{again}") if again else []
            if known:
                return jsonify(known[0])
            thread = _thread_for(world, channel, body)
            return jsonify(_write(world, thread, body, "MESSAGE", f"{channel}:{again}" if again else None)), 201

    @route("/custom-channels/<channel>/messages/<key>", "PATCH")
    def message_status(version: str, channel: str, key: str) -> Answer:
        found = world.store.get("thread-message", key)
        if found is None:
            raise Refusal(404, "OBJECT_NOT_FOUND", "message not found")
        found["status"] = {"statusType": _body().get("statusType"), "failureDetails": _body().get("errorMessage")}
        return jsonify(world.store.put("thread-message", key, found, thread=found["conversationsThreadId"]))

    @route("/threads", "GET")
    def threads(version: str) -> Answer:
        return jsonify(results=world.store.all("thread", newest_first=True))

    @route("/threads/<key>", "GET", "PATCH")
    def thread(version: str, key: str) -> Answer:
        found = _thread(world, key)
        if request.method == "PATCH" and (status := _body().get("status")) in ("OPEN", "CLOSED"):
            found = world.store.put("thread", key, {**found, "status": status}, integration=found["integration"])
        return jsonify(found)

    @route("/threads/<key>/messages", "GET")
    def thread_messages(version: str, key: str) -> Answer:
        _thread(world, key)
        return jsonify(results=world.store.find("thread-message", "thread", key))

    @route("/threads/<key>/messages", "POST")
    def thread_write(version: str, key: str) -> Answer:
        body = _body()
        sort = body.get("type", "MESSAGE")
        if sort not in ("MESSAGE", "COMMENT"):
            raise Refusal(400, "VALIDATION_ERROR", f"type {sort} is not MESSAGE or COMMENT")
        return jsonify(_write(world, _thread(world, key), body, sort, None)), 201

    @route("/threads/<key>/messages/<message>", "GET")
    def thread_message(version: str, key: str, message: str) -> Answer:
        found = world.store.get("thread-message", message)
        if found is None or found["conversationsThreadId"] != key:
            raise Refusal(404, "OBJECT_NOT_FOUND", "message not found")
        return jsonify(found)


def answer(world: World, thread_id: str, text: str, agent: int = 0) -> dict[str, Any]:
    """This will let an agent answer in a thread: a message of theirs, posted to the custom channel's webhook."""
    thread = _thread(world, thread_id)
    owner = schema.owners()[agent]
    body = {
        "messageDirection": "OUTGOING", "text": text, "channelAccountId": thread["channelAccountId"],
        "senders": [{"actorId": f"A-{owner['userId']}", "name": f"{owner['firstName']} {owner['lastName']}"}],
    }  # fmt: skip
    message = _write(world, thread, body, "MESSAGE", None)
    events.channel_message(
        world,
        {
            "type": "OUTGOING_CHANNEL_MESSAGE_CREATED", "portalId": world.config.hubspot_portal_id,
            "channelId": thread["channelId"], "eventTimestamp": iso(world.now()),
            "channelIntegrationThreadIds": [thread["integration"].split(":", 1)[1]], "message": message,
        },
    )  # fmt: skip
    events.conversation(world, "newMessage", thread_id, {"messageId": message["id"], "messageType": "MESSAGE"})
    return message


def close(world: World, thread_id: str) -> None:
    """This will let an agent close a thread."""
    thread = _thread(world, thread_id)
    world.store.put("thread", thread_id, {**thread, "status": "CLOSED"}, integration=thread["integration"])
    events.conversation(world, "propertyChange", thread_id, {"propertyName": "status", "propertyValue": "CLOSED"})


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refusal(400, "VALIDATION_ERROR", "Invalid input JSON on line 1, column 1")
    return body


def _channel(world: World, key: str) -> dict[str, Any]:
    found = world.store.get("custom-channel", key)
    if found is None and key == world.config.hubspot_channel_id:
        return {"id": key, "name": world.config.utility_name}  # connected before the story begins
    if found is None:
        raise Refusal(404, "OBJECT_NOT_FOUND", f"Channel {key} does not exist")
    return found


def _thread(world: World, key: str) -> dict[str, Any]:
    found = world.store.get("thread", key)
    if found is None:
        raise Refusal(404, "OBJECT_NOT_FOUND", f"Thread {key} does not exist")
    return found


def _thread_for(world: World, channel: str, body: Mapping[str, Any]) -> dict[str, Any]:
    name = f"{channel}:{body['integrationThreadId']}"
    known = [item for item in world.store.find("thread", "integration", name) if item["status"] == "OPEN"]
    if known:
        return known[-1]
    key = str(world.store.next("thread", 70_001))
    thread = {
        "id": key, "status": "OPEN", "channelId": channel, "integration": name, "createdAt": iso(world.now()),
        "channelAccountId": body["channelAccountId"], "inboxId": "1",
        "associatedContactId": body.get("associateWithContactId"),
    }  # fmt: skip
    return world.store.put("thread", key, thread, integration=name)


def _write(
    world: World, thread: Mapping[str, Any], body: Mapping[str, Any], sort: str, again: str | None
) -> dict[str, Any]:
    key = uuid.uuid4().hex
    message = {
        "id": key, "type": sort, "conversationsThreadId": thread["id"], "createdAt": iso(world.now()),
        "text": body.get("text", ""), "richText": body.get("richText"), "senders": body.get("senders", []),
        "recipients": body.get("recipients", []), "attachments": body.get("attachments", []),
        "direction": body.get("messageDirection", "OUTGOING"), "status": {"statusType": "SENT"},
        "channelId": thread["channelId"], "channelAccountId": thread["channelAccountId"],
        "client": {"clientType": "INTEGRATION"},
    }  # fmt: skip
    return world.store.put("thread-message", key, message, thread=thread["id"], idempotency=again)
