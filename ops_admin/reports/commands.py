"""`wattline compliance`: the reports a regulator asks for."""

import dataclasses
import json
import pathlib
from datetime import date, datetime
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


@compliance.command("rules")
@click.argument("jurisdiction", required=False)
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="In force on that day; today when left out.")
@click.option("--json", "as_json", is_flag=True)
def list_rules(jurisdiction: str | None, on: datetime | None, as_json: bool) -> None:
    """List the rules in force in a jurisdiction, where each is written, and what of it nobody asks."""
    from core.compliance import rules
    from ops_admin import config

    settings = config.load()
    place = (jurisdiction or settings.jurisdiction).upper()
    day = on.date() if on else periods.civil_day(config.now(), settings.utility_timezone)
    found = rules.in_force(place, day)
    if as_json:
        click.echo(json.dumps([rule.model_dump() for rule in found], indent=2, default=str))
        return
    for rule in found:
        click.echo(f"{rule.id:<28} {rule.citation}{'' if rule.verified else '  (not verified)'}")
        for name, value in rule.values.items():
            click.echo(f"    {name} = {value}{'  (nobody asks it)' if name in rule.unasked else ''}")
        if rule.note:
            click.echo(f"    {rule.note}")


@compliance.command("may-disconnect")
@click.argument("account")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def may_disconnect(context: click.Context, account: str, as_json: bool) -> None:
    """Say whether an account (its ten-digit number) may be disconnected now, by which rules, on which facts."""
    from billing import queries as billing
    from core.accounts import queries as accounts

    hub: Any = context.obj()
    with hub.transaction() as session:
        found = accounts.find_account_by_number(session, number=account)
        if found is None:
            raise click.ClickException("there is no such account")
        verdict = billing.may_disconnect(session, account_id=found.id, now=hub.now())
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(verdict), indent=2, default=str))
        return
    click.echo(f"{account} on {verdict.on:%A %Y-%m-%d}: {'MAY be disconnected' if verdict.allowed else 'may NOT'}")
    click.echo(f"  past due {verdict.overdue}, for {verdict.days_overdue} days")
    for block in verdict.blocks:
        read = "" if block.verified else "  (citation not verified)"
        click.echo(f"  against it: {block.name:<24} {block.rule:<28} {block.citation}{read}")
    for notice in verdict.notices:
        proven = f"proven {notice.proven_at:%Y-%m-%d %H:%M}Z ({notice.proof})" if notice.proven_at else "not proven"
        click.echo(f"  {notice.taken_at:%Y-%m-%d} {notice.step:<18} {notice.status:<8} {proven}")
    for name, value in verdict.facts.items():
        click.echo(f"  fact: {name} = {value}")


@compliance.command()
@click.argument("county")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--high", type=int, help="The day's own high, in Fahrenheit, once it is over.")
@click.option("--low", type=int, help="Its low: with both, its degree days are known.")
@click.option("--forecast", type=int, help="The high that is forecast for the 24 hours to come.")
@click.option("--heat-advisory/--no-heat-advisory", default=None)
@click.option("--source", required=True, help="Who says so.")
@click.pass_context
def weather(
    context: click.Context,
    county: str,
    day: datetime,
    high: int | None,
    low: int | None,
    forecast: int | None,
    heat_advisory: bool | None,
    source: str,
) -> None:
    """Keep what a weather service says of a county, for the rules that ask."""
    from core.compliance import operations

    hub: Any = context.obj()
    with hub.transaction() as session:
        operations.record_weather(
            session, county=county, day=day.date(), high_f=high, low_f=low, forecast_high_f=forecast,
            heat_advisory=heat_advisory, source=source, now=hub.now(),
        )  # fmt: skip
    click.echo("kept")
