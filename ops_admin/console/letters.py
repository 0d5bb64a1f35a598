"""The post page: which batches of bills went to the printer, and which letters came back."""

from typing import Any

import flask
from sqlalchemy.exc import SQLAlchemyError

from billing import letters
from core import errors, log
from core.hub import Hub
from ops_admin import refusals
from ops_admin.console import fields

logger = log.get(__name__)


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the page and its form, which brings a pass and says who decides."""

    @pages.get("/ops/letters")
    def post_page() -> flask.typing.ResponseReturnValue:
        number = flask.request.args.get("request", "")[:20]
        return _page(hub, done=f"Noted. Request {number} asks for the right address." if number else None)

    @pages.post("/ops/letters/returned")
    def letter_returned() -> flask.typing.ResponseReturnValue:
        form = flask.request.form
        try:
            actor = fields.actor(hub)
            with hub.transaction() as session:
                number = letters.mark_returned(
                    session, bill_number=form.get("bill", ""), why=form.get("why", ""), actor=actor,
                    now=hub.now(),
                )  # fmt: skip
        except errors.WattlineError as refused:
            return _page(hub, wrong=refusals.to_staff(hub, refused), status=422)
        return flask.redirect(flask.url_for("console.post_page", request=number))


def _page(
    hub: Hub, *, wrong: str | None = None, done: str | None = None, status: int = 200
) -> flask.typing.ResponseReturnValue:
    found: dict[str, Any] = {}
    try:
        with hub.transaction() as session:
            found = {"batches": letters.list_batches(session), "owed": letters.count_owed(session)}
    except SQLAlchemyError:
        logger.exception("console_without_database")
        status = 503
    page = flask.render_template(
        "console/letters.html", wrong=wrong, done=done, answered=bool(found), on=hub.letters is not None,
        typed=flask.request.form, **found,
    )  # fmt: skip
    return page, status
