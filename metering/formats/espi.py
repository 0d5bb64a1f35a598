"""Green Button (NAESB ESPI 1.x and 4.0) read as a stream. Pure.

The parser is expat, fed in pieces; it keeps one block of readings, the links between entries, and blocks whose
ReadingType comes after them, as numbers. A document with a DTD is refused: entities are how XML is made to explode.
Elements go by their local names, whatever the prefix. A broken document counts as far as it was read.
"""

from collections.abc import Iterator
from xml.parsers import expat

from metering.formats import espi_blocks, espi_codes, espi_links, streams, told

_MOST_DEPTH = 64
_LONGEST_SILENCE = 16  # pieces of 64 KiB without an element: a token that never ends
_LONGEST_NUMBER = 64
_MOST_IN_A_BLOCK = 200_000
_MOST_WAITING = 4_000_000  # readings whose ReadingType has not been told yet
_MOST_NAMES = 1000
_NEWS = 64  # those that wait are looked at again when there is this much news for each
_READING = frozenset({"value", "start", "duration", "quality"})
_PERIOD = frozenset({"start", "duration"})
_TYPE = frozenset(
    {"accumulationBehaviour", "commodity", "defaultQuality", "flowDirection", "intervalLength", "kind",
     "powerOfTenMultiplier", "uom"}
)  # fmt: skip
_KNOWN = frozenset(
    {"UsagePoint", "MeterReading", "ReadingType", "IntervalBlock", "LocalTimeParameters", "UsageSummary",
     "ElectricPowerUsageSummary", "ElectricPowerQualitySummary", "ApplicationInformation", "Customer",
     "CustomerAccount", "CustomerAgreement", "ServiceLocation", "Authorization", "BatchList"}
)  # fmt: skip


class _Refused(Exception):
    """The document is not read on, and why."""


def parse(stream: streams.Stream) -> Iterator[told.Told]:
    """This will tell a document's readings, block by block."""
    reader = _Reader()
    end: told.Unreadable | None = None
    try:
        for piece in streams.pieces(stream):
            reader.feed(piece)
            yield from reader.take()
        reader.feed(b"", final=True)
    except _Refused as exc:
        end = told.Unreadable(reader.line, str(exc))
    except expat.ExpatError as exc:
        end = told.Unreadable(exc.lineno, _words(exc))
    except streams.Broken as exc:
        end = told.Unreadable(reader.line, exc.reason)
    except (LookupError, UnicodeError) as exc:  # the encoding that it names
        end = told.Unreadable(reader.line, f"its encoding cannot be read ({exc})"[:200])
    yield from reader.rest()
    if end is not None:
        yield end
    elif not reader.is_known:
        yield told.Unreadable(1, "it is XML, but nothing in it is Green Button")


def _words(exc: expat.ExpatError) -> str:
    reason = expat.ErrorString(exc.code)
    if reason in ("no element found", "unclosed token", "unclosed CDATA section", "partial character"):
        return "the file breaks off here; what comes after it is not there"
    return f"from here on it is not XML ({reason}); the rest is not read"


