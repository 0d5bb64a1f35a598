"""One chunk of a load, in one transaction: meters found, reads checked and laid out, set against what stands, told of.

Everything is done for the whole chunk at once; only what is wrong is looked at one by one.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from core import periods
from core.accounts import queries as accounts
from metering import copying, dials, gathering, merging, quality, recording, settling, storing
from metering.formats import told
from metering.quality import Quality
from metering.views import Counts, Meter

DAY_MINUTES = 1440
MOST_UNREADABLE = 10_000  # lines of one load that are kept one by one; the rest as a number
_EVER = 1 << 40

_METERS = text(
    """
    SELECT id, number, service_point_id, interval_minutes, installed_on, removed_on, digits, multiplier, direction,
           last_read_at
      FROM meter WHERE number = ANY(:numbers)
    """
)
_LOCK = text("SELECT id FROM meter WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
_MARK = text(
    """
    UPDATE meter m SET last_read_at = greatest(m.last_read_at, timestamptz '2000-01-01 00:00Z' + u.at * interval '1 s')
      FROM (SELECT unnest(CAST(:ids AS bigint[])) AS id, unnest(CAST(:ends AS bigint[])) AS at) AS u
     WHERE m.id = u.id
    """
)


@dataclass
class _Work:
    """What is gathered on the way: how many reads became what, and what is to be written down about the others."""

    batch_id: int
    source: str
    now: datetime
    fates: Counter[str] = field(default_factory=Counter)
    exceptions: list[tuple[Any, ...]] = field(default_factory=list)
    fresh: dict[int, int] = field(default_factory=dict)  # meter: end of its newest read, in seconds since 2000
    settled: dict[int, tuple[int, int, bool]] = field(default_factory=dict)  # meter: begin, end, told one by one

    def except_(
        self, code: str, count: int, *, line: int, meter: Meter | None = None, at: datetime | None = None, **data: Any
    ) -> None:
        self.fates["excepted"] += count
        detail = {"count": count, "line": line, **data}
        meter_id = None if meter is None else meter.id
        self.exceptions.append((meter_id, self.batch_id, code, at, copying.json_of(detail), self.now))


@dataclass(frozen=True)
class _Known:
    meter: Meter
    first: int
    last: int
    last_read: int


def store(
    session: Session,
    items: Sequence[told.Told],
    *,
    batch_id: int,
    unreadable_before: int,
    source: str,
    now: datetime,
) -> Counts:
    """This will store a chunk of what was told, and give what became of it."""
    work = _Work(batch_id, source, now)
    known = _meters(session, items)
    runs: dict[int, list[gathering.Placed]] = defaultdict(list)
    daily: list[tuple[told.Run, _Known]] = []
    shown: list[tuple[told.Dial, _Known]] = []
    for each in items:
        if isinstance(each, told.Unreadable):
            _unreadable(work, each, unreadable_before)
            continue
        count = 1 if isinstance(each, told.Dial) else len(each.wh)
        found = known.get((each.meter, each.direction))
        if found is None:
            work.except_("UNKNOWN_METER", count, line=each.line, meter_number=each.meter[:100])
        elif isinstance(each, told.Dial):
            shown.append((each, found))
        elif each.interval_minutes == DAY_MINUTES and found.meter.interval_minutes is None:
            daily.append((each, found))
        elif count:
            _place(work, each, found, runs[each.interval_minutes])
    _lock(session, runs, [found.meter.id for _, found in (*daily, *shown)])
    by_id = {found.meter.id: found for found in known.values()}
    for minutes, placed in runs.items():
        if placed:
            _intervals(session, work, placed, minutes, by_id)
    if daily or shown:
        _shares(session, work, daily, shown, by_id)
    _finish(session, work, by_id)
    fates = work.fates
    return Counts(fates["stored"], fates["unchanged"], fates["excepted"], fates["unreadable"])


def _meters(session: Session, items: Sequence[told.Told]) -> dict[tuple[str, str], _Known]:
    numbers = {each.meter for each in items if not isinstance(each, told.Unreadable)}
    numbers = {number for number in numbers if copying.sayable(number) == number}
    out = {}
    for row in session.execute(_METERS, {"numbers": list(numbers)}) if numbers else ():
        first, last = recording.on_the_wall(row.installed_on, row.removed_on)
        out[row.number, row.direction] = _Known(
            Meter(*row[:9]),
            gathering.seconds(first),
            _EVER if last is None else gathering.seconds(last),
            -_EVER if row.last_read_at is None else gathering.seconds(row.last_read_at),
        )
    return out


def _place(work: _Work, run: told.Run, found: _Known, into: list[gathering.Placed]) -> None:
    """Set a run on its meter's grid, or say why it does not lie on it."""
    meter = found.meter
    minutes = meter.interval_minutes or 60  # a meter with a register only keeps hourly shares of what its dial says
    if run.interval_minutes != minutes:
        work.except_(
            "WRONG_INTERVAL", len(run.wh), line=run.line, meter=meter, at=run.starts_at, minutes=run.interval_minutes
        )
        return
    start = gathering.seconds(run.starts_at)
    if start % (minutes * 60) or run.starts_at.microsecond:
        work.except_("OFF_GRID", len(run.wh), line=run.line, meter=meter, at=run.starts_at)
        return
    into.append(gathering.Placed(meter.id, start, run.wh, run.quality, found.first, found.last, run.line))


