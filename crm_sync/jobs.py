"""What the clock asks of the CRM side."""

from core import log
from core.conversations import queries as conversations
from core.hub import Hub
from crm_sync import operations, queries

logger = log.get(__name__)


def poll_tickets(hub: Hub) -> None:
    """This will look for people's replies in open tickets, where the portal sends no webhooks."""
    if hub.settings.hubspot_mode == "ticket_polling":
        _read_tickets(hub)


def reconcile(hub: Hub) -> None:
    """This will read the open tickets once more: a webhook that was lost is made good here."""
    missed = _read_tickets(hub)
    if missed:
        logger.warning("crm_webhooks_missed", extra={"count": missed})


def _read_tickets(hub: Hub) -> int:
    """The reply box is emptied once a reply is relayed: what stands in it and was not heard is new."""
    with hub.transaction() as session:
        waiting: dict[str, bool] = {}
        for handoff in conversations.list_open_handoffs(session):
            link = queries.find_link(session, kind="TICKET", key=f"handoff-{handoff.id}")
            if link is not None:
                waiting[link.remote_id] = handoff.status == "WAITING"
    if not waiting:
        return 0
    read_at = hub.now()
    new = 0
    for event in hub.crm.pull_staff_events(sorted(waiting)):
        if event.kind == "accepted" and not waiting[event.ticket_id]:
            continue
        with hub.transaction() as session:
            if event.kind == "reply" and queries.heard(
                session, ticket_id=event.ticket_id, text=event.text or "", read_at=read_at
            ):
                continue
            new += operations.receive_event(session, event=event, raw={"read": "ticket"}, now=hub.now())
    return new
