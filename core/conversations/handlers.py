"""What runs when a customer has said something, and when something is owed to a customer."""

from datetime import timedelta

import jinja2
from sqlalchemy.orm import Session

from core import crypto, errors, log, ports, wording
from core.accounts import operations as accounts_operations
from core.accounts import queries as accounts
from core.conversations import callbacks, delivery, handoffs, proof, queries, sending, turns
from core.conversations.house import MEDIA, house
from core.hub import Hub
from core.outbox import Fact
from core.settings import Settings

logger = log.get(__name__)

_GIVE_UP_AFTER = timedelta(hours=3)
_EMAIL_PATIENCE = timedelta(minutes=10)


def answer_message(hub: Hub, fact: Fact) -> None:
    """This will answer what a customer said: take the turn, ask the assistant, store its replies.

    One turn at a time per conversation (the fact's key); whatever happens in between, a message is answered once. When
    the assistant fails the customer is told so, one time, and the true answer follows when it is back.
    """
    with hub.transaction() as session:
        taken = turns.take(
            session,
            conversation_id=int(fact.payload["conversation_id"]),
            message_id=int(fact.payload["message_id"]),
            settings=hub.settings,
            now=hub.now(),
        )
    if taken is None:
        return
    if taken.code_digest is not None:
        if not _check_code(hub, taken):
            return
        taken = _as_verified(taken)
    if taken.turn.payload == turns.CALLBACK:
        callbacks.book(hub, taken)
        return
    try:
        found = hub.assistant.ask(taken.turn)
    except errors.ProviderError as exc:
        if not exc.retryable or _since(hub, taken) > _GIVE_UP_AFTER:
            _give_up(hub, taken, exc)
            return
        _say_delayed(hub, taken)
        raise
    except Exception as exc:  # whatever broke, the customer must not meet silence
        logger.exception("assistant_failed", extra={"conversation_id": taken.conversation_id})
        _give_up(hub, taken, exc)
        return
    try:
        _store_answer(hub, taken, found)
    except (wording.MissingWording, jinja2.TemplateError, ValueError) as exc:
        logger.exception("answer_unworded", extra={"conversation_id": taken.conversation_id})
        _give_up(hub, taken, exc)


def deliver_message(hub: Hub, fact: Fact) -> None:
    """This will hand one owed message to its channel: check consent and window, send, note what the vendor said."""
    message_id = int(fact.payload["message_id"])
    outbound = _prepare(hub, message_id)
    if outbound is None:
        return
    channel = hub.channels.get(outbound.channel)
    if outbound.channel == "VOICE" or (channel is None and outbound.channel == "WEB"):
        sent = ports.Sent(None)  # the call, or the page, comes and fetches it
    elif channel is None:
        _unsent(hub, message_id, "FAILED", "channel.none")
        return
    else:
        try:
            sent = channel.send(outbound)
        except errors.Refused as exc:
            _unsent(hub, message_id, "FAILED", exc.code)
            return
        except errors.ProviderError as exc:
            if exc.code == "unknown_outcome":
                # it may have gone; the adapter asks the vendor about this message's id before it sends it again
                _unsent(hub, message_id, "UNCERTAIN", exc.code)
            if not exc.retryable:
                _unsent(hub, message_id, "FAILED", str(exc.data.get("vendor_code") or exc.code))
                return
            raise
    with hub.transaction() as session:
        delivery.mark_sent(
            session, message_id=message_id, external_id=sent.external_id, status=sent.status, now=hub.now()
        )
    if outbound.channel == "WEB":
        hub.publish(f"conversation:{outbound.conversation}", str(message_id))


