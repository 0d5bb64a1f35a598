"""Reads by the million: what any format tells, stored chunk by chunk, each chunk once.

A batch is known by the digest of its bytes. Told twice it changes nothing, and says so; broken off, it goes on where it
stopped, for each chunk is committed together with how far it reaches.
"""

import contextvars
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import islice

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core import log, periods
from core.hub import Hub
from metering import chunk, models, partitions, writing
from metering.formats import told
from metering.views import Counts

logger = log.get(__name__)

CHUNK_READS = 240_000  # 10,000 meters' day of hours; about 50 MB each while two are stored and the next is read
_CHUNK_ITEMS = 30_000
_DAY = timedelta(days=1)


def load(hub: Hub, told_: Iterable[told.Told], *, source: str, sha256: str, now: datetime) -> Counts:
    """This will store what a parser tells, and give what became of it: read = stored + unchanged + excepted +
    unreadable. One read is one interval, one day, or one reading of a dial.

    Refused ``reads.batch_busy`` when the same batch is being loaded elsewhere. An error of the parser itself goes
    through; what was stored before it stays, and the same batch told again goes on behind it.
    """
    with hub.transaction() as session:
        batch = _open(session, source, sha256, now)
    if batch.finished:  # all that was stored stands
        known = batch.counts
        return Counts(0, known.stored + known.unchanged, known.excepted, known.unreadable)
    months: set[date] = set()
    with writing.Writer(hub, batch, source=source, now=now) as writer:
        for part in _ahead(_chunks(islice(told_, batch.position, None))):
            new = _new_months(part, months, now)
            if new:
                writer.land()  # what is being stored would wait for the tables, or they for it
                _make_months(hub, new)
            writer.put(part)
    with hub.transaction() as session:
        session.get_one(models.ReadBatchRow, batch.id, with_for_update=True).finished_at = now
    logger.info("reads_loaded", extra={"batch_id": batch.id, "read": batch.counts.read})
    return batch.counts


def _open(session: Session, source: str, sha256: str, now: datetime) -> writing.Batch:
    batch = models.ReadBatchRow
    session.execute(
        insert(batch)
        .values(source=source, sha256=sha256, received_at=now)
        .on_conflict_do_nothing(index_elements=[batch.sha256])
    )
    row = session.scalars(select(batch).where(batch.sha256 == sha256)).one()
    return writing.Batch(row.id, row.position, writing.counts_of(row), row.finished_at is not None)


def _chunks(items: Iterable[told.Told]) -> Iterator[list[told.Told]]:
    part: list[told.Told] = []
    reads = 0
    for each in items:
        part.append(each)
        reads += len(each.wh) if isinstance(each, told.Run) else 1
        if reads >= CHUNK_READS or len(part) >= _CHUNK_ITEMS:
            yield part
            part, reads = [], 0
    if part:
        yield part


def _ahead(chunks: Iterator[list[told.Told]]) -> Iterator[chunk.Chunk]:
    """One chunk is parsed and sorted while the database stores those before: three are in memory, none waits long.

    Only one thread at a time is in the parser, and it sees what its caller's context has.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="reads") as parser:
        context = contextvars.copy_context()
        part = _next(chunks)
        while part is not None:
            following = parser.submit(context.run, _next, chunks)
            yield part
            part = following.result()


def _next(chunks: Iterator[list[told.Told]]) -> chunk.Chunk | None:
    items = next(chunks, None)
    return None if items is None else chunk.sort(items)


def _new_months(part: chunk.Chunk, done: set[date], now: datetime) -> list[date]:
    """The months of a chunk that were not yet seen."""
    today = periods.aware(now).date()
    wanted: set[date] = set()
    for begins, ends in part.spans():
        wanted |= {month.starts_on for month in periods.months(periods.Days(begins.date(), ends.date() + _DAY))}
    new = {month for month in wanted - done if partitions.within_reach(month, today)}
    done |= new
    return sorted(new)


def _make_months(hub: Hub, new: list[date]) -> None:
    """Make the partitions that are missing; without them days wait in the default one."""
    try:
        with hub.transaction() as session:
            for first in new:
                partitions.make_months(session, days=periods.month_of(first))
    except OperationalError as exc:
        logger.warning("read_months_not_made", extra={"reason": type(exc.orig).__name__})
