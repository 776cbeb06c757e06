"""Quarantine: held mail, byte for byte, on disk before anyone is told that it was accepted.

One SQLite file (full synchronous writes).  A mail leaves only by release or with a tombstone.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from .envelope import Envelope
from .errors import StoreError
from .verdict import Verdict

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mail (
    receipt TEXT PRIMARY KEY, stored REAL NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL,
    envelope TEXT NOT NULL, verdict TEXT NOT NULL, raw BLOB)
"""


@dataclass(frozen=True, slots=True)
class Held:
    """One entry.

    ``state``  held, disarmed, released, restored or deleted; ``stored``, in seconds since the epoch, ``size`` in bytes.
    """

    receipt: str
    stored: float
    state: str
    digest: str
    size: int
    envelope: Envelope
    verdict: dict[str, Any]


class Quarantine:
    """Keeps what was held, and tombstones of what was deleted.  Methods raise `StoreError` when the disk does not."""

    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock, self._lock = path, clock, threading.Lock()
        with self._reported("opened"):
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(_SCHEMA)

    def hold(self, raw: bytes, envelope: Envelope, verdict: Verdict) -> str:
        """Store a mail; the receipt that comes back is proof that it is on disk."""
        return self._insert("held", raw, envelope, verdict)

    def bury(self, envelope: Envelope, verdict: Verdict) -> str:
        """Leave a tombstone for a mail that policy deletes: digest, envelope and reasons, without its content."""
        return self._insert("deleted", None, envelope, verdict)

    def get(self, receipt: str) -> bytes:
        """The exact bytes that were held."""
        with self._reported("read"), self._lock:
            row = self._db.execute("SELECT raw FROM mail WHERE receipt = ?", (receipt,)).fetchone()
        if row is None:
            raise StoreError(f"quarantine {self._path}: no mail has the receipt {receipt}")
        if row[0] is None:
            raise StoreError(f"quarantine {self._path}: {receipt} was deleted by policy; only its tombstone is left")
        return bytes(row[0])

    def release(self, receipt: str) -> bytes:
        """Mark a held mail as released and hand out its bytes; it stays stored."""
        raw = self.get(receipt)
        with self._reported("written"), self._lock:
            self._db.execute("UPDATE mail SET state = 'released' WHERE receipt = ?", (receipt,))
        return raw

    def mark(self, receipt: str, state: str) -> None:
        """Note what became of a mail: "disarmed" (delivered without some parts), "restored"; its bytes stay."""
        with self._reported("written"), self._lock:
            self._db.execute("UPDATE mail SET state = ? WHERE receipt = ?", (state, receipt))

    def restore(self, receipt: str) -> bytes:
        """The exact original of a mail that was disarmed or held by mistake; it stays stored, marked as restored."""
        raw = self.get(receipt)
        self.mark(receipt, "restored")
        return raw

    def entries(self) -> Iterator[Held]:
        """Every entry, oldest first, without the mails' bytes."""
        columns = "receipt, stored, state, digest, coalesce(length(raw), 0), envelope, verdict"
        with self._reported("read"), self._lock:
            rows = self._db.execute(f"SELECT {columns} FROM mail ORDER BY stored, receipt").fetchall()
        for receipt, stored, state, digest, size, envelope, verdict in rows:
            sent = Envelope(**json.loads(envelope))
            yield Held(receipt, stored, state, digest, size, sent, json.loads(verdict))

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _insert(self, state: str, raw: bytes | None, envelope: Envelope, verdict: Verdict) -> str:
        receipt = secrets.token_hex(8)
        facts = json.dumps(asdict(envelope)), json.dumps(verdict.to_dict())
        with self._reported("written"), self._lock:
            self._db.execute(
                "INSERT INTO mail VALUES (?, ?, ?, ?, ?, ?, ?)",
                (receipt, self._clock(), state, verdict.digest, *facts, raw),
            )
        return receipt

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"quarantine {self._path}: cannot be {what}: {error}") from None
