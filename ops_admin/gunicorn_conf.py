"""How gunicorn serves the hub: threads (they hold a thousand open chats as well as an event loop does)."""

import importlib
import os
import signal
import sys
from typing import Any

from core import heap
from ops_admin.stack import embedded

worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "64"))
graceful_timeout = 5  # open event streams would hold a worker for the whole of it
timeout = 60
keepalive = 15
backlog = 1024
limit_request_line = 8190
control_socket_disable = True


def on_starting(server: Any) -> None:
    """The code is read once, before workers fork; what a worker opens, it opens itself."""
    importlib.import_module(server.app.app_uri.partition(":")[0])


def post_fork(server: object, worker: object) -> None:
    """Workers die with their master, even when it is killed."""
    embedded.die_with_parent(signal.SIGTERM)()
    sys.setswitchinterval(0.001)  # many short turns beside each other: none waits long for its next one


def post_worker_init(worker: object) -> None:
    heap.keep()
