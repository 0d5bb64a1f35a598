"""`wattline reads`: what wants a look, how one interval came to be what it is, and the clock's two jobs by hand."""

from datetime import datetime
from typing import Any

import click

from ops_admin import refusals


@click.group()
def reads() -> None:
    """Reads that want a look. They are decided in the console."""


@reads.command("exceptions")
@click.option("--code", help="One kind of finding, such as SPIKE.")
@click.option("--severity", type=click.Choice(["E", "W", "I"]), help="E cannot be, W wants a look, I noted.")
@click.option("--meter", "meter_number", help="The number of a meter.")
@click.option("--decided", is_flag=True, help="Those that have been decided or have gone.")
@click.pass_context
def exceptions(
    context: click.Context, code: str | None, severity: str | None, meter_number: str | None, decided: bool
) -> None:
    """List findings, newest first, after how many wait of each kind."""
    from metering import worklist
    from metering.validation import sentences

    hub: Any = context.obj()
    filters = worklist.Filters(code=code, severity=severity, meter_number=meter_number, resolved=decided)
    with hub.transaction() as session:
        counts = worklist.count_open(session)
        found = worklist.list_exceptions(session, filters=filters)
    for (rank, kind), count in counts.items():
        click.echo(f"{count:>8} {rank} {kind}")
    for e in found:
        at = f"{e.starts_at:%Y-%m-%d %H:%M}Z" if e.starts_at else "-"
        click.echo(f"#{e.id} {e.severity} {e.code} meter {e.meter_number or '-'} {at} {sentences.measured(e.data)}")


@reads.command("history")
@click.argument("meter_number")
@click.argument("starts_at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]))
@click.pass_context
@refusals.told(refusals.code)
def history(context: click.Context, meter_number: str, starts_at: datetime) -> None:
    """Tell how one interval came to be what it is: each value that stood, what came, why, and by whom."""
    from core import errors
    from metering import queries, worklist

    hub: Any = context.obj()
    with hub.transaction() as session:
        meter = queries.find_meter_by_number(session, number=meter_number)
        if meter is None:
            raise errors.NotFound("meter.unknown", number=meter_number)
        for m in worklist.interval_history(session, meter_id=meter.id, starts_at=starts_at):
            stands, came = ("-" if wh is None else f"{wh} Wh" for wh in (m.wh, m.raw))
            click.echo(
                f"v{m.version} {m.recorded_at:%Y-%m-%d %H:%M:%S}Z {stands} {m.quality}; came {came};"
                f" cause {m.cause}, method {m.method}; by {m.by or 'the reads'}"
            )


@reads.command("judge")
@click.pass_context
def judge(context: click.Context) -> None:
    """Judge what has not been judged, as the clock does each minute."""
    from metering import judgements

    click.echo(f"{judgements.judge_days(context.obj())} days judged")


@reads.command("estimate")
@click.pass_context
def estimate(context: click.Context) -> None:
    """Estimate gaps that have been open too long, as the clock does every six hours."""
    from metering import estimating

    click.echo(f"{estimating.fill_due(context.obj())} intervals estimated")
