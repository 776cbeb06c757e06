"""Labelled mail as numbers, ready to learn from: read once, twins dropped, contradictions refused."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..archives import ArchivedMail, find_corpus, read_archive
from ..errors import MailFilterError
from ..message import Message
from .features import Extractor, Features, Layout
from .learner import Rows
from .views import views

FOLDS = 5
"""Folds of a single corpus when it is judged by models that have not seen the mail."""


class Example(NamedTuple):
    """A mail to learn from: its bytes, whether it is spam, the corpus it is of, and where it was found."""

    raw: bytes
    spam: bool
    corpus: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Examples:
    """Training mail as numbers.

    ``parts``    n-grams per part of the model.
    ``spam``, ``corpus``, ``fold``  class, corpus and fold of each mail (`_folds`).
    ``names``    names of the corpora.
    ``twins``    how many mails were left out because their text stood there already.
    """

    parts: tuple[Rows, ...]
    spam: NDArray[np.bool_]
    corpus: NDArray[np.intp]
    fold: NDArray[np.intp]
    names: tuple[str, ...]
    twins: int

    def __len__(self) -> int:
        return len(self.spam)

    def counts(self) -> dict[str, dict[str, int]]:
        """Numbers of ham and spam per corpus."""
        result = {}
        for number, name in enumerate(self.names):
            spam = self.spam[self.corpus == number]
            result[name] = {"ham": int((~spam).sum()), "spam": int(spam.sum())}
        return result


def read_examples(corpora: Sequence[str | Path]) -> Iterator[Example]:
    """The labelled mails of archives, each of which is one corpus, named by its file name without endings.

    Raises `ArchiveError` for one that is not there or cannot be read.
    """
    for place in corpora:
        name = Path(place).name.partition(".")[0]
        found = [mail for mail in read_archive(find_corpus(str(place), os.environ)) if isinstance(mail, ArchivedMail)]
        found.sort(key=lambda mail: mail.line or 0)
        for mail in found:
            if mail.label in ("ham", "spam"):
                yield Example(mail.raw, mail.label == "spam", name, f"{place}: {mail.path}")


def collect(mails: Iterable[Example | tuple[bytes, bool]], used: Layout) -> Examples:
    """Read mails and make their n-grams.

    Raises `MailFilterError` if there is no ham, no spam, or a mail that is labelled both.
    """
    collector = _Collector(used)
    for mail in mails:
        collector.add(Example(*mail))
    return collector.finish()


class _Collector:
    """State of `collect`."""

    def __init__(self, used: Layout) -> None:
        self.used = used
        self.extractor = Extractor(used)
        self.pieces: list[list[NDArray[np.int32]]] = [[] for _ in used.parts]
        self.spam: list[bool] = []
        self.corpus: list[int] = []
        self.names: dict[str, int] = {}
        self.labels: dict[str, tuple[bool, str]] = {}
        self.texts: dict[bytes, None] = {}
        self.clashes: list[str] = []
        self.twins = 0

    def add(self, example: Example) -> None:
        """Take the example in; twins are counted, a mail with two labels is noted as a clash."""
        message = Message(example.raw)
        label, path = self.labels.setdefault(message.digest, (example.spam, example.path))
        if label != example.spam:
            self.clashes.append(example.path or path or message.digest[:16])
            return
        made = views(message, self.used.names)
        key = _twin(made, example)
        if key in self.texts:
            self.twins += 1
            return
        self.texts[key] = None
        for piece, rows in zip(self.pieces, _by_part(self.extractor.hash_in_order(made), self.used), strict=True):
            piece.append(rows)
        self.spam.append(example.spam)
        self.corpus.append(self.names.setdefault(example.corpus, len(self.names)))

    def finish(self) -> Examples:
        _refuse(self.spam, self.clashes)
        corpus = np.array(self.corpus, np.intp)
        parts: list[Rows] = []
        for piece in self.pieces:
            parts.append(Rows.of(piece))
            piece.clear()
        fold = _folds(self.names, np.array(self.spam), corpus, list(self.texts))
        return Examples(tuple(parts), np.array(self.spam), corpus, fold, tuple(self.names), self.twins)


def _folds(
    names: Iterable[str], spam: NDArray[np.bool_], corpus: NDArray[np.intp], texts: Sequence[bytes]
) -> NDArray[np.intp]:
    """What is left out together.

    Corpora whose names have the same first word (``list-a``, ``list-b``; ``part1``, ``part2``) are one fold: to
    leave out one of two that are alike would flatter, and to leave out the spam of a kind while its ham stays
    would teach that the kind is ham.  Folds of one class are then paired, the largest ham with the largest spam.
    A single corpus is cut by the digest of each mail's text.
    """
    stems = [re.split(r"[-_.0-9]", name)[0] for name in names]
    if len(set(stems)) < 2:
        return np.array([text[0] % FOLDS for text in texts], np.intp)
    fold = np.array([stems.index(stem) for stem in stems], np.intp)[corpus]
    counts = {int(f): (int((fold == f).sum()), float(spam[fold == f].mean())) for f in np.unique(fold)}
    pure = sorted(counts, key=lambda f: -counts[f][0])
    hams, spams = [f for f in pure if counts[f][1] == 0], [f for f in pure if counts[f][1] == 1]
    for ham, bad in zip(hams, spams, strict=False):
        fold[fold == bad] = ham
    return fold


def _refuse(spam: list[bool], clashes: list[str]) -> None:
    """Raise what is wrong with the labels, if anything."""
    if clashes:
        more = f" and {len(clashes) - 5} more" if len(clashes) > 5 else ""
        raise MailFilterError(f"labelled both ham and spam: {', '.join(clashes[:5])}{more}; remove one of each")
    if not spam:
        raise MailFilterError("no labelled mail to learn from: a corpus needs an index with ham and spam")
    if all(spam) or not any(spam):
        raise MailFilterError(f"all {len(spam)} mails are {'spam' if spam[0] else 'ham'}: learning needs both")


def _twin(made: Sequence[bytes], example: Example) -> bytes:
    """Equal for mails of one corpus and class with the same text and skeleton, numbers apart."""
    digest = hashlib.blake2b(f"{example.corpus}\0{example.spam}\0".encode(), digest_size=16)
    for piece in made:
        digest.update(piece.translate(_NO_DIGITS) + b"\0")
    return digest.digest()


_NO_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))


def _by_part(features: Features, used: Layout) -> list[NDArray[np.int32]]:
    """The n-grams of a mail, part by part."""
    ends = np.cumsum(features.counts).tolist()
    grouped: list[list[NDArray[np.intp]]] = [[] for _ in used.parts]
    start = 0
    for part, end in zip(used.part_of_view, ends, strict=True):
        grouped[part].append(features.slots[start:end])
        start = end
    return [np.concatenate(group).astype(np.int32) for group in grouped]
