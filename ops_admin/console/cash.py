"""The cashier's page: refunds for a second pair of eyes, what waits, disputes, debts to give up, the month's close."""

from collections.abc import Callable
from datetime import date
from typing import Any

import flask
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from billing import books, changes, corrections, gateway_news, refunds, shop_payments, transfers, write_offs
from billing import queries as billing
from core import crypto, errors, log, money, periods
from core.accounts import queries as accounts
from core.hub import Hub
from ops_admin import refusals
from ops_admin.console import fields

logger = log.get(__name__)

_SHOWN = 50
_DONE = {
    "asked": "Asked. It waits for somebody else.",
    "approved": "Approved. It is on its way.",
    "rejected": "Rejected. Nothing moves; it may be asked for anew.",
    "assigned": "Assigned and in the books.",
    "sent-back": "Noted as sent back. It was never in the books.",
    "resolved": "Given to the account.",
    "parked": "It still cannot be applied, and waits on.",
    "dismissed": "Dismissed.",
    "dispute": "Decided.",
    "given-up": "Written off. Should they pay after all, it is booked as a recovery.",
    "closed": "The month is closed.",
}


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the page and its forms; every form brings a pass and says who decides."""

    @pages.get("/ops/money")
    def cash() -> flask.typing.ResponseReturnValue:
        return _page(hub)

    @pages.post("/ops/money/<act>")
    def decide_money(act: str) -> flask.typing.ResponseReturnValue:
        work = _ACTS.get(act)
        if work is None:
            flask.abort(404)
        try:
            actor = fields.actor(hub)
            with hub.transaction() as session:
                done = work(session, hub, actor)
        except errors.WattlineError as refused:
            return _page(hub, wrong=refusals.to_staff(hub, refused), status=422)
        return flask.redirect(flask.url_for("console.cash", done=done))


def _page(hub: Hub, *, wrong: str | None = None, status: int = 200) -> flask.typing.ResponseReturnValue:
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    month = _month(flask.request.args.get("month", ""), periods.add_months(today.replace(day=1), -1))
    try:
        with hub.transaction() as session:
            waiting = refunds.list_waiting(session, limit=_SHOWN)
            disputes = changes.list_open_disputes(session, limit=_SHOWN)
            found: dict[str, Any] = {
                "refunds": waiting,
                "transfers": transfers.list_waiting(session, limit=_SHOWN),
                "parked": gateway_news.list_parked(session, limit=_SHOWN),
                "disputes": disputes,
                "uncollected": write_offs.list_proposals(
                    session, after_days=hub.settings.write_off_after_days, now=now, limit=_SHOWN
                ),
                "numbers": _numbers(session, {r.account_id for r in waiting} | {d.account_id for d in disputes}),
                "trial": books.trial_balance(session, month=month),
                "closed": books.is_closed(session, month=month),
                "differences": billing.reconcile(session, gateway=hub.payments.name, now=now, limit=_SHOWN)[1],
                "at_shops": billing.reconcile(
                    session, gateway=shop_payments.GATEWAY, grace=shop_payments.SETTLED_WITHIN, now=now, limit=_SHOWN
                )[1],
            }
    except SQLAlchemyError:
        logger.exception("console_without_database")
        found, status = {}, 503
    page = flask.render_template(
        "console/cash.html",
        cents=lambda cents: f"{money.from_cents(cents):,}",
        wrong=wrong,
        done=_DONE.get(flask.request.args.get("done", "")),
        answered=bool(found),
        month=month,
        before=periods.add_months(month, -1),
        after=periods.add_months(month, 1),
        over=periods.add_months(month, 1) <= today,
        key=crypto.token(9),
        after_days=hub.settings.write_off_after_days,
        **found,
    )
    return page, status


def _ask(session: Session, hub: Hub, actor: str) -> str:
    form = flask.request.form
    refunds.request_refund(
        session, payment_id=fields.number("payment"), amount=fields.amount(),
        reason=form.get("reason", "")[:500], actor=actor, key=fields.key(), now=hub.now(),
    )  # fmt: skip
    return "asked"


def _refund(session: Session, hub: Hub, actor: str) -> str:
    approve = flask.request.form.get("verdict") == "approve"
    refunds.decide_refund(session, refund_id=fields.number("refund"), approve=approve, actor=actor, now=hub.now())
    return "approved" if approve else "rejected"


def _transfer(session: Session, hub: Hub, actor: str) -> str:
    number = flask.request.form.get("account", "").strip()
    transfers.assign(session, transfer_id=fields.number("transfer"), account_number=number, actor=actor, now=hub.now())
    return "assigned"


def _send_back(session: Session, hub: Hub, actor: str) -> str:
    reason = flask.request.form.get("reason", "")[:500]
    transfers.send_back(session, transfer_id=fields.number("transfer"), reason=reason, actor=actor, now=hub.now())
    return "sent-back"


def _event(session: Session, hub: Hub, actor: str) -> str:
    dismiss = flask.request.form.get("verdict") == "dismiss"
    number = None if dismiss else flask.request.form.get("account", "").strip()
    outcome = gateway_news.resolve_parked(
        session, event_id=fields.number("event"), account_number=number, actor=actor, currency=hub.settings.currency,
        now=hub.now(),
    )  # fmt: skip
    return {"PARKED": "parked", "DISMISSED": "dismissed"}.get(outcome, "resolved")


def _dispute(session: Session, hub: Hub, actor: str) -> str:
    if flask.request.form.get("verdict") == "uphold":
        corrections.uphold(session, dispute_id=fields.number("dispute"), actor=actor, now=hub.now())
    else:
        changes.close_dispute(
            session, dispute_id=fields.number("dispute"), outcome="REJECTED", actor=actor, now=hub.now()
        )
    return "dispute"


def _give_up(session: Session, hub: Hub, actor: str) -> str:
    write_offs.give_up(
        session, account_id=fields.number("account"), reason=flask.request.form.get("reason", "")[:500], actor=actor,
        after_days=hub.settings.write_off_after_days, now=hub.now(),
    )  # fmt: skip
    return "given-up"


def _close(session: Session, hub: Hub, actor: str) -> str:
    books.close_month(
        session, month=_month(flask.request.form.get("month", ""), date.max), actor=actor,
        timezone=hub.settings.utility_timezone, now=hub.now(),
    )  # fmt: skip
    return "closed"


_ACTS: dict[str, Callable[[Session, Hub, str], str]] = {
    "ask": _ask, "refund": _refund, "transfer": _transfer, "send-back": _send_back, "event": _event,
    "dispute": _dispute, "give-up": _give_up, "close": _close,
}  # fmt: skip


def _numbers(session: Session, account_ids: set[int]) -> dict[int, str]:
    return {a.id: a.number for a in accounts.list_accounts_of(session, account_ids=sorted(account_ids))}


def _month(text: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(f"{text[:7]}-01")
    except ValueError:
        return otherwise
