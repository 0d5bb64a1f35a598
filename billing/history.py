"""What agreements were billed before, as their next bill is held against it: demand of earlier months, usual bills."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from billing import metered, models, rating, validations
from core import db, periods

Ints = NDArray[np.int64]


def demand(
    session: Session, agreement_ids: Ints, days: periods.Days, segments: Sequence[rating.Segment]
) -> rating.History | None:
    """This will give the highest demand of earlier months, from earlier bills, for tariffs with a ratchet.

    `agreement_ids` rise.
    """
    ratchets = [s.plan.demand.ratchet for s in segments if s.plan.demand and s.plan.demand.ratchet]
    if not ratchets:
        return None
    first = days.starts_on.replace(day=1)
    months = [periods.add_months(first, -n) for n in range(max(r.months for r in ratchets), 0, -1)]
    watts = np.zeros((len(agreement_ids), len(months)), dtype=np.int64)
    row = models.BillRow
    for agreement_id, starts_on, peak in session.execute(
        select(row.agreement_id, row.starts_on, row.peak_watts).where(
            row.agreement_id == db.any_of(agreement_ids),
            row.starts_on >= months[0],
            row.status != "CANCELLED",
            row.peak_watts.is_not(None),
        )
    ):
        month = starts_on.replace(day=1)
        if month in months:
            at = (int(np.searchsorted(agreement_ids, agreement_id)), months.index(month))
            watts[at] = max(watts[at], peak)
    return rating.History(tuple((m.year, m.month) for m in months), watts)


_USUAL = text(
    """
    SELECT agreement_id, CAST(sum(wh) AS float8) / sum(ends_on - starts_on),
           CAST(sum(total_cents) AS float8) / sum(ends_on - starts_on),
           max(CAST(wh AS float8) / (ends_on - starts_on)), count(*),
           coalesce(array_position(array_agg(estimated ORDER BY starts_on DESC), false) - 1, count(*)),
           max(ends_on) - DATE '0001-01-01' + 1
      FROM bill
     WHERE agreement_id = ANY(CAST(:ids AS bigint[])) AND status = 'ISSUED'
       AND starts_on >= :since AND starts_on < :before
     GROUP BY agreement_id
    """
)


def facts(
    session: Session, *, agreement_ids: Ints, customer_kind: NDArray[Any], days: periods.Days, read: metered.Metered,
    rows: Ints, used: rating.Usage, rated: rating.Rated, versions: Ints, segments: int,
) -> validations.Facts:  # fmt: skip
    """This will give what is looked at on each bill: beside it, what the same agreement (their ids rise) was billed in
    the year before.
    """
    since = periods.add_months(days.starts_on, -13)
    parameters = {"ids": db.array_of(agreement_ids), "since": since, "before": days.ends_on}
    usual = np.full((len(rows), 3), np.nan)
    counts = np.zeros((len(rows), 3), dtype=np.int64)
    found = session.execute(_USUAL, parameters).all()
    if found:
        at = np.searchsorted(agreement_ids, [f[0] for f in found])
        usual[at] = [f[1:4] for f in found]
        counts[at] = [f[4:] for f in found]
    components = sorted({c.component for c in rated.columns})
    per_day = 24 * 60 // read.usage.interval_minutes
    return validations.Facts(
        customer_kind=customer_kind,
        starts=days.starts_on.toordinal(), ends=days.ends_on.toordinal(), segments=segments,
        intervals=read.intervals, interval_minutes=read.usage.interval_minutes, filled=read.filled[rows],
        estimated=read.estimated[rows], wh=rated.metered, top_wh=used.wh.max(axis=1).astype(np.int64),
        zeros=(used.wh == 0).sum(axis=1, dtype=np.int32), total_cents=rated.total_cents,
        lines=sum((c.present.astype(np.int64) for c in rated.columns), np.zeros(len(rows), dtype=np.int64)),
        cents={name: rated.sum_cents(name) for name in components}, usual_wh=usual[:, 0], usual_cents=usual[:, 1],
        best_wh=usual[:, 2], bills=counts[:, 0], estimated_bills=counts[:, 1], last_ends=counts[:, 2],
        version=versions, first_day=read.gaps(rows, slice(0, per_day)), last_day=read.gaps(rows, slice(-per_day, None)),
    )  # fmt: skip
