"""`wattline compliance`: the reports a regulator asks for."""

import json
import pathlib
from datetime import date
from typing import Any

import click

from core import periods
from core.periods import Days


@click.group()
def compliance() -> None:
    """Rules, deadlines and the reports a regulator asks for."""


@compliance.command()
@click.argument("name", type=click.Choice(["ieee1366", "eia861"]))
@click.option("--year", type=click.IntRange(2000, 2100), help="The calendar year; the one before this when left out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--out", type=click.Path(file_okay=False, path_type=pathlib.Path), help="Also write the files here.")
@click.pass_context
def report(context: click.Context, name: str, year: int | None, as_json: bool, out: pathlib.Path | None) -> None:
    """Print a report of a year: ieee1366 (reliability) or eia861 (the yearly schedules)."""
    from ops_admin.reports import eia861, ieee1366

    hub: Any = context.obj()
    now, zone = hub.now(), hub.settings.utility_timezone
    year = year or periods.civil_day(now, zone).year - 1
    with hub.transaction() as session:
        if name == "ieee1366":
            period = Days(date(year, 1, 1), date(year + 1, 1, 1))
            reliability = ieee1366.report(session, period=period, timezone=zone, now=now, out_dir=out)
            plain, text = ieee1366.as_json(reliability), ieee1366.table(reliability)
        else:
            yearly = eia861.report(
                session,
                year=year,
                utility=hub.settings.utility_name,
                jurisdiction=hub.settings.jurisdiction,
                timezone=zone,
                now=now,
                out_dir=out,
            )
            plain, text = eia861.as_json(yearly), eia861.table(yearly)
    click.echo(json.dumps(plain, indent=2, default=str) if as_json else text)


@compliance.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def deadlines(context: click.Context, as_json: bool) -> None:
    """List the clocks that run, soonest first."""
    from core.compliance import queries

    hub: Any = context.obj()
    with hub.transaction() as session:
        found = queries.list_deadlines(session)
    if as_json:
        click.echo(json.dumps([vars(deadline) for deadline in found], indent=2, default=str))
        return
    for deadline in found:
        click.echo(f"{deadline.due_at:%Y-%m-%d %H:%M}Z  {deadline.kind}  {deadline.subject} {deadline.subject_id}")
