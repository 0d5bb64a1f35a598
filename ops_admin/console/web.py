"""The console: /ops/."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import flask
from sqlalchemy.exc import SQLAlchemyError

from billing import validations
from core import audit, log, outbox, periods
from core.hub import Hub
from ops_admin import clock, schedule
from ops_admin.console import account_money, arrears, bill_runs, cash, entry, letters, reads
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

    @pages.context_processor
    def known() -> dict[str, Any]:
        """What every page says: whose console it is, and who looks."""
        now = hub.now()
        name = entry.name_of(hub.settings, flask.request.cookies, now=now)
        return {
            "house": hub.settings.utility_name, "now": now, "when": _when(hub), "name": name,
            "form": entry.form(hub.settings, name=name, now=now),
            "actors": entry.DEMO_NAMES if hub.settings.demo else (),
        }  # fmt: skip

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
        now, asked = hub.now(), flask.request.args
        name, account = asked.get("name", ""), asked.get("by", "")
        if not entry.is_link(hub.settings, asked.get("pass", ""), name=name, account=account, now=now):
            return flask.render_template("console/closed.html"), 403
        response = flask.make_response(flask.redirect("/ops/"))
        _keep(response, entry.COOKIE, entry.pass_for(hub.settings, purpose="stay", until=now + entry.STAY_LASTS))
        if not name:
            response.delete_cookie(entry.NAME, path="/ops")
            return response
        _keep(response, entry.NAME, entry.signed_name(hub.settings, name, now=now))
        try:
            with hub.transaction() as session:
                audit.record(
                    session, actor=f"staff:{name}", action="console.entered", subject="staff", subject_id=name, now=now,
                    detail={"link_made_by": account},
                )  # fmt: skip
        except SQLAlchemyError:  # it has to open when the database does not: nothing can be decided then
            logger.exception("console_without_database")
        return response

    @pages.post("/ops/act-as")
    def act_as() -> flask.typing.ResponseReturnValue:
        """The demonstration's two people. Elsewhere a name is signed by a link alone."""
        now, asked = hub.now(), flask.request.form
        if not hub.settings.demo or asked.get("name") not in entry.DEMO_NAMES:
            flask.abort(404)
        shown = asked.get("form", "")  # of either of them: a tab may be older than the last change
        if not any(entry.is_form(hub.settings, shown, name=name, now=now) for name in ("", *entry.DEMO_NAMES)):
            return flask.render_template("console/closed.html"), 403
        back = asked.get("back", "")
        response = flask.make_response(flask.redirect(back if re.fullmatch(r"/ops/[a-z0-9/-]*", back) else "/ops/"))
        _keep(response, entry.NAME, entry.signed_name(hub.settings, asked["name"], now=now))
        return response

    def _keep(response: flask.Response, cookie: str, value: str) -> None:
        secure = hub.settings.public_base_url.startswith("https")
        response.set_cookie(
            cookie, value, max_age=int(entry.STAY_LASTS.total_seconds()), httponly=True, samesite="Strict",
            secure=secure, path="/ops",
        )  # fmt: skip

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
        page = flask.render_template(
            "console/console.html", status=found, health=health, why=validations.sentence, done=done, wrong=wrong,
            behind=behind, asked=asked, one=one, turns=turns, unwell=[t for t in turns if t.late or t.error],
        )  # fmt: skip
        return page, status if found else 503

    @pages.post("/ops/retry")
    def retry() -> flask.typing.ResponseReturnValue:
        now = hub.now()
        name = entry.name_of(hub.settings, flask.request.cookies, now=now)
        if not entry.is_form(hub.settings, flask.request.form.get("form", ""), name=name, now=now):
            return flask.render_template("console/closed.html"), 403
        ids = [int(each) for each in flask.request.form.getlist("delivery") if each.isascii() and each.isdigit()][:200]
        with hub.transaction() as session:
            count = outbox.retry_dead(session, delivery_ids=ids, now=now)
        return flask.redirect(flask.url_for("console.console", tried=count))

    arrears.add(pages, hub, overview)
    reads.add(pages, hub)
    cash.add(pages, hub)
    account_money.add(pages, hub)
    letters.add(pages, hub)
    bill_runs.add(pages, hub)
    return pages


def _when(hub: Hub) -> Callable[[datetime], str]:
    """Instants as the utility's own clock shows them."""
    return lambda at: f"{periods.local(at, hub.settings.utility_timezone):%b %d, %H:%M:%S}"
