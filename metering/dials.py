"""Dials: what was used between two of their readings, and how that is shared among the hours.

A dial counts up in units of its own and starts again at zero after its last digit. Where there is no interval meter,
the use between two readings becomes hourly estimates by the household's profile, so that it can be billed and shown.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from sqlalchemy import text
from sqlalchemy.orm import Session

from core import periods
from metering import estimation, merging, plausibility
from metering.plausibility import used as used
from metering.quality import Quality
from metering.views import Ints, Meter

_HOUR = timedelta(hours=1)
_KEPT = frozenset({Quality.ESTIMATED, Quality.CUSTOMER, Quality.ACTUAL, Quality.EDITED})

# of each meter, what its dial showed: two readings before the first instant, those between, one after the last
_AROUND = text(
    """
    SELECT u.id, r.read_at, r.value, r.quality
      FROM unnest(CAST(:ids AS bigint[]), CAST(:first AS timestamptz[]), CAST(:last AS timestamptz[]))
           AS u (id, first, last)
     CROSS JOIN LATERAL (
           (SELECT read_at, value, quality FROM register_read
             WHERE meter_id = u.id AND read_at < u.first ORDER BY read_at DESC LIMIT 2)
           UNION ALL
           (SELECT read_at, value, quality FROM register_read
             WHERE meter_id = u.id AND read_at BETWEEN u.first AND u.last)
           UNION ALL
           (SELECT read_at, value, quality FROM register_read
             WHERE meter_id = u.id AND read_at > u.last ORDER BY read_at LIMIT 1)) AS r
    """
)
_SHOW = text(
    """
    INSERT INTO register_read (meter_id, read_at, value, quality, source, recorded_at)
    SELECT u.id, u.read_at, u.value, u.quality, :source, :now
      FROM unnest(CAST(:ids AS bigint[]), CAST(:read_at AS timestamptz[]), CAST(:values AS numeric[]),
                  CAST(:qualities AS text[])) AS u (id, read_at, value, quality)
        ON CONFLICT (meter_id, read_at) DO UPDATE
       SET value = excluded.value, quality = excluded.quality, source = excluded.source
    """
)


@dataclass(frozen=True)
class Face:
    """The dial of a meter: how many digits it has, and what a unit of it is worth."""

    id: int
    service_point_id: int
    interval_minutes: int | None
    digits: int
    multiplier: Decimal


@dataclass(frozen=True)
class Shown:
    """A reading of a meter's dial, in the dial's own units."""

    meter: Face | Meter
    read_at: datetime
    value: Decimal
    quality: int


@dataclass(frozen=True)
class Share:
    """What a meter used from an instant on, hour by hour."""

    meter: Face | Meter
    starts_at: datetime
    wh: Ints


@dataclass(frozen=True)
class Recorded:
    """What became of readings, in their order: "" stored, None nothing new, else the code of what is wrong."""

    fates: tuple[str | None, ...]
    shares: tuple[Share, ...]


def fault(shown: Shown, before: Sequence[tuple[datetime, Decimal]]) -> str | None:
    """This will say what is wrong with a reading, given those before it, oldest first; None when nothing is.

    NEGATIVE, TOO_HIGH (more digits than the dial has, or more than any meter can pass) or LOWER_THAN_PREVIOUS: too low
    to be a dial that turned over, by the use between the readings before it.
    """
    meter = shown.meter
    if shown.value < 0:
        return "NEGATIVE"
    if shown.value >= Decimal(10) ** meter.digits:
        return "TOO_HIGH"
    if not before:
        return None
    at, previous = before[-1]
    wh = used(previous, shown.value, digits=meter.digits, multiplier=meter.multiplier)
    days = (shown.read_at - at) / timedelta(days=1)
    if shown.value < previous:
        judged = plausibility.judge(
            shown.value,
            previous=previous,
            days=days,
            daily_wh=_usual(meter, before),
            digits=meter.digits,
            multiplier=meter.multiplier,
        )
        if judged.status == "REJECTED":
            return "LOWER_THAN_PREVIOUS"
    return "TOO_HIGH" if wh > merging.HIGHEST_WH_PER_HOUR * max(days * 24, 1) else None


def record(
    session: Session, shown: Sequence[Shown], *, zones: Mapping[int, str], source: str, now: datetime
) -> Recorded:
    """This will record what some dials showed, and give the use between as hourly shares, to be stored as estimates.

    `zones` by service point. The same instant again corrects the value when the quality is not lower; a reading between
    two others shares the use on both its sides anew. Meters with intervals have no shares.
    """
    order = sorted(range(len(shown)), key=lambda n: shown[n].read_at)
    known = _around(session, shown)
    fates: list[str | None] = [None] * len(shown)
    taken: dict[tuple[int, datetime], Shown] = {}
    for n in order:
        each = shown[n]
        if each.quality not in _KEPT:
            continue
        mine = known[each.meter.id]
        stood = mine.get(each.read_at)
        if stood is not None and (each.quality < stood[1] or (each.value, each.quality) == stood):
            continue
        before = sorted((at, value) for at, (value, _) in mine.items() if at < each.read_at)
        fates[n] = fault(each, before[-2:]) or ""
        if fates[n] == "":
            mine[each.read_at] = (each.value, each.quality)
            taken[each.meter.id, each.read_at] = each
    if taken:
        _show(session, list(taken.values()), source, now)
    return Recorded(tuple(fates), tuple(_shares(taken, known, zones)))


def share(meter: Face | Meter, begin: datetime, end: datetime, wh: int, zone: str) -> Share | None:
    """This will share a use among the whole hours between two instants; None where there is none between."""
    start = _whole_hour(begin)
    hours = (_whole_hour(end) - start) // _HOUR
    return None if hours <= 0 else Share(meter, start, estimation.spread(wh, _weights(start, hours, zone)))


def days(meter: Face | Meter, starts_at: datetime, wh: Sequence[int], zone: str) -> list[Share | None]:
    """This will share the reads of whole days among their hours.

    Days that begin at midnight in the meter's zone are its civil days, of 23 to 25 hours; others have 24. None where a
    day said nothing.
    """
    first = periods.civil_day(starts_at, zone)
    civil = periods.midnight(first, zone) == starts_at
    day = timedelta(days=1)
    edges = [periods.midnight(first + n * day, zone) if civil else starts_at + n * day for n in range(len(wh) + 1)]
    return [share(meter, edges[n], edges[n + 1], value, zone) if value >= 0 else None for n, value in enumerate(wh)]


def _around(session: Session, shown: Sequence[Shown]) -> dict[int, dict[datetime, tuple[Decimal, int]]]:
    spans: dict[int, tuple[datetime, datetime]] = {}
    for each in shown:
        first, last = spans.get(each.meter.id, (each.read_at, each.read_at))
        spans[each.meter.id] = min(first, each.read_at), max(last, each.read_at)
    rows = session.execute(
        _AROUND,
        {"ids": list(spans), "first": [s[0] for s in spans.values()], "last": [s[1] for s in spans.values()]},
    )
    out: dict[int, dict[datetime, tuple[Decimal, int]]] = defaultdict(dict)
    for meter_id, read_at, value, quality in rows:
        out[meter_id][read_at] = (value, int(Quality[quality]))
    return out


def _show(session: Session, taken: Sequence[Shown], source: str, now: datetime) -> None:
    session.execute(
        _SHOW,
        {
            "ids": [each.meter.id for each in taken],
            "read_at": [each.read_at for each in taken],
            "values": [each.value for each in taken],
            "qualities": [Quality(each.quality).name for each in taken],
            "source": source,
            "now": now,
        },
    )


def _shares(
    taken: Mapping[tuple[int, datetime], Shown],
    known: Mapping[int, Mapping[datetime, tuple[Decimal, int]]],
    zones: Mapping[int, str],
) -> list[Share]:
    """The use on either side of each reading that was taken, once each."""
    spans: dict[tuple[int, datetime, datetime], Face | Meter] = {}
    for (meter_id, read_at), each in taken.items():
        if each.meter.interval_minutes is not None:
            continue
        instants = sorted(known[meter_id])
        at = instants.index(read_at)
        for begin, end in zip(instants[max(at - 1, 0) : at + 1], instants[max(at, 1) : at + 2], strict=False):
            spans[meter_id, begin, end] = each.meter
    out = []
    for (meter_id, begin, end), meter in sorted(spans.items(), key=lambda span: span[0]):
        first, last = known[meter_id][begin][0], known[meter_id][end][0]
        wh = used(first, last, digits=meter.digits, multiplier=meter.multiplier)
        shared = share(meter, begin, end, wh, zones[meter.service_point_id])
        if shared is not None:
            out.append(shared)
    return out


def _usual(meter: Face | Meter, before: Sequence[tuple[datetime, Decimal]]) -> int | None:
    if len(before) < 2:
        return None
    (earlier, first), (later, last) = before[-2:]
    days = (later - earlier) / timedelta(days=1)
    return round(used(first, last, digits=meter.digits, multiplier=meter.multiplier) / days) if days >= 1 else None


def _whole_hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


@lru_cache(maxsize=512)  # a round of readings has the same days
def _weights(start: datetime, hours: int, zone: str) -> tuple[int, ...]:
    return tuple(estimation.by_local_hour(start, hours, zone))