def tell_handoff(hub: Hub, fact: Fact) -> None:
    """This will tell the customer that a person has joined, or that the assistant answers again."""
    with hub.transaction() as session:
        handoff = queries.get_handoff(session, handoff_id=int(fact.payload["handoff_id"]))
        reply = _news(fact.name, handoff)
        if reply is None:
            return
        sending.send_once(
            session,
            conversation_id=handoff.conversation_id,
            reply=reply,
            key=f"handoff:{handoff.id}:{reply.kind}",
            now=hub.now(),
            house=house(hub.settings),
        )


def _news(name: str, handoff: queries.Handoff) -> ports.Reply | None:
    if name == "handoff.accepted":
        if handoff.status != "ACCEPTED":
            return None
        return ports.Reply("handoff.joined", {"staff_name": handoff.staff_name})
    if name != "handoff.closed" or handoff.status != "CLOSED":
        return None
    if handoff.end_reason == "TIMED_OUT":
        return ports.Reply("handoff.timed_out", {}, (ports.Choice("choice.callback", turns.CALLBACK),))
    return ports.Reply("handoff.ended") if handoff.end_reason != "FAILURE" else None


def _check_code(hub: Hub, taken: turns.Taken) -> bool:
    """A code never reaches the assistant: it is checked here, and only the outcome goes on."""
    now = hub.now()
    with hub.transaction() as session:
        held = turns.unanswered(session, taken)
        if held is None:
            return False
        conversation, rows = held
        assert taken.code_digest is not None
        checked = accounts_operations.check_verification(
            session,
            conversation_id=conversation.id,
            challenge_id=None,
            digest=taken.code_digest,
            now=now,
        )
        if checked.ok and checked.customer_id is not None:
            proof.mark_verified(
                session,
                conversation_id=conversation.id,
                customer_id=checked.customer_id,
                level=2,
                until=now + timedelta(seconds=hub.settings.verified_for),
                now=now,
            )
            for row in rows:  # a retry after this point goes straight on
                row.code_digest, row.payload = None, turns.IDENTITY_VERIFIED
            session.flush()
            return True
        if checked.locked:
            reply = ports.Reply("verify.locked", {}, (turns.person(),))
        elif checked.attempts_left > 0:
            reply = ports.Reply("verify.wrong", {"attempts_left": checked.attempts_left})
        else:
            reply = ports.Reply("verify.expired")
        turns.answer(session, conversation, rows, [reply], author="SYSTEM", settings=hub.settings, now=now)
    return False


def _as_verified(taken: turns.Taken) -> turns.Taken:
    turn = taken.turn
    return turns.Taken(
        taken.conversation_id,
        taken.message_ids,
        ports.Turn(
            conversation=turn.conversation,
            turn_id=turn.turn_id,
            channel=turn.channel,
            locale=turn.locale,
            payload=turns.IDENTITY_VERIFIED,
        ),
        None,
        taken.since,
    )


def _store_answer(hub: Hub, taken: turns.Taken, found: ports.Answer) -> None:
    now = hub.now()
    with hub.transaction() as session:
        held = turns.unanswered(session, taken)
        if held is None:
            return
        conversation, rows = held
        if conversation.floor == "STAFF":
            # a person began to speak while the assistant was thinking: they have the floor
            turns.relay(session, conversation_id=conversation.id, rows=rows, now=now)
            return
        if conversation.delayed_at is not None:
            conversation.delayed_at = None
        turns.answer(
            session,
            conversation,
            rows,
            found.replies,
            author="ASSISTANT",
            settings=hub.settings,
            now=now,
            intent=found.intent,
        )


def _say_delayed(hub: Hub, taken: turns.Taken) -> None:
    now = hub.now()
    with hub.transaction() as session:
        held = turns.unanswered(session, taken)
        if held is None:
            return
        conversation, rows = held
        if conversation.delayed_at is not None or conversation.floor != "BOT":
            return
        if conversation.channel == "EMAIL" and _since(hub, taken) < _EMAIL_PATIENCE:
            return  # nobody waits for an e-mail by the second
        conversation.delayed_at = now
        sending.send_replies(
            session,
            conversation_id=conversation.id,
            replies=[ports.Reply("system.delayed")],
            author="SYSTEM",
            in_reply_to=rows[-1].id,
            now=now,
            house=house(hub.settings),
        )


