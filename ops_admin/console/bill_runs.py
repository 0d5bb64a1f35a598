"""The bill runs: what they did, and who waits for what before a bill can be made."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import flask
from sqlalchemy.exc import SQLAlchemyError

from billing import index_loading, parked, runs, waiting
from core import log
from core.accounts import queries as accounts
from core.hub import Hub

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


def add(pages: flask.Blueprint, hub: Hub, when: Callable[[datetime], str]) -> None:
    """This will add the page; it decides nothing."""

    @pages.get("/ops/runs")
    def bill_runs() -> flask.typing.ResponseReturnValue:
        found: dict[str, Any] = {}
        try:
            with hub.transaction() as session:
                waits = waiting.list_waiting(session)
                ids = {each for w in waits for each in w.account_ids}
                found = {
                    "waits": waits,
                    "numbers": {a.id: a.number for a in accounts.list_accounts_of(session, account_ids=sorted(ids))},
                    "runs": runs.list_runs(session, limit=_SHOWN),
                    "series": index_loading.list_series(session),
                }
        except SQLAlchemyError:
            logger.exception("console_without_database")
        page = flask.render_template(
            "console/runs.html", house=hub.settings.utility_name, now=hub.now(), when=when, answered=bool(found),
            why=_WAITS, states=_STATES, **found,
        )  # fmt: skip
        return page, 200 if found else 503
