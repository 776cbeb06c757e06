"""Greylisting (RFC 6647): in the doubtful band, let the sender's queue prove itself by coming back.

The key is the client's network (/24, /64), the sender and each recipient.  A store that fails means "do not
greylist", never "delay for ever".  State is kept in SQLite, in memory or in a file that processes share.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from .decision import GreylistState
from .envelope import Envelope
from .errors import StoreError

_log = logging.getLogger("mailfilter.greylist")

_SCHEMA = "CREATE TABLE IF NOT EXISTS triplet (key BLOB PRIMARY KEY, first REAL, passed REAL) WITHOUT ROWID"
_EXPIRE_EVERY = 1000


class GreylistAnswer(NamedTuple):
    """State of the sender and, where it has to wait, the seconds left (rounded up)."""

    state: GreylistState
    wait: int = 0


class Greylist:
    """Remembers who came, when, and who came back.

    ``path``  database file or ``":memory:"``; ``wait``, ``window``, ``lifetime`` in seconds as in the settings;
    ``clock``  seconds since the epoch.  Raises `StoreError` when the file cannot be opened at start.
    """

    def __init__(
        self,
        path: str = ":memory:",
        *,
        wait: float = 180,
        window: float = 172_800,
        lifetime: float = 3_110_400,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._wait, self._window, self._lifetime, self._clock = wait, window, lifetime, clock
        self._lock = threading.Lock()
        self._writes = 0
        try:
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise StoreError(f"greylist {path}: cannot be opened: {error}") from None

    def ask(self, envelope: Envelope) -> GreylistAnswer:
        """Note the attempt and say whether the sender may pass; with several recipients the longest wait counts."""
        keys = triplets(envelope)
        if not keys:
            return GreylistAnswer(GreylistState.NOT_ASKED)
        now = self._clock()
        try:
            with self._lock:
                waits = [self._attempt(key, now) for key in keys]
        except sqlite3.Error as error:
            _log.error("greylist store failed, not greylisting: %s", error)
            return GreylistAnswer(GreylistState.PASSED)
        longest = max(waits)
        if longest > 0:
            return GreylistAnswer(GreylistState.WAIT, int(-(-longest // 1)))
        return GreylistAnswer(GreylistState.PASSED)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _attempt(self, key: bytes, now: float) -> float:
        """Seconds that this triplet still has to wait; 0 when it may pass."""
        self._expire(now)
        row = self._db.execute("SELECT first, passed FROM triplet WHERE key = ?", (key,)).fetchone()
        known = row is not None and now - (row[1] or row[0]) < (self._lifetime if row[1] else self._window)
        if not known:
            self._db.execute("REPLACE INTO triplet VALUES (?, ?, NULL)", (key, now))
            return self._wait
        left = 0.0 if row[1] else float(row[0]) + self._wait - now
        if left <= 0:
            self._db.execute("UPDATE triplet SET passed = ? WHERE key = ?", (now, key))
            return 0.0
        # A clock that was set back must not make the wait longer than it ever was.
        return min(left, self._wait)

    def _expire(self, now: float) -> None:
        self._writes += 1
        if self._writes % _EXPIRE_EVERY == 0:
            self._db.execute("DELETE FROM triplet WHERE passed IS NULL AND first < ?", (now - self._window,))
            self._db.execute("DELETE FROM triplet WHERE passed < ?", (now - self._lifetime,))


def triplets(envelope: Envelope) -> tuple[bytes, ...]:
    """Greylist keys of an envelope, one per recipient; none where client, sender or recipients are not known."""
    if envelope.client_ip is None or envelope.mail_from is None or not envelope.rcpt_to:
        return ()
    bits = 24 if "." in envelope.client_ip else 64
    network = ipaddress.ip_network(f"{envelope.client_ip}/{bits}", strict=False)
    sender = envelope.mail_from.lower()
    texts = sorted({f"{network}\0{sender}\0{recipient.lower()}" for recipient in envelope.rcpt_to})
    return tuple(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in texts)
