"""An account's money: what is open, what it was charged and given and paid, its deposit, and what a person may do."""

from collections.abc import Callable
from typing import Any

import flask
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from billing import credits, deposits, owed, refunds
from billing import operations as billing
from core import crypto, errors, log, periods
from core.accounts import queries as accounts
from core.hub import Hub
from ops_admin import refusals
from ops_admin.console import fields

logger = log.get(__name__)

_SHOWN = 12
_DONE = {
    "asked": "Asked. It waits on the page of money for somebody else to agree.",
    "credited": "Given. It pays what is open first.",
    "waived": "The fee is let go. What had paid it pays something else.",
    "deposit": "The deposit is asked for.",
    "returned": "Given back with its interest. It pays what is open; the rest is a credit that can be paid out.",
}
_CREDITS = {
    "GOODWILL": "goodwill",
    "OUTAGE": "for an outage",
    "DEPOSIT": "a deposit given back",
    "BILL": "a bill below zero",
    "WRITE_OFF": "a debt given up",
    "BUDGET": "left of a budget",
}
_FEES = {"LATE_FEE": "paid late", "EXIT_FEE": "left a plan early", "RETURN_FEE": "a debit came back"}
_PAYMENTS = {
    "PROCESSING": "on its way",
    "SUCCEEDED": "arrived",
    "FAILED": "did not arrive",
    "RETURNED": "taken back by the bank",
    "REFUNDED": "given back",
    "DISPUTED": "in dispute at the bank",
}


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the page and its forms; each brings a pass, a reason, and the name that is signed."""

    @pages.get("/ops/money/account")
    def find_account() -> flask.typing.ResponseReturnValue:
        with hub.transaction() as session:
            found = accounts.find_account_by_number(session, number=flask.request.args.get("number", "")[:40])
        if found is None:
            return _unknown()
        return flask.redirect(flask.url_for("console.account_money", number=found.number))

    @pages.get("/ops/money/account/<number>")
    def account_money(number: str) -> flask.typing.ResponseReturnValue:
        return _page(hub, number)

    @pages.post("/ops/money/account/<number>/<act>")
    def act_on_account(number: str, act: str) -> flask.typing.ResponseReturnValue:
        work = _ACTS.get(act)
        if work is None:
            flask.abort(404)
        try:
            actor = fields.actor(hub)
            with hub.transaction() as session:
                account = accounts.get_account_by_number(session, number=number)
                done = work(session, hub, account.id, actor)
        except errors.WattlineError as refused:
            return _page(hub, number, wrong=refusals.to_staff(hub, refused), act=act, status=422)
        return flask.redirect(flask.url_for("console.account_money", number=number, done=done))


def _unknown() -> flask.typing.ResponseReturnValue:
    sorry = "No account bears that number. It has ten digits."
    return flask.render_template("console/sorry.html", here="money", sorry=sorry, back="/ops/money"), 404


def _page(
    hub: Hub, number: str, *, wrong: str | None = None, act: str = "", status: int = 200
) -> flask.typing.ResponseReturnValue:
    now, found = hub.now(), dict[str, Any]()
    try:
        with hub.transaction() as session:
            account = accounts.find_account_by_number(session, number=number)
            if account is None:
                return _unknown()
            of = account.id
            found = {
                "account": account,
                "customer": accounts.get_customer(session, customer_id=account.customer_id),
                "balance": owed.get_balance(session, account_id=of, now=now),
                "bills": owed.list_open_bills(session, account_id=of),
                "fees": credits.list_fees(session, account_id=of),
                "credits": refunds.list_credits(session, account_id=of, limit=_SHOWN),
                "deposits": deposits.list_deposits(session, account_id=of, now=now),
                "limit": deposits.find_limit(session, account_id=of, now=now),
                "payments": owed.list_payments(session, account_id=of, limit=_SHOWN),
            }
    except SQLAlchemyError:
        logger.exception("console_without_database")
        status = 503
    page = flask.render_template(
        "console/account.html", answered=bool(found), number=number, back=f"/ops/money/account/{number}", wrong=wrong,
        done=_DONE.get(flask.request.args.get("done", "")), key=crypto.token(9), act=act, typed=flask.request.form,
        credit_kinds=_CREDITS, fee_kinds=_FEES, payment_states=_PAYMENTS, currency=hub.settings.currency,
        day=lambda at: periods.civil_day(at, hub.settings.utility_timezone), **found,
    )  # fmt: skip
    return page, status


def _refund(session: Session, hub: Hub, account_id: int, actor: str) -> str:
    payment = flask.request.form.get("payment")
    refunds.request_refund(
        session, payment_id=fields.number("payment") if payment else None,
        credit_id=None if payment else fields.number("credit"), amount=fields.amount(), reason=fields.reason(),
        actor=actor, key=fields.key(), now=hub.now(),
    )  # fmt: skip
    return "asked"


def _credit(session: Session, hub: Hub, account_id: int, actor: str) -> str:
    amount = fields.amount()
    if amount is None:
        raise errors.Invalid("money.amount")
    billing.give_credit(
        session, account_id=account_id, kind="OUTAGE" if flask.request.form.get("kind") == "OUTAGE" else "GOODWILL",
        amount=amount, reason=fields.reason(), actor=actor, key=fields.key(), now=hub.now(),
    )  # fmt: skip
    return "credited"


def _waive(session: Session, hub: Hub, account_id: int, actor: str) -> str:
    billing.waive_charge(session, charge_id=fields.number("charge"), reason=fields.reason(), actor=actor, now=hub.now())
    return "waived"


def _deposit(session: Session, hub: Hub, account_id: int, actor: str) -> str:
    billing.ask_deposit(
        session, account_id=account_id, amount=fields.amount(), reason=fields.reason(), actor=actor, key=fields.key(),
        now=hub.now(),
    )  # fmt: skip
    return "deposit"


def _return_deposit(session: Session, hub: Hub, account_id: int, actor: str) -> str:
    billing.return_deposit(
        session, deposit_id=fields.number("deposit"), reason=fields.reason(), actor=actor, now=hub.now()
    )
    return "returned"


_ACTS: dict[str, Callable[[Session, Hub, int, str], str]] = {
    "refund": _refund, "credit": _credit, "waive": _waive, "deposit": _deposit, "return-deposit": _return_deposit,
}  # fmt: skip
