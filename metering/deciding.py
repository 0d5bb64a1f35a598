"""What staff do with a read that wants a look: accept, estimate, edit, undo; each with who and why, audited."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit, errors, periods
from core.accounts import queries as accounts
from metering import blocks, editing, estimating, estimation, models, originals, worklist
from metering.originals import Cause, Method
from metering.quality import MISSING_WH, Quality
from metering.validation import limits

MOST_AT_ONCE = 500
_ABOUT_VALUES = ("ACCEPTED", "ESTIMATED", "EDITED")


def accept_exception(session: Session, *, exception_id: int, actor: str, reason: str, now: datetime) -> None:
    """This will say that what came is right: a value a rule had refused stands again, above every later estimate."""
    entry, row = _open(session, exception_id, actor, reason)
    day = _locked(session, entry)
    if day is not None and entry.severity == "E":
        kept = originals.read(day.wh, day.quality, day.raw, day.rule)
        where = np.zeros(len(kept.wh), dtype=np.bool_)
        where[_span(entry, len(kept.wh))] = True
        where &= (kept.rule >> 4 > 0) & (kept.rule >> 4 < Cause.PERSON) & (kept.raw >= 0)
        if where.any():
            _write(session, entry, day, where, kept.raw, Quality.EDITED, Method.ACCEPTED, actor, now)
    _close(session, row, "ACCEPTED", actor, reason, now)


def accept_exceptions(
    session: Session, *, exception_ids: Sequence[int], actor: str, reason: str, now: datetime
) -> int:  # fmt: skip
    """This will accept many at once, at most 500, and give how many.

    Those that are decided already are passed over, and those whose value was refused: to let it stand again is decided
    one by one.
    """
    if len(exception_ids) > MOST_AT_ONCE:
        raise errors.Invalid("read_exception.too_many", most=MOST_AT_ONCE)
    row = models.ReadExceptionRow
    waiting = session.scalars(
        select(row.id)
        .where(row.id.in_(exception_ids), row.resolved_at.is_(None), (row.severity != "E") | row.day.is_(None))
        .order_by(row.meter_id, row.id)
    ).all()
    for exception_id in waiting:
        accept_exception(session, exception_id=exception_id, actor=actor, reason=reason, now=now)
    return len(waiting)


def estimate_exception(
    session: Session, *, exception_id: int, actor: str, reason: str, now: datetime, starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> int:  # fmt: skip
    """This will put estimates in the place of what a finding is about, or of a part of its day; gives how many.

    What came is kept; a later read takes the estimates' place. Refused read_exception.no_estimate when nothing is known
    to estimate from.
    """
    entry, row = _open(session, exception_id, actor, reason)
    day = _needed(session, entry)
    kept = originals.read(day.wh, day.quality, day.raw, day.rule)
    where = np.zeros(len(kept.wh), dtype=np.bool_)
    where[_span(entry, len(kept.wh), starts_at, ends_at)] = True
    values, made = _estimates(session, entry, where, now)
    if not (made[where] > 0).all():
        raise errors.Refused("read_exception.no_estimate")
    _write(session, entry, day, where, values, Quality.ESTIMATED, made, actor, now)
    _close(session, row, "ESTIMATED", actor, reason, now)
    return int(where.sum())


def edit_exception(
    session: Session, *, exception_id: int, starts_at: datetime, ends_at: datetime, wh: int, each: bool, actor: str,
    reason: str, now: datetime,
) -> int:  # fmt: skip
    """This will write what a person knows into a part of the day: `wh` into each interval, or in all, shared as the
    estimator would. Gives how many intervals.

    Invalid read_exception.value below zero or above what the class can take.
    """
    entry, row = _open(session, exception_id, actor, reason)
    day = _needed(session, entry)
    kept = originals.read(day.wh, day.quality, day.raw, day.rule)
    where = np.zeros(len(kept.wh), dtype=np.bool_)
    where[_span(entry, len(kept.wh), starts_at, ends_at)] = True
    values = np.full(len(kept.wh), wh, dtype=np.int64)
    if not each:
        shape, made = _estimates(session, entry, where, now)
        weights = shape[where].tolist() if (made[where] > 0).all() and shape[where].any() else [1] * int(where.sum())
        values[where] = estimation.spread(wh, weights) if wh >= 0 else wh
    _check(session, entry, values[where], 1440 // len(values), now)
    _write(session, entry, day, where, values, Quality.EDITED, Method.EDITED, actor, now)
    _close(session, row, "EDITED", actor, reason, now)
    return int(where.sum())


def undo_exception(session: Session, *, exception_id: int, actor: str, reason: str, now: datetime) -> None:
    """This will take back the last decision on a finding: the day is as it was before, and the finding waits again.

    Refused read_exception.nothing_to_undo when nobody decided it, read_exception.changed_since when the day is another
    by now than the decision left it.
    """
    entry = _reasoned(session, exception_id, actor, reason)
    row = session.get_one(models.ReadExceptionRow, exception_id, with_for_update=True)
    if row.resolution not in _ABOUT_VALUES or row.resolved_by is None or not row.resolved_by.startswith("staff:"):
        raise errors.Refused("read_exception.nothing_to_undo")
    day = _locked(session, entry)
    before = None if day is None else _before(session, day, row)
    if day is not None and before is not None:
        if day.recorded_at != row.resolved_at:
            raise errors.Refused("read_exception.changed_since")
        editing.keep_version(session, day, actor=actor, now=now)
        day.wh, day.quality, day.raw, day.rule = before.wh, before.quality, before.raw, before.rule
        day.recorded_at = now
        session.flush()
        editing.mark_judged(session, day, now=now)
        _tell(session, entry, actor, now)
    row.resolved_at = row.resolution = row.resolved_by = None
    session.flush()
    _audit(session, entry, "reads.undone", actor, reason, now)


def _open(
    session: Session, exception_id: int, actor: str, reason: str
) -> tuple[worklist.Entry, models.ReadExceptionRow]:  # fmt: skip
    entry = _reasoned(session, exception_id, actor, reason)
    row = session.get_one(models.ReadExceptionRow, exception_id, with_for_update=True, populate_existing=True)
    if row.resolved_at is not None and row.resolution != "NOTED":
        raise errors.Refused("read_exception.decided")
    return entry, row


def _reasoned(session: Session, exception_id: int, actor: str, reason: str) -> worklist.Entry:
    if not reason.strip() or not actor.removeprefix("staff:").strip():
        raise errors.Invalid("read_exception.reason")
    entry = worklist.get_exception(session, exception_id=exception_id)
    if entry.meter_id is not None:  # as every writer of reads does, before anything else
        session.get_one(models.MeterRow, entry.meter_id, with_for_update=True)
    return entry


def _locked(session: Session, entry: worklist.Entry) -> models.ReadDayRow | None:
    if entry.meter_id is None or entry.day is None:
        return None
    return editing.lock_days(session, meter_id=entry.meter_id, days=[entry.day]).get(entry.day)


def _needed(session: Session, entry: worklist.Entry) -> models.ReadDayRow:
    day = _locked(session, entry)
    if day is None:
        raise errors.Refused("read_exception.no_day")
    return day


def _span(
    entry: worklist.Entry, per_day: int, starts_at: datetime | None = None, ends_at: datetime | None = None
) -> slice:
    """The intervals of the finding's day between two instants, by default those it is about."""
    assert entry.day is not None  # _locked gave its row
    start, minutes = blocks.day_start(entry.day), 1440 // per_day
    first = periods.aware(starts_at or entry.starts_at or start)
    last = periods.aware(ends_at or entry.ends_at or start + timedelta(days=1))
    step = timedelta(minutes=minutes)
    if (
        first < start
        or last > start + timedelta(days=1)
        or first >= last
        or (first - start) % step
        or (last - start) % step
    ):
        raise errors.Invalid("read_exception.span")
    return slice((first - start) // step, (last - start) // step)


def _estimates(session: Session, entry: worklist.Entry, where: Any, now: datetime) -> tuple[Any, Any]:
    """What the estimator puts into some intervals of the day when it does not know them."""
    assert entry.day is not None
    meter = worklist.meter_of(session, entry)
    start, minutes = blocks.day_start(entry.day), 1440 // len(where)
    zone = accounts.get_service_point(session, service_point_id=meter.service_point_id, on=entry.day).timezone
    series, calendar, known = estimating.scene(
        session, meter=meter, starts_at=start, ends_at=start + timedelta(days=1), timezone=zone, now=now
    )
    at = blocks.ceil_index(series.starts_at, start, minutes)
    hidden = series.wh.copy()
    hidden[at : at + len(where)][where] = MISSING_WH
    pattern = estimating.trusted(series, known.kind, now) & (hidden >= 0)
    values, made = estimation.estimate(hidden, pattern, calendar, known)
    return values[at : at + len(where)], made[at : at + len(where)]


def _check(session: Session, entry: worklist.Entry, wh: Any, minutes: int, now: datetime) -> None:
    assert entry.day is not None
    meter = worklist.meter_of(session, entry)
    resident = accounts.get_service_point(session, service_point_id=meter.service_point_id, on=entry.day)
    kind = "RESIDENTIAL"
    if resident.account_id is not None:
        kind = accounts.get_account(session, account_id=resident.account_id).customer_kind
    most = limits.of(kind, now.date())["max_watts"] * minutes // 60
    if (wh < 0).any() or (wh > most).any():
        raise errors.Invalid("read_exception.value", most_wh=most)


def _write(
    session: Session, entry: worklist.Entry, day: models.ReadDayRow, where: Any, values: Any, code: Quality,
    method: Any, actor: str, now: datetime,
) -> None:  # fmt: skip
    editing.write(
        session, day, editing.Change(where, values, code, _cause(day, where), method), actor=actor, now=now
    )  # fmt: skip
    _tell(session, entry, actor, now)


def _cause(day: models.ReadDayRow, where: Any) -> Any:
    """A rule that refused what came stays the cause; else it was a person, or nothing had come."""
    kept = originals.read(day.wh, day.quality, day.raw, day.rule)
    came = (kept.wh >= 0) | (kept.raw >= 0)
    return np.where(kept.rule >> 4 > 0, kept.rule >> 4, np.where(came, Cause.PERSON, Cause.NONE)).astype(np.uint8)


def _tell(session: Session, entry: worklist.Entry, actor: str, now: datetime) -> None:
    assert entry.day is not None and entry.service_point_id is not None
    editing.tell(session, service_point_id=entry.service_point_id, day=entry.day, actor=actor, now=now)


def _close(
    session: Session, row: models.ReadExceptionRow, resolution: str, actor: str, reason: str, now: datetime
) -> None:
    row.resolution, row.resolved_at, row.resolved_by = resolution, now, actor
    session.flush()
    entry = worklist.get_exception(session, exception_id=row.id)
    _audit(session, entry, f"reads.{resolution.lower()}", actor, reason, now)


def _before(
    session: Session, day: models.ReadDayRow, row: models.ReadExceptionRow
) -> models.ReadDayVersionRow | None:  # fmt: skip
    """What stood before the decision changed the day; None when it changed nothing."""
    version = models.ReadDayVersionRow
    return session.scalars(
        select(version)
        .where(
            version.meter_id == day.meter_id, version.day == day.day, version.replaced_at == row.resolved_at,
            version.replaced_by == row.resolved_by,
        )
        .order_by(version.version.desc())
        .limit(1)
    ).one_or_none()  # fmt: skip


def _audit(session: Session, entry: worklist.Entry, action: str, actor: str, reason: str, now: datetime) -> None:
    detail = {
        "code": entry.code, "meter": entry.meter_number, "day": entry.day, "data": dict(entry.data),
        "reason": reason.strip(),
    }  # fmt: skip
    audit.record(
        session, actor=actor, action=action, subject="read_exception", subject_id=entry.id, now=now, detail=detail
    )  # fmt: skip
