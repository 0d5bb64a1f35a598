"""The website's blueprint: pages, their words, and what a page is drawn with."""

import functools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import flask
import jinja2
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from billing import documents
from channels import edge
from channels.portal import (
    account_pages,
    alert_pages,
    budget_pages,
    charts,
    entrance,
    figures,
    money_pages,
    picture_pages,
    plan_pages,
    service_pages,
    statement_pages,
    usage_pages,
    visitor,
)
from channels.web_chat import wakeups
from core import errors, log, wording
from core.hub import Hub

logger = log.get(__name__)

_LIMIT = 256 * 1024


def blueprint(hub: Hub, wakes: wakeups.Wakeups | None = None) -> flask.Blueprint:
    """This will give the blueprint with every page of the website; `wakes` lets open pages hear of new reads."""
    pages = flask.Blueprint(
        "portal", __name__, template_folder="templates", static_folder="static", static_url_path="/portal/static"
    )
    house = edge.house(hub.settings)

    @pages.before_request
    def bound() -> None:
        flask.request.max_content_length = _LIMIT

    @pages.context_processor
    def words() -> dict[str, Any]:
        language = visitor.locale(hub)
        who: visitor.Visitor | None = flask.g.get("visitor")
        return {
            "t": functools.partial(_say, language=language, house=house),
            "locale": language,
            "house": house,
            "visitor": who,
            "csrf": visitor.csrf(hub, who.token) if who else "",
            "done": _done(language, house),
            "settings": hub.settings,
            "one_day": timedelta(days=1),
            "chart": _chart,
            "rows": figures.rows,
            "span": figures.span,
            "heat": figures.heat,
            "hours_of_day": figures.hours,
            "line_name": functools.partial(documents.line_name, locale=language, house=house),
            "line_measure": functools.partial(documents.line_measure, locale=language, house=house),
        }

    for name in ("money", "day", "day_long", "clock", "instant", "kwh", "number", "phone"):
        pages.add_app_template_filter(functools.partial(_filter, hub, house, name), name)

    @pages.after_request
    def harden(response: flask.Response) -> flask.Response:
        sandbox = " ".join(hub.settings.allowed_origins)
        response.headers.setdefault(
            "Content-Security-Policy",
            "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
            f"form-action 'self' {sandbox} https://checkout.stripe.com; frame-ancestors 'none'; base-uri 'none'",
        )
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("Cache-Control", "no-store")
        wanted = flask.request.args.get("lang")
        if wanted in hub.settings.locales:
            response.set_cookie(visitor.LOCALE, wanted, max_age=365 * 86400, samesite="Lax", httponly=True)
        return response

    @pages.errorhandler(errors.WattlineError)
    def sorry(exc: errors.WattlineError) -> flask.typing.ResponseReturnValue:
        said = _words_of(exc, visitor.locale(hub), house)
        return flask.render_template("portal/sorry.html", said=said), edge.status_of(exc)

    @pages.errorhandler(Exception)
    def broken(exc: Exception) -> flask.typing.ResponseReturnValue:
        if isinstance(exc, HTTPException):
            return exc
        logger.error("page_failed", extra={"endpoint": flask.request.endpoint}, exc_info=exc)
        said = _words_of(None, visitor.locale(hub), house)
        return flask.render_template("portal/sorry.html", said=said), 500

    @pages.get("/chat/")
    def chat() -> str:
        return flask.render_template("portal/chat.html")

    for room in (
        entrance, money_pages, budget_pages, statement_pages, alert_pages, service_pages, plan_pages, account_pages,
        picture_pages,
    ):  # fmt: skip
        room.add(pages, hub)
    usage_pages.add(pages, hub, wakes)
    return pages


def _words_of(exc: errors.WattlineError | None, language: str, house: wording.House) -> str:
    """What the customer reads of an error: never the error itself."""
    if exc is not None and f"error.{exc.code}" in wording.kinds(language):
        try:
            return wording.label(f"error.{exc.code}", {"handed_over": False, **exc.data}, locale=language, house=house)
        except jinja2.UndefinedError:
            logger.exception("error_without_words", extra={"code": exc.code})
    return wording.label("error.internal", {"handed_over": False}, locale=language, house=house)


def _chart(series: Sequence[charts.Bar], title: str, unit: str, half: bool = False) -> Markup:
    return charts.bars(series, title=title, unit=unit, half=half)


def _say(kind: str, *, language: str, house: wording.House, **data: Any) -> str:
    return wording.label(kind, data, locale=language, house=house)


def _done(language: str, house: wording.House) -> str:
    """What to say of what was just done; nothing for a word that no page has for it."""
    kind = f"portal.done.{flask.request.args.get('done', '')}"
    return _say(kind, language=language, house=house) if kind in wording.kinds(language) else ""


def _filter(hub: Hub, house: wording.House, name: str, value: Any) -> str:
    """The catalogues' own filters, so that a page and a message write an amount or a day alike."""
    return wording.filtered(name, value, locale=visitor.locale(hub), house=house)
