"""What the clock puts right: estimates that have been overtaken by reads, and the last bill of who moved out."""

from datetime import timedelta

from sqlalchemy import select

from billing import corrections, credit_notes, models, owed, rerating, single
from core import errors, log, periods
from core.accounts import queries as accounts
from core.hub import Hub

logger = log.get(__name__)

READS_SETTLE = timedelta(days=2)  # after the last day, as for every bill
LOOK_BACK = timedelta(days=30)  # a final bill that could not be made is tried again for so long
_PAGE = 200
CLOCK = "clock"


def true_up(hub: Hub) -> int:
    """This will make estimated bills anew whose reads have all come since; gives how many. Daily; again is nothing."""
    now = hub.now()
    since = periods.civil_day(now, hub.settings.utility_timezone) - rerating.TRUE_UP_FOR
    bill = models.BillRow
    after = done = 0
    while True:
        with hub.transaction() as session:
            found = list(
                session.scalars(
                    select(bill.id)
                    .where(bill.status == "ISSUED", bill.estimated, bill.issued_on >= since, bill.id > after)
                    .order_by(bill.id)
                    .limit(_PAGE)
                )
            )
        if not found:
            return done
        for bill_id in found:
            done += _true_up(hub, bill_id)
        after = found[-1]


def bill_final(hub: Hub) -> int:
    """This will bill and issue what is left to bill of agreements that have ended; gives how many bills. Daily."""
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    with hub.transaction() as session:
        ended = accounts.list_ended(session, since=today - LOOK_BACK, until=today - READS_SETTLE)
    done = 0
    for account_id in sorted({agreement.account_id for agreement in ended}):
        try:
            with hub.transaction() as session:
                done += len(corrections.bill_outstanding(session, account_id=account_id, now=now))
        except errors.WattlineError as refused:
            # one account without reads or tariff must not keep the others waiting
            logger.warning("final_bill_refused", extra={"account_id": account_id, "reason": refused.code})
    return done


def _true_up(hub: Hub, bill_id: int) -> bool:
    now = hub.now()
    try:
        with hub.transaction() as session:
            bill = owed.get_bill(session, bill_id=bill_id)
            agreement = accounts.get_agreement(session, agreement_id=bill.agreement_id)
            days = periods.Days(bill.starts_on, bill.ends_on)
            if single.price(session, agreement=agreement, days=days).estimated:
                return False
            corrections.rebill(
                session, bill_id=bill_id, actor=CLOCK, reason="actual reads", now=now, why=credit_notes.ESTIMATE
            )
            return True
    except errors.WattlineError as refused:
        logger.warning("true_up_refused", extra={"bill_id": bill_id, "reason": refused.code})
        return False
