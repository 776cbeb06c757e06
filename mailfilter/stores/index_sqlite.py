"""A quarantine's index in one SQLite file: write-ahead log, full synchronisation, several threads and processes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import StoreError
from .index_sql import VERSION, Cursor, Run, SqlIndex, schema

T = TypeVar("T")
_ATTEMPTS = 250
_SECONDS = 20.0
"""How long another process is waited for."""
_OTHERS: list[sqlite3.Connection] = []
"""Connections of a parent process: never closed here, lest SQLite tidies up files that the parent uses."""


class SqliteIndex(SqlIndex):
    """`Index` in the file ``place``, or for this object alone in ``":memory:"``.

    On a disk that cannot be written, what is in a file that is there can still be read.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._pid = os.getpid()
        with self._reported("opened"):
            self._db = self._open()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def legacy(self, after: int = 0) -> tuple[int, str, float, str, str, str, bytes | None] | None:
        """The next mail in the table of before there was an index: number, receipt, stored, state, envelope, verdict
        and octets; `None` once there is none, or no such table."""
        columns = "rowid, receipt, stored, state, envelope, verdict, raw"

        def work(run: Run) -> Any:
            if not run("SELECT 1 FROM sqlite_schema WHERE name = 'mail' AND type = 'table'", ()).fetchall():
                return None
            rows = run(f"SELECT {columns} FROM mail WHERE rowid > ? ORDER BY rowid LIMIT 1", (after,)).fetchall()
            return rows[0] if rows else None

        found: tuple[int, str, float, str, str, str, bytes | None] | None = self._work("read", work)
        return found

    def drop_legacy(self) -> None:
        """Remove the table of before there was an index."""
        self._work("written", lambda run: run("DROP TABLE IF EXISTS mail", ()))

    def _work(self, doing: str, work: Callable[[Run], T]) -> T:
        if self._pid != os.getpid():
            self._lock = threading.Lock()  # in the parent another thread may have held it
        with self._reported(doing), self._lock:
            db = self._connection()
            db.execute("BEGIN" if doing == "read" else "BEGIN IMMEDIATE")
            try:
                result = work(lambda statement, values: _ran(db, statement, values))
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            try:
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return result

    def _connection(self) -> sqlite3.Connection:
        """The connection, a new one in a process that was forked off."""
        if self._pid != os.getpid() and self.place != ":memory:":
            _OTHERS.append(self._db)
            self._db = self._open()
            self._pid = os.getpid()
        return self._db

    def _open(self) -> sqlite3.Connection:
        name, uri = self.place, _lies_still(self.place)
        if name != ":memory:":
            with contextlib.suppress(OSError):  # SQLite says it better; others need not read who writes to whom
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if uri:
            name = f"{Path(os.path.abspath(name)).as_uri()}?immutable=1"
        db = sqlite3.connect(name, timeout=_SECONDS, isolation_level=None, check_same_thread=False, uri=uri)
        try:
            db.execute("PRAGMA synchronous=FULL")
            if _version(db) == 0:
                _write_ahead(db)
                _make_tables(db)
            if _version(db) != VERSION:
                raise StoreError(
                    f"quarantine {self.place}: was made by a newer version of mailfilter (tables of version"
                    f" {_version(db)}, known up to {VERSION}); use that version, or name another file"
                )
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def _reported(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"quarantine {self.place}: cannot be {doing}: {error}{self._hint(error)}") from None

    def _hint(self, error: sqlite3.Error) -> str:
        """What to do about it, where that is known."""
        if "not a database" in str(error) or "malformed" in str(error):
            return "; if it stays so, move it away: `mailfilter quarantine verify` makes a new one from the mails"
        folder = os.path.dirname(os.path.abspath(self.place))
        if self.place != ":memory:" and not os.path.isdir(folder):
            return f"; there is no folder {folder}"
        return ""


def _lies_still(place: str) -> bool:
    """Whether a file is there that nobody can write, with all that was written in it: SQLite reads such a one only when
    told, because it cannot lock it."""
    folder = os.path.dirname(os.path.abspath(place))
    return os.path.exists(place) and not os.path.exists(f"{place}-wal") and not os.access(folder, os.W_OK)


def _ran(db: sqlite3.Connection, statement: str, values: Sequence[Any]) -> Cursor:
    return db.execute(statement, values)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _make_tables(db: sqlite3.Connection) -> None:
    """All or nothing, once, whoever comes first."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if _version(db) == 0:
            for statement in schema("REAL", "BLOB"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch a new file to write-ahead logging; SQLite does not wait for this lock by itself."""
    for attempt in range(_ATTEMPTS):
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if attempt == _ATTEMPTS - 1 or "locked" not in str(error):
                raise
            time.sleep(0.02)
