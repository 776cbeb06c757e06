"""Answers of an earlier day used again: an archive is judged by the DNS that a hit table has recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..dnslists.reading import MUTED
from ..errors import StoreError
from ..lookups import Answer, DnsAnswer, DnsQuestion, DnsState, Question, ScanAnswer, ScanQuestion, ScanState
from .table import load, pieces

NOTHING: Mapping[Question, Answer] = {}


class Replay:
    """What lookups answered about each mail when the hit table ``path`` was written.

    Mails are known by the SHA-256 of their bytes.  ``missed``  mails of the last run that are not in the table.
    Raises `StoreError` when the table cannot be read or holds no answers.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        columns = load(path).columns
        self._answers = pieces(columns, "answer")
        if not any(self._answers):
            raise StoreError(f"{path}: no answers of lookups were recorded in it; write it with resolvers or a scanner")
        digests = columns["digest"].tobytes()
        self._rows = {digests[32 * row : 32 * row + 32]: row for row in reversed(range(len(self._answers)))}
        self.fingerprint = hashlib.sha256(digests + columns["answer"].tobytes()).hexdigest()
        """Of all that is in it; two replays with one fingerprint give the same answers."""
        self.missed = 0

    def misses(self, digests: bytes) -> int:
        """How many of these mails (32 octets each) are not in the table."""
        return sum(digests[at : at + 32] not in self._rows for at in range(0, len(digests), 32))

    def of(self, digest: str) -> tuple[Mapping[Question, Answer], float | None]:
        """The answers about a mail (``digest`` in hex), and when they were given, in seconds since 1970.

        Raises `StoreError` where they cannot be read.
        """
        row = self._rows.get(bytes.fromhex(digest))
        if row is None or not self._answers[row]:
            return NOTHING, None
        try:
            entries = json.loads(self._answers[row])
            return dict(map(_read, entries)), min(float(entry["time"]) for entry in entries)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{self.path}: the answers about mail {digest} are damaged: {error!r}") from None


def plain(question: Question, answer: Answer, now: float) -> dict[str, Any] | None:
    """An answer as a table keeps it; None for one that nobody was configured to give.

    An answer that was withheld, because its list was not believed on that day, is kept as that.
    """
    if isinstance(question, DnsQuestion) and isinstance(answer, DnsAnswer):
        if answer.state is DnsState.DISABLED and not answer.detail.startswith(MUTED):
            return None
        found = {"state": answer.state.value, "records": answer.records, "ttl": answer.ttl}
        kept = {"alias": answer.alias} if answer.alias else {}
        if answer.detail and not answer.state.known:
            kept["detail"] = answer.detail
        return {"dns": question.name, "type": question.rdtype, **found, **kept, "time": int(now)}
    if isinstance(question, ScanQuestion) and isinstance(answer, ScanAnswer) and answer.state is not ScanState.DISABLED:
        found = {"state": answer.state.value, "names": answer.names, "scanner": answer.scanner}
        return {"scan": question.digest.hex(), **found, "time": int(now)}
    return None


def _read(entry: Mapping[str, Any]) -> tuple[Question, Answer]:
    detail = str(entry.get("detail", ""))
    if "scan" in entry:
        names, scanner = tuple(map(str, entry["names"])), str(entry["scanner"])
        return (
            ScanQuestion(b"", bytes.fromhex(entry["scan"])),
            ScanAnswer(ScanState(entry["state"]), names, scanner, detail),
        )
    records = tuple(map(str, entry["records"]))
    answer = DnsAnswer(DnsState(entry["state"]), records, int(entry["ttl"]), detail, str(entry.get("alias", "")))
    return DnsQuestion(str(entry["dns"]), str(entry["type"])), answer
