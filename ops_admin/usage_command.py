"""`wattline usage detect`: what is unusual in a file of reads. Needs neither database nor settings."""

import json
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import click

from core import errors, wording
from metering.alerts import command
from ops_admin.rate_command import known_zone, words

_CANNOT = 2
_CENT = Decimal("0.01")


@click.group()
def usage() -> None:
    """Look at use."""


@usage.command()
@click.option("--input", "path", required=True, type=click.Path(path_type=Path), help="timestamp_utc,kwh[,temp_c]")
@click.option("--timezone", default=None, help="IANA name of the zone of the place; guessed from its nights without.")
@click.option("--price", type=Decimal, default=None, help="Price of a kWh, so that messages name money.")
@click.option("--currency", default="USD", show_default=True)
@click.option("--country", default=None, help="Country (as US, GB) whose holidays are no ordinary days.")
@click.option("--locale", default="en", show_default=True, type=click.Choice(["en", "es"]), help="Of the messages.")
@click.option("--json", "as_json", is_flag=True, help="Print the alerts as JSON.")
def detect(
    path: Path,
    timezone: str | None,
    price: Decimal | None,
    currency: str,
    country: str | None,
    locale: str,
    as_json: bool,
) -> None:
    """Judge a file of reads: spikes, high days, new levels, leaks, and meters that are stuck or dead.

    An alert tells what was known at its end, and uses nothing after it.
    """
    try:
        if timezone is not None:
            known_zone(timezone)
        if price is not None and not price.is_finite():
            raise errors.Invalid("price", reason="the price must be a number", where="--price")
        found = command.run(path, timezone=timezone, holidays=None if country is None else _holidays(country))
    except errors.Invalid as exc:
        click.echo(f"cannot judge: {words(exc)}", err=True)
        raise SystemExit(_CANNOT) from None
    house = wording.House("", "", "", currency, timezone or "UTC", "")
    shown = [_shown(one, price, house, locale) for one in found]
    click.echo(json.dumps(shown, indent=2) if as_json else "\n".join(row["message"] for row in shown) or "-")


def _shown(one: command.Told, price: Decimal | None, house: wording.House, locale: str) -> dict[str, Any]:
    cost = None if price is None else (one.excess_kwh * price).quantize(_CENT, ROUND_HALF_UP)
    data = {
        "start": one.start,
        "end": one.end,
        "excess_kwh": one.excess_kwh,
        "cost": cost if cost is not None and cost > 0 else None,
    }
    message = wording.label(f"usage.told.{one.kind}", data, locale=locale, house=house)
    out: dict[str, Any] = {
        "kind": one.kind,
        "start": _iso(one.start),
        "end": _iso(one.end),
        "excess_kwh": float(one.excess_kwh),
        "message": message,
    }
    return out if cost is None else {**out, "cost": str(cost)}


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _holidays(country: str) -> Any:
    import holidays

    try:
        holidays.country_holidays(country.upper())
    except (NotImplementedError, KeyError):
        raise errors.Invalid(
            "country", reason=f"{country!r} is not a country with known holidays", where="--country"
        ) from None
    return lambda years: frozenset(day.isoformat() for day in holidays.country_holidays(country.upper(), years=years))
