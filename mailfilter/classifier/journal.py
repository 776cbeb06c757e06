"""The journal of taught mails: one SQLite file that processes share, and the truth that all learning follows from.

A taught mail is a row: who taught it (``""`` for the site, or a user), the mail's digest, its class, what the shipped
model said of it, and its n-grams as slot numbers.  No text is kept.  What was learned is a function of the rows in
the order of ``id``; a stored ``snapshot`` of it only saves time.  ``epoch`` counts changes other than additions at
the end: who sees it move starts again from a snapshot or from the first row.

Write-ahead logging with full synchronisation: when a method that writes has returned, the rows are on the disk, and
a process killed at any moment loses nothing that was reported.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..errors import StoreError
from .site_features import FORMAT

_KIND = 0x6D66736C
"""SQLite application id of a site's journal."""
_ATTEMPTS = 250
_TRIM_EVERY = 64
"""Rows added between two looks at whether there are too many."""
_SCHEMA = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE mail (id INTEGER PRIMARY KEY AUTOINCREMENT, who TEXT NOT NULL, digest BLOB NOT NULL,
                   spam INTEGER NOT NULL, below REAL NOT NULL, grams BLOB NOT NULL);
CREATE UNIQUE INDEX mail_digest ON mail (who, digest);
CREATE INDEX mail_class ON mail (who, spam, id);
CREATE TABLE snapshot (who TEXT PRIMARY KEY, epoch INTEGER NOT NULL, last INTEGER NOT NULL, state BLOB NOT NULL);
"""


class Row(NamedTuple):
    """One taught mail; ``id`` is 0 for one that is to be added."""

    id: int
    who: str
    digest: bytes
    spam: bool
    below: float
    grams: bytes


class Done(NamedTuple):
    """What came of teaching: numbers of mails."""

    learned: int = 0
    known: int = 0
    relabelled: int = 0
    forgotten: int = 0
    unknown: int = 0
    """Mails to be forgotten that had not been taught."""

    def __add__(self, other: tuple[int, ...]) -> Done:  # type: ignore[override]
        return Done(*(a + b for a, b in zip(self, other, strict=True)))


class Position(NamedTuple):
    """How far the journal is: its epoch and the last row's id."""

    epoch: int
    last: int


