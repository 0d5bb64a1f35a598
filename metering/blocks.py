"""The stored form of a day: fixed-width blocks that numpy reads without parsing. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from core import errors, periods
from metering import quality

Ints = NDArray[np.int64]
Codes = NDArray[np.uint8]

WH = np.dtype("<i4")
INTERVALS = (5, 15, 30, 60)
_DAY = timedelta(days=1)


def per_day(interval_minutes: int) -> int:
    """This will give how many intervals a UTC day has; Invalid for a length that days are not stored in."""
    if interval_minutes not in INTERVALS:
        raise errors.Invalid("reads.interval", interval_minutes=interval_minutes)
    return 1440 // interval_minutes


def day_start(day: date) -> datetime:
    """This will give the instant at which a UTC day starts."""
    return datetime.combine(day, time(0), tzinfo=UTC)


def utc_days(starts_at: datetime, ends_at: datetime) -> tuple[date, date]:
    """This will give the UTC days that hold the instants from `starts_at` to `ends_at`: first in, last out."""
    first = periods.aware(starts_at).date()
    last = (periods.aware(ends_at) - timedelta(microseconds=1)).date()
    return first, max(first, last + _DAY)


def ceil_index(origin: datetime, instant: datetime, interval_minutes: int) -> int:
    """This will number the first interval, counted from `origin`, that starts at or after an instant."""
    return -((origin - instant) // timedelta(minutes=interval_minutes))


def encode(wh: Ints) -> bytes:
    """This will write values as the stored block."""
    return wh.astype(WH).tobytes()


def decode(wh: bytes, codes: bytes) -> tuple[Ints, Codes]:
    """This will read one or more days of stored blocks."""
    return np.frombuffer(wh, dtype=WH).astype(np.int64), np.frombuffer(codes, dtype=np.uint8).copy()


def coarsen(wh: Ints, codes: Codes, factor: int) -> tuple[Ints, Codes]:
    """This will add up every `factor` intervals of the last axis; one missing makes the sum missing."""
    if factor == 1:
        return wh, codes
    grouped = wh.reshape(*wh.shape[:-1], -1, factor)
    sums = np.where((grouped < 0).any(axis=-1), quality.MISSING_WH, grouped.sum(axis=-1))
    return sums, codes.reshape(*codes.shape[:-1], -1, factor).min(axis=-1)


def codes_of(given: str | Sequence[str] | Codes, count: int) -> Codes:
    """This will read quality names, one for all or one each, as codes."""
    if isinstance(given, str):
        return np.full(count, _code(given), dtype=np.uint8)
    if isinstance(given, np.ndarray):
        return given.astype(np.uint8)
    return np.array([_code(name) for name in given], dtype=np.uint8)


def _code(name: str) -> int:
    try:
        return int(quality.Quality[name])
    except KeyError:
        raise errors.Invalid("reads.quality", quality=name) from None
