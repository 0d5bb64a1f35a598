"""What validation has to know around days of reads, fetched for thousands of days in a handful of questions."""

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core import errors, periods
from core.accounts import queries as accounts
from metering import blocks, models, plausibility, quality, queries
from metering.quality import Quality
from metering.validation import context as contexts
from metering.validation import limits
from metering.validation.context import Codes, Context, Floats, Ints, Mask

HISTORY = 28
_SPAN = 31  # days judged together: late ones apart from today's, so that nobody reads a year for two days
_DAY = timedelta(days=1)
_BELIEVED_TURN = 20  # a dial that starts anew is believed up to so many times the usual day

_ROWS = text(
    """
    SELECT meter_id, day, octet_length(quality) AS per_day, wh, quality, version, recorded_at, judged_at,
           rule, CAST(xmin AS text) AS seen
      FROM read_day
     WHERE meter_id = ANY(CAST(:ids AS bigint[])) AND day >= :first AND day < :last
     ORDER BY meter_id, day
    """
)
_METERS = text(
    """
    SELECT o.id, o.service_point_id, o.direction, o.interval_minutes, o.installed_on, o.removed_on, o.digits,
           o.multiplier
      FROM meter o
     WHERE o.service_point_id IN (SELECT service_point_id FROM meter WHERE id = ANY(CAST(:ids AS bigint[])))
     ORDER BY o.id
    """
)
_STOOD = text(
    """
    SELECT v.meter_id, v.day, v.wh, v.quality
      FROM read_day_version v
      JOIN unnest(CAST(:meters AS bigint[]), CAST(:days AS date[]), CAST(:versions AS integer[])) AS u (m, d, n)
        ON v.meter_id = u.m AND v.day = u.d AND v.version = u.n
    """
)


@dataclass(frozen=True)
class Batch:
    """Days of one length of interval with what is around them; `late` are those that came after they were due, and
    `corrected` those in which a read that stood was replaced by another."""

    meter_ids: tuple[int, ...]
    days: tuple[date, ...]
    points: tuple[int, ...]
    values: Ints
    context: Context
    seen: tuple[str, ...]  # the state of each row, to tell whether it is still the same
    kinds: tuple[str, ...]
    rule: Codes
    late: Mask
    corrected: Mask


@dataclass(frozen=True)
class _Grid:
    """wh[m, d, per_day] of some meters from a day on; `there` where a row stands."""

    at: Mapping[int, int]
    first: date
    wh: Ints
    codes: Codes
    rows: Mapping[tuple[int, date], Any]
    judged_from: Mapping[int, datetime]  # when the first of a meter's rows came that has been judged

    def sums(self) -> Ints:
        return np.asarray(np.where(self.wh >= 0, self.wh, 0).sum(axis=2), dtype=np.int64)


