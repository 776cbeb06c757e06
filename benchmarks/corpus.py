"""What all benchmarks share: corpora in memory, error rates with their intervals, twins across a split.

Rates are in per cent.  The two-sided 95 % interval is Clopper and Pearson's (1934), exact and so a little wide.
Where nothing went wrong the honest figure is the one-sided bound `upper95`, the "rule of three": no error in n
tries means at most 3/n; the upper end of the two-sided interval is then 3.7/n.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mailfilter.archives import ArchivedMail, Unreadable, find_corpus, read_archive
from mailfilter.errors import ArchiveError


@dataclass(frozen=True, slots=True)
class Corpus:
    """Mails of one or more corpora, each corpus in the order of its index, and what could not be read."""

    name: str
    mails: tuple[ArchivedMail, ...]
    unreadable: tuple[Unreadable, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of mails, of each label, and of what could not be read."""
        labels = Counter(mail.label for mail in self.mails)
        return {
            "mails": len(self.mails),
            "ham": labels["ham"],
            "spam": labels["spam"],
            "unreadable": len(self.unreadable),
        }

    @property
    def is_spam(self) -> NDArray[np.bool_]:
        """One flag a mail; a mail without a label counts as no spam, so leave those out first (`labelled`)."""
        return np.array([mail.label == "spam" for mail in self.mails], dtype=bool)

    def labelled(self) -> Corpus:
        """The same without the mails that have no label."""
        return Corpus(self.name, tuple(mail for mail in self.mails if mail.label), self.unreadable)

    def lines(self, remainder: int) -> Corpus:
        """The mails on odd (1) or even (0) lines of the index: the customary split into training and test."""
        kept = (mail for mail in self.mails if mail.line is not None and mail.line % 2 == remainder)
        return Corpus(self.name, tuple(kept), self.unreadable)


def load(names: Sequence[str] | str, *, limit: int | None = None) -> Corpus:
    """Read corpora by path or by name in ``$MAILFILTER_CORPORA``, whole into memory.

    ``limit`` keeps that many mails of each, drawn evenly over it and always the same ones.
    Raises `ArchiveError` when none is named or one is not there.
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names:
        raise ArchiveError("--corpus", "name at least one corpus: a path, or a name in $MAILFILTER_CORPORA")
    mails: list[ArchivedMail] = []
    unreadable: list[Unreadable] = []
    for name in names:
        items = list(read_archive(find_corpus(name, os.environ)))
        found = [item for item in items if isinstance(item, ArchivedMail)]
        unreadable += (item for item in items if isinstance(item, Unreadable))
        found.sort(key=lambda mail: mail.line or 0)
        if limit is not None and len(found) > limit:
            found = [found[at] for at in sorted(random.Random(0).sample(range(len(found)), limit))]
        mails += found
    return Corpus("+".join(name.rstrip("/").rpartition("/")[2] for name in names), tuple(mails), tuple(unreadable))


def interval(errors: int, n: int) -> tuple[float, float]:
    """The two-sided 95 % interval of an error rate, in per cent (Clopper and Pearson); (0, 100) for ``n = 0``."""
    from scipy.special import betaincinv

    low = 0.0 if errors == 0 else float(betaincinv(errors, n - errors + 1, 0.025))
    high = 1.0 if errors == n else float(betaincinv(errors + 1, n - errors, 0.975))
    return 100 * low, 100 * high


def upper95(errors: int, n: int) -> float:
    """The one-sided 95 % upper bound of an error rate, in per cent; about 300/n for no error."""
    from scipy.special import betaincinv

    return 100.0 if errors == n else 100 * float(betaincinv(errors + 1, n - errors, 0.95))


def roca(scores: ArrayLike, is_spam: ArrayLike) -> float:
    """1 - ROCA in per cent: how often a ham scores above a spam, a tie counting half.  0 is perfect, 50 is chance.

    ``scores`` (n,) higher for spam, ``is_spam`` (n,).  Raises ValueError when one of the classes is missing.
    """
    ham, spam = _split(scores, is_spam)
    ham.sort()
    above = len(ham) - np.searchsorted(ham, spam, "right")
    tied = np.searchsorted(ham, spam, "right") - np.searchsorted(ham, spam, "left")
    return float(100 * (above.sum() + tied.sum() / 2) / (len(ham) * len(spam)))


def miss_at(scores: ArrayLike, is_spam: ArrayLike, ham_loss: float) -> float:
    """Spam missed, in per cent, at the best threshold that loses at most the share ``ham_loss`` (0.001 = 0.1 %) of ham.

    A mail is called spam when its score is above the threshold; ties with a ham that must not be lost are missed.
    Raises ValueError when one of the classes is missing.
    """
    ham, spam = _split(scores, is_spam)
    ham.sort()
    budget = int(ham_loss * len(ham) + 1e-9)
    threshold = -np.inf if budget >= len(ham) else ham[len(ham) - 1 - budget]
    return float(100 * np.mean(spam <= threshold))


def _split(scores: ArrayLike, is_spam: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of ham and of spam."""
    values, spam = np.asarray(scores, dtype=np.float64), np.asarray(is_spam, dtype=bool)
    if values.shape != spam.shape or values.ndim != 1:
        raise ValueError(f"scores and labels must be of one length, got {values.shape} and {spam.shape}")
    if spam.all() or not spam.any():
        raise ValueError("both ham and spam are needed")
    return values[~spam], values[spam]


