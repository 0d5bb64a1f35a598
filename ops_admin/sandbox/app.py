"""The sandbox: one application with every vendor's twin, and a page on which a person can play all parts."""

import html
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, render_template

from ops_admin.sandbox import hubspot_api, page_api, sendgrid_api, shop, stripe_api, stripe_page, twilio_api
from ops_admin.sandbox.config import SandboxConfig
from ops_admin.sandbox.courier import Courier
from ops_admin.sandbox.store import Store
from ops_admin.sandbox.switches import Switches
from ops_admin.sandbox.world import World


def create_app(config: SandboxConfig) -> Flask:
    """This will put the twins together. `app.extensions["sandbox"]` is the World; close() it when done."""
    store = Store(config.data_dir / "sandbox.sqlite3")
    switches = Switches(store)
    world = World(config, store, switches, Courier(config, switches))
    app = Flask(__name__)
    app.extensions["sandbox"] = world
    app.config["MAX_CONTENT_LENGTH"] = 32 * 1024 * 1024
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for module in (twilio_api, sendgrid_api, hubspot_api, stripe_api, stripe_page, shop, page_api):
        app.register_blueprint(module.blueprint(world))
    _front(app, world)
    return app


def close(app: Flask) -> None:
    """This will stop the couriers and close the store."""
    world: World = app.extensions["sandbox"]
    world.courier.close()
    world.store.close()


def _front(app: Flask, world: World) -> None:
    hub = world.config.hub_public
    policy = _policy(hub)

    @app.get("/")
    def front() -> Response:
        config = world.config
        body = render_template(
            "index.html", config=config, widget=hub + config.widget_path, portal=hub + config.portal_path,
            console=hub + config.console_path,
        )  # fmt: skip
        answer = Response(body)
        answer.headers["Content-Security-Policy"] = policy
        return answer

    @app.get("/mail/<key>/page")
    def letter(key: str) -> Response:
        """A mail's own markup, in a frame that may show it and open links, and nothing else."""
        found = world.store.get("mail", key)
        if found is None:
            abort(404)
        markup = found["html"]
        for item in found["attachments"]:
            if item.get("content_id"):
                data = f"data:{item['content_type']};base64,{item['content_base64']}"
                markup = markup.replace(f"cid:{item['content_id']}", html.escape(data))
        answer = Response(f'<!doctype html><base target="_blank">{markup}')
        answer.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'unsafe-inline'; img-src data: https: {hub}; "
            "sandbox allow-popups allow-popups-to-escape-sandbox; frame-ancestors 'self'"
        )
        return answer

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        return {"ok": True}

    @app.get("/favicon.ico")
    def icon() -> Response:
        return app.send_static_file("icon.svg")

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def _policy(hub: str) -> str:
    parts = urlsplit(hub)
    origin = f"{parts.scheme}://{parts.netloc}"
    socket = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    return (
        f"default-src 'none'; script-src 'self' {origin}; style-src 'self' {origin}; img-src 'self' data: {origin}; "
        f"connect-src 'self' {origin} {socket}; font-src 'self' {origin}; frame-src 'self' {origin}; "
        f"media-src 'self' {origin}; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )
