"""Which column of a CSV file is what: said by the utility, or plain from the header. Pure.

Keys, each ``key=value``; a column is its name in the header, or its number from 1:

    start, end  column of the instant an interval starts, or ends     format     how times are written (strptime), epoch
    date, time  columns of a local day and clock, instead of start    zone       IANA name or offset of times without
    value       column of what was used                               unit       Wh, kWh, MWh; else by the column's name
    export      column of what was sent out                           direction  DELIVERED, RECEIVED, or a column
    register    column of what a dial showed, instead of value        values     FIRST:LAST, columns of one day a line
    meter       column of the meter's number                          quality    column of ACTUAL, ESTIMATED or A, E
    interval    minutes a read lasts; else it is inferred             decimal    . or ,
    delimiter   , ; | or tab; else the header tells                   header     no, where the first line is a read
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from core import errors, periods

_UNITS = {"wh": 0, "kwh": 3, "mwh": 6}
_STARTS = ("start", "starts_at", "timestamp_utc", "timestamp", "interval_start", "start_time", "datetime", "date_time")
_VALUES = (
    "kwh",
    "wh",
    "mwh",
    "usage_kwh",
    "consumption_kwh",
    "value_kwh",
    "usage (kwh)",
    "delivered_kwh",
    "import_kwh",
)
_EXPORTS = ("export_kwh", "received_kwh", "generation_kwh", "export_wh", "received_wh")
_METERS = ("meter", "meter_number", "meter_id", "meter_serial", "serial_number", "usage_point")
_ALSO = {"quality": ("quality", "status"), "direction": ("direction", "flow_direction")}
_DELIMITERS = {"tab": "\t", "\\t": "\t"}


@dataclass(frozen=True)
class Columns:
    """What was said about a file; all of it may be left out."""

    start: str | None = None
    end: str | None = None
    date: str | None = None
    time: str | None = None
    format: str | None = None
    zone: str | None = None
    interval: str | None = None
    value: str | None = None
    unit: str | None = None
    export: str | None = None
    direction: str | None = None
    register: str | None = None
    values: str | None = None
    meter: str | None = None
    quality: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    header: str | None = None


_KEYS = tuple(field.name for field in fields(Columns))


def parse(given: Sequence[str] | Mapping[str, str]) -> Columns:
    """This will read ``key=value`` pairs. Invalid ``map.wrong`` with a `reason` in words."""
    pairs = given.items() if isinstance(given, Mapping) else [_pair(text) for text in given]
    found: dict[str, str] = {}
    for key, value in pairs:
        if key not in _KEYS:
            raise _wrong(f"{key!r} is no key of a mapping; the keys are {', '.join(_KEYS)}")
        if not isinstance(value, str) or not value:
            raise _wrong(f"{key} has no value")
        found[key] = value
    columns = Columns(**found)
    _check(columns)
    return replace(columns, delimiter=_DELIMITERS.get(columns.delimiter or "", columns.delimiter))


def guess(header: Sequence[str], said: Columns) -> Columns:
    """This will fill in what the names in the header make plain."""
    names = {name.strip().lower(): name.strip() for name in reversed(header)}

    def named(candidates: Sequence[str]) -> str | None:
        return next((names[name] for name in candidates if name in names), None)

    extra: dict[str, str | None] = {}
    if not (said.start or said.end or said.date):
        extra["start"] = named(_STARTS)
        if (extra["start"] or "").lower() == "timestamp_utc" and said.zone is None:
            extra["zone"] = "UTC"
    if not (said.value or said.values or said.register):
        extra["value"] = named(_VALUES)
        if said.export is None:
            extra["export"] = named(_EXPORTS)
    for key, candidates in (("meter", _METERS), *_ALSO.items()):
        if getattr(said, key) is None:
            extra[key] = named(candidates)
    return replace(said, **{key: value for key, value in extra.items() if value})


def power_of(unit: str | None, column: str | None) -> int | None:
    """This will give the power of ten from the unit to Wh; the unit may stand in the column's name."""
    if unit is not None:
        return _UNITS[unit.lower()]
    words = re.findall(r"(?:^|[^a-z])([km]?wh)(?![a-z])", (column or "").lower())
    return _UNITS[words[-1]] if words else None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise _wrong(f"{text!r} is not key=value")
    return key.strip().lower(), value.strip()


def _check(columns: Columns) -> None:
    if columns.unit is not None and columns.unit.lower() not in _UNITS:
        raise _wrong(f"the unit {columns.unit!r} is not Wh, kWh or MWh")
    if columns.interval is not None and columns.interval not in ("5", "15", "30", "60", "1440"):
        raise _wrong(f"an interval of {columns.interval!r} minutes is not 5, 15, 30, 60 or 1440")
    if columns.decimal not in (None, ".", ","):
        raise _wrong(f"the decimal sign {columns.decimal!r} is neither a point nor a comma")
    if columns.delimiter not in (None, ",", ";", "|", "\t", *_DELIMITERS):
        raise _wrong(f"the delimiter {columns.delimiter!r} is not one of , ; | tab")
    if columns.zone is not None and offset_of(columns.zone) is None:
        try:
            periods.zone(columns.zone)
        except (KeyError, ValueError, OSError):
            raise _wrong(f"{columns.zone!r} is neither a known time zone nor an offset") from None
    if sum(each is not None for each in (columns.start, columns.end, columns.date)) > 1:
        raise _wrong("of start, end and date only one can be said")
    if sum(each is not None for each in (columns.value, columns.values, columns.register)) > 1:
        raise _wrong("of value, values and register only one can be said")
    if columns.values is not None and (columns.values.count(":") != 1 or columns.date is None):
        raise _wrong("values=FIRST:LAST goes with date=COLUMN, for one day a line")


def offset_of(zone: str) -> int | None:
    """This will give the seconds of an offset like +01:00, -0500 or UTC; None where it is a zone's name."""
    if zone.upper() in ("UTC", "Z"):
        return 0
    match = re.fullmatch(r"([+-])(\d{2}):?(\d{2})", zone)
    if match is None:
        return None
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    return -seconds if match[1] == "-" else seconds


def _wrong(reason: str) -> errors.Invalid:
    return errors.Invalid("map.wrong", reason=reason)
