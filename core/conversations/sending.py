"""What goes out: replies are worded and stored here, then owed to their channel by the fact ``message.owed``."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import crypto, db, ports, wording
from core.accounts import queries as accounts
from core.conversations import delivery, models, numbering, queries, saying, threads
from core.conversations.house import MEDIA
from core.conversations.notice_proofs import AGAIN

FETCHED = frozenset(["WEB", "VOICE"])  # the page, or the call, comes and fetches its messages: storing is sending
_NOTICE_CHANNELS = {"OUTAGE": ("SMS", "WHATSAPP", "EMAIL"), "SERVICE": ("WHATSAPP", "EMAIL", "SMS")}
_NOTICE_CHANNELS_ELSE = ("WHATSAPP", "SMS", "EMAIL")


@dataclass
class _Draft:
    """One message in the making: on most channels one reply, by e-mail all replies of a turn."""

    kind: str | None
    data: Mapping[str, Any]
    texts: list[str] = field(default_factory=list)
    htmls: list[str | None] = field(default_factory=list)
    ssmls: list[str] = field(default_factory=list)
    subject: str | None = None
    choices: list[ports.Choice] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)


def send_replies(
    session: Session,
    *,
    conversation_id: int,
    replies: Sequence[ports.Reply],
    author: str,
    in_reply_to: int | None,
    now: datetime,
    house: wording.House,
    disclose: bool = False,
    intent: str | None = None,
) -> list[int]:
    """This will word replies for a conversation's language and channel, store them with their choices, and owe them.

    `disclose`: say first, once in a conversation, that an automated assistant answers. Gives the ids of the messages.
    """
    return reply_in(
        session,
        conversation=threads.lock_conversation(session, conversation_id).conversation,
        replies=replies,
        author=author,
        in_reply_to=in_reply_to,
        now=now,
        house=house,
        disclose=disclose,
        intent=intent,
    )


def reply_in(
    session: Session,
    *,
    conversation: models.ConversationRow,
    replies: Sequence[ports.Reply],
    author: str,
    now: datetime,
    house: wording.House,
    in_reply_to: int | None = None,
    answered: Sequence[models.MessageRow] = (),
    disclose: bool = False,
    intent: str | None = None,
) -> list[int]:
    """This will do the same in a conversation that is held already, and mark the messages it answers."""
    said = list(replies)
    if disclose and conversation.disclosed_at is None and said:
        if conversation.channel != "VOICE":  # a call opens with it
            said.insert(0, ports.Reply("conversation.disclosure"))
        conversation.disclosed_at = now
    drafts = _drafts(said, conversation, house)
    return _store(
        session,
        conversation,
        drafts,
        author=author,
        in_reply_to=answered[-1].id if answered else in_reply_to,
        now=now,
        answered=answered,
        intent=intent,
    )


def send_once(
    session: Session,
    *,
    conversation_id: int,
    reply: ports.Reply,
    key: str,
    now: datetime,
    house: wording.House,
) -> int:
    """This will say one thing of the hub's own in a conversation; the same key again is nothing new."""
    conversation = threads.lock_conversation(session, conversation_id).conversation
    known = session.scalar(select(models.MessageRow.id).where(models.MessageRow.notice_key == key))
    if known is not None:
        return known
    drafts = _drafts([reply], conversation, house)
    return _store(session, conversation, drafts, author="SYSTEM", now=now, notice_key=key)[0]


def send_text(
    session: Session,
    *,
    conversation: models.ConversationRow,
    text: str,
    author: str,
    staff_name: str | None,
    key: str,
    now: datetime,
) -> int:
    """This will say a person's own words in a conversation that is held; the same key again is nothing new."""
    known = session.scalar(select(models.MessageRow.id).where(models.MessageRow.notice_key == key))
    if known is not None:
        return known
    draft = _Draft(kind=None, data={}, texts=[text], htmls=[None], ssmls=[html.escape(text)])
    draft.subject = _re(conversation.subject)
    return _store(session, conversation, [draft], author=author, now=now, notice_key=key, staff_name=staff_name)[0]


def notify_customer(
    session: Session,
    *,
    customer_id: int,
    kind: str,
    data: Mapping[str, Any],
    purpose: str,
    key: str,
    now: datetime,
    house: wording.House,
    channels: Sequence[str] | None = None,
    choices: tuple[ports.Choice, ...] = (),
) -> int | None:
    """This will tell a customer something they did not ask for, on the best channel they allow; None when none is.

    The same key again gives the first message. WhatsApp is taken only while its 24-hour window is open.
    """
    known = session.scalar(select(models.MessageRow.id).where(models.MessageRow.notice_key == key))
    if known is not None:
        return known
    customer = accounts.get_customer(session, customer_id=customer_id)
    for channel in channels or _NOTICE_CHANNELS.get(purpose, _NOTICE_CHANNELS_ELSE):
        point = accounts.may_notify(session, customer_id=customer_id, channel=channel, purpose=purpose, now=now)
        if point is None or (channel == "WHATSAPP" and not _whatsapp_open(session, point.value, now)):
            continue
        return send_to(
            session,
            channel=channel,
            contact=point,
            customer=customer,
            reply=ports.Reply(kind, data, choices),
            purpose=purpose,
            key=key,
            now=now,
            house=house,
        )
    return None


