"""`wattline tariff`: a document tried before it is published, published, and a tariff written as URDB.

Only publishing needs a database.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from billing import tariff_command
from core import errors
from ops_admin import rate_command, shell

_CANNOT = 2


@click.group("tariff")
def tariff() -> None:
    """Tariff documents."""


@tariff.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--usage", default=None, type=click.Path(path_type=Path), help="CSV: start,kwh[,export_kwh].")
@click.option("--from", "starts_on", default=None, type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--to", "ends_on", default=None, type=click.DateTime(["%Y-%m-%d"]), help="First day no longer in.")
@click.option("--timezone", default="Etc/UTC", show_default=True, help="IANA name of the zone whose days are billed.")
@click.option("--city", default="", help="Where the customer lives: some taxes are a city's; without it, of none.")
def check(
    file: Path, usage: Path | None, starts_on: datetime | None, ends_on: datetime | None, timezone: str, city: str
) -> None:
    """Print what a document would charge and who may have it, or why it cannot be priced or sold."""
    today = datetime.now(UTC).date()
    try:
        rate_command.known_zone(timezone)
        document = tariff_command.read(file, today)
        plan, whom = tariff_command.plan_of(document, today), tariff_command.for_whom(document, today)
        plan = tariff_command.taxed(plan, document, today, city)
        if usage is None:
            out: object = tariff_command.trial(plan, today, timezone)
        elif starts_on is None or ends_on is None:
            raise click.UsageError("--usage wants --from and --to")
        else:
            out = tariff_command.priced(plan, usage, starts_on.date(), ends_on.date(), timezone)
    except errors.Invalid as exc:
        said = "cannot price" if exc.code == "tariff.unpriceable" else "cannot sell"
        click.echo(f"{said}: {rate_command.words(exc)}", err=True)
        raise SystemExit(_CANNOT) from None
    for line in whom:
        click.echo(f"for whom: {line}", err=True)
    for note in plan.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(json.dumps(out, indent=2))


@tariff.command("publish")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from", "starts_on", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First day of its prices.")
@shell.by("Who publishes it.")
@click.pass_context
def publish(context: click.Context, file: Path, starts_on: datetime, actor: str) -> None:
    """Publish a document: a new tariff, or new prices of one from a day on. The same document again changes nothing.

    Prices of days that are over are not changed: what was billed by them stays right.
    """
    from billing import operations as billing
    from core import audit, periods

    hub: Any = context.obj()
    today, day = periods.civil_day(hub.now(), hub.settings.utility_timezone), starts_on.date()
    if day < today:
        raise click.UsageError(f"prices begin today ({today}) or later")
    try:
        document = tariff_command.read(file, today)
        tariff_command.plan_of(document, today)
        with hub.transaction() as session:
            tariff_id = billing.publish(session, document=document, starts_on=day, now=hub.now())
            audit.record(
                session, actor=actor, action="tariff.published", subject="tariff", subject_id=tariff_id,
                now=hub.now(), detail={"code": document["label"], "starts_on": day.isoformat()},
            )  # fmt: skip
    except errors.WattlineError as refused:
        said = rate_command.words(refused) if isinstance(refused, errors.Invalid) else refused.code
        raise click.ClickException(f"not published: {said}") from refused
    click.echo(f"{document['label']} is published, its prices from {day} on")


@tariff.command("export")
@click.argument("code")
def export(code: str) -> None:
    """Print one of the utility's own tariffs as a URDB document."""
    try:
        document = tariff_command.published(code, datetime.now(UTC).date())
    except errors.NotFound:
        click.echo(f"there is no tariff {code}", err=True)
        raise SystemExit(_CANNOT) from None
    click.echo(json.dumps(document, indent=2))
