"""Reads are kept as long as the policy says, and longer where something still hangs on them."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import models
from core import audit, log, periods
from core.accounts import queries as accounts
from core.hub import Hub
from metering import operations as metering
from metering import queries as meters

logger = log.get(__name__)

_CHUNK = 10_000
_EDGE = timedelta(days=1)  # a UTC month holds hours of the civil days on either side


def drop_old_reads(hub: Hub) -> None:
    """This will drop the months of reads that the policy no longer keeps and nothing needs; each is audited.

    A month goes whole, with the trail of its corrections, or stays whole.
    """
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    years = years_kept(hub.settings.reads_kept_years, today)
    before = periods.add_months(today, -12 * years)
    with hub.transaction() as session:
        old = [month for month in meters.list_months(session) if month.ends_on <= before]
    for month in old:
        with hub.transaction() as session:
            reasons = needed_by(session, month=month)
            if reasons:
                logger.warning("reads_kept", extra={"month": month.starts_on.isoformat(), "reasons": reasons})
                continue
            days = metering.drop_month(session, month=month)
            audit.record(
                session,
                actor="job:retention",
                action="reads.dropped",
                subject="read_month",
                subject_id=f"{month.starts_on:%Y-%m}",
                now=now,
                detail={"days": days, "years_kept": years},
            )


def years_kept(policy: Sequence[tuple[date, int]], today: date) -> int:
    """This will give for how many whole years reads are kept: by the policy's last entry that has begun."""
    begun = [years for since, years in sorted(policy) if since <= today]
    return begun[-1] if begun else max((years for _, years in policy), default=100)


def needed_by(session: Session, *, month: periods.Days) -> list[str]:
    """This will say what the reads of a month are still needed by: DRAFT, HELD, DISPUTED or UNBILLED.

    UNBILLED is an agreement that has days in the month no issued bill covers.
    """
    days = periods.Days(month.starts_on - _EDGE, month.ends_on + _EDGE)
    bill = models.BillRow
    inside = (bill.starts_on < days.ends_on) & (bill.ends_on > days.starts_on)
    reasons = set(session.scalars(select(bill.status).where(inside, bill.status.in_(("DRAFT", "HELD"))).distinct()))
    disputed = (
        select(models.DisputeRow.id)
        .join(bill, bill.id == models.DisputeRow.bill_id)
        .where(models.DisputeRow.status == "OPEN", inside)
    )
    if session.scalar(disputed.limit(1)) is not None:
        reasons.add("DISPUTED")
    if _unbilled(session, month):
        reasons.add("UNBILLED")
    return sorted(reasons)


def _unbilled(session: Session, month: periods.Days) -> bool:
    bill = models.BillRow
    billed = func.sum(func.least(bill.ends_on, month.ends_on) - func.greatest(bill.starts_on, month.starts_on))
    agreements = accounts.list_agreements(session, period=month)
    for at in range(0, len(agreements), _CHUNK):
        part = agreements[at : at + _CHUNK]
        rows = session.execute(
            select(bill.agreement_id, billed)
            .where(
                bill.agreement_id.in_([each.id for each in part]),
                bill.status == "ISSUED",
                bill.starts_on < month.ends_on,
                bill.ends_on > month.starts_on,
            )
            .group_by(bill.agreement_id)
        )
        covered: dict[int, int] = {row[0]: int(row[1]) for row in rows}
        for each in part:
            begin, end = max(each.starts_on, month.starts_on), min(each.ends_on or month.ends_on, month.ends_on)
            if covered.get(each.id, 0) < (end - begin).days:
                return True
    return False
