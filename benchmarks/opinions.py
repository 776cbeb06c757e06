"""What content models say of mail that they have not seen: log-odds and support by the digest of each mail.

A fit of points that saw the shipped model's opinion of the model's own training mail would believe it too much.  So
each mail is judged by a model of the other folds.  ``"corpora"`` leaves whole corpora out, the kinds of mail together
(the folds of `mailfilter.classifier.train`): how a mail of a new place is judged.  ``"mails"`` leaves a fifth of the
mails of every corpus out, near twins together: how a mail of a known place is judged.  Mails with the same text as
another are no examples to the trainer, so nothing is said of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mailfilter.classifier import train as training
from mailfilter.classifier.examples import Example, Examples, _Collector, read_examples
from mailfilter.classifier.features import layout
from mailfilter.classifier.model import Judgement, Model
from mailfilter.message import Message

from .corpus import _bands, _body, _sketch

FOLDS = 5
ALIKE = 0.7
"""Likeness from which two mails are of one fold."""


@dataclass(frozen=True, slots=True)
class Opinions:
    """Of each mail: SHA-256, corpus, label, the fold that it was left out with, log-odds and support.

    ``names``  corpora; ``digest`` hex (mails,), ``corpus`` number, ``spam`` bool, ``fold`` number; ``log_odds``,
    ``support`` float; ``threshold`` the model's.
    """

    names: tuple[str, ...]
    digest: tuple[str, ...]
    corpus: NDArray[np.int64]
    spam: NDArray[np.bool_]
    fold: NDArray[np.int64]
    log_odds: NDArray[np.float64]
    support: NDArray[np.float64]
    threshold: float

    def save(self, path: str | Path) -> None:
        """Keep them as plain arrays."""
        np.savez_compressed(
            path,
            names=np.array(self.names),
            digest=np.array(self.digest),
            corpus=self.corpus,
            spam=self.spam,
            fold=self.fold,
            log_odds=self.log_odds,
            support=self.support,
            threshold=np.array(self.threshold),
        )

    @classmethod
    def load(cls, path: str | Path) -> Opinions:
        """What `save` kept."""
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        names, digest = tuple(found.pop("names").tolist()), tuple(found.pop("digest").tolist())
        return cls(names, digest, threshold=float(found.pop("threshold")), **found)


class Recalled:
    """A content model that says of each mail what is kept of it, and nothing of others (`ContentCheck` takes it)."""

    def __init__(self, opinions: Opinions) -> None:
        self.facts: dict[str, Any] = {}
        self.threshold = opinions.threshold
        pairs = zip(opinions.log_odds.tolist(), opinions.support.tolist(), strict=True)
        self._said = dict(zip(opinions.digest, pairs, strict=True))

    def judge(self, messages: Sequence[Message]) -> Judgement:
        """What was said of each message."""
        rows = np.array([self._said.get(message.digest, (0.0, 0.0)) for message in messages]).reshape(-1, 2)
        return Judgement(rows[:, 0], rows[:, 1])

    def explain(self, message: Message, n: int) -> tuple[()]:
        """Nothing."""
        return ()


def opinions(corpora: Sequence[str], folds: str = "corpora", options: training.Options | None = None) -> Opinions:
    """Judge every example of ``corpora`` by models that have not seen its fold, as `train` would make them."""
    settings = (options or training.Options()).settled(len(corpora))
    data, digests, raws = _collected(corpora, settings.views)
    blend = np.array([dict(settings.blend or ()).get(part, 1.0) for part in layout(settings.views).parts])
    threshold = Model.load().threshold
    judged, inputs = training._left_out(data, settings, blend)
    slope, bias = training._calibrated(data, judged, inputs)
    if folds == "mails":
        data = replace(data, fold=_dealt(raws))
        judged, inputs = training._left_out(data, settings, blend)
    kept = judged.tolist()
    log_odds = inputs[judged] @ np.array([slope, bias])
    trust_low, trust_high = settings.trust
    support = trust_low + inputs[judged, 1] * (trust_high - trust_low)
    return Opinions(
        data.names,
        tuple(digests[at] for at in kept),
        data.corpus[judged].astype(np.int64),
        data.spam[judged],
        data.fold[judged].astype(np.int64),
        log_odds,
        support,
        threshold,
    )


def _collected(corpora: Sequence[str], views: tuple[str, ...]) -> tuple[Examples, list[str], list[bytes]]:
    """Examples, and of those that the trainer kept the digest and the bytes."""
    collector = _Collector(layout(views))
    digests: list[str] = []
    raws: list[bytes] = []
    for example in read_examples(corpora):
        before = len(collector.spam)
        collector.add(Example(*example))
        if len(collector.spam) > before:
            digests.append(Message(example.raw).digest)
            raws.append(example.raw)
    return collector.finish(), digests, raws


def _dealt(raws: Sequence[bytes]) -> NDArray[np.intp]:
    """Fold of each mail, near twins together: mails that share a band of their sketches and are alike."""
    first: dict[tuple[int, bytes], int] = {}
    group = np.arange(len(raws))
    sketches = [_sketch(_body(raw)) for raw in raws]
    for number, sketch in enumerate(sketches):
        for key in _bands(sketch):
            other = first.setdefault(key, number)
            near = sketches[other]
            if near is not None and sketch is not None and float(np.mean(sketch == near)) >= ALIKE:
                group[number] = min(group[number], group[other])
    names, place = np.unique(group, return_inverse=True)
    dealt = np.random.default_rng(0).permutation(len(names)) % FOLDS
    return np.asarray(dealt[place.ravel()], np.intp)
