"""Feeds and reads for the tests of formats: written, read, and compared."""

import gzip
import io
import pathlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from metering import import_trial, views
from metering.formats import espi, greenbutton, mapping, reader, told
from metering.quality import Quality

DATA = pathlib.Path(__file__).parent / "data"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
SAMPLES = sorted([*DATA.glob("*.xml"), *DATA.glob("*.xml.gz")])


def content(path: pathlib.Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


def read(text: bytes | str, **said: str) -> list[told.Told]:
    given = text.encode() if isinstance(text, str) else text
    return list(reader.read(io.BytesIO(given), mapping.parse(said) if said else None))


def feed(text: bytes) -> list[told.Told]:
    return list(espi.parse(io.BytesIO(text)))


def runs(items: Iterable[told.Told]) -> list[told.Run]:
    return [item for item in items if isinstance(item, told.Run)]


def refusals(items: Iterable[told.Told]) -> list[told.Unreadable]:
    return [item for item in items if isinstance(item, told.Unreadable)]


def counts(items: Iterable[told.Told]) -> import_trial.Summary:
    trial = import_trial.Trial()
    read_ = sum(trial.add(item) for item in items)
    summary = trial.finish()
    assert read_ == summary.reads == summary.stored + summary.unchanged + summary.excepted + summary.unreadable
    return summary


def intervals(items: Iterable[told.Told]) -> dict[tuple[str, int], dict[datetime, tuple[int, int]]]:
    """What was told, by direction and length: start to value and quality; what is told again overwrites."""
    found: dict[tuple[str, int], dict[datetime, tuple[int, int]]] = defaultdict(dict)
    for run in runs(items):
        step = timedelta(minutes=run.interval_minutes)
        for n, (wh, code) in enumerate(zip(run.wh.tolist(), run.quality.tolist(), strict=True)):
            if code != Quality.MISSING:
                found[run.direction, run.interval_minutes][run.starts_at + n * step] = (wh, code)
    return dict(found)


def written(items: Iterable[told.Told], timezone: str = "America/New_York") -> bytes:
    """The same reads as a feed of our own: a channel for each direction and length, a piece for each run."""
    pieces: dict[tuple[Any, int], list[views.Series]] = defaultdict(list)
    for run in runs(items):
        series = views.Series(run.starts_at, run.interval_minutes, run.wh, run.quality)
        pieces[run.direction, run.interval_minutes].append(series)
    channels = tuple(greenbutton.Channel(direction, tuple(found)) for (direction, _), found in pieces.items())
    return b"".join(greenbutton.write([greenbutton.Point("4711", timezone, channels)], now=NOW))


def series(wh: list[int], minutes: int = 60, codes: list[int] | None = None) -> views.Series:
    marks = codes or [int(Quality.MISSING if value < 0 else Quality.ACTUAL) for value in wh]
    at = datetime(2026, 11, 1, 4, tzinfo=UTC)
    return views.Series(at, minutes, np.array(wh, dtype=np.int64), np.array(marks, dtype=np.uint8))


def block(start: int, values: list[int | str], seconds: int = 3600, marks: str = "", links: str = "") -> str:
    """An entry with one block of readings."""
    readings = "".join(
        f"<IntervalReading>{marks}<timePeriod><duration>{seconds}</duration><start>{start + n * seconds}</start>"
        f"</timePeriod><value>{value}</value></IntervalReading>\n"
        for n, value in enumerate(values)
    )
    return f'<entry>{links}<content><IntervalBlock xmlns="http://naesb.org/espi">{readings}</IntervalBlock></content></entry>\n'


def kind(href: str = "ReadingType/1", **fields: int | str) -> str:
    """An entry with a ReadingType: watt-hours delivered each hour, but for what is said."""
    usual = {"accumulationBehaviour": 4, "commodity": 1, "flowDirection": 1, "intervalLength": 3600, "kind": 12,
             "powerOfTenMultiplier": 0, "uom": 72}  # fmt: skip
    body = "".join(f"<{name}>{value}</{name}>" for name, value in (usual | fields).items() if value != "")
    return f'<entry><link rel="self" href="{href}"/><content><ReadingType>{body}</ReadingType></content></entry>\n'


def reading(point: str, number: int, type_href: str) -> str:
    """An entry with a MeterReading of a usage point."""
    here = f"UsagePoint/{point}/MeterReading/{number}"
    return (
        f'<entry><link rel="self" href="{here}"/><link rel="up" href="UsagePoint/{point}/MeterReading"/>'
        f'<link rel="related" href="{here}/IntervalBlock"/><link rel="related" href="{type_href}"/>'
        "<content><MeterReading/></content></entry>\n"
    )


def point(name: str, service: int = 0) -> str:
    """An entry with a UsagePoint."""
    here = f"UsagePoint/{name}"
    return (
        f'<entry><link rel="self" href="{here}"/><link rel="related" href="{here}/MeterReading"/><content><UsagePoint>'
        f"<ServiceCategory><kind>{service}</kind></ServiceCategory></UsagePoint></content></entry>\n"
    )


def up(point_: str, number: int) -> str:
    """The link of a block to its MeterReading."""
    return f'<link rel="up" href="UsagePoint/{point_}/MeterReading/{number}/IntervalBlock"/>'


def document(*entries: str) -> bytes:
    return f'<feed xmlns="http://www.w3.org/2005/Atom">\n{"".join(entries)}</feed>\n'.encode()