_CONTENT_FIELD = re.compile(
    rb"(?:from|to|cc|subject|date|message-id|reply-to|mime-version|content-[!-9;-~]{1,80})[ \t]*:", re.IGNORECASE
)
_ANY_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")


def content_headers_only(raw: bytes) -> bytes:
    """``raw`` with only the headers that its author wrote: From, To, Cc, Subject, Date, Message-ID, Reply-To and MIME.

    What the path of a corpus added (Received, Return-Path, X-…, List-…, an mbox From_ line) goes.  What stays is
    byte for byte as it was, and so is the body.  The header ends at an empty line, or before the first line that
    is neither a field nor its continuation.
    """
    position = raw.find(b"\n") + 1 if raw.startswith((b"From ", b">From ")) else 0
    kept: list[bytes] = []
    keeping = False
    while position < len(raw):
        end = raw.find(b"\n", position) + 1 or len(raw)
        line = raw[position:end]
        if line.startswith((b" ", b"\t")) and line.strip():
            pass
        elif _ANY_FIELD.match(line):
            keeping = _CONTENT_FIELD.match(line) is not None
        else:
            break
        if keeping:
            kept.append(line)
        position = end
    return b"".join(kept) + raw[position:]


def presented(raw: bytes, headers: str) -> bytes:
    """``raw`` as a filter gets to see it: without an mbox From_ line, and with ``"all"`` or only ``"content"`` headers.

    The From_ line is no part of the mail and tells where the corpus comes from.
    """
    if headers == "content":
        return content_headers_only(raw)
    return raw[raw.find(b"\n") + 1 :] if raw.startswith((b"From ", b">From ")) else raw


_BINS = 64
_GRAM = 8
_BAND = 4
_VIEW = 1 << 16
_SHORT = 64
"""Bytes below which only equality counts: too few shingles to speak of likeness."""


def near_duplicates(train: Sequence[bytes], test: Sequence[bytes], *, threshold: float = 0.7) -> NDArray[np.int64]:
    """Indices into ``test`` of mails that have an exact or near twin in ``train``, ascending.

    Twins have equal bodies (an empty one equals none), or bodies whose sets of 8-byte shingles have an estimated
    Jaccard likeness of at least ``threshold``.  Headers do not count, nor does white space; the first 64 kB do.
    The estimate is one-permutation minhash (Li, Owen, Zhang 2012) over 64 bins, its standard error about 0.06; pairs
    to compare are found by bands of 4 bins, which finds a pair of likeness 0.7 with 98 % and one of 0.8 with 99.98 %.
    """
    seen = {hashlib.sha256(body).digest() for body in map(_body, train)}
    sketches = [_sketch(_body(raw)) for raw in train]
    buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for number, sketch in enumerate(sketches):
        for key in _bands(sketch):
            buckets[key].append(number)
    found = []
    for number, raw in enumerate(test):
        body = _body(raw)
        if (body and hashlib.sha256(body).digest() in seen) or _has_twin(_sketch(body), sketches, buckets, threshold):
            found.append(number)
    return np.array(found, dtype=np.int64)


def _has_twin(
    sketch: NDArray[np.uint64] | None,
    sketches: Sequence[NDArray[np.uint64] | None],
    buckets: defaultdict[tuple[int, bytes], list[int]],
    threshold: float,
) -> bool:
    candidates = {other for key in _bands(sketch) for other in buckets.get(key, ())}
    return any(float(np.mean(sketch == sketches[other])) >= threshold for other in candidates)


def _body(raw: bytes) -> bytes:
    """The part of a mail that twins share: its body without white space."""
    ends = [at for at in (raw.find(b"\n\n"), raw.find(b"\n\r\n")) if at >= 0]
    return b"".join(raw[min(ends, default=-1) + 1 :][:_VIEW].split())


def _sketch(body: bytes) -> NDArray[np.uint64] | None:
    """The smallest hash in each bin; an empty bin borrows from its neighbour.  None for a body that is too short."""
    if len(body) < _SHORT:
        return None
    grams = np.ndarray((len(body) - _GRAM + 1,), "<u8", body, 0, (1,))
    hashes = grams * np.uint64(0x9E3779B97F4A7C15)
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    smallest = np.full(_BINS, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(smallest, (hashes >> np.uint64(58)).astype(np.intp), hashes)
    filled = np.flatnonzero(smallest != np.iinfo(np.uint64).max)
    lender = filled[np.searchsorted(filled, np.arange(_BINS)) % len(filled)]
    return smallest[lender]


def _bands(sketch: NDArray[np.uint64] | None) -> list[tuple[int, bytes]]:
    """Keys under which likely twins meet."""
    if sketch is None:
        return []
    return [(start, sketch[start : start + _BAND].tobytes()) for start in range(0, _BINS, _BAND)]
