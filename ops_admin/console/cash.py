"""The cashier's page: refunds for a second pair of eyes, what waits, disputes, debts to give up, the month's close."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import flask
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from billing import books, changes, corrections, gateway_news, refunds, shop_payments, transfers, write_offs
from billing import queries as billing
from channels import edge
from core import crypto, errors, log, money, periods
from core.accounts import queries as accounts
from core.hub import Hub
from ops_admin.console import entry

logger = log.get(__name__)

_SHOWN = 50
# what a rule says, for those who work with it; what is not here is shown by its code
_WHY = {
    "refund.same_person": "Somebody else has to decide: you asked for this refund yourself.",
    "refund.decided": "Somebody was quicker: this refund has been decided.",
    "refund.not_settled": "That payment has not arrived, or is in dispute or gone: nothing of it can be given back.",
    "refund.amount": "That is more than is left of the payment and not asked for already.",
    "refund.reason": "Please say why.",
    "refund.used": "That credit has paid something since.",
    "payment.unknown": "No payment bears that number.",
    "transfer.decided": "Somebody was quicker: this transfer has been assigned.",
    "transfer.currency": "It came in another currency: it has to go back.",
    "account.unknown": "No account bears that number.",
    "payment_event.decided": "Somebody was quicker: this has been resolved.",
    "dispute.closed": "That dispute has been decided otherwise.",
    "bill.back_billing": "The bill reaches further back than a correction may.",
    "ledger.month_not_over": "That month is not over.",
    "ledger.earlier_open": "Months close in order: an earlier one is still open.",
    "ledger.empty": "There is nothing in the books yet.",
    "write_off.not_due": "That account is not to be given up: it pays, it came back, or somebody was quicker.",
    "write_off.reason": "Please say why.",
    "console.name": "Please give your name: it stands beside what you decide.",
    "console.form": "That form was too old. Please look again and repeat it.",
    "money.amount": "Please give an amount such as 12.34.",
}
_DONE = {
    "asked": "Asked. It waits for somebody else.",
    "approved": "Approved. It is on its way.",
    "rejected": "Rejected. Nothing moves; it may be asked for anew.",
    "assigned": "Assigned and in the books.",
    "resolved": "Given to the account.",
    "parked": "It still cannot be applied, and waits on.",
    "dismissed": "Dismissed.",
    "dispute": "Decided.",
    "given-up": "Written off. Should they pay after all, it is booked as a recovery.",
    "closed": "The month is closed.",
}


def add(pages: flask.Blueprint, hub: Hub, when: Callable[[datetime], str]) -> None:
    """This will add the page and its forms; every form brings a pass and says who decides."""

    @pages.get("/ops/money")
    def cash() -> flask.typing.ResponseReturnValue:
        return _page(hub, when)

    @pages.post("/ops/money/<act>")
    def decide_money(act: str) -> flask.typing.ResponseReturnValue:
        form, work = flask.request.form, _ACTS.get(act)
        if work is None:
            flask.abort(404)
        try:
            actor = entry.actor(hub.settings, form=form, cookies=flask.request.cookies, now=hub.now())
            with hub.transaction() as session:
                done = work(session, hub, actor)
        except errors.WattlineError as refused:
            return _page(hub, when, wrong=_WHY.get(refused.code, f"Not done: {refused.code}"), status=422)
        return flask.redirect(flask.url_for("console.cash", done=done))


def _page(
    hub: Hub, when: Callable[[datetime], str], *, wrong: str | None = None, status: int = 200
) -> flask.typing.ResponseReturnValue:
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
    known = entry.name_of(flask.request.cookies.get(entry.NAME, ""), hub.settings)
    page = flask.render_template(
        "console/cash.html",
        house=hub.settings.utility_name,
        now=now,
        when=when,
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
        form=entry.form(hub.settings, now=now),
        name=known,
        known=flask.request.form.get("by", ""),
        **found,
    )
    return page, status


def _ask(session: Session, hub: Hub, actor: str) -> str:
    form = flask.request.form
    refunds.request_refund(
        session, payment_id=_number("payment"), amount=_amount(form.get("amount", "")),
        reason=form.get("reason", "")[:500], actor=actor, key=f"console:{form.get('key', '')[:40]}", now=hub.now(),
    )  # fmt: skip
    return "asked"


def _refund(session: Session, hub: Hub, actor: str) -> str:
    approve = flask.request.form.get("verdict") == "approve"
    refunds.decide_refund(session, refund_id=_number("refund"), approve=approve, actor=actor, now=hub.now())
    return "approved" if approve else "rejected"


def _transfer(session: Session, hub: Hub, actor: str) -> str:
    number = flask.request.form.get("account", "").strip()
    transfers.assign(session, transfer_id=_number("transfer"), account_number=number, actor=actor, now=hub.now())
    return "assigned"


def _event(session: Session, hub: Hub, actor: str) -> str:
    dismiss = flask.request.form.get("verdict") == "dismiss"
    number = None if dismiss else flask.request.form.get("account", "").strip()
    outcome = gateway_news.resolve_parked(
        session, event_id=_number("event"), account_number=number, actor=actor, currency=hub.settings.currency,
        now=hub.now(),
    )  # fmt: skip
    return {"PARKED": "parked", "DISMISSED": "dismissed"}.get(outcome, "resolved")


def _dispute(session: Session, hub: Hub, actor: str) -> str:
    if flask.request.form.get("verdict") == "uphold":
        corrections.uphold(session, dispute_id=_number("dispute"), actor=actor, now=hub.now())
    else:
        changes.close_dispute(session, dispute_id=_number("dispute"), outcome="REJECTED", actor=actor, now=hub.now())
    return "dispute"


def _give_up(session: Session, hub: Hub, actor: str) -> str:
    write_offs.give_up(
        session, account_id=_number("account"), reason=flask.request.form.get("reason", "")[:500], actor=actor,
        after_days=hub.settings.write_off_after_days, now=hub.now(),
    )  # fmt: skip
    return "given-up"


def _close(session: Session, hub: Hub, actor: str) -> str:
    books.close_month(session, month=_month(flask.request.form.get("month", ""), date.max), actor=actor, now=hub.now())
    return "closed"


_ACTS: dict[str, Callable[[Session, Hub, str], str]] = {
    "ask": _ask, "refund": _refund, "transfer": _transfer, "event": _event, "dispute": _dispute, "give-up": _give_up,
    "close": _close,
}  # fmt: skip


def _numbers(session: Session, account_ids: set[int]) -> dict[int, str]:
    return {a.id: a.number for a in accounts.list_accounts_of(session, account_ids=sorted(account_ids))}


def _number(name: str) -> int:
    return edge.whole(flask.request.form.get(name, "").strip(), wrong=f"{name}.unknown")


def _amount(text: str) -> Decimal | None:
    amount = edge.number(text.strip().lstrip("$"), wrong="money.amount")
    if amount is not None and (amount <= 0 or amount != amount.quantize(money.CENT)):
        raise errors.Invalid("money.amount")
    return amount


def _month(text: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(f"{text[:7]}-01")
    except ValueError:
        return otherwise
