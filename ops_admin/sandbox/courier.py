"""The webhooks: posted from a pool of threads, signed at each attempt, and tried again as the vendor would."""

import heapq
import itertools
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from ops_admin.sandbox.config import SandboxConfig
from ops_admin.sandbox.switches import Switches

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Letter:
    """One webhook. `sign` gives the headers of an attempt; `retry_on` says which outcomes are tried again."""

    vendor: str
    label: str
    url: str  # the public URL: what is signed
    body: bytes
    sign: Callable[[bytes], Mapping[str, str]]  # the headers of one attempt at these bytes
    timeout: float = 10.0
    retry_on: Callable[[int | None], bool] = field(default=lambda status: status is None or status >= 500)
    most_attempts: int = 10
    attempt: int = 0
    renumber: Callable[[bytes, int], bytes] | None = None  # HubSpot counts its attempts inside the body


class Courier:
    """This will carry letters. Nothing here is in a hurry: the vendors promise no order either."""

    def __init__(self, config: SandboxConfig, switches: Switches) -> None:
        self._config = config
        self._switches = switches
        self._heap: list[tuple[float, int, Letter | Callable[[], None]]] = []
        self._tie = itertools.count()
        self._wake = threading.Condition()
        self._closed = False
        self._busy = 0
        self.log: deque[dict[str, Any]] = deque(maxlen=200)
        self._threads = [
            threading.Thread(target=self._work, name=f"courier-{number}", daemon=True)
            for number in range(config.workers)
        ]
        for thread in self._threads:
            thread.start()

    def post(self, letter: Letter, delay: float = 0.0) -> None:
        """This will post a letter soon, twice or late when the vendor's switches say so."""
        switch = self._switches.of(letter.vendor)
        delay = delay * self._config.pace + switch["slow_ms"] / 1000 + switch["late_seconds"]
        copies = 2 if switch["duplicate"] else 1
        for _ in range(copies):
            wait = delay + (random.random() * 3 * max(self._config.pace, 0.05) if switch["reorder"] else 0)
            self._put(wait, letter)

    def later(self, delay: float, work: Callable[[], None]) -> None:
        """This will run something of the vendor's own a little later."""
        self._put(delay * self._config.pace, work)

    def clear(self) -> None:
        """This will drop what is still on its way."""
        with self._wake:
            self._heap.clear()
        self.log.clear()

    def drain(self, timeout: float = 10.0) -> bool:
        """This will wait until nothing is under way, and say whether that happened in time."""
        deadline = time.monotonic() + timeout
        with self._wake:
            while self._heap or self._busy:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._wake.wait(min(left, 0.05))
        return True

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._heap.clear()
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(timeout=2)

    def _put(self, delay: float, item: Letter | Callable[[], None]) -> None:
        with self._wake:
            if not self._closed:
                heapq.heappush(self._heap, (time.monotonic() + delay, next(self._tie), item))
                self._wake.notify()

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._closed and (not self._heap or self._heap[0][0] > time.monotonic()):
                    self._wake.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                if self._closed:
                    return
                item = heapq.heappop(self._heap)[2]
                self._busy += 1
            try:
                self._deliver(item) if isinstance(item, Letter) else item()
            except Exception:  # one bad letter must not end the thread that carries the others
                log.exception("sandbox.courier.failed")
            finally:
                with self._wake:
                    self._busy -= 1
                    self._wake.notify_all()

    def _deliver(self, letter: Letter) -> None:
        if self._switches.of(letter.vendor)["down"] != "off":
            self._put(0.5, letter)  # a vendor that is down posts nothing; it catches up afterwards
            return
        body = letter.renumber(letter.body, letter.attempt) if letter.renumber else letter.body
        letter = Letter(**{**letter.__dict__, "body": body})
        started = time.monotonic()
        status: int | None = None
        try:
            response = requests.post(
                self._config.reach(letter.url),
                data=letter.body,
                headers=dict(letter.sign(letter.body)),
                timeout=(5, letter.timeout),
                allow_redirects=False,
            )
            status = response.status_code
        except requests.RequestException:
            pass
        self.log.append(
            {
                "vendor": letter.vendor,
                "label": letter.label,
                "status": status,
                "attempt": letter.attempt + 1,
                "ms": round((time.monotonic() - started) * 1000),
                "at": time.time(),
            }
        )
        ok = status is not None and 200 <= status < 300
        if not ok and letter.retry_on(status) and letter.attempt + 1 < letter.most_attempts:
            delays = self._config.retry_delays
            wait = delays[min(letter.attempt, len(delays) - 1)] * self._config.pace
            self._put(wait, Letter(**{**letter.__dict__, "attempt": letter.attempt + 1}))