class _Reader:
    """The handlers, and what they have read and not yet handed on."""

    def __init__(self) -> None:
        self.is_known = False
        self._links = espi_links.Links()
        self._told: list[told.Told] = []
        self._waiting: list[espi_blocks.Block] = []
        self._waiting_reads = 0
        self._local: dict[str, str] = {}
        self._depth = self._silence = self._steps = self._news = 0
        self._entry: espi_links.Entry | None = None
        self._block: espi_blocks.Block | None = None
        self._type: dict[str, str] | None = None
        self._in_reading = self._in_interval = self._in_category = False
        self._text: list[str] = []
        self._field: dict[str, str] = {}
        self._marks: list[str] = []
        self._reading_line = 0
        parser = self._parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype

    @property
    def line(self) -> int:
        return self._parser.CurrentLineNumber

    def feed(self, piece: bytes, *, final: bool = False) -> None:
        """This will read on. ExpatError where it is no XML, _Refused where it is not to be read."""
        before = self._steps
        self._parser.Parse(piece, final)
        self._silence = 0 if self._steps != before else self._silence + 1
        if self._silence > _LONGEST_SILENCE:
            raise _Refused("a megabyte without an element in it: it is not read on")
        if self._waiting_reads > _MOST_WAITING:
            self._settle(final=True)

    def take(self) -> list[told.Told]:
        """This will hand on what has been read."""
        found, self._told = self._told, []
        return found

    def rest(self) -> list[told.Told]:
        """This will hand on everything, at the end."""
        if self._block is not None:
            self._close(self._block)
        self._settle(final=True)
        return self.take()

    def _doctype(self, *_: object) -> None:
        raise _Refused("it carries a DTD: entities are how XML is made to explode, so it is not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._steps += 1
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise _Refused(f"elements stand more than {_MOST_DEPTH} deep: it is not read on")
        local = self._local.get(name) or self._learn(name)
        if self._in_reading:
            if local in _READING:
                self._listen()
        elif local == "IntervalReading":
            self._in_reading = True
            self._field = {}
            self._marks = []
            self._reading_line = self._parser.CurrentLineNumber
        elif local in _PERIOD:
            if self._in_interval:
                self._listen()
        elif self._type is not None:
            if local in _TYPE:
                self._listen()
        else:
            self._start_outside(local, attributes)

    def _start_outside(self, local: str, attributes: dict[str, str]) -> None:
        if local in _KNOWN:
            self.is_known = True
        if local == "entry":
            self._entry = espi_links.Entry()
        elif local == "link" and self._entry is not None:
            self._entry.link(attributes.get("rel", ""), attributes.get("href", ""))
        elif local == "IntervalBlock":
            place = espi_links.Place(self._entry, self._links.last_type, self._links.last_point)
            self._block = espi_blocks.Block(place, self._parser.CurrentLineNumber)
        elif local == "interval" and self._block is not None:
            self._in_interval = True
        elif local == "ReadingType":
            self._type = {}
        elif local in ("UsagePoint", "MeterReading"):
            if self._entry is None:
                self._entry = espi_links.Entry()  # a document of one resource, without a feed
            self._entry.kind = self._entry.kind or local
        elif local == "ServiceCategory":
            self._in_category = True
        elif local == "kind" and self._in_category:
            self._listen()

    def _end(self, name: str) -> None:
        self._steps += 1
        self._depth -= 1
        local = self._local.get(name) or self._learn(name)
        if self._in_reading:
            if local in _READING:
                self._keep(local)
            elif local == "IntervalReading":
                self._end_reading()
        elif self._parser.CharacterDataHandler is not None:
            self._end_field(local)
        elif local == "interval":
            self._in_interval = False
        elif local == "IntervalBlock" and self._block is not None:
            self._close(self._block)
            self._block = None
        elif local == "ReadingType" and self._type is not None:
            self._end_type(self._type)
        elif local == "ServiceCategory":
            self._in_category = False
        elif local == "entry" or (self._depth == 0 and self._entry is not None):
            self._end_entry()

    def _end_field(self, local: str) -> None:
        text = self._heard()
        if self._type is not None:
            if local in _TYPE:
                self._type[local] = text
        elif self._in_interval and self._block is not None:
            self._block.says(local, text)
        elif self._in_category and self._entry is not None:
            self._entry.refusal = espi_codes.service_refusal(text)

    def _end_reading(self) -> None:
        self._in_reading = False
        if self._parser.CharacterDataHandler is not None:
            self._heard()
        if self._block is None:
            self._told.append(told.Unreadable(self._reading_line, "a reading outside any IntervalBlock"))
            return
        self._block.add(self._field, self._marks, self._reading_line)
        if len(self._block) >= _MOST_IN_A_BLOCK:
            self._close(self._block)
            self._block = self._block.next()

    def _end_type(self, fields: dict[str, str]) -> None:
        kind = espi_codes.kind_of(fields)
        self._type = None
        if self._entry is not None and self._entry.kind == "MeterReading":
            self._entry.reading_type = kind
        else:
            entry = self._entry or espi_links.Entry()
            entry.kind, entry.reading_type = "ReadingType", kind
            if self._entry is None:
                self._links.add(entry)

    def _end_entry(self) -> None:
        entry, self._entry = self._entry, None
        if entry is None:
            return
        entry.is_open = False
        mine = []
        while self._waiting and self._waiting[-1].place.entry is entry:
            mine.append(self._waiting.pop())
        for block in reversed(mine):
            self._tell_or_keep(block)
        if entry.kind:
            self._links.add(entry)
            self._news += 1
            if self._news * _NEWS >= len(self._waiting):
                self._settle(final=False)

    def _close(self, block: espi_blocks.Block) -> None:
        """A block, or a part of one, is whole: it is told, or waits for what it belongs to."""
        if len(block):
            self._waiting_reads += len(block)
            self._tell_or_keep(block)

    def _tell_or_keep(self, block: espi_blocks.Block) -> None:
        found = self._links.resolve(block.place, final=False)
        if found is None:
            block.pack()
            self._waiting.append(block)
        else:
            self._tell(block, *found)

    def _settle(self, *, final: bool) -> None:
        """Which of those that wait can be told now?"""
        self._news = 0
        waiting, self._waiting = self._waiting, []
        for block in waiting:
            found = self._links.resolve(block.place, final=final)
            if found is None:
                self._waiting.append(block)
            else:
                self._tell(block, *found)

    def _tell(self, block: espi_blocks.Block, meter: str, kind: espi_codes.Kind) -> None:
        self._waiting_reads -= len(block)
        self._told.extend(block.tell(meter, kind))

    def _learn(self, name: str) -> str:
        local = name.rpartition(":")[2]
        if len(self._local) < _MOST_NAMES:
            self._local[name] = local
        return local

    def _listen(self) -> None:
        self._text = []
        self._parser.CharacterDataHandler = self._text.append

    def _heard(self) -> str:
        self._parser.CharacterDataHandler = None
        return "".join(self._text)[:_LONGEST_NUMBER]

    def _keep(self, local: str) -> None:
        text = self._heard()
        if local == "quality":
            if len(self._marks) < 100:
                self._marks.append(text)
        else:
            self._field[local] = text