def _lock(session: Session, runs: dict[int, list[gathering.Placed]], others: list[int]) -> None:
    """Meters are locked before their days are looked at, always in the order of their ids."""
    ids = {placed.meter_id for group in runs.values() for placed in group} | set(others)
    if ids:
        session.execute(_LOCK, {"ids": sorted(ids)})


def _intervals(
    session: Session,
    work: _Work,
    runs: list[gathering.Placed],
    minutes: int,
    by_id: dict[int, _Known],
) -> None:
    laid = gathering.lay_out(runs, minutes)
    done = _merge(session, work, laid, minutes)
    fault = laid.fault
    clash = done.clash[laid.place // laid.wh.shape[1]] & (fault == 0)
    fault[clash & (laid.codes.ravel()[laid.place] > Quality.MISSING)] = merging.FAULTS.index("WRONG_INTERVAL")
    stored, excepted = int(done.changed.sum()), int((fault > 0).sum())
    for fate, count in (("stored", stored), ("unchanged", len(fault) - stored - excepted)):
        work.fates[fate] += count
    if not excepted:
        return
    where = np.flatnonzero(fault)
    starts = np.searchsorted(laid.run, np.arange(len(runs)))
    kinds, first, counts = np.unique(laid.run[where] * 16 + fault[where], return_index=True, return_counts=True)
    for kind, at, count in zip(kinds.tolist(), where[first].tolist(), counts.tolist(), strict=True):
        run, nth = runs[kind // 16], at - int(starts[kind // 16])
        work.except_(
            merging.FAULTS[kind % 16],
            count,
            line=run.line,
            meter=by_id[run.meter_id].meter,
            at=gathering.instant(run.start + nth * minutes * 60),
            wh=int(run.wh[nth]),
        )


def _merge(session: Session, work: _Work, laid: gathering.Laid, minutes: int) -> storing.Stored:
    """Store days, and note up to when meters have read and what is to be told of whom."""
    done = storing.store(
        session,
        storing.Offered(laid.meter_ids, laid.days, laid.wh, laid.codes),
        source=work.source,
        now=work.now,
    )
    ids, ends = laid.ends(minutes)
    for meter_id, end in zip(ids.tolist(), ends.tolist(), strict=True):
        work.fresh[meter_id] = max(end, work.fresh.get(meter_id, end))
    some = np.flatnonzero(done.changed.any(axis=1))
    changed, step = done.changed[some], minutes * 60
    midnights = laid.days[some] * 86_400
    begins = midnights + changed.argmax(axis=1) * step
    last = midnights + (changed.shape[1] - changed[:, ::-1].argmax(axis=1)) * step
    late = np.asarray(done.replaced[some].any(axis=1)) | (begins < gathering.seconds(work.now - settling.IN_TIME))
    for meter_id, begin, end, apart in zip(
        laid.meter_ids[some].tolist(), begins.tolist(), last.tolist(), late.tolist(), strict=True
    ):
        stood = work.settled.get(meter_id)
        if stood is not None:
            begin, end, apart = min(begin, stood[0]), max(end, stood[1]), apart or stood[2]
        work.settled[meter_id] = (begin, end, apart)
    return done


def _shares(
    session: Session,
    work: _Work,
    daily: list[tuple[told.Run, _Known]],
    shown: list[tuple[told.Dial, _Known]],
    by_id: dict[int, _Known],
) -> None:
    """Reads of days and of dials: hourly estimates, where the meter has no intervals of its own."""
    points = {found.meter.service_point_id for _, found in (*daily, *shown)}
    today = periods.aware(work.now).date()
    zones = {
        point.id: point.timezone
        for point in accounts.list_service_points_of(session, service_point_ids=list(points), on=today)
    }
    shares: list[dials.Share] = []
    owners: list[int] = []  # of each share, the daily read it is of; -1: of a dial
    days = 0
    for run, found in daily:
        good = _good_days(work, run, found)
        for share in dials.days(found.meter, run.starts_at, good, zones[found.meter.service_point_id]):
            if share is not None:
                shares.append(share)
                owners.append(days)
                days += 1
    readings = [_reading(work, dial, found) for dial, found in shown]
    good_readings = [each for each in readings if each is not None]
    recorded = dials.record(session, good_readings, zones=zones, source=work.source, now=work.now)
    _fates(work, [dial for (dial, _), each in zip(shown, readings, strict=True) if each], good_readings, recorded)
    shares += recorded.shares
    owners += [-1] * len(recorded.shares)
    if not shares:
        return
    placed = [
        gathering.Placed(
            share.meter.id,
            gathering.seconds(share.starts_at),
            share.wh,
            np.full(len(share.wh), Quality.ESTIMATED, dtype=np.uint8),
            -_EVER,
            _EVER,
            0,
        )
        for share in shares
    ]
    laid = gathering.lay_out(placed, 60)
    done = _merge(session, work, laid, 60)
    moved = np.zeros(days + 1, dtype=bool)
    np.logical_or.at(moved, np.array(owners)[laid.run], done.changed.ravel()[laid.place])
    work.fates["stored"] += int(moved[:days].sum())
    work.fates["unchanged"] += days - int(moved[:days].sum())


def _good_days(work: _Work, run: told.Run, found: _Known) -> list[int]:
    """A run of days with what cannot be right, or says nothing, left out as -1."""
    begins = gathering.seconds(run.starts_at) + np.arange(len(run.wh)) * 86_400
    outside = (begins < found.first) | (begins >= found.last)
    codes = np.where(run.wh == quality.MISSING_WH, Quality.MISSING, run.quality).astype(np.uint8)
    faults = merging.check(run.wh, codes, outside, DAY_MINUTES)
    for fault in np.unique(faults[faults > 0]).tolist():
        where = np.flatnonzero(faults == fault)
        at = run.starts_at + timedelta(days=int(where[0]))
        work.except_(
            merging.FAULTS[fault], len(where), line=run.line, meter=found.meter, at=at, wh=int(run.wh[where[0]])
        )
    good = (faults == 0) & (run.wh >= 0) & (codes > Quality.MISSING)
    work.fates["unchanged"] += int((~good & (faults == 0)).sum())
    values: list[int] = np.where(good, run.wh, -1).tolist()
    return values


def _reading(work: _Work, dial: told.Dial, found: _Known) -> dials.Shown | None:
    at = gathering.seconds(dial.read_at)
    if not found.first <= at <= found.last:
        work.except_("OUTSIDE_METER", 1, line=dial.line, meter=found.meter, at=dial.read_at)
        return None
    return dials.Shown(found.meter, dial.read_at, dial.value, dial.quality)


def _fates(work: _Work, told_: Sequence[told.Dial], shown: Sequence[dials.Shown], recorded: dials.Recorded) -> None:
    for dial, each, fate in zip(told_, shown, recorded.fates, strict=True):
        if fate:
            work.except_(fate, 1, line=dial.line, meter=each.meter, at=dial.read_at, value=str(dial.value)[:40])
        else:
            work.fates["unchanged" if fate is None else "stored"] += 1


def _unreadable(work: _Work, lost: told.Unreadable, before: int) -> None:
    work.fates["unreadable"] += lost.count
    if before + work.fates["lines"] < MOST_UNREADABLE:
        work.fates["lines"] += 1
        detail = {"count": lost.count, "line": lost.line, "reason": lost.reason[:200]}
        work.exceptions.append((None, work.batch_id, "UNREADABLE", None, copying.json_of(detail), work.now))


def _finish(session: Session, work: _Work, by_id: dict[int, _Known]) -> None:
    ahead = {meter_id: end for meter_id, end in work.fresh.items() if end > by_id[meter_id].last_read}
    if ahead:
        session.execute(_MARK, {"ids": list(ahead), "ends": list(ahead.values())})
    if work.exceptions:
        columns = ("meter_id", "batch_id", "code", "starts_at", "data", "recorded_at")
        copying.copy_rows(session, "read_exception", columns, work.exceptions)
    apart, together = [], []
    for meter_id, (begin, end, alone) in work.settled.items():
        point = by_id[meter_id].meter.service_point_id
        if alone:
            apart.append(settling.Settled(point, gathering.instant(begin), gathering.instant(end)))
        else:
            together.append(point)
    if apart:
        settling.tell(session, apart, now=work.now)
    if together:
        spans = [span for span in work.settled.values() if not span[2]]
        begin, end = min(span[0] for span in spans), max(span[1] for span in spans)
        settling.tell_arrived(
            session, together, begin=gathering.instant(begin), end=gathering.instant(end), now=work.now
        )
