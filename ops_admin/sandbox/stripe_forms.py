"""Stripe's request bodies: bracketed forms become nested values; answers to repeated keys are remembered."""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from ops_admin.sandbox.world import World

_PART = re.compile(r"[^\[\]]+|(?<=\[)(?=\])")


class StripeError(Exception):
    """Stripe's own no."""

    def __init__(self, status: int, kind: str, message: str, *, code: str = "", param: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "message": message, **({"code": code} if code else {}),
                      **({"param": param} if param else {}), **more}  # fmt: skip


def decode(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """This will turn `a[b][0]=c` into nested dicts and lists; all leaves stay text."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        parts = _PART.findall(name)
        place = root
        for part in parts[:-1]:
            place = place.setdefault(part or str(len(place)), {})
            if not isinstance(place, dict):
                raise StripeError(400, "invalid_request_error", "Invalid request", param=name)
        place[parts[-1] or str(len(place))] = value
    return {name: _listed(value) for name, value in root.items()}


def need(given: dict[str, Any], *names: str) -> None:
    """This will refuse a request that lacks a parameter."""
    for name in names:
        if given.get(name) in (None, ""):
            raise StripeError(
                400, "invalid_request_error", f"Missing required param: {name}.", code="parameter_missing", param=name
            )


def allow(given: dict[str, Any], names: str) -> None:
    """This will refuse a parameter nobody knows, which is how Stripe catches typing errors."""
    known = set(names.split()) | {"metadata", "expand"}
    for name in given:
        if name not in known:
            raise StripeError(
                400,
                "invalid_request_error",
                f"Received unknown parameter: {name}",
                code="parameter_unknown",
                param=name,
            )


def integer(given: dict[str, Any], name: str, least: int = 0) -> int:
    try:
        value = int(given[name])
    except (KeyError, TypeError, ValueError):
        raise StripeError(
            400, "invalid_request_error", f"Invalid integer: {given.get(name)}", code="parameter_invalid_integer",
            param=name,
        ) from None  # fmt: skip
    if value < least:
        raise StripeError(
            400, "invalid_request_error", f"This value must be greater than or equal to {least}.",
            code="parameter_invalid_integer", param=name,
        )  # fmt: skip
    return value


def fingerprint(path: str, given: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([path, given], sort_keys=True).encode()).hexdigest()


def recall(world: World, key: str, mark: str) -> tuple[int, Any] | None:
    """This will give the remembered answer for an idempotency key; another body under the same key is refused."""
    known = world.store.get("stripe-key", key)
    if known is None:
        return None
    if known["mark"] != mark:
        raise StripeError(
            400, "idempotency_error",
            f"Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request.",
        )  # fmt: skip
    return known["status"], known["body"]


def remember(world: World, key: str, mark: str, status: int, body: Any) -> None:
    world.store.put("stripe-key", key, {"mark": mark, "status": status, "body": body})


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(item) for name, item in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
