"""How our things look in the CRM. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime

from core import crypto, ports
from core.accounts import queries as accounts
from core.conversations import queries as conversations
from core.settings import Settings

_ACTIVITY = {"SMS": "communication", "WHATSAPP": "communication", "WEB": "note", "EMAIL": "email", "VOICE": "call"}
_PRIORITY = {"NORMAL": "MEDIUM", "HIGH": "HIGH", "EMERGENCY": "URGENT"}
_BODY_LIMIT = 60_000
_CHANNEL = {"SMS": "SMS", "WHATSAPP": "WhatsApp", "WEB": "web chat", "EMAIL": "e-mail", "VOICE": "phone"}
_STAGE = {"WAITING": "Waiting for agent", "ACCEPTED": "With agent", "CLOSED": "Returned to assistant"}


def customer_contact(
    customer: accounts.Customer, points: Sequence[accounts.ContactPoint], account_numbers: Sequence[str]
) -> ports.CrmContact:
    """This will map a customer to a contact, keyed by the customer number. No figure of the account goes along."""
    first, last = customer.full_name, ""
    if customer.kind != "BUSINESS" and " " in first:
        first, _, last = first.rpartition(" ")
    properties = {
        "firstname": first,
        "lastname": last,
        "hs_language": customer.locale,
        "hub_accounts": ", ".join(account_numbers),
    }
    if customer.kind == "BUSINESS":
        properties["company"] = customer.full_name
    for kind, name in (("PHONE", "phone"), ("EMAIL", "email")):
        chosen = next((p for p in points if p.kind == kind and p.primary), None)
        chosen = chosen or next((p for p in points if p.kind == kind), None)
        if chosen is not None:
            properties[name] = chosen.value
    return ports.CrmContact(customer.number, properties)


def visitor_contact(conversation: conversations.Conversation, settings: Settings) -> ports.CrmContact:
    """This will map somebody we do not know to a contact of their own, keyed by a digest of their address."""
    properties = {
        "firstname": "Unknown",
        "lastname": f"({_CHANNEL[conversation.channel]})",
        "hs_language": conversation.locale,
    }
    if conversation.identity_kind in ("PHONE", "EMAIL"):
        properties[conversation.identity_kind.lower()] = conversation.identity
    key = crypto.digest(settings.secret_key, "visitor", conversation.identity_kind, conversation.identity)[:20]
    return ports.CrmContact(f"visitor-{key}", properties)


def activity(
    interaction: conversations.Interaction,
    messages: Sequence[conversations.Message],
    *,
    contact_id: str | None,
    ticket_id: str | None,
) -> ports.CrmActivity:
    """This will map one segment of a conversation to one activity, transcript and all (already redacted)."""
    kind = _ACTIVITY[interaction.channel]
    properties = {"hs_timestamp": stamp(interaction.started_at), "body": body(interaction, messages)}
    if kind == "communication":
        channel = {"SMS": "SMS", "WHATSAPP": "WHATS_APP"}[interaction.channel]
        properties |= {"hs_communication_channel_type": channel, "hs_communication_logged_from": "CRM"}
    elif kind == "email":
        subject = next((m.subject for m in messages if m.subject), "")
        properties |= {
            "hs_email_direction": "INCOMING_EMAIL" if interaction.inbound else "EMAIL",
            "hs_email_subject": subject or "",
            "hs_email_status": "SENT",
        }
    elif kind == "call":
        length = int((interaction.last_at - interaction.started_at).total_seconds() * 1000)
        properties |= {
            "hs_call_title": interaction.summary or "Call",
            "hs_call_direction": "INBOUND",
            "hs_call_status": "COMPLETED",
            "hs_call_duration": str(length),
        }
    return ports.CrmActivity(f"interaction-{interaction.id}", kind, properties, contact_id, ticket_id)


def body(interaction: conversations.Interaction, messages: Sequence[conversations.Message]) -> str:
    """This will write a segment as a person reads it: what it was about, then who said what."""
    lines = [interaction.summary or interaction.channel, ""]
    lines += [f"{m.created_at:%H:%M} {m.staff_name or m.author.title()}: {said(m)}" for m in messages]
    return "\n".join(lines)[:_BODY_LIMIT]


def said(message: conversations.Message) -> str:
    """This will give the words of a message, or how many attachments came without any."""
    return message.text or f"[{len(message.attachments)} attachment(s)]"


def ticket(
    handoff: conversations.Handoff,
    conversation: conversations.Conversation,
    *,
    contact: ports.CrmContact,
    contact_id: str | None,
    summary: str,
) -> ports.CrmTicket:
    """This will map a handoff to a ticket in the stage that stands for who has the floor."""
    name = " ".join(filter(None, (contact.properties.get("firstname"), contact.properties.get("lastname"))))
    reason = handoff.reason.replace("_", " ").lower()
    return ports.CrmTicket(
        f"handoff-{handoff.id}",
        {
            "subject": f"{name} · {_CHANNEL[conversation.channel]} · {reason}",
            "content": summary[:_BODY_LIMIT],
            "hs_ticket_priority": _PRIORITY[handoff.priority],
            "stage": _STAGE[handoff.status],
        },
        contact_id,
    )


def stamp(at: datetime) -> str:
    """This will write an instant as HubSpot takes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moved(handoff: conversations.Handoff) -> ports.CrmTicket:
    """This will map where a handoff stands now, and nothing else of it."""
    return ports.CrmTicket(f"handoff-{handoff.id}", {"stage": _STAGE[handoff.status]}, None)


def undelivered(message: conversations.Message) -> str:
    """This will word for staff that a message of theirs did not arrive, and why as far as anybody said."""
    reason = f" ({message.error_code})" if message.error_code else ""
    return f"NOT DELIVERED by {_CHANNEL[message.channel]}{reason}: {message.text}"
