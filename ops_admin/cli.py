"""The command `wattline`.

Commands import what they need when they run, so that `wattline rate` and each program of the demonstration start
in an instant.
"""

import importlib
import os
import pathlib
import shutil
import signal
import sys
from typing import Any

import click

_ELSEWHERE = {
    "arrears": "ops_admin.arrears_commands:arrears",
    "bills": "ops_admin.arrears_commands:bills",
    "cash": "ops_admin.cash_commands:cash",
    "compliance": "ops_admin.reports.commands:compliance",
    "index": "ops_admin.index_command:index",
    "ledger": "ops_admin.ledger_command:ledger",
    "meter": "ops_admin.meter_command:meter",
    "rate": "ops_admin.rate_command:rate",
    "reads": "ops_admin.reads_command:reads",
    "tariff": "ops_admin.tariff_command:tariff",
    "usage": "ops_admin.usage_command:usage",
}


class _Commands(click.Group):
    """The commands below, and by name those that have a module of their own, read when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module, _, name = _ELSEWHERE.get(cmd_name, "").partition(":")
        if not module:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """Wattline, the open customer-service hub for energy companies."""
    context.obj = _hub


def _settings() -> Any:
    """What the environment says; where it names no database, what a demonstration that runs here was given."""
    from ops_admin import config
    from ops_admin.stack import home as homes

    settings = config.load()
    if settings.database_url:
        return settings
    found = homes.Home(homes.default_path()).environment()
    if not found:
        raise click.ClickException("DATABASE_URL is not set, and no demonstration runs here (`make demo`)")
    os.environ.update(found)
    return config.load()


def _hub() -> Any:
    from core import log
    from ops_admin import wiring

    settings = _settings()
    log.set_up(settings.log_level)
    return wiring.build(settings)


@main.command()
@click.option("--home", type=click.Path(path_type=pathlib.Path), help="Where data, secrets and logs lie.")
def demo(home: pathlib.Path | None) -> None:
    """Run the whole hub on this machine with a believable utility and vendor twins. Ctrl-C stops it."""
    from core import log
    from ops_admin.stack import demo as demos
    from ops_admin.stack import home as homes

    log.set_up("WARNING")
    click.echo("Wattline: bringing up Brightwater Power\n")
    try:
        stack = demos.Stack(homes.Home(home or homes.default_path()), demos.Progress())
    except RuntimeError as exc:
        raise click.ClickException(str(exc)) from exc

    def stop(signum: int, frame: object) -> None:
        stack.supervisor.stopping = True

    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(how, stop)
    try:
        stack.start()
        if not stack.supervisor.stopping:
            click.echo(demos.welcome(stack.addresses))
        stack.run()
    except RuntimeError as exc:
        if not stack.supervisor.stopping:
            click.echo(f"\n{exc}", err=True)
            sys.exit(1)
    finally:
        click.echo("\nStopping …")
        stack.stop()
        click.echo("Stopped. The data stays; `wattline reset` starts anew.")


@main.command()
@click.option("--home", type=click.Path(path_type=pathlib.Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(home: pathlib.Path | None, yes: bool) -> None:
    """Forget the demonstration's data and secrets, and start anew next time."""
    from ops_admin.stack import home as homes

    place = homes.Home(home or homes.default_path())
    if place.running():
        raise click.ClickException("the demonstration is running: stop it first")
    if not yes:
        click.confirm(f"Delete everything in {place.path}?", abort=True)
    for name in ("postgres", "valkey"):
        shutil.rmtree(place.servers / name, ignore_errors=True)
    for name in ("sandbox", "logs"):
        shutil.rmtree(place.path / name, ignore_errors=True)
    (place.path / "state.json").unlink(missing_ok=True)
    click.echo("Gone. `make demo` starts anew.")


