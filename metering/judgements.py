"""Validation of what has been stored: every day of reads is judged once it is over, and again whenever it changes.

A trigger clears `judged_at` when a day's values change, so whoever writes a read need not know of it. What cannot be is
replaced by an estimate at once, what came is kept; the rest of what is found waits for a look or is noted.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from core import log, outbox
from core.accounts import queries as accounts
from core.hub import Hub
from metering import blocks, editing, estimating, estimation, findings, queries, surroundings
from metering.originals import Cause, Method
from metering.quality import MISSING_WH, Quality
from metering.validation import judging

logger = log.get(__name__)

SETTLES = timedelta(hours=6)  # so long after its end a day may still be coming in
LATE_AFTER = timedelta(hours=36)  # a first read that comes later may already be missing on a bill
_CHUNK = 4000
_MOST = 250  # chunks in one run of the job; the next goes on
_TOLD = 500  # service points in one fact

_NEXT = text(
    """
    SELECT meter_id, day FROM read_day
     WHERE judged_at IS NULL AND (day < :ready OR day > :today)
     ORDER BY day LIMIT :n
    """
)
_MARK = text(
    """
    WITH seen AS (
      SELECT d.meter_id, d.day
        FROM read_day d
        JOIN unnest(CAST(:meters AS bigint[]), CAST(:days AS date[]), CAST(:seen AS text[]))
             AS u (meter_id, day, seen) ON d.meter_id = u.meter_id AND d.day = u.day
       WHERE CAST(d.xmin AS text) = u.seen
         FOR UPDATE OF d SKIP LOCKED)
    UPDATE read_day d SET judged_at = :now FROM seen WHERE d.meter_id = seen.meter_id AND d.day = seen.day
    """
)


def judge_days(hub: Hub) -> int:
    """This will judge every day that is over and has not been judged as it stands; gives how many.

    In chunks, each its own transaction: a run that is stopped is gone on with by the next.
    """
    done = 0
    for _ in range(_MOST):
        with hub.transaction() as session:
            judged = judge_next(session, now=hub.now(), limit=_CHUNK)
        done += judged
        if not judged:
            break
    if done:
        logger.info("days_judged", extra={"days": done})
    return done


def judge_next(session: Session, *, now: datetime, limit: int) -> int:
    """This will judge the oldest days that are to be judged; gives how many are judged now."""
    parameters = {"ready": (now - SETTLES).date(), "today": now.date(), "n": limit}
    cells = [(row.meter_id, row.day) for row in session.execute(_NEXT, parameters)]
    return judge(session, cells=cells, now=now)


def judge(session: Session, *, cells: Sequence[tuple[int, date]], now: datetime) -> int:
    """This will judge some days of meters (meter, UTC day) as they stand; gives how many are judged now."""
    session.flush()
    judged: list[findings.Judged] = []
    marks: dict[tuple[int, date], str] = {}
    told: dict[int, list[tuple[date, bool]]] = defaultdict(list)
    taken: list[tuple[int, date, int, datetime, datetime]] = []
    for batch in surroundings.gather(session, cells=cells, late_after=LATE_AFTER, now=now):
        said = judging.judge(batch.values, batch.context)
        by_row: dict[int, list[judging.Finding]] = defaultdict(list)
        for each in said.findings:
            by_row[each.row].append(each)
        for n, cell in enumerate(zip(batch.meter_ids, batch.days, strict=True)):
            refused = bool(said.cause[n].any())
            if refused and not _replace(session, batch, n, said.cause[n], now):
                continue  # it has changed since it was read: it is judged again
            if not refused:
                marks[cell] = batch.seen[n]
            if refused:
                taken += [
                    (*cell, batch.points[n], *span) for span in _spans(said.cause[n], batch.context.minutes, cell[1])
                ]
            kept = refused or bool((batch.rule[n] >= 16).any())
            judged.append(findings.Judged(*cell, batch.context.minutes, kept, by_row[n]))
            if batch.late[n] or batch.corrected[n]:
                told[batch.points[n]].append((batch.days[n], bool(batch.corrected[n])))
    if not judged:
        return 0
    _estimate(session, taken, now)  # only now: nothing that cannot be is a pattern for something else
    findings.store(session, judged=judged, now=now)
    for meter_id, days in _gaps_closed(judged).items():
        findings.note_filled(session, meter_id=meter_id, days=days, now=now)
    _tell(session, told, now)
    marked: Any = session.execute(
        _MARK,
        {
            "meters": [m for m, _ in marks], "days": [d for _, d in marks], "seen": list(marks.values()), "now": now,
        },
    )  # fmt: skip
    session.expire_all()
    return int(marked.rowcount) + len(judged) - len(marks)


def _replace(session: Session, batch: surroundings.Batch, n: int, cause: Any, now: datetime) -> bool:
    """What cannot be is taken out and kept; False when the day is another by now."""
    meter_id, day = batch.meter_ids[n], batch.days[n]
    row = editing.lock_days(session, meter_id=meter_id, days=[day]).get(day)
    if row is None or row.wh != blocks.encode(batch.values[n]):
        return False
    nothing = np.full(len(cause), MISSING_WH, dtype=np.int64)
    change = editing.Change(cause > 0, nothing, Quality.MISSING, cause, Method.NONE)
    editing.write(session, row, change, actor=editing.VALIDATION, now=now)
    return True


def _estimate(session: Session, taken: Sequence[tuple[int, date, int, datetime, datetime]], now: datetime) -> None:
    for meter_id, day, point, start, end in taken:
        meter = queries.get_meter(session, meter_id=meter_id)
        zone = accounts.get_service_point(session, service_point_id=point, on=day).timezone
        if end <= now:
            estimating.fill(session, meter=meter, starts_at=start, ends_at=end, timezone=zone, now=now)


def _spans(cause: Any, minutes: int, day: date) -> list[tuple[datetime, datetime]]:
    start, step = blocks.day_start(day), timedelta(minutes=minutes)
    return [(start + a * step, start + b * step) for a, b in estimation.runs(cause > Cause.NONE)]


def _gaps_closed(judged: Sequence[findings.Judged]) -> dict[int, list[date]]:
    """Days in which an impossible value left a gap that an estimate has closed."""
    out: dict[int, list[date]] = defaultdict(list)
    for day in judged:
        if day.refused:
            out[day.meter_id].append(day.day)
    return out


def _tell(session: Session, told: dict[int, list[tuple[date, bool]]], now: datetime) -> None:
    """Days that came late or were corrected: what was billed on them is looked at again."""
    points = [
        [point, min(d for d, _ in days).isoformat(), max(d for d, _ in days).isoformat(), any(c for _, c in days)]
        for point, days in sorted(told.items())
    ]
    for start in range(0, len(points), _TOLD):
        some = points[start : start + _TOLD]
        outbox.record_fact(
            session, "reads.corrected", key=f"reads:{some[0][0]}",
            payload={"by": findings.ACTOR, "points": some}, now=now,
        )  # fmt: skip
