"""The post page: which batches of bills went to the printer, and which letters came back."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import flask
from sqlalchemy.exc import SQLAlchemyError

from billing import letters
from core import errors, log
from core.hub import Hub
from ops_admin.console import entry

logger = log.get(__name__)

_WHY = {
    "letter.unknown": "No bill that went by post bears that number.",
    "letter.not_sent": "That bill has not gone to the printer.",
    "letter.returned": "Somebody was quicker: that letter is known to have come back.",
    "letter.why": "Please say why it came back, as it stands on the envelope.",
    "console.name": "Please give your name: it stands beside what you decide.",
    "console.form": "That form was too old. Please look again and repeat it.",
}


def add(pages: flask.Blueprint, hub: Hub, when: Callable[[datetime], str]) -> None:
    """This will add the page and its form, which brings a pass and says who decides."""

    @pages.get("/ops/letters")
    def post_page() -> flask.typing.ResponseReturnValue:
        number = flask.request.args.get("request", "")[:20]
        return _page(hub, when, done=f"Noted. Request {number} asks for the right address." if number else None)

    @pages.post("/ops/letters/returned")
    def letter_returned() -> flask.typing.ResponseReturnValue:
        form = flask.request.form
        try:
            actor = entry.actor(hub.settings, form=form, cookies=flask.request.cookies, now=hub.now())
            with hub.transaction() as session:
                number = letters.mark_returned(
                    session, bill_number=form.get("bill", ""), why=form.get("why", ""), actor=actor,
                    now=hub.now(),
                )  # fmt: skip
        except errors.WattlineError as refused:
            return _page(hub, when, wrong=_WHY.get(refused.code, f"Not done: {refused.code}"), status=422)
        return flask.redirect(flask.url_for("console.post_page", request=number))


def _page(
    hub: Hub, when: Callable[[datetime], str], *, wrong: str | None = None, done: str | None = None, status: int = 200
) -> flask.typing.ResponseReturnValue:
    now = hub.now()
    found: dict[str, Any] = {}
    try:
        with hub.transaction() as session:
            found = {"batches": letters.list_batches(session), "owed": letters.count_owed(session)}
    except SQLAlchemyError:
        logger.exception("console_without_database")
        status = 503
    page = flask.render_template(
        "console/letters.html", house=hub.settings.utility_name, now=now, when=when, wrong=wrong, done=done,
        answered=bool(found), on=hub.letters is not None, form=entry.form(hub.settings, now=now),
        name=entry.name_of(flask.request.cookies.get(entry.NAME, ""), hub.settings),
        typed=flask.request.form, **found,
    )  # fmt: skip
    return page, status
