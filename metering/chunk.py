"""One chunk of a load: sorted; then, in one transaction, its meters found, its reads checked and laid out, set against
what stands, told of.

Everything is done for the whole chunk at once; only what is wrong is looked at one by one. Sorting needs no database,
and is done while another chunk is stored.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from core import db, periods
from core.accounts import queries as accounts
from metering import copying, dials, gathering, merging, quality, recording, settling, storing
from metering.formats import told
from metering.merging import Bools
from metering.quality import Quality
from metering.views import Counts, Ints

DAY_MINUTES = 1440
MOST_UNREADABLE = 10_000  # lines of one load that are kept one by one; the rest as a number
_EVER = 1 << 40
_DAY = 86_400

# what is asked of each meter, a column as one binary array: no object is made for a row
_METERS = text(
    """
    SELECT string_agg(m.number, E'\\x1f') AS number, array_send(array_agg(m.id)) AS id,
           array_send(array_agg(m.service_point_id)) AS point,
           array_send(array_agg(CAST(coalesce(m.interval_minutes, 0) AS integer))) AS minutes,
           array_send(array_agg(m.installed_on)) AS installed,
           array_send(array_agg(coalesce(m.removed_on, 'infinity'))) AS removed,
           array_send(array_agg(coalesce(m.last_read_at, '-infinity'))) AS last_read
      FROM meter m WHERE m.number = ANY(string_to_array(:numbers, E'\\x1f')) AND m.direction = :direction
    """
)
_WIDE, _NARROW = (np.dtype([("length", ">i4"), ("value", kind)]) for kind in (">i8", ">i4"))  # as array_send writes
_KINDS = {"id": _WIDE, "point": _WIDE, "minutes": _NARROW, "installed": _NARROW, "removed": _NARROW, "last_read": _WIDE}
_ARRAY_HEAD = 20  # bytes: dimensions, flags, type, length, lower bound
_FEW_MOMENTS = 8
_NO_DAY, _NO_TIME = np.iinfo(np.int32).max, np.iinfo(np.int64).min  # infinity, and -infinity, as PostgreSQL has them
_DIALS = text("SELECT id, digits, multiplier FROM meter WHERE id = ANY(CAST(:ids AS bigint[]))")
_LOCK = text(
    """
    SELECT count(*) FROM (
        SELECT FROM meter WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE) AS locked
    """
)
_MARK_TOGETHER = text(
    """
    UPDATE meter SET last_read_at = greatest(last_read_at, timestamptz '2000-01-01 00:00Z' + :at * interval '1 s')
     WHERE id = ANY(CAST(:ids AS bigint[]))
    """
)
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
    settled: list[tuple[Ints, Ints, Ints, Bools]] = field(default_factory=list)  # meters, begin, end, told one by one

    def except_(
        self, code: str, count: int, *, line: int, meter_id: int | None = None, at: datetime | None = None, **data: Any
    ) -> None:
        self.fates["excepted"] += count
        detail = {"count": count, "line": line, **data}
        self.exceptions.append((meter_id, self.batch_id, code, at, copying.json_of(detail), self.now))


@dataclass(frozen=True)
class _Found:
    """The meters of a chunk's items, as columns in the order of the items; id 0: there is none."""

    ids: Ints
    points: Ints
    minutes: Ints  # 0: a register only
    first: Ints
    last: Ints
    last_read: Ints

    def some(self, places: Ints) -> "_Found":
        columns = (self.ids, self.points, self.minutes, self.first, self.last, self.last_read)
        return _Found(*(column[places] for column in columns))


