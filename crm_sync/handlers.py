"""Facts into the CRM, and people's words out of it. Each handler reads, calls, writes."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy.orm import Session

from core import errors, ports
from core.accounts import queries as accounts
from core.conversations import operations as speaking
from core.conversations import queries as conversations
from core.conversations import summary as summaries
from core.hub import Hub
from core.outbox import Fact
from crm_sync import limiter, mapping, operations, queries

_QUIET = timedelta(seconds=2)  # a segment is pushed when nobody has spoken for so long: one call, not one a message
_OURS_BY_THEN = timedelta(minutes=5)  # a ticket we have not heard of by then is not ours
_LOOK_AGAIN = 15.0
_UNDELIVERED = frozenset({"FAILED", "UNDELIVERED", "SUPPRESSED"})


def sync_contact(hub: Hub, fact: Fact) -> None:
    """This will bring the contact of a customer up to date (fact ``customer.changed``)."""
    with hub.transaction() as session:
        contact = _customer_contact(session, int(fact.payload["customer_id"]))
        known = queries.find_link(session, kind="CONTACT", key=contact.key)
    with limiter.unhurried():
        _push_contact(hub, contact, known)


def sync_interaction(hub: Hub, fact: Fact) -> None:
    """This will log a segment of a conversation as one activity, and keep it current as the segment grows."""
    now = hub.now()
    with hub.transaction() as session:
        interaction = conversations.get_interaction(session, interaction_id=int(fact.payload["interaction_id"]))
        if now - interaction.last_at < _QUIET:
            raise errors.Later((_QUIET - (now - interaction.last_at)).total_seconds())
        conversation = conversations.get_conversation(session, conversation_id=interaction.conversation_id, now=now)
        messages = conversations.transcript(
            session,
            conversation_id=conversation.id,
            from_seq=interaction.first_seq,
            to_seq=interaction.last_seq,
        )
        contact = _contact(hub, session, conversation)
        known_contact = queries.find_link(session, kind="CONTACT", key=contact.key)
        handoff = conversations.find_open_handoff(session, conversation_id=conversation.id)
        ticket = _ticket_link(session, handoff.id) if handoff else None
        known = queries.find_link(session, kind="ACTIVITY", key=f"interaction-{interaction.id}")
    with limiter.unhurried():
        contact_id = _push_contact(hub, contact, known_contact)
    told, of_contact, of_ticket = known.content_hash.split("/") if known else ("", "", "")
    ticket_id = ticket.remote_id if ticket else of_ticket
    activity = mapping.activity(
        interaction,
        messages,
        contact_id=contact_id if contact_id != of_contact else None,
        ticket_id=ticket_id if ticket_id != of_ticket else None,
    )
    digest = operations.content_hash(activity.properties)
    if (digest, contact_id, ticket_id) == (told, of_contact, of_ticket):
        return
    things = [("ACTIVITY", activity.key), ("CONTACT", contact.key)]
    with limiter.unhurried(), _mended(hub, [*things, ("TICKET", f"handoff-{handoff.id}")] if handoff else things):
        remote_id = hub.crm.upsert_activity(activity, known.remote_id if known else None)
    with hub.transaction() as session:
        operations.link(
            session,
            kind="ACTIVITY",
            key=activity.key,
            remote_id=remote_id,
            content_hash=f"{digest}/{contact_id}/{ticket_id}",
            now=hub.now(),
        )


def open_ticket(hub: Hub, fact: Fact) -> None:
    """This will put a handoff before the people in the CRM: a ticket with who, why, what was tried, and the words."""
    _ensure_ticket(hub, int(fact.payload["handoff_id"]))


def relay_customer_message(hub: Hub, fact: Fact) -> None:
    """This will show the person who has the floor what the customer wrote."""
    handoff_id = int(fact.payload["handoff_id"])
    ticket_id, contact_id = _ensure_ticket(hub, handoff_id)
    _push_message(hub, int(fact.payload["message_id"]), f"handoff-{handoff_id}", ticket_id, contact_id)


def close_ticket(hub: Hub, fact: Fact) -> None:
    """This will move the ticket of a handoff that has ended to where it belongs."""
    with hub.transaction() as session:
        handoff = conversations.get_handoff(session, handoff_id=int(fact.payload["handoff_id"]))
    if handoff.end_reason == "STAFF_CLOSED":
        return  # the person moved it themselves
    ticket_id, _ = _ensure_ticket(hub, handoff.id)
    hub.crm.upsert_ticket(mapping.moved(handoff), ticket_id)


def tell_staff_undelivered(hub: Hub, fact: Fact) -> None:
    """This will tell the person who wrote that their words did not reach the customer (fact ``message.status``)."""
    if fact.payload.get("status") not in _UNDELIVERED:
        return
    with hub.transaction() as session:
        message = conversations.get_message(session, message_id=int(fact.payload["message_id"]))
        handoff = conversations.find_open_handoff(session, conversation_id=message.conversation_id)
        ticket = _ticket_link(session, handoff.id) if handoff else None
    if message.author != "STAFF" or ticket is None:
        return
    hub.crm.add_note(
        ticket.remote_id, mapping.undelivered(message), hub.now(), f"message-{message.id}-{message.status.lower()}"
    )


def relay_staff_event(hub: Hub, fact: Fact) -> None:
    """This will do for the customer what a person did in the CRM: a reply, a take-over, a close."""
    now = hub.now()
    with hub.transaction() as session:
        event = queries.get_event(session, crm_event_id=int(fact.payload["crm_event_id"]))
        about = _about(session, event)
    if about is None:
        if event.kind == "reply" and now - fact.recorded_at < _OURS_BY_THEN:
            raise errors.Later(_LOOK_AGAIN)  # a quick person may answer before we have noted the ticket's name
        return
    kind = hub.crm.event_of_stage(event.text or "") if event.kind == "stage" else event.kind
    in_ticket = ":" not in event.ticket_id
    name = event.staff_name
    if name is None and in_ticket and kind in ("reply", "accepted"):
        name = hub.crm.staff_name(event.ticket_id)
    conversation_id, handoff_id = about
    with hub.transaction() as session:
        if kind == "reply" and event.text:
            speaking.send_staff_message(
                session,
                conversation_id=conversation_id,
                text=event.text,
                staff_name=name,
                external_id=f"crm:{event.event_id}",
                now=now,
            )
        elif kind == "accepted" and handoff_id is not None:
            speaking.accept_handoff(session, handoff_id=handoff_id, staff_name=name, now=now)
        elif kind == "closed" and handoff_id is not None:
            speaking.close_handoff(session, handoff_id=handoff_id, end_reason="STAFF_CLOSED", now=now)
    if kind == "reply" and in_ticket:
        hub.crm.clear_reply(event.ticket_id, event.text or "")
        with hub.transaction() as session:
            operations.note_cleared(session, event=event, now=hub.now())


def _about(session: Session, event: ports.StaffEvent) -> tuple[int, int | None] | None:
    """The conversation and handoff an event is about; None when it is about something that is not ours."""
    where, _, name = event.ticket_id.rpartition(":")
    token: str | None = name
    if where == "":
        key = queries.find_key(session, kind="TICKET", remote_id=event.ticket_id)
        if key is None:
            return None
        handoff = conversations.get_handoff(session, handoff_id=int(key.removeprefix("handoff-")))
        return handoff.conversation_id, handoff.id
    if where == "thread":
        token = queries.find_key(session, kind="THREAD", remote_id=name)
    if token is None:
        return None
    conversation = conversations.get_conversation(session, token=token, now=event.at)
    open_one = conversations.find_open_handoff(session, conversation_id=conversation.id)
    return conversation.id, open_one.id if open_one else None


def _ensure_ticket(hub: Hub, handoff_id: int) -> tuple[str, str]:
    """This will give the ticket and the contact of a handoff, writing them when the CRM has not been told yet.

    Whoever needs the ticket first writes it; by its key it is the same ticket. Told late, it stands in the stage the
    handoff is in by now, and not in the queue of people who would find nobody waiting.
    """
    now = hub.now()
    with hub.transaction() as session:
        handoff = conversations.get_handoff(session, handoff_id=handoff_id)
        conversation = conversations.get_conversation(session, conversation_id=handoff.conversation_id, now=now)
        contact = _contact(hub, session, conversation)
        known_contact = queries.find_link(session, kind="CONTACT", key=contact.key)
        known = _ticket_link(session, handoff_id)
        if known is not None and known_contact is not None:
            return known.remote_id, known_contact.remote_id
        summary = summaries.summarise(session, handoff_id=handoff_id, now=now)
    contact_id = _push_contact(hub, contact, known_contact)
    if known is not None:
        return known.remote_id, contact_id
    ticket = mapping.ticket(handoff, conversation, contact=contact, contact_id=contact_id, summary=summary)
    with _mended(hub, [("CONTACT", contact.key)]):
        ticket_id = hub.crm.upsert_ticket(ticket, None)
    hub.crm.add_note(ticket_id, summary, handoff.requested_at, f"handoff-{handoff.id}-summary")
    if handoff.cause_message_id is not None and handoff.status != "CLOSED":
        _push_message(hub, handoff.cause_message_id, ticket.key, ticket_id, contact_id)
    with hub.transaction() as session:
        digest = operations.content_hash(ticket.properties)
        operations.link(session, kind="TICKET", key=ticket.key, remote_id=ticket_id, content_hash=digest, now=hub.now())
    return ticket_id, contact_id


def _push_message(hub: Hub, message_id: int, ticket_key: str, ticket_id: str, contact_id: str) -> None:
    with hub.transaction() as session:
        message = conversations.get_message(session, message_id=message_id)
        conversation = conversations.get_conversation(session, conversation_id=message.conversation_id, now=hub.now())
    with _mended(hub, [("TICKET", ticket_key)]):
        thread_id = hub.crm.push_customer_message(
            ticket_id,
            conversation.token,
            mapping.said(message),
            message.created_at,
            f"message-{message.id}",
            contact_id=contact_id,
        )
    if thread_id is not None:
        with hub.transaction() as session:
            operations.link(
                session, kind="THREAD", key=conversation.token, remote_id=thread_id, content_hash="", now=hub.now()
            )


@contextlib.contextmanager
def _mended(hub: Hub, things: list[tuple[str, str]]) -> Iterator[None]:
    """People delete and merge things in a CRM: what is gone is forgotten here, and written anew by the next try."""
    try:
        yield
    except errors.ProviderError as exc:
        if exc.code != "crm.gone":
            raise
        with hub.transaction() as session:
            operations.forget(session, things=things)
        raise errors.ProviderError("crm.gone", retry_after=1.0) from exc


def _ticket_link(session: Session, handoff_id: int) -> queries.Link | None:
    return queries.find_link(session, kind="TICKET", key=f"handoff-{handoff_id}")


def _contact(hub: Hub, session: Session, conversation: conversations.Conversation) -> ports.CrmContact:
    customer_id = conversation.customer_id or conversation.recognised_customer_id
    if customer_id is None:
        return mapping.visitor_contact(conversation, hub.settings)
    return _customer_contact(session, customer_id)


def _customer_contact(session: Session, customer_id: int) -> ports.CrmContact:
    return mapping.customer_contact(
        accounts.get_customer(session, customer_id=customer_id),
        accounts.list_contact_points(session, customer_id=customer_id),
        [account.number for account in accounts.list_accounts(session, customer_id=customer_id)],
    )


def _push_contact(hub: Hub, contact: ports.CrmContact, known: queries.Link | None) -> str:
    digest = operations.content_hash(contact.properties)
    if known is not None and known.content_hash == digest:
        return known.remote_id
    remote_id = hub.crm.upsert_contacts([contact])[contact.key]
    with hub.transaction() as session:
        operations.link(
            session, kind="CONTACT", key=contact.key, remote_id=remote_id, content_hash=digest, now=hub.now()
        )
    return remote_id
