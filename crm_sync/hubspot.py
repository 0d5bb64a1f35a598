"""The CRM port over HubSpot.

Objects are written by `batch/upsert` on a unique property of ours, which makes every write safe to repeat. Whether a
portal accepts a unique property on activities is asked once; where it does not, an activity is created together with
its associations and found again through them.
"""

import html
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from core import errors, log, ports
from core.settings import Settings
from crm_sync import hubspot_api, mapping

logger = log.get(__name__)

CONTACT_KEY = "hub_customer_id"
OBJECT_KEY = "hub_key"
REPLY = "hub_agent_reply"
LAST_MESSAGE = "hub_last_customer_message"
ACCOUNTS = "hub_accounts"
VISITOR = "visitor-"
STAGES = ("New", "Waiting for agent", "With agent", "Waiting on customer", "Returned to assistant", "Closed")
_ACTIVITIES = {"note": "notes", "communication": "communications", "email": "emails", "call": "calls"}
_BODY = {
    "notes": "hs_note_body",
    "communications": "hs_communication_body",
    "emails": "hs_email_text",
    "calls": "hs_call_body",
}
_OURS = {  # our properties on their objects, and which of them are unique
    "contacts": {CONTACT_KEY: True, ACCOUNTS: False},
    "tickets": {OBJECT_KEY: True, REPLY: False, LAST_MESSAGE: False},
}
_LONG = frozenset({REPLY, LAST_MESSAGE})
_PLAIN = frozenset({"emails"})  # the other bodies are markup: a line break is a tag, a bracket would open one
_NEIGHBOUR = {"contacts": "email", "tickets": "subject", **_BODY}  # our properties stand in the group of these
_BATCH = 100
_BODY_LIMIT = 65_000  # of 65,536 characters
_LAST_LIMIT = 5_000


