"""One day a line: the reads of a local day side by side. Pure.

A day has 23, 24 or 25 hours. Where the line has as many values as the day has intervals, they follow each other. Where
it has one for each hour of the clock, on the day clocks go forward those of the hour that does not come are left empty
(a zero is taken for empty), and on the day they go back the hour that comes twice is told once, the first time.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta

import numpy as np

from core import errors
from metering.formats import clocks, runs, told
from metering.views import Direction

_INTERVALS = {24: 60, 25: 60, 48: 30, 50: 30, 96: 15, 100: 15, 288: 5, 300: 5}


def check(count: int) -> None:
    """This will refuse a number of columns that is no day."""
    if count not in _INTERVALS:
        reason = f"{count} columns are no day: 24, 48, 96 or 288, or those of 25 hours"
        raise errors.Invalid("reads.unreadable", reason=reason)


def of_day(
    clock: clocks.Clock,
    day: date,
    cells: Sequence[str],
    count: int,
    amount: Callable[[str], int],
    whose: tuple[str, Direction],
    quality: int,
    line: int,
) -> Iterator[told.Told]:
    """This will tell the values of a line with `count` columns, by `amount` in Wh; one that is none is lost alone."""
    minutes = _INTERVALS[count]
    texts = [cell.strip() for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    place = _places(clock, day, len(texts), minutes)
    starts: list[int] = []
    values: list[int] = []
    for column, text in enumerate(texts):
        if not text:
            continue
        try:
            wh = amount(text)
        except ValueError as exc:
            yield told.Unreadable(line, f"value {column + 1} of the day: {exc}"[:200])
            continue
        start = place(column)
        if start is not None:
            starts.append(start)
            values.append(wh)
        elif wh:
            yield told.Unreadable(line, f"value {column + 1} of the day is of an hour that it does not have")
    marks = np.full(len(values), quality, dtype=np.uint8)
    found = np.array(starts, dtype=np.int64), np.array(values, dtype=np.int64)
    yield from runs.of(*whose, minutes, *found, marks, [line] * len(values))


def _places(clock: clocks.Clock, day: date, told_: int, minutes: int) -> Callable[[int], int | None]:
    """When the value of a column starts; None where the day has no such interval."""
    first, seconds = clock.day(day)
    step, usual = minutes * 60, 1440 // minutes
    count = seconds // step

    def one_after_another(column: int) -> int | None:
        return first + column * step if column < count else None

    def by_the_clock(column: int) -> int | None:
        at = datetime(day.year, day.month, day.day) + timedelta(minutes=column * minutes)  # noqa: DTZ001 - a wall clock's
        try:
            return clock.instants(at)[0]
        except ValueError:
            return None

    return one_after_another if count == usual or told_ == count or told_ > usual else by_the_clock
