"""Keyed entries in SQLite: in memory, or in a file that processes of one machine share.

Write-ahead logging; a decision that changes nothing takes no write lock.  What has expired is swept a few rows at a
time while others are written, so no decision ever waits for a great cleaning.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from typing import TypeVar

from ..errors import StoreError
from .keyed import Attempt, Changes, Seen, Sighting, Tally, Timing, Values, count, settle, sight

T = TypeVar("T")

VERSION = 1
_SCHEMA = "CREATE TABLE keyed (key BLOB PRIMARY KEY, value BLOB NOT NULL, until REAL NOT NULL) WITHOUT ROWID"
_READ = 512
"""Most keys that one statement reads."""
_CHECKPOINT = 8000
"""Pages (32 MB) that are written ahead before they go to their places: many are written again until then."""
_LAST = b"\xff" * 64
_SWEEP_EVERY, _SWEEP = 256, 512
"""After so many written rows so many others are looked at, twice as fast as the table can grow."""


class SqliteStore:
    """A `KeyedStore` in one SQLite file, or in memory where ``path`` is ``":memory:"``.

    ``timeout``  seconds to wait for another process that writes.  Raises `StoreError` when the file cannot be opened,
    is no database, or was written by a later version.  A file of the first greylist is taken over as it is opened:
    who had come back stays known, and ``legacy`` is true.
    """

    def __init__(self, path: str = ":memory:", *, timeout: float = 1.0) -> None:
        self._path, self._timeout = path, timeout
        self._lock = threading.Lock()
        self._written, self._cursor = 0, b""
        with self._reported("opened"):
            self._open()
            (self.legacy,) = map(bool, self._db.execute("SELECT legacy FROM keyed_version").fetchone())

    def attempt(self, attempts: Sequence[Attempt], timing: Timing, now: float) -> list[int]:
        """See `KeyedStore.attempt`."""

        def step(values: Values, changes: Changes) -> list[int]:
            return [settle(one, values, changes, timing, now) for one in attempts]

        return self._decided([key for one in attempts for key in one.keys], step, now)

    def tally(self, tallies: Sequence[Tally], now: float) -> list[tuple[int, ...]]:
        """See `KeyedStore.tally`."""

        def step(values: Values, changes: Changes) -> list[tuple[int, ...]]:
            return [count(one, values, changes, now) for one in tallies]

        counters = [counter for one in tallies for counter in one.counters]
        keys = (key for counter in counters for key in (counter.key, *counter.fresh))
        return self._decided(keys, step, now)

    def sight(self, sightings: Sequence[Sighting], now: float) -> list[Seen]:
        """See `KeyedStore.sight`."""

        def step(values: Values, changes: Changes) -> list[Seen]:
            return [sight(one, values, changes, now) for one in sightings]

        return self._decided((key for one in sightings for key in (one.key, *one.beside)), step, now)

    def get(self, keys: Sequence[bytes], now: float) -> list[bytes | None]:
        """See `KeyedStore.get`."""
        return self._decided(keys, lambda values, changes: [values.get(key) for key in keys], now)

    def put(self, entries: Mapping[bytes, bytes], seconds: float, now: float) -> None:
        """See `KeyedStore.put`."""

        def step(values: Values, changes: Changes) -> None:
            changes.update((key, (value, now + seconds)) for key, value in entries.items())

        self._decided((), step, now)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def _decided(self, keys: Iterable[bytes], step: Callable[[Values, Changes], T], now: float) -> T:
        """Read, decide and write in one transaction; again with the write lock where another process came between."""
        wanted = list(dict.fromkeys(keys))
        with self._reported("used"), self._lock:
            if self._process != os.getpid():
                self._open()  # a connection does not survive a fork
            if wanted:
                try:
                    return self._transaction("DEFERRED", wanted, step, now)
                except sqlite3.OperationalError as error:
                    # Who has read does not wait for the write lock, because two who did would wait for each other.
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        raise
            return self._transaction("IMMEDIATE", wanted, step, now)

    def _transaction(self, kind: str, keys: list[bytes], step: Callable[[Values, Changes], T], now: float) -> T:
        changes: Changes = {}
        self._db.execute(f"BEGIN {kind}")
        try:
            result = step(self._values(keys, now), changes)
            if changes:
                # Whole seconds take half the room of others in a row.
                rows = sorted((key, value, ceil(until)) for key, (value, until) in changes.items())
                self._db.executemany("REPLACE INTO keyed VALUES (?, ?, ?)", rows)
                self._sweep(len(rows), now)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return result

    def _values(self, keys: list[bytes], now: float) -> Values:
        values: Values = {}
        for start in range(0, len(keys), _READ):
            some = keys[start : start + _READ]
            # Few lengths of the list, so that statements are prepared once.
            length = 1 << (len(some) - 1).bit_length()
            some.extend([some[-1]] * (length - len(some)))
            marks = ",".join("?" * length)
            values.update(
                self._db.execute(f"SELECT key, value FROM keyed WHERE key IN ({marks}) AND until > ?", (*some, now))
            )
        return values

    def _sweep(self, written: int, now: float) -> None:
        """Look for what has expired behind the cursor, which goes round the table."""
        self._written += written
        if self._written < _SWEEP_EVERY:
            return
        start, rows = self._cursor, self._written * _SWEEP // _SWEEP_EVERY
        self._written = 0
        end = self._db.execute(
            "SELECT key FROM keyed WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?", (start, rows)
        ).fetchone()
        self._cursor = end[0] if end else b""
        self._db.execute(
            "DELETE FROM keyed WHERE key > ? AND key <= ? AND until <= ?", (start, end[0] if end else _LAST, now)
        )

    def _open(self) -> None:
        self._process = os.getpid()
        self._db = sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA cache_size=-65536")  # KiB
        self._db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT}")
        if self._version() < VERSION:
            self._db.execute("BEGIN IMMEDIATE")
            if self._version() < VERSION:  # unless another process was quicker
                _migrate(self._db)
            self._db.execute("COMMIT")

    def _version(self) -> int:
        found = 0
        if _has(self._db, "keyed_version"):
            (found,) = self._db.execute("SELECT version FROM keyed_version").fetchone()
        if found > VERSION:
            raise StoreError(f"store {self._path}: is of version {found}; this mailfilter reads up to {VERSION}")
        return int(found)

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError, OSError) as error:
            raise StoreError(f"store {self._path}: cannot be {what}: {error}") from None


def _has(db: sqlite3.Connection, table: str) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone() is not None


def _migrate(db: sqlite3.Connection) -> None:
    """Version 1 from nothing, or from the first greylist: a table of triplets under keys that were longer."""
    db.execute(_SCHEMA)
    db.execute("CREATE TABLE keyed_version (version INTEGER NOT NULL, legacy INTEGER NOT NULL)")
    db.execute("INSERT INTO keyed_version VALUES (?, ?)", (VERSION, _has(db, "triplet")))
    if _has(db, "triplet"):
        # The file does not say how long its entries last; these are the settings' defaults of the time.
        db.execute(
            "INSERT OR IGNORE INTO keyed SELECT substr(key, 1, 16), CAST(printf('k%.3f', passed) AS BLOB),"
            " passed + 3110400 FROM triplet WHERE passed IS NOT NULL"
        )
        db.execute("DROP TABLE triplet")
