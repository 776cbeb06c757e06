"""The rows of a hit table: what the chain makes of a piece of an archive, as plain columns."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from ..archives import ArchivedMail
from ..chain import FilterChain
from ..checks import Mail
from ..checks._dates import parse_date
from ..envelope import Envelope
from ..lookups import Answer, Question
from ..message import Message
from ..verdicts import Batch
from .envelopes import plain as plain_envelope
from .replay import NOTHING, Replay, plain
from .table import COLUMNS, Columns

PIECE = 512
"""Mails that are evaluated, written and, after a kill, done again together."""
_PIECE_BYTES = 16 * 2**20

Clock = Literal["received", "now"]
"""What time it is for a mail of an archive: when it was received, or when its lookups were asked."""

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


def evaluate(
    chain: FilterChain, items: Sequence[ArchivedMail], replay: Replay | None = None, clock: Clock = "received"
) -> Columns:
    """Run ``chain`` over a piece; ``indptr``, ``path_end`` and ``answer_end`` count from its own beginning.

    ``replay`` and ``clock``  see `mailfilter.rescoring.rescore`.
    """
    stamped = (_stamped(item, replay, clock) for item in items)
    todo = iter(stamped)
    rows: list[_Stamped] = []

    def mails() -> Iterator[Mail]:
        for row in todo:
            rows.append(row)
            yield row.mail

    found: list[Columns] = []
    start = 0
    for batch in chain.batches(mails()):
        end = start + len(batch)
        part = rows[start:end]
        done = chain.evaluate(batch) if replay is None else chain.evaluate(batch, [row.answers for row in part])
        found.append(_columns(done, items[start:end], part))
        start = end
    return joined(found)


class _Stamped(NamedTuple):
    """A mail, when it was received (-1: not known), and what was answered about it on that day and when."""

    mail: Mail
    received: int
    answers: Mapping[Question, Answer]
    answered: float | None


def _stamped(item: ArchivedMail, replay: Replay | None, clock: Clock) -> _Stamped:
    message = Message(item.raw)
    came = received(message, item.path)
    answers, answered = replay.of(message.digest) if replay is not None else (NOTHING, None)
    now = came if clock == "received" and came >= 0 else answered
    envelope = Envelope() if item.envelope is None else item.envelope
    return _Stamped(Mail(message, replace(envelope, received_at=now)), came, answers, answered)


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


def _columns(batch: Batch, items: Sequence[ArchivedMail], stamped: Sequence[_Stamped]) -> Columns:
    now = time.time()
    names = [item.path.encode("utf-8", "surrogateescape") for item in items]
    answers = [b""] * len(items)
    if batch.answers:
        times = [now if row.answered is None else row.answered for row in stamped]
        answers = [_answers(asked, when) for asked, when in zip(batch.answers, times, strict=True)]
    envelopes = [plain_envelope(item.envelope) for item in items]
    digests = bytes.fromhex("".join(mail.message.digest for mail in batch.mails))
    raw: dict[str, Any] = {
        "digest": np.frombuffer(digests, np.uint8).reshape(-1, 32),
        "label": [_LABELS[item.label] for item in items],
        "line": [item.line or 0 for item in items],
        "time": [row.received for row in stamped],
        "points": batch.points,
        "action": batch.decisions.actions,
        "indptr": batch.hits.indptr,
        "indices": batch.hits.indices,
        "values": batch.hits.values,
        "path_end": np.cumsum([len(name) for name in names]),
        "path": np.frombuffer(b"".join(names), np.uint8),
        "answer_end": np.cumsum([len(answer) for answer in answers]),
        "answer": np.frombuffer(b"".join(answers), np.uint8),
        "envelope_end": np.cumsum([len(envelope) for envelope in envelopes]),
        "envelope": np.frombuffer(b"".join(envelopes), np.uint8),
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


def _answers(asked: Sequence[tuple[Question, Answer]], now: float) -> bytes:
    """What lookups said about one mail, as JSON; nothing for questions that nobody was configured to answer."""
    kept = [one for question, answer in asked if (one := plain(question, answer, now))]
    return json.dumps(kept).encode() if kept else b""