@main.command()
@click.option("--port", default=8080, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
def web(port: int, host: str) -> None:
    """Serve the five doors, the portal and the staff pages."""
    _gunicorn("ops_admin.web:wsgi()", host, port)


@main.command()
@click.option("--port", default=8090, show_default=True)
def sandbox(port: int) -> None:
    """Serve the vendor twins and their page (loopback only)."""
    os.environ["WEB_WORKERS"] = "1"  # the twins keep live calls and couriers in one process
    _gunicorn("ops_admin.sandbox.serve:wsgi()", "127.0.0.1", port)


def _gunicorn(app: str, host: str, port: int) -> None:
    arguments = [sys.executable, "-m", "gunicorn", app, "-c", "python:ops_admin.gunicorn_conf", "-b", f"{host}:{port}"]
    os.execv(sys.executable, arguments)  # noqa: S606 - our own server, in place of this process


@main.command()
@click.option("--threads", default=16, show_default=True)
@click.option("--clock/--no-clock", default=True, help="Keep the schedule in this worker (one worker of many does).")
@click.option("--queues", default="turns,default,crm", show_default=True, help="What it listens to.")
def worker(threads: int, clock: bool, queues: str) -> None:
    """Run what is owed, and what the clock asks for. A CRM that hangs then holds up nobody but a worker of its own."""
    from ops_admin import worker as workers

    app = workers.configure(_settings().redis_url)
    arguments = [
        "worker", "--pool", "threads", "--concurrency", str(threads), "--queues", queues,
        "--hostname", f"wattline-{os.getpid()}@%h",
        "--without-gossip", "--without-mingle", "--loglevel", "WARNING",
    ]  # fmt: skip
    if clock:
        arguments += ["--beat", "--schedule", f"/tmp/wattline-beat-{os.getpid()}"]  # noqa: S108 - rebuilt at each start
    app.worker_main(arguments)


@main.command()
@click.option("--port", default=5055, show_default=True)
def actions(port: int) -> None:
    """Serve the assistant's actions (loopback only)."""
    from actions import server

    server.serve(_hub(), "127.0.0.1", port)


@main.command()
@click.option("--port", default=5005, show_default=True)
def assistant(port: int) -> None:
    """Serve the assistant (loopback only), trained anew when its sentences or rules have changed."""
    import subprocess

    from ops_admin.stack import demo as demos

    python = str(demos.ASSISTANT / ".venv/bin/python")
    os.chdir(demos.ASSISTANT)
    os.environ["PYTHONPATH"] = str(demos.ASSISTANT)
    trained = subprocess.run([python, "train.py"], check=True, capture_output=True, text=True)
    click.echo(trained.stdout.strip())
    os.execv(python, demos.rasa_command(python, demos.model_named(trained.stdout), port))  # noqa: S606


@main.command()
def migrate() -> None:
    """Bring the database at DATABASE_URL to today's tables."""
    from ops_admin import migrate

    migrate.upgrade(_settings().database_url)


@main.command()
@click.option("--customers", default=320, show_default=True)
@click.option("--random-seed", default=20, show_default=True)
def seed(customers: int, random_seed: int) -> None:
    """Fill an empty database with Brightwater Power: customers, reads, bills, an outage. Does nothing when filled."""
    from ops_admin import clock, schedule
    from ops_admin.seed import seed as seeds

    hub = _hub()
    for line in seeds.run(hub, customers=customers, random_seed=random_seed):
        click.echo(line)
    with hub.transaction() as session:
        clock.wind(session, jobs=schedule.JOBS, now=hub.now())


@main.group()
def deliveries() -> None:
    """Look at what is owed, and try dead letters again."""


@deliveries.command("list")
@click.option("--state", type=click.Choice(["OWED", "DEAD"]), default="DEAD", show_default=True)
def list_deliveries(state: str) -> None:
    """List deliveries with their subscriber, attempts and last error."""
    from sqlalchemy import select

    from core.outbox import DeliveryRow

    hub = _hub()
    with hub.transaction() as session:
        rows = session.scalars(
            select(DeliveryRow).where(DeliveryRow.state == state).order_by(DeliveryRow.id).limit(200)
        ).all()
        for row in rows:
            click.echo(f"{row.id:>8}  {row.subscriber:<40} attempts {row.attempts:>3}  {row.last_error or ''}")
        click.echo(f"{len(rows)} {state.lower()}")


@deliveries.command()
@click.argument("ids", nargs=-1, type=int, required=True)
def retry(ids: tuple[int, ...]) -> None:
    """Owe dead deliveries again."""
    from core import outbox

    hub = _hub()
    with hub.transaction() as session:
        count = outbox.retry_dead(session, delivery_ids=list(ids), now=hub.now())
    click.echo(f"{count} owed again")


@main.command("ops-link")
@click.option(
    "--as", "name", default="", help="Who it is for: a-z, 0-9, dots and dashes. It stands by what they decide."
)
def ops_link(name: str) -> None:
    """Print an address that opens the console (/ops/) for the person who asks here."""
    from ops_admin import config, shell
    from ops_admin.console import entry

    if name and not entry.is_name(name):
        raise click.ClickException("a name is a-z, 0-9, dots and dashes")
    click.echo(entry.link(_settings(), now=config.now(), name=name, account=shell.account()))


@main.command("audit")
def verify_audit() -> None:
    """Walk the audit chain and say whether every entry still fits."""
    from core import audit

    hub = _hub()
    with hub.transaction() as session:
        broken = audit.verify(session)
    if broken is not None:
        raise click.ClickException(f"the chain breaks at entry {broken}")
    click.echo("the audit chain is whole")


if __name__ == "__main__":
    main()
