"""Rows, transactions, and the one place that commits.

A transaction opens at an edge with ``with hub.transaction() as session``. What must happen once the work is safely
stored (ringing the bell for owed deliveries, waking a browser) is queued with `after_commit`.
"""

import select
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Engine,
    Identity,
    MetaData,
    Numeric,
    Table,
    Text,
    create_engine,
    event,
    func,
    literal,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.types import NullType

EPOCH = date(2000, 1, 1)  # the server counts days and microseconds from here
COPY_HEADER, COPY_TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
BIGINT_OID = 20
BIGINT_ELEMENT = np.dtype([("length", ">i4"), ("value", ">i8")])  # of an array in the server's binary form
EMPTY_BIGINTS = struct.pack(">iii", 0, 0, BIGINT_OID)
_TRUSTED_SECONDS = 5.0  # so long a resting connection is believed to be alive unless it says otherwise
_open: ContextVar[int] = ContextVar("open_transactions", default=0)


class Base(DeclarativeBase):
    """The parent of every row. Constraints are named by rule, so that errors and migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        int: BigInteger(),
        str: Text(),
        datetime: DateTime(timezone=True),
        Decimal: Numeric(18, 2),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
    }


def bigints(values: NDArray[np.int64]) -> bytes:
    """This will write whole numbers as a bigint[] in the server's binary form."""
    out = np.empty(len(values), dtype=BIGINT_ELEMENT)
    out["length"], out["value"] = 8, values
    return struct.pack(">iiiii", 1, 0, BIGINT_OID, len(values), 1) + out.tobytes() if len(values) else EMPTY_BIGINTS


def ints(sent: bytes | None) -> NDArray[np.int64]:
    """This will read what ``string_agg(int8send(..), '')`` sent."""
    return np.frombuffer(sent or b"", dtype=">i8").astype(np.int64)


@dataclass(frozen=True)
class Ids:
    """Ids as the server reads a bigint[]: for thousands, where a list of parameters costs too much."""

    octets: bytes


class _IdsDumper(Dumper):
    format = Format.BINARY
    oid = 1016  # bigint[]: told, so that the planner sees a constant

    def dump(self, obj: Any) -> bytes:
        return bytes(obj.octets)


psycopg.adapters.register_dumper(Ids, _IdsDumper)


def array_of(ids: Iterable[int]) -> Ids:
    """This will write ids as one parameter."""
    return Ids(bigints(np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), dtype=np.int64)))


def any_of(ids: Iterable[int]) -> Any:
    """This will give what a column is compared with to be one of many ids."""
    return func.any(literal(array_of(ids), NullType()))


def day_number(day: date) -> int:
    """This will number a day as the server does."""
    return (day - EPOCH).days


def copy(session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """This will COPY rows into a table inside the session's transaction; values as psycopg writes them."""
    with _copying(session, f"COPY {table} ({', '.join(columns)}) FROM STDIN") as out:
        for row in rows:
            out.write_row(row)


def copy_laid_out(session: Session, table: str, columns: Sequence[str], pieces: Iterable[bytes]) -> None:
    """This will COPY rows that are laid out in the server's binary form already."""
    with _copying(session, f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)") as out:
        out.write(COPY_HEADER)
        for piece in pieces:
            out.write(piece)
        out.write(COPY_TRAILER)


@contextmanager
def _copying(session: Session, statement: str) -> Iterator[psycopg.Copy]:
    session.flush()
    connection: Any = session.connection().connection.driver_connection
    with connection.cursor() as cursor, cursor.copy(statement) as out:
        yield out


def table(row: type[Base]) -> Table:
    """This will give a row's table, for statements that are made once and need no objects."""
    return cast(Table, row.__table__)


def primary_key() -> Mapped[int]:
    """This will declare the one kind of primary key the house has: a bigint the database counts."""
    return mapped_column(BigInteger(), Identity(), primary_key=True)


def connect(url: str, *, pool_size: int = 10, max_overflow: int = 20) -> Engine:
    """This will open an engine on PostgreSQL; the zone is UTC and dead connections are noticed before use."""
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_use_lifo=True,  # the connection used last knows the statements already; those not needed rest
        # a statement is prepared when it comes a second time: making its plan is a third of its price
        connect_args={
            "options": "-c timezone=UTC",
            "connect_timeout": 5,
            "prepare_threshold": 1,
        },
    )
    event.listen(engine, "checkin", _note_rest)
    event.listen(engine, "checkout", _check_alive)
    return engine


def _note_rest(connection: Any, record: Any) -> None:
    record.info["rests_since"] = time.monotonic()


def _check_alive(connection: Any, record: Any, proxy: Any) -> None:
    """Ask a connection whether it lives only when there is a reason: a ping at every use is a tenth of a turn.

    A server that goes away says so on the socket, which costs nothing to see; one that vanishes without a word is found
    out after a rest.
    """
    since = record.info.get("rests_since")  # None: it was opened just now
    if (since is None or time.monotonic() - since <= _TRUSTED_SECONDS) and not _has_news(connection):
        return
    try:
        connection.autocommit = True
        connection.execute("SELECT 1")
        connection.autocommit = False
    except psycopg.Error as exc:
        raise InvalidatePoolError from exc  # the pool opens a new one, and does not trust those of the same age


def _has_news(connection: Any) -> bool:
    if connection.closed:
        return True
    ear = select.poll()
    ear.register(connection.fileno(), select.POLLIN | select.POLLERR | select.POLLHUP)
    return bool(ear.poll(0))


def sessions(engine: Engine) -> sessionmaker[Session]:
    """This will give the session factory the hub carries."""
    return sessionmaker(engine, expire_on_commit=False)


def after_commit(session: Session, call: Callable[[], None]) -> None:
    """This will queue a call for when the transaction has been committed; it is dropped on rollback."""
    session.info.setdefault("after_commit", []).append(call)


@contextmanager
def transaction(factory: sessionmaker[Session], **info: Any) -> Iterator[Session]:
    """This will run a block in one transaction: commit at its end, roll back on any error, then ring the bells."""
    session = factory()
    session.info.update(info)
    session.info["after_commit"] = []
    token = _open.set(_open.get() + 1)
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        _open.reset(token)
        session.close()
    for call in session.info["after_commit"]:
        call()


@contextmanager
def single(factory: sessionmaker[Session]) -> Iterator[Connection]:
    """This will give a connection for one statement, which is its own transaction: two trips fewer to the server."""
    if has_pool(factory):
        with factory.kw["bind"].connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    else:  # a session bound to a connection takes part in that one's transaction
        with factory() as session:
            yield session.connection()
            session.commit()


def has_pool(factory: sessionmaker[Session]) -> bool:
    """This will say whether transactions can stand beside each other, each on a connection of its own."""
    return isinstance(factory.kw["bind"], Engine)


def in_transaction() -> bool:
    """This will say whether this thread of work holds a transaction open (then it may not call the outside)."""
    return _open.get() > 0
