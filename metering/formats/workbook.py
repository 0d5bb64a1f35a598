"""Usage as an Excel workbook: a sheet of reads, a sheet of days. Pure.

Texts are written as texts whatever they begin with, so that none is run as a formula. Times are those of the wall
clock, with the offset beside them, since a cell of a spreadsheet knows no zone.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import xlsxwriter

from core import periods
from metering import usage, views
from metering.quality import Quality

KEYS = (
    "reads", "days", "meter", "direction", "start", "offset", "kwh", "quality", "day", "intervals", "estimated",
    "missing",
)  # fmt: skip
_MOST_ROWS = 1_048_575  # what a sheet holds beside its header


@dataclass(frozen=True)
class Sheet:
    """The reads of one meter, one way."""

    meter: str
    direction: views.Direction
    series: views.Series


def write(sheets: Sequence[Sheet], *, timezone: str, now: datetime, words: Mapping[str, str] | None = None) -> bytes:
    """This will write all the reads, and their sums by civil day.

    `words` gives names of sheets, columns, qualities and directions in the reader's language; without it they are
    called by their keys. A sheet holds a million rows; what is more is left out of the first sheet, not of the second.
    """
    text = {**dict(zip(KEYS, KEYS, strict=True)), **(words or {})}
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "constant_memory": True}) as book:
        book.set_properties({"created": now.astimezone(UTC).replace(tzinfo=None)})
        formats = _Formats(
            bold=book.add_format({"bold": True}),
            clock=book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
            day=book.add_format({"num_format": "yyyy-mm-dd"}),
            kwh=book.add_format({"num_format": "#,##0.000"}),
        )
        _reads(book.add_worksheet(text["reads"][:31]), sheets, timezone, text, formats)
        _days(book.add_worksheet(text["days"][:31]), sheets, timezone, text, formats)
    return out.getvalue()


@dataclass(frozen=True)
class _Formats:
    bold: object
    clock: object
    day: object
    kwh: object


def _reads(
    page: xlsxwriter.worksheet.Worksheet,
    sheets: Sequence[Sheet],
    timezone: str,
    text: Mapping[str, str],
    formats: _Formats,
) -> None:
    _header(page, ("meter", "direction", "start", "offset", "kwh", "quality"), text, formats)
    page.set_column(2, 2, 17)
    row = 0
    for sheet in sheets:
        direction = text.get(sheet.direction, sheet.direction)
        step = timedelta(minutes=sheet.series.interval_minutes)
        codes = sheet.series.quality.tolist()
        for number, wh in enumerate(sheet.series.wh.tolist()):
            if wh < 0 or row >= _MOST_ROWS:
                continue
            row += 1
            local = periods.local(sheet.series.starts_at + number * step, timezone)
            name = Quality(codes[number]).name
            page.write_string(row, 0, sheet.meter)
            page.write_string(row, 1, direction)
            page.write_datetime(row, 2, local.replace(tzinfo=None), formats.clock)
            page.write_string(row, 3, f"{local:%z}")
            page.write_number(row, 4, wh / 1000, formats.kwh)
            page.write_string(row, 5, text.get(name, name))


def _days(
    page: xlsxwriter.worksheet.Worksheet,
    sheets: Sequence[Sheet],
    timezone: str,
    text: Mapping[str, str],
    formats: _Formats,
) -> None:
    _header(page, ("meter", "direction", "day", "kwh", "intervals", "estimated", "missing"), text, formats)
    page.set_column(2, 2, 12)
    row = 0
    for sheet in sheets:
        direction = text.get(sheet.direction, sheet.direction)
        for day in by_day(sheet.series, timezone):
            if row >= _MOST_ROWS:
                return
            row += 1
            page.write_string(row, 0, sheet.meter)
            page.write_string(row, 1, direction)
            page.write_datetime(row, 2, datetime.combine(day.day, datetime.min.time()), formats.day)
            page.write_number(row, 3, day.wh / 1000, formats.kwh)
            for column, count in enumerate((day.intervals, day.estimated, day.missing), start=4):
                page.write_number(row, column, count)


def by_day(series: views.Series, timezone: str) -> tuple[views.DayUsage, ...]:
    """This will add reads up by civil day; `intervals` are those the series has of it."""
    if not len(series.wh):
        return ()
    newest = series.starts_at + (len(series.wh) - 1) * timedelta(minutes=series.interval_minutes)
    first, last = periods.civil_day(series.starts_at, timezone), periods.civil_day(newest, timezone)
    return usage.by_day(series, periods.Days(first, last + timedelta(days=1)), timezone)


def _header(
    page: xlsxwriter.worksheet.Worksheet, keys: Sequence[str], text: Mapping[str, str], formats: _Formats
) -> None:
    for column, key in enumerate(keys):
        page.write_string(0, column, text[key], formats.bold)
    page.freeze_panes(1, 0)