def _give_up(hub: Hub, taken: turns.Taken, reason: Exception) -> None:
    """The assistant cannot answer this at all: say so, and ask for a person."""
    logger.error("turn_given_up", extra={"conversation_id": taken.conversation_id, "reason": type(reason).__name__})
    now = hub.now()
    with hub.transaction() as session:
        held = turns.unanswered(session, taken)
        if held is None:
            return
        conversation, rows = held
        conversation.delayed_at = None
        handoffs.request_handoff(
            session,
            conversation_id=conversation.id,
            reason="FAILURE",
            key=f"failure:{rows[-1].id}",
            now=now,
        )
        turns.answer(
            session,
            conversation,
            rows,
            [ports.Reply("system.failed")],
            author="SYSTEM",
            settings=hub.settings,
            now=now,
        )


def _prepare(hub: Hub, message_id: int) -> ports.Outbound | None:
    """Read everything a channel needs; None when nothing is to be sent (and then the message says why)."""
    now = hub.now()
    with hub.transaction() as session:
        message = queries.get_message(session, message_id=message_id)
        if message.status not in ("OWED", "UNCERTAIN"):
            return None
        talk = queries.get_conversation(session, conversation_id=message.conversation_id, now=now)
        purpose = message.purpose
        if not _consented(talk, purpose, session):
            delivery.mark_unsent(session, message_id=message_id, status="SUPPRESSED", error_code=None, now=now)
            return None
        if not talk.window_open and message.kind not in hub.settings.whatsapp_templates:
            delivery.mark_unsent(
                session, message_id=message_id, status="FAILED", error_code="whatsapp.window_closed", now=now
            )
            return None
        text, data = _opened(message, talk.locale, hub.settings)
        return ports.Outbound(
            message_id=message.id,
            conversation=talk.token,
            channel=talk.channel,
            to=talk.identity,
            locale=talk.locale,
            text=text,
            subject=message.subject,
            html=message.html,
            ssml=message.ssml,
            choices=message.choices,
            attachments=message.attachments,
            kind=message.kind,
            data={**data, "purpose": purpose} if purpose else data,
            window_open=talk.window_open,
            headers=sending.thread_headers(session, message=message),
            uncertain_since=message.created_at if message.status == "UNCERTAIN" else None,
        )


def _consented(talk: queries.Conversation, purpose: str | None, session: Session) -> bool:
    if talk.channel in ("WEB", "VOICE"):
        return True
    # after a STOP nothing goes there by text any more, not even an answer; an e-mail answer to an e-mail always may
    if talk.channel != "EMAIL" and accounts.is_opted_out(session, contact_value=talk.identity, channel=talk.channel):
        return False
    if purpose is None:
        return True
    return accounts.allowed(session, contact_value=talk.identity, channel=talk.channel, purpose=purpose)


def _opened(message: queries.Message, locale: str, settings: Settings) -> tuple[str, dict[str, object]]:
    """The text as it goes out: what was sealed in the database (a one-time code) is worded only now."""
    data = dict(message.data)
    sealed = data.pop("sealed", None)
    if not sealed or message.kind is None:
        return message.text, data
    for name, value in sealed.items():
        data[name] = crypto.unseal(settings.secret_key, value) or ""
    worded = wording.render(message.kind, data, locale=locale, medium=MEDIA[message.channel], house=house(settings))
    return worded.text, data


def _unsent(hub: Hub, message_id: int, status: str, code: str | None) -> None:
    with hub.transaction() as session:
        delivery.mark_unsent(session, message_id=message_id, status=status, error_code=code, now=hub.now())


def _since(hub: Hub, taken: turns.Taken) -> timedelta:
    return hub.now() - taken.since if taken.since else timedelta(0)
