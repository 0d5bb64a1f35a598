"""`wattline index`: prices by the hour, taken in from files, and what is there of them."""

import json
from pathlib import Path
from typing import Any

import click

from ops_admin import refusals, shell

_SHOWN = 20


@click.group("index")
def index() -> None:
    """Prices by the hour, by which some plans go."""


@index.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--code", required=True, help="The series, as tariffs name it: DAY_AHEAD.")
@click.option("--unit", required=True, type=click.Choice(["kWh", "MWh"]), help="What the prices are per.")
@click.option("--currency", help="What they must be in; else the utility's.")
@click.option("--timezone", help="Whose days they are of; else the utility's.")
@shell.by("Who takes them in.")
@click.option("--sure", is_flag=True, help="The unit has been looked at, though the prices are unusual for it.")
@click.option("--dry-run", is_flag=True, help="Only say what would come of it.")
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON.")
@click.pass_context
@refusals.told(refusals.sentence)
def import_(
    context: click.Context, file: Path, code: str, unit: Any, currency: str | None, timezone: str | None, actor: str,
    sure: bool, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Take in a CSV of timestamp_utc,price[,currency]; whole, or with every line that is wrong, not at all.

    The same file again changes nothing. Ends with 1 when the file is refused.
    """
    from billing import index_file, index_loading
    from core import periods

    hub: Any = context.obj()
    context.obj = lambda: hub
    try:
        periods.zone(timezone or hub.settings.utility_timezone)
    except (KeyError, ValueError) as exc:
        raise click.BadParameter("there is no such time zone", param_hint="--timezone") from exc
    parsed = index_file.parse(
        file.read_bytes(), unit=unit, currency=(currency or hub.settings.currency).upper(),
        timezone=timezone or hub.settings.utility_timezone, sure=sure,
    )  # fmt: skip
    told: dict[str, Any] = {
        "file": str(file), "code": code, "lines": parsed.lines, "refused": parsed.counts(), "rounded": parsed.rounded,
        "dry_run": dry_run, "problems": [{"line": p.line, "code": p.code, "reason": p.reason} for p in parsed.problems],
    }  # fmt: skip
    if not parsed.problems:
        with hub.transaction() as session:
            done = index_loading.load(
                session, code=code, parsed=parsed, source=file.name, by=actor, now=hub.now(),
                dry_run=dry_run,
            )  # fmt: skip
        told |= done.as_json()
    click.echo(json.dumps(told, indent=2) if as_json else _in_words(told))
    if parsed.problems:
        context.exit(1)


@index.command("list")
@click.pass_context
def list_(context: click.Context) -> None:
    """List the series there are, with their first and last day."""
    from billing import index_loading

    hub: Any = context.obj()
    with hub.transaction() as session:
        found = index_loading.list_series(session)
    for each in found:
        click.echo(
            f"{each.code:<20} {each.currency} {each.timezone:<20} {each.first_day} to {each.last_day},"
            f" {each.days} days, {each.corrected} of them corrected"
        )
    click.echo(f"{len(found)} series")


def _in_words(told: dict[str, Any]) -> str:
    if told["problems"]:
        lines = [f"line {p['line']}: {p['reason']}" for p in told["problems"][:_SHOWN]]
        if len(told["problems"]) > _SHOWN:
            lines.append(f"and {len(told['problems']) - _SHOWN} more like these")
        counted = ", ".join(f"{count} {code}" for code, count in told["refused"].items())
        return "\n".join([*lines, f"refused, nothing was taken in: {counted}"])
    words = "would be " if told["dry_run"] else ""
    return (
        f"{told['code']} {told['first_day']} to {told['last_day']}: {told['new']} days {words}new,"
        f" {told['corrected']} {words}corrected, {told['unchanged']} as they were;"
        f" {told['bills']} bills to be looked at again"
    )
