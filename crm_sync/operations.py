"""Keeping what the CRM told us, and what it calls our things."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import errors, outbox, ports
from crm_sync import hubspot
from crm_sync.models import CrmEventRow, CrmLinkRow

# our own writes come back as webhooks too: only people's are of interest
_OURS = frozenset({"INTEGRATION", "API", "INTEGRATIONS_PLATFORM"})
_TICKETS = "0-5"  # HubSpot's number for the kind


def parse_event(raw: Mapping[str, Any]) -> tuple[ports.StaffEvent, Mapping[str, Any]] | None:
    """This will read one webhook event; None when it is nothing a person did to a ticket. Invalid when malformed."""
    if raw.get("type") == "OUTGOING_CHANNEL_MESSAGE_CREATED":
        return _channel_message(raw), raw
    about = _about(raw)
    if about is None or str(raw.get("changeSource", "")) in _OURS:
        return None
    try:
        object_id, name, value = str(raw["objectId"]), str(raw["propertyName"]), str(raw.get("propertyValue") or "")
        at = datetime.fromtimestamp(int(raw["occurredAt"]) / 1000, UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as exc:
        raise errors.Invalid("crm.event") from exc
    # what changed, of what, and when: the ids of a notification are not promised to be the same when it is repeated
    key = f"{about}:{object_id}:{name}:{raw['occurredAt']}"
    if about == "thread":
        closed = (name, value) == ("status", "CLOSED")
        return (ports.StaffEvent(f"thread:{object_id}", "closed", None, at, key), raw) if closed else None
    if name == hubspot.REPLY and value.strip():
        return ports.StaffEvent(object_id, "reply", value, at, key), raw
    if name == "hs_pipeline_stage":
        return ports.StaffEvent(object_id, "stage", value, at, key), raw
    return None


def receive_event(session: Session, *, event: ports.StaffEvent, raw: Mapping[str, Any], now: datetime) -> bool:
    """This will keep an event once, however often it is told; gives whether it was new. Fact ``crm.staff_event``."""
    row = session.execute(
        insert(CrmEventRow)
        .values(
            event_key=event.event_id,
            ticket_id=event.ticket_id,
            kind=event.kind,
            text=event.text,
            staff_name=event.staff_name,
            occurred_at=event.at,
            received_at=now,
            raw=dict(raw),
        )
        .on_conflict_do_nothing(index_elements=["event_key"])
        .returning(CrmEventRow.id)
    ).scalar()
    if row is None:
        return False
    outbox.record_fact(
        session, "crm.staff_event", key=f"ticket:{event.ticket_id}", payload={"crm_event_id": row}, now=now
    )
    return True


def note_cleared(session: Session, *, event: ports.StaffEvent, now: datetime) -> None:
    """This will note that a reply no longer stands in its box: the same words there again are a new reply."""
    session.execute(
        insert(CrmEventRow)
        .values(
            event_key=f"{event.event_id}:cleared",
            ticket_id=event.ticket_id,
            kind="cleared",
            text=None,
            staff_name=None,
            occurred_at=now,
            received_at=now,
            raw={},
        )
        .on_conflict_do_nothing(index_elements=["event_key"])
    )


def link(session: Session, *, kind: str, key: str, remote_id: str, content_hash: str, now: datetime) -> None:
    """This will remember what the CRM calls a thing of ours, and what it was last told of it.

    A thing of theirs stands for one of ours: a visitor's contact that became a customer's is the customer's from now.
    """
    row = CrmLinkRow
    session.execute(delete(row).where(row.kind == kind, row.remote_id == remote_id, row.key != key))
    values = {"remote_id": remote_id, "content_hash": content_hash, "pushed_at": now}
    session.execute(
        insert(CrmLinkRow)
        .values(kind=kind, key=key, **values)
        .on_conflict_do_update(index_elements=["kind", "key"], set_=values)
    )


def forget(session: Session, *, things: Iterable[tuple[str, str]]) -> None:
    """This will forget what the CRM calls these things of ours, (kind, key): somebody deleted them there."""
    row = CrmLinkRow
    session.execute(delete(row).where(tuple_(row.kind, row.key).in_(list(things))))


def content_hash(properties: Mapping[str, Any]) -> str:
    """This will give the hash by which an unchanged thing is known."""
    return hashlib.sha256(json.dumps(dict(properties), sort_keys=True, default=str).encode()).hexdigest()


def _about(raw: Mapping[str, Any]) -> str | None:
    """What a property change is about: a ticket (named in the old way or the generic one), a thread, or neither."""
    kind = str(raw.get("subscriptionType", ""))
    if kind == "ticket.propertyChange" or (kind == "object.propertyChange" and raw.get("objectTypeId") == _TICKETS):
        return "ticket"
    return "thread" if kind == "conversation.propertyChange" else None


def _channel_message(raw: Mapping[str, Any]) -> ports.StaffEvent:
    try:
        message = raw["message"]
        thread = str(raw["channelIntegrationThreadIds"][0])
        at = datetime.fromisoformat(str(message["createdAt"]).replace("Z", "+00:00"))
        return ports.StaffEvent(
            ticket_id=f"conversation:{thread}",
            kind="reply",
            text=str(message.get("text") or ""),
            at=at,
            event_id=f"message:{message['id']}",
            staff_name=str(message.get("senders", [{}])[0].get("name") or "") or None,
        )
    except (KeyError, IndexError, TypeError, ValueError) as exc:
        raise errors.Invalid("crm.event") from exc
