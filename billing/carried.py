"""What one bill of an agreement hands to the next: kWh and money from energy sent out, and progress towards a year's
minimum. Kept as a row of the bill it comes from, immutable and cancelled with it.

Only agreements whose plan needs it come here: `needs` asks the plan, not the agreement.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import bulk, models, parked, rating, tariffs
from billing.rating import export
from core import db, periods
from metering import queries as metering

Ints = NDArray[np.int64]
COLUMNS = ("bill_id", "bank_wh", "excess_wh", "credit_cents", "minimum_cents")


@dataclass(frozen=True)
class Brought:
    """What some agreements (their ids rise) bring into a bill: reads of energy sent out beside `usage`, what the bill
    before handed over, and how far they are towards the year's minimum. `broken` says who cannot be billed yet: the
    bill before was cancelled or is not issued yet, or the meter of what was sent out is silent.
    """

    usage: rating.Usage
    state: rating.State | None
    year_to_date: Ints | None
    broken: NDArray[np.bool_]

    def mixed(self, hashes: bulk.Octets) -> bulk.Octets:
        """This will give digests that know of all this too: [n, 32]."""
        sent = self.usage.export_wh
        parts = [] if sent is None else [sent]
        if self.state is not None:
            parts += [self.state.bank, self.state.excess[:, None], self.state.credit_cents[:, None]]
        if self.year_to_date is not None:
            parts.append(self.year_to_date[:, None])
        rows = np.ascontiguousarray(np.concatenate(parts, axis=1), dtype="<i8")
        out = [hashlib.sha256(h.tobytes() + row.tobytes()).digest() for h, row in zip(hashes, rows, strict=True)]
        return np.frombuffer(b"".join(out), dtype=np.uint8).reshape(len(out), 32)


def needs(segments: Sequence[rating.Segment], before: rating.Plan | None = None) -> bool:
    """This will say whether bills of these plans carry anything, or pay for energy sent out, or the plan of the day
    `before` them did: whoever leaves it on the first day of a bill is owed what it kept.
    """
    left = before is not None and before.export.pays
    return left or pays(segments) or any(s.plan.minimum_annual for s in segments)


def plan_before(held: Sequence[tariffs.Term], days: periods.Days) -> rating.Plan | None:
    """This will give the plan of the day before some days, from terms that reach back to it."""
    last = tariffs.clip(held, periods.Days(days.starts_on - timedelta(days=1), days.starts_on))
    return last[-1].plan if last else None


def pays(segments: Sequence[rating.Segment]) -> bool:
    """This will say whether any of these plans has a rule for energy sent out."""
    return any(s.plan.export.pays for s in segments)


def bring(
    session: Session, *, agreement_ids: Ints, points: Ints, days: periods.Days, segments: Sequence[rating.Segment],
    used: rating.Usage,
) -> Brought:  # fmt: skip
    """This will collect what such agreements bring into the bill of some days."""
    broken = np.zeros(len(agreement_ids), dtype=np.bool_)
    year = year_to_date(session, agreement_ids, days) if segments[-1].plan.minimum_annual else None
    if pays(segments):
        used, silent = sent_out(session, points=points, days=days, used=used)
        used = paid_for(segments, used)
        broken |= silent
    state, still_open = _state(session, agreement_ids, days, segments[0].plan, used.per_kwh)
    return Brought(used, state, year, broken | still_open)


def handed_on(session: Session, *, agreement_id: int, on: date) -> tuple[bool, models.BillCarriedRow | None]:
    """This will say whether a bill stands that ends where some days begin, and give what it hands on, if anything.

    For pages: a draft or a held bill counts as it is.
    """
    standing = [kept for _, status, kept in _before(session, np.array([agreement_id]), on) if status != "CANCELLED"]
    return bool(standing), standing[-1] if standing else None


def taken(
    kept: models.BillCarriedRow | None, before: rating.Plan | None, plan: rating.Plan, per_kwh: int
) -> rating.State:
    """This will give what a plan takes over of what a bill under the plan `before` it has kept."""
    if kept is None:
        nothing = np.zeros(1, dtype=np.int64)
        return rating.State(np.zeros((1, len(plan.energy)), dtype=np.int64), nothing, nothing)
    grains = per_kwh // 1000
    state = rating.State(
        np.array([kept.bank_wh or [0] * len(plan.energy)], dtype=np.int64) * grains,
        np.array([kept.excess_wh], dtype=np.int64) * grains, np.array([kept.credit_cents], dtype=np.int64),
    )  # fmt: skip
    return state if before is None else export.hand_over(state, before, plan, per_kwh)


def final(segments: Sequence[rating.Segment]) -> tuple[rating.Segment, ...]:
    """This will give the segments of a last bill: what is carried is settled in it."""
    return (*segments[:-1], replace(segments[-1], settles=True))


def write(session: Session, rated: Iterable[tuple[rating.Rated, Ints, Ints]]) -> None:
    """This will keep what bills hand on: for each batch what was rated, the rows that were written, and their ids."""
    found = [row for one, rows, ids in rated if _hands_on(one) for row in _rows(one, rows, ids)]
    if found:
        db.copy(session, "bill_carried", COLUMNS, found)


def followers(session: Session, *, bill_id: int, instead_of: int) -> tuple[int, ...]:
    """This will name the issued bill that stood on what another handed on, where that has changed with its correction;
    none where nothing has.
    """
    row, bill = models.BillCarriedRow, models.BillRow
    kept = {r.bill_id: r for r in session.scalars(select(row).where(row.bill_id.in_((bill_id, instead_of))))}
    new, old = kept.get(bill_id), kept.get(instead_of)
    if _values(new) == _values(old):
        return ()
    made = session.get_one(bill, bill_id)
    return tuple(
        session.scalars(
            select(bill.id).where(
                bill.agreement_id == made.agreement_id, bill.starts_on == made.ends_on, bill.status == "ISSUED"
            )
        )
    )


def _values(row: models.BillCarriedRow | None) -> Any:
    return None if row is None else (row.bank_wh, row.excess_wh, row.credit_cents, row.minimum_cents)


def _hands_on(rated: rating.Rated) -> bool:
    return rated.state is not None or rated.toward_minimum is not None


def _rows(rated: rating.Rated, rows: Ints, ids: Ints) -> Iterable[tuple[Any, ...]]:
    state, nothing = rated.state, np.zeros(len(rated), dtype=np.int64)
    minimum = nothing if rated.toward_minimum is None else rated.toward_minimum
    for row, bill_id in zip(rows.tolist(), ids.tolist(), strict=True):
        bank = [] if state is None else [int(wh) * 1000 // rated.per_kwh for wh in state.bank[row]]
        excess, cents = (0, 0) if state is None else (int(state.excess[row]), int(state.credit_cents[row]))
        yield bill_id, bank, excess * 1000 // rated.per_kwh, cents, int(minimum[row])


def sent_out(
    session: Session, *, points: Ints, days: periods.Days, used: rating.Usage
) -> tuple[rating.Usage, NDArray[np.bool_]]:
    """This will give the usage with what was sent out beside it, on the coarser grid of the two, and whose meter of it
    is silent; who has no such meter sent out nothing.

    Gaps count as nothing sent out. A meter without a single read in the days is silent.
    """
    grids = metering.usage_grids(
        session, service_point_ids=points.tolist(), starts_at=periods.midnight(days.starts_on, used.timezone),
        ends_at=periods.midnight(days.ends_on, used.timezone), direction="RECEIVED",
    )  # fmt: skip
    read = [grid for grid in grids if (grid.wh >= 0).any()]
    minutes = max([used.interval_minutes, *(grid.interval_minutes for grid in read)])
    wh = _coarser(used.wh, minutes // used.interval_minutes)
    sent = np.zeros_like(wh)
    silent = np.ones(len(points), dtype=np.bool_)
    order = np.argsort(points, kind="stable")
    for grid in read:
        own = np.array(grid.service_point_ids, dtype=np.int64)
        rows = order[np.searchsorted(points, own, sorter=order)]
        values = _coarser(np.maximum(grid.wh, 0), minutes // grid.interval_minutes)
        sent[rows, : values.shape[1]] = values[:, : sent.shape[1]]
        silent[rows] = (grid.wh < 0).all(axis=1)
    for row in np.flatnonzero(silent):
        silent[row] = metering.find_meter(session, service_point_id=int(points[row]), direction="RECEIVED") is not None
    return replace(used, interval_minutes=minutes, wh=wh, export_wh=sent), silent


def paid_for(segments: Sequence[rating.Segment], used: rating.Usage) -> rating.Usage:
    """This will give usage without what was sent out on days of a plan that has no rule for it: nobody pays for it."""
    if used.export_wh is None or all(s.plan.export.pays for s in segments):
        return used
    if not pays(segments):
        return replace(used, export_wh=None)
    sent, step = used.export_wh.copy(), timedelta(minutes=used.interval_minutes)
    for segment in segments:
        if not segment.plan.export.pays:
            ends = (segment.days.starts_on, segment.days.ends_on)
            first, last = ((periods.midnight(day, used.timezone) - used.starts_at) // step for day in ends)
            sent[:, max(first, 0) : max(last, 0)] = 0
    return replace(used, export_wh=sent)


def _coarser(wh: Ints, times: int) -> Ints:
    if times == 1:
        return wh
    starts = np.arange(0, wh.shape[1], times)
    return np.add.reduceat(wh, starts, axis=1) if wh.shape[1] else wh


def _state(
    session: Session, agreement_ids: Ints, days: periods.Days, plan: rating.Plan, per_kwh: int
) -> tuple[rating.State, NDArray[np.bool_]]:
    """What the bills that end where these days begin handed over, and whose such bill may still change or be made."""
    found = _before(session, agreement_ids, days.starts_on)
    count = len(agreement_ids)
    standing = {agreement_id: kept for agreement_id, status, kept in found if status != "CANCELLED"}
    firm = {agreement_id for agreement_id, status, _ in found if status == "ISSUED"}
    open_ = {agreement_id for agreement_id, _, _ in found} - firm
    none = sorted({*agreement_ids.tolist()} - {agreement_id for agreement_id, _, _ in found})
    open_.update(parked.wait_before(session, agreement_ids=none, on=days.starts_on))
    before = _plans_before(session, [a for a, kept in standing.items() if kept is not None], days.starts_on)
    bank = np.zeros((count, len(plan.energy)), dtype=np.int64)
    excess, credit = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for at, agreement_id in enumerate(agreement_ids.tolist()):
        kept = standing.get(agreement_id)
        if kept is None:
            continue
        one = taken(kept, before.get(agreement_id), plan, per_kwh)
        bank[at], excess[at], credit[at] = one.bank[0], one.excess[0], one.credit_cents[0]
    return rating.State(bank, excess, credit), np.isin(agreement_ids, list(open_))


def _before(session: Session, agreement_ids: Ints, on: date) -> list[tuple[int, str, models.BillCarriedRow | None]]:
    """The bills that end on a day: whose, in what state, and what each hands on; the newest version last."""
    bill, row = models.BillRow, models.BillCarriedRow
    found = session.execute(
        select(bill.agreement_id, bill.status, row)
        .outerjoin(row, row.bill_id == bill.id)
        .where(bill.agreement_id == db.any_of(agreement_ids), bill.ends_on == on)
        .order_by(bill.agreement_id, bill.version)
    )
    return [(agreement_id, status, kept) for agreement_id, status, kept in found]


def _plans_before(session: Session, agreement_ids: Sequence[int], on: date) -> dict[int, rating.Plan]:
    if not agreement_ids:
        return {}
    last = periods.Days(on - timedelta(days=1), on)
    terms = tariffs.list_terms(session, agreement_ids=agreement_ids, days=last)
    return {agreement_id: own[-1].plan for agreement_id, own in terms.items() if own}


def year_to_date(session: Session, agreement_ids: Ints, days: periods.Days) -> Ints:
    """This will sum the cents that the year's bills so far count with; a bill counts in the year in which it begins."""
    bill, row = models.BillRow, models.BillCarriedRow
    sums: dict[int, Any] = dict(
        session.execute(
            select(bill.agreement_id, func.sum(row.minimum_cents))
            .join(row, row.bill_id == bill.id)
            .where(
                bill.agreement_id == db.any_of(agreement_ids), bill.status != "CANCELLED",
                bill.starts_on >= date(days.starts_on.year, 1, 1), bill.starts_on < days.starts_on,
            )
            .group_by(bill.agreement_id)
        )
        .tuples()
        .all()
    )  # fmt: skip
    return np.array([int(sums.get(agreement_id, 0)) for agreement_id in agreement_ids.tolist()], dtype=np.int64)
