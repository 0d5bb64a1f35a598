"""The short way to an answer: the process that took a message in answers it, while it has a thread free.

What is owed stays owed in PostgreSQL as ever; only the bell rings here instead of at a worker. When every thread is
taken, or this process dies, the workers have it.
"""

import dataclasses
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from core import log, outbox
from core.hub import Bell, Hub

logger = log.get(__name__)

THREADS = 4
_QUEUE = "turns"


def beside(hub: Hub, *, threads: int = THREADS) -> Hub:
    """This will give a door, whose customers wait, a hub that rings for their turns in this very process."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="lane")
    free = threading.BoundedSemaphore(threads)

    def ring(bells: Sequence[Bell]) -> None:
        elsewhere = [bell for bell in bells if bell[1] != _QUEUE or not free.acquire(blocking=False)]
        for bell in bells:
            if bell not in elsewhere:
                pool.submit(run, bell[0])
        if elsewhere:
            hub.ring(elsewhere)

    def run(delivery_id: int) -> None:
        try:
            outbox.deliver(here, delivery_id)
        except Exception:  # the sweep rings again; a thread that died would answer nobody any more
            logger.exception("lane_failed", extra={"delivery_id": delivery_id})
        finally:
            free.release()

    here = dataclasses.replace(hub, ring=ring)
    return here
