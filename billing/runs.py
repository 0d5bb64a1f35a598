"""The bill run: chunks of agreements, read, rated and written as sets.

open run -> chunks -> usage as arrays -> one vectorised rating per group of equal terms -> COPY of bills and lines.
A chunk is one transaction; a run that was stopped goes on where it was, and a run that is repeated changes nothing.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import bulk, catalogue, chunks, crew, cycles, issuing, models, records, tariffs, views
from billing.cycles import open_period, period_of
from core import db, money, periods
from core.accounts import cohorts
from core.accounts import queries as accounts
from core.hub import Hub

__all__ = ["Run", "exempt_of", "list_runs", "open_period", "period_of", "report", "run_bills", "status_of"]


@dataclass(frozen=True)
class _Scope:
    period_end_on: date
    account_ids: Sequence[int] | None
    cycle_day: int | None
    chunk_size: int


def run_bills(
    hub: Hub,
    *,
    period_end_on: date,
    now: datetime,
    account_ids: Sequence[int] | None = None,
    cycle_day: int | None = None,
    chunk_size: int = 5000,
    processes: int = 1,
    release: bool = False,
    announce: bool = True,
) -> views.RunReport:
    """This will draft a bill for every agreement whose last bill period ended on or before a day.

    A period runs from one cycle day to the next, cut to the agreement's own first and last day. `cycle_day` limits
    the run to one cycle. Bills that look wrong are held, agreements that cannot be priced are parked, both with a code.
    With `release` what nothing holds goes out at once, in the transaction that makes it (`announce` as for
    `issuing.issue_bills`, which still ends the run); without, somebody looks at the drafts before they are issued.
    With `processes` above one so many of them, each with a connection of its own, claim the chunks (never more than
    there are chunks); any number of calls for the same run, on any machine, share its chunks in the same way. When it
    returns, no chunk is left.
    """
    scope, key = (
        _Scope(period_end_on, account_ids, cycle_day, chunk_size),
        _run_key(period_end_on, account_ids, cycle_day),
    )
    with crew.Crew(hub, _work_apart) as hands:
        if processes > 1 and account_ids is None and _is_large(hub, chunk_size):
            hands.call(processes)  # they come while the run is cut
        run_id = _open(hub, scope, key, now)
        with hub.transaction() as session:
            wanted = min(processes, _still_open(session, run_id))
        if wanted > 1:
            hands.work(wanted, run_id, period_end_on, now, release, announce)
    _work(hub, run_id, period_end_on, now, release, announce, wait=True)
    with hub.transaction() as session:
        run = session.get_one(models.BillRunRow, run_id, with_for_update=True)
        if run.status == "OPEN" and not _still_open(session, run_id):
            run.status, run.finished_at = "ISSUED" if run.issued_at else "DONE", now
        return report(session, run_id=run_id)


def status_of(session: Session, *, period_end_on: date, cycle_day: int | None = None) -> str | None:
    """This will give the state of the run over the whole book, or one cycle of it, for a day; None: no run yet."""
    key = _run_key(period_end_on, None, cycle_day)
    return session.scalar(select(models.BillRunRow.status).where(models.BillRunRow.key == key))


@dataclass(frozen=True)
class Run:
    """A bill run as a list shows it; `counts` as in `views.RunReport`, for what it has done so far."""

    id: int
    period_end_on: date
    cycle_day: int | None  # None: the whole book, or some accounts of it
    status: str
    started_at: datetime
    finished_at: datetime | None
    counts: Mapping[str, int]


_COUNTED = ("agreements", "billed", "held", "unchanged", "parked")


def list_runs(session: Session, *, limit: int) -> tuple[Run, ...]:
    """This will list the runs with what they did, the newest first."""
    run, chunk = models.BillRunRow, models.BillRunChunkRow
    sums = [func.coalesce(func.sum(chunk.counts[name].as_integer()), 0) for name in _COUNTED]
    rows = session.execute(
        select(run, *sums)
        .join(chunk, chunk.run_id == run.id, isouter=True)
        .group_by(run.id)
        .order_by(run.id.desc())
        .limit(limit)
    )
    return tuple(
        Run(
            row.id, row.period_end_on, int(cycle) if (cycle := row.key.split(":")[1]).isdigit() else None, row.status,
            row.started_at, row.finished_at, dict(zip(_COUNTED, map(int, counted), strict=True)),
        )
        for row, *counted in rows
    )  # fmt: skip


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
        found={key.removeprefix("found."): n for key, n in sorted(counts.items()) if key.startswith("found.")},
    )


def _run_key(period_end_on: date, account_ids: Sequence[int] | None, cycle_day: int | None) -> str:
    scope = "all" if account_ids is None else _sha(sorted(set(account_ids)))[:16]
    return f"{period_end_on}:{cycle_day or 'every'}:{scope}"


def _open(hub: Hub, scope: "_Scope", key: str, now: datetime) -> int:
    """A run that is there is gone on with; one that was done opens all its chunks again, to see what has changed."""
    run = models.BillRunRow
    with hub.transaction() as session:
        made = session.scalar(
            insert(run)
            .values(key=key, period_end_on=scope.period_end_on, status="OPEN", started_at=now)
            .on_conflict_do_nothing(index_elements=["key"])
            .returning(run.id)
        )
        if made is not None:
            _cut(session, made, scope)
            return int(made)
        row = session.scalars(select(run).where(run.key == key).with_for_update()).one()
        if row.status != "OPEN":
            row.status = "OPEN"
            chunk = models.BillRunChunkRow
            session.execute(update(chunk).where(chunk.run_id == row.id).values(status="OPEN", finished_at=None))
        return row.id


def _is_large(hub: Hub, chunk_size: int) -> bool:
    with hub.transaction() as session:
        return cohorts.are_more_than(session, count=chunk_size)


def _cut(session: Session, run_id: int, scope: _Scope) -> None:
    served = cohorts.list_served(
        session, period=cycles.reach(scope.period_end_on), account_ids=scope.account_ids, cycle_day=scope.cycle_day
    )
    chosen = records.join([ids for days, ids in served if cycles.period_of(days, scope.period_end_on)])
    chosen.sort()
    columns = ("run_id", "position", "agreement_ids", "status", "counts", "parked")
    db.copy_laid_out(
        session, "bill_run_chunk", columns,
        (
            _chunk_row(run_id, position, chosen[start : start + scope.chunk_size])
            for position, start in enumerate(range(0, len(chosen), scope.chunk_size))
        ),
    )  # fmt: skip


def _chunk_row(run_id: int, position: int, agreement_ids: NDArray[np.int64]) -> bytes:
    layout = bulk.Layout()
    layout.row(6)
    for field in (
        bulk.int8(run_id), bulk.int8(position), db.bigints(agreement_ids), bulk.string("OPEN"), bulk.jsonb("{}"),
        bulk.jsonb("{}"),
    ):  # fmt: skip
        layout.same(field)
    return layout.fill(1, {}).tobytes()


def _work(
    hub: Hub, run_id: int, period_end_on: date, now: datetime, release: bool, announce: bool, *, wait: bool = False
) -> None:
    """Chunk after chunk, each claimed, billed and marked in one transaction, until none is open.

    What another process holds is skipped, or with `wait` waited for, and done when that process died over it.
    """
    chunk = models.BillRunChunkRow
    goes_out = issuing.Release(periods.civil_day(now, hub.settings.utility_timezone), announce) if release else None
    while True:
        with hub.transaction() as session:
            chunk_id = session.scalar(
                select(chunk.id)
                .where(chunk.run_id == run_id, chunk.status == "OPEN")
                .order_by(chunk.position)
                .limit(1)
                .with_for_update(skip_locked=not wait)
            )
            if chunk_id is None:
                if not wait or not _still_open(session, run_id):
                    return
                continue
            _chunk(session, chunk_id, run_id, period_end_on, now, goes_out)


def _still_open(session: Session, run_id: int) -> int:
    """A row that was locked may have been done while it was waited for, and others may be open still."""
    chunk = models.BillRunChunkRow
    return (
        session.scalar(
            select(func.count()).select_from(chunk).where(chunk.run_id == run_id, chunk.status == "OPEN")
        )
        or 0
    )  # fmt: skip


def _chunk(
    session: Session, chunk_id: int, run_id: int, period_end_on: date, now: datetime, release: issuing.Release | None
) -> None:
    chunks.bill(
        session, chunk_id=chunk_id, run_id=run_id, period_end_on=period_end_on, now=now, release=release
    )  # fmt: skip


def _work_apart(hub: Hub, run_id: int, period_end_on: date, now: datetime, release: bool, announce: bool) -> None:
    _work(hub, run_id, period_end_on, now, release, announce)


def exempt_of(terms: Sequence[tariffs.Term], agreements: Sequence[accounts.Agreement]) -> dict[str, NDArray[np.bool_]]:
    """This will say, by the key of each tax of some terms, which agreements do not pay it."""
    cities, kinds = [a.city for a in agreements], [a.customer_kind for a in agreements]
    out: dict[str, NDArray[np.bool_]] = {}
    for term in terms:
        out |= catalogue.exempt(term.document, cities, kinds)
    return out


def _sha(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
