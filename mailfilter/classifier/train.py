"""From labelled mail to a model, the same bytes every time.

Parts are learned one by one.  Then each corpus in turn is left out and judged by a model of the others; the
calibration and the threshold are chosen on what those models say.  So a probability means what it says on mail from
places that were never seen, which is what a shipped model meets.  A single corpus is cut into folds instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .examples import Example, Examples, collect, read_examples
from .features import layout
from .learner import ONE, Rows, Schedule, fit_logistic, learn, widely_seen
from .model import UNSEEN, Fusion, Model, trusted
from .quality import quality

__all__ = ["AT_HOME", "EVERYTHING", "PORTABLE", "Example", "Options", "run", "train"]

PORTABLE = ("body", "text", "subject", "links", "marks", "tags")
"""Views of what carries over from one site to another."""
EVERYTHING = ("header", "body", "text", "subject", "links", "words", "marks")
"""Views for a model that is used where its training mail came from."""

NEAR = Schedule(step=5.0, passes=5, orders=3)
"""For mail of one place, to be used there: learn it by heart."""
FAR = Schedule(step=1.0, passes=4, window=0.5)
"""For mail of several places, to be used elsewhere: small steps, and no n-gram may lean on another."""
SMALL_CORPUS = 500
"""Ham that a corpus needs to have a say in the choice of a threshold."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to train; ``None`` is decided by whether there is one corpus or several.

    ``views``       names of the views to use.
    ``schedule``    the learner's steps, margin and passes.
    ``ham_weight``  how many missed spams a lost ham is worth.
    ``balance``     0: every mail counts the same; 1: every corpus does, per class.
    ``corpora``, ``mails``  an n-gram counts if that many corpora have it in that many mails each.
    ``blend``       weight of parts against each other; those not named have 1.
    ``trust``       shares of known n-grams between which log-odds rise from 0 to their full size.
    ``ham_loss``    share of the ham of any one corpus, left out, that may lie above the threshold.
    ``seed``        decides the order of learning.
    """

    views: tuple[str, ...] = PORTABLE
    schedule: Schedule | None = None
    ham_weight: float | None = None
    balance: float = 0.5
    corpora: int = 2
    mails: int = 2
    blend: tuple[tuple[str, float], ...] | None = None
    trust: tuple[float, float] = (0.2, 0.6)
    ham_loss: float | None = None
    seed: int = 0

    def settled(self, corpora: int) -> Options:
        """The same with nothing left open."""
        one = corpora == 1
        return replace(
            self,
            schedule=self.schedule or (NEAR if one else FAR),
            ham_weight=self.ham_weight or (10.0 if one else 2.0),
            mails=1 if one else self.mails,
            blend=self.blend if self.blend is not None else () if one else (("text", 0.7),),
            ham_loss=self.ham_loss if self.ham_loss is not None else 0.0005 if one else 0.002,
        )


AT_HOME = Options(views=("header", "body", "subject", "links", "words", "marks"), blend=(("header", 2.0),))
"""For whole mails, judged at the place that they came to: the other parts all say what a mail is about, this one how it
came."""


class _Part(NamedTuple):
    """What is learned of a part: weights (`ONE` is 1.0) and which slots it knows."""

    weights: NDArray[np.int32]
    known: NDArray[np.bool_]


def train(mails: Iterable[Example | tuple[bytes, bool]], options: Options | None = None) -> Model:
    """A model of ``mails``: labelled bytes, with the corpus that each is of where there are several.

    The same mails in the same order give the same model, byte for byte.  Mails with the same text are learned once.
    Raises `MailFilterError` if there is no ham, no spam, or a mail that is labelled both.
    """
    options = options or Options()
    used = layout(options.views)
    data = collect(mails, used)
    options = options.settled(len(data.names))
    blend = np.array([dict(options.blend or ()).get(part, 1.0) for part in used.parts])
    judged, inputs = _left_out(data, options, blend)
    slope, bias = _calibrated(data, judged, inputs)
    left_out = inputs @ np.array([slope, bias])
    threshold = _threshold(data, judged, left_out, options.ham_loss or 0.0)
    weights, scale = _quantised(_learn(data, np.arange(len(data)), options), used.slots)
    factors = tuple(float(f"{slope * weight:.6g}") for weight in blend)
    fusion = Fusion(scale, factors, bias, options.trust, threshold)
    return Model(used, weights, fusion, _facts(data, options, judged, left_out, threshold))


def run(corpora: Sequence[str | Path], out: str | Path, options: Options | None = None) -> Model:
    """Train on the labelled mails of ``corpora`` (archives; each is one corpus) and write the model to ``out``.

    Raises `MailFilterError` as `train` does, `ArchiveError` for a corpus that cannot be read, `ModelError` if
    ``out`` cannot be written.  Nothing is written unless all went well.
    """
    model = train(read_examples(corpora), options)
    model.save(out)
    return model


def _importance(data: Examples, chosen: NDArray[np.intp], balance: float) -> NDArray[np.float64]:
    """Weight of each mail, so that corpora count more alike; 0 for those not chosen; mean 1 in each class."""
    result = np.zeros(len(data))
    for spam in (False, True):
        members = chosen[data.spam[chosen] == spam]
        sizes = np.bincount(data.corpus[members], minlength=len(data.names))
        raw = sizes[data.corpus[members]].astype(np.float64) ** -balance
        result[members] = raw / raw.mean() if len(raw) else raw
    return result


def _learn(data: Examples, chosen: NDArray[np.intp], options: Options) -> list[_Part]:
    """Every part, learned from the chosen mails."""
    assert options.schedule is not None
    assert options.ham_weight is not None
    slots = layout(options.views).slots
    importance = _importance(data, chosen, options.balance)
    importance[~data.spam] *= options.ham_weight
    result = []
    for rows in data.parts:
        known = widely_seen(rows, data.corpus, chosen, slots, options.corpora, options.mails)
        kept = rows.only(known)
        result.append(_Part(learn(kept, data.spam, importance, chosen, slots, options.schedule, options.seed), known))
    return result


def _left_out(
    data: Examples, options: Options, blend: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Mails that could be judged by a model that has not seen their fold, and what it says of them.

    Two inputs per mail, both drawn towards 0 by want of support: the blend of the parts' log-odds, and a constant.
    """
    inputs = np.zeros((len(data), 2))
    done: list[NDArray[np.intp]] = []
    for number in np.unique(data.fold):
        rest, out = np.flatnonzero(data.fold != number), np.flatnonzero(data.fold == number)
        if len(np.unique(data.spam[rest])) < 2:
            continue
        sums, known, total = np.zeros(len(out)), np.zeros(len(out)), np.zeros(len(out))
        for rows, part, weight in zip(data.parts, _learn(data, rest, options), blend, strict=True):
            said, count, size = _said(rows, part, out)
            sums, known, total = sums + weight * said, known + count, total + size
        inputs[out, 1] = trusted(known / np.maximum(total, 1.0), options.trust)
        inputs[out, 0] = sums * inputs[out, 1]
        done.append(out)
    judged = np.sort(np.concatenate(done)) if done else np.empty(0, np.intp)
    return judged, inputs


