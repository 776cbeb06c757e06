"""What of the quarantine lies on the disk sealed: mails, and what is known of them beside what can be searched for."""

from __future__ import annotations

import json
from typing import Any

from ..errors import StoreError
from ..stores.index import Row
from . import entry as entries_
from .keys import Keyring, is_sealed


class Seals:
    """Seals with ``keys`` where ``encrypt`` says so, and opens what was sealed, or never was.

    Each thing is sealed as what it is about, so that none can be put in the place of another.  Sender, recipients,
    times, sizes, digests and names of symbols are in the clear: the index searches for them.
    """

    def __init__(self, place: str, keys: Keyring | None, encrypt: bool) -> None:
        self._place, self._keys = place, keys
        self._sealing = keys if encrypt else None

    def seal(self, receipt: str, data: bytes) -> bytes:
        """A mail's file as it is to lie on the disk."""
        return self._seal(data, f"mail {receipt}")

    def open(self, receipt: str, data: bytes) -> bytes:
        """What `seal` was given.  Raises `WrongKeyError` or `TamperedError`."""
        return self._open(data, f"mail {receipt}")

    def seal_facts(self, receipt: str, known: dict[str, Any]) -> bytes:
        """Facts as the index has them."""
        return self._seal(entries_.dump(known), f"facts of {receipt}")

    def open_facts(self, row: Row) -> dict[str, Any]:
        """The facts of a row."""
        known: dict[str, Any] = json.loads(self._open(row.facts, f"facts of {row.receipt}"))
        return known

    def fresh(self, data: bytes) -> bool:
        """Whether ``data`` lies as it would if it were stored now."""
        return not is_sealed(data) if self._sealing is None else self._sealing.sealed_by_newest(data)

    def _seal(self, data: bytes, about: str) -> bytes:
        return data if self._sealing is None else self._sealing.seal(data, about)

    def _open(self, data: bytes, about: str) -> bytes:
        if not is_sealed(data):
            return data
        if self._keys is None:
            raise StoreError(f"quarantine {self._place}: {about} is sealed, and no key is given: set [quarantine] keys")
        return self._keys.open(data, about)