@dataclass(frozen=True)
class Chunk:
    """What was told, by kind; of the runs also, as columns, their starts in seconds and their intervals in minutes."""

    size: int
    runs: Sequence[told.Run]
    dials: Sequence[told.Dial]
    lost: Sequence[told.Unreadable]
    starts: np.ndarray[Any, np.dtype[np.float64]]
    minutes: Ints
    meters: frozenset[str]  # the numbers of all of them

    def spans(self) -> Iterator[tuple[datetime, datetime]]:
        """This will give from when to when runs go: of thousands, mostly one."""
        lengths = np.fromiter((len(run.wh) for run in self.runs), dtype=np.int64, count=len(self.runs))
        for start, seconds in set(zip(self.starts.tolist(), (lengths * self.minutes * 60).tolist(), strict=True)):
            yield datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(start + seconds, UTC)


def sort(items: Sequence[told.Told]) -> Chunk:
    """This will sort what was told. Pure."""
    runs: list[told.Run] = []
    dials_: list[told.Dial] = []
    lost: list[told.Unreadable] = []
    for each in items:
        if isinstance(each, told.Run):
            runs.append(each)
        elif isinstance(each, told.Dial):
            dials_.append(each)
        else:
            lost.append(each)
    starts = np.fromiter((run.starts_at.timestamp() for run in runs), dtype=np.float64, count=len(runs))
    minutes = np.fromiter((run.interval_minutes for run in runs), dtype=np.int64, count=len(runs))
    meters = frozenset([run.meter for run in runs] + [dial.meter for dial in dials_])
    return Chunk(len(items), runs, dials_, lost, starts, minutes, meters)


def store(
    session: Session, chunk: Chunk, *, batch_id: int, unreadable_before: int, source: str, now: datetime
) -> Counts:
    """This will store a chunk of what was told, and give what became of it."""
    work = _Work(batch_id, source, now)
    for lost in chunk.lost:
        _unreadable(work, lost, unreadable_before)
    runs = chunk.runs
    found, shown = _meters(session, runs), _meters(session, chunk.dials)
    by_minutes, daily = _places(work, chunk, found)
    laid = {minutes: _lay_out(chunk, found, places, minutes) for minutes, places in by_minutes.items()}
    others = np.concatenate((found.ids[daily], shown.ids))
    known, last_read = gathering.newest(found.ids, found.last_read)
    _lock(session, [days.ends(minutes) for minutes, days in laid.items()], known, last_read, others)
    for minutes, days in laid.items():
        unread = last_read[np.searchsorted(known, days.meter_ids)] <= days.days * _DAY
        _intervals(session, work, days, [runs[n] for n in by_minutes[minutes].tolist()], minutes, unread)
    if len(daily) or chunk.dials:
        _shares(session, work, [runs[n] for n in daily.tolist()], found.some(daily), chunk.dials, shown)
    _finish(session, work, np.concatenate((found.ids, shown.ids)), np.concatenate((found.points, shown.points)))
    fates = work.fates
    return Counts(fates["stored"], fates["unchanged"], fates["excepted"], fates["unreadable"])


