"""What validation found, as rows of the work-list: one per meter, day and code, however often the day is judged."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, literal, select, text, update
from sqlalchemy.orm import Session

from metering import blocks, models
from metering.validation.judging import Finding

ACTOR = "validation"

# A finding that was looked at stays so while what was measured stays the same; one that has changed is open again.
_STORE = text(
    """
    INSERT INTO read_exception AS r (meter_id, code, severity, day, starts_at, ends_at, data, recorded_at, resolved_at,
                                     resolution, resolved_by)
    SELECT meter_id, code, severity, day, starts_at, ends_at, CAST(data AS jsonb), :now,
           CASE WHEN severity = 'I' THEN CAST(:now AS timestamptz) END, CASE WHEN severity = 'I' THEN 'NOTED' END,
           CASE WHEN severity = 'I' THEN :actor END
      FROM unnest(CAST(:meters AS bigint[]), CAST(:codes AS text[]), CAST(:severities AS text[]), CAST(:days AS date[]),
                  CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]), CAST(:datas AS text[]))
           AS u (meter_id, code, severity, day, starts_at, ends_at, data)
     ORDER BY meter_id, day, code
        ON CONFLICT (meter_id, day, code) WHERE day IS NOT NULL DO UPDATE
       SET severity = excluded.severity, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
           data = excluded.data, recorded_at = excluded.recorded_at, resolved_at = excluded.resolved_at,
           resolution = excluded.resolution, resolved_by = excluded.resolved_by
     WHERE r.data IS DISTINCT FROM excluded.data OR r.resolution = 'OVERTAKEN'
    """
)
_OVERTAKE = text(
    """
    UPDATE read_exception r
       SET resolved_at = :now, resolution = 'OVERTAKEN', resolved_by = :actor
      FROM unnest(CAST(:meters AS bigint[]), CAST(:days AS date[]), CAST(:refused AS boolean[]))
           AS u (meter_id, day, refused)
     WHERE r.meter_id = u.meter_id AND r.day = u.day AND (r.resolved_at IS NULL OR r.resolution = 'NOTED')
       AND NOT (u.refused AND r.severity = 'E')
       AND NOT EXISTS (SELECT FROM unnest(CAST(:found_meters AS bigint[]), CAST(:found_days AS date[]),
                                          CAST(:found_codes AS text[])) AS f (meter_id, day, code)
                        WHERE f.meter_id = r.meter_id AND f.day = r.day AND f.code = r.code)
    """
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """A day that was judged; `refused`: a value that cannot be is kept beside it."""

    meter_id: int
    day: date
    minutes: int
    refused: bool
    findings: Sequence[Finding]


def store(session: Session, *, judged: Sequence[Judged], now: datetime) -> int:
    """This will keep what was found on some days, and close what is not found any more; gives how many findings."""
    rows = [(day, each) for day in judged for each in day.findings]
    if rows:
        spans = [each.span(blocks.day_start(day.day), day.minutes) for day, each in rows]
        session.execute(
            _STORE,
            {
                "meters": [d.meter_id for d, _ in rows], "codes": [f.code for _, f in rows],
                "severities": [f.severity for _, f in rows], "days": [d.day for d, _ in rows],
                "starts": [a for a, _ in spans], "ends": [b for _, b in spans],
                "datas": [
                    json.dumps({"measured": f.measured, "limit": f.limit, "unit": f.unit}) for _, f in rows
                ],
                "now": now, "actor": ACTOR,
            },
        )  # fmt: skip
    session.execute(
        _OVERTAKE,
        {
            "meters": [d.meter_id for d in judged], "days": [d.day for d in judged],
            "refused": [d.refused for d in judged], "found_meters": [d.meter_id for d, _ in rows],
            "found_days": [d.day for d, _ in rows], "found_codes": [f.code for _, f in rows],
            "now": now, "actor": ACTOR,
        },
    )  # fmt: skip
    return len(rows)


def note_filled(session: Session, *, meter_id: int, days: Collection[date], now: datetime) -> None:
    """This will close the gaps of days in which nothing is missing any more: they have been estimated."""
    session.flush()
    row, day = models.ReadExceptionRow, models.ReadDayRow
    gap = func.position(literal(b"\x00").op("IN")(day.quality))
    whole = select(day.day).where(day.meter_id == meter_id, day.day.in_(days), gap == 0)
    session.execute(
        update(row)
        .where(row.meter_id == meter_id, row.code.in_(("GAP", "DST_HOUR")), row.day.in_(whole))
        .where(row.resolution.is_(None) | (row.resolution == "NOTED"))
        .values(resolution="ESTIMATED", resolved_at=now, resolved_by="estimation")
        .execution_options(synchronize_session=False)
    )
