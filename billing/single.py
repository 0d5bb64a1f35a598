"""One bill outside a run: the same terms, reads and engine as the run's, for one agreement and some days."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from billing import bulk, holds, metered, models, rating, runs, tariffs
from core import errors, periods
from core.accounts import queries as accounts


@dataclass(frozen=True)
class Priced:
    """What some days of an agreement cost, and what of its reads was not really read."""

    agreement: accounts.Agreement
    days: periods.Days
    terms: tuple[tariffs.Term, ...]
    reads: metered.Metered
    lines: tuple[rating.Line, ...]
    total_cents: int
    wh: int
    peak_watts: int | None
    rounding: str

    @property
    def filled_share(self) -> float:
        return float(self.reads.filled[0]) / self.reads.intervals

    @property
    def estimated(self) -> bool:
        return bool(self.reads.estimated[0])


def price(session: Session, *, agreement: accounts.Agreement, days: periods.Days) -> Priced:
    """This will price days of an agreement as a bill run would.

    NotFound tariff.none when no tariff covers the days; Refused bill.no_reads when nothing at all was read in them.
    """
    terms = tariffs.list_terms(session, agreement_ids=[agreement.id], days=days).get(agreement.id, ())
    own = tuple(t for t in terms if t.starts_on < days.ends_on and t.ends_on > days.starts_on)
    segments = tariffs.segments(own, days)
    if segments is None:
        raise errors.NotFound("tariff.none")
    reads = metered.read(
        session, service_point_ids=[agreement.service_point_id], days=days, timezone=agreement.timezone
    )
    if int(reads.filled[0]) == reads.intervals:
        raise errors.Refused("bill.no_reads", starts_on=days.starts_on.isoformat(), ends_on=days.ends_on.isoformat())
    free = runs.exempt_of(own, [agreement])
    history = _history(session, agreement.id, days, segments)
    rated = rating.rate_segments(segments, reads.usage, history=history, exempt=free)
    return Priced(
        agreement=agreement,
        days=days,
        terms=own,
        reads=reads,
        lines=rated.lines(0),
        total_cents=int(rated.total_cents[0]),
        wh=int(rated.metered[0]) * 1000 // rated.per_kwh,
        peak_watts=None if rated.peak_watts is None else int(rated.peak_watts[0]),
        rounding=segments[0].plan.rounding,
    )


def draft(session: Session, priced: Priced, *, now: datetime, looked_at: bool = False) -> int:
    """This will write a draft of what was priced and give its id; it replaces a draft or held bill of the same days.

    Refused bill.billed_already when an issued bill stands on any of the days. `looked_at`: a person ordered it, so it
    is not held for looking odd.
    """
    agreement, days = priced.agreement, priced.days
    bill = models.BillRow
    others = session.execute(
        select(bill.id, bill.status, bill.number)
        .where(
            bill.agreement_id == agreement.id,
            bill.status != "CANCELLED",
            bill.starts_on < days.ends_on,
            bill.ends_on > days.starts_on,
        )
        .with_for_update()
    ).all()
    issued = next((row for row in others if row.status == "ISSUED"), None)
    if issued is not None:
        raise errors.Refused("bill.billed_already", number=issued.number)
    stale = [row.id for row in others]
    if stale:
        session.execute(delete(models.BillLineRow).where(models.BillLineRow.bill_id.in_(stale)))
        session.execute(delete(bill).where(bill.id.in_(stale)))
    version = session.scalar(
        select(func.coalesce(func.max(bill.version), 0)).where(
            bill.agreement_id == agreement.id, bill.starts_on == days.starts_on
        )
    )
    code = None if looked_at else _hold_code(session, priced)
    bill_id = bulk.take_ids(session, "bill", 1)[0]
    session.add(
        bill(
            id=bill_id, number=f"{days.ends_on:%y%m}-{bill_id:07d}", account_id=agreement.account_id,
            agreement_id=agreement.id, run_id=None, version=int(version or 0) + 1, starts_on=days.starts_on,
            ends_on=days.ends_on, tariff_code=priced.terms[-1].tariff_code, status="HELD" if code else "DRAFT",
            hold_code=code, total_cents=priced.total_cents, wh=priced.wh, peak_watts=priced.peak_watts,
            estimated=priced.estimated, rounding=priced.rounding, input_hash=_input_hash(priced), rated_at=now,
        )
    )  # fmt: skip
    session.flush()
    session.add_all(
        models.BillLineRow(
            bill_id=bill_id, position=position, component=x.component, code=x.code, description=x.description,
            args=dict(x.args), quantity=round(x.quantity, 6), unit=x.unit, unit_price=x.unit_price,
            amount_cents=x.amount_cents,
        )
        for position, x in enumerate(priced.lines)
    )  # fmt: skip
    session.flush()
    return bill_id


def _hold_code(session: Session, priced: Priced) -> str | None:
    bill = models.BillRow
    row: Any = session.execute(
        select(func.sum(bill.wh), func.sum(bill.total_cents), func.sum(bill.ends_on - bill.starts_on)).where(
            bill.agreement_id == priced.agreement.id,
            bill.status == "ISSUED",
            bill.starts_on >= periods.add_months(priced.days.starts_on, -13),
        )
    ).one()
    days = int(row[2] or 0)
    usual = holds.Usual(daily_wh=float(row[0]) / days, daily_cents=float(row[1]) / days) if days else None
    return holds.code(
        days=len(priced.days), wh=priced.wh, total_cents=priced.total_cents, filled_share=priced.filled_share,
        usual=usual,
    )  # fmt: skip


def _history(
    session: Session, agreement_id: int, days: periods.Days, segments: Sequence[rating.Segment]
) -> rating.History | None:
    """The highest demand of earlier months, from earlier bills, for tariffs with a ratchet."""
    ratchets = [s.plan.demand.ratchet for s in segments if s.plan.demand and s.plan.demand.ratchet]
    if not ratchets:
        return None
    first = days.starts_on.replace(day=1)
    months = [periods.add_months(first, -n) for n in range(max(r.months for r in ratchets), 0, -1)]
    watts = np.zeros((1, len(months)), dtype=np.int64)
    bill = models.BillRow
    peaks = session.execute(
        select(bill.starts_on, bill.peak_watts).where(
            bill.agreement_id == agreement_id,
            bill.starts_on >= months[0],
            bill.status != "CANCELLED",
            bill.peak_watts.is_not(None),
        )
    )
    for starts_on, peak in peaks:
        month: date = starts_on.replace(day=1)
        if month in months:
            watts[0, months.index(month)] = max(watts[0, months.index(month)], peak)
    return rating.History(tuple((m.year, m.month) for m in months), watts)


def _input_hash(priced: Priced) -> str:
    terms = [(t.sha256, str(t.starts_on), str(t.ends_on)) for t in priced.terms]
    free = sorted(code for code, mask in runs.exempt_of(priced.terms, [priced.agreement]).items() if mask[0])
    head = json.dumps([str(priced.days.starts_on), str(priced.days.ends_on), terms, free])
    reads = np.ascontiguousarray(priced.reads.usage.wh[0], dtype="<i8").tobytes()
    return hashlib.sha256(head.encode() + reads).hexdigest()
