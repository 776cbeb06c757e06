"""Carrying over the quarantine of before there was an index: one table that held the mails themselves."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ..message import Message
from ..stores.index_sqlite import SqliteIndex
from . import entry as entries_
from .states import GONE, State

if TYPE_CHECKING:
    from .store import Quarantine


def migrate(quarantine: Quarantine) -> int:
    """Move every mail of the old table into a file and a row; how many.  The table goes when all are durable.

    May be killed and begun again, and run by several processes: what is there already is not made twice.
    """
    index, number, moved = quarantine.index, 0, 0
    if not isinstance(index, SqliteIndex):
        return 0
    while (old := index.legacy(number)) is not None:
        number, receipt, stored, state, envelope, verdict, raw = old
        known = {"envelope": json.loads(envelope), "verdict": json.loads(verdict)}
        _move(quarantine, receipt, stored, State(state), known, raw)
        moved += 1
    if moved:
        index.drop_legacy()
    return moved


def _move(
    quarantine: Quarantine, receipt: str, stored: float, state: State, known: dict[str, Any], raw: bytes | None
) -> None:
    digest, size = str(known["verdict"].get("digest", "")), 0
    if raw is not None:
        message = Message(raw)
        known |= {"subject": message.subject[:300], "author": message.header("From")[:300]}
        digest, size = hashlib.sha256(raw).hexdigest(), len(raw)
        quarantine.blobs.write(receipt, quarantine.seals.seal(receipt, entries_.pack(receipt, stored, raw, known)))
    sealed = quarantine.seals.seal_facts(receipt, known)
    row = entries_.row(receipt, stored, State.DELETED if raw is None else State.HELD, digest, size, known, sealed)
    if quarantine.index.add(row) != receipt:
        quarantine.blobs.remove(receipt)  # the same delivery once more; one of them is enough
    elif state not in GONE and state is not State.HELD:
        quarantine.mark(receipt, state)
