"""The CRM as an agent uses it: look at tickets and timelines, answer, take, give back and close."""

from collections.abc import Mapping
from typing import Any

from ops_admin.sandbox import hubspot_inbox as inbox
from ops_admin.sandbox import hubspot_records as records
from ops_admin.sandbox import hubspot_schema as schema
from ops_admin.sandbox.world import World, iso

_BODY = {
    "notes": "hs_note_body", "communications": "hs_communication_body", "emails": "hs_email_text",
    "calls": "hs_call_body", "tasks": "hs_task_body",
}  # fmt: skip


def tickets(world: World) -> list[dict[str, Any]]:
    """This will list living tickets, the latest change first."""
    living = [item for item in world.store.all("crm:tickets") if not item["archived"]]
    return [ticket(world, item) for item in sorted(living, key=lambda item: item["updated"], reverse=True)]


def ticket(world: World, record: Mapping[str, Any]) -> dict[str, Any]:
    """This will show one ticket with its contact and owner."""
    stage = record["properties"].get("hs_pipeline_stage")
    links = records.associated(world, "tickets", record["id"], "contacts")
    person = records.find(world, "contacts", links[0]["to"]) if links else None
    owner = next((o for o in schema.owners() if o["id"] == record["properties"].get("hubspot_owner_id")), None)
    return {
        "id": record["id"], "subject": record["properties"].get("subject", ""), "stage": stage,
        "stage_label": schema.stage_label(stage), "properties": record["properties"],
        "content": record["properties"].get("content", ""), "created": iso(record["created"]),
        "updated": iso(record["updated"]), "contact": contact(person) if person else None,
        "owner": f"{owner['firstName']} {owner['lastName']}" if owner else None,
        "closed": any(key == stage and closed for key, _, closed in schema.STAGES),
        "thread": _thread_of(world, record),
    }  # fmt: skip


def contact(record: Mapping[str, Any]) -> dict[str, Any]:
    values = record["properties"]
    name = f"{values.get('firstname', '')} {values.get('lastname', '')}".strip()
    return {
        "id": record["id"], "name": name or values.get("email") or values.get("phone") or record["id"],
        "email": values.get("email"), "phone": values.get("phone"), "properties": values,
    }  # fmt: skip


def find_contact(world: World, given: str) -> dict[str, Any] | None:
    """This will find a contact by id, by the hub's own key, by e-mail or by phone."""
    found = records.find(world, "contacts", given)
    for name in (world.config.customer_key_property, "email"):
        if found is None and name in records.properties(world, "contacts"):
            matches = world.store.find("crm:contacts", name, given.lower() if name == "email" else given)
            found = matches[0] if matches else None
    if found is None:
        for item in world.store.all("crm:contacts") if given.startswith("+") else ():
            if item["properties"].get("phone") == given and not item["archived"]:
                found = item
    return found


def timeline(world: World, kind: str, key: str) -> list[dict[str, Any]]:
    """This will list the activities of a contact or a ticket, oldest first."""
    items = []
    for sort in schema.ACTIVITIES:
        for link in records.associated(world, kind, key, sort):
            record = records.find(world, sort, link["to"])
            if record:
                items.append(_activity(record))
    for thread in world.store.all("thread"):
        if kind == "contacts" and str(thread.get("associatedContactId")) == key:
            items += [_thread_item(item) for item in world.store.find("thread-message", "thread", thread["id"])]
    return sorted(items, key=lambda item: item["at"])


def reply(world: World, key: str, text: str, agent: int = 0) -> dict[str, Any]:
    """This will write an answer as the agent would: in the ticket's reply property, or in the thread."""
    record = records.get(world, "tickets", key)
    thread = _thread_of(world, record)
    if thread:
        inbox.answer(world, thread, text, agent)
    elif world.config.agent_reply_property not in records.properties(world, "tickets"):
        raise records.Refusal(
            400, "VALIDATION_ERROR", f"This portal has no ticket property {world.config.agent_reply_property} yet."
        )
    changes = {"hubspot_owner_id": schema.OWNERS[agent][0]}
    if not thread:
        changes[world.config.agent_reply_property] = text
    if schema.stage_label(record["properties"].get("hs_pipeline_stage")) in ("New", "Waiting for agent"):
        changes["hs_pipeline_stage"] = schema.stage_id("With agent")
    world.store.put(
        "agent-reply", str(world.store.next("agent-reply")),
        {"ticket": key, "text": text, "at": world.now(), "agent": " ".join(schema.OWNERS[agent][1:3])}, ticket=key,
    )  # fmt: skip
    return records.update(world, "tickets", record, changes, source="CRM_UI")


def move(world: World, key: str, label: str, agent: int = 0) -> dict[str, Any]:
    """This will move a ticket to another stage, as the agent drags it; taking it makes the agent its owner."""
    record = records.get(world, "tickets", key)
    changes = {"hs_pipeline_stage": schema.stage_id(label)}
    if label == "With agent":
        changes["hubspot_owner_id"] = schema.OWNERS[agent][0]
    record = records.update(world, "tickets", record, changes, source="CRM_UI")
    thread = _thread_of(world, record)
    if thread and label in ("Closed", "Returned to assistant"):
        inbox.close(world, thread)
    return record


def replies(world: World, key: str) -> list[dict[str, Any]]:
    return world.store.find("agent-reply", "ticket", key)


def _thread_of(world: World, record: Mapping[str, Any]) -> str | None:
    """A ticket and an open thread belong together when they are about the same contact or the same conversation."""
    contacts = {link["to"] for link in records.associated(world, "tickets", record["id"], "contacts")}
    for thread in world.store.all("thread", newest_first=True):
        conversation = thread["integration"].split(":", 1)[1]
        named = any(conversation in str(value) for value in record["properties"].values())
        if thread["status"] == "OPEN" and (named or str(thread.get("associatedContactId")) in contacts):
            return str(thread["id"])
    return None


def _activity(record: Mapping[str, Any]) -> dict[str, Any]:
    kind, values = record["type"], record["properties"]
    return {
        "id": record["id"], "kind": kind, "at": values.get("hs_timestamp") or iso(record["created"]),
        "channel": values.get("hs_communication_channel_type") or values.get("hs_email_direction")
        or values.get("hs_call_direction"),
        "title": values.get("hs_email_subject") or values.get("hs_call_title") or values.get("hs_task_subject"),
        "body": values.get(_BODY[kind]) or values.get("hs_email_html") or "", "properties": values,
    }  # fmt: skip


def _thread_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": item["id"], "kind": "comment" if item["type"] == "COMMENT" else "thread", "at": item["createdAt"],
        "channel": item["direction"], "title": None, "body": item["text"], "properties": {},
    }  # fmt: skip
