"""The door for what customers say: one transaction, once per vendor id, one conversation per sender."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import crypto, ports, redaction
from core.accounts import operations as accounts_operations
from core.accounts import queries as accounts
from core.conversations import keywords, models, saying, sending, threads
from core.conversations.house import house
from core.settings import Settings

LONGEST = 65_536
_IN_DIALOGUE = timedelta(minutes=10)


@dataclass(frozen=True)
class Inbound:
    """What a channel took in. `payload` is set by the hub's own channels only (a key of the voice menu)."""

    channel: str
    identity_kind: str  # "PHONE", "EMAIL", "VISITOR", "BSUID" or "CALL"
    identity: str
    external_id: str | None  # the vendor's id: the same one twice is the same message
    text: str = ""
    attachments: Sequence[Mapping[str, Any]] = ()
    provider_ts: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)  # looked at, not kept
    thread_hint: str | None = None  # a call's id; an e-mail's conversation token, checked by the channel
    choice_token: str | None = None
    client_id: str | None = None  # web: the widget's own id of the message
    subject: str | None = None
    payload: str | None = None
    customer_id: int | None = None  # web: who is signed in, by the hub's own session
    locale: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Received:
    conversation_id: int
    token: str
    message_id: int
    seq: int
    duplicate: bool
    floor: str
    text: str  # as it is kept: redacted
    fact_id: int | None = None  # the fact whose delivery answers it; None when nothing will


def receive_message(
    session: Session, *, inbound: Inbound, now: datetime, settings: Settings, answer: bool = True
) -> Received:
    """This will store what a customer said, and see that it is answered (unless `answer` is False).

    The same vendor id again gives the first result. Card numbers are blanked and a one-time code that the conversation
    waits for is lifted out before anything is stored; of the code only a keyed digest stays. STOP, START and HELP on
    SMS and WhatsApp are dealt with here. Facts ``message.received`` and ``conversation.touched``.
    """
    external_id = _external_id(inbound)
    sender = threads.lock_identity(
        session,
        channel=inbound.channel,
        kind=inbound.identity_kind,
        value=threads.normal_identity(inbound.identity_kind, _clean(inbound.identity)),
        now=now,
        inbound=True,
        external_id=external_id,
    )
    if sender.known is not None:
        return _known(session, inbound.channel, external_id)
    conversation = _conversation(session, sender, inbound, now, settings)
    values = _content(session, conversation, inbound, now, settings)
    said = _keyword(session, conversation, sender, values["text"], now) if not values["payload"] else None
    automatic = bool(inbound.raw.get("automatic"))
    if said is not None:
        values["status"] = "KEYWORD"
    elif automatic or not answer:
        values["status"] = "SILENT"
    waited_for = said is None and answer and not automatic
    stored = saying.store(
        session,
        conversation=conversation,
        direction="IN",
        messages=[saying.Said({**values, "external_id": external_id, "provider_at": inbound.provider_ts})],
        # a caller waits on the line: the call's own request answers
        news=[saying.News("message.received", 0, bell=inbound.channel != "VOICE")] if waited_for else [],
        now=now,
        idle_seconds=settings.segment_idle,
    )
    if not stored.message_ids:  # another sender brought it: the first one counts
        return _known(session, inbound.channel, external_id)
    message_id = stored.message_ids[0]
    if said is not None:
        _heed(session, conversation, sender, message_id, said, values["text"], now, settings)
    fact_id = stored.fact_ids[0] if waited_for else None
    return Received(
        conversation.id,
        conversation.token,
        message_id,
        conversation.last_seq,
        False,
        conversation.floor,
        values["text"],
        fact_id,
    )


def resolve_choice(session: Session, *, token: str, conversation_id: int, now: datetime) -> ports.Choice | None:
    """This will give what a choice stands for; None when it was not issued in this conversation, or has expired."""
    row = session.scalars(
        select(models.ChoiceRow).where(
            models.ChoiceRow.token == token,
            models.ChoiceRow.conversation_id == conversation_id,
            models.ChoiceRow.expires_at > now,
        )
    ).one_or_none()
    return ports.Choice(row.label, row.payload) if row else None


def _conversation(
    session: Session,
    sender: threads.Sender,
    inbound: Inbound,
    now: datetime,
    settings: Settings,
) -> models.ConversationRow:
    row = threads.find(session, sender=sender, thread_hint=_hint(inbound), now=now)
    signed_in = inbound.customer_id if inbound.channel == "WEB" else None
    if row is not None and row.level == 3 and row.customer_id != signed_in:
        # somebody signed out, or somebody else signed in, on this browser: what was said before is not theirs to see
        threads.close(row, now)
        row = None
    elif row is not None and signed_in is not None and row.customer_id not in (None, signed_in):
        threads.close(row, now)
        row = None
    customer = accounts.get_customer(session, customer_id=signed_in) if signed_in is not None else None
    if row is None:
        row = threads.open_conversation(
            session,
            sender=sender,
            locale=inbound.locale,
            locales=settings.locales,
            default_locale=settings.default_locale,
            thread_key=_hint(inbound) if inbound.channel == "VOICE" else None,
            subject=redaction.redact(_clean(inbound.subject)[:500])[0] if inbound.subject else None,
            now=now,
            customer=customer,
        )
    if customer is not None:
        row.customer_id = row.recognised_customer_id = customer.id
        row.level, row.verified_until = 3, now + timedelta(seconds=settings.web_session_for)
    return row


