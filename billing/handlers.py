"""What billing does on a fact: refunds that were agreed to go out, removed methods are forgotten at the gateway, bills
whose reads or prices have changed are looked at again, and those that waited for prices are made."""

from datetime import date, timedelta

from billing import by_phone, models, refunds, rerating, waiting
from core import errors, http, log, outbox, periods
from core.hub import Hub

logger = log.get(__name__)


def send_refund(hub: Hub, fact: outbox.Fact) -> None:
    """This will send a refund that a second person agreed to. For ``refund.approved``."""
    refunds.send_refund(hub, refund_id=int(fact.payload["refund_id"]))


def charge_phone_payment(hub: Hub, fact: outbox.Fact) -> None:
    """This will charge the card that a caller typed in at the carrier. For ``phone_payment.owed``."""
    by_phone.charge(hub, phone_payment_id=int(fact.payload["phone_payment_id"]))


def forget_method(hub: Hub, fact: outbox.Fact) -> None:
    """This will let the gateway forget a method that a customer removed. For ``method.removed``."""
    with hub.transaction() as session:
        row = session.get_one(models.SavedMethodRow, int(fact.payload["saved_method_id"]))
        gateway, method_id = row.gateway, row.method_id
    if gateway != hub.payments.name:
        return
    http.leave()
    hub.payments.forget_method(method_id=method_id)


def follow_reads(hub: Hub, fact: outbox.Fact) -> None:
    """This will look again at the bills of days whose reads have changed, each in its own transaction.

    Drafts are priced anew, issued ones proposed to be corrected; again changes nothing. For ``reads.corrected``.
    """
    now = hub.now()
    changed = [
        rerating.Changed(
            point, date.fromisoformat(first), date.fromisoformat(last), bool(corrected), fact.payload["by"]
        )
        for point, first, last, corrected in fact.payload["points"]
    ]
    with hub.transaction() as session:
        touched = rerating.list_touched(session, changed=changed)
    for bill_id, what in touched:
        try:
            with hub.transaction() as session:
                outcome = rerating.follow(session, bill_id=bill_id, changed=what, now=now)
            logger.info("reads_followed", extra={"bill_id": bill_id, "outcome": outcome})
        except errors.WattlineError as refused:
            # a bill that cannot be priced any more must not keep the others from being looked at
            logger.warning("reads_not_followed", extra={"bill_id": bill_id, "reason": refused.code})


def follow_prices(hub: Hub, fact: outbox.Fact) -> None:
    """This will look again at bills whose prices of the hour were corrected, each in its own transaction.

    As `follow_reads` does. For ``prices.corrected``.
    """
    first, last = (date.fromisoformat(fact.payload[key]) for key in ("first_day", "last_day"))
    for bill_id in fact.payload["bills"]:
        try:
            with hub.transaction() as session:
                outcome = rerating.follow_prices(
                    session, bill_id=bill_id, first_day=first, last_day=last, by=fact.payload["by"], now=hub.now()
                )
            logger.info("prices_followed", extra={"bill_id": bill_id, "outcome": outcome})
        except errors.WattlineError as refused:
            logger.warning("prices_not_followed", extra={"bill_id": bill_id, "reason": refused.code})


def bill_waiting(hub: Hub, fact: outbox.Fact) -> None:
    """This will bill who waits for prices of the hour, where days that came lie in their period. For
    ``prices.arrived``; again is nothing."""
    first, last = (date.fromisoformat(fact.payload[key]) for key in ("first_day", "last_day"))
    waiting.bill_waiting(hub, codes=("NO_PRICES",), days=periods.Days(first, last + timedelta(days=1)))
