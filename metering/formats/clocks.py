"""Instants as people write them: with an offset or in local time, which has hours twice and hours not at all. Pure."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from core import periods
from metering.formats import mapping, runs

_MOST_KEPT = 100_000
_HOUR = timedelta(hours=1)
_FOLDS = (0, 1)


class Clock:
    """Reads cells as local or absolute times, in one zone and one way of writing them."""

    def __init__(self, zone: str | None, written: str | None) -> None:
        self._zone = _tz(zone)
        self._read = _reader(written)
        self._kept: dict[str, datetime] = {}
        self._hours: dict[datetime, tuple[int, int]] = {}

    def read(self, cell: str) -> datetime:
        """This will read a cell: naive where it has no offset of its own. ValueError in words."""
        kept = self._kept.get(cell)
        if kept is None:
            kept = self._read(cell.strip())
            if len(self._kept) < _MOST_KEPT:
                self._kept[cell] = kept
        return kept

    def instants(self, at: datetime) -> tuple[int, ...]:
        """This will give seconds since 1970: two where the local hour comes twice. ValueError where it never does."""
        _check_year(at.year)
        if at.microsecond:
            raise ValueError(f"{at} is no whole second")
        if at.tzinfo is not None:
            return (_second(int(at.timestamp())),)
        if self._zone is None:
            raise ValueError("a time without an offset: say whose with zone=America/New_York, UTC or +01:00")
        hour = at.replace(minute=0, second=0)
        offsets = self._hours.get(hour)
        if offsets is None:
            if len(self._hours) > _MOST_KEPT:
                self._hours.clear()
            offsets = self._hours[hour] = self._offsets(hour)
        wall = int(at.replace(tzinfo=UTC).timestamp())
        if offsets[0] == offsets[1]:
            return (_second(wall - offsets[0]),)
        return self._instants_at_a_shift(at, wall)

    def day(self, day: date) -> tuple[int, int]:
        """This will give the first second of a local day, and how many it has."""
        if self._zone is None:
            raise ValueError("days without a zone: say whose with zone=America/New_York, UTC or +01:00")
        _check_year(day.year)
        start, end = (
            datetime(each.year, each.month, each.day, tzinfo=self._zone) for each in (day, day + timedelta(1))
        )
        first, last = int(start.timestamp()), int(end.timestamp())
        return _second(first), last - first

    def _offsets(self, hour: datetime) -> tuple[int, int]:
        """The least and most offset around an hour: where they agree, every minute of it has that one."""
        assert self._zone is not None
        near = [hour + n * _HOUR for n in (-1, 0, 1, 2)]
        found = {_offset(at.replace(tzinfo=self._zone, fold=fold)) for at in near for fold in _FOLDS}
        return min(found), max(found)

    def _instants_at_a_shift(self, at: datetime, wall: int) -> tuple[int, ...]:
        offsets = [_offset(at.replace(tzinfo=self._zone, fold=fold)) for fold in _FOLDS]
        real = [wall - offset for offset in offsets if self._shows(wall - offset, at)]
        if not real:
            raise ValueError(f"{at} does not exist: clocks were put forward over it")
        return tuple(_second(each) for each in dict.fromkeys(real))

    def _shows(self, second: int, at: datetime) -> bool:
        return datetime.fromtimestamp(second, UTC).astimezone(self._zone).replace(tzinfo=None) == at


def _check_year(year: int) -> None:
    if not 1970 <= year <= 2100:
        raise ValueError(f"nothing was read in the year {year}")


def _second(second: int) -> int:
    if not runs.is_a_time(second):
        raise ValueError("that is no time at which something was read")
    return second


def _offset(at: datetime) -> int:
    return int((at.utcoffset() or timedelta(0)).total_seconds())


def _tz(zone: str | None) -> tzinfo | None:
    if zone is None:
        return None
    offset = mapping.offset_of(zone)
    return periods.zone(zone) if offset is None else timezone(timedelta(seconds=offset))


def _reader(written: str | None) -> Callable[[str], datetime]:
    if written is None:
        return _iso
    if written.lower() == "epoch":
        return _epoch

    def read(cell: str) -> datetime:
        return _with_24(cell, lambda text: _strptime(text, written))

    return read


def _iso(cell: str) -> datetime:
    try:
        return datetime.fromisoformat(cell)
    except ValueError:
        pass
    return _with_24(cell, _iso_or_words)


def _iso_or_words(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text[:40]!r} is not an ISO 8601 time: say how it is written, as in format=%m/%d/%Y %H:%M"
        ) from None


def _epoch(cell: str) -> datetime:
    if not cell.isascii() or not cell.isdigit() or len(cell) > 12:
        raise ValueError(f"{cell[:40]!r} is not a number of seconds since 1970")
    return datetime.fromtimestamp(_second(int(cell)), UTC)


def _strptime(text: str, written: str) -> datetime:
    try:
        return datetime.strptime(text, written)  # noqa: DTZ007 - local time, its zone is the file's
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not written as {written}") from None


def _with_24(cell: str, read: Callable[[str], datetime]) -> datetime:
    """The end of a day may be written 24:00."""
    if "24:00" not in cell:
        return read(cell)
    try:
        return read(cell.replace("24:00", "00:00", 1)) + timedelta(days=1)
    except OverflowError:
        raise ValueError(f"{cell[:40]!r} is no time") from None
