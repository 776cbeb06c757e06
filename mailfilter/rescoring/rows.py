"""The rows of a hit table: what the chain makes of a piece of an archive, as plain columns."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..archives import ArchivedMail
from ..chain import Batch, FilterChain
from ..checks import Mail
from ..checks._dates import parse_date
from ..envelope import Envelope
from ..lookups import Answer, DnsAnswer, DnsQuestion, DnsState, Question, ScanAnswer, ScanQuestion, ScanState
from ..message import Message
from .table import COLUMNS, Columns

PIECE = 512
"""Mails that are evaluated, written and, after a kill, done again together."""
_PIECE_BYTES = 16 * 2**20

_LABELS = {"spam": 1, "ham": 0, None: -1}
_LONGEST = 4000
"""Characters of a Received header in which its date is looked for, from the end."""


def cut(mails: Iterable[ArchivedMail]) -> Iterator[list[ArchivedMail]]:
    """A stream in pieces of `PIECE` mails, fewer where they are large: the same pieces whoever works on them."""
    piece: list[ArchivedMail] = []
    size = 0
    for mail in mails:
        piece.append(mail)
        size += len(mail.raw)
        if len(piece) >= PIECE or size >= _PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def evaluate(chain: FilterChain, items: Sequence[ArchivedMail]) -> Columns:
    """Run ``chain`` over a piece; ``indptr``, ``path_end`` and ``answer_end`` count from its own beginning."""
    found: list[Columns] = []
    start = 0
    for mails in chain.batches(Mail(Message(item.raw), Envelope()) for item in items):
        done = chain.evaluate(mails)
        found.append(_columns(done, items[start : start + len(mails)], int(time.time())))
        start += len(mails)
    return joined(found)


def joined(parts: Sequence[Columns]) -> Columns:
    """Columns one after the other, with the ends of each part moved behind the part before it."""
    whole: Columns = {}
    for name, (dtype, width) in COLUMNS.items():
        if name == "indptr":
            ends = _moved([part["indptr"][1:] for part in parts])
            whole[name] = np.concatenate([np.zeros(1, np.int64), *ends])
        elif name.endswith("_end"):
            whole[name] = np.concatenate([np.empty(0, np.int64), *_moved([part[name] for part in parts])])
        else:
            empty = np.empty((0, width) if width else 0, dtype)
            whole[name] = np.concatenate([empty, *(part[name] for part in parts)])
    return whole


def _moved(parts: Sequence[Any]) -> list[Any]:
    moved, offset = [], 0
    for part in parts:
        moved.append(part + offset)
        offset = int(moved[-1][-1]) if len(part) else offset
    return moved


def _columns(batch: Batch, items: Sequence[ArchivedMail], now: int) -> Columns:
    names = [item.path.encode("utf-8", "surrogateescape") for item in items]
    answers = [_answers(asked, now) for asked in batch.answers] if batch.answers else [b""] * len(items)
    digests = bytes.fromhex("".join(mail.message.digest for mail in batch.mails))
    raw: dict[str, Any] = {
        "digest": np.frombuffer(digests, np.uint8).reshape(-1, 32),
        "label": [_LABELS[item.label] for item in items],
        "line": [item.line or 0 for item in items],
        "time": [received(mail.message, item.path) for mail, item in zip(batch.mails, items, strict=True)],
        "points": batch.points,
        "action": batch.decisions.actions,
        "indptr": batch.hits.indptr,
        "indices": batch.hits.indices,
        "values": batch.hits.values,
        "path_end": np.cumsum([len(name) for name in names]),
        "path": np.frombuffer(b"".join(names), np.uint8),
        "answer_end": np.cumsum([len(answer) for answer in answers]),
        "answer": np.frombuffer(b"".join(answers), np.uint8),
    }
    return {name: np.asarray(raw[name], dtype) for name, (dtype, _) in COLUMNS.items()}


def received(message: Message, path: str) -> int:
    """Seconds since 1970 when the newest Received header says that it came, else Date, else the file's time; or -1."""
    stamp = message.header("received")[-_LONGEST:].rpartition(";")[2]
    for text in (stamp, message.header("date")[:_LONGEST]):
        seconds = parse_date(text) if text else None
        if seconds is not None:
            return seconds
    try:
        return int(os.stat(path).st_mtime)
    except (OSError, ValueError):
        return -1


def _answers(asked: Sequence[tuple[Question, Answer]], now: int) -> bytes:
    """What lookups said about one mail, as JSON; nothing for questions that nobody was configured to answer."""
    said = [_answer(question, answer, now) for question, answer in asked]
    kept = [one for one in said if one]
    return json.dumps(kept).encode() if kept else b""


def _answer(question: Question, answer: Answer, now: int) -> dict[str, Any] | None:
    if isinstance(question, DnsQuestion) and isinstance(answer, DnsAnswer) and answer.state is not DnsState.DISABLED:
        found = {"state": answer.state.value, "records": answer.records, "ttl": answer.ttl}
        return {"dns": question.name, "type": question.rdtype, **found, "time": now}
    if isinstance(question, ScanQuestion) and isinstance(answer, ScanAnswer) and answer.state is not ScanState.DISABLED:
        found = {"state": answer.state.value, "names": answer.names, "scanner": answer.scanner}
        return {"scan": question.digest.hex(), **found, "time": now}
    return None