def notify_elsewhere(session: Session, *, message_id: int, now: datetime, house: wording.House) -> int | None:
    """This will tell a notice that did not arrive once more, on the next channel the customer allows; None when there
    is none, or when it was no notice, or has been told a second time already.
    """
    row = session.get(models.MessageRow, message_id)
    if row is None or row.kind is None or row.purpose is None or row.notice_key is None:
        return None
    if row.author != "SYSTEM" or row.status not in delivery.NOT_ARRIVED or row.notice_key.endswith(AGAIN):
        return None
    talk = session.get_one(models.ConversationRow, row.conversation_id)
    customer_id = talk.customer_id or talk.recognised_customer_id
    if customer_id is None:
        return None
    return notify_customer(
        session,
        customer_id=customer_id,
        kind=row.kind,
        data=row.data,
        purpose=row.purpose,
        key=row.notice_key + AGAIN,
        now=now,
        house=house,
        channels=[c for c in _NOTICE_CHANNELS.get(row.purpose, _NOTICE_CHANNELS_ELSE) if c != row.channel],
    )


def send_to(
    session: Session,
    *,
    channel: str,
    contact: accounts.ContactPoint,
    customer: accounts.Customer,
    reply: ports.Reply,
    purpose: str | None,
    key: str,
    now: datetime,
    house: wording.House,
    hidden: Mapping[str, str] | None = None,
) -> int:
    """This will write to a contact point on a channel, in the conversation open there or a new one.

    `hidden`: sealed values that the wording needs and the stored text must not hold (a one-time code): the text is
    stored with dots and worded again at the moment of sending.
    """
    sender = threads.lock_identity(
        session, channel=channel, kind=contact.kind, value=contact.value, now=now, inbound=False
    )
    conversation = None
    if channel != "EMAIL":  # a notice by e-mail is a thread of its own
        conversation = threads.find(session, sender=sender, thread_hint=None, now=now)
    if conversation is None:
        conversation = threads.open_conversation(
            session,
            sender=sender,
            locale=customer.locale,
            locales=(customer.locale,),
            default_locale=customer.locale,
            thread_key=None,
            subject=None,
            now=now,
            customer=customer,
        )
    shown = ports.Reply(reply.kind, {**reply.data, **dict.fromkeys(hidden or (), "••••••")}, reply.choices)
    draft = _drafts([shown], conversation, house)[0]
    if hidden:
        draft.data = {**draft.data, "sealed": dict(hidden)}
    return _store(session, conversation, [draft], author="SYSTEM", now=now, notice_key=key, purpose=purpose)[0]


def thread_headers(session: Session, *, message: queries.Message) -> dict[str, str]:
    """This will give the headers that keep an e-mail in its thread: those of the customer's last one."""
    if message.channel != "EMAIL":
        return {}
    last = session.scalar(
        select(models.MessageRow.headers)
        .where(
            models.MessageRow.conversation_id == message.conversation_id,
            models.MessageRow.direction == "IN",
            models.MessageRow.seq < message.seq,
        )
        .order_by(models.MessageRow.seq.desc())
        .limit(1)
    )
    named = {str(name).lower(): str(value) for name, value in (last or {}).items()}
    message_id = named.get("message-id")
    if not message_id:
        return {}
    references = f"{named.get('references') or named.get('in-reply-to') or ''} {message_id}".split()
    return {"In-Reply-To": message_id, "References": " ".join(dict.fromkeys(references))}


def plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """This will give data as JSON holds it: Decimals and dates become the strings the catalogues read."""
    return dict(json.loads(json.dumps(dict(data), default=_plain)))


