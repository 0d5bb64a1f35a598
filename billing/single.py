"""One bill outside a run: the same terms, reads and engine as the run's, for one agreement and some days."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from billing import bulk, carried, chunks, forms, history, metered, models, prices, rating, runs, tariffs, validations
from core import errors, periods
from core.accounts import queries as accounts


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
    hourly = prices.Book(session, holding=True).exact(segments, agreement.timezone)
    free = runs.exempt_of(own, [agreement])
    before = history.demand(session, np.array([agreement.id]), days, segments)
    used, state, year = reads.usage, None, None
    if carried.needs(segments):
        ids, points = np.array([agreement.id]), np.array([agreement.service_point_id])
        brought = carried.bring(session, agreement_ids=ids, points=points, days=days, segments=segments, used=used)
        if brought.broken.any() and not looking:
            raise errors.Refused("bill.carried_unknown")
        segments = carried.final(segments) if agreement.ends_on == days.ends_on else segments
        used, state, year = brought.usage, brought.state, brought.year_to_date
        hashes = brought.mixed(chunks.digests(days, own, free, used.wh, hourly))
    else:
        hashes = chunks.digests(days, own, free, used.wh, hourly)
    rated = rating.rate_segments(
        segments, used, history=before, exempt=free, state=state, year_to_date=year, prices=hourly
    )
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
