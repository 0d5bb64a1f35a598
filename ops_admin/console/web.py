"""The console: /ops/."""

from collections.abc import Callable
from datetime import datetime

import flask
from sqlalchemy.exc import SQLAlchemyError

from billing import validations
from core import log, outbox, periods
from core.hub import Hub
from ops_admin import clock, schedule
from ops_admin.console import arrears, bill_runs, cash, entry, letters, reads
from ops_admin.console import status as standing

logger = log.get(__name__)

Probe = Callable[[], bool]


def blueprint(hub: Hub, queue_ready: Probe) -> flask.Blueprint:
    """This will give the console. It shows, owes dead letters again, and takes decisions of reads, money, illness."""
    pages = flask.Blueprint(
        "console", __name__, template_folder="templates", static_folder="static", static_url_path="/ops/static"
    )

    @pages.before_request
    def guarded() -> flask.typing.ResponseReturnValue | None:
        flask.request.max_content_length = 16 * 1024
        if flask.request.endpoint in ("console.enter", "console.static") or hub.settings.demo:
            return None
        if entry.good(hub.settings, flask.request.cookies.get(entry.COOKIE, ""), purpose="stay", now=hub.now()):
            return None
        return flask.render_template("console/closed.html"), 403

    @pages.after_request
    def harden(response: flask.Response) -> flask.Response:
        response.headers["Content-Security-Policy"] = (
            "default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    @pages.get("/ops/enter")
    def enter() -> flask.typing.ResponseReturnValue:
        now = hub.now()
        name = flask.request.args.get("name", "")
        purpose = f"link{name}" if not name or entry.is_name(name) else ""
        if not entry.good(hub.settings, flask.request.args.get("pass", ""), purpose=purpose, now=now):
            return flask.render_template("console/closed.html"), 403
        response = flask.make_response(flask.redirect("/ops/"))
        stay = entry.pass_for(hub.settings, purpose="stay", until=now + entry.STAY_LASTS)
        secure = hub.settings.public_base_url.startswith("https")
        response.set_cookie(
            entry.COOKIE, stay, max_age=int(entry.STAY_LASTS.total_seconds()), httponly=True, samesite="Strict",
            secure=secure, path="/ops",
        )  # fmt: skip
        if name:
            response.set_cookie(
                entry.NAME, entry.signed_name(hub.settings, name), max_age=int(entry.STAY_LASTS.total_seconds()),
                httponly=True, samesite="Strict", secure=secure, path="/ops",
            )  # fmt: skip
        else:
            response.delete_cookie(entry.NAME, path="/ops")
        return response

    @pages.get("/ops/")
    def console() -> flask.typing.ResponseReturnValue:
        tried = flask.request.args.get("tried", type=int)
        done = arrears.DONE.get(flask.request.args.get("done", "")) if tried is None else f"{tried} owed again."
        return overview(asked=flask.request.args.get("account", "")[:20], done=done)

    def overview(
        *, asked: str, done: str | None = None, wrong: str | None = None, status: int = 200
    ) -> flask.typing.ResponseReturnValue:
        now = hub.now()
        behind: tuple[arrears.Behind, ...] = ()
        turns: tuple[clock.Turn, ...] = ()
        one: arrears.Asked | None = None
        try:
            with hub.transaction() as session:
                found = standing.read(session, now=now)
                behind = arrears.read(session, now=now)
                one = arrears.find(session, number=asked, now=now) if asked else None
                turns = clock.list_turns(session, jobs=schedule.JOBS, now=now)
        except SQLAlchemyError:
            logger.exception("console_without_database")
            found = None
        health = {"database": found is not None, "assistant": hub.assistant.ready(), "queue": queue_ready()}
        form = entry.form(hub.settings, now=now)
        page = flask.render_template(
            "console/console.html", status=found, health=health, now=now, form=form, when=_when(hub),
            why=validations.sentence,
            house=hub.settings.utility_name, done=done, wrong=wrong,
            name=entry.name_of(flask.request.cookies.get(entry.NAME, ""), hub.settings),
            known=flask.request.form.get("by", ""),
            behind=behind, asked=asked, one=one, turns=turns, unwell=[t for t in turns if t.late or t.error],
        )  # fmt: skip
        return page, status if found else 503

    @pages.post("/ops/retry")
    def retry() -> flask.typing.ResponseReturnValue:
        now = hub.now()
        if not entry.is_form(hub.settings, flask.request.form.get("form", ""), now=now):
            return flask.render_template("console/closed.html"), 403
        ids = [int(each) for each in flask.request.form.getlist("delivery") if each.isascii() and each.isdigit()][:200]
        with hub.transaction() as session:
            count = outbox.retry_dead(session, delivery_ids=ids, now=now)
        return flask.redirect(flask.url_for("console.console", tried=count))

    arrears.add(pages, hub, overview)
    reads.add(pages, hub, _when(hub))
    cash.add(pages, hub, _when(hub))
    letters.add(pages, hub, _when(hub))
    bill_runs.add(pages, hub, _when(hub))
    return pages


def _when(hub: Hub) -> Callable[[datetime], str]:
    """Instants as the utility's own clock shows them."""
    return lambda at: f"{periods.local(at, hub.settings.utility_timezone):%b %d, %H:%M:%S}"