def _content(
    session: Session,
    conversation: models.ConversationRow,
    inbound: Inbound,
    now: datetime,
    settings: Settings,
) -> dict[str, Any]:
    payload, data = inbound.payload, {}
    text = _clean(inbound.text)
    if inbound.choice_token:
        chosen = resolve_choice(session, token=_clean(inbound.choice_token), conversation_id=conversation.id, now=now)
        if chosen is not None:
            payload, text = chosen.payload, chosen.label
        else:
            data = {"choice": "unknown"}
    text, redacted = redaction.redact(text)
    digest = None
    without, code = redaction.take_code(text) if payload is None else (text, None)
    if code is not None and accounts.find_pending_verification(session, conversation_id=conversation.id, now=now):
        text, redacted = without, True
        digest = accounts.code_digest(settings.secret_key, code)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]} […{len(text) - LONGEST}]"
    return {
        "author": "CUSTOMER",
        "text": text,
        "subject": redaction.redact(_clean(inbound.subject)[:500])[0] if inbound.subject else None,
        "data": data,
        "payload": payload,
        "attachments": _clean([dict(each) for each in inbound.attachments]),
        "headers": _clean(dict(inbound.headers)),
        "code_digest": digest,
        "redacted": redacted,
        "status": "RECEIVED",
    }


def _keyword(
    session: Session,
    conversation: models.ConversationRow,
    sender: threads.Sender,
    text: str,
    now: datetime,
) -> keywords.Meaning | None:
    if not keywords.may_mean(text, channel=conversation.channel):
        return None
    opted_out = accounts.is_opted_out(session, contact_value=sender.value, channel=conversation.channel)
    spoken = session.scalar(
        select(models.MessageRow.created_at)
        .where(
            models.MessageRow.conversation_id == conversation.id,
            models.MessageRow.direction == "OUT",
            models.MessageRow.author == "ASSISTANT",
        )
        .order_by(models.MessageRow.seq.desc())
        .limit(1)
    )
    in_dialogue = spoken is not None and now - spoken < _IN_DIALOGUE
    return keywords.meaning(text, channel=conversation.channel, opted_out=opted_out, in_dialogue=in_dialogue)


def _heed(
    session: Session,
    conversation: models.ConversationRow,
    sender: threads.Sender,
    message_id: int,
    said: keywords.Meaning,
    text: str,
    now: datetime,
    settings: Settings,
) -> None:
    if said in ("STOP", "START"):
        accounts_operations.record_consent(
            session,
            contact_value=sender.value,
            customer_id=conversation.recognised_customer_id,
            channel=conversation.channel,
            granted=said == "START",
            source=f"keyword:{text.strip().lower()[:20]}",
            now=now,
        )
    # after a STOP nothing goes there any more, not even a goodbye
    if said != "STOP" and not keywords.vendor_answers(text, channel=conversation.channel, said=said):
        sending.send_replies(
            session,
            conversation_id=conversation.id,
            replies=[ports.Reply("consent.back" if said == "START" else "consent.help")],
            author="SYSTEM",
            in_reply_to=message_id,
            now=now,
            house=house(settings),
        )


def _external_id(inbound: Inbound) -> str:
    if inbound.external_id:
        return _clean(inbound.external_id)[:500]  # type: ignore[no-any-return]
    if inbound.client_id:
        return f"{_clean(inbound.identity)}:{_clean(inbound.client_id)}"[:500]
    return f"none:{crypto.token(12)}"


def _hint(inbound: Inbound) -> str | None:
    return _clean(inbound.thread_hint)[:200] if inbound.thread_hint else None


def _known(session: Session, channel: str, external_id: str) -> Received:
    row = session.execute(
        select(
            models.MessageRow.id,
            models.MessageRow.seq,
            models.MessageRow.text,
            models.ConversationRow.id.label("conversation_id"),
            models.ConversationRow.token,
            models.ConversationRow.floor,
        )
        .join(models.ConversationRow, models.ConversationRow.id == models.MessageRow.conversation_id)
        .where(
            models.MessageRow.channel == channel,
            models.MessageRow.direction == "IN",
            models.MessageRow.external_id == external_id,
        )
    ).one()
    return Received(row.conversation_id, row.token, row.id, row.seq, True, row.floor, row.text)


def _clean(value: Any) -> Any:
    """PostgreSQL stores neither NUL nor half a surrogate pair: NUL stays visible as its symbol, the other as U+FFFD."""
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value
        return value.replace("\x00", "␀").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {str(_clean(k)): _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value
