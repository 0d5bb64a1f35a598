"""What is owed to a call, an answer or a charge, done while the caller waits."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLong

from core import outbox
from core.conversations import handlers
from core.hub import Hub
from core.outbox import Handler

WAIT_SECONDS = 2.0
_LOOK_AGAIN = 0.05


class Answering:
    """Runs the delivery that is owed (unless told otherwise: the one that answers a message) here, or waits for the
    worker that has it already."""

    def __init__(
        self,
        hub: Hub,
        *,
        fact: str = "message.received",
        handler: Handler = handlers.answer_message,
        order: str = "conversation",
        threads: int = 16,
    ) -> None:
        self._hub = hub
        self._order = order
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="voice")
        self._subscriber = next(
            (s.name for s in hub.subscriptions.get(fact, ()) if s.handler is handler),
            None,
        )

    def ready(self, number: int, *, seconds: float = WAIT_SECONDS) -> bool:
        """This will do what is owed to a conversation (or what else is numbered); False when it takes longer."""
        deadline = time.monotonic() + seconds
        while True:
            owed = self._owed(number)
            if not owed:
                return True
            work: Future[None] = self._pool.submit(self._run, owed)
            try:
                work.result(timeout=max(0.0, deadline - time.monotonic()))
            except WaitedTooLong:
                return False  # it goes on; the caller comes back for it
            if not self._owed(number):
                return True
            if time.monotonic() + _LOOK_AGAIN >= deadline:
                return False
            time.sleep(_LOOK_AGAIN)

    def _owed(self, number: int) -> list[int]:
        if self._subscriber is None:
            return []
        with self._hub.transaction() as session:
            return outbox.list_owed(session, subscriber=self._subscriber, order_key=f"{self._order}:{number}")

    def _run(self, owed: list[int]) -> None:
        for delivery_id in owed:
            outbox.deliver(self._hub, delivery_id)
