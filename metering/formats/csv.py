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


def write(
    starts: Sequence[datetime],
    wh: Sequence[int],
    qualities: Sequence[str],
    *,
    export_wh: Sequence[int] | None = None,
    meter: str | None = None,
) -> str:
    """This will write reads for a customer to keep: local start with offset, kWh (empty where missing), quality.

    What was sent out has a column where there is any, and so has the meter's number when it is given.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    sent = [] if export_wh is None else ["export_kwh"]
    named = [] if meter is None else ["meter"]
    writer.writerow(["start", "kwh", *sent, "quality", *named])
    last = [] if meter is None else [harmless(meter)]
    columns = zip(starts, wh, qualities, export_wh if export_wh is not None else wh, strict=True)
    for start, value, name, out_value in columns:
        cells = [start.isoformat(), _kwh(value), *([_kwh(out_value)] if sent else []), harmless(name)]
        writer.writerow([*cells, *last])
    return out.getvalue()


def harmless(text: str) -> str:
    """This will give a text that no spreadsheet takes for a formula: what begins like one gets an apostrophe."""
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text[:1] in ("\t", "\r", "\n") else text


def _kwh(wh: int) -> str:
    return "" if wh < 0 else f"{wh // 1000}.{wh % 1000:03d}"


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
