"""One bill outside a run: the same terms, reads and engine as the run's, for one agreement and some days; and with what
such a bill opens, for the pages that say what it will come to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from billing import (
    bulk,
    carried,
    chunks,
    cycles,
    forms,
    history,
    metered,
    models,
    prices,
    rating,
    runs,
    tariffs,
    validations,
)
from billing.rating import export
from core import errors, periods
from core.accounts import queries as accounts

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Opening:
    """What a bill begins with: what the bill before handed over, the cents that count towards the year's minimum, and
    the demand of earlier months. One row, or one for each that is priced; None where the plan asks for none.
    """

    state: rating.State | None = None
    year_to_date: Ints | None = None
    history: rating.History | None = None

    def rows(self, count: int) -> "Opening":
        """This will give one row as so many alike, for variants of the use; as many as there are stay as they are."""
        alike = np.zeros(count, dtype=np.int64)
        state, year, seen = self.state, self.year_to_date, self.history
        return Opening(
            state if state is None or len(state.excess) == count else state.only(alike),
            year if year is None or len(year) == count else year[alike],
            seen if seen is None or len(seen.watts) == count else replace(seen, watts=seen.watts[alike]),
        )


@dataclass(frozen=True)
class Priced:
    """What some days of an agreement cost, and what of its reads was not really read."""

    agreement: accounts.Agreement
    days: periods.Days
    terms: tuple[tariffs.Term, ...]
    reads: metered.Metered
    used: rating.Usage
    rated: rating.Rated
    lines: tuple[rating.Line, ...]
    total_cents: int
    wh: int
    peak_watts: int | None
    rounding: str
    input_hash: bytes

    @property
    def estimated(self) -> bool:
        return bool(self.reads.estimated[0])


def price(session: Session, *, agreement: accounts.Agreement, days: periods.Days, looking: bool = False) -> Priced:
    """This will price days of an agreement as a bill run would; `looking` when no bill is made of it.

    NotFound tariff.none when no tariff covers the days; Refused bill.no_reads when nothing at all was read in them, and
    bill.carried_unknown when what the bill before hands over may still change, bill.no_prices when the
    prices of some of its hours are not known.
    """
    return _price(session, agreement, days, looking=looking, overdue=looking)


def opening(
    session: Session, *, agreement: accounts.Agreement, days: periods.Days, segments: Sequence[rating.Segment],
    held: Sequence[tariffs.Term], overdue: bool = True,
) -> Opening:  # fmt: skip
    """This will give with what the bill of some days opens, as far as it is known now; nothing is asked where the plan
    carries nothing. `held` are the terms from the day before on.

    A bill is made days after its period is over: that of the period just before is priced on the way (unless `overdue`
    says that it is not over yet), so that a page shows no less in these days.
    """
    ids = np.array([agreement.id])
    seen = history.demand(session, ids, days, segments)
    before = carried.plan_before(held, days)
    carries = carried.needs(segments, before)
    if not carries and seen is None:
        return Opening()
    stands, kept = carried.handed_on(session, agreement_id=agreement.id, on=days.starts_on)
    lacking = None if stands or not overdue else _unmade(session, agreement, days.starts_on)
    if lacking is not None and lacking.peak_watts is not None and seen is not None:
        seen = _with_peak(seen, lacking.days.starts_on, lacking.peak_watts)
    if not carries:
        return Opening(history=seen)
    state = carried.taken(kept, before, segments[0].plan, metered.PER_KWH)
    if lacking is not None and lacking.rated.state is not None:
        state = export.hand_over(lacking.rated.state, lacking.terms[-1].plan, segments[0].plan, metered.PER_KWH)
    year = None
    if segments[-1].plan.minimum_annual:
        year = carried.year_to_date(session, ids, days)
        if lacking is not None and lacking.rated.toward_minimum is not None:
            year = year + lacking.rated.toward_minimum * (lacking.days.starts_on.year == days.starts_on.year)
    return Opening(state, year, seen)


def _unmade(session: Session, agreement: accounts.Agreement, on: date) -> Priced | None:
    """The bill that should stand of the period before a day; None where there was none, or it cannot be priced."""
    if agreement.starts_on >= on:
        return None
    days = cycles.open_period(agreement, on - timedelta(days=1))
    try:
        return _price(session, agreement, days, looking=True, overdue=False)
    except (errors.NotFound, errors.Refused, errors.Invalid):
        return None


def _with_peak(seen: rating.History, on: date, watts: int) -> rating.History:
    if (on.year, on.month) not in seen.months:
        return seen
    at = seen.months.index((on.year, on.month))
    raised = seen.watts.copy()
    raised[:, at] = np.maximum(raised[:, at], watts)
    return replace(seen, watts=raised)


def _price(
    session: Session, agreement: accounts.Agreement, days: periods.Days, *, looking: bool, overdue: bool
) -> Priced:
    held = tariffs.list_held(session, agreement_id=agreement.id, days=days)
    own = tariffs.clip(held, days)
    segments = tariffs.segments(own, days)
    if segments is None:
        raise errors.NotFound("tariff.none")
    reads = metered.read(
        session, service_point_ids=[agreement.service_point_id], days=days, timezone=agreement.timezone
    )
    if int(reads.filled[0]) == reads.intervals:
        raise errors.Refused("bill.no_reads", starts_on=days.starts_on.isoformat(), ends_on=days.ends_on.isoformat())
    hourly = prices.Book(session, holding=not looking).exact(segments, agreement.timezone)
    free = runs.exempt_of(own, [agreement])
    ids, points = np.array([agreement.id]), np.array([agreement.service_point_id])
    used = reads.usage
    hashes = chunks.digests(days, own, free, used.wh, hourly)
    if looking:
        opened = opening(session, agreement=agreement, days=days, segments=segments, held=held, overdue=overdue)
        if carried.pays(segments):
            sent, _ = carried.sent_out(session, points=points, days=days, used=used)
            used = carried.paid_for(segments, sent)
    else:
        opened = Opening(history=history.demand(session, ids, days, segments))
        if carried.needs(segments, carried.plan_before(held, days)):
            brought = carried.bring(session, agreement_ids=ids, points=points, days=days, segments=segments, used=used)
            if brought.broken.any():
                raise errors.Refused("bill.carried_unknown")
            used, opened = brought.usage, replace(opened, state=brought.state, year_to_date=brought.year_to_date)
            hashes = brought.mixed(hashes)
    segments = settled(segments, agreement, days)
    rated = rating.rate_segments(
        segments, used, history=opened.history, exempt=free, state=opened.state, year_to_date=opened.year_to_date,
        prices=hourly,
    )  # fmt: skip
    return Priced(
        agreement=agreement,
        days=days,
        terms=own,
        reads=reads,
        used=used,
        rated=rated,
        lines=rated.lines(0),
        total_cents=int(rated.total_cents[0]),
        wh=int(rated.metered[0]) * 1000 // rated.per_kwh,
        peak_watts=None if rated.peak_watts is None else int(rated.peak_watts[0]),
        rounding=segments[0].plan.rounding,
        input_hash=hashes[0].tobytes(),
    )


def settled(
    segments: tuple[rating.Segment, ...], agreement: accounts.Agreement, days: periods.Days
) -> tuple[rating.Segment, ...]:
    """This will give the segments of a bill, the last of all where the service ends with its days."""
    return carried.final(segments) if agreement.ends_on == days.ends_on and carried.needs(segments) else segments


def draft(
    session: Session, priced: Priced, *, now: datetime, looked_at: bool = False, run_id: int | None = None
) -> int:
    """This will write a draft of what was priced and give its id; it replaces a draft or held bill of the same days.

    Refused bill.billed_already when an issued bill stands on any of the days. `looked_at`: a person ordered it, so it
    is not held for looking odd. `run_id`: it stays a draft of that run, and goes out with it.
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
        session.execute(delete(bill).where(bill.id.in_(stale)))
    version = session.scalar(
        select(func.coalesce(func.max(bill.version), 0)).where(
            bill.agreement_id == agreement.id, bill.starts_on == days.starts_on
        )
    )
    codes = _findings(session, priced, version=int(version or 0) + 1)
    code = None if looked_at else validations.hold_code(codes)
    bill_id = int(bulk.take_ids(session, "bill", 1)[0])
    session.add(
        bill(
            id=bill_id, number=f"{days.ends_on:%y%m}-{bill_id:07d}", account_id=agreement.account_id,
            agreement_id=agreement.id, run_id=run_id, version=int(version or 0) + 1, starts_on=days.starts_on,
            ends_on=days.ends_on, tariff_code=priced.terms[-1].tariff_code, status="HELD" if code else "DRAFT",
            hold_code=code, findings=list(codes), form_id=forms.keep(session, [priced.lines])[0],
            quantities=[int(round(x.quantity, 6).scaleb(6)) for x in priced.lines],
            amounts=[x.amount_cents for x in priced.lines], total_cents=priced.total_cents, wh=priced.wh,
            peak_watts=priced.peak_watts, estimated=priced.estimated, rounding=priced.rounding,
            input_hash=priced.input_hash, rated_at=now,
        )
    )  # fmt: skip
    carried.write(session, [(priced.rated, np.array([0]), np.array([bill_id]))])
    session.flush()
    return bill_id


def _findings(session: Session, priced: Priced, *, version: int) -> tuple[str, ...]:
    """The errors and warnings that a run would find on it, the gravest first."""
    known = history.facts(
        session, agreement_ids=np.array([priced.agreement.id]),
        customer_kind=np.array([priced.agreement.customer_kind]), days=priced.days, read=priced.reads,
        rows=np.array([0]), used=priced.used, rated=priced.rated,
        versions=np.array([version]), segments=len(priced.terms),
    )  # fmt: skip
    return validations.kept(validations.look(known)[0])
