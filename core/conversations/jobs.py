"""What runs on the clock: handoffs nobody took, conversations that rest, delivery reports nobody claimed."""

from datetime import timedelta

from sqlalchemy import delete, or_, select

from core import log
from core.conversations import handoffs, models, threads
from core.hub import Hub

logger = log.get(__name__)

_PARKED_FOR = timedelta(days=7)
_CHUNK = 500


def expire_handoffs(hub: Hub) -> None:
    """This will give conversations that nobody took in time back to the assistant; the customer is told by the fact."""
    with hub.transaction() as session:
        overdue = handoffs.list_overdue(session, settings=hub.settings, now=hub.now())
    for handoff_id in overdue:
        with hub.transaction() as session:
            row = session.get(models.HandoffRow, handoff_id)
            if row is not None and row.status == "WAITING":
                handoffs.close_handoff(session, handoff_id=handoff_id, end_reason="TIMED_OUT", now=hub.now())


def close_idle_conversations(hub: Hub) -> None:
    """This will close conversations that rested longer than their channel allows; nothing proven outlives them."""
    now = hub.now()
    row = models.ConversationRow
    idle = or_(
        *(((row.channel == channel) & (row.last_message_at < now - rest)) for channel, rest in threads.IDLE.items())
    )
    while True:
        with hub.transaction() as session:
            rows = session.scalars(
                select(row)
                .where(row.status == "OPEN", row.floor == "BOT", idle)
                .order_by(row.id)
                .limit(_CHUNK)
                .with_for_update(skip_locked=True)
            ).all()
            for each in rows:
                threads.close(each, now)
        if len(rows) < _CHUNK:
            break


def drop_parked_reports(hub: Hub) -> None:
    """This will forget delivery reports that belong to no message of ours."""
    with hub.transaction() as session:
        session.execute(delete(models.StatusReportRow).where(models.StatusReportRow.at < hub.now() - _PARKED_FOR))
