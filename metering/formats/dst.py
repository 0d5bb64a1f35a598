"""A zone's clock as ESPI tells it: the offset of standard time, and two rules for when clocks are moved. Pure.

DstRuleType (ESPI 1.x and 4.0), 32 bits: second 0-11, hour 12-16, day of week 17-19 (Monday 1), day of month 20-24,
operator 25-27, month 28-31. Operators: 0 on the day of the month; 1 on the day of the week on or after it; 2 to 5 the
first to fourth such day of the week in the month; 7 the last. All ones where clocks are not moved. The clock is the one
before it is moved.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from core import periods

NEVER = "FFFFFFFF"
_YEARS = 12  # a rule is the one that holds in this year and the next ones: in twelve, every day of a week has come
_ON_THE_DAY, _ON_OR_AFTER, _FIRST, _LAST = 0, 1, 2, 7


@dataclass(frozen=True)
class LocalTime:
    """LocalTimeParameters: offsets in seconds, rules in hexadecimal."""

    standard: int
    shift: int
    starts: str
    ends: str


@lru_cache(maxsize=64)
def of(timezone: str, year: int) -> LocalTime:
    """This will tell a zone's clock in a year."""
    zone = periods.zone(timezone)
    years = [_moves(zone, each) for each in range(year, year + _YEARS)]
    this = years[0]
    offsets = [before for _, before, _ in this] or [_offset(zone, datetime(year, 1, 1, tzinfo=UTC))]
    if len(this) != 2 or {this[0][1], this[0][2]} != {this[1][1], this[1][2]}:
        return LocalTime(min(offsets), 0, NEVER, NEVER)
    starts = next(n for n, (_, before, after) in enumerate(this) if after > before)
    walls = [[moves[n][0] for moves in years if len(moves) == 2] for n in (0, 1)]
    return LocalTime(
        standard=min(offsets),
        shift=max(offsets) - min(offsets),
        starts=_rule(walls[starts]),
        ends=_rule(walls[1 - starts]),
    )


def _rule(walls: list[datetime]) -> str:
    """The rule of one move, from the wall clocks at which it came in the years from the first on."""
    first = walls[0]
    same = [each for each in walls if (each.month, each.weekday()) == (first.month, first.weekday())]
    days = {each.day for each in walls}
    if len(same) < len(walls) or len(walls) < _YEARS:
        return _code(first, _ON_THE_DAY, first.day)
    if all((each + timedelta(days=7)).month != each.month for each in walls):
        return _code(first, _LAST, 0)
    if len({(day - 1) // 7 for day in days}) == 1 and first.day <= 28:
        return _code(first, _FIRST + (first.day - 1) // 7, 0)
    if max(days) - min(days) <= 6:
        return _code(first, _ON_OR_AFTER, min(days))
    return _code(first, _ON_THE_DAY, first.day)


def _code(at: datetime, operator: int, day: int) -> str:
    weekday = at.isoweekday() if operator != _ON_THE_DAY else 0
    seconds = at.minute * 60 + at.second
    bits = at.month << 28 | operator << 25 | day << 20 | weekday << 17 | at.hour << 12 | seconds
    return f"{bits:08X}"


def _moves(zone: tzinfo, year: int) -> list[tuple[datetime, int, int]]:
    """When clocks are moved in a year: the wall clock before it, the offset before and the one after."""
    found = []
    at, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while at < end:
        later = min(at + timedelta(days=1), end)
        before, after = _offset(zone, at), _offset(zone, later)
        if before != after:
            found.append((_moment(zone, at, later) + timedelta(seconds=before), before, after))
        at = later
    return [(wall.replace(tzinfo=None), before, after) for wall, before, after in found]


def _moment(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    """The instant between the two at which the offset changes, to the second."""
    offset = _offset(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2)
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    return high


def _offset(zone: tzinfo, at: datetime) -> int:
    return int((at.astimezone(zone).utcoffset() or timedelta(0)).total_seconds())
