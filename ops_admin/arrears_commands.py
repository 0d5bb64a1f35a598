"""`wattline bills` and `wattline arrears`: what staff do beside the runs."""

from typing import Any

import click

from core import errors
from ops_admin import refusals, shell

_plain = refusals.told(refusals.sentence)


@click.group()
def bills() -> None:
    """Bills out of the ordinary, and their archive."""


@bills.command("archive-check")
@click.pass_context
def archive_check(context: click.Context) -> None:
    """Hash every archived document anew and say whether all fit."""
    from billing import archive

    with context.obj().transaction() as session:
        found = archive.check(session)
    if found.broken:
        numbers = ", ".join(map(str, found.broken[:20]))
        raise click.ClickException(f"{len(found.broken)} of {found.documents} documents do not fit: {numbers}")
    click.echo(f"{found.documents} documents, {found.bytes / 1e6:,.1f} MB: all fit")


@bills.command()
@click.argument("account")
@click.pass_context
@_plain
def preview(context: click.Context, account: str) -> None:
    """Price the running bill of an account up to yesterday. Nothing is written."""
    from billing import queries as billing

    hub: Any = context.obj()
    with hub.transaction() as session:
        seen = billing.preview_bill(session, account_id=_account(session, account), now=hub.now())
    click.echo(f"{seen.starts_on} to {seen.ends_on} (the bill ends {seen.bill_ends_on}), {seen.kwh} kWh")
    for line in seen.lines:
        click.echo(f"  {line.description:<40} {line.quantity:>14.3f} {line.unit:<6} {line.amount:>10}")
    click.echo(f"  {'Total' + (' (part of it estimated)' if seen.estimated else ''):<61} {seen.total:>10}")


@bills.command()
@click.pass_context
def held(context: click.Context) -> None:
    """List the bills that looked wrong and wait for a person, oldest first, with what was found."""
    from billing import queries as billing
    from billing import validations

    with context.obj().transaction() as session:
        found = billing.list_held_bills(session)
    for bill in found:
        click.echo(f"{bill.number}  {bill.starts_on} to {bill.ends_on}  {bill.kwh:>12} kWh  {bill.total:>12}")
        for code in bill.findings:
            click.echo(f"    {code}: {validations.sentence(code)}")
    click.echo(f"{len(found)} held")


@bills.command()
@click.argument("number")
@click.option("--reason", required=True, help="Why the bill is right; kept in the audit trail.")
@shell.by("Who has looked at it.")
@click.pass_context
@_plain
def release(context: click.Context, number: str, reason: str, actor: str) -> None:
    """Issue a held bill that somebody has looked at."""
    from billing import operations, queries

    hub: Any = context.obj()
    with hub.transaction() as session:
        bill = queries.find_bill_by_number(session, number=number)
        if bill is None:
            raise errors.NotFound("bill.unknown")
        operations.release_bill(session, bill_id=bill.id, actor=actor, reason=reason, now=hub.now())
        operations.issue_bill(session, bill_id=bill.id, timezone=hub.settings.utility_timezone, now=hub.now())
    click.echo(f"{bill.number} {bill.total} issued")


@bills.command()
@click.argument("number")
@click.option("--reason", required=True)
@shell.by("Who orders it.")
@click.option("--customer-at-fault", is_flag=True, help="Lifts the limit on how far back a bill may be raised.")
@click.pass_context
@_plain
def rebill(context: click.Context, number: str, reason: str, actor: str, customer_at_fault: bool) -> None:
    """Cancel an issued bill by a credit note and make it anew from today's reads and terms; prints the difference."""
    from billing import operations, queries

    hub: Any = context.obj()
    with hub.transaction() as session:
        bill = queries.find_bill_by_number(session, number=number)
        if bill is None:
            raise errors.NotFound("bill.unknown")
        done = operations.rebill(
            session, bill_id=bill.id, actor=actor, reason=reason, now=hub.now(), customer_at_fault=customer_at_fault
        )
    click.echo(f"{done.cancelled.number} {done.cancelled.total} -> {done.bill.number} {done.bill.total}")
    click.echo(f"  credit note {done.credit_note.number} {done.credit_note.total}")
    for component, amount in done.by_component.items():
        click.echo(f"  {component:<10} {amount:>10}")
    click.echo(f"  difference {done.difference:>10}   late fees waived {done.fees_waived}")


@bills.command()
@click.argument("account")
@click.pass_context
@_plain
def outstanding(context: click.Context, account: str) -> None:
    """Bill now every period of an account that is over and has no bill: off the cycle, or the last one."""
    from billing import operations

    hub: Any = context.obj()
    with hub.transaction() as session:
        made = operations.bill_outstanding(session, account_id=_account(session, account), now=hub.now())
    for bill in made:
        click.echo(f"{bill.number}  {bill.starts_on} to {bill.ends_on}  {bill.total:>10}  {bill.status}")
    click.echo(f"{len(made)} made")


@click.group()
def arrears() -> None:
    """The ladder, the orders at its end, and what illness at home holds off."""


