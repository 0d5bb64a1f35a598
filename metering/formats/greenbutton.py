"""Green Button (NAESB ESPI): usage as an Atom feed, written and read. Pure.

Times are seconds since 1970 (UTC), values are Wh. The order of elements is the one the ESPI schema asks for.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5
from xml.etree import ElementTree

import numpy as np

from core import errors, periods
from metering import views
from metering.quality import Quality

ATOM = "http://www.w3.org/2005/Atom"
ESPI = "http://naesb.org/espi"
_SECONDS = {15: 900, 30: 1800, 60: 3600}
# ESPI qualityOfReading: 0 valid, 7 manually edited, 8 estimated using reference day (1.x: 7, 8 and 14 raw, 16 other)
_QUALITY = {Quality.ACTUAL: 0, Quality.EDITED: 7, Quality.ESTIMATED: 8, Quality.CUSTOMER: 0}
_FROM_QUALITY = {
    7: Quality.EDITED,
    8: Quality.ESTIMATED,
    9: Quality.ESTIMATED,
    10: Quality.ESTIMATED,
    11: Quality.ESTIMATED,
}
_LARGEST = 50_000_000


@dataclass(frozen=True)
class Reads:
    """What a feed said: consecutive reads in Wh from `starts_at`, -1 where there is none."""

    starts_at: datetime
    interval_minutes: int
    wh: tuple[int, ...]
    quality: tuple[int, ...]


def export(series: views.Series, *, usage_point: str, timezone: str, now: datetime) -> bytes:
    """This will write a series as a feed: usage point, local time, reading type, meter reading and one block
    a day.
    """
    ElementTree.register_namespace("", ATOM)
    ElementTree.register_namespace("espi", ESPI)
    base = f"https://wattline.invalid/espi/{usage_point}"
    root = f"/espi/1_1/resource/UsagePoint/{uuid5(NAMESPACE_URL, base).hex[:12]}"
    reading = f"{root}/MeterReading/1"
    kind = "/espi/1_1/resource/ReadingType/1"
    clock = "/espi/1_1/resource/LocalTimeParameters/1"
    feed = ElementTree.Element(_atom("feed"))
    _text(feed, _atom("id"), _urn(uuid5(NAMESPACE_URL, base + now.isoformat())))
    _text(feed, _atom("title"), "Green Button usage feed")
    _text(feed, _atom("updated"), _stamp(now))
    point = _entry(feed, root, "Usage point", now, related=[f"{root}/MeterReading", clock])
    category = ElementTree.SubElement(ElementTree.SubElement(point, _espi("UsagePoint")), _espi("ServiceCategory"))
    _text(category, _espi("kind"), "0")  # electricity
    _local_time(_entry(feed, clock, "Local time", now), series.starts_at, timezone)
    meter = _entry(feed, reading, "Usage", now, related=[f"{reading}/IntervalBlock", kind])
    ElementTree.SubElement(meter, _espi("MeterReading"))
    _reading_type(_entry(feed, kind, "Energy delivered (Wh)", now), series.interval_minutes)
    for number, (day, first, last) in enumerate(_days(series, timezone), start=1):
        block = _entry(feed, f"{reading}/IntervalBlock/{number}", day, now)
        _block(block, series, first, last)
    return bytes(ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True))


def parse(content: bytes) -> Reads:
    """This will read the interval blocks of a feed, in Wh; Invalid ``reads.unreadable`` for what is not one.

    A document with a DTD is refused: entities are how XML is made to explode.
    """
    if len(content) > _LARGEST or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise errors.Invalid("reads.unreadable", line=1, reason="the file is too large or carries a DTD")
    try:
        feed = ElementTree.fromstring(content)  # noqa: S314 - no DTD, so no entities
    except ElementTree.ParseError as exc:
        raise errors.Invalid("reads.unreadable", line=exc.position[0], reason="it is not XML") from exc
    try:
        scale = 10 ** int(feed.findtext(f".//{_espi('powerOfTenMultiplier')}") or 0)
        found = [_read(node, scale) for node in feed.iter(_espi("IntervalReading"))]
    except (TypeError, ValueError, OverflowError) as exc:
        raise errors.Invalid("reads.unreadable", line=1, reason="a reading has no time or no value") from exc
    lengths = {seconds for _, seconds, _, _ in found}
    if len(lengths) != 1 or (seconds := lengths.pop()) not in _SECONDS.values():
        raise errors.Invalid("reads.unreadable", line=1, reason="there are no readings of one known interval")
    start = min(at for at, *_ in found)
    count = (max(at for at, *_ in found) - start) // seconds + 1
    if count > 40_000 or any((at - start) % seconds for at, *_ in found):
        raise errors.Invalid("reads.unreadable", line=1, reason="the readings are not on one grid")
    wh, codes = [-1] * count, [0] * count
    for at, _, value, code in found:
        wh[(at - start) // seconds], codes[(at - start) // seconds] = value, code
    return Reads(datetime.fromtimestamp(start, UTC), seconds // 60, tuple(wh), tuple(codes))


def _read(node: ElementTree.Element, scale: float) -> tuple[int, int, int, int]:
    period = node.find(_espi("timePeriod"))
    start = int((period.findtext(_espi("start")) if period is not None else None) or "")
    duration = int((period.findtext(_espi("duration")) if period is not None else None) or "")
    value = round(int(node.findtext(_espi("value")) or "") * scale)
    marks = [int(mark.findtext(_espi("quality")) or 0) for mark in node.findall(_espi("ReadingQuality"))]
    codes = [_FROM_QUALITY[mark] for mark in marks if mark in _FROM_QUALITY]
    return start, duration, value, int(min(codes, default=Quality.ACTUAL))


def _entry(
    feed: ElementTree.Element, href: str, title: str, now: datetime, related: list[str] | None = None
) -> ElementTree.Element:
    entry = ElementTree.SubElement(feed, _atom("entry"))
    _text(entry, _atom("id"), _urn(uuid5(NAMESPACE_URL, href)))
    ElementTree.SubElement(entry, _atom("link"), rel="self", href=href)
    ElementTree.SubElement(entry, _atom("link"), rel="up", href=href.rsplit("/", 1)[0])
    for other in related or []:
        ElementTree.SubElement(entry, _atom("link"), rel="related", href=other)
    _text(entry, _atom("title"), title)
    content = ElementTree.SubElement(entry, _atom("content"))
    _text(entry, _atom("published"), _stamp(now))
    _text(entry, _atom("updated"), _stamp(now))
    return content


def _reading_type(content: ElementTree.Element, interval_minutes: int) -> None:
    kind = ElementTree.SubElement(content, _espi("ReadingType"))
    for name, value in (
        ("accumulationBehaviour", 4),  # delta data
        ("commodity", 1),  # electricity
        ("dataQualifier", 12),  # normal
        ("flowDirection", 1),  # forward
        ("intervalLength", interval_minutes * 60),
        ("kind", 12),  # energy
        ("phase", 769),
        ("powerOfTenMultiplier", 0),
        ("uom", 72),  # Wh
    ):
        _text(kind, _espi(name), str(value))


def _local_time(content: ElementTree.Element, at: datetime, timezone: str) -> None:
    """The offset of standard time; the shifts themselves are those of the zone and are not told (rules of
    zero).
    """
    zone = periods.zone(timezone)
    offsets = [datetime(at.year, month, 1, tzinfo=UTC).astimezone(zone).utcoffset() or timedelta(0) for month in (1, 7)]
    local = ElementTree.SubElement(content, _espi("LocalTimeParameters"))
    for name, value in (
        ("dstEndRule", "00000000"),
        ("dstOffset", str(int((max(offsets) - min(offsets)).total_seconds()))),
        ("dstStartRule", "00000000"),
        ("tzOffset", str(int(min(offsets).total_seconds()))),
    ):
        _text(local, _espi(name), value)


def _days(series: views.Series, timezone: str) -> list[tuple[str, int, int]]:
    """Runs of known reads by civil day: (day, first, last out). A day of which nothing is known has no block."""
    zone = periods.zone(timezone)
    step = timedelta(minutes=series.interval_minutes)
    days = [(series.starts_at + n * step).astimezone(zone).date() for n in range(len(series.wh))]
    edges = [n for n, day in enumerate(days) if n == 0 or day != days[n - 1]]
    blocks = zip(edges, [*edges[1:], len(days)], strict=True)
    return [(days[a].isoformat(), a, b) for a, b in blocks if (series.wh[a:b] >= 0).any()]


def _block(content: ElementTree.Element, series: views.Series, first: int, last: int) -> None:
    block = ElementTree.SubElement(content, _espi("IntervalBlock"))
    seconds = _SECONDS[series.interval_minutes]
    known = first + np.flatnonzero(series.wh[first:last] >= 0)
    _period(block, "interval", _epoch(series, int(known[0])), (int(known[-1]) - int(known[0]) + 1) * seconds)
    for n in known.tolist():
        node = ElementTree.SubElement(block, _espi("IntervalReading"))
        mark = _QUALITY.get(Quality(int(series.quality[n])), 0)
        if mark:
            _text(ElementTree.SubElement(node, _espi("ReadingQuality")), _espi("quality"), str(mark))
        _period(node, "timePeriod", _epoch(series, n), seconds)
        _text(node, _espi("value"), str(int(series.wh[n])))


def _period(parent: ElementTree.Element, name: str, start: int, duration: int) -> None:
    node = ElementTree.SubElement(parent, _espi(name))
    _text(node, _espi("duration"), str(duration))
    _text(node, _espi("start"), str(start))


def _epoch(series: views.Series, n: int) -> int:
    return int((series.starts_at + n * timedelta(minutes=series.interval_minutes)).timestamp())


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text


def _stamp(at: datetime) -> str:
    return periods.aware(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def _urn(number: UUID) -> str:
    return f"urn:uuid:{number}"


def _atom(name: str) -> str:
    return f"{{{ATOM}}}{name}"


def _espi(name: str) -> str:
    return f"{{{ESPI}}}{name}"
