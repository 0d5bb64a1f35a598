"""The yearly EIA-861 schedules, as far as the hub's rows can fill them: one CSV a schedule, and a trail of counts.

Whole numbers, as the form asks; a figure no row can give is left empty and the trail says so. Nothing is made up.
"""

import csv
import json
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from sqlalchemy.orm import Session

from billing import queries as billing
from core import periods
from core.periods import Days
from core.programs import queries as programs
from metering import queries as metering
from ops_admin.reports import ieee1366

CLASSES = {"RESIDENTIAL": "residential", "BUSINESS": "commercial"}
TECHNOLOGIES = ("photovoltaic", "wind", "other")
_NOT_KEPT = "the hub keeps no such rows"

Cell = str | int | None


@dataclass(frozen=True)
class Schedule:
    """One part of the form: a row a dict, all with the same columns."""

    name: str
    rows: tuple[Mapping[str, Cell], ...]


@dataclass(frozen=True)
class Trail:
    """Where a figure comes from and how many rows it counts; `note` says why there is none."""

    schedule: str
    figure: str
    source: str
    rows: int
    note: str = ""


@dataclass(frozen=True)
class Report:
    year: int
    utility: str
    state: str
    made_at: datetime
    schedules: tuple[Schedule, ...]
    trail: tuple[Trail, ...]

    def schedule(self, name: str) -> Schedule:
        """This will give the schedule of a name; KeyError when the report has none."""
        return {schedule.name: schedule for schedule in self.schedules}[name]


def report(
    session: Session,
    *,
    year: int,
    utility: str,
    jurisdiction: str,
    timezone: str,
    now: datetime,
    out_dir: pathlib.Path | None = None,
) -> Report:
    """This will fill the schedules of a year; with `out_dir`, also write a CSV each and eia861_trail.json."""
    trail: list[Trail] = []
    head: dict[str, Cell] = {
        "utility_name": utility,
        "state": jurisdiction.partition("-")[2],
        "report_year": year,
    }
    schedules = (
        _sales(session, year, head, trail),
        _reliability(session, year, timezone, now, head, trail),
        _meters(session, now, head, trail),
        *_savings(session, year, timezone, head, trail),
        _net_metering(head, trail),
    )
    done = Report(year, utility, str(head["state"]), now, schedules, tuple(trail))
    if out_dir is not None:
        write(done, out_dir)
    return done


def as_json(done: Report) -> dict[str, object]:
    """This will give the report and its trail as plain values."""
    return {
        "report": "eia861",
        "year": done.year,
        "utility": done.utility,
        "state": done.state,
        "made_at": done.made_at.isoformat(),
        "schedules": {schedule.name: [dict(row) for row in schedule.rows] for schedule in done.schedules},
        "trail": [vars(entry) for entry in done.trail],
    }


def table(done: Report) -> str:
    """This will print the report for a terminal, the trail at its end."""
    parts = [f"EIA-861 {done.year}, {done.utility} ({done.state})"]
    for schedule in done.schedules:
        names = [name for name in schedule.rows[0] if name not in ("utility_name", "state", "report_year")]
        cells = [["" if row[name] is None else str(row[name]) for name in names] for row in schedule.rows]
        parts.append(f"\n{schedule.name}\n" + ieee1366.columns([names, *cells]))
    trail = [[t.schedule, t.figure, t.source, str(t.rows), t.note] for t in done.trail]
    parts.append("\ntrail\n" + ieee1366.columns([["schedule", "figure", "source", "rows", "note"], *trail]))
    return "\n".join(parts)


