"""`wattline bill`: what staff ask about issued documents."""

import click


@click.group()
def bill() -> None:
    """Look at issued bills and their archive."""


@bill.command("archive-check")
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
