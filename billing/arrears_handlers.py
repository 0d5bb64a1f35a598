"""What follows in arrears from what happened elsewhere: money, a promise, a doubt, a cry for help."""

from datetime import date, timedelta

from billing import arrangements, credits, disconnection, owed
from core import outbox
from core.accounts import queries as accounts
from core.conversations import operations as conversing
from core.hub import Hub

_NEWS_FOR = timedelta(days=2)
_FOR_SURE = ("EMAIL", "WHATSAPP", "SMS")
_AT_HAND = ("SMS", "WHATSAPP", "EMAIL")


def review_arrears(hub: Hub, fact: outbox.Fact) -> None:
    """This will let a broken arrangement live again, take back an order without ground, and see to reconnection.

    Subscribe to ``payment.received``, ``arrangement.opened``, ``dispute.opened``, ``bill.cancelled``, ``medical.held``
    and ``program.enrolled``.
    """
    account_id = int(fact.payload["account_id"])
    now = hub.now()
    with hub.transaction() as session:
        arrangements.reinstate_if_caught_up(session, account_id=account_id, now=now)
        disconnection.review(session, account_id=account_id, now=now)


def tell_dispute(hub: Hub, fact: outbox.Fact) -> None:
    """This will tell that a dispute was not upheld; one that was is told with the corrected bill. For
    ``dispute.closed``.
    """
    if fact.payload["outcome"] == "REJECTED":
        tell_arrears(hub, fact)


def tell_cancelled(hub: Hub, fact: outbox.Fact) -> None:
    """This will tell that a bill was withdrawn; one that was made anew is told with the new one. For
    ``bill.cancelled``.
    """
    if fact.payload["cause"] == "WITHDRAWN":
        tell_arrears(hub, fact)


def tell_late_fee(hub: Hub, fact: outbox.Fact) -> None:
    """This will tell of the late fees of a day, once for all bills of an account; not of what was let go since.

    Subscribe to ``late_fee.charged``.
    """
    if hub.now() - fact.recorded_at > _NEWS_FOR:
        return
    account_id, day = int(fact.payload["account_id"]), date.fromisoformat(str(fact.payload["charged_on"]))
    with hub.transaction() as session:
        charged = credits.late_fees_of(session, account_id=account_id, on=day)
        if not charged:
            return
        conversing.notify_customer(
            session,
            customer_id=int(fact.payload["customer_id"]),
            kind="notice.late_fee_charged",
            data={
                "amount": str(charged),
                "overdue": str(owed.get_balance(session, account_id=account_id, now=hub.now()).overdue),
                "account": accounts.get_account(session, account_id=account_id).number[-4:],
            },
            purpose="SERVICE",
            key=f"late-fee:{account_id}:{day}",
            now=hub.now(),
            house=conversing.house(hub.settings),
            channels=_AT_HAND,
        )


def tell_arrears(hub: Hub, fact: outbox.Fact) -> None:
    """This will tell what became of a promise, of a bill that was wrong, of a medical hold, or of the service itself.

    Subscribe to ``arrangement.broken``, ``.kept`` and ``.reinstated``, ``bill.corrected``, ``medical.held`` and
    ``.ended``, ``service.disconnected`` and ``service.reconnected``.
    """
    if hub.now() - fact.recorded_at > _NEWS_FOR:
        return
    with hub.transaction() as session:
        conversing.notify_customer(
            session,
            customer_id=int(fact.payload["customer_id"]),
            kind="notice." + fact.name.replace(".", "_"),
            data=dict(fact.payload),
            purpose="SERVICE",
            key=f"{fact.name}:{fact.id}",
            now=hub.now(),
            house=conversing.house(hub.settings),
            channels=_FOR_SURE,
        )
