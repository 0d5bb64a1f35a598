"""Wake-ups: a word through Redis that something new stands in the database. Never the thing itself.

One listener thread a process, started with the first subscriber, fans out to queues in the process. Losing Redis loses
no message: a reader that is not woken looks again by itself.
"""

import queue
import threading
from typing import Any

import redis

from core import log

logger = log.get(__name__)

_PREFIX = "wake:"
_RETRY_SECONDS = 1.0
ENDED = "\x00ended"  # what a queue holds when the process is shutting down
LOST = ""  # what a queue holds when wake-ups may have been missed


class Wakeups:
    """Publishes and hears wake-ups. `publish` fits Hub.publish."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._redis: Any = redis.Redis.from_url(
            redis_url, decode_responses=True, socket_timeout=2, socket_connect_timeout=1
        )
        self._lock = threading.Lock()
        self._queues: dict[str, set[queue.SimpleQueue[str]]] = {}
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    @property
    def redis(self) -> Any:
        """The client, for what else the chat keeps in Redis."""
        return self._redis

    def publish(self, topic: str, text: str) -> None:
        """This will wake whoever listens to a topic, in any process; a Redis that is down is logged, not raised."""
        try:
            self._redis.publish(_PREFIX + topic, text)
        except redis.RedisError as exc:
            logger.warning("wakeup_lost", extra={"reason": type(exc).__name__})
            self._fan_out(topic, text)  # at least the readers of this process

    def subscribe(self, topic: str, mine: "queue.SimpleQueue[str] | None" = None) -> "queue.SimpleQueue[str]":
        """This will give a queue into which the topic's wake-ups fall from now on: a new one, or one that hears others
        already.
        """
        if mine is None:
            mine = queue.SimpleQueue()
        with self._lock:
            self._queues.setdefault(topic, set()).add(mine)
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._listen, name="wakeups", daemon=True)
                self._thread.start()
        if self._closed.is_set():
            mine.put(ENDED)
        return mine

    def unsubscribe(self, topic: str, mine: "queue.SimpleQueue[str]") -> None:
        """This will stop filling a queue."""
        with self._lock:
            waiting = self._queues.get(topic)
            if waiting is not None:
                waiting.discard(mine)
                if not waiting:
                    del self._queues[topic]

    def close(self) -> None:
        """This will end every reader: open streams must not hold a worker that is shutting down."""
        self._closed.set()
        self._tell_all(ENDED)

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                listener: Any = redis.Redis.from_url(
                    self._url, decode_responses=True, socket_connect_timeout=1, health_check_interval=15
                )
                with listener.pubsub(ignore_subscribe_messages=True) as ear:
                    ear.psubscribe(_PREFIX + "*")
                    self._tell_all(LOST)  # whatever was said while nobody listened
                    while not self._closed.is_set():
                        heard = ear.get_message(timeout=1.0)
                        if heard is not None:
                            self._fan_out(str(heard["channel"]).removeprefix(_PREFIX), str(heard["data"]))
            except (redis.RedisError, OSError) as exc:
                if not self._closed.is_set():
                    logger.warning("wakeups_deaf", extra={"reason": type(exc).__name__})
                    self._closed.wait(_RETRY_SECONDS)

    def _fan_out(self, topic: str, text: str) -> None:
        with self._lock:
            waiting = list(self._queues.get(topic, ()))
        for each in waiting:
            each.put(text)

    def _tell_all(self, text: str) -> None:
        with self._lock:
            waiting = [each for group in self._queues.values() for each in group]
        for each in waiting:
            each.put(text)
