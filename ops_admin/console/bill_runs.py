"""The bill runs: what they did, which bills they held for a look, and who waits for what before a bill can be made."""

from typing import Any

import flask
from sqlalchemy.exc import SQLAlchemyError

from billing import index_loading, issuing, owed, parked, runs, validations, waiting
from core import errors, log
from core.accounts import queries as accounts
from core.hub import Hub
from ops_admin import refusals
from ops_admin.console import fields

logger = log.get(__name__)

_SHOWN = 30
# what is waited for, and what makes it come
_WAITS = {
    "NO_PRICES": ("prices of the hour", "by itself, as soon as the prices are taken in"),
    "NO_READS": ("reads: none came for the period", "by itself, looked at every day"),
    "CARRIED": ("the bill before, which may still change", "by itself, the day after that bill is issued"),
    "NO_TARIFF": ("a tariff: none covers the period", "by itself, the day after somebody gives it one"),
    "UNPRICEABLE": ("a plan that can be priced", "by itself, the day after somebody puts the plan right"),
    parked.TOO_OLD: ("nothing any more", "not at all: the rules let nobody bill so far back"),
}
_STATES = {"OPEN": "running", "DONE": "drafts wait for a look", "ISSUED": "issued"}


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the page, and the form that lets a held bill go; it brings a pass and says who decides."""

    @pages.get("/ops/runs")
    def bill_runs() -> flask.typing.ResponseReturnValue:
        number = flask.request.args.get("issued", "")[:40]
        return _page(hub, done=f"Bill {number} has been issued." if number else None)

    @pages.post("/ops/runs/release")
    def release() -> flask.typing.ResponseReturnValue:
        form, now = flask.request.form, hub.now()
        try:
            actor = fields.actor(hub)
            with hub.transaction() as session:
                bill_id = fields.number("bill")
                issuing.release_bill(session, bill_id=bill_id, actor=actor, reason=form.get("why", "")[:500], now=now)
                issuing.issue_bill(session, bill_id=bill_id, timezone=hub.settings.utility_timezone, now=now)
                number = owed.get_bill(session, bill_id=bill_id).number
        except errors.WattlineError as refused:
            return _page(hub, wrong=refusals.to_staff(hub, refused), status=422)
        return flask.redirect(flask.url_for("console.bill_runs", issued=number))


def _page(
    hub: Hub, *, wrong: str | None = None, done: str | None = None, status: int = 200
) -> flask.typing.ResponseReturnValue:
    found: dict[str, Any] = {}
    try:
        with hub.transaction() as session:
            waits, held = waiting.list_waiting(session), owed.list_held_bills(session, limit=_SHOWN)
            ids = {each for w in waits for each in w.account_ids} | {bill.account_id for bill in held}
            found = {
                "waits": waits,
                "held": held,
                "numbers": {a.id: a.number for a in accounts.list_accounts_of(session, account_ids=sorted(ids))},
                "runs": runs.list_runs(session, limit=_SHOWN),
                "series": index_loading.list_series(session),
            }
    except SQLAlchemyError:
        logger.exception("console_without_database")
        status = 503
    page = flask.render_template(
        "console/runs.html", answered=bool(found), why=_WAITS, finding=validations.sentence, states=_STATES,
        wrong=wrong, done=done, **found,
    )  # fmt: skip
    return page, status
