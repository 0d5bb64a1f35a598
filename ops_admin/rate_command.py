"""`wattline rate`: what a file of reads costs under a URDB tariff. Needs neither database nor settings."""

import json
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import click

from billing import rate_command
from core import errors, periods

_CANNOT = 2


@click.command("rate")
@click.option("--tariff", required=True, type=click.Path(path_type=Path), help="URDB rate, JSON.")
@click.option("--usage", required=True, type=click.Path(path_type=Path), help="CSV: start,kwh[,export_kwh].")
@click.option("--from", "starts_on", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--to", "ends_on", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First day no longer in.")
@click.option("--timezone", required=True, help="IANA name of the zone whose days are billed.")
@click.option("--label", default=None, help="Which rate, where the file holds several.")
@click.option(
    "--tier-scope",
    default="total_prorata",
    type=click.Choice(["total_prorata", "per_period", "chronological"]),
    show_default=True,
    help="How steps and time-of-use periods meet; URDB does not say.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the bill as JSON.")
def rate(
    tariff: Path,
    usage: Path,
    starts_on: datetime,
    ends_on: datetime,
    timezone: str,
    label: str | None,
    tier_scope: str,
    as_json: bool,
) -> None:
    """Price the reads of a file under a URDB tariff."""
    try:
        known_zone(timezone)
        bill = rate_command.run(
            tariff,
            usage,
            _day(starts_on),
            _day(ends_on),
            timezone,
            label=label,
            tier_scope=tier_scope.upper(),
        )
    except errors.Invalid as exc:
        click.echo(f"cannot price: {words(exc)}", err=True)
        raise SystemExit(_CANNOT) from None
    for note in bill.pop("notes"):
        click.echo(f"note: {note}", err=True)
    click.echo(json.dumps(bill, indent=2) if as_json else _table(bill))


def words(exc: errors.Invalid) -> str:
    """This will say a refusal with its place."""
    where = exc.data.get("where") or (f"line {exc.data['line']}" if "line" in exc.data else "")
    return f"{exc.data.get('reason', exc.code)}" + (f" (at {where})" if where else "")


def _table(bill: dict[str, object]) -> str:
    lines: list[dict[str, str]] = bill["lines"]  # type: ignore[assignment]
    rows = [
        f"{row['description']:<44} {row['quantity']:>16} {row['unit']:<6} {row['unit_price']:>12} {row['amount']:>12}"
        for row in lines
    ]
    return "\n".join([*rows, f"{'Total':<44} {bill['kwh']:>16} kWh    {bill['currency']:>12} {bill['total']:>12}"])


def known_zone(name: str) -> None:
    """This will refuse a zone that is not known."""
    try:
        periods.zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise errors.Invalid(
            "timezone.unknown", reason=f"{name!r} is not a known time zone", where="--timezone"
        ) from None


def _day(moment: datetime) -> date:
    return moment.date()
