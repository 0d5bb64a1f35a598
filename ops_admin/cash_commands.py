"""`wattline cash`: the money that waits for a person, and what that person decides."""

from decimal import Decimal
from typing import Any

import click

from core import money
from ops_admin import refusals

BY = click.option("--by", "actor", required=True, help="Who decides; kept in the audit trail.")
_plain = refusals.told(refusals.code)


class _Amount(click.ParamType[Decimal]):
    name = "amount"

    def convert(self, value: Any, param: Any, context: Any) -> Decimal:
        try:
            return money.parse(value)
        except ValueError:
            self.fail(f"{value!r} is no amount", param, context)


@click.group()
def cash() -> None:
    """Refunds, bank transfers and news of the gateway that wait for a person."""


@cash.command()
@click.pass_context
def waiting(context: click.Context) -> None:
    """List what waits, oldest first."""
    from billing import gateway_news, refunds, transfers

    hub: Any = context.obj()
    with hub.transaction() as session:
        asked = refunds.list_waiting(session)
        moved = transfers.list_waiting(session)
        parked = gateway_news.list_parked(session)
    for refund in asked:
        click.echo(
            f"refund   {refund.id:>8}  {refund.amount:>12}  {refund.status.lower()}, asked by {refund.requested_by}:"
            f" {refund.reason}"
        )
    for each in moved:
        click.echo(
            f"transfer {each.id:>8}  {each.amount:>12}  {each.currency}, {each.booked_on}, {each.payer}:"
            f" {each.remittance} ({(each.reason or '').lower()})"
        )
    for news in parked:
        click.echo(f"news     {news.id:>8}  {news.amount:>12}  {news.kind} {news.external_id} ({news.reason.lower()})")
    click.echo(f"{len(asked)} refunds, {len(moved)} transfers, {len(parked)} pieces of news")


@cash.command()
@click.argument("payment_id", type=int)
@click.option("--amount", type=_Amount(), default=None, help="Part of it; all that is left without.")
@click.option("--reason", required=True)
@BY
@click.pass_context
@_plain
def refund(context: click.Context, payment_id: int, amount: Decimal | None, reason: str, actor: str) -> None:
    """Ask that a payment goes back. Nothing moves until another person agrees."""
    from billing import operations as billing

    hub: Any = context.obj()
    with hub.transaction() as session:
        asked = billing.request_refund(
            session, payment_id=payment_id, amount=amount, reason=reason, actor=f"staff:{actor}",
            key=f"staff:{payment_id}:{amount}:{reason}", now=hub.now(),
        )  # fmt: skip
    click.echo(f"refund {asked.id} of {asked.amount} waits for another person")


@cash.command()
@click.argument("refund_id", type=int)
@click.option("--approve/--reject", required=True)
@BY
@click.pass_context
@_plain
def decide(context: click.Context, refund_id: int, approve: bool, actor: str) -> None:
    """Agree to a refund that somebody else asked for, or not."""
    from billing import operations as billing

    hub: Any = context.obj()
    with hub.transaction() as session:
        decided = billing.decide_refund(
            session, refund_id=refund_id, approve=approve, actor=f"staff:{actor}", now=hub.now()
        )
    click.echo(f"refund {decided.id}: {decided.status.lower()}")


@cash.command()
@click.argument("transfer_id", type=int)
@click.argument("account")
@BY
@click.pass_context
@_plain
def assign(context: click.Context, transfer_id: int, account: str, actor: str) -> None:
    """Pay an unmatched transfer in for an account."""
    from billing import transfers

    hub: Any = context.obj()
    with hub.transaction() as session:
        done = transfers.assign(
            session, transfer_id=transfer_id, account_number=account, actor=f"staff:{actor}", now=hub.now()
        )
    click.echo(f"transfer {done.id} of {done.amount}: {done.status.lower()}")


@cash.command()
@click.argument("event_id", type=int)
@click.option("--account", default=None, help="The account it belongs to; without one it is dismissed.")
@BY
@click.pass_context
@_plain
def resolve(context: click.Context, event_id: int, account: str | None, actor: str) -> None:
    """Give parked news of the gateway to an account, or dismiss it."""
    from billing import operations as billing

    hub: Any = context.obj()
    with hub.transaction() as session:
        outcome = billing.resolve_parked(
            session, event_id=event_id, account_number=account, actor=f"staff:{actor}",
            currency=hub.settings.currency, now=hub.now(),
        )  # fmt: skip
    click.echo(f"news {event_id}: {outcome.lower()}")
