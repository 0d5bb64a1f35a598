"""What a value was before a rule or a person changed it, and which of them did. Pure.

A day keeps two blocks beside its values, only when it needs them: `raw` (the values as they came, MISSING_WH where
nothing came) and `rule` (one byte per interval, 0 where the value stands as it came). `raw` means something only where
`rule` is not 0. The byte has two halves: the high one says why the value that came was not used (`Cause`), the low one
how the value that stands was made (`Method`).
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from metering import blocks, quality
from metering.views import Codes, Ints

Mask = NDArray[np.bool_]


class Method(IntEnum):
    """How the value that stands was made."""

    NONE = 0
    INTERPOLATED = 1  # a line between the neighbours
    LIKE_DAYS = 2  # the mean of the nearest days of the same kind
    DIAL = 3  # what the dial leaves over, in the shape of like days
    OWN_HOUR = 4  # the mean of the same time of day, whatever the day
    PROFILE = 5  # the usual day of this meter in the shape of its class
    CLASS_PROFILE = 6  # the usual day of the class: nothing is known of the meter
    EDITED = 8  # a person wrote it
    ACCEPTED = 9  # a person said that what came is right


class Cause(IntEnum):
    """Why the value that came was not used."""

    NONE = 0  # none came
    NEGATIVE = 1
    TOO_HIGH = 2
    PULSE_OVERFLOW = 3
    PERSON = 8


@dataclass(frozen=True)
class Day:
    """One day as it is kept: wh and quality as they stand, raw and rule or None."""

    wh: Ints
    quality: Codes
    raw: Ints
    rule: Codes

    @property
    def changed(self) -> bool:
        return bool(self.rule.any())

    def blocks(self) -> tuple[bytes, bytes, bytes | None, bytes | None]:
        """This will give what is stored: wh, quality, raw, rule."""
        kept = (blocks.encode(self.raw), self.rule.tobytes()) if self.changed else (None, None)
        return blocks.encode(self.wh), self.quality.tobytes(), *kept


def read(wh: bytes, codes: bytes, raw: bytes | None, rule: bytes | None) -> Day:
    """This will read a stored day."""
    values, marks = blocks.decode(wh, codes)
    if raw is None or rule is None:
        return Day(values, marks, np.full_like(values, quality.MISSING_WH), np.zeros_like(marks))
    return Day(values, marks, *blocks.decode(raw, rule))


def cleared(raw: bytes | None, rule: bytes | None, replaced: Mask) -> tuple[bytes | None, bytes | None]:
    """This will drop what is kept of intervals that a later read replaced, and all of it when nothing is left."""
    if raw is None or rule is None:
        return None, None
    values, marks = blocks.decode(raw, rule)
    marks[replaced] = 0
    values[replaced] = quality.MISSING_WH
    return (blocks.encode(values), marks.tobytes()) if marks.any() else (None, None)


def refused_before(raw: bytes | None, rule: bytes | None, values: Ints) -> Mask:
    """This will say which of some values came before and were not used: sent again they change nothing."""
    if raw is None or rule is None:
        return np.zeros(len(values), dtype=np.bool_)
    kept, marks = blocks.decode(raw, rule)
    return np.asarray((marks != 0) & (kept >= 0) & (kept == values), dtype=np.bool_)


def change(
    day: Day, where: Mask, values: Ints, *, code: quality.Quality, cause: Cause | Codes, method: Method | Codes
) -> Day:
    """This will put other values in the place of some of a day's, and keep what came.

    A value that had been changed before keeps what came first; a cause that is known stays known when only the way the
    value was made changes. Where `values` is missing the interval becomes missing.
    """
    raw = np.where(where & (day.rule == 0), day.wh, day.raw)
    why = np.where(np.asarray(cause) == 0, day.rule >> 4, np.asarray(cause, dtype=np.uint8))
    rule = np.where(where, (why << 4) | np.asarray(method, dtype=np.uint8), day.rule).astype(np.uint8)
    marks = np.where(values < 0, quality.Quality.MISSING, code).astype(np.uint8)
    return Day(np.where(where, values, day.wh), np.where(where, marks, day.quality).astype(np.uint8), raw, rule)


def name(rule: int) -> tuple[str, str]:
    """This will give the cause and the method of a code by their names."""
    return Cause(rule >> 4).name, Method(rule & 15).name