def write(done: Report, out_dir: pathlib.Path) -> None:
    """This will write eia861_<schedule>.csv for every schedule, and eia861_trail.json."""
    out_dir.mkdir(parents=True, exist_ok=True)
    for schedule in done.schedules:
        with (out_dir / f"eia861_{schedule.name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(schedule.rows[0]))
            writer.writeheader()
            writer.writerows(schedule.rows)
    (out_dir / "eia861_trail.json").write_text(json.dumps(as_json(done), indent=2, default=str) + "\n")


def _sales(session: Session, year: int, head: Mapping[str, Cell], trail: list[Trail]) -> Schedule:
    found = {row.customer_kind: row for row in billing.sales_by_class(session, year=year)}
    rows: list[Mapping[str, Cell]] = []
    for kind, name in CLASSES.items():
        sold = found.get(kind)
        rows.append(
            {
                **head,
                "customer_class": name,
                "business_model": "retail",
                "service_type": "bundled",
                "customers": sold.customers if sold else 0,
                "sales_mwh": _whole(sold.kwh / 1000) if sold else 0,
                "sales_revenue_thousand_usd": _whole(sold.revenue / 1000) if sold else 0,
            }
        )
        counted = sold.customers if sold else 0
        trail.append(Trail("sales_ultimate_customers", name, "accounts with an issued bill of the year", counted))
    return Schedule("sales_ultimate_customers", tuple(rows))


def _reliability(
    session: Session, year: int, timezone: str, now: datetime, head: Mapping[str, Cell], trail: list[Trail]
) -> Schedule:
    period = Days(date(year, 1, 1), date(year + 1, 1, 1))
    done = ieee1366.report(session, period=period, timezone=timezone, now=now)
    rows: list[Mapping[str, Cell]] = []
    for line in done.lines:
        if line.scope != "ALL" or line.days == "MED":
            continue
        rows.append(
            {
                **head,
                "standard": "ieee_standard",
                "major_event_days": line.days.lower(),
                "customers": line.served,
                "saidi_minutes": _figure(line.saidi),
                "saifi": _figure(line.saifi),
                "caidi_minutes": _figure(line.caidi),
                "momentary_definition": "5 minutes or fewer",
                "inactive_accounts_included": "N",
                "outages_recorded_automatically": "Y",
            }
        )
        trail.append(Trail("reliability", line.days.lower(), "service points in sustained outages", line.rows))
    return Schedule("reliability", tuple(rows))


def _meters(session: Session, now: datetime, head: Mapping[str, Cell], trail: list[Trail]) -> Schedule:
    counts = metering.meter_counts(session, now=now)
    trail.append(
        Trail("advanced_metering", "advanced_metering_infrastructure", "meters with intervals", counts.interval)
    )
    trail.append(Trail("advanced_metering", "non_amr_ami", "meters with a register only", counts.register))
    trail.append(Trail("advanced_metering", "automated_meter_reading", "", 0, "no such meters are modelled"))
    trail.append(Trail("advanced_metering", "energy_served_ami_mwh", "", 0, "not added up by meter kind"))
    trail.append(Trail("advanced_metering", "home_area_network", "", 0, _NOT_KEPT))
    row: dict[str, Cell] = {
        **head,
        "customer_class": "total",
        "automated_meter_reading": 0,
        "advanced_metering_infrastructure": counts.interval,
        "non_amr_ami": counts.register,
        "total_meters": counts.interval + counts.register,
        "energy_served_ami_mwh": None,
        "home_area_network": 0,
        "daily_digital_access_customers": counts.interval,
    }
    return Schedule("advanced_metering", (row,))


def _savings(
    session: Session, year: int, timezone: str, head: Mapping[str, Cell], trail: list[Trail]
) -> tuple[Schedule, Schedule, Schedule]:
    found = programs.results(
        session,
        starts_at=periods.midnight(date(year, 1, 1), timezone),
        ends_at=periods.midnight(date(year + 1, 1, 1), timezone),
    )
    return (
        _efficiency([r for r in found if r.program.kind == "EFFICIENCY"], head, trail),
        _demand_response([r for r in found if r.program.kind == "DEMAND_RESPONSE"], head, trail),
        _dynamic_pricing([r for r in found if r.program.kind == "DYNAMIC_PRICING"], head, trail),
    )


def _efficiency(found: Sequence[programs.Result], head: Mapping[str, Cell], trail: list[Trail]) -> Schedule:
    rows: list[Mapping[str, Cell]] = []
    for kind, name in CLASSES.items():
        of = [r for r in found if _class_of(r.program) == kind]
        saved = sum((r.saved_kwh for r in of), Decimal(0))
        life = sum((r.saved_kwh * r.life_years for r in of), Decimal(0))
        rows.append(
            {
                **head,
                "customer_class": name,
                "incremental_energy_savings_mwh": _whole(saved / 1000),
                "incremental_peak_savings_mw": _decimal(sum((r.saved_kw for r in of), Decimal(0)) / 1000),
                "life_cycle_energy_savings_mwh": _whole(life / 1000),
                "incentive_cost_thousand_usd": _decimal(sum((r.rebates_paid for r in of), Decimal(0)) / 1000),
                "other_cost_thousand_usd": None,
                "weighted_average_life_years": _decimal(life / saved) if saved else None,
            }
        )
        counted = sum(r.rebates or r.joined for r in of)
        trail.append(Trail("energy_efficiency", name, "rebates paid, or enrolments where none is", counted))
    trail.append(Trail("energy_efficiency", "other_cost_thousand_usd", "", 0, _NOT_KEPT))
    return Schedule("energy_efficiency", tuple(rows))


def _demand_response(found: Sequence[programs.Result], head: Mapping[str, Cell], trail: list[Trail]) -> Schedule:
    rows: list[Mapping[str, Cell]] = []
    for kind, name in CLASSES.items():
        of = [r for r in found if _class_of(r.program) == kind]
        rows.append(
            {
                **head,
                "customer_class": name,
                "customers": sum(r.active for r in of),
                "energy_savings_mwh": _decimal(sum((r.event_kwh for r in of), Decimal(0)) / 1000),
                "potential_peak_demand_savings_mw": _decimal(sum((r.potential_kw for r in of), Decimal(0)) / 1000),
                "actual_peak_demand_savings_mw": _decimal(sum((r.saved_kw for r in of), Decimal(0)) / 1000),
                "customer_incentives_thousand_usd": _decimal(sum((r.rebates_paid for r in of), Decimal(0)) / 1000),
                "other_cost_thousand_usd": None,
                "water_heaters": 0,
            }
        )
        trail.append(Trail("demand_response", name, "enrolments active in the year", sum(r.active for r in of)))
    trail.append(Trail("demand_response", "other_cost_thousand_usd", "", 0, _NOT_KEPT))
    return Schedule("demand_response", tuple(rows))


def _dynamic_pricing(found: Sequence[programs.Result], head: Mapping[str, Cell], trail: list[Trail]) -> Schedule:
    rows: list[Mapping[str, Cell]] = []
    for kind, name in CLASSES.items():
        active = sum(r.active for r in found if _class_of(r.program) == kind)
        flags = {"time_of_use": "Y" if active else "N", "real_time": "N", "critical_peak": "N"}
        rows.append({**head, "customer_class": name, "customers": active, **flags})
        trail.append(Trail("dynamic_pricing", name, "enrolments active in the year", active))
    return Schedule("dynamic_pricing", tuple(rows))


def _net_metering(head: Mapping[str, Cell], trail: list[Trail]) -> Schedule:
    """No meter of the hub's is a net meter: the schedule is filed with zeros, and the trail says why."""
    trail.append(Trail("net_metering", "all", "", 0, _NOT_KEPT))
    zero = {"customers": 0, "capacity_mw": 0, "storage_mwh": 0, "sold_to_utility_mwh": 0}
    return Schedule(
        "net_metering",
        tuple(
            {**head, "technology": technology, "customer_class": name, **zero}
            for technology in TECHNOLOGIES
            for name in CLASSES.values()
        ),
    )


def _class_of(program: programs.Program) -> str:
    """A program for both kinds of customers is reported with the first it names."""
    return program.customer_kinds[0]


def _whole(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _decimal(value: Decimal) -> str:
    return str(value.quantize(Decimal("0.001"), rounding=ROUND_HALF_UP))


def _figure(value: Fraction | None) -> str | None:
    return None if value is None else f"{float(value):.3f}"
