"""`wattline ledger`: reconcile with the gateway, close a month, read the trial balance."""

from datetime import date, datetime
from typing import Any

import click

from core import money
from ops_admin import shell

MONTH = click.DateTime(formats=["%Y-%m"])


@click.group()
def ledger() -> None:
    """The books: reconciliation, month-end close, trial balance."""


@ledger.command()
@click.pass_context
def reconcile(context: click.Context) -> None:
    """Hold every payment against the gateway's own balance; ends with 1 when something differs."""
    from billing import reconciling

    hub: Any = context.obj()
    fresh = reconciling.pull_movements(hub)
    with hub.transaction() as session:
        agreed, differences = reconciling.reconcile(session, gateway=hub.payments.name, now=hub.now())
    click.echo(f"{fresh} new movements; {agreed} payments agree, {len(differences)} do not")
    for each in differences:
        click.echo(f"{each.kind:<15} {each.external_id:<34} here {each.ours:>12} there {each.theirs:>12}")
    if differences:
        context.exit(1)


@ledger.command("load-transfers")
@click.argument("file", type=click.File("rb"))
@click.option("--bank", default="bank", show_default=True)
@click.pass_context
def load_transfers(context: click.Context, file: Any, bank: str) -> None:
    """Take in a bank's file of credits (camt.053 or CSV); what no reference matches waits for a person."""
    from billing import bank_files, transfers
    from core import errors

    hub: Any = context.obj()
    try:
        entries = bank_files.parse(file.read())
    except errors.Invalid as wrong:
        raise click.ClickException(f"{wrong.code} {dict(wrong.data)}") from wrong
    with hub.transaction() as session:
        counts = transfers.load(session, bank=bank, entries=entries, currency=hub.settings.currency, now=hub.now())
    click.echo(", ".join(f"{count} {name.lower()}" for name, count in counts.items()))


@ledger.command("load-shop-payments")
@click.argument("file", type=click.File("rb"))
@click.pass_context
def load_shop_payments(context: click.Context, file: Any) -> None:
    """Take in the settlement file of the cash partner, and list where it and we differ."""
    from billing import reconciling, shop_files, shop_payments
    from core import errors

    hub: Any = context.obj()
    try:
        told = shop_files.parse(file.read())
        with hub.transaction() as session:
            counts = shop_payments.take(session, payments=told, told="FILE", settings=hub.settings, now=hub.now())
            agreed, differences = reconciling.reconcile(
                session, gateway=shop_payments.GATEWAY, grace=shop_payments.SETTLED_WITHIN, now=hub.now()
            )
    except errors.Invalid as wrong:
        raise click.ClickException(f"{wrong.code} {dict(wrong.data)}") from wrong
    click.echo(", ".join(f"{count} {name.lower()}" for name, count in counts.items()))
    click.echo(f"{agreed} payments agree, {len(differences)} do not")
    for each in differences:
        click.echo(f"{each.kind:<15} {each.external_id:<34} here {each.ours:>12} there {each.theirs:>12}")


@ledger.command()
@click.argument("month", type=MONTH)
@shell.by("Who closes it.")
@click.pass_context
def close(context: click.Context, month: datetime, actor: str) -> None:
    """Close a month (2026-10): its trial balance is kept, later postings count in the next open month."""
    from billing import books
    from core import errors

    hub: Any = context.obj()
    try:
        with hub.transaction() as session:
            lines = books.close_month(
                session, month=month.date(), actor=actor, timezone=hub.settings.utility_timezone,
                now=hub.now(),
            )  # fmt: skip
    except errors.WattlineError as refused:
        raise click.ClickException(f"{refused.code} {dict(refused.data)}") from refused
    _print(month.date(), lines)


@ledger.command("trial-balance")
@click.argument("month", type=MONTH)
@click.pass_context
def trial_balance(context: click.Context, month: datetime) -> None:
    """Print the trial balance of a month, closed or open."""
    from billing import books

    hub: Any = context.obj()
    with hub.transaction() as session:
        lines = books.trial_balance(session, month=month.date())
    _print(month.date(), lines)


def _print(month: date, lines: Any) -> None:
    click.echo(f"{month:%Y-%m}{'opening':>27}{'debit':>16}{'credit':>16}{'closing':>16}")
    for line in lines:
        sums = (line.opening, line.debit, line.credit, line.closing)
        click.echo(f"{line.code:<18}" + "".join(f"{money.from_cents(cents):>16}" for cents in sums))
    totals = (sum(x.opening for x in lines), sum(x.debit for x in lines), sum(x.credit for x in lines))
    click.echo(f"{'total':<18}" + "".join(f"{money.from_cents(c):>16}" for c in totals))
