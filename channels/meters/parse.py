"""Reads as a head-end pushes them: JSON lines, each a run of consecutive intervals of one meter. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core import crypto

FRESH_SECONDS = 300
_MOST_INTERVALS = 4 * 24 * 62
_INTERVALS = frozenset({15, 30, 60})
_QUALITIES = frozenset({"ACTUAL", "ESTIMATED", "MISSING"})


@dataclass(frozen=True)
class Run:
    """Consecutive reads of one meter, in Wh; -1 where the meter said nothing."""

    meter_number: str
    starts_at: datetime
    interval_minutes: int
    wh: tuple[int, ...]
    quality: str | tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Unreadable:
    """A line that cannot be right, and why."""

    line: int
    reason: str


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """This will sign a push: the hex HMAC-SHA-256, keyed for the head-end, over ``timestamp.body``."""
    return crypto.digest(crypto.digest(secret, "head-end"), timestamp, body.decode("latin-1"))


def is_signed(secret: str, header: str | None, body: bytes, now: datetime) -> bool:
    """This will check ``t=<unix seconds>,v1=<hex>``: right, and of the last five minutes."""
    fields = dict(part.strip().partition("=")[::2] for part in (header or "").split(","))
    timestamp, shown = fields.get("t", ""), fields.get("v1", "")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    if abs(now.timestamp() - int(timestamp)) > FRESH_SECONDS:
        return False
    return crypto.same(shown, signature(secret, timestamp, body))


def lines(body: bytes) -> Iterator[Run | Unreadable]:
    """This will read a push line by line; a line that cannot be right does not stop the rest."""
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield _run(json.loads(line), number)
        except (ValueError, KeyError, TypeError, RecursionError) as exc:
            yield Unreadable(number, str(exc)[:100] or type(exc).__name__)


def _run(entry: Any, line: int) -> Run:
    if not isinstance(entry, dict):
        raise ValueError("not an object")
    number, wh, minutes = entry["meter"], entry["wh"], entry.get("interval_minutes", 60)
    if not isinstance(number, str) or not 0 < len(number) <= 40 or "\x00" in number:
        raise ValueError("meter")
    starts_at = datetime.fromisoformat(entry["starts_at"])
    if starts_at.tzinfo is None:
        raise ValueError("starts_at has no zone")
    if minutes not in _INTERVALS:
        raise ValueError("interval_minutes")
    if not isinstance(wh, list) or not 0 < len(wh) <= _MOST_INTERVALS:
        raise ValueError("wh")
    if not all(isinstance(n, int) and not isinstance(n, bool) and -1 <= n < 2**31 for n in wh):
        raise ValueError("wh")
    quality = entry.get("quality", "ACTUAL")
    names = [quality] if isinstance(quality, str) else quality
    if not isinstance(names, list) or not all(name in _QUALITIES for name in names):
        raise ValueError("quality")
    if not isinstance(quality, str) and len(quality) != len(wh):
        raise ValueError("quality")
    told = quality if isinstance(quality, str) else tuple(names)
    return Run(number, starts_at.astimezone(UTC), minutes, tuple(wh), told, line)