def _drafts(replies: Sequence[ports.Reply], conversation: models.ConversationRow, house: wording.House) -> list[_Draft]:
    """An e-mail carries a whole turn; a text carries the disclosure with the first reply; elsewhere one by one."""
    drafts: list[_Draft] = []
    for reply in replies:
        joined = bool(drafts) and (
            conversation.channel == "EMAIL"
            or (conversation.channel == "SMS" and drafts[-1].kind == "conversation.disclosure")
        )
        if not joined:
            drafts.append(_Draft(reply.kind, plain(reply.data)))
        draft = drafts[-1]
        if joined and draft.kind == "conversation.disclosure":
            draft.kind, draft.data = reply.kind, plain(reply.data)
        worded = wording.render(
            reply.kind,
            plain(reply.data),
            locale=conversation.locale,
            medium=MEDIA[conversation.channel],
            house=house,
        )
        draft.texts.append(worded.text)
        draft.htmls.append(worded.html)
        draft.ssmls.append(worded.ssml or "")
        draft.subject = draft.subject or worded.subject
        draft.attachments += _pictures(reply.data, conversation.locale, house)
        for choice in reply.choices:
            label = wording.label(choice.label, choice.data, locale=conversation.locale, house=house)
            draft.choices.append(ports.Choice(label, choice.payload))
    if conversation.channel == "EMAIL":
        for draft in drafts:
            draft.subject = _re(conversation.subject) or draft.subject or house.name
    return drafts


def _pictures(data: Mapping[str, Any], locale: str, house: wording.House) -> list[dict[str, Any]]:
    """The picture a reply brings (``picture``: its address and the kind that says what it shows), for the channels
    that can show one. Only addresses of our own: whoever fetches it is led nowhere else.
    """
    picture = data.get("picture")
    if not isinstance(picture, Mapping) or not str(picture.get("url", "")).startswith(f"{house.base_url}/pictures/"):
        return []
    name = wording.label(str(picture["alt"]), {}, locale=locale, house=house)
    return [{"name": name, "content_type": "image/png", "url": str(picture["url"])}]


def _store(
    session: Session,
    conversation: models.ConversationRow,
    drafts: Sequence[_Draft],
    *,
    author: str,
    now: datetime,
    in_reply_to: int | None = None,
    answered: Sequence[models.MessageRow] = (),
    intent: str | None = None,
    notice_key: str | None = None,
    purpose: str | None = None,
    staff_name: str | None = None,
) -> list[int]:
    """What is stored is owed to its channel, and the CRM will hear of it; an open page is woken to fetch what is new
    (one that is not woken looks again by itself).
    """
    if not drafts:
        return []
    channel = conversation.channel
    every = {
        "author": author,
        "status": "SENT" if channel in FETCHED else "OWED",
        "status_at": now,
        "in_reply_to": in_reply_to,
        "notice_key": notice_key,
        "purpose": purpose,
        "staff_name": staff_name,
    }
    stored = saying.store(
        session,
        conversation=conversation,
        direction="OUT",
        messages=[saying.Said({**every, **_content(draft, channel)}, _offered(draft)) for draft in drafts],
        news=[] if channel in FETCHED else [saying.News("message.owed", n) for n in range(len(drafts))],
        now=now,
        expires_at=now + threads.IDLE[channel],
        answered=answered,
        intent=intent,
    )
    publish = session.info.get("publish")
    if publish is not None and channel == "WEB":
        identity = session.get_one(models.ChannelIdentityRow, conversation.identity_id)
        db.after_commit(session, lambda: publish(f"chat:{identity.value}", str(stored.message_ids[-1])))
    return list(stored.message_ids)


def _content(draft: _Draft, channel: str) -> dict[str, Any]:
    return {
        "text": "\n\n".join(draft.texts),
        "subject": draft.subject if channel == "EMAIL" else None,
        "html": _html(draft) if channel == "EMAIL" else None,
        "ssml": " ".join(draft.ssmls) if channel == "VOICE" else None,
        "kind": draft.kind,
        "data": dict(draft.data),
        "attachments": draft.attachments,
    }


def _offered(draft: _Draft) -> list[dict[str, Any]]:
    numbers = numbering.numbers([choice.label for choice in draft.choices])
    return [
        {"token": crypto.token(12), "number": number, "label": choice.label, "payload": choice.payload}
        for number, choice in zip(numbers, draft.choices, strict=True)
    ]


def _html(draft: _Draft) -> str | None:
    if not any(draft.htmls):
        return None
    return "\n".join(
        made or "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n"))
        for made, text in zip(draft.htmls, draft.texts, strict=True)
    )


def _re(subject: str | None) -> str | None:
    if not subject:
        return None
    return subject if subject.lower().startswith("re:") else f"Re: {subject}"


def _whatsapp_open(session: Session, value: str, now: datetime) -> bool:
    last = session.scalar(
        select(models.ChannelIdentityRow.last_inbound_at).where(
            models.ChannelIdentityRow.channel == "WHATSAPP",
            models.ChannelIdentityRow.kind == "PHONE",
            models.ChannelIdentityRow.value == value,
        )
    )
    # an hour less than the window: the message may wait a little before it goes
    return queries.window_open("WHATSAPP", last, now + timedelta(hours=1))


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