class Journal:
    """An open journal.  Not safe for use from several threads at once; a forked child must open its own.

    ``path``  the file, or ``":memory:"``.  It is made if it is not there.
    Raises `StoreError` with one line when it cannot be opened, is no journal, or is of another format.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        with self._guarded("opened"):
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA synchronous=FULL")
            self._prepare()

    def _prepare(self) -> None:
        """Make the tables of a new file; refuse what is no journal before anything is written to it."""
        if self._kind() != _KIND:
            self._refuse_foreign()
            self._write_ahead()
            with self._transaction():
                if self._kind() != _KIND:
                    self._refuse_foreign()
                    for statement in _SCHEMA.split(";"):
                        self._db.execute(statement)
                    self._db.execute("INSERT INTO fact VALUES ('format', ?), ('epoch', 0)", (FORMAT,))
                    self._db.execute(f"PRAGMA application_id={_KIND}")
        found = self._db.execute("SELECT value FROM fact WHERE name = 'format'").fetchone()
        if found is None or found[0] != FORMAT:
            raise StoreError(f"{self.path}: holds mail taught to another version; move it away and learn again")

    def _kind(self) -> int:
        return int(self._db.execute("PRAGMA application_id").fetchone()[0])

    def _refuse_foreign(self) -> None:
        if self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] and self._kind() != _KIND:
            raise StoreError(f"{self.path}: is a database, but not one of taught mail; name another file")

    def _write_ahead(self) -> None:
        """Switch a new file to write-ahead logging; SQLite does not wait for this lock by itself."""
        for attempt in range(_ATTEMPTS):
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.02)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def version(self) -> int:
        """A number that changes when another connection has written: cheap enough to ask before every mail."""
        with self._guarded("read"):
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def position(self) -> Position:
        """Epoch and last row."""
        with self._guarded("read"):
            row = self._db.execute(
                "SELECT (SELECT value FROM fact WHERE name = 'epoch'), (SELECT max(id) FROM mail)"
            ).fetchone()
        return Position(int(row[0]), int(row[1] or 0))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """All reads inside see one state of the file, whatever others write meanwhile."""
        with self._guarded("read"):
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                if self._db.in_transaction:
                    self._db.execute("COMMIT")

    def rows(self, who: Sequence[str], after: int) -> Iterator[Row]:
        """Mails that one of ``who`` taught, later than the row ``after``, in order."""
        marks = ",".join("?" * len(who))
        query = f"SELECT id, who, digest, spam, below, grams FROM mail WHERE id > ? AND +who IN ({marks}) ORDER BY id"
        for row in self._db.execute(query, (after, *who)):
            yield Row(row[0], row[1], row[2], bool(row[3]), row[4], row[5])

    def grams(self, number: int) -> bytes:
        """The n-grams of one row."""
        return bytes(self._db.execute("SELECT grams FROM mail WHERE id = ?", (number,)).fetchone()[0])

    def classes(self, who: str, up_to: int) -> tuple[list[int], list[int]]:
        """Rows of ham and of spam that ``who`` taught, no later than the row ``up_to``, in order."""
        query = "SELECT id FROM mail WHERE who = ? AND spam = ? AND id <= ? ORDER BY id"
        ham, spam = ([row[0] for row in self._db.execute(query, (who, kind, up_to))] for kind in (0, 1))
        return ham, spam

    def users(self) -> list[str]:
        """Everyone who taught something; the site is ``""``."""
        with self._guarded("read"):
            return [row[0] for row in self._db.execute("SELECT DISTINCT who FROM mail ORDER BY who")]

    def known(self, who: str, digest: bytes) -> bool | None:
        """The class in which ``who`` taught a mail, None if not at all."""
        with self._guarded("read"):
            row = self._db.execute("SELECT spam FROM mail WHERE who = ? AND digest = ?", (who, digest)).fetchone()
        return None if row is None else bool(row[0])

    def add(self, rows: Iterable[Row], keep: int) -> Done:
        """Teach mails, all or none of them; one that is known is left alone, or gets the other class in its place.

        ``keep``  mails of each class that are kept per teacher; beyond it, and an eighth more, the oldest go, as if
        they had been forgotten; that is looked at every `_TRIM_EVERY` mails.
        """
        learned = known = relabelled = last = 0
        with self._guarded("written"), self._transaction():
            for row in rows:
                old = self._db.execute(
                    "SELECT id, spam FROM mail WHERE who = ? AND digest = ?", (row.who, row.digest)
                ).fetchone()
                if old is None:
                    last = self._db.execute("INSERT INTO mail VALUES (NULL, ?, ?, ?, ?, ?)", row[1:]).lastrowid or 0
                    learned += 1
                elif bool(old[1]) == row.spam:
                    known += 1
                else:
                    self._db.execute("UPDATE mail SET spam = ? WHERE id = ?", (row.spam, old[0]))
                    relabelled += 1
            full = last // _TRIM_EVERY > (last - learned) // _TRIM_EVERY
            if (full and self._trim(keep)) or relabelled:
                self._turn()
        return Done(learned, known, relabelled)

    def remove(self, who: str, digests: Iterable[bytes]) -> Done:
        """Forget mails that ``who`` taught, all or none of them."""
        forgotten = unknown = 0
        with self._guarded("written"), self._transaction():
            for digest in digests:
                count = self._db.execute("DELETE FROM mail WHERE who = ? AND digest = ?", (who, digest)).rowcount
                forgotten += count
                unknown += not count
            if forgotten:
                self._turn()
        return Done(0, 0, 0, forgotten, unknown)

    def snapshot(self, who: str, epoch: int) -> tuple[int, bytes] | None:
        """The last row that a stored snapshot covers, and the snapshot; None if there is none of this epoch."""
        row = self._db.execute(
            "SELECT last, state FROM snapshot WHERE who = ? AND epoch = ?", (who, epoch)
        ).fetchone()
        return None if row is None else (int(row[0]), bytes(row[1]))

    def store_snapshot(self, who: str, position: Position, state: bytes) -> None:
        """Keep what follows from the rows up to ``position``, unless they have changed meanwhile."""
        with self._guarded("written"), self._transaction():
            if self._epoch() == position.epoch:
                self._db.execute("REPLACE INTO snapshot VALUES (?, ?, ?, ?)", (who, *position, state))

    def _epoch(self) -> int:
        return int(self._db.execute("SELECT value FROM fact WHERE name = 'epoch'").fetchone()[0])

    def _turn(self) -> None:
        """A new epoch: rows have changed or gone."""
        self._db.execute("UPDATE fact SET value = value + 1 WHERE name = 'epoch'")
        self._db.execute("DELETE FROM snapshot")

    def _trim(self, keep: int) -> bool:
        """Drop the oldest mails of every teacher and class that holds an eighth more than ``keep``."""
        counts = self._db.execute("SELECT who, spam, count(*) FROM mail GROUP BY who, spam").fetchall()
        full = [(who, spam, count) for who, spam, count in counts if count > keep + keep // 8]
        for who, spam, count in full:
            self._db.execute(
                "DELETE FROM mail WHERE id IN (SELECT id FROM mail WHERE who = ? AND spam = ? ORDER BY id LIMIT ?)",
                (who, spam, count - keep),
            )
        return bool(full)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        """Database errors as one clear line."""
        try:
            yield
        except sqlite3.Error as error:
            hint = _hint(self.path, error)
            raise StoreError(f"{self.path}: the file of taught mail cannot be {doing}: {error}{hint}") from None


def _hint(path: str, error: sqlite3.Error) -> str:
    """What to do about it, where that is known."""
    if "not a database" in str(error) or "malformed" in str(error):
        return "; move it away and learn again"
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        return f"; there is no folder {folder}"
    if not os.access(folder, os.W_OK):
        return f"; the folder {folder} must be writable"
    return ""
