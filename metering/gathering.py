"""Runs of reads laid out as days: thousands of them at once, checked, each interval once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from core import db
from metering import blocks, copying, merging, quality
from metering.merging import Bools
from metering.quality import Quality
from metering.views import Codes, Ints

_DAY = 86_400
ORIGIN = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())  # seconds are counted from here


@dataclass(frozen=True)
class Placed:
    """Runs on their meters' grids, as columns: of each its meter, its start in seconds since 2000, and between which
    instants that meter hung there.
    """

    meter_ids: Ints
    starts: Ints
    first: Ints
    last: Ints
    wh: Sequence[Ints]
    codes: Sequence[Codes]


@dataclass(frozen=True)
class Laid:
    """Runs as days: a row for each meter and UTC day, none twice.

    For each read of the runs, one after the other: `run` it is of, `place` in the days, its `fault` (merging.FAULTS).
    """

    meter_ids: Ints
    days: Ints
    wh: Ints
    codes: Codes
    run: Ints
    place: Ints
    fault: Codes

    def ends(self, interval_minutes: int) -> tuple[Ints, Ints]:
        """This will give meters, rising, and the end of the newest read offered of each, in seconds since 2000."""
        offered = self.codes > Quality.MISSING
        some = np.flatnonzero(offered.any(axis=1))
        last = self.codes.shape[1] - offered[some, ::-1].argmax(axis=1)
        return newest(self.meter_ids[some], self.days[some] * _DAY + last * interval_minutes * 60)


def seconds(instant: datetime) -> int:
    """This will give an instant in whole seconds since 2000 (UTC)."""
    return int(instant.timestamp()) - ORIGIN


def instant(count: int) -> datetime:
    """This will give the instant of so many seconds since 2000."""
    return datetime.fromtimestamp(count + ORIGIN, UTC)


def midnight(day: date) -> int:
    """This will give the start of a UTC day in seconds since 2000."""
    return db.day_number(day) * _DAY


def newest(keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    """This will give each key once, rising, with the highest of its values."""
    order = np.lexsort((values, keys))
    last = np.append(keys[order][1:] != keys[order][:-1], True) if len(order) else np.zeros(0, dtype=bool)
    return keys[order][last], values[order][last]


def lay_out(runs: Placed, interval_minutes: int) -> Laid:
    """This will check the reads of some runs of one length of interval and set them on days."""
    per_day, step = blocks.per_day(interval_minutes), interval_minutes * 60
    ids, starts, count = runs.meter_ids, runs.starts, len(runs.wh)
    lengths = np.fromiter(map(len, runs.wh), dtype=np.int64, count=count)
    wh: Ints = np.concatenate(runs.wh)
    codes: Codes = np.concatenate(runs.codes)
    codes[wh == quality.MISSING_WH] = Quality.MISSING  # it said nothing, whatever the format calls that
    run = np.repeat(np.arange(count), lengths)
    fault = merging.check(wh, codes, _outside(runs, lengths, step), interval_minutes)
    first_slot = starts % _DAY // step
    if not first_slot.any() and (lengths == per_day).all() and _are_once(ids, starts // _DAY):
        return _whole_days(ids, starts // _DAY, wh, codes, run, fault)
    within = np.arange(len(wh)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    slot = np.repeat(first_slot, lengths) + within  # counted from the run's first day
    spanned = (first_slot + lengths - 1) // per_day + 1
    row_run = np.repeat(np.arange(count), spanned)
    nth = np.arange(len(row_run)) - np.repeat(np.cumsum(spanned) - spanned, spanned)
    meter_ids, days, row = _once(ids[row_run], starts[row_run] // _DAY + nth)
    base = np.cumsum(spanned) - spanned
    place = row[np.repeat(base, lengths) + slot // per_day] * per_day + slot % per_day
    offered = np.flatnonzero((fault == 0) & (wh >= 0) & (codes > Quality.MISSING))
    picked, other = merging.pick(place[offered], wh[offered], codes[offered])
    fault[offered[other]] = merging.FAULTS.index("DUPLICATE")
    grid, marks = merging.nothing((len(meter_ids) * per_day,))
    some = offered[picked]
    grid[place[some]], marks[place[some]] = wh[some], codes[some]
    return Laid(meter_ids, days, grid.reshape(-1, per_day), marks.reshape(-1, per_day), run, place, fault)


def _whole_days(meter_ids: Ints, days: Ints, wh: Ints, codes: Codes, run: Ints, fault: Codes) -> Laid:
    """Each run is one day of its own, as utilities send them: nothing has to be moved."""
    offered = (fault == 0) & (wh >= 0) & (codes > Quality.MISSING)
    if not offered.all():
        wh = np.where(offered, wh, quality.MISSING_WH)
        codes = np.where(offered, codes, Quality.MISSING).astype(np.uint8)
    shape = (len(meter_ids), -1)
    return Laid(meter_ids, days, wh.reshape(shape), codes.reshape(shape), run, np.arange(len(run)), fault)


def _are_once(meter_ids: Ints, days: Ints) -> bool:
    keys = np.sort(copying.keys(meter_ids, days))
    return bool((keys[1:] != keys[:-1]).all())


def _once(meter_ids: Ints, days: Ints) -> tuple[Ints, Ints, Ints]:
    """Each pair once, and for every pair given which one it is; in the order given when there is none twice."""
    keys = copying.keys(meter_ids, days)
    once, row = np.unique(keys, return_inverse=True)
    if len(once) == len(keys):
        return meter_ids, days, np.arange(len(keys))
    at = np.empty(len(once), dtype=np.int64)
    at[row] = np.arange(len(keys))
    return meter_ids[at], days[at], row


def _outside(runs: Placed, lengths: Ints, step: int) -> Bools:
    outside: Bools = np.zeros(int(lengths.sum()), dtype=bool)
    at = np.cumsum(lengths) - lengths
    beyond = (runs.starts < runs.first) | (runs.starts + lengths * step > runs.last)
    for n in np.flatnonzero(beyond).tolist():
        begins = runs.starts[n] + np.arange(lengths[n]) * step
        outside[at[n] : at[n] + lengths[n]] = (begins < runs.first[n]) | (begins >= runs.last[n])
    return outside
