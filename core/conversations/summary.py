"""What a person needs to know when they take over: who, how proven, what was tried, what was said last. For staff."""

from datetime import datetime

from sqlalchemy.orm import Session

from core.accounts import addresses
from core.accounts import queries as accounts
from core.conversations import queries

_LAST_TURNS = 10
_PROOF = {0: "not identified", 1: "recognised by address, not proven", 2: "proven by one-time code", 3: "signed in"}


def summarise(session: Session, *, handoff_id: int, now: datetime) -> str:
    """This will write the summary of a handoff; the texts in it were redacted before they were stored."""
    handoff = queries.get_handoff(session, handoff_id=handoff_id)
    conversation = queries.get_conversation(session, conversation_id=handoff.conversation_id, now=now)
    segments = queries.list_interactions(session, conversation_id=conversation.id)
    intents = list(dict.fromkeys(intent for segment in segments for intent in segment.intents))
    messages = queries.transcript(
        session, conversation_id=conversation.id, from_seq=max(1, conversation.last_seq - _LAST_TURNS + 1)
    )
    lines = [
        f"Reason: {handoff.reason} ({handoff.priority})",
        f"Customer: {_who(session, conversation)}",
        f"Proof: {_PROOF[conversation.level]}",
        f"Channel: {conversation.channel}{_window(conversation)}, language {conversation.locale}",
        f"Asked about: {', '.join(intents) or '-'}",
        f"Tried: {_tried(messages)}",
        "",
        *(f"{message.author}: {message.text or _attached(message)}" for message in messages),
    ]
    return "\n".join(lines)


def _who(session: Session, conversation: queries.Conversation) -> str:
    customer_id = conversation.customer_id if conversation.level >= 2 else conversation.recognised_customer_id
    shown = conversation.identity if conversation.identity_kind in ("PHONE", "EMAIL") else conversation.identity_kind
    if customer_id is None:
        return f"unknown ({shown})"
    customer = accounts.get_customer(session, customer_id=customer_id)
    held = accounts.list_accounts(session, customer_id=customer_id)
    numbers = ", ".join(account.number for account in held) or "no account"
    medical = ", MEDICAL EQUIPMENT" if customer.medical_equipment else ""
    masked = addresses.masked(conversation.identity_kind, shown) if "@" in shown or shown.startswith("+") else shown
    return f"{customer.full_name} ({customer.number}, {customer.kind}, {numbers}{medical}; writes from {masked})"


def _window(conversation: queries.Conversation) -> str:
    if conversation.channel != "WHATSAPP":
        return ""
    return (
        " (24-hour window open)" if conversation.window_open else " (24-hour window closed: template or other channel)"
    )


def _tried(messages: tuple[queries.Message, ...]) -> str:
    kinds = [message.kind for message in messages if message.author == "ASSISTANT" and message.kind]
    return ", ".join(dict.fromkeys(kinds)) or "-"


def _attached(message: queries.Message) -> str:
    return f"[{len(message.attachments)} attachment(s)]"
