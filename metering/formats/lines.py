"""Reads as a head-end sends them: JSON lines, each a run of consecutive intervals of one meter, or a dial. Pure.

``{"meter": "M-1", "starts_at": "2026-11-01T00:00:00Z", "interval_minutes": 15, "wh": [250, 240, -1]}``, with
``"quality": "ESTIMATED"`` for all or a list of one each, and ``"direction": "RECEIVED"`` for what was sent out; -1 is
missing. A dial is ``{"meter": "M-1", "read_at": "2026-11-01T00:00:00Z", "value": "48211.5"}``.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from metering.formats import runs, streams, told
from metering.quality import Quality
from metering.views import Direction

_MOST_INTERVALS = 12 * 24 * 62
_QUALITIES = frozenset({"ACTUAL", "ESTIMATED", "MISSING"})
_DIRECTIONS: dict[str, Direction] = {"DELIVERED": "DELIVERED", "RECEIVED": "RECEIVED"}


def parse(stream: streams.Stream) -> Iterator[told.Told]:
    """This will tell a file or a push line by line; a line that cannot be right does not stop the rest."""
    number = 0
    try:
        for number, line in streams.lines(stream):
            if line is None:
                yield told.Unreadable(number, "the line is too long")
            elif line.strip():
                yield of_line(line, number)
    except streams.Broken as exc:
        yield told.Unreadable(number + 1, exc.reason)


def of_line(line: bytes, number: int) -> told.Told:
    """This will tell one line."""
    entry: Any = None
    try:
        entry = json.loads(line)
        return _dial(entry, number) if "read_at" in entry else _run(entry, number)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError, InvalidOperation) as exc:
        lost = entry.get("wh") if isinstance(entry, dict) else None
        return told.Unreadable(number, _words(exc), max(1, len(lost)) if isinstance(lost, list) else 1)


def _words(exc: Exception) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"not JSON: {exc.msg} at character {exc.pos + 1}"[:200]
    if isinstance(exc, KeyError):
        return f"there is no {exc.args[0]}"
    if isinstance(exc, UnicodeDecodeError):
        return "not JSON: it is not UTF-8"
    return str(exc)[:200] or type(exc).__name__


def _run(entry: Any, line: int) -> told.Run:
    meter, direction = _whose(entry)
    wh, minutes = entry["wh"], entry.get("interval_minutes", 60)
    starts_at = _instant(entry["starts_at"], "starts_at")
    if isinstance(minutes, bool) or minutes not in (*runs.LENGTHS, runs.DAY):
        raise ValueError("interval_minutes is not 5, 15, 30, 60 or 1440")
    if not isinstance(wh, list) or not 0 < len(wh) <= _MOST_INTERVALS:
        raise ValueError(f"wh is not a list of 1 to {_MOST_INTERVALS} values")
    if not all(isinstance(n, int) and not isinstance(n, bool) and -(2**53) < n < 2**53 for n in wh):
        raise ValueError("a value of wh is not a whole number")
    values = np.array(wh, dtype=np.int64)
    codes = _qualities(entry.get("quality", "ACTUAL"), len(wh))
    codes[values == -1] = Quality.MISSING
    values[codes == Quality.MISSING] = -1
    return told.Run(meter, direction, starts_at, int(minutes), values, codes, line)


def _dial(entry: Any, line: int) -> told.Dial:
    meter, direction = _whose(entry)
    value = entry["value"]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("value is not a number")
    shown = Decimal(str(value))
    if not shown.is_finite() or shown < 0 or shown.adjusted() > 12:
        raise ValueError("value is not what a dial can show")
    codes = _qualities(entry.get("quality", "ACTUAL"), 1)
    return told.Dial(meter, direction, _instant(entry["read_at"], "read_at"), shown, int(codes[0]), line)


def _whose(entry: Any) -> tuple[str, Direction]:
    if not isinstance(entry, dict):
        raise ValueError("not an object")
    meter, direction = entry["meter"], entry.get("direction", "DELIVERED")
    if not isinstance(meter, str) or not 0 < len(meter) <= 40 or not meter.isprintable():
        raise ValueError("meter is not a number of 1 to 40 characters")
    if not isinstance(direction, str) or direction not in _DIRECTIONS:
        raise ValueError("direction is neither DELIVERED nor RECEIVED")
    return meter, _DIRECTIONS[direction]


def _instant(text: Any, name: str) -> datetime:
    if not isinstance(text, str):
        raise ValueError(f"{name} is not a time")
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{name} has no zone")
    at = at.astimezone(UTC)
    if not runs.is_a_time(int(at.timestamp())) or at.microsecond:
        raise ValueError(f"{name} is no time at which something was read")
    return at


def _qualities(told_: Any, count: int) -> Any:
    names = [told_] * count if isinstance(told_, str) else told_
    if not isinstance(names, list) or len(names) != count:
        raise ValueError("quality is neither one name nor one for each value")
    if not all(isinstance(name, str) and name in _QUALITIES for name in names):
        raise ValueError("quality is not ACTUAL, ESTIMATED or MISSING")
    return np.array([int(Quality[name]) for name in names], dtype=np.uint8)
