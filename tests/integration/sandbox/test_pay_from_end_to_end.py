"""The telephone twin, the hub's own doors, and the payment twin: a call that pays, on real ports, with signatures."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from actions import frame
from billing.gateways.stripe_gateway import StripeGateway
from channels.voice import web
from core.conversations import models as talked
from ops_admin.sandbox import app as sandbox
from ops_admin.sandbox.config import SandboxConfig
from tests.integration.billing.conftest import make_house, tariffs  # noqa: F401 - fixtures
from tests.integration.channels.test_paying_by_phone import ME, Caller, caller, impatient  # noqa: F401 - fixtures


class Telephone:
    """The page's telephone, called with by somebody who has proven who they are."""

    def __init__(self, caller: Caller, url: str) -> None:  # noqa: F811
        self._url = url
        self.call = self._post("/api/calls", {"from": ME})
        self.input(speech="hello")
        found = select(talked.ConversationRow).order_by(talked.ConversationRow.id.desc()).limit(1)
        caller.talk = caller.session.scalars(found).one()
        caller.prove()

    def input(self, **given: Any) -> dict[str, Any]:
        self.call = self._post(f"/api/calls/{self.call['call_sid']}/input", given)
        return self.call

    def keys(self, *digits: str) -> str:
        for each in digits:
            self.input(digits=each)
        return " ".join(self.call["says"])

    def switch(self, **switches: Any) -> None:
        self._post("/api/switches", {"stripe": switches})

    def charged(self) -> list[str]:
        """What the payment twin took."""
        api = StripeGateway(api_key=SandboxConfig.stripe_api_key, webhook_secret="", api_base=f"{self._url}/stripe")
        return [intent.status for intent in api._client.v1.payment_intents.list().data]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(requests.post(self._url + path, json=body, timeout=20).json())


@pytest.fixture
def telephone(caller: Caller, tmp_path: Path) -> Iterator[Telephone]:  # noqa: F811
    doors = Flask("hub")
    hub_server = _serve(doors)
    here = f"http://127.0.0.1:{hub_server.server_port}"
    vendors = sandbox.create_app(SandboxConfig(hub_base_url=here, data_dir=tmp_path, pace=0.02, retry_delays=()))
    town_server = _serve(vendors)
    town = f"http://127.0.0.1:{town_server.server_port}"
    settings = caller.hub.settings.model_copy(
        update={
            "twilio_auth_token": SandboxConfig.twilio_auth_token,
            "public_base_url": here,
            "voice_pay_connector": "Sandbox",
        }
    )
    caller.hub = caller.hub.with_(
        settings=settings,
        payments=StripeGateway(
            api_key=SandboxConfig.stripe_api_key, webhook_secret="whsec", api_base=f"{town}/stripe"
        ),
    )  # fmt: skip
    frame.attach(caller.hub)
    doors.register_blueprint(web.blueprint(caller.hub))
    yield Telephone(caller, town)
    for server in (town_server, hub_server):
        server.shutdown()
        server.server_close()
    sandbox.close(vendors)


def _serve(app: Flask) -> Any:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


def test_a_call_pays(caller: Caller, telephone: Telephone) -> None:  # noqa: F811
    owed = caller.owes()
    assert "press 8" in telephone.keys("2")
    assert f"${owed}" in telephone.keys("8")
    assert f"Your payment of ${owed} went through" in telephone.keys("4242424242424242", "1234", "19000", "123")
    assert (caller.owes(), caller.payments()) == (0, [("SUCCEEDED", int(owed * 100))])
    assert telephone.charged() == ["succeeded"]


def test_a_declined_card_then_another(caller: Caller, telephone: Telephone) -> None:  # noqa: F811
    said = telephone.keys("2", "8", "4000000000009995", "1234", "19000", "123")
    assert "declined" in said and "press 8" in said
    assert "went through" in telephone.keys("8", "5555555555554444", "1234", "19000", "123")
    assert [status for status, _ in caller.payments()] == ["FAILED", "SUCCEEDED"]
    assert caller.owes() == 0


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_is_lost_is_paid_once(caller: Caller, telephone: Telephone) -> None:  # noqa: F811
    telephone.keys("2", "8", "4242424242424242", "1234", "19000")
    telephone.switch(lost_answer=True)
    assert "I do not know yet" in telephone.keys("123")
    assert caller.tries()[0][0] == "CHARGING"
    telephone.switch(lost_answer=False)
    caller.hub.clock.move(minutes=1)
    caller.deliver()
    assert telephone.charged() == ["succeeded"]
    assert (caller.owes(), len(caller.payments())) == (0, 1)