def _meters(session: Session, items: Sequence[told.Run | told.Dial]) -> _Found:
    columns = {name: np.zeros(len(items), dtype=np.int64) for name in _KINDS}
    for direction in {each.direction for each in items}:
        mine = [n for n, each in enumerate(items) if each.direction == direction]
        numbers = [items[n].meter for n in mine]
        asked = "\x1f".join(numbers)
        if asked.count("\x1f") >= len(numbers) or copying.sayable(asked) != asked:  # some are no numbers at all
            asked = "\x1f".join(each for each in numbers if "\x1f" not in each and copying.sayable(each) == each)
        sent = session.execute(_METERS, {"numbers": asked, "direction": direction}).mappings().one()
        if sent["number"] is None:
            continue
        rows = {number: row for row, number in enumerate(sent["number"].split("\x1f"))}
        row = np.array([rows.get(number, -1) for number in numbers])
        places, row = np.array(mine)[row >= 0], row[row >= 0]
        for name, column in columns.items():
            column[places] = np.frombuffer(sent[name], dtype=_KINDS[name], offset=_ARRAY_HEAD)["value"][row]
    removed = np.where(columns["removed"] == _NO_DAY, _EVER, (columns["removed"] + recording.DAYS_AFTER) * _DAY)
    return _Found(
        columns["id"],
        columns["point"],
        columns["minutes"],
        (columns["installed"] - recording.DAYS_BEFORE) * _DAY,
        removed,
        np.where(columns["last_read"] == _NO_TIME, -_EVER, columns["last_read"] // 1_000_000),
    )


def _places(work: _Work, chunk: Chunk, found: _Found) -> tuple[dict[int, Ints], Ints]:
    """Which runs lie on their meter's grid, by length of interval, and which are of whole days."""
    minutes, starts = chunk.minutes, chunk.starts
    wanted = np.where(found.minutes == 0, 60, found.minutes)  # a register only: hourly shares of what its dial says
    known = found.ids > 0
    daily = known & (minutes == DAY_MINUTES) & (found.minutes == 0)
    fits = known & (minutes == wanted)
    even = starts % (wanted * 60) == 0
    for code, wrong in (
        ("UNKNOWN_METER", ~known),
        ("WRONG_INTERVAL", known & ~fits & ~daily),
        ("OFF_GRID", fits & ~even),
    ):
        for n in np.flatnonzero(wrong).tolist():
            run, more = chunk.runs[n], {} if known[n] else {"meter_number": chunk.runs[n].meter[:100]}
            meter_id = int(found.ids[n]) or None
            work.except_(code, len(run.wh), line=run.line, meter_id=meter_id, at=run.starts_at, **more)
    good = fits & even
    by_minutes = {m: np.flatnonzero(good & (minutes == m)) for m in np.unique(minutes[good]).tolist()}
    return by_minutes, np.flatnonzero(daily)


def _lay_out(chunk: Chunk, found: _Found, places: Ints, minutes: int) -> gathering.Laid:
    mine, those = found.some(places), [chunk.runs[n] for n in places.tolist()]
    placed = gathering.Placed(
        mine.ids,
        chunk.starts[places].astype(np.int64) - gathering.ORIGIN,
        mine.first,
        mine.last,
        [run.wh for run in those],
        [run.quality for run in those],
    )
    return gathering.lay_out(placed, minutes)


def _lock(session: Session, ends: Sequence[tuple[Ints, Ints]], known: Ints, last_read: Ints, others: Ints) -> None:
    """Meters are locked before their days are looked at: by moving up to when they have read, or else for its own sake.

    What a read that is offered ends with is known afterwards in any case: either it stands, or a better one does.
    """
    ids, newest = gathering.newest(
        np.concatenate([each[0] for each in ends]) if ends else np.zeros(0, dtype=np.int64),
        np.concatenate([each[1] for each in ends]) if ends else np.zeros(0, dtype=np.int64),
    )
    ahead = newest > last_read[np.searchsorted(known, ids)] if len(ids) else np.zeros(0, dtype=bool)
    if ahead.any():
        _mark(session, ids[ahead], newest[ahead])
    rest = np.union1d(ids[~ahead], others[others > 0])
    if len(rest):
        session.execute(_LOCK, {"ids": copying.array(rest)})


def _mark(session: Session, ids: Ints, ends: Ints) -> None:
    """Note up to when meters have read. Most of a chunk have read up to the same moment: that is half the work."""
    moments = np.unique(ends)
    if len(moments) > _FEW_MOMENTS:
        session.execute(_MARK, {"ids": copying.array(ids), "ends": copying.array(ends)})
        return
    for at in moments.tolist():
        session.execute(_MARK_TOGETHER, {"ids": copying.array(ids[ends == at]), "at": at})


def _intervals(
    session: Session, work: _Work, laid: gathering.Laid, runs: Sequence[told.Run], minutes: int, unread: Bools
) -> None:
    done = _merge(session, work, laid, minutes, unread)
    fault = laid.fault
    if done.clash.any():
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
            meter_id=int(laid.meter_ids[laid.place[at] // laid.wh.shape[1]]),
            at=run.starts_at + nth * timedelta(minutes=minutes),
            wh=int(run.wh[nth]),
        )


def _merge(
    session: Session, work: _Work, laid: gathering.Laid, minutes: int, unread: Bools | None = None
) -> storing.Stored:
    """Store days, and note what is to be told of whom; `unread` are later than all that their meters read."""
    done = storing.store(
        session,
        storing.Offered(laid.meter_ids, laid.days, laid.wh, laid.codes, unread),
        source=work.source,
        now=work.now,
    )
    some = np.flatnonzero(done.changed.any(axis=1))
    changed, step = done.changed[some], minutes * 60
    midnights = laid.days[some] * _DAY
    begins = midnights + changed.argmax(axis=1) * step
    ends = midnights + (changed.shape[1] - changed[:, ::-1].argmax(axis=1)) * step
    late = np.asarray(done.replaced[some].any(axis=1)) | (begins < gathering.seconds(work.now - settling.IN_TIME))
    work.settled.append((laid.meter_ids[some], begins, ends, late))
    return done


def _shares(
    session: Session,
    work: _Work,
    daily: Sequence[told.Run],
    of_daily: _Found,
    dials_: Sequence[told.Dial],
    of_dials: _Found,
) -> None:
    """Reads of days and of dials: hourly estimates, where the meter has no intervals of its own."""
    today = periods.aware(work.now).date()
    points = np.unique(np.concatenate((of_daily.points, of_dials.points))).tolist()
    zones = {
        point.id: point.timezone
        for point in accounts.list_service_points_of(session, service_point_ids=points, on=today)
    }
    faces = _faces(session, of_daily, of_dials)
    shares: list[dials.Share] = []
    owners: list[int] = []  # of each share, the daily read it is of; -1: of a dial
    days = 0
    for n, run in enumerate(daily):
        face, good = faces[int(of_daily.ids[n])], _good_days(work, run, of_daily, n)
        for share in dials.days(face, run.starts_at, good, zones[face.service_point_id]):
            if share is not None:
                shares.append(share)
                owners.append(days)
                days += 1
    good_dials = [n for n, dial in enumerate(dials_) if _can_read(work, dial, of_dials, n)]
    readings = [dials_[n] for n in good_dials]
    shown = [
        dials.Shown(faces[int(of_dials.ids[n])], dials_[n].read_at, dials_[n].value, dials_[n].quality)
        for n in good_dials
    ]
    recorded = dials.record(session, shown, zones=zones, source=work.source, now=work.now)
    for dial, each, fate in zip(readings, shown, recorded.fates, strict=True):
        if fate:
            value = str(dial.value)[:40]
            work.except_(fate, 1, line=dial.line, meter_id=each.meter.id, at=dial.read_at, value=value)
        else:
            work.fates["unchanged" if fate is None else "stored"] += 1
    shares += recorded.shares
    owners += [-1] * len(recorded.shares)
    if not shares:
        return
    ever = np.full(len(shares), _EVER)
    placed = gathering.Placed(
        np.array([share.meter.id for share in shares]),
        np.array([gathering.seconds(share.starts_at) for share in shares]),
        -ever,
        ever,
        [share.wh for share in shares],
        [np.full(len(share.wh), Quality.ESTIMATED, dtype=np.uint8) for share in shares],
    )
    laid = gathering.lay_out(placed, 60)
    ids_, ends = laid.ends(60)
    _mark(session, ids_, ends)
    done = _merge(session, work, laid, 60)
    moved = np.zeros(days + 1, dtype=bool)
    np.logical_or.at(moved, np.array(owners)[laid.run], done.changed.ravel()[laid.place])
    work.fates["stored"] += int(moved[:days].sum())
    work.fates["unchanged"] += days - int(moved[:days].sum())


def _faces(session: Session, *found: _Found) -> dict[int, dials.Face]:
    """What the dials of some meters are like."""
    points = {
        int(i): (int(point), int(minutes) or None)
        for some in found
        for i, point, minutes in zip(some.ids, some.points, some.minutes, strict=True)
        if i
    }
    rows = session.execute(_DIALS, {"ids": list(points)}).all()
    return {row.id: dials.Face(row.id, *points[row.id], row.digits, row.multiplier) for row in rows}


def _good_days(work: _Work, run: told.Run, found: _Found, n: int) -> list[int]:
    """A run of days with what cannot be right, or says nothing, left out as -1."""
    begins = gathering.seconds(run.starts_at) + np.arange(len(run.wh)) * _DAY
    outside = (begins < found.first[n]) | (begins >= found.last[n])
    codes = np.where(run.wh == quality.MISSING_WH, Quality.MISSING, run.quality).astype(np.uint8)
    faults = merging.check(run.wh, codes, outside, DAY_MINUTES)
    for fault in np.unique(faults[faults > 0]).tolist():
        where = np.flatnonzero(faults == fault)
        at, first = run.starts_at + timedelta(days=int(where[0])), int(run.wh[where[0]])
        code, meter_id = merging.FAULTS[fault], int(found.ids[n])
        work.except_(code, len(where), line=run.line, meter_id=meter_id, at=at, wh=first)
    good = (faults == 0) & (run.wh >= 0) & (codes > Quality.MISSING)
    work.fates["unchanged"] += int((~good & (faults == 0)).sum())
    values: list[int] = np.where(good, run.wh, -1).tolist()
    return values


def _can_read(work: _Work, dial: told.Dial, found: _Found, n: int) -> bool:
    meter_id = int(found.ids[n]) or None
    if meter_id is None:
        work.except_("UNKNOWN_METER", 1, line=dial.line, at=dial.read_at, meter_number=dial.meter[:100])
        return False
    if not found.first[n] <= gathering.seconds(dial.read_at) <= found.last[n]:
        work.except_("OUTSIDE_METER", 1, line=dial.line, meter_id=meter_id, at=dial.read_at)
        return False
    return True


def _unreadable(work: _Work, lost: told.Unreadable, before: int) -> None:
    work.fates["unreadable"] += lost.count
    if before + work.fates["lines"] < MOST_UNREADABLE:
        work.fates["lines"] += 1
        detail = {"count": lost.count, "line": lost.line, "reason": lost.reason[:200]}
        work.exceptions.append((None, work.batch_id, "UNREADABLE", None, copying.json_of(detail), work.now))


def _finish(session: Session, work: _Work, meter_ids: Ints, points: Ints) -> None:
    if work.exceptions:
        columns = ("meter_id", "batch_id", "code", "starts_at", "data", "recorded_at")
        db.copy(session, "read_exception", columns, work.exceptions)
    if not any(len(each[0]) for each in work.settled):
        return
    ids, begins, ends, late = (np.concatenate([each[column] for each in work.settled]) for column in range(4))
    known, point = gathering.newest(meter_ids, points)
    once, place = np.unique(ids, return_inverse=True)
    begin, end = np.full(len(once), _EVER), np.full(len(once), -_EVER)
    apart = np.zeros(len(once), dtype=bool)
    np.minimum.at(begin, place, begins)
    np.maximum.at(end, place, ends)
    np.logical_or.at(apart, place, late)
    whose = point[np.searchsorted(known, once)]
    alone = [
        settling.Settled(sp, gathering.instant(b), gathering.instant(e))
        for sp, b, e in zip(whose[apart].tolist(), begin[apart].tolist(), end[apart].tolist(), strict=True)
    ]
    if alone:
        settling.tell(session, alone, now=work.now)
    if not apart.all():
        span = gathering.instant(int(begin[~apart].min())), gathering.instant(int(end[~apart].max()))
        settling.tell_arrived(session, whose[~apart].tolist(), begin=span[0], end=span[1], now=work.now)
