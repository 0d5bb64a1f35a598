"""What every twin shares: the configuration, what is remembered, the switches, and the courier."""

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Response, request

from ops_admin.sandbox import switches
from ops_admin.sandbox.config import SandboxConfig
from ops_admin.sandbox.courier import Courier
from ops_admin.sandbox.store import Store
from ops_admin.sandbox.switches import Switches


@dataclass(frozen=True)
class World:
    config: SandboxConfig
    store: Store
    switches: Switches
    courier: Courier

    def now(self) -> float:
        return time.time()

    def here(self) -> str:
        """This will give the sandbox's own address, as the caller can reach it."""
        return (self.config.public_url or request.host_url).rstrip("/")


def sid(prefix: str) -> str:
    """This will give a Twilio-like id: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def iso(at: float) -> str:
    """This will word an instant as HubSpot does."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def guard_loss(blueprint: Blueprint, world: World, vendor: str) -> None:
    """This will let the vendor do the work and lose the answer on the way, when that switch is set."""

    @blueprint.after_request
    def lose(response: Response) -> Response:
        if request.method == "POST" and world.switches.of(vendor)["lost_answer"] and response.status_code < 300:
            switches.cut_line()
            return Response(status=502)
        return response
