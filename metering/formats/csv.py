"""Interval reads as a CSV file with the header ``start,kwh[,export_kwh]``. Pure.

A start is an ISO 8601 instant with its offset; rows follow each other in equal steps. What is not like that
is refused with the number of the line, because a bill made of half a file is worse than none.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from core import errors

_COLUMNS = (["start", "kwh"], ["start", "kwh", "export_kwh"])
_LENGTHS = (1, 5, 10, 15, 20, 30, 60)


@dataclass(frozen=True)
class Reads:
    """What a file said: values in kWh on a grid of equal intervals from `starts_at` (UTC)."""

    starts_at: datetime
    interval_minutes: int
    kwh: tuple[Decimal, ...]
    export_kwh: tuple[Decimal, ...] | None

    @property
    def places(self) -> int:
        """The most decimal places any value has."""
        return max((_places(value) for value in (*self.kwh, *(self.export_kwh or ()))), default=0)


def parse(text: str) -> Reads:
    """This will read the text of a file, or raise Invalid ``reads.unreadable`` with `line` and `reason`."""
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    header = [name.strip().lower() for name in next(rows, [])]
    if header not in _COLUMNS:
        raise _unreadable(1, "the header must be start,kwh or start,kwh,export_kwh")
    starts: list[datetime] = []
    values: list[list[Decimal]] = [[] for _ in header[1:]]
    step: timedelta | None = None
    for row in rows:
        line = rows.line_num
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise _unreadable(line, f"there are {len(row)} values where the header has {len(header)}")
        start = _instant(row[0], line)
        if starts:
            gap = start - starts[-1]
            step = step or _step(gap, line)
            if gap != step:
                raise _unreadable(line, _uneven(gap, step))
        starts.append(start)
        for column, cell, name in zip(values, row[1:], header[1:], strict=True):
            column.append(_value(cell, name, line))
    if step is None:
        raise _unreadable(1, "there must be at least two reads, to know how long one lasts")
    return Reads(
        starts_at=starts[0],
        interval_minutes=step // timedelta(minutes=1),
        kwh=tuple(values[0]),
        export_kwh=tuple(values[1]) if len(values) > 1 else None,
    )


def write(starts: Sequence[datetime], wh: Sequence[int], qualities: Sequence[str]) -> str:
    """This will write reads for a customer to keep: local start with offset, kWh (empty where missing),
    quality.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["start", "kwh", "quality"])
    for start, value, name in zip(starts, wh, qualities, strict=True):
        writer.writerow([start.isoformat(), "" if value < 0 else f"{Decimal(value) / 1000:.3f}", name])
    return out.getvalue()


def _instant(cell: str, line: int) -> datetime:
    try:
        start = datetime.fromisoformat(cell.strip())
    except ValueError:
        raise _unreadable(line, f"{cell.strip()!r} is not an ISO 8601 time") from None
    if start.tzinfo is None:
        raise _unreadable(line, f"{cell.strip()!r} has no offset from UTC")
    return start.astimezone(UTC)


def _value(cell: str, name: str, line: int) -> Decimal:
    try:
        value = Decimal(cell.strip())
    except InvalidOperation:
        raise _unreadable(line, f"{name} {cell.strip()!r} is not a number") from None
    if not value.is_finite():
        raise _unreadable(line, f"{name} {cell.strip()!r} is not a number")
    if value < 0:
        raise _unreadable(line, f"{name} is below zero")
    if value > 10_000_000:
        raise _unreadable(line, f"{name} is more than a meter can count")
    return value


def _step(gap: timedelta, line: int) -> timedelta:
    if gap <= timedelta(0):
        raise _unreadable(line, "it starts no later than the line before")
    if gap not in [timedelta(minutes=minutes) for minutes in _LENGTHS]:
        raise _unreadable(line, f"intervals of {gap} are not supported; an hour at most, in whole parts of it")
    return gap


def _uneven(gap: timedelta, step: timedelta) -> str:
    if gap <= timedelta(0):
        return "it starts no later than the line before"
    if gap < step:
        return f"it starts {gap} after the line before, inside its interval of {step}"
    return f"it starts {gap} after the line before, where every interval lasts {step}: a gap"


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _unreadable(line: int, reason: str) -> errors.Invalid:
    return errors.Invalid("reads.unreadable", line=line, reason=reason)