class HubSpot:
    """ports.CRM. One per process; `take` is the shared allowance."""

    def __init__(self, settings: Settings, take: Callable[[], None]) -> None:
        self._settings = settings
        self._api = hubspot_api.Api(settings, take)
        self._lock = threading.Lock()
        self._schema_ready = False
        self._unique: set[str] = set()
        self._stages: dict[str, str] = {}
        self._pipeline = ""
        self._names: dict[str, str | None] = {}

    def upsert_contacts(self, contacts: Sequence[ports.CrmContact]) -> Mapping[str, str]:
        self._ensure_schema()
        ids: dict[str, str] = {}
        for start in range(0, len(contacts), _BATCH):
            part = contacts[start : start + _BATCH]
            try:
                ids |= self._api.upsert("contacts", CONTACT_KEY, {c.key: c.properties for c in part})
            except errors.ProviderError as exc:
                if exc.code != "crm.conflict":
                    raise
                for contact in part:
                    ids[contact.key] = self._upsert_disputed(contact)
        return ids

    def upsert_ticket(self, ticket: ports.CrmTicket, remote_id: str | None) -> str:
        self._ensure_schema()
        properties = dict(ticket.properties)
        stage = properties.pop("stage", None)
        if stage is not None:
            properties |= {"hs_pipeline": self._pipeline, "hs_pipeline_stage": self._stages[stage]}
        ticket_id = self._api.upsert("tickets", OBJECT_KEY, {ticket.key: properties})[ticket.key]
        if ticket.contact_id is not None and remote_id is None:
            self._api.associate("tickets", ticket_id, "contacts", ticket.contact_id)
        return ticket_id

    def upsert_activity(self, activity: ports.CrmActivity, remote_id: str | None) -> str:
        self._ensure_schema()
        kind = _ACTIVITIES[activity.kind]
        properties = dict(activity.properties)
        body = properties.pop("body", None)
        if body is not None:
            properties[_BODY[kind]] = body if kind in _PLAIN else rich(body)
        to = [
            (other, other_id)
            for other, other_id in (("contacts", activity.contact_id), ("tickets", activity.ticket_id))
            if other_id is not None
        ]
        if kind in self._unique:
            activity_id = self._api.upsert(kind, OBJECT_KEY, {activity.key: properties})[activity.key]
        else:
            properties[OBJECT_KEY] = activity.key
            known = remote_id or self._find_activity(kind, activity.key, to)
            if known is None:
                return self._api.create(kind, properties, to)
            self._api.patch(kind, known, properties)
            activity_id = known
        for other, other_id in to:
            self._api.associate(kind, activity_id, other, other_id)
        return activity_id

    def add_note(self, ticket_id: str, body: str, at: datetime, key: str) -> str:
        note = ports.CrmActivity(
            key=key,
            kind="note",
            properties={"body": body, "hs_timestamp": mapping.stamp(at)},
            contact_id=None,
            ticket_id=ticket_id,
        )
        return self.upsert_activity(note, None)

    def push_customer_message(
        self, ticket_id: str, conversation: str, text: str, at: datetime, key: str, contact_id: str | None = None
    ) -> str | None:
        if self._settings.hubspot_mode == "custom_channel":
            return self._post_to_thread(conversation, text, at, key, contact_id)
        self.add_note(ticket_id, text, at, key)
        self._api.patch("tickets", ticket_id, {LAST_MESSAGE: text[:_LAST_LIMIT]})
        return None

    def staff_name(self, ticket_id: str) -> str | None:
        for ticket in self._api.read("tickets", [ticket_id], ["hubspot_owner_id"]):
            owner_id = ticket.properties.get("hubspot_owner_id") or ""
            if owner_id.isdigit():
                return self._owner_name(owner_id)
        return None

    def clear_reply(self, ticket_id: str, text: str) -> None:
        for ticket in self._api.read("tickets", [ticket_id], [REPLY]):
            if (ticket.properties.get(REPLY) or "").strip() == text.strip():
                self._api.patch("tickets", ticket_id, {REPLY: ""})

    def pull_staff_events(self, ticket_ids: Sequence[str]) -> Sequence[ports.StaffEvent]:
        self._ensure_schema()
        events: list[ports.StaffEvent] = []
        for ticket in self._api.read("tickets", ticket_ids, [REPLY, "hs_pipeline_stage"]):
            events += self._events_of(ticket)
        return events

    def event_of_stage(self, stage_id: str) -> str | None:
        self._ensure_schema()
        return event_of_stage(next((label for label, known in self._stages.items() if known == stage_id), ""))

    # --- inside ------------------------------------------------------------------------------------------------------

    def _upsert_disputed(self, contact: ports.CrmContact) -> str:
        """An e-mail address belongs to one contact. Nobody's, or a visitor's, becomes this customer's; another
        customer's stays theirs (two people may share an address), and this contact does without.
        """
        try:
            return self._api.upsert("contacts", CONTACT_KEY, {contact.key: contact.properties})[contact.key]
        except errors.ProviderError as exc:
            if exc.code != "crm.conflict":
                raise
            found = re.search(r"Existing ID:\s*(\d+)", str(exc.data.get("body", "")))
        if found is not None:
            for holder in self._api.read("contacts", [found.group(1)], [CONTACT_KEY]):
                key = holder.properties.get(CONTACT_KEY) or VISITOR
                mine = self._api.read("contacts", [contact.key], [CONTACT_KEY], by=CONTACT_KEY)
                if key.startswith(VISITOR) and not contact.key.startswith(VISITOR) and not mine:
                    self._api.patch("contacts", str(holder.id), {**contact.properties, CONTACT_KEY: contact.key})
                    return str(holder.id)
        without = {name: value for name, value in contact.properties.items() if name != "email"}
        return self._api.upsert("contacts", CONTACT_KEY, {contact.key: without})[contact.key]

    def _post_to_thread(
        self, conversation: str, text: str, at: datetime, key: str, contact_id: str | None
    ) -> str | None:
        settings = self._settings
        body = {
            "channelAccountId": settings.hubspot_channel_account_id,
            "integrationThreadId": conversation,
            "integrationIdempotencyId": key,
            "messageDirection": "INCOMING",
            "text": text,
            "timestamp": mapping.stamp(at),
            "senders": [{"deliveryIdentifier": {"type": "CHANNEL_SPECIFIC_OPAQUE_ID", "value": conversation}}],
            **({"associateWithContactId": contact_id} if contact_id else {}),
        }
        path = f"/conversations/{settings.hubspot_api_version}/custom-channels/{settings.hubspot_channel_id}/messages"
        try:
            thread = self._api.post(path, body).get("conversationsThreadId")
        except errors.ProviderError as exc:
            if exc.code != "crm.conflict":
                raise
            return None  # that message is there already
        return str(thread) if thread else None

    def _events_of(self, ticket: Any) -> list[ports.StaffEvent]:
        at = ticket.updated_at
        reply = (ticket.properties.get(REPLY) or "").strip()
        events = []
        if reply:
            key = f"{ticket.id}:reply:{mapping.stamp(at)}"
            events.append(ports.StaffEvent(str(ticket.id), "reply", reply, at, key))
        kind = self.event_of_stage(ticket.properties.get("hs_pipeline_stage") or "")
        if kind is not None:
            events.append(ports.StaffEvent(str(ticket.id), kind, None, at, f"{ticket.id}:{kind}"))
        return events

    def _owner_name(self, owner_id: str) -> str | None:
        if owner_id not in self._names:
            try:
                owner = self._api.owner(owner_id)
            except errors.ProviderError as exc:
                if exc.retryable:
                    raise
                logger.warning("crm_owner_unreadable", extra={"owner_id": owner_id, "reason": exc.code})
                return None
            self._names[owner_id] = (owner.first_name or "").strip() or None
        return self._names[owner_id]

    def _find_activity(self, kind: str, key: str, to: Sequence[tuple[str, str]]) -> str | None:
        """An earlier try may have written it without our hearing so: look before writing again."""
        for other, other_id in to[:1]:
            near = self._api.associated(other, other_id, kind)
            for thing in self._api.read(kind, near, [OBJECT_KEY]):
                if thing.properties.get(OBJECT_KEY) == key:
                    return str(thing.id)
        return None

    def _ensure_schema(self) -> None:
        if self._schema_ready:
            return
        with self._lock:
            if self._schema_ready:
                return
            for kind, wanted in _OURS.items():
                known = self._api.properties(kind)
                for name, unique in wanted.items():
                    self._need(kind, name, known, unique=unique)
            for kind in _ACTIVITIES.values():
                if self._has_unique(kind, self._api.properties(kind)):
                    self._unique.add(kind)
            self._read_stages()
            self._schema_ready = True

    def _need(self, kind: str, name: str, known: Mapping[str, Any], *, unique: bool) -> None:
        """This will see to it that a property of ours is there, and unique where everything rests on that."""
        if name not in known:
            try:
                self._api.define(kind, name, unique=unique, group=_group(kind, known), long=name in _LONG)
                return
            except errors.ProviderError as exc:
                if exc.code != "crm.conflict":
                    raise
            known = self._api.properties(kind)  # another process was quicker
        if unique and not known[name].has_unique_value:
            raise errors.ProviderError("crm.property_not_unique", retryable=False, kind=kind, name=name)

    def _has_unique(self, kind: str, known: Mapping[str, Any]) -> bool:
        """This will say whether an activity can be named by our key; where it cannot, the key is a plain property."""
        if OBJECT_KEY in known:
            return bool(known[OBJECT_KEY].has_unique_value)
        try:
            self._need(kind, OBJECT_KEY, known, unique=True)
        except errors.ProviderError as exc:
            if exc.retryable:
                raise
            self._need(kind, OBJECT_KEY, known, unique=False)
            return False
        return True

    def _read_stages(self) -> None:
        for pipeline in self._api.ticket_pipelines():
            known = {stage.label: stage.id for stage in pipeline.stages}
            if all(label in known for label in STAGES):
                self._pipeline, self._stages = pipeline.id, {label: known[label] for label in STAGES}
                return
        raise errors.ProviderError("crm.no_pipeline", retryable=False, wanted=list(STAGES))


def event_of_stage(label: str) -> str | None:
    """This will say what moving a ticket to a stage means: accepted, closed, or nothing to the hub."""
    if label == "With agent":
        return "accepted"
    if label in ("Returned to assistant", "Closed"):
        return "closed"
    return None


def rich(text: str) -> str:
    """This will give plain text as the markup that shows it as it is, cut where the CRM would cut it."""
    shown = html.escape(text, quote=False).replace("\n", "<br>")
    while len(shown) > _BODY_LIMIT:
        text = text[: len(text) - max(1, len(shown) - _BODY_LIMIT) // 5 - 1]
        shown = html.escape(text, quote=False).replace("\n", "<br>") + "…"
    return shown


def _group(kind: str, known: Mapping[str, Any]) -> str:
    neighbour = known.get(_NEIGHBOUR[kind])
    return str(neighbour.group_name) if neighbour is not None else f"{kind.removesuffix('s')}information"
