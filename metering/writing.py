"""Chunks of a batch on their way into the database, two abreast: a transaction is the work of one process of the
server, and on a connection of its own a second one does its part beside it.

They become part of the batch in the order they were told, or not at all: each notes, last of all, how far the batch
reaches, and waits for that until the one before it is done. It waits by a lock of the server's, who therefore sees it
when two of them and a stranger wait for each other.
"""

import contextvars
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core import db, errors
from core.hub import Hub
from metering import chunk, models
from metering.views import Counts

ABREAST = 2
_TRIES = 4
_BROKEN_BY_OTHERS = frozenset({"40P01", "40001", "55P03"})  # deadlock, serialization, a lock that was not to be had
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_AWAIT = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))")


@dataclass
class Batch:
    """What was told together, and how far it is stored."""

    id: int
    position: int
    counts: Counts
    finished: bool


class _Behind(Exception):
    """What was told before it is not stored."""


@dataclass(frozen=True)
class _Flight:
    part: chunk.Chunk
    position: int  # how far the batch reaches when it is this one's turn
    unreadable: int
    stored: Future[Counts]


class Writer:
    """Stores the chunks of one batch. What was put is stored when the block ends, also when an error ends it.

    Where the hub has but one connection, one after the other.
    """

    def __init__(self, hub: Hub, batch: Batch, *, source: str, now: datetime) -> None:
        self._hub, self._batch, self._source, self._now = hub, batch, source, now
        self._flying: deque[_Flight] = deque()
        self._pool = ThreadPoolExecutor(ABREAST, thread_name_prefix="chunk") if db.has_pool(hub.sessions) else None

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.land()
        finally:
            if self._pool is not None:
                self._pool.shutdown()

    def put(self, part: chunk.Chunk) -> None:
        """This will begin to store a chunk, once there is room beside the others and it has no meter in common with
        them. Refused ``reads.batch_busy`` when somebody else went on with the batch.
        """
        if self._pool is None:
            self._store_alone(part)
            return
        while len(self._flying) == ABREAST or any(
            not part.meters.isdisjoint(each.part.meters) for each in self._flying
        ):
            self._land_first()
        position, unreadable, before = self._batch.position, self._batch.counts.unreadable, None
        if self._flying:
            last = self._flying[-1]
            position, before = last.position + last.part.size, last.position
            unreadable = last.unreadable + sum(lost.count for lost in last.part.lost)
        begun = threading.Event()
        call = contextvars.copy_context().run
        stored = self._pool.submit(call, self._store, part, position, unreadable, before, begun.set)
        self._flying.append(_Flight(part, position, unreadable, stored))
        begun.wait()  # from then on the next one can wait for it

    def land(self) -> None:
        """This will wait until all that was put is stored."""
        while self._flying:
            self._land_first()

    def _land_first(self) -> None:
        flight = self._flying.popleft()
        try:
            done = flight.stored.result()
        except BaseException as exc:
            behind = list(self._flying)
            self._flying.clear()
            for each in behind:
                each.stored.exception()  # it cannot have been stored either
            if not _broken_by_others(exc):
                raise
            for part in (flight.part, *(each.part for each in behind)):
                self._store_alone(part)
        else:
            self._reached(flight.part, done)

    def _store_alone(self, part: chunk.Chunk) -> None:
        """Again when somebody else's locks broke it."""
        for attempt in range(_TRIES):
            try:
                done = self._store(part, self._batch.position, self._batch.counts.unreadable)
            except OperationalError as exc:
                if attempt == _TRIES - 1 or not _broken_by_others(exc):
                    raise
            else:
                self._reached(part, done)
                return

    def _store(
        self,
        part: chunk.Chunk,
        position: int,
        unreadable: int,
        before: int | None = None,
        begun: Callable[[], None] = lambda: None,
    ) -> Counts:
        """One chunk, in one transaction."""
        try:
            with self._hub.transaction() as session:
                session.execute(_HOLD, {"name": self._name(position)})
                begun()
                done = chunk.store(
                    session,
                    part,
                    batch_id=self._batch.id,
                    unreadable_before=unreadable,
                    source=self._source,
                    now=self._now,
                )
                if before is not None:
                    session.execute(_AWAIT, {"name": self._name(before)})
                self._note(session, position, part, done)
        finally:
            begun()
        return done

    def _note(self, session: Session, position: int, part: chunk.Chunk, done: Counts) -> None:
        row = session.get_one(models.ReadBatchRow, self._batch.id, with_for_update=True)
        if row.position < position:
            raise _Behind
        if row.position > position:
            raise errors.Refused("reads.batch_busy", batch_id=self._batch.id)
        counts = counts_of(row) + done
        row.position = position + part.size
        row.read, row.stored, row.unchanged = counts.read, counts.stored, counts.unchanged
        row.excepted, row.unreadable = counts.excepted, counts.unreadable

    def _reached(self, part: chunk.Chunk, done: Counts) -> None:
        self._batch.position += part.size
        self._batch.counts += done

    def _name(self, position: int) -> str:
        return f"reads:{self._batch.id}:{position}"


def counts_of(row: models.ReadBatchRow) -> Counts:
    """This will give what became of the reads of a batch so far."""
    return Counts(row.stored, row.unchanged, row.excepted, row.unreadable)


def _broken_by_others(exc: BaseException) -> bool:
    return isinstance(exc, OperationalError) and getattr(exc.orig, "sqlstate", None) in _BROKEN_BY_OTHERS
