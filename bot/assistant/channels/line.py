"""Who is served next: callers before visitors of the web chat, and both before who may read the answer later."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from contextlib import asynccontextmanager
from typing import AsyncIterator, List, Text, Tuple

RANKS = {"VOICE": 0, "WEB": 1}  # a caller hears the silence, a visitor looks at it; the rest come after them
LAST = 2
PATIENCE = 0.5  # seconds: a turn that takes longer than that waits for somebody else, and its place is not kept


class Line:
    """The place of the turn that computes, given by rank and, within a rank, in the order they came.

    It is one. A second turn would compute while the first waits for its action, but neither can be interrupted then:
    together they take as long as one after the other, and who came first is answered as late as who came second.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._free = True
        self._patience = patience
        self._waiting: List[Tuple[int, int, "asyncio.Future[None]"]] = []
        self._numbers = itertools.count()

    @asynccontextmanager
    async def place(self, channel: Text) -> AsyncIterator[None]:
        """This will wait for the place and keep it while the block runs, but never longer than the patience."""
        await self._enter(RANKS.get(channel, LAST))
        kept = True

        def leave() -> None:
            nonlocal kept
            if kept:
                kept = False
                self._leave()

        # the timer or the end of the block, whichever comes first, gives the place to the next
        timer = asyncio.get_running_loop().call_later(self._patience, leave)
        try:
            yield
        finally:
            timer.cancel()
            leave()

    async def _enter(self, rank: int) -> None:
        if self._free:
            self._free = False
            return
        turn: "asyncio.Future[None]" = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given the place in the moment it went
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free = True
