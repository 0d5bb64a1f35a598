"""What every format of reads is read into: runs of intervals, dials, and lines that cannot be right. Pure.

A parser is a generator of these over a binary stream; it holds no more than a block in memory, and never raises for
what one line says.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from metering.views import Codes, Direction, Ints


class Run(msgspec.Struct, frozen=True, gc=False):  # made by the ten thousand: the collector need not walk over them
    """Consecutive reads of one meter in Wh from `starts_at` (UTC); -1 where it said nothing, below that as it said.

    `meter` is its number as the source has it. A read of a whole day has `interval_minutes` 1440.
    """

    meter: str
    direction: Direction
    starts_at: datetime
    interval_minutes: int
    wh: Ints
    quality: Codes
    line: int


@dataclass(frozen=True)
class Dial:
    """What a register showed, in its own units; it counts up and rolls over."""

    meter: str
    direction: Direction
    read_at: datetime
    value: Decimal
    quality: int
    line: int


@dataclass(frozen=True)
class Unreadable:
    """A line, or an element that starts there, that cannot be right, and why; `count` reads are lost with it."""

    line: int
    reason: str
    count: int = 1


Told = Run | Dial | Unreadable
