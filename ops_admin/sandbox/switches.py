"""The failure switches: what goes wrong at each vendor, for its API and for its webhooks alike."""

import socket
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any

from flask import request

from ops_admin.sandbox.store import Store

VENDORS = ("twilio", "sendgrid", "hubspot", "stripe", "shop")
_COMMON: dict[str, Any] = {
    "slow_ms": 0,
    "down": "off",  # off, 503, reset
    "rate_limited": False,
    "duplicate": False,
    "reorder": False,
    "late_seconds": 0.0,
}
_OWN: dict[str, dict[str, Any]] = {
    "twilio": {"agent_answers": True, "undelivered": False, "lost_answer": False},
    "sendgrid": {"bounce": False, "lost_answer": False},
    "hubspot": {"search_lag_seconds": 5.0, "limit_per_10s": 190, "daily_limit": 650_000, "lost_answer": False},
    "stripe": {"lost_answer": False},
    "shop": {"no_message": False},  # no message: the payment stands in the settlement file only
}


class Switches:
    """Kept in the store, so that a failure that was set stays set until somebody ends it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known = {vendor: self._load(vendor) for vendor in VENDORS}

    def of(self, vendor: str) -> Mapping[str, Any]:
        return self._known[vendor]

    def all(self) -> dict[str, dict[str, Any]]:
        return {vendor: dict(values) for vendor, values in self._known.items()}

    def set(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """This will change switches; ValueError names the one that does not exist or cannot have that value."""
        with self._lock:
            fresh = self.all()
            for vendor, values in changes.items():
                if vendor not in fresh or not isinstance(values, Mapping):
                    raise ValueError(f"no such vendor: {vendor}")
                for name, value in values.items():
                    fresh[vendor][name] = _checked(vendor, name, value)
            for vendor in changes:
                self._store.put("switch", vendor, fresh[vendor])
            self._known = fresh

    def reset(self) -> None:
        """This will end every failure."""
        with self._lock:
            for vendor in VENDORS:
                self._store.delete("switch", vendor)
            self._known = {vendor: self._load(vendor) for vendor in VENDORS}

    def _load(self, vendor: str) -> dict[str, Any]:
        return {**_COMMON, **_OWN[vendor], **(self._store.get("switch", vendor) or {})}


def pause_or_fail(switch: Mapping[str, Any]) -> int | None:
    """This will make the request slow, cut its line, or give the HTTP status it must fail with."""
    if switch["slow_ms"]:
        time.sleep(min(switch["slow_ms"], 60_000) / 1000)
    if switch["down"] == "reset":
        cut_line()
        return 503
    if switch["down"] == "503":
        return 503
    return 429 if switch["rate_limited"] else None


def cut_line() -> None:
    """This will reset the caller's connection, when the server lets us have its socket."""
    line = request.environ.get("werkzeug.socket") or request.environ.get("gunicorn.socket")
    if isinstance(line, socket.socket):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.shutdown(socket.SHUT_RDWR)


def _checked(vendor: str, name: str, value: Any) -> Any:
    standard = {**_COMMON, **_OWN[vendor]}.get(name)
    if standard is None:
        raise ValueError(f"no such switch: {vendor}.{name}")
    if name == "down":
        if value not in ("off", "503", "reset"):
            raise ValueError("down is off, 503 or reset")
        return value
    if isinstance(standard, bool):
        if not isinstance(value, bool):
            raise ValueError(f"{vendor}.{name} is true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1_000_000:
        raise ValueError(f"{vendor}.{name} is a number, not negative")
    return type(standard)(value)