def _said(rows: Rows, part: _Part, chosen: NDArray[np.intp]) -> tuple[NDArray[np.float64], ...]:
    """Of each chosen mail: a part's log-odds, how many of its n-grams it knows, and how many there are."""
    result = np.zeros((3, len(chosen)))
    for at, mail in enumerate(chosen.tolist()):
        found = rows.slots[rows.bounds[mail] : rows.bounds[mail + 1]]
        count = max(int(np.count_nonzero(part.known.take(found))), 1)
        total = int(part.weights.take(found).sum(dtype=np.int64))
        result[:, at] = total / (ONE * count**0.5), count, len(found)
    return tuple(result)


def _calibrated(data: Examples, judged: NDArray[np.intp], inputs: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and constant, fitted on mails that were left out; both classes weigh the same."""
    spam = data.spam[judged]
    if len(np.unique(spam)) < 2:
        return 1.0, 0.0
    beta = fit_logistic(inputs[judged], spam, np.where(spam, 0.5 / spam.sum(), 0.5 / (~spam).sum()))
    return float(f"{beta[0]:.6g}"), float(f"{beta[1]:.6g}")


def _threshold(data: Examples, judged: NDArray[np.intp], left_out: NDArray[np.float64], ham_loss: float) -> float:
    """Log-odds that at most ``ham_loss`` of the ham of each corpus exceeds, left out; never below 0."""
    highest = 0.0
    for number in range(len(data.names)):
        ham = judged[(data.corpus[judged] == number) & ~data.spam[judged]]
        if len(ham) >= SMALL_CORPUS:
            ranked = np.sort(left_out[ham])
            highest = max(highest, float(ranked[len(ham) - 1 - int(ham_loss * len(ham))]))
    return float(f"{highest + 0.005:.2f}")


def _quantised(learned: Sequence[_Part], slots: int) -> tuple[NDArray[np.int8], tuple[float, ...]]:
    """All parts' weights as one table of bytes, and the size of a step of each part."""
    table = np.full(slots, UNSEEN, np.int8)
    scale = []
    for weights, known in learned:
        sizes = np.sort(np.abs(weights[weights != 0]))
        largest = int(sizes[int(len(sizes) * 0.9995)]) if len(sizes) else 1
        step = max(-(-largest // 127), 1)
        table[known] = np.clip(np.rint(weights[known] / step), -127, 127).astype(np.int8)
        scale.append(step / ONE)
    return table, tuple(scale)


def _facts(
    data: Examples, options: Options, judged: NDArray[np.intp], left_out: NDArray[np.float64], threshold: float
) -> dict[str, Any]:
    """What a person wants to know of a model: counts per corpus, options, quality on mail left out."""
    each = {}
    for number, name in enumerate(data.names):
        members = judged[data.corpus[judged] == number]
        if len(members):
            each[name] = quality(left_out[members], data.spam[members], threshold)
    return {
        "corpora": data.counts(),
        "twins": data.twins,
        "options": asdict(options),
        "left_out": {"all": quality(left_out[judged], data.spam[judged], threshold)} | each,
    }
