"""Which usage point and which ReadingType a block of readings belongs to, by the links of an Atom feed. Pure.

A block's ``up`` is its MeterReading's ``related``, whose ``up`` is its UsagePoint's ``related``, and another
``related`` of the MeterReading is its ReadingType; entries come in any order. Feeds without links go by what was told
last.
"""

import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field

from metering.formats.espi_codes import Kind

_POINT = re.compile(r"(?:^|/)UsagePoint/([^/]+)")
_PLAIN = Kind()  # a document of bare blocks: watt-hours delivered, as the standard's default unit


@dataclass(slots=True)
class Entry:
    """What an Atom entry said about itself. `kind` is the name of what is in it."""

    kind: str = ""
    here: str = ""
    up: str = ""
    related: list[str] = field(default_factory=list)
    reading_type: Kind | None = None
    refusal: str | None = None
    is_open: bool = True  # links may still come

    def link(self, rel: str, href: str) -> None:
        """This will note a link. Hrefs are compared from the resource on: hosts are written or left out at will."""
        place = href.strip().rsplit("/resource/", 1)[-1].strip("/")[:400]
        if rel == "self":
            self.here = place
        elif rel == "up":
            self.up = place
        elif rel == "related" and len(self.related) < 1000:
            self.related.append(place)


@dataclass(slots=True)
class Place:
    """Where a block stands: its entry, and what was told last before it."""

    entry: Entry | None
    last_type: Kind | None
    last_point: Entry | None


class Links:
    """The entries seen so far."""

    def __init__(self) -> None:
        self._at: dict[str, Entry] = {}
        self._owner: dict[tuple[str, str], Entry] = {}
        self._types: list[Kind] = []
        self._points: list[Entry] = []
        self._named: dict[str, str] = {}
        self.last_type: Kind | None = None
        self.last_point: Entry | None = None

    def add(self, entry: Entry) -> None:
        """This will remember an entry that others may refer to."""
        if entry.kind == "ReadingType":
            self._types.append(entry.reading_type or _PLAIN)
            self.last_type = entry.reading_type
        elif entry.kind == "UsagePoint":
            self._points.append(entry)
            self.last_point = entry
        elif entry.kind != "MeterReading":
            return
        if entry.here:
            self._at[entry.here] = entry
        if entry.kind != "ReadingType":
            for href in entry.related:
                self._owner.setdefault((entry.kind, href), entry)

    def resolve(self, place: Place, *, final: bool) -> tuple[str, Kind] | None:
        """This will give the usage point's id and the kind of readings of a block; None when that may still be told.

        With `final` it is decided by what is known.
        """
        reading = self._reading_of(place.entry)
        if not final and reading is None and place.entry and (_is_linked(place.entry) or place.entry.is_open):
            return None
        kind = self._kind_of(place, reading, final)
        if kind is None:
            return None
        point = self._point_of(place, reading)
        if point is None:
            if not final:
                return None
            point = self._name(self._points[0].here) if len(self._points) == 1 else ""
        refusal = self._refusal_of(place, reading)
        return point, Kind(refusal=refusal) if refusal and not kind.refusal else kind

    def _reading_of(self, entry: Entry | None) -> Entry | None:
        return self._find(entry, "MeterReading", "/IntervalBlock") if entry else None

    def _find(self, entry: Entry, kind: str, child: str) -> Entry | None:
        """The entry of that kind above this one."""
        for href in _upwards(entry):
            above = self._owner.get((kind, href))
            if above is not None and above is not entry:
                return above
            above = self._at.get(href.partition(child)[0])
            if above is not None and above.kind == kind:
                return above
        return None

    def _kind_of(self, place: Place, reading: Entry | None, final: bool) -> Kind | None:
        if reading is not None:
            if reading.reading_type is not None:
                return reading.reading_type
            for href in reading.related:
                found = self._at.get(href)
                if found is not None and found.kind == "ReadingType":
                    return found.reading_type
            if not final:
                return None
            if len(self._types) == 1:
                return self._types[0]
            missing = next((href for href in reading.related if "ReadingType" in href), None)
            if missing or self._types:
                return Kind(refusal=f"its ReadingType {missing or ''} is not in the file".replace("  ", " "))
            return _PLAIN
        if not _is_linked(place.entry) and place.last_type is not None:
            return place.last_type
        if not final:
            return None
        if not self._types:
            return _PLAIN
        if len(self._types) == 1:
            return self._types[0]
        return Kind(refusal=f"which of the file's {len(self._types)} ReadingTypes it has is not said")

    def _point_of(self, place: Place, reading: Entry | None) -> str | None:
        for entry in (place.entry, reading):
            for href in _upwards(entry) if entry else ():
                if match := _POINT.search(href):
                    return self._name(href[: match.end()])
        if reading is not None and (above := self._find(reading, "UsagePoint", "/MeterReading")):
            return self._name(above.here)
        if not _is_linked(place.entry) and place.last_point is not None:
            return self._name(place.last_point.here)
        return None

    def _refusal_of(self, place: Place, reading: Entry | None) -> str | None:
        for entry in (reading, place.entry):
            if entry is not None and (above := self._find(entry, "UsagePoint", "/MeterReading")):
                return above.refusal
        point = place.last_point if not _is_linked(place.entry) else None
        return point.refusal if point else None

    def _name(self, href: str) -> str:
        """The last part of a usage point's address; with its customer before it where two would be called the same."""
        parts = [urllib.parse.unquote(part) for part in href.split("/") if part]
        short = parts[-1] if parts else ""
        if self._named.setdefault(short, href) == href:
            return short
        return "/".join(part for part in parts[-3:] if part not in ("UsagePoint", "RetailCustomer", "Subscription"))


def _upwards(entry: Entry) -> Iterator[str]:
    yield from (href for href in (entry.up, entry.here) if href)
    yield from entry.related


def _is_linked(entry: Entry | None) -> bool:
    return entry is not None and bool(entry.up or entry.here)
