"""`wattline rate`: what a file of reads costs under a URDB tariff. Needs neither database nor settings."""

import json
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import click

from billing import rate_command, urdb
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
    default=None,
    type=click.Choice(["total_prorata", "per_period", "chronological"]),
    help="How steps and time-of-use periods meet, which URDB does not say; without it, as SAM has it.",
)
@click.option(
    "--export",
    default=None,
    type=click.Choice(["net_metering", "net_metering_credit", "net_billing", "net_billing_credit", "buy_all_sell_all"]),
    help="What becomes of energy sent out, where the tariff does not say.",
)
@click.option("--power-factor", default=None, type=float, help="To price demand in kVA.")
@click.option("--demand-before", default=None, type=float, help="kW of each month before the reads, for a ratchet.")
@click.option("--as-sam", is_flag=True, help="Read all that NREL's SAM reads in its own way as it does.")
@click.option("--json", "as_json", is_flag=True, help="Print the bill as JSON.")
def rate(
    tariff: Path,
    usage: Path,
    starts_on: datetime,
    ends_on: datetime,
    timezone: str,
    label: str | None,
    tier_scope: str | None,
    export: str | None,
    power_factor: float | None,
    demand_before: float | None,
    as_sam: bool,
    as_json: bool,
) -> None:
    """Price the reads of a file under a URDB tariff."""
    try:
        known_zone(timezone)
        reading = urdb.SAM if as_sam else urdb.Reading()
        given = {"tier_scope": tier_scope and tier_scope.upper(), "export": export and export.upper()}
        reading = replace(reading, **{key: value for key, value in given.items() if value})  # type: ignore[arg-type]
        if power_factor is not None:
            reading = replace(reading, power_factor=_factor(power_factor))
        bill = rate_command.run(
            tariff,
            usage,
            _day(starts_on),
            _day(ends_on),
            timezone,
            label=label,
            reading=reading,
            before_kw=None if demand_before is None else Decimal(str(demand_before)),
        )
    except errors.Invalid as exc:
        click.echo(f"cannot price: {words(exc)}", err=True)
        raise SystemExit(_CANNOT) from None
    for note in bill.pop("notes"):
        click.echo(f"note: {note}", err=True)
    if bill["left_out"]:
        click.echo(
            f"note: not priced here, as it is no URDB: {', '.join(bill['left_out'])} of `wattline`;"
            " `wattline tariff check FILE --usage …` prices it",
            err=True,
        )
    click.echo(json.dumps(bill, indent=2) if as_json else _table(bill))


def _factor(value: float) -> Decimal:
    if not 0 < value <= 1:
        raise errors.Invalid(
            "tariff.unpriceable", reason="a power factor lies above 0 and up to 1", where="--power-factor"
        )
    return Decimal(str(value))


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
