"""The account's statement: every event of the ledger in plain words, with the balance after it, also as CSV."""

import csv
import io
from datetime import date

import flask
from sqlalchemy.orm import Session

from billing import queries as bills
from channels.portal.visitor import Visitor, signed_in, speaker
from core import errors, periods
from core.hub import Hub

_MOST = 37  # months in one statement


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the statement, as a page and as a file."""

    @pages.get("/portal/statement")
    @signed_in(hub)
    def statement(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        return flask.render_template("portal/statement.html", statement=_read(session, visitor))

    @pages.get("/portal/statement.csv")
    @signed_in(hub)
    def statement_csv(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        found, said = _read(session, visitor), speaker(hub)
        sheet = io.StringIO()
        rows = csv.writer(sheet)
        rows.writerow([said(f"portal.statement.{name}") for name in ("day", "what", "amount", "balance")])
        rows.writerow([found.starts_on, said("portal.statement.opening"), "", found.opening])
        for line in found.lines:
            what = f"{said(f'portal.journal.{line.kind.lower()}')} {line.number}".strip()
            rows.writerow([line.on, what, line.amount, line.balance])
        name = f"statement-{found.starts_on}-{found.ends_on}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return flask.Response("\ufeff" + sheet.getvalue(), mimetype="text/csv", headers=headers)


def _read(session: Session, visitor: Visitor) -> bills.AccountStatement:
    """The months asked for, whole ones: the last twelve and this one, unless others are named."""
    ends_on = _month("until") or visitor.today.replace(day=1)
    starts_on = _month("from") or periods.add_months(ends_on, -12)
    if not starts_on <= ends_on < periods.add_months(starts_on, _MOST):
        raise errors.Invalid("statement.period")
    return bills.account_statement(
        session, account_id=visitor.account.id, starts_on=starts_on, ends_on=periods.add_months(ends_on, 1)
    )


def _month(name: str) -> date | None:
    text = flask.request.args.get(name, "").strip()
    if not text:
        return None
    try:
        found = date.fromisoformat(f"{text[:7]}-01")
    except ValueError as wrong:
        raise errors.Invalid("statement.period") from wrong
    if not 2000 <= found.year < 2200:
        raise errors.Invalid("statement.period")
    return found
