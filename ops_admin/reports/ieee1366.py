"""Reliability of a period as IEEE 1366 counts it: with and without major event days, whole and by feeder.

Sustained interruptions only, planned ones included and counted apart; momentary ones have an index of their own.
Minutes belong to the day their interruption started on. Major event days are kept and shown, never dropped.
"""

import csv
import json
import pathlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from fractions import Fraction

from sqlalchemy.orm import Session

from core import periods
from core.outages import operations, queries, reliability
from core.periods import Days

THRESHOLD_YEARS = 5
CEMI_AT = 3
CELID_MINUTES = 7 * 60


@dataclass(frozen=True)
class Line:
    """The indices of one selection. Minutes and shares as exact fractions of the rows."""

    scope: str  # "ALL" or a feeder's code
    days: str  # "ALL", "WITHOUT_MED", "WITHOUT_MED_AND_SUPPLY", "MED"
    served: int
    rows: int  # service-point interruptions counted: the interruptions of SAIFI
    outages: int
    minutes: Fraction
    saifi: Fraction | None
    saidi: Fraction | None
    caidi: Fraction | None
    asai: Fraction | None
    caifi: Fraction | None
    ctaidi: Fraction | None
    maifi_e: Fraction | None
    cemi: Fraction | None
    celid: Fraction | None
    momentary_rows: int


@dataclass(frozen=True)
class Report:
    period: Days
    timezone: str
    served: int
    threshold: reliability.Threshold | None
    major_days: tuple[date, ...]
    planned_rows: int
    open_rows: int  # without power when the report was made: counted up to then
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class _Case:
    outage_id: int
    service_point_id: int
    feeder: str
    cause: str
    day: date
    starts_at: datetime
    ends_at: datetime

    @property
    def sustained(self) -> bool:
        return reliability.is_sustained(self.starts_at, self.ends_at)

    @property
    def minutes(self) -> Fraction:
        return reliability.minutes_between(self.starts_at, self.ends_at)


def report(
    session: Session, *, period: Days, timezone: str, now: datetime, out_dir: pathlib.Path | None = None
) -> Report:
    """This will compute the report of a period of civil days; with `out_dir`, also write ieee1366.csv and .json."""
    starts_at, ends_at = _start(period.starts_on, timezone), _start(period.ends_on, timezone)
    found = queries.list_interruptions(session, starts_at=starts_at, ends_at=ends_at)
    cases = _cases(found, timezone, now)
    served_by = queries.count_served(session, on=min(period.ends_on, periods.civil_day(now, timezone)))
    codes = queries.feeder_codes(session)
    served = {"ALL": sum(served_by.values())}
    served.update({codes[id_]: served_by.get(id_, 0) for id_ in sorted(codes, key=lambda i: codes[i])})
    threshold = _threshold(session, period.starts_on.year, timezone, served["ALL"])
    major = _major_days(cases, served["ALL"], threshold)
    hours = len(period) * 24
    lines = []
    for scope, customers in served.items():
        here = cases if scope == "ALL" else [case for case in cases if case.feeder == scope]
        without = [case for case in here if case.day not in major]
        lines.append(_line(scope, "ALL", here, customers, hours))
        lines.append(_line(scope, "WITHOUT_MED", without, customers, hours))
        if scope == "ALL":
            ours = [case for case in without if case.cause != "LOSS_OF_SUPPLY"]
            lines.append(_line(scope, "WITHOUT_MED_AND_SUPPLY", ours, customers, hours))
            lines.append(_line(scope, "MED", [case for case in here if case.day in major], customers, hours))
    done = Report(
        period=period,
        timezone=timezone,
        served=served["ALL"],
        threshold=threshold,
        major_days=tuple(sorted(major)),
        planned_rows=sum(case.cause == "PLANNED" for case in cases),
        open_rows=sum(row.restored_at is None for row in found),
        lines=tuple(lines),
    )
    if out_dir is not None:
        write(done, out_dir)
    return done


def fix_threshold(session: Session, *, year: int, timezone: str, now: datetime) -> reliability.Threshold | None:
    """This will compute T_MED of a year from the five years before it, and keep it with the deviation chosen."""
    served = sum(queries.count_served(session, on=date(year, 1, 1)).values())
    found = _threshold(session, year, timezone, served)
    if found is not None:
        operations.set_threshold(session, year=year, threshold=found, now=now)
    return found


def as_json(done: Report) -> dict[str, object]:
    """This will give the report as plain values: fractions as decimals of six places."""
    return {
        "report": "ieee1366",
        "from": done.period.starts_on.isoformat(),
        "to": done.period.ends_on.isoformat(),
        "timezone": done.timezone,
        "customers_served": done.served,
        "t_med": asdict(done.threshold) if done.threshold else None,
        "major_event_days": [day.isoformat() for day in done.major_days],
        "planned_rows": done.planned_rows,
        "open_rows": done.open_rows,
        "lines": [_plain(line) for line in done.lines],
    }