@arrears.command()
@click.argument("account")
@click.option("--how", type=click.Choice(["PHONE", "IN_PERSON"]), required=True)
@shell.by("Who it was.")
@click.option("--note", default="")
@click.pass_context
@_plain
def contact(context: click.Context, account: str, how: str, actor: str, note: str) -> None:
    """Note that a person called or stood at the door."""
    from billing import operations

    hub: Any = context.obj()
    with hub.transaction() as session:
        account_id = _account(session, account)
        operations.record_contact(session, account_id=account_id, how=how, actor=actor, note=note, now=hub.now())
    click.echo("noted")


@arrears.command()
@click.argument("account")
@click.option("--proof", required=True, help="The number that proves the posting.")
@shell.by("Who it was.")
@click.pass_context
@_plain
def letter(context: click.Context, account: str, proof: str, actor: str) -> None:
    """Note that a letter that was owed has been posted."""
    from billing import operations

    hub: Any = context.obj()
    with hub.transaction() as session:
        account_id = _account(session, account)
        operations.record_letter(session, account_id=account_id, proof=proof, actor=actor, now=hub.now())
    click.echo("noted")


@arrears.command()
@click.argument("number")
@shell.by("Who carries it out; not who ordered it.")
@click.pass_context
@_plain
def disconnect(context: click.Context, number: str, actor: str) -> None:
    """Carry out a disconnection order (SR-...), if every rule still lets it at this hour."""
    from billing import operations

    hub: Any = context.obj()
    with hub.transaction() as session:
        verdict = operations.complete_disconnection(session, number=number, actor=actor, now=hub.now())
    click.echo(f"disconnected, by decision {verdict.decision_id}")


@arrears.command()
@click.argument("number")
@shell.by("Who it was.")
@click.pass_context
@_plain
def reconnect(context: click.Context, number: str, actor: str) -> None:
    """Carry out a reconnection order (SR-...)."""
    from billing import operations

    hub: Any = context.obj()
    with hub.transaction() as session:
        operations.complete_reconnection(session, number=number, actor=actor, now=hub.now())
    click.echo("reconnected")


@arrears.command("medical")
@click.argument("account")
@click.pass_context
@_plain
def medical_holds(context: click.Context, account: str) -> None:
    """List the medical holds of an account, newest first."""
    from billing import queries as billing

    with context.obj().transaction() as session:
        found = billing.list_medical_holds(session, account_id=_account(session, account))
    for hold in found:
        by = f"certificate of {hold.certified_by}" if hold.certified_by else "the customer's word"
        renewed = f", renewal {hold.renewal}" if hold.renewal else ""
        ended = f"; ended {hold.ended_on} by {hold.ended_by}: {hold.ended_why}" if hold.ended_on else ""
        click.echo(f"{hold.starts_on} through {hold.through}  {by}{renewed}, noted by {hold.recorded_by}{ended}")
    click.echo(f"{len(found)} holds")


@arrears.command("medical-word")
@click.argument("account")
@shell.by("Who was told.")
@click.pass_context
@_plain
def medical_word(context: click.Context, account: str, actor: str) -> None:
    """Note that a customer says somebody at home is ill: it holds for the rule's days, once against a debt."""
    from billing import operations

    hub: Any = context.obj()
    with hub.transaction() as session:
        held = operations.note_medical_word(session, account_id=_account(session, account), actor=actor, now=hub.now())
    click.echo(f"held through {held.through}" if held else "not held: their word was used; a certificate is needed")


@arrears.command("medical-certificate")
@click.argument("account")
@click.option("--doctor", required=True, help="Who certifies it, as it stands on the paper.")
@click.option("--days", type=int, default=None, help="As certified, at most the rule's; the rule's without it.")
@shell.by("Who has seen it.")
@click.pass_context
@_plain
def medical_certificate(context: click.Context, account: str, doctor: str, days: int | None, actor: str) -> None:
    """Note a doctor's certificate; after another one against the same debt it is a renewal, as the rule has it."""
    from billing import operations

    hub: Any = context.obj()
    with hub.transaction() as session:
        held = operations.certify_illness(
            session, account_id=_account(session, account), doctor=doctor, days=days, actor=actor,
            now=hub.now(),
        )  # fmt: skip
    click.echo(f"held through {held.through}" + (f", renewal {held.renewal}" if held.renewal else ""))


@arrears.command("medical-end")
@click.argument("account")
@click.option("--reason", required=True, help="Kept in the audit trail.")
@shell.by("Who ends it.")
@click.pass_context
@_plain
def medical_end(context: click.Context, account: str, reason: str, actor: str) -> None:
    """End a medical hold from today on."""
    from billing import operations

    hub: Any = context.obj()
    with hub.transaction() as session:
        operations.end_medical_hold(
            session, account_id=_account(session, account), reason=reason, actor=actor, now=hub.now()
        )
    click.echo("ended")


def _account(session: Any, number: str) -> int:
    from core.accounts import queries as accounts

    return accounts.get_account_by_number(session, number=number).id
