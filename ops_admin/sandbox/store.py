"""Where the twins keep what they know: documents by kind in one small SQLite file, with an index of chosen values."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class Store:
    """Thread-safe: one connection behind one lock. `revision` grows with every change, for pages that wait."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self.revision = 1
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS document (
                seq INTEGER PRIMARY KEY AUTOINCREMENT,
                kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (kind, id));
            CREATE TABLE IF NOT EXISTS entry (
                kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
                PRIMARY KEY (kind, name, value, id)) WITHOUT ROWID;
            CREATE INDEX IF NOT EXISTS entry_id ON entry (kind, id);
            CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
            """
        )

    @contextmanager
    def change(self) -> Iterator[None]:
        """This will make everything inside one change: all or nothing, nobody between."""
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if outermost:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if outermost:
                self._connection.execute("COMMIT")
                self.revision += 1

    def put(self, kind: str, key: str, body: Document, **entries: str | None) -> Document:
        """This will keep a document under its key, and its entries in the index."""
        with self.change():
            self._connection.execute(
                "INSERT INTO document (kind, id, body) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, key, json.dumps(body)),
            )
            self._connection.execute("DELETE FROM entry WHERE kind = ? AND id = ?", (kind, key))
            self._connection.executemany(
                "INSERT OR IGNORE INTO entry (kind, name, value, id) VALUES (?, ?, ?, ?)",
                [(kind, name, value, key) for name, value in entries.items() if value is not None],
            )
        return body

    def get(self, kind: str, key: str) -> Document | None:
        """This will give a document, or None."""
        rows = self._read("SELECT body FROM document WHERE kind = ? AND id = ?", kind, key)
        return rows[0] if rows else None

    def find(self, kind: str, name: str, value: str) -> list[Document]:
        """This will list the documents with a value in the index, oldest first."""
        return self._read(
            "SELECT d.body FROM entry e JOIN document d ON d.kind = e.kind AND d.id = e.id "
            "WHERE e.kind = ? AND e.name = ? AND e.value = ? ORDER BY d.seq",
            kind, name, value,
        )  # fmt: skip

    def all(self, kind: str, limit: int = -1, newest_first: bool = False) -> list[Document]:
        """This will list the documents of a kind, in the order they came."""
        order = "DESC" if newest_first else "ASC"
        return self._read(f"SELECT body FROM document WHERE kind = ? ORDER BY seq {order} LIMIT ?", kind, limit)  # noqa: S608

    def count(self, kind: str) -> int:
        with self._lock:
            row = self._connection.execute("SELECT count(*) FROM document WHERE kind = ?", (kind,)).fetchone()
        return int(row[0])

    def delete(self, kind: str, key: str) -> None:
        """This will forget one document."""
        with self.change():
            self._connection.execute("DELETE FROM document WHERE kind = ? AND id = ?", (kind, key))
            self._connection.execute("DELETE FROM entry WHERE kind = ? AND id = ?", (kind, key))

    def next(self, name: str, start: int = 1) -> int:
        """This will give the next number of a counter; a number is never given twice, not even after a reset."""
        with self.change():
            row = self._connection.execute(
                "INSERT INTO counter (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
                (name, start),
            ).fetchone()
        return int(row[0])

    def clear(self) -> None:
        """This will forget every document."""
        with self.change():
            self._connection.execute("DELETE FROM document")
            self._connection.execute("DELETE FROM entry")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _read(self, sql: str, *arguments: object) -> list[Document]:
        with self._lock:
            rows = self._connection.execute(sql, arguments).fetchall()
        return [json.loads(row[0]) for row in rows]