def table(done: Report) -> str:
    """This will print the report for a terminal."""
    t_med = f"{done.threshold.t_med:.4f} min ({done.threshold.days} days)" if done.threshold else "not enough history"
    head = (
        f"IEEE 1366, {done.period.starts_on} to {done.period.ends_on} (end not included), "
        f"{done.served} customers served\nT_MED {t_med}; major event days: "
        f"{', '.join(day.isoformat() for day in done.major_days) or 'none'}; planned rows {done.planned_rows}\n"
    )
    rows: list[tuple[str, ...]] = [
        ("scope", "days", "rows", "SAIFI", "SAIDI", "CAIDI", "ASAI", "MAIFI_E", f"CEMI{CEMI_AT}", "CELID7h")
    ]
    for line in done.lines:
        figures = (line.saifi, line.saidi, line.caidi, line.asai, line.maifi_e, line.cemi, line.celid)
        rows.append((line.scope, line.days, str(line.rows), *(_show(value) for value in figures)))
    return head + columns(rows)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """This will set rows of text in columns, the first two to the left."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  ".join(_cell(n, cell, widths[n]) for n, cell in enumerate(row)).rstrip() for row in rows)


def write(done: Report, out_dir: pathlib.Path) -> None:
    """This will write ieee1366.csv (one row a line) and ieee1366.json (the same, with T_MED and the counts)."""
    out_dir.mkdir(parents=True, exist_ok=True)
    plain = [_plain(line) for line in done.lines]
    with (out_dir / "ieee1366.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(plain[0]))
        writer.writeheader()
        writer.writerows(plain)
    (out_dir / "ieee1366.json").write_text(json.dumps(as_json(done), indent=2) + "\n")


def _line(scope: str, days: str, cases: Sequence[_Case], served: int, hours: int) -> Line:
    sustained = [case for case in cases if case.sustained]
    counts = Counter(case.service_point_id for case in sustained)
    momentary = reliability.momentary_events((case.service_point_id, case.starts_at, case.ends_at) for case in cases)
    steps = [reliability.Step(case.minutes, 1) for case in sustained]
    found = reliability.indices(steps, served=served, hours=hours) if served and hours else None
    return Line(
        scope=scope,
        days=days,
        served=served,
        rows=len(sustained),
        outages=len({case.outage_id for case in sustained}),
        minutes=sum((case.minutes for case in sustained), Fraction(0)),
        saifi=found.saifi if found else None,
        saidi=found.saidi if found else None,
        caidi=found.caidi if found else None,
        asai=found.asai if found else None,
        caifi=reliability.caifi(len(sustained), len(counts)),
        ctaidi=reliability.ctaidi(sum((case.minutes for case in sustained), Fraction(0)), len(counts)),
        maifi_e=reliability.maifi_e(momentary, served=served) if served else None,
        cemi=reliability.cemi(counts, at_least=CEMI_AT, served=served) if served else None,
        celid=reliability.celid(
            ((case.service_point_id, case.minutes) for case in sustained),
            at_least=CELID_MINUTES,
            served=served,
        )
        if served
        else None,
        momentary_rows=len(cases) - len(sustained),
    )


def _cases(rows: Iterable[queries.Interruption], timezone: str, now: datetime) -> list[_Case]:
    return [
        _Case(
            row.outage_id,
            row.service_point_id,
            row.feeder_code,
            row.cause,
            periods.civil_day(row.started_at, timezone),
            row.started_at,
            max(row.restored_at or now, row.started_at),
        )
        for row in rows
    ]


def _daily(cases: Iterable[_Case], served: int) -> Mapping[date, Fraction]:
    minutes: dict[date, Fraction] = {}
    for case in cases:
        if case.sustained:
            minutes[case.day] = minutes.get(case.day, Fraction(0)) + case.minutes
    return {day: total / served for day, total in minutes.items()} if served else {}


def _major_days(cases: Iterable[_Case], served: int, threshold: reliability.Threshold | None) -> frozenset[date]:
    return frozenset(day for day, saidi in _daily(cases, served).items() if reliability.is_major(saidi, threshold))


def _threshold(session: Session, year: int, timezone: str, served: int) -> reliability.Threshold | None:
    """The threshold kept for the year, or else the one its five years before give."""
    kept = queries.find_threshold(session, year=year)
    if kept is not None:
        return kept
    starts_at, ends_at = (
        _start(date(year - THRESHOLD_YEARS, 1, 1), timezone),
        _start(date(year, 1, 1), timezone),
    )
    before = queries.list_interruptions(session, starts_at=starts_at, ends_at=ends_at)
    daily = _daily(_cases(before, timezone, ends_at), served)
    return reliability.major_event_threshold(list(daily.values()))


def _start(day: date, timezone: str) -> datetime:
    return periods.midnight(day, timezone)


def _plain(line: Line) -> dict[str, object]:
    return {
        name: round(float(value), 6) if isinstance(value, Fraction) else value for name, value in asdict(line).items()
    }


def _show(value: Fraction | None) -> str:
    return "-" if value is None else f"{float(value):.4f}"


def _cell(position: int, text: str, width: int) -> str:
    return text.ljust(width) if position < 2 else text.rjust(width)
