"""`wattline cash`: the money that waits for a person, and what only a person decides, gives or asks for."""

from decimal import Decimal
from typing import Any

import click

from core import money
from ops_admin import refusals, shell

BY = shell.by("Who decides.")
_plain = refusals.told(refusals.staff)


class _Amount(click.ParamType[Decimal]):
    name = "amount"

    def convert(self, value: Any, param: Any, context: Any) -> Decimal:
        try:
            return money.parse(value)
        except ValueError:
            self.fail(f"{value!r} is no amount", param, context)


@click.group()
def cash() -> None:
    """Refunds, bank transfers and news of the gateway that wait for a person; credits, fees and deposits."""


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
@click.option("--credit", "of_credit", is_flag=True, help="The number is a credit's: it is paid out by check.")
@click.option("--amount", type=_Amount(), default=None, help="Part of it; all that is left without.")
@click.option("--reason", required=True)
@BY
@click.pass_context
@_plain
def refund(
    context: click.Context, payment_id: int, of_credit: bool, amount: Decimal | None, reason: str, actor: str
) -> None:
    """Ask that a payment goes back, or a credit out. Nothing moves until another person agrees."""
    from billing import operations as billing

    hub: Any = context.obj()
    with hub.transaction() as session:
        asked = billing.request_refund(
            session, payment_id=None if of_credit else payment_id, credit_id=payment_id if of_credit else None,
            amount=amount, reason=reason, actor=actor,
            key=f"staff:{'credit:' if of_credit else ''}{payment_id}:{amount}:{reason}", now=hub.now(),
        )  # fmt: skip
    click.echo(f"refund {asked.id} of {asked.amount} waits for another person")


@cash.command()
@click.argument("refund_id", type=int)
@click.option("--approve/--reject", required=True)
@BY
@click.pass_context
@_plain
def decide(context: click.Context, refund_id: int, approve: bool, actor: str) -> None:
    """Agree to a refund that somebody else asked for, or not. Not from the account that asked, whatever name is typed:
    where people share one, they decide in the console, each by a link of their own (`wattline ops-link --as NAME`)."""
    from billing import operations as billing

    hub: Any = context.obj()
    with hub.transaction() as session:
        decided = billing.decide_refund(session, refund_id=refund_id, approve=approve, actor=actor, now=hub.now())
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
        done = transfers.assign(session, transfer_id=transfer_id, account_number=account, actor=actor, now=hub.now())
    click.echo(f"transfer {done.id} of {done.amount}: {done.status.lower()}")


@cash.command("send-back")
@click.argument("transfer_id", type=int)
@click.option("--reason", required=True, help="Kept in the audit trail.")
@BY
@click.pass_context
@_plain
def send_back(context: click.Context, transfer_id: int, reason: str, actor: str) -> None:
    """Note that the bank has sent a waiting transfer back, as one in another currency has to be."""
    from billing import transfers

    hub: Any = context.obj()
    with hub.transaction() as session:
        done = transfers.send_back(session, transfer_id=transfer_id, reason=reason, actor=actor, now=hub.now())
    click.echo(f"transfer {done.id} of {done.amount} {done.currency}: {done.status.lower().replace('_', ' ')}")


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
            session, event_id=event_id, account_number=account, actor=actor,
            currency=hub.settings.currency, now=hub.now(),
        )  # fmt: skip
    click.echo(f"news {event_id}: {outcome.lower()}")


@cash.command()
@click.argument("account")
@click.argument("amount", type=_Amount())
@click.option("--reason", required=True, help="Kept in the audit trail.")
@click.option("--outage", is_flag=True, help="For an outage; without it, goodwill.")
@BY
@click.pass_context
@_plain
def credit(context: click.Context, account: str, amount: Decimal, reason: str, outage: bool, actor: str) -> None:
    """Give an account a credit. The same again on the same day gives nothing more."""
    from billing import operations as billing

    hub: Any = context.obj()
    kind = "OUTAGE" if outage else "GOODWILL"
    with hub.transaction() as session:
        account_id = _account(session, account)
        given = billing.give_credit(
            session, account_id=account_id, kind=kind, amount=amount, reason=reason, actor=actor,
            key=f"staff:{account_id}:{kind}:{amount}:{reason}:{hub.now():%Y-%m-%d}", now=hub.now(),
        )  # fmt: skip
    click.echo(f"credit {given} of {amount}")


@cash.command()
@click.argument("account")
@click.pass_context
@_plain
def fees(context: click.Context, account: str) -> None:
    """List the fees of an account, newest first."""
    from billing import credits

    with context.obj().transaction() as session:
        found = credits.list_fees(session, account_id=_account(session, account))
    for fee in found:
        click.echo(f"{fee.id:>8}  {fee.charged_on}  {fee.kind.lower():<10}  {fee.amount:>10}  {fee.rule}")
    click.echo(f"{len(found)} fees")


@cash.command()
@click.argument("fee_id", type=int)
@click.option("--reason", required=True, help="Kept in the audit trail.")
@BY
@click.pass_context
@_plain
def waive(context: click.Context, fee_id: int, reason: str, actor: str) -> None:
    """Let a fee go: what was paid on it pays something else."""
    from billing import operations as billing

    hub: Any = context.obj()
    with hub.transaction() as session:
        billing.waive_charge(session, charge_id=fee_id, actor=actor, reason=reason, now=hub.now())
    click.echo(f"fee {fee_id} is waived")


@cash.command()
@click.argument("account")
@click.option("--amount", type=_Amount(), default=None, help="Less than the rules allow; without it, all of that.")
@click.option("--reason", default="", help="Kept in the audit trail.")
@BY
@click.pass_context
@_plain
def deposit(context: click.Context, account: str, amount: Decimal | None, reason: str, actor: str) -> None:
    """Ask an account for a security deposit, as far as its jurisdiction lets us; once a day."""
    from billing import operations as billing

    hub: Any = context.obj()
    with hub.transaction() as session:
        account_id = _account(session, account)
        asked = billing.ask_deposit(
            session, account_id=account_id, amount=amount, actor=actor,
            reason=reason, key=f"staff:{account_id}:{hub.now():%Y-%m-%d}", now=hub.now(),
        )  # fmt: skip
    click.echo(f"deposit {asked} is asked for")


@cash.command("return-deposit")
@click.argument("deposit_id", type=int)
@click.option("--reason", default="", help="Kept in the audit trail.")
@BY
@click.pass_context
@_plain
def return_deposit(context: click.Context, deposit_id: int, reason: str, actor: str) -> None:
    """Give a deposit back with its interest: it pays what is open, the rest is a credit that can be paid out."""
    from billing import cash_models
    from billing import operations as billing

    hub: Any = context.obj()
    with hub.transaction() as session:
        back = billing.return_deposit(session, deposit_id=deposit_id, actor=actor, reason=reason, now=hub.now())
        given = session.get_one(cash_models.DepositRow, deposit_id).credit_id
    click.echo(f"deposit {deposit_id}: {back} given back, as credit {given}")


def _account(session: Any, number: str) -> int:
    from core.accounts import queries as accounts

    return accounts.get_account_by_number(session, number=number).id
