"""Reads as a CSV file with any columns, told by a mapping or by the header. Pure, and a line at a time.

A line that cannot be right is told with its number and does not touch the others, whatever it has in it; so a cell
cannot hold the end of a line. An empty cell says nothing. How long a read lasts is inferred from the steps between
them, for each meter, where it is not said.
"""

import csv
import functools
from collections.abc import Iterator
from dataclasses import dataclass

from core import errors
from metering.formats import clocks, mapping, numbers, series, streams, told, wide
from metering.quality import Quality
from metering.views import Direction

_MOST_METER = 40
_DELIMITERS = (",", ";", "\t", "|")
_QUALITIES = {quality.name: int(quality) for quality in Quality if quality}
_QUALITIES |= {
    "": 3,
    "A": 3,
    "ACT": 3,
    "MEASURED": 3,
    "VALID": 3,
    "VALIDATED": 3,
    "RAW": 3,
    "REAL": 3,
    "ACTUAL READ": 3,
}
_QUALITIES |= {"E": 1, "EST": 1, "ESTIMATE": 1, "ESTIMATED READ": 1, "C": 2, "M": 4, "MANUAL": 4, "EDITED READ": 4}
_QUALITIES |= {str(int(quality)): int(quality) for quality in Quality if quality}
_DIRECTIONS: dict[str, Direction] = dict.fromkeys(
    ("DELIVERED", "D", "IMPORT", "CONSUMPTION", "FORWARD", "1"), "DELIVERED"
)
_DIRECTIONS |= dict.fromkeys(("RECEIVED", "R", "EXPORT", "GENERATION", "REVERSE", "19"), "RECEIVED")


@dataclass(frozen=True)
class _Plan:
    """Where in a line everything stands, once the header is known."""

    delimiter: str
    decimal: str | None
    when: tuple[int, ...]
    is_end: bool
    values: tuple[tuple[int, Direction | None, int], ...]  # column, direction where it is one, power of ten to Wh
    fixed: Direction
    register: int | None
    day: tuple[int, int] | None
    direction: int | None
    meter: int | None
    quality: int | None
    width: int


def parse(stream: streams.Stream, said: mapping.Columns | None = None) -> Iterator[told.Told]:
    """This will tell a file line by line."""
    reader = _Reader(said or mapping.Columns())
    number = 0
    try:
        for number, line in streams.lines(stream):
            yield from reader.line(line, number)
    except streams.Broken as exc:
        yield from reader.rest()
        yield told.Unreadable(number + 1, exc.reason)
        return
    except errors.Invalid as exc:
        yield told.Unreadable(number, str(exc.data["reason"]))
        return
    yield from reader.rest()
    if not reader.has_begun:
        yield told.Unreadable(1, "the file is empty")


class _Reader:
    def __init__(self, said: mapping.Columns) -> None:
        self._said = said
        self._plan: _Plan | None = None
        self._clock = clocks.Clock(said.zone, said.format)
        self._series = series.Collected(int(said.interval) if said.interval else None)

    @property
    def has_begun(self) -> bool:
        return self._plan is not None

    def rest(self) -> Iterator[told.Told]:
        """This will tell what was kept back, at the end."""
        yield from self._series.rest()

    def line(self, line: bytes | None, number: int) -> Iterator[told.Told]:
        """This will read a line; Invalid when the header tells that no line can be read."""
        if line is None:
            yield told.Unreadable(number, "the line is too long")
            return
        text = _decoded(line)
        if not text.strip(" ,;|\t"):
            return
        plan = self._plan
        if plan is None:
            plan = self._plan = self._begin(text)
            if self._said.header != "no":
                return
        try:
            cells = _split(text, plan.delimiter)
            yield from self._cells(plan, cells, number)
        except ValueError as exc:
            yield told.Unreadable(number, str(exc)[:200])

    def _begin(self, text: str) -> _Plan:
        delimiter = self._said.delimiter or max(_DELIMITERS, key=text.count)
        try:
            header = [cell.strip() for cell in _split(text, delimiter)]
        except ValueError:
            raise _unplain("the header cannot be read") from None
        columns = self._said
        if columns.header != "no":
            columns = mapping.guess(header, columns)
        if columns.zone != self._said.zone:
            self._clock = clocks.Clock(columns.zone, columns.format)
        return _plan(columns, delimiter, [] if columns.header == "no" else header, len(header))

    def _cells(self, plan: _Plan, cells: list[str], number: int) -> Iterator[told.Told]:
        if len(cells) < plan.width:
            raise ValueError(f"there are {len(cells)} values where {plan.width} belong")
        meter = _meter(cells[plan.meter]) if plan.meter is not None else ""
        direction = _direction(cells[plan.direction]) if plan.direction is not None else None
        quality = _quality(cells[plan.quality]) if plan.quality is not None else int(Quality.ACTUAL)
        decimal = plan.decimal
        at = self._clock.read(
            " ".join(cells[n].strip() for n in plan.when) if len(plan.when) > 1 else cells[plan.when[0]]
        )
        if plan.day is not None:
            first, last = plan.day
            _, fixed, power = plan.values[0]
            whose = (meter, direction or fixed or "DELIVERED")
            amount = functools.partial(numbers.watt_hours, power=power, decimal=decimal)
            yield from wide.of_day(
                self._clock, at.date(), cells[first:last], last - first, amount, whose, quality, number
            )
            return
        instants = self._clock.instants(at)
        if plan.register is not None:
            text = cells[plan.register].strip()
            if text:
                value = numbers.plain(text, decimal)
                yield self._series.dial((meter, direction or plan.fixed), instants, value, quality, number)
            return
        for column, fixed, power in plan.values:
            text = cells[column].strip()
            if not text:
                continue
            wh = numbers.watt_hours(text, power, decimal)
            yield from self._series.add(
                (meter, fixed or direction or "DELIVERED"), instants, wh, quality, number, plan.is_end
            )


