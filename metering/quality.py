"""How good a read is: one code per interval, in order of rank. A read never replaces one of higher rank."""

from enum import IntEnum


class Quality(IntEnum):
    """Stored as one byte per interval.

    Staff corrections outrank the meter, and an estimate never replaces a read.
    """

    MISSING = 0
    ESTIMATED = 1
    CUSTOMER = 2
    ACTUAL = 3
    EDITED = 4


MISSING_WH = -1
