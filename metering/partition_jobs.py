"""The months of reads, by the clock: made ahead of the reads, and days that lie without a month brought home."""

from datetime import timedelta

from core import log, periods
from core.hub import Hub
from metering import partitions

logger = log.get(__name__)

AHEAD = 3  # months


def make_ahead(hub: Hub) -> None:
    """This will make the partitions of this month, the one before and the next three, and of days that have none.

    Each month in a transaction of its own: it waits for those who write, a few seconds at most, and comes again.
    """
    today = periods.aware(hub.now()).date()
    first = periods.month_of(today - timedelta(days=28)).starts_on
    wanted = set(periods.months(periods.Days(first, periods.add_months(first, AHEAD + 2))))
    with hub.transaction() as session:
        wanted |= set(partitions.list_strays(session, today=today))
    for month in sorted(wanted):
        with hub.transaction() as session:
            if partitions.make_months(session, days=month):
                logger.info("read_month_made", extra={"month": month.starts_on.isoformat()})
