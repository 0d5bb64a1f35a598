"""When crews work: windows of a business day as the wall clock of the utility's zone shows them. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from core import periods

WINDOWS = ((time(8), time(10)), (time(10), time(12)), (time(13), time(15)), (time(15), time(17)))
AHEAD = 21  # days


def windows(
    first: date, *, timezone: str, days: int = AHEAD, holidays: frozenset[date] = frozenset()
) -> Iterator[tuple[datetime, datetime]]:
    """This will give the windows (UTC) of the business days among `days` days from `first` on.

    The wall clock stays when the clocks change: eight in the morning is eight in the morning.
    """
    for offset in range(days):
        day = first + timedelta(days=offset)
        if day.weekday() >= 5 or day in holidays:
            continue
        for starts, ends in WINDOWS:
            yield periods.at(day, starts, timezone), periods.at(day, ends, timezone)
