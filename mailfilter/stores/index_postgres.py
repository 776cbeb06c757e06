"""A quarantine's index in PostgreSQL, for several machines that share one quarantine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import MissingExtraError, StoreError
from .index_sql import VERSION, Cursor, Run, SqlIndex, schema
from .places import without_password

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")
_SECONDS = 10
"""How long a connection may take to come about, and how long a statement may take."""
_LOCK = 0x6D66_7131
"""Number of the lock under which tables are made, so that two machines do not both do so."""


class PostgresIndex(SqlIndex):
    """`Index` in the database that ``url`` names (``postgresql://user@host/name``).

    A connection that is lost is made anew, once for each piece of work.  Raises `MissingExtraError` without psycopg.
    """

    def __init__(self, url: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise MissingExtraError("A quarantine index in PostgreSQL", "postgres") from None
        self._errors = psycopg.Error
        self._lost = (psycopg.OperationalError, psycopg.InterfaceError)
        self._connect = psycopg.connect
        self._url, self.place = url, without_password(url)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._db: psycopg.Connection[Any] | None = None
        self._work("opened", _prepare)
        found = self._work("read", lambda run: run("SELECT version FROM quarantine_version", ()).fetchall())
        if found[0][0] != VERSION:
            raise StoreError(
                f"quarantine {self.place}: was made by a newer version of mailfilter (tables of version"
                f" {found[0][0]}, known up to {VERSION}); use that version, or name another database"
            )

    def close(self) -> None:
        """Close the connection."""
        if self._db is not None and self._pid == os.getpid():
            self._db.close()
        self._db = None

    def _work(self, doing: str, work: Callable[[Run], T]) -> T:
        if self._pid != os.getpid():
            self._lock = threading.Lock()  # in the parent another thread may have held it
        with self._lock:
            for last in (False, True):
                try:
                    return self._once(work)
                except self._lost as error:
                    self.close()
                    if last:
                        raise self._failed(doing, error) from None
                except self._errors as error:
                    raise self._failed(doing, error) from None
            raise AssertionError("the second attempt returns or raises")

    def _once(self, work: Callable[[Run], T]) -> T:
        if self._pid != os.getpid():  # the parent's connection is left to it
            self._db, self._pid = None, os.getpid()
        if self._db is None:
            options = f"-c synchronous_commit=on -c statement_timeout={_SECONDS}s"
            self._db = self._connect(self._url, autocommit=True, connect_timeout=_SECONDS, options=options)
        db = self._db

        def run(statement: str, values: Sequence[Any]) -> Cursor:
            return db.execute(statement.replace("?", "%s") if values else statement, values or None)

        with db.transaction():
            return work(run)

    def _failed(self, doing: str, error: Exception) -> StoreError:
        said = " ".join(str(error).split())
        return StoreError(f"quarantine {self.place}: cannot be {doing}: {said}")


def _prepare(run: Run) -> None:
    run("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
    if not run("SELECT to_regclass('quarantine_version')::text", ()).fetchall()[0][0]:
        for statement in schema("DOUBLE PRECISION", "BYTEA"):
            run(statement, ())
        run("CREATE TABLE quarantine_version (version INTEGER NOT NULL)", ())
        run("INSERT INTO quarantine_version VALUES (?)", (VERSION,))
