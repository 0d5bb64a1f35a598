"""Agreements that a run could not bill: kept with their chunk under a code, and billed when what they lack is there.

They are billed by the run's own functions, as bills of that run. One transaction takes those of one chunk under its
lock and takes them off its list as it writes their bills: two at once, or one that is killed, bill nobody twice or
never. Bills of a run that has been issued go out at once; of one whose drafts wait for a look, they wait with them.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing import chunks, corrections, cycles, issuing, models, prices, tariffs
from billing.parked import TOO_OLD, WAITS
from core import errors, log, periods
from core.accounts import cohorts
from core.hub import Hub

logger = log.get(__name__)

_SHOWN = 5
_ZONES = timedelta(days=1)  # a day of a series may lie in two civil days of a bill's zone

_FOUND = text(
    """
    SELECT c.id, c.run_id
      FROM bill_run_chunk c JOIN bill_run r ON r.id = c.run_id
     WHERE c.parked <> '{}' AND c.status = 'DONE' AND r.status <> 'OPEN'
       AND r.period_end_on > :first AND r.period_end_on - interval '2 months' < :last
       AND EXISTS (SELECT FROM jsonb_each_text(c.parked) AS p WHERE p.value = ANY(:codes))
     ORDER BY r.period_end_on, c.run_id, c.position
    """
)

_LISTED = text(
    """
    SELECT r.id, r.period_end_on, r.started_at, p.value AS code, array_agg(p.key::bigint ORDER BY p.key::bigint) AS ids
      FROM bill_run_chunk c JOIN bill_run r ON r.id = c.run_id CROSS JOIN jsonb_each_text(c.parked) AS p
     WHERE c.parked <> '{}' AND p.value <> 'NO_SERVICE'
     GROUP BY r.id, p.value
     ORDER BY r.period_end_on DESC, r.id DESC, p.value
     LIMIT 100
    """
)
_COUNTED = text(
    "SELECT count(*) FROM bill_run_chunk c CROSS JOIN jsonb_each_text(c.parked) AS p"
    " WHERE c.parked <> '{}' AND p.value = ANY(:codes)"
)


@dataclass(frozen=True)
class Waiting:
    """Agreements of a run that wait for the same; `lacks` names prices and the first instant that has none."""

    run_id: int
    period_end_on: date
    code: str
    count: int
    since: datetime
    agreement_ids: tuple[int, ...]
    account_ids: tuple[int, ...]  # some of them, for a person to look at
    lacks: tuple[tuple[str, datetime], ...]

    @property
    def comes_back(self) -> bool:
        """Whether it is billed by itself once it has what it lacks."""
        return self.code in WAITS


def bill_waiting(hub: Hub, *, codes: Collection[str] = WAITS, days: periods.Days | None = None) -> int:
    """This will try to bill who waits for what the codes say, in the order of periods; gives how many have a bill now.

    `days`: only where a period lies in them. A chunk that fails must not keep the others waiting.
    """
    with hub.transaction() as session:
        found = session.execute(
            _FOUND,
            {
                "codes": list(codes),
                "first": days.starts_on - _ZONES if days else date.min,
                "last": days.ends_on + _ZONES if days else date.max,
            },
        ).all()
    done = 0
    for chunk_id, run_id in found:
        try:
            with hub.transaction() as session:
                done += _bill(session, run_id, chunk_id, codes, hub.now(), hub.settings.utility_timezone)
        except errors.WattlineError as refused:
            logger.warning("waiting_refused", extra={"chunk_id": chunk_id, "reason": refused.code})
    return done


def list_waiting(session: Session) -> tuple[Waiting, ...]:
    """This will list who was parked in runs and has no bill, by period and what is waited for; the newest first."""
    out = []
    for row in session.execute(_LISTED):
        cohort = cohorts.list_alike(session, period=cycles.reach(row.period_end_on), agreement_ids=row.ids)
        lacks = _lacks(session, cohort, row.period_end_on) if row.code == "NO_PRICES" else ()
        out.append(
            Waiting(
                row.id, row.period_end_on, row.code, len(row.ids), row.started_at, tuple(row.ids),
                tuple(cohort.account_ids[:_SHOWN].tolist()), lacks,
            )
        )  # fmt: skip
    return tuple(out)


def count_waiting(session: Session) -> int:
    """This will count who waits to be billed by itself."""
    return session.scalar(_COUNTED, {"codes": list(WAITS)}) or 0


def _bill(session: Session, run_id: int, chunk_id: int, codes: Collection[str], now: datetime, timezone: str) -> int:
    """The run's row is locked before its chunk's, as by whoever repeats the run."""
    run = session.get_one(models.BillRunRow, run_id, with_for_update=True)
    chunk = session.get_one(models.BillRunChunkRow, chunk_id, with_for_update=True)
    if run.status == "OPEN" or chunk.status != "DONE":
        return 0  # somebody repeats the run, which looks at everybody
    today = periods.civil_day(now, timezone)
    tried = sorted(int(each) for each, code in chunk.parked.items() if code in codes)
    old = _too_old(session, tried, run.period_end_on, today)
    tried = [each for each in tried if each not in old]
    if not tried and not old:
        return 0
    release = issuing.Release(today) if run.status == "ISSUED" else None
    counts, still = chunks.make(
        session, agreement_ids=tried, run_id=run_id, period_end_on=run.period_end_on, now=now, release=release
    )  # fmt: skip
    kept = {each: code for each, code in chunk.parked.items() if int(each) not in {*tried, *old}}
    chunk.parked = {**kept, **dict.fromkeys(map(str, sorted(old)), TOO_OLD), **still}
    total = Counter(chunk.counts)
    total.update({name: count for name, count in counts.items() if name != "parked"})
    chunk.counts = {**total, "parked": len(chunk.parked)}
    billed = len(tried) - counts["parked"]
    logger.info("waiting_billed", extra={"run_id": run_id, "chunk_id": chunk_id, "billed": billed, "old": len(old)})
    return billed


def _too_old(session: Session, agreement_ids: Sequence[int], period_end_on: date, today: date) -> set[int]:
    """Those whose period began further back than their jurisdiction lets one bill."""
    cohort = cohorts.list_alike(session, period=cycles.reach(period_end_on), agreement_ids=agreement_ids)
    out: set[int] = set()
    for number, each in enumerate(cohort.alike):
        span = cycles.period_of(each, period_end_on)
        if span and not corrections.back_billing(each.jurisdiction, span.starts_on, today).allowed:
            out.update(cohort.ids[cohort.of == number].tolist())
    return out


def _lacks(session: Session, cohort: cohorts.Cohort, period_end_on: date) -> tuple[tuple[str, datetime], ...]:
    """The series, and the first instant of each that has no price."""
    book, out = prices.Book(session), dict[str, datetime]()
    for number, each in enumerate(cohort.alike):
        span = cycles.period_of(each, period_end_on)
        if span is None:
            continue
        terms_held, _ = tariffs.list_terms_alike(session, agreement_ids=cohort.ids[cohort.of == number], days=span)
        for terms in terms_held:
            lacking = _lacking(book, tariffs.segments(terms, span), each.timezone)
            if lacking:
                code, first = lacking["index"], datetime.fromisoformat(lacking["first"])
                out[code] = min(first, out.get(code, first))
    return tuple(sorted(out.items()))


def _lacking(book: prices.Book, segments: Any, timezone: str) -> Mapping[str, Any] | None:
    try:
        book.exact(segments or (), timezone)
    except errors.Refused as refused:
        return refused.data
    return None
