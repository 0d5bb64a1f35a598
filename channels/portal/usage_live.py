"""The open usage page: a read that comes in is on it at once.

Storing reads wakes the pages of their service point through Redis (`metering.settling`); the page is sent the card of
the day, drawn by the server, so that what moves is what a reload would show. A stream holds a thread, so there are
only so many seats; a page that finds none is told to come again in a while and sees the same, a little later.
"""

import json
import queue
import threading
from collections.abc import Callable, Iterator

from channels.web_chat import wakeups
from metering import settling

SEATS = 24  # of the threads of a process: those who chat must find one too
_BEAT_SECONDS = 15.0
_BEATS = 20  # five minutes: then the browser comes again, and is asked again who it is
_LOOK_EVERY = 4  # beats; in case a word was lost
Look = Callable[[], tuple[str, str]]  # the mark of what there is to see, and the card drawn
_AGAIN_MS, _LATER_MS = 2000, 10_000


class Stream:
    """The seats of a process, and what wakes who sits in them. Without `wakes` every page comes again by itself."""

    def __init__(self, wakes: wakeups.Wakeups | None, seats: int = SEATS) -> None:
        self._wakes = wakes
        self._seats = threading.BoundedSemaphore(seats)

    def events(self, service_point_id: int, look: Look) -> Iterator[str]:
        """This will give the events of one page: what `look` gives now, and again whenever it has changed."""
        wakes = self._wakes
        if wakes is None or wakes.closed or not self._seats.acquire(blocking=False):
            yield f"retry: {_LATER_MS}\n\n"
            yield _event(look()[1])
            return
        mine: queue.SimpleQueue[str] | None = None
        topic = settling.topic(service_point_id)
        try:
            mine = wakes.subscribe(topic)  # before the first look: nothing falls between
            yield f"retry: {_AGAIN_MS}\n\n"
            yield from self._watch(mine, look)
        finally:
            if mine is not None:
                wakes.unsubscribe(topic, mine)
            self._seats.release()

    def _watch(self, mine: "queue.SimpleQueue[str]", look: Look) -> Iterator[str]:
        shown, beats = "", 0
        due = True
        while beats < _BEATS:
            if due:
                mark, drawn = look()
                if mark != shown:
                    shown = mark
                    yield _event(drawn)
            try:
                words = [mine.get(timeout=_BEAT_SECONDS)]
            except queue.Empty:
                beats += 1
                due = beats % _LOOK_EVERY == 0
                yield ": still here\n\n"
                continue
            while not mine.empty():  # many words, one look
                words.append(mine.get_nowait())
            if wakeups.ENDED in words:
                return
            due = True


def _event(markup: str) -> str:
    return f"event: now\ndata: {json.dumps({'html': markup}, ensure_ascii=False)}\n\n"
