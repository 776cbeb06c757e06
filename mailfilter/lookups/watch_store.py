"""Where processes tell each other what they know of each list: one small SQLite file, or memory."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_log = logging.getLogger("mailfilter")

_SCHEMA = """CREATE TABLE IF NOT EXISTS lists (
    zone TEXT PRIMARY KEY,
    open_until REAL NOT NULL DEFAULT 0, openings INTEGER NOT NULL DEFAULT 0, open_reason TEXT NOT NULL DEFAULT '',
    probed_at REAL NOT NULL DEFAULT 0, probing REAL NOT NULL DEFAULT 0, fault TEXT NOT NULL DEFAULT '',
    latency REAL NOT NULL DEFAULT 0,
    asked REAL NOT NULL DEFAULT 0, listed REAL NOT NULL DEFAULT 0, muted TEXT NOT NULL DEFAULT ''
)"""


@dataclass(slots=True)
class Known:
    """What is known of one zone.  Times are seconds since 1970, ``latency`` is in seconds.

    ``open_until``, ``openings``, ``open_reason``  the circuit breaker: not asked until then; openings in a row.
    ``probed_at``, ``fault``  when the test points were last asked, and what was wrong with them.
    ``asked``, ``listed``  the history of the base rate; ``muted``  what is wrong with it.
    """

    open_until: float = 0.0
    openings: int = 0
    open_reason: str = ""
    probed_at: float = 0.0
    probing: float = 0.0
    fault: str = ""
    latency: float = 0.0
    asked: float = 0.0
    listed: float = 0.0
    muted: str = ""


_FIELDS = tuple(Known.__slots__)


class WatchStore:
    """``path``  "memory", or a file that processes share.  A store that fails is logged, and shares nothing."""

    def __init__(self, path: str = "memory") -> None:
        self.shared = path != "memory"
        self._path = path if self.shared else ":memory:"
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def read(self) -> dict[str, Known]:
        """Everything, by zone."""
        rows = self._run(f"SELECT zone, {', '.join(_FIELDS)} FROM lists", ())
        return {zone: Known(*values) for zone, *values in rows}

    def write(self, zone: str, **values: float | str) -> None:
        """Set some facts about a zone."""
        names = tuple(values)
        columns, marks = ", ".join(("zone", *names)), ", ".join("?" * (len(names) + 1))
        changes = ", ".join(f"{name} = excluded.{name}" for name in names)
        self._run(
            f"INSERT INTO lists ({columns}) VALUES ({marks}) ON CONFLICT (zone) DO UPDATE SET {changes}",
            (zone, *values.values()),
        )

    def add(self, zone: str, asked: float, listed: float, most: float) -> None:
        """Add to the history of a zone; what is old is halved where there is more than ``most``."""
        self._run(
            "INSERT INTO lists (zone, asked, listed) VALUES (?, ?, ?) ON CONFLICT (zone) DO UPDATE SET"
            " asked = asked + excluded.asked, listed = listed + excluded.listed",
            (zone, asked, listed),
        )
        self._run("UPDATE lists SET asked = asked / 2, listed = listed / 2 WHERE zone = ? AND asked > ?", (zone, most))

    def claim(self, zone: str, column: str, at_most: float, until: float) -> bool:
        """Set a time to ``until`` if it is not after ``at_most``: whether we, and no other process, have done so."""
        self._run("INSERT OR IGNORE INTO lists (zone) VALUES (?)", (zone,))
        self._run(f"UPDATE lists SET {column} = ? WHERE zone = ? AND {column} <= ?", (until, zone, at_most))
        changed = self._run("SELECT changes()", ())
        return not changed or bool(changed[0][0])

    def close(self) -> None:
        """Close the file; it is opened again when needed.  Memory is kept."""
        with self._lock:
            if self._db is not None and self.shared:
                self._db.close()
                self._db = None

    def _run(self, statement: str, values: Sequence[float | str]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                if self._db is None:
                    self._db = sqlite3.connect(self._path, timeout=2, isolation_level=None, check_same_thread=False)
                    if self.shared:
                        self._db.execute("PRAGMA journal_mode = WAL")
                        self._db.execute("PRAGMA synchronous = NORMAL")
                    self._db.execute(_SCHEMA)
                return list(self._db.execute(statement, values))
        except sqlite3.Error as error:
            _log.error("watch over DNS lists %s: %s", self._path, error)
            return []
