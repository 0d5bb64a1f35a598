"""The action server: one small HTTP door on loopback through which the assistant runs actions.

It speaks rasa-sdk's own contract (``POST /webhook``, ``GET /health``, ``GET /actions``), and asks for the shared token:
``Authorization: Bearer <token>`` (``headers:`` in the assistant's endpoints.yml) or ``?token=``.
"""

import hmac
import json
import zlib
from typing import Any

from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionNotFoundException
from sanic import Sanic, response

from actions import frame, registry
from core import log
from core.hub import Hub

logger = log.get(__name__)

MAX_BODY = 20_000_000  # a tracker carries the whole conversation


def serve(hub: Hub, host: str = "127.0.0.1", port: int = 5055) -> None:
    """This will answer the assistant until SIGTERM, in this process."""
    frame.attach(hub)
    app = create_app(hub.settings.rasa_token)
    app.run(host=host, port=port, single_process=True, access_log=False, motd=False, debug=False)


def create_app(token: str, name: str = "wattline_actions") -> Sanic:
    """This will build the application. An empty token leaves the door to loopback alone."""
    executor = create_executor()
    app = Sanic(name, configure_logging=False)
    app.config.REQUEST_MAX_SIZE = MAX_BODY
    app.config.FALLBACK_ERROR_FORMAT = "json"

    async def health(_: Any) -> Any:
        return response.json({"status": "ok"})

    async def actions(request: Any) -> Any:
        if not _allowed(request, token):
            return response.json({"error": "unauthorized"}, status=401)
        return response.json([{"name": action} for action in sorted(executor.actions)])

    async def webhook(request: Any) -> Any:
        if not _allowed(request, token):
            return response.json({"error": "unauthorized"}, status=401)
        call = _call(request)
        if call is None:
            return response.json({"error": "not an action call"}, status=400)
        name = str(call.get("next_action"))
        try:
            result = await executor.run(call)
        except ActionExecutionRejection as exc:
            return response.json({"error": exc.message, "action_name": exc.action_name}, status=400)
        except ActionNotFoundException as exc:
            logger.error("action_unknown", extra={"action": name})
            return response.json({"error": exc.message, "action_name": name}, status=404)
        except Exception:
            logger.exception("action_call_failed", extra={"action": name})
            return response.json({"error": "failed", "action_name": name}, status=500)
        return response.json(result.model_dump() if result else None)

    app.add_route(health, "/health", methods=["GET"])
    app.add_route(actions, "/actions", methods=["GET"])
    app.add_route(webhook, "/webhook", methods=["POST"])
    return app


def create_executor() -> ActionExecutor:
    """This will give an executor that knows every action."""
    executor = ActionExecutor()
    for action in registry.every_action():
        executor.register_action(action)
    return executor


def _allowed(request: Any, token: str) -> bool:
    if not token:
        return True
    given = request.headers.get("authorization", "").removeprefix("Bearer ") or request.args.get("token", "")
    return hmac.compare_digest(str(given).encode(), token.encode())


def _call(request: Any) -> dict[str, Any] | None:
    try:
        body = request.body
        if request.headers.get("content-encoding") == "deflate":
            unpack = zlib.decompressobj()
            body = unpack.decompress(body, MAX_BODY)
            if unpack.unconsumed_tail:
                return None
        call = json.loads(body)
    except (ValueError, zlib.error):
        return None
    return call if isinstance(call, dict) else None
