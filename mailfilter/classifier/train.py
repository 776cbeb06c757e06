"""From labelled mail to a model, the same bytes every time.

Parts are learned one by one; then each corpus in turn is left out and judged by a model of the others, and what
those models say is what the parts' weights and the calibration are fitted on.  So a probability means what it says
on mail from places that were never seen, which is what a shipped model meets.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..archives import ArchivedMail, find_corpus, read_archive
from ..errors import MailFilterError
from ..message import Message
from .features import Extractor, Features, layout
from .learner import ONE, Rows, Schedule, fit_logistic, learn, log_odds, widely_seen
from .model import UNSEEN, Fusion, Model
from .quality import quality
from .views import views

PORTABLE = ("body", "text", "subject", "links", "words", "marks")
"""Views of what carries over from one site to another: all but the text of the header block."""
EVERYTHING = ("header", *PORTABLE)
"""Views for a model that is used where its training mail came from."""
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Options:
    """How to train.

    ``views``       names of the views to use.
    ``schedule``    the learner's steps, margin and passes.
    ``ham_weight``  how many missed spams a lost ham is worth.
    ``balance``     0: every mail counts the same; 1: every corpus does, per class.
    ``corpora``, ``mails``  an n-gram counts if that many corpora have it in that many mails each.
    ``trust``       shares of known n-grams between which log-odds rise from 0 to their full size.
    ``seed``        decides the order of learning.
    """

    views: tuple[str, ...] = PORTABLE
    schedule: Schedule = field(default_factory=Schedule)
    ham_weight: float = 5.0
    balance: float = 0.5
    corpora: int = 2
    mails: int = 2
    trust: tuple[float, float] = (0.2, 0.6)
    seed: int = 0


class Example(NamedTuple):
    """A mail to learn from: its bytes, whether it is spam, the corpus it is of, and where it was found."""

    raw: bytes
    spam: bool
    corpus: str = ""
    path: str = ""


class _Set(NamedTuple):
    """Training mail as numbers: features per part, and class and corpus of each mail."""

    parts: tuple[Rows, ...]
    spam: NDArray[np.bool_]
    corpus: NDArray[np.intp]
    names: tuple[str, ...]
    fold: NDArray[np.intp]
    dropped: int


def train(mails: Iterable[Example | tuple[bytes, bool]], options: Options | None = None) -> Model:
    """A model of ``mails``: labelled bytes, with the corpus that each is of where there are several.

    The same mails in the same order give the same model, byte for byte.  Mails with the same text are learned once.
    Raises `MailFilterError` if there is no ham, no spam, or a mail that is labelled both.
    """
    options = options or Options()
    data = _collect(mails, options)
    everyone = np.arange(len(data.spam))
    held_out = np.full((len(data.spam), len(data.parts)), np.nan)
    for number in np.unique(data.fold):
        rest, out = everyone[data.fold != number], everyone[data.fold == number]
        if len(np.unique(data.spam[rest])) == 2:
            for part, learned in enumerate(_learn(data, rest, options)):
                held_out[out, part] = log_odds(data.parts[part].only(learned[1]), learned[0], out)
    judged = everyone[~np.isnan(held_out[:, 0])]
    beta = _calibrate(data, judged, held_out)
    weights, scale = _quantised(_learn(data, everyone, options), layout(options.views).slots)
    fusion = Fusion(scale, tuple(beta[:-1]), beta[-1], options.trust)
    facts = _facts(data, options, judged, held_out @ np.array(beta[:-1]) + beta[-1])
    return Model(layout(options.views), weights, fusion, facts)


def run(corpora: Sequence[str | Path], out: str | Path, options: Options | None = None) -> Model:
    """Train on the labelled mails of ``corpora`` (archives; each is one corpus) and write the model to ``out``.

    Raises `MailFilterError` as `train` does, `ArchiveError` for a corpus that cannot be read, `ModelError` if
    ``out`` cannot be written.  Nothing is written unless all went well.
    """
    model = train(_read(corpora), options)
    model.save(out)
    return model


def _read(corpora: Sequence[str | Path]) -> Iterable[Example]:
    for place in corpora:
        name = Path(place).name.partition(".")[0]
        for item in sorted(
            (item for item in read_archive(find_corpus(str(place), os.environ)) if isinstance(item, ArchivedMail)),
            key=lambda mail: mail.line or 0,
        ):
            if item.label in ("ham", "spam"):
                yield Example(item.raw, item.label == "spam", name, f"{place}: {item.path}")


def _collect(mails: Iterable[Example | tuple[bytes, bool]], options: Options) -> _Set:
    """Features of all mails that differ; raises `MailFilterError` if they cannot be learned from."""
    used = layout(options.views)
    extractor = Extractor(used)
    count = len(used.parts)
    pieces: list[list[NDArray[np.int32]]] = [[] for _ in range(count)]
    spam: list[bool] = []
    corpus: list[int] = []
    names: dict[str, int] = {}
    labels: dict[str, tuple[bool, str]] = {}
    texts: dict[bytes, None] = {}
    clashes: list[str] = []
    dropped = 0
    for mail in mails:
        example = Example(*mail)
        message = Message(example.raw)
        known = labels.setdefault(message.digest, (example.spam, example.path))
        if known[0] != example.spam:
            clashes.append(example.path or known[1] or message.digest[:16])
            continue
        made = views(message, used.names)
        key = _twin(made, example)
        if key in texts:
            dropped += 1
            continue
        texts[key] = None
        for part, rows in enumerate(_by_part(extractor.hash_in_order(made), used.part_of_view, count)):
            pieces[part].append(rows)
        spam.append(example.spam)
        corpus.append(names.setdefault(example.corpus, len(names)))
    _refuse(spam, clashes)
    groups = np.array(corpus, np.intp)
    fold = groups if len(names) > 1 else _folds(texts)
    parts = []
    for piece in pieces:
        parts.append(Rows.of(piece))
        piece.clear()
    return _Set(tuple(parts), np.array(spam), groups, tuple(names), fold, dropped)


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
    """Equal for mails of one corpus and class with the same normalised text and links."""
    digest = hashlib.blake2b(f"{example.corpus}\0{example.spam}\0".encode(), digest_size=16)
    longest = sorted(made, key=len)[-2:]
    for piece in longest if len(longest[-1]) < 200 else [made[-2]]:
        digest.update(piece + b"\0")
    return digest.digest()


def _by_part(features: Features, part_of_view: Sequence[int], parts: int) -> list[NDArray[np.int32]]:
    ends = np.cumsum(features.counts).tolist()
    start = 0
    grouped: list[list[NDArray[np.intp]]] = [[] for _ in range(parts)]
    for part, end in zip(part_of_view, ends, strict=True):
        grouped[part].append(features.slots[start:end])
        start = end
    return [np.concatenate(group).astype(np.int32) for group in grouped]


def _folds(texts: Iterable[bytes]) -> NDArray[np.intp]:
    """Fold of each mail, from its text alone, so that it does not depend on the others."""
    return np.array([text[0] % FOLDS for text in texts], np.intp)


def _importance(data: _Set, chosen: NDArray[np.intp], balance: float) -> NDArray[np.float64]:
    """Weight of each mail, so that corpora count more alike; 0 for mails that are not chosen; mean 1 in each class."""
    result = np.zeros(len(data.spam))
    for spam in (False, True):
        members = chosen[data.spam[chosen] == spam]
        sizes = np.bincount(data.corpus[members], minlength=len(data.names))
        raw = sizes[data.corpus[members]].astype(np.float64) ** -balance
        result[members] = raw / raw.mean() if len(raw) else raw
    return result


def _learn(
    data: _Set, chosen: NDArray[np.intp], options: Options
) -> list[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
    """Weights of every part, learned from the chosen mails, and which slots they know."""
    slots = layout(options.views).slots
    importance = _importance(data, chosen, options.balance)
    importance[~data.spam] *= options.ham_weight
    order = np.random.Generator(np.random.PCG64(options.seed)).permutation(chosen)
    result = []
    for rows in data.parts:
        seen = widely_seen(rows, data.corpus, chosen, slots, options.corpora, options.mails)
        result.append((learn(rows.only(seen), data.spam, importance, order, slots, options.schedule), seen))
    return result


def _calibrate(data: _Set, judged: NDArray[np.intp], held_out: NDArray[np.float64]) -> list[float]:
    """Factor of each part and the constant, fitted on mails that were left out; both classes weigh the same."""
    if len(np.unique(data.spam[judged])) < 2:
        return [1.0] * len(data.parts) + [0.0]
    importance = _importance(data, judged, 1.0)
    for spam in (False, True):
        members = data.spam == spam
        importance[members] /= importance[members].sum()
    beta = fit_logistic(held_out[judged], data.spam[judged], importance[judged])
    return [float(f"{value:.6g}") for value in beta]


def _quantised(
    learned: Sequence[tuple[NDArray[np.int32], NDArray[np.bool_]]], slots: int
) -> tuple[NDArray[np.int8], tuple[float, ...]]:
    """All parts' weights as one table of bytes, and the size of a step of each part."""
    table = np.full(slots, UNSEEN, np.int8)
    scale = []
    for weights, seen in learned:
        sizes = np.sort(np.abs(weights[weights != 0]))
        largest = int(sizes[int(len(sizes) * 0.9995)]) if len(sizes) else 1
        step = max(-(-largest // 127), 1)
        table[seen] = np.clip(np.rint(weights[seen] / step), -127, 127).astype(np.int8)
        scale.append(step / ONE)
    return table, tuple(scale)


def _facts(
    data: _Set, options: Options, judged: NDArray[np.intp], left_out: NDArray[np.float64]
) -> dict[str, Any]:
    """What a person wants to know of a model: counts per corpus, options, quality on mail left out."""
    corpora = {
        name: {
            "ham": int((~data.spam & (data.corpus == number)).sum()),
            "spam": int((data.spam & (data.corpus == number)).sum()),
        }
        for number, name in enumerate(data.names)
    }
    options_shown = asdict(options)
    return {
        "corpora": corpora,
        "twins_dropped": data.dropped,
        "options": options_shown,
        "left_out": quality(left_out[judged], data.spam[judged]),
    }
