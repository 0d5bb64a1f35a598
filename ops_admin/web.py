"""One Flask application: every door, the portal, the webhooks, and whether all is well."""

import logging

import flask
import redis
from sqlalchemy import text
from werkzeug.middleware.proxy_fix import ProxyFix

from core import log
from core.hub import Hub
from ops_admin import config, wiring

logger = log.get(__name__)


def create_app(hub: Hub, doors: wiring.Doors) -> flask.Flask:
    """This will put the doors on one application."""
    app = flask.Flask("wattline", static_folder=None)
    app.secret_key = hub.settings.secret_key
    app.config.update(
        MAX_CONTENT_LENGTH=30 * 1024 * 1024,  # e-mail with attachments; each door sets its own, smaller limit
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=hub.settings.public_base_url.startswith("https"),
    )
    for blueprint in doors.blueprints:
        app.register_blueprint(blueprint)

    @app.get("/healthz")
    def healthy() -> str:
        return "ok"

    @app.get("/readyz")
    def ready() -> flask.Response | tuple[flask.Response, int]:
        parts = {"database": _database(hub), "assistant": hub.assistant.ready(), "queue": _queue(doors)}
        status = 200 if parts["database"] else 503
        return flask.jsonify(parts), status

    @app.get("/")
    def front() -> flask.typing.ResponseReturnValue:
        return flask.redirect("/portal/")

    return app


def _database(hub: Hub) -> bool:
    try:
        with hub.transaction() as session:
            return bool(session.scalar(text("SELECT 1")))
    except Exception:
        logger.exception("database_not_ready")
        return False


def _queue(doors: wiring.Doors) -> bool:
    try:
        return bool(doors.wakeups.redis.ping())
    except redis.RedisError:
        return False


def wsgi() -> flask.Flask:
    """This will build the application for a server process."""
    settings = config.load()
    log.set_up(settings.log_level)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    hub, doors = wiring.build_web(settings)
    app = create_app(hub, doors)
    if settings.public_base_url.startswith("https"):
        app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    return app