def gather(session: Session, *, cells: Sequence[tuple[int, date]], late_after: timedelta, now: datetime) -> list[Batch]:
    """This will give the days of these meters (meter, UTC day) with their surroundings."""
    out = []
    spans: dict[int, list[tuple[int, date]]] = defaultdict(list)
    for meter_id, day in cells:
        spans[day.toordinal() // _SPAN].append((meter_id, day))
    for _, some in sorted(spans.items()):
        meters = {m.id: m for m in session.execute(_METERS, {"ids": sorted({meter_id for meter_id, _ in some})})}
        first = min(day for _, day in some) - HISTORY * _DAY
        last = max(day for _, day in some) + _DAY
        rows = session.execute(_ROWS, {"ids": sorted(meters), "first": first, "last": last}).all()
        wanted = set(some)
        for per_day in sorted({r.per_day for r in rows if (r.meter_id, r.day) in wanted}):
            grid = _grid(sorted(meters), rows, first, (last - first).days, per_day)
            own = [cell for cell in some if cell in grid.rows and grid.rows[cell].per_day == per_day]
            out.append(_batch(session, own, grid, meters, per_day, late_after, now))
    return out


def _grid(meter_ids: Sequence[int], rows: Sequence[Any], first: date, days: int, per_day: int) -> _Grid:
    """Finer rows are added up; coarser ones cannot be laid on it and stay missing."""
    at = {meter_id: n for n, meter_id in enumerate(meter_ids)}
    wh = np.full((len(at), days, per_day), quality.MISSING_WH, dtype=np.int64)
    codes = np.zeros((len(at), days, per_day), dtype=np.uint8)
    for length in {r.per_day for r in rows if r.per_day % per_day == 0}:
        these = [r for r in rows if r.per_day == length]
        values, marks = blocks.decode(b"".join(r.wh for r in these), b"".join(r.quality for r in these))
        if length != per_day:
            values, marks = blocks.coarsen(values, marks, length // per_day)
        m, d = [at[r.meter_id] for r in these], [(r.day - first).days for r in these]
        wh[m, d], codes[m, d] = values.reshape(-1, per_day), marks.reshape(-1, per_day)
    judged: dict[int, datetime] = {}
    for r in rows:
        if r.judged_at is not None:
            judged[r.meter_id] = min(r.recorded_at, judged.get(r.meter_id, r.recorded_at))
    return _Grid(at, first, wh, codes, {(r.meter_id, r.day): r for r in rows}, judged)


def _batch(
    session: Session, cells: list[tuple[int, date]], grid: _Grid, meters: Mapping[int, Any], per_day: int,
    late_after: timedelta, now: datetime,
) -> Batch:  # fmt: skip
    m = np.array([grid.at[meter_id] for meter_id, _ in cells])
    d = np.array([(day - grid.first).days for _, day in cells])
    own = [meters[meter_id] for meter_id, _ in cells]
    rows = [grid.rows[cell] for cell in cells]
    kinds, zones, vacant = _residents(session, own, [day for _, day in cells])
    values, codes = grid.wh[m, d], grid.codes[m, d]
    stood = _stood(session, cells, rows, values, codes)
    rule = np.stack([_rule(r, per_day) for r in rows])
    spread = limits.spread(kinds, now.date())
    clean = _believable(grid, m, spread["max_watts"] * (1440 // per_day) // 60)
    known: dict[str, Any] = _history(clean, m, d)
    known |= _others(clean, own, [day for _, day in cells], meters, d, per_day)
    known |= _dials(session, cells, own, known["usual_wh"], now)
    known |= {
        "refused": (rule >= 16) & (values < 0),
        "multiplier": np.array([float(x.multiplier) for x in own]),
        "meter_minutes": np.array([x.interval_minutes or 60 for x in own], dtype=np.int64),
        "outside": np.array(
            [_outside(x, day, zone, per_day) for x, (_, day), zone in zip(own, cells, zones, strict=True)]
        ),
        "vacant": vacant, "received": np.array([x.direction == "RECEIVED" for x in own], dtype=np.bool_),
        "dst_at": np.array([_change_at(zone, day, per_day) for (_, day), zone in zip(cells, zones, strict=True)]),
        "estimated_days": np.where([x.interval_minutes is None for x in own], 0, _estimated_days(grid, m, d)),
        "replaced_wh": stood,
        "future_from": np.array([_future(day, per_day, now) for _, day in cells], dtype=np.int64),
    }  # fmt: skip
    context = contexts.bare(codes, spread, **known)
    told = (codes >= Quality.CUSTOMER).any(axis=1)
    late = [_late(grid, row, late_after) for row in rows]
    return Batch(
        tuple(meter_id for meter_id, _ in cells), tuple(day for _, day in cells),
        tuple(x.service_point_id for x in own), values, context, tuple(r.seen for r in rows), tuple(kinds),
        rule, np.array(late, dtype=np.bool_) & told, stood >= 0,
    )  # fmt: skip


def _rule(row: Any, per_day: int) -> Codes:
    return np.zeros(per_day, dtype=np.uint8) if row.rule is None else np.frombuffer(row.rule, dtype=np.uint8)


def _late(grid: _Grid, row: Any, late_after: timedelta) -> bool:
    """Come so late that others of the meter, which came before, have been judged."""
    judged = grid.judged_from.get(row.meter_id)
    return (
        judged is not None
        and judged < row.recorded_at
        and row.recorded_at > blocks.day_start(row.day) + _DAY + late_after
    )


def _residents(
    session: Session, own: Sequence[Any], days: Sequence[date]
) -> tuple[list[str], list[str], Mask]:  # fmt: skip
    """Class of customer, zone, and whether nobody takes service; a UTC day touches the civil day before."""
    points = sorted({x.service_point_id for x in own})
    period = periods.Days(min(days) - _DAY, max(days) + _DAY)
    agreements: dict[int, list[Any]] = defaultdict(list)
    for one in accounts.list_agreements(session, period=period, service_point_ids=points):
        agreements[one.service_point_id].append(one)
    ids = sorted({one.account_id for of in agreements.values() for one in of})
    kind = {a.id: a.customer_kind for a in accounts.list_accounts_of(session, account_ids=ids)}
    zone = {p.id: p.timezone for p in accounts.list_service_points_of(session, service_point_ids=points, on=max(days))}

    def account(point: int, day: date) -> int | None:
        there = [o for o in agreements[point] if o.starts_on <= day and (o.ends_on is None or day < o.ends_on)]
        return there[0].account_id if there else None

    found = [
        account(x.service_point_id, day) or account(x.service_point_id, day - _DAY)
        for x, day in zip(own, days, strict=True)
    ]
    kinds = ["RESIDENTIAL" if a is None else kind[a] for a in found]
    return kinds, [zone[x.service_point_id] for x in own], np.array([a is None for a in found], dtype=np.bool_)


def _history(grid: _Grid, m: Ints, d: Ints) -> dict[str, Any]:
    """The 28 days before each day."""
    whole = np.asarray((grid.wh >= 0).all(axis=2))
    sums = np.where(whole, grid.sums(), 0)
    top, low = grid.wh.max(axis=2), np.where(whole, grid.wh.min(axis=2), -1)
    mixed = whole & (top != low)
    count, total, squares = (np.zeros(len(m)) for _ in range(3))
    highest, varied = np.full(len(m), -1, dtype=np.int64), np.zeros(len(m), dtype=np.bool_)
    for back in range(1, HISTORY + 1):
        at = np.maximum(d - back, 0)
        there = d >= back
        used = np.where(there & whole[m, at], sums[m, at], 0).astype(np.float64)
        count += there & whole[m, at]
        total += used
        squares += used * used
        highest = np.maximum(highest, np.where(there, top[m, at], -1))
        varied |= there & mixed[m, at]
    usual, deviation = _moments(count, total, squares)
    previous = np.where((d >= 1)[:, None], grid.wh[m, np.maximum(d - 1, 0)], -1)
    earlier = np.where((d >= 2)[:, None], grid.wh[m, np.maximum(d - 2, 0)], -2)
    return {
        "usual_wh": usual, "deviation_wh": deviation, "history_days": count.astype(np.int64), "top_wh": highest,
        "varied": varied, "before": previous, "repeats": (previous == earlier).all(axis=1),
    }  # fmt: skip


def _moments(count: Floats, total: Floats, squares: Floats) -> tuple[Floats, Floats]:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        spread = np.sqrt(np.maximum(squares / count - mean * mean, 0))
    return np.where(count > 0, mean, np.nan), np.where(count > 1, spread, np.nan)


def _believable(grid: _Grid, m: Ints, most: Ints) -> _Grid:
    """The grid without what cannot be: it is no history."""
    highest = np.full(len(grid.at), np.iinfo(np.int64).max, dtype=np.int64)
    highest[m] = most
    return replace(grid, wh=np.where(grid.wh > highest[:, None, None], quality.MISSING_WH, grid.wh))


def _estimated_days(grid: _Grid, m: Ints, d: Ints) -> Ints:
    mostly = 2 * (grid.codes == Quality.ESTIMATED).sum(axis=2) >= grid.codes.shape[2]
    out = np.zeros(len(m), dtype=np.int64)
    going = np.ones(len(m), dtype=np.bool_)
    for back in range(HISTORY + 1):
        going &= (d >= back) & mostly[m, np.maximum(d - back, 0)]
        out += going
    return out


def _others(
    grid: _Grid, own: Sequence[Any], days: Sequence[date], meters: Mapping[int, Any], d: Ints, per_day: int
) -> dict[str, Any]:
    """The other meters of the same point: of the same direction, and of the other."""
    by_point: dict[int, list[Any]] = defaultdict(list)
    for meter in meters.values():
        by_point[meter.service_point_id].append(meter)
    n = len(own)
    sibling = np.zeros((n, per_day), dtype=np.bool_)
    opposite, usual = np.full(n, -1, dtype=np.int64), np.full(n, np.nan)
    there, generates = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    sums, known = grid.sums(), np.asarray((grid.wh >= 0).any(axis=2))
    for row, meter in enumerate(own):
        past = slice(max(0, int(d[row]) - HISTORY), int(d[row]))
        if meter.direction == "RECEIVED":
            generates[row] = int((sums[grid.at[meter.id], past] > 0).sum()) >= 3
        for other in by_point[meter.service_point_id]:
            at = grid.at[other.id]
            if other.id == meter.id:
                continue
            if other.direction == meter.direction:
                sibling[row] |= grid.wh[at, d[row]] >= 0
            elif other.installed_on < days[row] and (other.removed_on is None or days[row] < other.removed_on):
                there[row] = True
                opposite[row] = sums[at, d[row]] if known[at, d[row]] else -1
                seen = known[at, past]
                usual[row] = float(sums[at, past][seen].mean()) if seen.any() else np.nan
    return {
        "sibling": sibling, "opposite_wh": opposite, "opposite_usual_wh": usual, "opposite_there": there,
        "generates": generates,
    }  # fmt: skip


def _dials(
    session: Session, cells: Sequence[tuple[int, date]], own: Sequence[Any], usual: Floats, now: datetime
) -> dict[str, Any]:
    """For days in which a dial was read: what it says since the reading before, and what the intervals say."""
    n = len(cells)
    dial, total, back = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64), np.zeros(n, dtype=np.int64)
    missing = np.zeros(n, dtype=np.int64)
    position = {cell: row for row, cell in enumerate(cells) if own[row].interval_minutes is not None}
    for earlier, later in _readings(session, position):
        row = position[later.meter_id, later.read_at.date()]
        meter = own[row]
        wh = dial_usage(earlier, later, digits=meter.digits, multiplier=meter.multiplier, usual_wh=float(usual[row]))
        if wh is None:
            back[row] = int(earlier.value - later.value)
            continue
        try:
            series = queries.usage_series(
                session, service_point_id=meter.service_point_id, starts_at=earlier.read_at, ends_at=later.read_at,
                direction=meter.direction,
            )  # fmt: skip
        except errors.Invalid:
            continue  # two lengths of interval meet in the stretch
        dial[row], total[row] = wh, int(series.wh[series.wh >= 0].sum())
        missing[row] = int((series.wh < 0).sum())
    return {"dial_wh": dial, "dial_sum_wh": total, "dial_missing": missing, "dial_back": back}


def dial_usage(earlier: Any, later: Any, *, digits: int, multiplier: Decimal, usual_wh: float) -> int | None:
    """This will give the Wh between two readings of a dial, over its turn if that can be believed; else None."""
    wh = plausibility.used(earlier.value, later.value, digits=digits, multiplier=multiplier)
    if later.value < earlier.value:
        days = max((later.read_at - earlier.read_at) / _DAY, 1.0)
        usual = usual_wh if usual_wh >= 0 else 20_000.0
        if wh > max(usual, 1000.0) * _BELIEVED_TURN * days:
            return None
    return wh


def _readings(session: Session, position: Mapping[tuple[int, date], int]) -> Iterator[tuple[Any, Any]]:
    """Readings that lie in one of the days, each with the one before it."""
    if not position:
        return
    row = models.RegisterReadRow
    first = blocks.day_start(min(day for _, day in position))
    last = blocks.day_start(max(day for _, day in position) + _DAY)
    ids = sorted({meter_id for meter_id, _ in position})
    found = session.scalars(
        select(row).where(row.meter_id.in_(ids), row.read_at >= first, row.read_at < last).order_by(row.read_at)
    )
    for later in found:
        if (later.meter_id, later.read_at.date()) in position:
            earlier = queries.find_previous_reading(session, meter_id=later.meter_id, before=later.read_at)
            if earlier is not None:
                yield earlier, later


def _stood(
    session: Session, cells: Sequence[tuple[int, date]], rows: Sequence[Any], values: Ints, codes: Codes
) -> Ints:  # fmt: skip
    """What a day summed to before reads that had been read were replaced by other reads; -1 where that is not so."""
    out = np.full(len(cells), -1, dtype=np.int64)
    news = [n for n, row in enumerate(rows) if row.version > 1]
    if not news:
        return out
    parameters = {
        "meters": [cells[n][0] for n in news], "days": [cells[n][1] for n in news],
        "versions": [rows[n].version - 1 for n in news],
    }  # fmt: skip
    position = {cells[n]: n for n in news}
    for meter_id, day, wh, marks in session.execute(_STOOD, parameters):
        n = position[meter_id, day]
        old, ranks = blocks.decode(wh, marks)
        if len(old) != values.shape[1]:
            continue
        other = (old != values[n]) & (ranks >= Quality.CUSTOMER) & (codes[n] >= Quality.CUSTOMER)
        if other.any():
            out[n] = int(old[old >= 0].sum())
    return out


def _outside(meter: Any, day: date, zone: str, per_day: int) -> Mask:
    start, minutes = blocks.day_start(day), 1440 // per_day
    number = np.arange(per_day)
    out = number < blocks.ceil_index(start, periods.midnight(meter.installed_on, zone), minutes)
    if meter.removed_on is not None:  # the day of an exchange belongs to both
        out |= number >= blocks.ceil_index(start, periods.midnight(meter.removed_on + _DAY, zone), minutes)
    return np.asarray(out, dtype=np.bool_)


@functools.lru_cache(maxsize=4096)
def _change_at(zone: str, day: date, per_day: int) -> int:
    """The interval of a UTC day at which the clocks of a zone change; -1 when they do not."""
    start, step = blocks.day_start(day), timedelta(minutes=1440 // per_day)
    offsets = [periods.local(start + n * step, zone).utcoffset() for n in range(per_day + 1)]
    return next((n for n in range(1, per_day + 1) if offsets[n] != offsets[n - 1]), -1)


def _future(day: date, per_day: int, now: datetime) -> int:
    """The first interval that cannot have been read yet; the one that is running may be."""
    over = (now - blocks.day_start(day)) // timedelta(minutes=1440 // per_day)
    return min(max(over + 1, 0), per_day)
