"""One IntervalBlock: its readings as they are told, and as runs and dials once it is known what they are. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import numpy as np

from metering.formats import espi_codes, espi_links, runs, told
from metering.views import Ints

_NONE = -1
_LARGEST = 1 << 47  # ESPI's values have 48 bits
_CLIP = 1 << 60


class Block:
    """The readings of a block, in the order told. A reading that cannot be right is kept as a line and a reason."""

    def __init__(self, place: espi_links.Place, line: int) -> None:
        self.place = place
        self._line = line
        self._start = self._duration = _NONE
        self._first = 0  # number of readings of the block that came before the first here
        self._starts: list[int] | Ints = []
        self._durations: list[int] | Ints = []
        self._values: list[int | Decimal] | Ints = []
        self._qualities: list[int] | Ints = []
        self._lines: list[int] | Ints = []
        self._bad: list[told.Unreadable] = []

    def __len__(self) -> int:
        return len(self._starts) + len(self._bad)

    def next(self) -> "Block":
        """This will give the block that takes the rest of one that was cut for its length."""
        other = Block(self.place, self._line)
        other._start, other._duration, other._first = self._start, self._duration, self._first + len(self)
        return other

    def says(self, name: str, text: str) -> None:
        """This will note the block's own interval."""
        try:
            number = int(text)
        except ValueError:
            return
        if name == "start" and runs.is_a_time(number):
            self._start = number
        elif name == "duration" and 0 < number <= espi_codes.LONGEST:
            self._duration = number

    def add(self, field: dict[str, str], marks: list[str], line: int) -> None:
        """This will note a reading."""
        try:
            value = _number(field)
            start = int(field["start"]) if "start" in field else _NONE
            if start == _NONE:
                if self._start == _NONE:
                    raise ValueError("a reading without a time, in a block without one")
            elif not runs.is_a_time(start):
                raise ValueError(f"{start} is no time at which something was read")
            duration = int(field["duration"]) if "duration" in field else _NONE
            if not -1 <= duration <= espi_codes.LONGEST:
                raise ValueError(f"a reading cannot last {duration} seconds")
            quality = espi_codes.quality_of([int(mark) for mark in marks]) if marks else _NONE
        except ValueError as exc:
            self._bad.append(told.Unreadable(line, _words(exc)))
            return
        assert not isinstance(self._starts, np.ndarray) and not isinstance(self._durations, np.ndarray)
        assert not isinstance(self._values, np.ndarray) and not isinstance(self._qualities, np.ndarray)
        assert not isinstance(self._lines, np.ndarray)
        # where the reading has no time of its own, how many came before it is kept in its place
        self._starts.append(start if start != _NONE else -2 - (self._first + len(self)))
        self._durations.append(duration)
        self._values.append(value)
        self._qualities.append(quality)
        self._lines.append(line)

    def pack(self) -> None:
        """This will keep the readings as narrow as they can be, for a block that has to wait."""
        self._starts = np.asarray(self._starts, dtype=np.int64)
        self._durations = np.asarray(self._durations, dtype=np.int64)
        if not any(isinstance(value, Decimal) for value in self._values):
            self._values = np.asarray(self._values, dtype=np.int64)
        self._qualities = np.asarray(self._qualities, dtype=np.int8)
        self._lines = np.asarray(self._lines, dtype=np.int64)

    def tell(self, meter: str, kind: espi_codes.Kind) -> Iterator[told.Told]:
        """This will tell the readings, now that it is known whose they are and what kind."""
        yield from self._bad
        if not len(self._starts):
            return
        if kind.refusal:
            yield told.Unreadable(self._line, kind.refusal, len(self._starts))
            return
        durations = np.asarray(self._durations, dtype=np.int64)
        lengths = np.where(durations > 0, durations, self._usual(kind) if not kind.is_dial else 0)
        starts = np.asarray(self._starts, dtype=np.int64)
        starts = np.where(starts <= -2, self._start + (-2 - starts) * np.maximum(lengths, self._usual(kind)), starts)
        codes = np.asarray(self._qualities, dtype=np.int64)
        codes = np.where(codes < 0, kind.quality, codes).astype(np.uint8)
        lines = np.asarray(self._lines, dtype=np.int64)
        if kind.is_dial:
            yield from self._dials(meter, kind, starts + lengths, codes, lines)
            return
        wh = self._wh(kind.power)
        possible = (starts >= 0) & (starts < runs.LATEST)
        if not possible.all():
            yield told.Unreadable(
                int(lines[~possible][0]), "no time at which something was read", int((~possible).sum())
            )
            starts, lengths, wh, codes, lines = (each[possible] for each in (starts, lengths, wh, codes, lines))
        for seconds in np.unique(lengths).tolist():
            these = lengths == seconds
            minutes = runs.minutes_of(seconds)
            if minutes is None:
                reason = "nothing says how long a reading lasts" if seconds <= 0 else _unsupported(seconds)
                yield told.Unreadable(int(lines[these][0]), reason, int(these.sum()))
                continue
            yield from runs.of(meter, kind.direction, minutes, starts[these], wh[these], codes[these], lines[these])

    def _usual(self, kind: espi_codes.Kind) -> int:
        """How long a reading lasts that does not say it: as its type says, or its share of the block."""
        if kind.seconds:
            return kind.seconds
        share, rest = divmod(self._duration, len(self)) if self._duration > 0 else (0, 0)
        return 0 if rest else share

    def _wh(self, power: int) -> Ints:
        """Values in watt-hours, to the nearest one, halves up."""
        if isinstance(self._values, list) and any(isinstance(value, Decimal) for value in self._values):
            scaled = [int((Decimal(value).scaleb(power)).to_integral_value(ROUND_HALF_UP)) for value in self._values]
            return np.array([max(-_CLIP, min(_CLIP, value)) for value in scaled], dtype=np.int64)
        values: Ints = np.asarray(self._values, dtype=np.int64)
        if power < 0:
            part = 10**-power
            values = np.floor_divide(2 * values + part, 2 * part)
        elif power <= 4:
            values = np.multiply(values, 10**power)
        else:
            clipped = [max(-_CLIP, min(_CLIP, value * 10**power)) for value in values.tolist()]
            values = np.array(clipped, dtype=np.int64)
        return values

    def _dials(
        self, meter: str, kind: espi_codes.Kind, at: Ints, codes: np.ndarray, lines: Ints
    ) -> Iterator[told.Told]:
        for second, value, code, line in zip(at.tolist(), self._values, codes.tolist(), lines.tolist(), strict=True):
            if value < 0:
                yield told.Unreadable(line, "a dial below zero")
                continue
            if not runs.is_a_time(second):
                yield told.Unreadable(line, f"{second} is no time at which something was read")
                continue
            shown = Decimal(value if isinstance(value, Decimal) else int(value)).scaleb(kind.power - 3)
            yield told.Dial(meter, kind.direction, datetime.fromtimestamp(second, UTC), shown, code, line)


def _number(field: dict[str, str]) -> int | Decimal:
    text = field.get("value")
    if text is None:
        raise ValueError("a reading without a value")
    try:
        value: int | Decimal = int(text)
    except ValueError:
        try:
            value = Decimal(text.strip())
        except InvalidOperation:
            raise ValueError(f"the value {text.strip()[:20]!r} is not a number") from None
        if not value.is_finite() or value.as_tuple().exponent < -20:  # type: ignore[operator]
            raise ValueError(f"the value {text.strip()[:20]!r} is not a number") from None
    if not -_LARGEST <= value < _LARGEST:
        raise ValueError(f"the value {text.strip()[:20]} is larger than any reading")
    return value


def _words(exc: ValueError) -> str:
    text = str(exc)
    return "a time or a quality is not a number" if text.startswith("invalid literal") else text


def _unsupported(seconds: int) -> str:
    return f"intervals of {seconds} seconds are not taken: 5, 15, 30 or 60 minutes, or a day"
