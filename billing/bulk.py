"""Many rows at once: COPY on the session's own connection, and ids taken beforehand."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

Item = TypeVar("Item")


def copy(session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """This will COPY rows into a table inside the session's transaction."""
    session.flush()
    connection = session.connection().connection.driver_connection
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as out:  # type: ignore[union-attr]
        for row in rows:
            out.write_row(row)


def take_ids(session: Session, table: str, count: int) -> list[int]:
    """This will take `count` ids from a table's own counter."""
    rows = session.execute(
        text("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)"),
        {"table": table, "count": count},
    )
    return [int(row[0]) for row in rows]


def slices(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """This will cut a sequence into parts of at most `size`."""
    return (items[i : i + size] for i in range(0, len(items), size))
