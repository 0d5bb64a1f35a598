"""Civil days and instants. The only place where a date becomes an instant, or the reverse.

Periods are half-open: `from` is in, `to` is out. Instants are aware UTC. A civil day of a time zone has 23, 24 or 25
hours (23.5 and 24.5 where the shift is half an hour).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


@dataclass(frozen=True, order=True)
class Days:
    """Civil days, `starts_on` in, `ends_on` out."""

    starts_on: date
    ends_on: date

    def __post_init__(self) -> None:
        if self.ends_on < self.starts_on:
            raise ValueError(f"period ends before it starts: {self}")

    def __len__(self) -> int:
        return (self.ends_on - self.starts_on).days

    def __iter__(self) -> Iterator[date]:
        return (self.starts_on + timedelta(days=n) for n in range(len(self)))

    def __contains__(self, day: date) -> bool:
        return self.starts_on <= day < self.ends_on


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """This will give the named IANA zone; ZoneInfoNotFoundError when there is none."""
    return ZoneInfo(name)


def midnight(day: date, zone_name: str) -> datetime:
    """This will give the instant (UTC) at which a civil day starts in a zone."""
    return datetime.combine(day, time(0), tzinfo=zone(zone_name)).astimezone(UTC)


def civil_day(instant: datetime, zone_name: str) -> date:
    """This will give the civil day an instant falls on in a zone."""
    return aware(instant).astimezone(zone(zone_name)).date()


def local(instant: datetime, zone_name: str) -> datetime:
    """This will give an instant as the wall clock of a zone shows it."""
    return aware(instant).astimezone(zone(zone_name))


def at(day: date, clock: time, zone_name: str) -> datetime:
    """This will give the instant (UTC) of a wall-clock time on a civil day."""
    return datetime.combine(day, clock, tzinfo=zone(zone_name)).astimezone(UTC)


def aware(instant: datetime) -> datetime:
    """This will refuse a naive datetime, and give the instant in UTC."""
    if instant.tzinfo is None:
        raise ValueError(f"naive datetime: {instant!r}")
    return instant.astimezone(UTC)


def add_months(day: date, months: int) -> date:
    """This will move a day by whole months, keeping to the last day of a shorter month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    first = date(year, month + 1, 1)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return first + timedelta(days=min(day.day, (following - first).days) - 1)


def months(days: Days) -> tuple[Days, ...]:
    """This will give the calendar months some days lie in, oldest first."""
    found = [month_of(days.starts_on)]
    while found[-1].ends_on < days.ends_on:
        found.append(month_of(found[-1].ends_on))
    return tuple(found)


def month_of(day: date) -> Days:
    """This will give the calendar month a day lies in."""
    first = day.replace(day=1)
    return Days(first, add_months(first, 1))
