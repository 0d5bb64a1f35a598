"""A sandbox on a real port, and a stub of the hub that keeps what the twins post to it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from werkzeug.serving import make_server

from ops_admin.sandbox import signing
from ops_admin.sandbox.app import close, create_app
from ops_admin.sandbox.config import SandboxConfig
from ops_admin.sandbox.world import World


@dataclass
class Posted:
    path: str
    url: str
    headers: dict[str, str]
    body: bytes
    form: dict[str, str]


@dataclass
class StubHub:
    """Keeps every post. `answers` gives the body for a path; `refuse` the status for the next posts to a path."""

    url: str = ""
    posted: list[Posted] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    refuse: dict[str, list[int]] = field(default_factory=dict)

    def wait(self, path: str, count: int = 1, match: Callable[[Posted], bool] = lambda _: True) -> list[Posted]:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            found = [item for item in self.posted if item.path == path and match(item)]
            if len(found) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(f"{path}: {[item.path for item in self.posted]}")


@dataclass
class Town:
    url: str
    hub: StubHub
    config: SandboxConfig
    world: World
    event_key: str
    inbound_key: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    hub = StubHub()
    hub_server = _serve(_stub(hub))
    hub.url = f"http://127.0.0.1:{hub_server.server_port}"
    event, inbound = signing.new_key_pair(), signing.new_key_pair()
    config = SandboxConfig(
        hub_base_url=hub.url,
        data_dir=Path(tmp_path_factory.mktemp("sandbox")),
        sendgrid_event_private_key=event[0],
        sendgrid_inbound_private_key=inbound[0],
        pace=0.02,
    )
    app = create_app(config)
    server = _serve(app)
    yield Town(f"http://127.0.0.1:{server.server_port}", hub, config, app.extensions["sandbox"], event[1], inbound[1])
    server.shutdown()
    hub_server.shutdown()
    server.server_close()
    hub_server.server_close()
    close(app)


@pytest.fixture
def town(running: Town) -> Town:
    running.world.courier.drain(5)
    running.world.courier.clear()
    running.world.store.clear()
    running.world.switches.reset()
    running.hub.posted.clear()
    running.hub.answers.clear()
    running.hub.refuse.clear()
    return running


def _stub(hub: StubHub) -> Flask:
    app = Flask("stub_hub")

    @app.route("/<path:path>", methods=["GET", "POST"])
    def take(path: str) -> Any:
        body = request.get_data(cache=True)
        full = request.full_path if request.query_string else f"/{path}"
        hub.posted.append(Posted(f"/{path}", hub.url + full, dict(request.headers), body, request.form.to_dict()))
        waiting = hub.refuse.get(f"/{path}") or []
        if waiting:
            return Response(status=waiting.pop(0))
        return Response(hub.answers.get(full, hub.answers.get(f"/{path}", "")), mimetype="text/xml")

    return app


def _serve(app: Flask) -> Any:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server
