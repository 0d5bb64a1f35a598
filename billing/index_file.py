"""Reads a file of prices by the hour: ``timestamp_utc,price[,currency]``. Pure.

Prices are money, so a file is taken whole or not at all: whatever is wrong with it is told with its line, and counted.
"""

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal

from core import errors, periods

Unit = Literal["kWh", "MWh"]
INTERVALS = (15, 30, 60)
HIGHEST, LOWEST = 20_000_000, -5_000_000  # millionths per kWh: beyond what any market lets bid
_USUAL = (500, 2_000_000)  # a whole file below the one, or half of it above the other, is in another unit
_MICROS_OF = {"kWh": 1_000_000, "MWh": 1_000}


@dataclass(frozen=True)
class Problem:
    """What is wrong: the line of the file (the first is 1), a code to count by, and the reason in words for staff."""

    line: int
    code: str
    reason: str


@dataclass(frozen=True)
class Day:
    """A civil day's prices, whole: millionths of the currency per kWh, from its midnight on."""

    day: date
    starts_at: datetime
    micros: tuple[int, ...]


@dataclass(frozen=True)
class Parsed:
    """What a file says; `days` are told only when there are no `problems`."""

    currency: str
    timezone: str
    interval_minutes: int
    lines: int
    days: tuple[Day, ...]
    problems: tuple[Problem, ...]
    rounded: int = 0  # prices with more places than a millionth per kWh has

    def counts(self) -> dict[str, int]:
        """This will count the problems by code."""
        return dict(sorted(Counter(p.code for p in self.problems).items()))


def parse(data: bytes, *, unit: Unit, currency: str, timezone: str, sure: bool = False) -> Parsed:
    """This will read a file of prices. `currency` is what they must be in; `sure` says that the unit has been looked
    at, though the prices are unusual for it.

    Invalid file.unreadable when it is no such file at all.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise errors.Invalid("file.unreadable", reason="it is not UTF-8 text", where="file") from exc
    lines = [(n, row) for n, row in enumerate(_rows(text), 1) if any(cell.strip() for cell in row)]
    head = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    if head not in (["timestamp_utc", "price"], ["timestamp_utc", "price", "currency"]):
        reason = "its first line has to be timestamp_utc,price or timestamp_utc,price,currency"
        raise errors.Invalid("file.unreadable", reason=reason, where="line 1")
    problems: list[Problem] = []
    prices: dict[datetime, tuple[int, int]] = {}  # when -> micros, line
    rounded = 0
    for number, row in lines[1:]:
        cells = [cell.strip() for cell in row]
        if len(cells) != len(head):
            problems.append(Problem(number, "line", f"it has {len(cells)} columns and not {len(head)}"))
            continue
        if len(cells) == 3 and cells[2].upper() != currency:
            problems.append(Problem(number, "currency", f"it is in {cells[2] or 'no currency'} and not in {currency}"))
            continue
        at, micros = _instant(cells[0]), _micros(cells[1], unit)
        if at is None:
            problems.append(Problem(number, "timestamp", f"{cells[0]!r} is no whole minute of UTC"))
        elif micros is None:
            problems.append(Problem(number, "price", f"{cells[1]!r} is no price"))
        elif not LOWEST <= micros <= HIGHEST:
            problems.append(Problem(number, "absurd", f"{cells[1]} per {unit} cannot be a price of energy"))
        elif at in prices:
            reason = f"{at:%Y-%m-%d %H:%M} UTC has a price already, on line {prices[at][1]}"
            problems.append(Problem(number, "overlap", reason))
        else:
            rounded += micros != micros.to_integral_value()
            prices[at] = int(micros.to_integral_value(ROUND_HALF_UP)), number
    if not prices and not problems:
        problems.append(Problem(1, "empty", "it has no prices"))
    if prices and not sure:
        problems += _unit(unit, [micros for micros, _ in prices.values()])
    minutes = _interval(sorted(prices), prices, problems)
    days = _days(prices, minutes, timezone, problems) if minutes else ()
    problems.sort(key=lambda p: (p.line, p.code))
    return Parsed(currency, timezone, minutes or 60, len(lines) - 1, () if problems else days, tuple(problems), rounded)


def _rows(text: str) -> Iterable[list[str]]:
    """A quotation mark left open costs its own line only."""
    for line in text.splitlines():
        yield next(csv.reader(io.StringIO(line)), [])


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)  # as the column is called
    elif at.utcoffset():
        return None
    return None if at.second or at.microsecond else at.astimezone(UTC)


def _micros(text: str, unit: Unit) -> Decimal | None:
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    return price * _MICROS_OF[unit] if price.is_finite() and len(text) <= 30 else None


def _unit(unit: Unit, micros: Sequence[int]) -> list[Problem]:
    sizes = sorted(abs(value) for value in micros)
    middle, top = sizes[len(sizes) // 2], sizes[-1]
    if middle <= _USUAL[1] and not 0 < top < _USUAL[0]:
        return []
    shown = Decimal(middle) / 1_000_000
    return [Problem(1, "unit", f"half of its prices are about {shown:f} per kWh: are they per {unit}?")]


def _interval(
    instants: Sequence[datetime], prices: dict[datetime, tuple[int, int]], problems: list[Problem]
) -> int | None:
    """The step of the file, which is the shortest between two of its lines."""
    if len(instants) < 2:
        if instants:
            problems.append(Problem(prices[instants[0]][1], "hole", "one price is no day"))
        return None
    steps = [(b - a) // timedelta(minutes=1) for a, b in itertools.pairwise(instants)]
    minutes = min(steps)
    if minutes not in INTERVALS:
        line = prices[instants[steps.index(minutes) + 1]][1]
        problems.append(Problem(line, "interval", f"prices are {minutes} minutes apart, and not 15, 30 or 60"))
        return None
    return minutes


def _days(
    prices: dict[datetime, tuple[int, int]], minutes: int, timezone: str, problems: list[Problem]
) -> tuple[Day, ...]:
    """Whole days of the zone; every stretch that lacks in one is told once, at the line after which it lacks."""
    step = timedelta(minutes=minutes)
    out, used = [], 0
    first, last = (periods.civil_day(at, timezone) for at in (min(prices), max(prices)))
    for day in periods.Days(first, last + timedelta(days=1)):
        starts_at = periods.midnight(day, timezone)
        count = (periods.midnight(day + timedelta(days=1), timezone) - starts_at) // step
        own = [prices.get(starts_at + n * step) for n in range(count)]
        used += sum(p is not None for p in own)
        line, lacking = _line_before(prices, starts_at), 0
        for n, price in enumerate([*own, (0, 0)]):
            if price is None:
                lacking += 1
                continue
            if lacking:
                at = starts_at + (n - lacking) * step
                reason = f"{day} lacks {lacking} of its {count} prices, from {at:%Y-%m-%d %H:%M} UTC on"
                problems.append(Problem(line, "hole", reason))
            line, lacking = price[1], 0
        out.append(Day(day, starts_at, tuple(p[0] for p in own if p is not None)))
    if used < len(prices):
        grid = {d.starts_at + n * step for d in out for n in range(26 * 60 // minutes)}
        for at in sorted(set(prices) - grid):
            problems.append(Problem(prices[at][1], "interval", f"{at:%Y-%m-%d %H:%M} UTC is off the grid of the file"))
    return tuple(out)


def _line_before(prices: dict[datetime, tuple[int, int]], starts_at: datetime) -> int:
    return max((line for at, (_, line) in prices.items() if at < starts_at), default=1)
