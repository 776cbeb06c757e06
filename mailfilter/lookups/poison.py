"""Setting aside a mail that costs every scan its scanner, so that it is not refused for now for ever.

A scan that was lost (the scanner had the bytes, and died, hung or was too slow) is a strike against the mail's body;
headers change from one delivery to the next.  A further strike counts only if the scanner has given a verdict on
something else since the last one: otherwise it is the scanner that is ill, and not the mail.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

from ..deadline import Deadline
from . import Lookup, ScanAnswer, ScanQuestion, ScanState

LIFETIME = 7 * 86_400.0
"""Seconds after which a strike is forgotten: longer than a mail stays in a queue."""
_WRITE_EVERY = 5.0
"""Seconds between notes in the store that the scanner works; and between looks whether there are strikes."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS strikes (body BLOB PRIMARY KEY, count INTEGER NOT NULL, last REAL NOT NULL)"
_WORKS = b"the scanner gave a verdict"
_log = logging.getLogger("mailfilter")


class PoisonGuard:
    """A scanner that no longer asks about mail with ``limit`` strikes.

    ``store``  "memory", or the path of a database file that processes share.  A store that fails is logged and guards
    nothing; scans go on.
    """

    kind: type[Any] = ScanQuestion

    def __init__(
        self, scanner: Lookup, limit: int = 3, store: str = "memory", clock: Callable[[], float] = time.time
    ) -> None:
        self.scanner, self._limit, self._clock = scanner, limit, clock
        self._path = ":memory:" if store == "memory" else store
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._noted = self._looked = float("-inf")
        self._any = False

    def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        """Scan, unless it has failed too often."""
        if (poison := self._set_aside(question)) is not None:
            return poison
        answer: ScanAnswer = self.scanner.ask(question, deadline)
        self._learn(question, answer)
        return answer

    async def aask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        """`ask` under asyncio."""
        if (poison := self._set_aside(question)) is not None:
            return poison
        try:
            answer: ScanAnswer = await self.scanner.aask(question, deadline)
        except asyncio.CancelledError:
            if deadline.expired:  # whoever asked was a moment quicker than the scanner
                self._learn(question, ScanAnswer(ScanState.UNAVAILABLE, lost=True))
            raise
        self._learn(question, answer)
        return answer

    def __getattr__(self, name: str) -> Any:
        """What else the scanner can do (``health``, ``version``, ``reload``)."""
        return getattr(self.scanner, name)

    def close(self) -> None:
        """Close scanner and store; strikes in memory are kept."""
        self.scanner.close()
        with self._lock:
            if self._db is not None and self._path != ":memory:":
                self._db.close()
                self._db = None

    def strikes(self, data: bytes) -> int:
        """Strikes against a mail with this body."""
        row = self._run("SELECT count FROM strikes WHERE body = ? AND last > ?", (_body(data), self._oldest()))
        return int(row[0]) if row else 0

    def _set_aside(self, question: ScanQuestion) -> ScanAnswer | None:
        now = self._clock()
        if not self._any and now - self._looked >= _WRITE_EVERY:
            self._looked = now
            self._any = self._run("SELECT 1 FROM strikes WHERE body != ? LIMIT 1", (_WORKS,)) is not None
        if not self._any or (count := self.strikes(question.data)) < self._limit:
            return None
        return ScanAnswer(ScanState.POISON, detail=f"{count} scans of it were lost, so it is not scanned again")

    def _learn(self, question: ScanQuestion, answer: ScanAnswer) -> None:
        now = self._clock()
        if answer.state.known:
            if now - self._noted >= _WRITE_EVERY or self._path == ":memory:":
                self._noted = now
                self._run("INSERT OR REPLACE INTO strikes VALUES (?, 0, ?)", (_WORKS, now))
        elif answer.lost:
            self._any = True
            self._run("DELETE FROM strikes WHERE last <= ?", (self._oldest(),))
            works = self._run("SELECT last FROM strikes WHERE body = ?", (_WORKS,))
            self._run(
                "INSERT INTO strikes VALUES (?, 1, ?)"
                " ON CONFLICT (body) DO UPDATE SET count = count + 1, last = excluded.last WHERE last <= ?",
                (_body(question.data), now, works[0] if works else float("-inf")),
            )

    def _oldest(self) -> float:
        return self._clock() - LIFETIME

    def _run(self, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        try:
            with self._lock:
                if self._db is None:
                    self._db = sqlite3.connect(self._path, timeout=2, isolation_level=None, check_same_thread=False)
                    self._db.execute(_SCHEMA)
                row: tuple[Any, ...] | None = self._db.execute(statement, values).fetchone()
                return row
        except sqlite3.Error as error:
            _log.error("poison guard %s: %s", self._path, error)
            return None


def _body(data: bytes) -> bytes:
    """SHA-256 of what follows the headers, or of everything where nothing does."""
    ends = [at + len(end) for end in (b"\n\n", b"\n\r\n") if (at := data.find(end)) >= 0]
    body = memoryview(data)[min(ends) :] if ends else memoryview(data)
    return hashlib.sha256(body if len(body) else data).digest()
