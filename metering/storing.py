"""Days of reads set against what stands, many at once: new ones by COPY, changed ones by one statement.

Whoever calls holds the meters' rows locked, so that nobody else writes the same days meanwhile.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

from metering import blocks, copying, merging, originals, quality
from metering.merging import Bools
from metering.quality import Quality
from metering.views import Codes, Ints

Kept = dict[int, tuple[bytes | None, bytes | None]]  # by row: raw and rule, as in metering.originals

_MONTH = 31  # so many days are asked for at once: a meter's rows of a month stand together

_STOOD = text(
    """
    SELECT meter_id, day - DATE '2000-01-01', wh, quality, raw, rule FROM read_day
     WHERE meter_id = ANY(CAST(:ids AS bigint[])) AND day >= :first AND day <= :last
    """
)
_KEEP = text(
    """
    INSERT INTO read_day_version
           (meter_id, day, version, wh, quality, raw, rule, recorded_at, replaced_at, replaced_by)
    SELECT d.meter_id, d.day, d.version, d.wh, d.quality, d.raw, d.rule, d.recorded_at, :now, :source
      FROM unnest(CAST(:ids AS bigint[]), CAST(:days AS integer[])) AS u (id, day)
     CROSS JOIN LATERAL (
           SELECT * FROM read_day r WHERE r.meter_id = u.id AND r.day = DATE '2000-01-01' + u.day OFFSET 0) AS d
    """
)
_CHANGE = text(
    """
    UPDATE read_day d
       SET version = d.version + u.bump, wh = u.wh, quality = u.quality, raw = u.raw, rule = u.rule,
           recorded_at = :now
      FROM unnest(CAST(:ids AS bigint[]), CAST(:days AS integer[]), CAST(:bumps AS integer[]),
                  CAST(:wh AS bytea[]), CAST(:codes AS bytea[]), CAST(:raw AS bytea[]), CAST(:rules AS bytea[]))
           AS u (id, day, bump, wh, quality, raw, rule)
     WHERE d.meter_id = u.id AND d.day = DATE '2000-01-01' + u.day AND d.day >= :first AND d.day <= :last
    """
)
_PLAN = text("SELECT set_config('enable_hashjoin', :joins, true), set_config('enable_mergejoin', :joins, true)")


@dataclass(frozen=True)
class Offered:
    """Reads that ask to be stored: a row for each meter and UTC day, all of one length of interval, none twice.

    `days` are numbers (db.day_number); code MISSING offers nothing. `unread` are days that can hardly stand yet, for
    they are later than what their meters are known to have read.
    """

    meter_ids: Ints
    days: Ints
    wh: Ints
    codes: Codes
    unread: Bools | None = None


@dataclass(frozen=True)
class Stored:
    """What became of them, row by row: `changed` and `replaced` as in merging, `clash` where the day stands in another
    length of interval and was left as it is.
    """

    changed: Bools
    replaced: Bools
    clash: Bools


def store(session: Session, offered: Offered, *, source: str, now: datetime) -> Stored:
    """This will store what is better than what stands, and keep what was good and gave way as a version."""
    session.flush()
    if offered.unread is not None and len(offered.unread) and offered.unread.all():
        try:
            with session.begin_nested():
                return _store_new(session, offered, now)
        except psycopg.errors.UniqueViolation:
            pass  # some day stands after all: nothing is done yet
    count, per_day = offered.wh.shape
    stood, ranks = merging.nothing((count, per_day))
    there, clash, kept = _stood(session, offered, stood, ranks)
    merged = merging.merge(offered.wh, _without_refused(offered, kept), stood, ranks)
    changed, replaced = merged.changed & ~clash[:, None], merged.replaced & ~clash[:, None]
    touched = np.asarray(changed.any(axis=1))
    _insert(session, offered, merged.wh, merged.codes, np.flatnonzero(touched & ~there), now)
    old = np.flatnonzero(touched & there)
    if len(old):
        _change(session, offered, merged, kept, old, np.asarray(replaced.any(axis=1))[old], source, now)
    return Stored(changed, replaced, clash)


def _store_new(session: Session, offered: Offered, now: datetime) -> Stored:
    """Days that are taken to be new are not asked for: the key itself says when one was not."""
    changed: Bools = offered.codes > Quality.MISSING
    wh = offered.wh if changed.all() else np.where(changed, offered.wh, quality.MISSING_WH)
    _insert(session, offered, wh, offered.codes, np.flatnonzero(changed.any(axis=1)), now)
    return Stored(changed, np.zeros(changed.shape, dtype=bool), np.zeros(len(changed), dtype=bool))


def _insert(session: Session, offered: Offered, wh: Ints, codes: Codes, new: Ints, now: datetime) -> None:
    if not len(new):
        return
    new = new[np.lexsort((offered.days[new], offered.meter_ids[new]))]  # a meter's days stand together
    rows = copying.day_rows(offered.meter_ids[new], offered.days[new], wh[new], codes[new], recorded_at=now)
    copying.copy_days(session, [rows])


def _without_refused(offered: Offered, kept: Kept) -> Codes:
    """Values that came before and were not used are not offered again by being sent again."""
    if not kept:
        return offered.codes
    codes = offered.codes.copy()
    for row, (raw, rule) in kept.items():
        codes[row, originals.refused_before(raw, rule, offered.wh[row])] = Quality.MISSING
    return codes


def _stood(session: Session, offered: Offered, stood: Ints, ranks: Codes) -> tuple[Bools, Bools, Kept]:
    """Fill in the days that stand; gives which rows do, which of them in another length of interval, and what is kept
    beside those of which a value is not the one that came.
    """
    count, per_day = offered.wh.shape
    there: Bools = np.zeros(count, dtype=bool)
    clash: Bools = np.zeros(count, dtype=bool)
    kept: Kept = {}
    keys = copying.keys(offered.meter_ids, offered.days)
    order = np.argsort(keys, kind="stable")
    for part in np.unique(offered.days // _MONTH).tolist():
        some = offered.days // _MONTH == part
        rows = session.execute(
            _STOOD,
            {
                "ids": copying.array(np.unique(offered.meter_ids[some])),
                "first": copying.day(int(offered.days[some].min())),
                "last": copying.day(int(offered.days[some].max())),
            },
        ).all()
        if not rows:
            continue
        asked = np.array([copying.keys(row[0], row[1]) for row in rows], dtype=np.int64)
        at = np.searchsorted(keys, asked, sorter=order)
        hit = order[np.minimum(at, count - 1)]
        ours = keys[hit] == asked  # a day in between that nobody offers is not
        same = ours & np.array([len(row[2]) == per_day * 4 for row in rows])
        there[hit[ours]] = True
        clash[hit[ours & ~same]] = True
        mine = [row for row, wanted in zip(rows, same.tolist(), strict=True) if wanted]
        kept |= {
            int(at): (row[4], row[5])
            for at, row, good in zip(hit.tolist(), rows, same.tolist(), strict=True)
            if good and row[4] is not None
        }
        if mine:
            values, codes = blocks.decode(b"".join(row[2] for row in mine), b"".join(row[3] for row in mine))
            stood[hit[same]], ranks[hit[same]] = values.reshape(-1, per_day), codes.reshape(-1, per_day)
    return there, clash, kept


def _change(
    session: Session,
    offered: Offered,
    merged: merging.Merged,
    kept: Kept,
    rows: Ints,
    corrected: Bools,
    source: str,
    now: datetime,
) -> None:
    ids, days = offered.meter_ids[rows], offered.days[rows]
    if corrected.any():
        session.execute(
            _KEEP,
            {
                "ids": copying.array(ids[corrected]),
                "days": copying.array(days[corrected]),
                "now": now,
                "source": source,
            },
        )
    # a list on one side and millions of rows on the other: the planner may not read the millions
    session.execute(_PLAN, {"joins": "off"})
    for part in np.unique(days // _MONTH).tolist():
        some = np.flatnonzero(days // _MONTH == part)
        values: Any = merged.wh[rows[some]].astype(blocks.WH)
        left = [originals.cleared(*kept.get(row, (None, None)), merged.changed[row]) for row in rows[some].tolist()]
        session.execute(
            _CHANGE,
            {
                "ids": copying.array(ids[some]),
                "days": copying.array(days[some]),
                "bumps": copying.array(corrected[some].astype(int)),
                "wh": [row.tobytes() for row in values],
                "codes": [row.tobytes() for row in merged.codes[rows[some]]],
                "raw": [raw for raw, _ in left],
                "rules": [rule for _, rule in left],
                "first": copying.day(int(days[some].min())),
                "last": copying.day(int(days[some].max())),
                "now": now,
            },
        )
    session.execute(_PLAN, {"joins": "on"})
