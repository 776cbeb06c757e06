"""Comparing a quarantine's index with its mails, both ways, and setting right what can be."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..stores.index import Query, Row
from . import entry as entries_
from .keys import TamperedError
from .states import State

if TYPE_CHECKING:
    from .store import Quarantine

_log = logging.getLogger("mailfilter.quarantine")
ASIDE = ".damaged"
"""Ending of the name under which a file that is no whole mail, and that nothing knows of, is kept for a person."""
_RECEIPT = frozenset("0123456789abcdef")


@dataclass(slots=True)
class Audit:
    """What `verify` found.

    ``entries``  rows whose mail was to be there; ``whole``  of them, those whose mail is there to the last octet;
    ``missing``, ``damaged``  receipts of those whose mail is not (marked in the index); ``mended``  receipts that were
    marked and are whole again.  ``reindexed``  receipts of mails that had no row and have one now; ``duplicates``
    files of a delivery that is held under another receipt, ``leftovers``  files of mails that are deleted or
    expired, ``parts``  files that were never written to their end: all these were removed.  ``aside``  damaged
    files without a row, kept under another name; ``foreign``  names that are none of ours, left alone.
    """

    entries: int
    whole: int
    missing: list[str]
    damaged: list[str]
    mended: list[str]
    reindexed: list[str]
    duplicates: int
    leftovers: int
    parts: int
    aside: list[str]
    foreign: list[str]

    @property
    def wrong(self) -> bool:
        """Whether something is wrong that a person has to look at."""
        return bool(self.missing or self.damaged or self.aside)

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, ready for JSON."""
        return asdict(self)


def verify(quarantine: Quarantine, *, repair: bool, grace: float) -> Audit:
    """Look at every row and at every file; with ``repair``, set right what can be.

    May run while mail is held: what is younger than ``grace`` seconds may still be in the making and is not removed.
    Raises `WrongKeyError` before anything is marked when a key is missing.
    """
    audit = Audit(0, 0, [], [], [], [], 0, 0, 0, [], [])
    files = set(quarantine.blobs.names())
    for row in quarantine.rows(Query(kept=True)):
        files.discard(row.receipt)
        _look_at(quarantine, row, audit, repair)
    for name in sorted(files):
        if name.endswith(ASIDE):
            audit.aside.append(name)
        elif len(name) == 16 and _RECEIPT.issuperset(name):
            _without_row(quarantine, name, audit, repair, grace)
        else:
            audit.foreign.append(name)
    audit.parts = quarantine.blobs.sweep(grace) if repair else 0
    return audit


def _look_at(quarantine: Quarantine, row: Row, audit: Audit, repair: bool) -> None:
    """One row, and its file."""
    fault, _ = examine(quarantine, row)
    if fault:  # it may have been deleted since the row was read
        fresh = quarantine.index.get(row.receipt)
        if fresh is None or not fresh.kept:
            return
    audit.entries += 1
    if fault:
        (audit.missing if fault == "missing" else audit.damaged).append(row.receipt)
        _log.error("quarantine %s: the mail of %s is %s", quarantine.place, row.receipt, fault)
    else:
        audit.whole += 1
        if row.fault:
            audit.mended.append(row.receipt)
    if repair and fault != row.fault:
        quarantine.index.note_fault(row.receipt, fault)


def examine(quarantine: Quarantine, row: Row) -> tuple[str, bytes]:
    """What is wrong with the stored mail of a row, "missing", "damaged" or ``""``, and the mail where nothing is.

    Raises `WrongKeyError`.
    """
    data = quarantine.blobs.read(row.receipt)
    if data is None:
        return "missing", b""
    try:
        blob = entries_.unpack(quarantine.seals.open(row.receipt, data))
    except TamperedError:
        return "damaged", b""
    if blob is None or not blob.whole or (blob.receipt, blob.sha256) != (row.receipt, row.digest):
        return "damaged", b""
    return "", blob.raw


def _without_row(quarantine: Quarantine, name: str, audit: Audit, repair: bool, grace: float) -> None:
    """A file that no row of a kept mail is about."""
    row = quarantine.index.get(name)
    if row is not None:
        if not row.kept:  # the row went first, as it has to, and then the process was killed
            audit.leftovers += 1
            if repair:
                quarantine.blobs.remove(name)
        return
    data = quarantine.blobs.read(name)
    if data is None:
        return  # gone meanwhile
    try:
        blob = entries_.unpack(quarantine.seals.open(name, data))
    except TamperedError:
        blob = None
    if blob is None or not blob.whole or blob.receipt != name:
        audit.aside.append(name + ASIDE if repair else name)
        if repair:
            quarantine.blobs.rename(name, name + ASIDE)
        return
    row = entries_.row(
        name, blob.stored, State.HELD, blob.sha256, blob.size, blob.facts, quarantine.seals.seal_facts(name, blob.facts)
    )
    there = quarantine.index.waiting(row.identity or "")
    if there is None or not quarantine.blobs.has(there.receipt):
        audit.reindexed.append(name)
        if repair:
            quarantine.index.add(row)
    elif quarantine.clock() - blob.stored >= grace:
        audit.duplicates += 1
        if repair:
            quarantine.blobs.remove(name)
