"""Green Button (NAESB ESPI) written: usage as an Atom feed. Pure. It is read in `espi`.

Times are seconds since 1970 (UTC), values are Wh. Elements and their order are those that the schemas of ESPI 1.x and
4.0 have in common. What identifies a usage point is a digest: the file names nobody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from core import periods
from metering import views
from metering.formats import dst, espi_codes
from metering.quality import Quality

_RESOURCE = "/espi/1_1/resource"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:espi="http://naesb.org/espi">\n'
)
_FLOW = {"DELIVERED": espi_codes.DELIVERED, "RECEIVED": espi_codes.RECEIVED}
_MARK = "<espi:ReadingQuality><espi:quality>{}</espi:quality></espi:ReadingQuality>"
_MARKS = {int(quality): "".join(_MARK.format(code) for code in codes) for quality, codes in espi_codes.WRITTEN.items()}


@dataclass(frozen=True)
class Channel:
    """What flowed one way, in pieces of one interval length that do not overlap."""

    direction: views.Direction
    pieces: tuple[views.Series, ...]


@dataclass(frozen=True)
class Point:
    """A usage point: `name` is hashed into its address."""

    name: str
    timezone: str
    channels: tuple[Channel, ...]


def export(
    series: views.Series, *, usage_point: str, timezone: str, now: datetime, received: views.Series | None = None
) -> bytes:
    """This will write a series, and what was sent out where there is any, as the feed of one usage point."""
    channels = [Channel("DELIVERED", (series,))]
    if received is not None:
        channels.append(Channel("RECEIVED", (received,)))
    return b"".join(write([Point(usage_point, timezone, tuple(channels))], now=now))


def address(usage_point: str) -> str:
    """This will give what a usage point is called in a feed."""
    return uuid5(NAMESPACE_URL, f"https://wattline.invalid/espi/{usage_point}").hex[:12]


def write(points: Sequence[Point], *, now: datetime) -> Iterator[bytes]:
    """This will write a feed of any number of usage points, a day at a time."""
    stamp = periods.aware(now).strftime("%Y-%m-%dT%H:%M:%SZ")
    whole = uuid5(NAMESPACE_URL, " ".join([*(point.name for point in points), stamp]))
    yield (
        f"{_HEAD}<id>{_urn(whole)}</id>\n<title>Green Button usage feed</title>\n<updated>{stamp}</updated>\n"
        f'<link rel="self" href="{_RESOURCE}/Subscription/{whole.hex[:12]}"/>\n'
    ).encode()
    for text in _reading_types(points, stamp).values():
        yield text.encode()
    clocks: set[str] = set()
    for point in points:
        clock = f"{_RESOURCE}/LocalTimeParameters/{uuid5(NAMESPACE_URL, point.timezone).hex[:12]}"
        if clock not in clocks:
            clocks.add(clock)
            yield _entry(clock, "Local time", stamp, _local_time(point)).encode()
        yield from _point(point, clock, stamp)
    yield b"</feed>\n"


def _point(point: Point, clock: str, stamp: str) -> Iterator[bytes]:
    here = f"{_RESOURCE}/UsagePoint/{address(point.name)}"
    category = (
        "<espi:UsagePoint><espi:ServiceCategory><espi:kind>0</espi:kind></espi:ServiceCategory></espi:UsagePoint>"
    )
    yield _entry(here, "Usage point", stamp, category, [f"{here}/MeterReading", clock]).encode()
    for number, channel in enumerate(point.channels, start=1):
        if not channel.pieces:
            continue
        reading = f"{here}/MeterReading/{number}"
        kind = _type_href(channel)
        title = "Energy delivered" if channel.direction == "DELIVERED" else "Energy received"
        related = [f"{reading}/IntervalBlock", kind]
        yield _entry(reading, title, stamp, "<espi:MeterReading/>", related).encode()
        block = 0
        for piece in channel.pieces:
            for day, first, last in _days(piece, point.timezone):
                block += 1
                yield _entry(f"{reading}/IntervalBlock/{block}", day, stamp, _block(piece, first, last)).encode()


def _reading_types(points: Sequence[Point], stamp: str) -> dict[str, str]:
    """One for each direction and length of interval, whoever has it."""
    channels = [channel for point in points for channel in point.channels if channel.pieces]
    return {_type_href(channel): _reading_type(channel, stamp) for channel in channels}


def _type_href(channel: Channel) -> str:
    return f"{_RESOURCE}/ReadingType/{_FLOW[channel.direction]}-{channel.pieces[0].interval_minutes}"


def _reading_type(channel: Channel, stamp: str) -> str:
    fields = (
        ("accumulationBehaviour", espi_codes.DELTA),
        ("commodity", espi_codes.ELECTRICITY),
        ("dataQualifier", 12),  # normal
        ("flowDirection", _FLOW[channel.direction]),
        ("intervalLength", channel.pieces[0].interval_minutes * 60),
        ("kind", espi_codes.ENERGY),
        ("phase", 769),
        ("powerOfTenMultiplier", 0),
        ("uom", espi_codes.WATT_HOURS),
    )
    body = "".join(f"<espi:{name}>{value}</espi:{name}>" for name, value in fields)
    title = f"Energy {channel.direction.lower()} (Wh)"
    return _entry(_type_href(channel), title, stamp, f"<espi:ReadingType>{body}</espi:ReadingType>")


def _local_time(point: Point) -> str:
    first = min((piece.starts_at for channel in point.channels for piece in channel.pieces), default=None)
    clock = dst.of(point.timezone, periods.local(first, point.timezone).year if first else 2026)
    fields = (
        ("dstEndRule", clock.ends),
        ("dstOffset", clock.shift),
        ("dstStartRule", clock.starts),
        ("tzOffset", clock.standard),
    )
    body = "".join(f"<espi:{name}>{value}</espi:{name}>" for name, value in fields)
    return f"<espi:LocalTimeParameters>{body}</espi:LocalTimeParameters>"


def _days(series: views.Series, timezone: str) -> list[tuple[str, int, int]]:
    """Runs of reads by civil day: (day, first, last out). A day of which nothing is known has no block."""
    zone = periods.zone(timezone)
    step = timedelta(minutes=series.interval_minutes)
    days = [(series.starts_at + n * step).astimezone(zone).date() for n in range(len(series.wh))]
    edges = [n for n, day in enumerate(days) if n == 0 or day != days[n - 1]]
    blocks = zip(edges, [*edges[1:], len(days)], strict=True)
    return [(days[a].isoformat(), a, b) for a, b in blocks if _known(series, a, b).any()]


def _known(series: views.Series, first: int, last: int) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = (series.wh[first:last] >= 0) & (series.quality[first:last] != Quality.MISSING)
    return known


def _block(series: views.Series, first: int, last: int) -> str:
    known = (first + np.flatnonzero(_known(series, first, last))).tolist()
    length = series.interval_minutes * 60
    origin = int(series.starts_at.timestamp())
    duration = f"<espi:duration>{length}</espi:duration>"
    values, codes = series.wh[first:last].tolist(), series.quality[first:last].tolist()
    readings = "".join(
        f"<espi:IntervalReading>{_MARKS[codes[n - first]]}<espi:timePeriod>{duration}"
        f"<espi:start>{origin + n * length}</espi:start></espi:timePeriod>"
        f"<espi:value>{values[n - first]}</espi:value></espi:IntervalReading>\n"
        for n in known
    )
    spans = (known[-1] - known[0] + 1) * length
    return (
        f"<espi:IntervalBlock><espi:interval><espi:duration>{spans}</espi:duration>"
        f"<espi:start>{origin + known[0] * length}</espi:start></espi:interval>\n{readings}</espi:IntervalBlock>"
    )


def _entry(href: str, title: str, stamp: str, content: str, related: Sequence[str] = ()) -> str:
    links = "".join(f'<link rel="related" href="{other}"/>' for other in related)
    return (
        f'<entry><id>{_urn(uuid5(NAMESPACE_URL, href))}</id><link rel="self" href="{href}"/>'
        f'<link rel="up" href="{href.rsplit("/", 1)[0]}"/>{links}<title>{title}</title>\n'
        f"<content>{content}</content>\n<published>{stamp}</published><updated>{stamp}</updated></entry>\n"
    )


def _urn(number: UUID) -> str:
    return f"urn:uuid:{number}"