def _plan(columns: mapping.Columns, delimiter: str, header: list[str], width: int) -> _Plan:
    """Where everything stands. Invalid in words when something is missing or not there."""

    def at(name: str, key: str) -> int:
        lowered = [each.lower() for each in header]
        if name.lower() in lowered:
            return lowered.index(name.lower())
        if name.isascii() and name.isdigit() and 0 < int(name[:6]) <= width:
            return int(name) - 1
        raise _unplain(f"there is no column {name!r} for {key}")

    when = [(columns.start, "start"), (columns.end, "end"), (columns.date, "date"), (columns.time, "time")]
    places = tuple(at(name, key) for name, key in when if name is not None)
    if not places or (columns.time is not None and columns.date is None):
        raise _unplain("which column is the time is not plain: say it with start=COLUMN, end=COLUMN or date=COLUMN")
    fixed = _DIRECTIONS.get((columns.direction or "").upper())
    others = {
        key: at(name, key)
        for key in ("direction", "register", "meter", "quality")
        if (name := getattr(columns, key)) is not None and not (key == "direction" and fixed)
    }
    day = None
    energy: list[tuple[int, Direction | None]] = []
    if columns.values is not None:
        first, last = (at(name, "values") for name in columns.values.split(":"))
        wide.check(last + 1 - first)
        day = (first, last + 1)
        energy.append((first, fixed))
    elif columns.value is not None:
        energy.append((at(columns.value, "value"), fixed))
    if columns.export is not None:
        energy.append((at(columns.export, "export"), "RECEIVED"))
    if not energy and columns.register is None:
        raise _unplain("which column is the energy is not plain: say it with value=COLUMN and unit=kWh")
    values = []
    for place, direction in energy:
        power = mapping.power_of(columns.unit, header[place] if header else None)
        if power is None:
            raise _unplain("whether it is Wh, kWh or MWh is not plain: say it with unit=kWh")
        values.append((place, direction, power))
    width = max(*places, *others.values(), *(place for place, _ in energy), 0) + 1
    return _Plan(
        delimiter, columns.decimal, places, columns.end is not None, tuple(values), fixed or "DELIVERED",
        others.get("register"), day, others.get("direction"), others.get("meter"), others.get("quality"), width,
    )  # fmt: skip


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


def _split(text: str, delimiter: str) -> list[str]:
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        raise ValueError("a quotation mark is left open or stands where none belongs") from None


def _meter(cell: str) -> str:
    name = cell.strip()
    if not 0 < len(name) <= _MOST_METER or not name.isprintable():
        raise ValueError("the meter's number is empty, or is none")
    return name


def _quality(cell: str) -> int:
    code = _QUALITIES.get(cell.strip().upper())
    if code is None:
        raise ValueError(f"the quality {cell.strip()[:20]!r} is not known")
    return code


def _direction(cell: str) -> Direction:
    found = _DIRECTIONS.get(cell.strip().upper())
    if found is None:
        raise ValueError(f"the direction {cell.strip()[:20]!r} is neither delivered nor received")
    return found


def _unplain(reason: str) -> errors.Invalid:
    return errors.Invalid("reads.unreadable", reason=reason)
