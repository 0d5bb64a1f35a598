"""The short way to an answer: the process that took a message in answers it, while it has a thread free.

What is owed stays owed in PostgreSQL as ever; it is only claimed as it is written, and no bell rings. When every thread
is taken, a worker has it; when this process dies, the sweep finds it once the lease has run out.
"""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from core import log, outbox
from core.hub import Bell, Hub

logger = log.get(__name__)

THREADS = 4
_QUEUE = "turns"


def beside(hub: Hub, *, threads: int = THREADS) -> Hub:
    """This will give a door, whose customers wait, a hub that runs their turns in this very process."""
    return _Lane(hub, threads).hub


class _Lane:
    def __init__(self, hub: Hub, threads: int) -> None:
        self.hub = dataclasses.replace(hub, lane=self, ring_later=self._ring_later)
        self._workers = hub
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lane")
        self._lock = threading.Lock()
        self._free = threads

    def wants(self, queue: str) -> bool:
        return queue == _QUEUE and self._free > 0

    def run(self, claimed: outbox.Claimed) -> None:
        if not self._start(lambda: outbox.run(self.hub, claimed)):  # somebody was quicker
            outbox.hand_back(self._workers, claimed)

    def _ring_later(self, bells: Sequence[Bell], seconds: float) -> None:
        """A customer who may still be writing is waited for here as well."""
        for bell in bells:
            if bell[1] != _QUEUE:
                self._workers.ring_later([bell], seconds)
                continue
            timer = threading.Timer(seconds, self._ring, [bell])
            timer.daemon = True  # whoever shuts down need not wait: the sweep finds what is due
            timer.start()

    def _ring(self, bell: Bell) -> None:
        if not self._start(lambda: outbox.deliver(self.hub, bell[0])):
            self._workers.ring([bell])

    def _start(self, work: Callable[[], object]) -> bool:
        with self._lock:
            if not self._free:
                return False
            self._free -= 1
        self._pool.submit(self._work, work)
        return True

    def _work(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:  # the sweep rings again; a thread that died would answer nobody any more
            logger.exception("lane_failed")
        finally:
            with self._lock:
                self._free += 1
