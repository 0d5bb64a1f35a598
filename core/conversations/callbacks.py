"""A call back, for when nobody could take a conversation in time: a request that stands until somebody has called."""

from sqlalchemy.orm import Session

from core import ports
from core.conversations import models, queries, turns
from core.fieldwork import operations as fieldwork
from core.hub import Hub


def book(hub: Hub, taken: turns.Taken) -> None:
    """This will open a request for a call back and tell its number."""
    now = hub.now()
    with hub.transaction() as session:
        held = turns.unanswered(session, taken)
        if held is None:
            return
        conversation, rows = held
        number = _request(hub, session, conversation, rows[-1].id)
        turns.answer(
            session,
            conversation,
            rows,
            [ports.Reply("handoff.callback_booked", {"number": number})],
            author="SYSTEM",
            settings=hub.settings,
            now=now,
            intent="callback",
        )


def _request(hub: Hub, session: Session, conversation: models.ConversationRow, message_id: int) -> str:
    now = hub.now()
    talk = queries.get_conversation(session, conversation_id=conversation.id, now=now)
    proven = talk.level >= 2
    return fieldwork.open_request(
        session,
        kind="CALLBACK",
        account_id=talk.account_id if proven else None,
        customer_id=talk.customer_id if proven else talk.recognised_customer_id,
        description="Call back",
        data={"conversation_id": talk.id, "channel": talk.channel, "contact": talk.identity, "locale": talk.locale},
        key=f"callback:{message_id}",
        now=now,
    ).number
