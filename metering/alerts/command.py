"""What ``wattline usage detect`` does: judges a file of reads, without a database. Pure but for the file."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from core import errors
from metering.alerts import rules, table
from metering.alerts.detector import Found, detect

_LEAST_DAYS = rules.RULES.stuck_days


@dataclass(frozen=True)
class Told:
    """An event as it stood when it was told: from when, up to when it was seen, and kWh against the usual."""

    kind: str
    start: datetime
    end: datetime
    excess_kwh: Decimal
    expected_kwh: Decimal


def run(
    path: str | Path, *, timezone: str | None = None, holidays: Callable[[list[int]], frozenset[str]] | None = None
) -> list[Told]:
    """This will judge the reads of a file, oldest event first.

    Raises Invalid ``reads.unreadable`` with `line` and `reason` in words for what cannot be read. `holidays` gives the
    days (ISO) of some years on which more is ordinary.
    """
    reads = table.parse(_text(path))
    if reads is None or len(reads.kwh) < _LEAST_DAYS * 24:
        return []
    laid = table.lay(reads, timezone)
    special = None
    if holidays is not None:
        free = holidays(sorted({day.year for day in laid.days}))
        special = np.array([day.isoformat() in free for day in laid.days])
    found = detect(laid.kwh[None], degrees=laid.degrees, special=special, until=laid.until)
    told = [_told(one, laid) for one in found]
    return sorted(told, key=lambda one: (one.end, one.start, one.kind))


def _told(one: Found, laid: table.Laid) -> Told:
    """The end of a gap is known only when the next row comes."""
    last = one.end - 1
    while last < laid.until - 1 and not laid.there[last]:
        last += 1
    return Told(
        one.kind,
        _at(laid, one.start),
        _at(laid, last) + timedelta(hours=1),
        _kwh(one.excess),
        _kwh(one.expected),
    )


def _at(laid: table.Laid, cell: int) -> datetime:
    return laid.starts[cell // 24][cell % 24].astimezone(UTC)


def _kwh(value: float) -> Decimal:
    return Decimal(repr(round(value, 3)))


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise errors.Invalid("reads.unreadable", line=1, reason="the file is not UTF-8 text") from None
    except OSError as exc:
        raise errors.Invalid("reads.unreadable", line=1, reason=f"the file cannot be read ({exc.strerror})") from None
