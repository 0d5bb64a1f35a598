"""The bill run: chunks of agreements, read, rated and written as sets.

open run -> chunks -> usage as arrays -> one vectorised rating per group of equal terms -> COPY of bills and lines.
A chunk is one transaction; a run that was stopped goes on where it was, and a run that is repeated changes nothing.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from billing import bulk, catalogue, holds, metered, models, rating, tariffs, views
from core import errors, log, money, periods
from core.accounts import queries as accounts
from core.hub import Hub

logger = log.get(__name__)


@dataclass(frozen=True)
class _Task:
    """One agreement and the period it is to be billed for."""

    agreement: accounts.Agreement
    days: periods.Days
    terms: tuple[tariffs.Term, ...]


@dataclass(frozen=True)
class _Draft:
    task: _Task
    lines: tuple[rating.Line, ...]
    total_cents: int
    wh: int
    peak_watts: int | None
    estimated: bool
    filled_share: float
    rounding: str
    input_hash: str


def run_bills(
    hub: Hub,
    *,
    period_end_on: date,
    now: datetime,
    account_ids: Sequence[int] | None = None,
    cycle_day: int | None = None,
    chunk_size: int = 5000,
) -> views.RunReport:
    """This will draft a bill for every agreement whose last bill period ended on or before a day.

    A period runs from one cycle day to the next, cut to the agreement's own first and last day. `cycle_day` limits
    the run to one cycle. Bills that look wrong are held, agreements that cannot be priced are parked, both with a code.
    """
    key = _run_key(period_end_on, account_ids, cycle_day)
    run_id = _open(hub, key, period_end_on, account_ids, cycle_day, chunk_size, now)
    with hub.transaction() as session:
        finished = session.get_one(models.BillRunRow, run_id).status != "OPEN"
        wanted = select(models.BillRunChunkRow.id).where(models.BillRunChunkRow.run_id == run_id)
        if not finished:
            wanted = wanted.where(models.BillRunChunkRow.status == "OPEN")
        chunk_ids = list(session.scalars(wanted.order_by(models.BillRunChunkRow.position)))
    for chunk_id in chunk_ids:
        with hub.transaction() as session:
            _chunk(session, chunk_id, run_id, period_end_on, now)
    with hub.transaction() as session:
        run = session.get_one(models.BillRunRow, run_id, with_for_update=True)
        if run.status == "OPEN":
            run.status, run.finished_at = "DONE", now
        return report(session, run_id=run_id)


def status_of(session: Session, *, period_end_on: date, cycle_day: int | None = None) -> str | None:
    """This will give the state of the run over the whole book, or one cycle of it, for a day; None: no run yet."""
    key = _run_key(period_end_on, None, cycle_day)
    return session.scalar(select(models.BillRunRow.status).where(models.BillRunRow.key == key))


def report(session: Session, *, run_id: int) -> views.RunReport:
    """This will give what a run did."""
    counts: Counter[str] = Counter()
    for row in session.scalars(select(models.BillRunChunkRow.counts).where(models.BillRunChunkRow.run_id == run_id)):
        counts.update(row)
    total = session.scalar(
        select(func.coalesce(func.sum(models.BillRow.total_cents), 0)).where(models.BillRow.run_id == run_id)
    )
    return views.RunReport(
        run_id=run_id,
        agreements=counts["agreements"],
        billed=counts["billed"],
        held=counts["held"],
        unchanged=counts["unchanged"],
        parked=counts["parked"],
        total=money.from_cents(int(total or 0)),
    )


def period_of(agreement: accounts.Agreement, on_or_before: date) -> periods.Days | None:
    """This will give the last bill period of an agreement that ended by a day; None when it took no service in it."""
    ends_on = on_or_before.replace(day=agreement.bill_cycle_day)
    if ends_on > on_or_before:
        ends_on = periods.add_months(ends_on, -1)
    starts_on = max(periods.add_months(ends_on, -1), agreement.starts_on)
    ends_on = min(ends_on, agreement.ends_on or ends_on)
    return periods.Days(starts_on, ends_on) if starts_on < ends_on else None


def open_period(agreement: accounts.Agreement, on: date) -> periods.Days:
    """This will give the bill period a day lies in."""
    starts_on = on.replace(day=agreement.bill_cycle_day)
    if starts_on > on:
        starts_on = periods.add_months(starts_on, -1)
    return periods.Days(max(starts_on, min(agreement.starts_on, on)), periods.add_months(starts_on, 1))


def _run_key(period_end_on: date, account_ids: Sequence[int] | None, cycle_day: int | None) -> str:
    scope = "all" if account_ids is None else _sha(sorted(set(account_ids)))[:16]
    return f"{period_end_on}:{cycle_day or 'every'}:{scope}"


def _open(
    hub: Hub,
    key: str,
    period_end_on: date,
    account_ids: Sequence[int] | None,
    cycle_day: int | None,
    chunk_size: int,
    now: datetime,
) -> int:
    with hub.transaction() as session:
        run_id = session.scalar(select(models.BillRunRow.id).where(models.BillRunRow.key == key))
        if run_id is not None:
            return run_id
        back = periods.Days(periods.add_months(period_end_on, -2), period_end_on)
        found = accounts.list_agreements(session, period=back, account_ids=account_ids)
        chosen = [a for a in found if cycle_day in (None, a.bill_cycle_day) and period_of(a, period_end_on)]
        run = models.BillRunRow(key=key, period_end_on=period_end_on, started_at=now)
        session.add(run)
        session.flush()
        for position, some in enumerate(bulk.slices(chosen, chunk_size)):
            session.add(
                models.BillRunChunkRow(
                    run_id=run.id,
                    position=position,
                    agreement_ids=[a.id for a in some],
                    account_ids=sorted({a.account_id for a in some}),
                )
            )
        return run.id


def _chunk(session: Session, chunk_id: int, run_id: int, period_end_on: date, now: datetime) -> None:
    chunk = session.get_one(models.BillRunChunkRow, chunk_id, with_for_update=True)
    tasks, parked = _tasks(session, chunk, period_end_on)
    reads = _read(session, tasks)
    drafts: list[_Draft] = []
    for group in _grouped(tasks).values():
        rated, refused = _rate(session, group, reads)
        drafts += rated
        parked |= refused
    counts = _write(session, drafts, run_id, now)
    chunk.counts = {**counts, "parked": len(parked), "agreements": len(chunk.agreement_ids)}
    chunk.parked = {str(agreement_id): code for agreement_id, code in sorted(parked.items())}
    chunk.status, chunk.finished_at = "DONE", now


def _tasks(session: Session, chunk: models.BillRunChunkRow, period_end_on: date) -> tuple[list[_Task], dict[int, str]]:
    back = periods.Days(periods.add_months(period_end_on, -2), period_end_on)
    wanted = set(chunk.agreement_ids)
    terms = tariffs.list_terms(session, agreement_ids=chunk.agreement_ids, days=back)
    tasks: list[_Task] = []
    parked: dict[int, str] = dict.fromkeys(wanted, "NO_SERVICE")
    for agreement in accounts.list_agreements(session, period=back, account_ids=chunk.account_ids):
        days = period_of(agreement, period_end_on)
        if agreement.id not in wanted or days is None:
            continue
        own = tuple(t for t in terms.get(agreement.id, ()) if t.starts_on < days.ends_on and t.ends_on > days.starts_on)
        if tariffs.segments(own, days) is None:
            parked[agreement.id] = "NO_TARIFF"
            continue
        del parked[agreement.id]
        tasks.append(_Task(agreement, days, own))
    return tasks, parked


def _grouped(tasks: Sequence[_Task]) -> dict[Any, list[_Task]]:
    """Agreements with the same days, zone and terms are rated in one go."""
    groups: dict[Any, list[_Task]] = defaultdict(list)
    for task in tasks:
        apart = task.agreement.id if any(t.plan.demand is not None for t in task.terms) else None
        terms = tuple((t.sha256, max(t.starts_on, task.days.starts_on), t.ends_on) for t in task.terms)
        groups[(task.days, task.agreement.timezone, terms, apart)].append(task)
    return groups


def _read(session: Session, tasks: Sequence[_Task]) -> dict[int, tuple[metered.Metered, int]]:
    """The usage of every task, read once per zone and period; gives where each agreement's row is.

    Reads of several lengths come on the coarsest grid, which blurs a peak: those who pay for demand are read apart.
    """
    same: dict[Any, list[_Task]] = defaultdict(list)
    for task in tasks:
        apart = task.agreement.id if any(t.plan.demand is not None for t in task.terms) else None
        same[(task.days, task.agreement.timezone, apart)].append(task)
    out: dict[int, tuple[metered.Metered, int]] = {}
    for (days, zone, _), some in same.items():
        points = [t.agreement.service_point_id for t in some]
        read = metered.read(session, service_point_ids=points, days=days, timezone=zone)
        row = {point: i for i, point in enumerate(read.service_point_ids)}
        out.update((t.agreement.id, (read, row[t.agreement.service_point_id])) for t in some)
    return out


def _rate(
    session: Session, group: Sequence[_Task], reads: dict[int, tuple[metered.Metered, int]]
) -> tuple[list[_Draft], dict[int, str]]:
    parked: dict[int, str] = {}
    tasks = []
    for task in group:
        read, row = reads[task.agreement.id]
        if read.filled[row] == read.intervals:
            parked[task.agreement.id] = "NO_READS"
        else:
            tasks.append(task)
    if not tasks:
        return [], parked
    read = reads[tasks[0].agreement.id][0]
    rows = [reads[t.agreement.id][1] for t in tasks]
    segments = tariffs.segments(tasks[0].terms, tasks[0].days)
    assert segments is not None  # _tasks parked those that are not covered
    exempt = exempt_of(tasks[0].terms, [t.agreement for t in tasks])
    used = read.only(rows)
    try:
        history = _history(session, tasks, segments)
        rated = rating.rate_segments(segments, used, history=history, exempt=exempt)
    except errors.Invalid as refused:
        logger.warning("unpriceable", extra={"reason": refused.data.get("reason"), "agreements": len(tasks)})
        return [], parked | dict.fromkeys((t.agreement.id for t in tasks), "UNPRICEABLE")
    drafts = []
    for i, (task, row) in enumerate(zip(tasks, rows, strict=True)):
        free = sorted(code for code, mask in exempt.items() if mask[i])
        drafts.append(
            _Draft(
                task=task,
                lines=rated.lines(i),
                total_cents=int(rated.total_cents[i]),
                wh=int(rated.metered[i]) * 1000 // rated.per_kwh,
                peak_watts=None if rated.peak_watts is None else int(rated.peak_watts[i]),
                estimated=bool(read.estimated[row]),
                filled_share=float(read.filled[row]) / read.intervals,
                rounding=segments[0].plan.rounding,
                input_hash=_input_hash(task, free, used.wh[i]),
            )
        )
    return drafts, parked


def exempt_of(terms: Sequence[tariffs.Term], agreements: Sequence[accounts.Agreement]) -> dict[str, NDArray[np.bool_]]:
    """This will say, per tax code of some terms, which agreements do not pay it."""
    cities, kinds = [a.city for a in agreements], [a.customer_kind for a in agreements]
    out: dict[str, NDArray[np.bool_]] = {}
    for term in terms:
        out |= catalogue.exempt(term.document, cities, kinds)
    return out


def _history(session: Session, tasks: Sequence[_Task], segments: Sequence[rating.Segment]) -> rating.History | None:
    """The highest demand of earlier months, from earlier bills, for tariffs with a ratchet."""
    ratchets = [s.plan.demand.ratchet for s in segments if s.plan.demand and s.plan.demand.ratchet]
    if not ratchets:
        return None
    first = tasks[0].days.starts_on.replace(day=1)
    months = [periods.add_months(first, -n) for n in range(max(r.months for r in ratchets), 0, -1)]
    place = {t.agreement.id: i for i, t in enumerate(tasks)}
    watts = np.zeros((len(tasks), len(months)), dtype=np.int64)
    rows = session.execute(
        select(models.BillRow.agreement_id, models.BillRow.starts_on, models.BillRow.peak_watts).where(
            models.BillRow.agreement_id.in_(place),
            models.BillRow.starts_on >= months[0],
            models.BillRow.status != "CANCELLED",
            models.BillRow.peak_watts.is_not(None),
        )
    )
    for agreement_id, starts_on, peak in rows:
        month = starts_on.replace(day=1)
        if month in months:
            at = (place[agreement_id], months.index(month))
            watts[at] = max(watts[at], peak)
    return rating.History(tuple((m.year, m.month) for m in months), watts)


def _write(session: Session, drafts: Sequence[_Draft], run_id: int, now: datetime) -> dict[str, int]:
    """What is new or changed is written; drafts of an older input go; what has been issued stays as it is."""
    bill = models.BillRow
    ids = [d.task.agreement.id for d in drafts]
    standing: dict[tuple[int, date], Any] = {}
    version: Counter[tuple[int, date]] = Counter()
    for row in session.execute(
        select(bill.id, bill.agreement_id, bill.starts_on, bill.version, bill.status, bill.input_hash).where(
            bill.agreement_id.in_(ids), bill.starts_on >= min((d.task.days.starts_on for d in drafts), default=date.max)
        )
    ):
        version[(row.agreement_id, row.starts_on)] = max(version[(row.agreement_id, row.starts_on)], row.version)
        if row.status != "CANCELLED":
            standing[(row.agreement_id, row.starts_on)] = row
    fresh, stale = [], []
    for draft in drafts:
        before = standing.get((draft.task.agreement.id, draft.task.days.starts_on))
        if before is None:
            fresh.append(draft)
        elif before.input_hash != draft.input_hash and before.status != "ISSUED":
            fresh.append(draft)
            stale.append(before.id)
            version[(before.agreement_id, before.starts_on)] -= 1
    if stale:
        session.execute(delete(models.BillLineRow).where(models.BillLineRow.bill_id.in_(stale)))
        session.execute(delete(bill).where(bill.id.in_(stale)))
    codes = _hold_codes(session, fresh)
    _copy(session, fresh, codes, version, run_id, now)
    held = sum(code is not None for code in codes)
    return {"billed": len(fresh) - held, "held": held, "unchanged": len(drafts) - len(fresh)}


def _hold_codes(session: Session, drafts: Sequence[_Draft]) -> list[str | None]:
    """Each draft beside what the same agreement was billed a day in the year before."""
    if not drafts:
        return []
    bill = models.BillRow
    since = periods.add_months(min(d.task.days.starts_on for d in drafts), -13)
    rows: Any = session.execute(
        select(
            bill.agreement_id,
            func.sum(bill.wh),
            func.sum(bill.total_cents),
            func.sum(bill.ends_on - bill.starts_on),
        )
        .where(
            bill.agreement_id.in_([d.task.agreement.id for d in drafts]),
            bill.status == "ISSUED",
            bill.starts_on >= since,
        )
        .group_by(bill.agreement_id)
    )
    usual = {
        agreement_id: holds.Usual(daily_wh=float(wh) / days, daily_cents=float(cents) / days)
        for agreement_id, wh, cents, days in rows
    }
    return [
        holds.code(
            days=len(d.task.days),
            wh=d.wh,
            total_cents=d.total_cents,
            filled_share=d.filled_share,
            usual=usual.get(d.task.agreement.id),
        )
        for d in drafts
    ]


def _copy(
    session: Session,
    drafts: Sequence[_Draft],
    codes: Sequence[str | None],
    version: Counter[tuple[int, date]],
    run_id: int,
    now: datetime,
) -> None:
    if not drafts:
        return
    ids = bulk.take_ids(session, "bill", len(drafts))
    bulk.copy(
        session,
        "bill",
        ("id", "number", "account_id", "agreement_id", "run_id", "version", "starts_on", "ends_on", "tariff_code",
         "status", "hold_code", "total_cents", "wh", "peak_watts", "estimated", "rounding", "input_hash", "rated_at"),
        (
            (
                bill_id, f"{d.task.days.ends_on:%y%m}-{bill_id:07d}", d.task.agreement.account_id, d.task.agreement.id,
                run_id, version[(d.task.agreement.id, d.task.days.starts_on)] + 1, d.task.days.starts_on,
                d.task.days.ends_on, d.task.terms[-1].tariff_code, "HELD" if code else "DRAFT", code, d.total_cents,
                d.wh, d.peak_watts, d.estimated, d.rounding, d.input_hash, now,
            )
            for bill_id, d, code in zip(ids, drafts, codes, strict=True)
        ),
    )  # fmt: skip
    bulk.copy(
        session,
        "bill_line",
        ("bill_id", "position", "component", "code", "description", "args", "quantity", "unit", "unit_price",
         "amount_cents"),
        (
            (bill_id, position, x.component, x.code, x.description, json.dumps(dict(x.args)), round(x.quantity, 6),
             x.unit, x.unit_price, x.amount_cents)
            for bill_id, d in zip(ids, drafts, strict=True)
            for position, x in enumerate(d.lines)
        ),
    )  # fmt: skip


def _input_hash(task: _Task, free: Sequence[str], wh: Any) -> str:
    terms = [(t.sha256, str(t.starts_on), str(t.ends_on)) for t in task.terms]
    head = json.dumps([str(task.days.starts_on), str(task.days.ends_on), terms, list(free)])
    return hashlib.sha256(head.encode() + np.ascontiguousarray(wh, dtype="<i8").tobytes()).hexdigest()


def _sha(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
