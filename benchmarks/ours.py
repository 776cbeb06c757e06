"""Our own classifier as a filter of the benchmarks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mailfilter.classifier import Model
from mailfilter.classifier.features import Extractor, Layout, layout
from mailfilter.classifier.model import UNSEEN
from mailfilter.classifier.train import EVERYTHING, PORTABLE, Example, Options, train
from mailfilter.message import Message

from .filters import Answer, Answers, Filter, Flags, Floats, Setup
from .metrics import probability

VIEWS = {"portable": PORTABLE, "everything": EVERYTHING}


def model_of(start: str) -> Model | None:
    """The shipped model for ``"default"``, none for ``"empty"``, else the one at that path; raises `ModelError`."""
    return None if start == "empty" else Model.load(None if start == "default" else start)


class OurFilter(Filter):
    """The content model: trained in one go (`train`), or mail by mail from a model or from nothing (`learn`)."""

    name = "ours"
    threshold = 0.0

    def __init__(self, setup: Setup) -> None:
        self.options = Options(views=VIEWS[setup.views])
        self.model = model_of(setup.start)
        self._online: Online | None = None

    def train(self, mails: Sequence[bytes], spam: Flags, corpora: Sequence[str]) -> None:
        examples = zip(mails, spam.tolist(), corpora, strict=True)
        self.model = train((Example(raw, label, corpus) for raw, label, corpus in examples), self.options)
        self._online = None

    def prepare(self, mails: Sequence[bytes]) -> Sequence[Message]:
        """Mails read, with all that is read lazily."""
        messages = [Message(raw) for raw in mails]
        for message in messages:
            _ = message.texts, message.links, message.attachments, message.subject
        return messages

    def answers(self, prepared: Sequence[Any]) -> Answers:
        if self.model is None:
            return super().answers([message.raw for message in prepared])
        scores = self.model.score(prepared)
        return Answers(scores, scores > self.threshold)

    def classify(self, raw: bytes) -> Answer:
        score = self._learner().score(Message(raw))
        return Answer(score, score > self.threshold)

    def learn(self, raw: bytes, spam: bool) -> None:
        self._learner().learn(Message(raw), spam)

    def _learner(self) -> Online:
        if self._online is None:
            used = self.model.layout if self.model is not None else layout(self.options.views)
            self._online = Online(used, self.model)
        return self._online

    def probabilities(self, scores: Floats) -> Floats:
        return probability(scores)


class Online:
    """The model's own kind of learner, mail by mail: near-error logistic regression on presence, one part at a time."""

    STEP, MARGIN = 5.0, 0.05

    def __init__(self, used: Layout, model: Model | None) -> None:
        self._extractor = Extractor(used)
        self._part_of_view = used.part_of_view
        parts = len(used.parts)
        self._factors = np.ones(parts) if model is None else np.array(model.fusion.factors)
        self._bias = 0.0 if model is None else model.fusion.bias
        self._weights = np.zeros(used.slots, np.float32) if model is None else _table(model)

    def _parts(self, message: Message) -> list[NDArray[np.intp]]:
        """Slots of each part."""
        found = self._extractor.extract(message)
        pieces = np.split(found.slots, np.cumsum(found.counts)[:-1])
        grouped: list[list[NDArray[np.intp]]] = [[] for _ in self._factors]
        for part, piece in zip(self._part_of_view, pieces, strict=True):
            grouped[part].append(piece)
        return [np.concatenate(pieces) for pieces in grouped]

    def _say(self, slots: NDArray[np.intp]) -> float:
        return float(self._weights[slots].sum()) / math.sqrt(max(len(slots), 1))

    def score(self, message: Message) -> float:
        """Log-odds of spam."""
        said = np.array([self._say(slots) for slots in self._parts(message)])
        return float(said @ self._factors) + self._bias

    def learn(self, message: Message, spam: bool) -> None:
        """Move each part's weights where its own error is large enough."""
        for slots in self._parts(message):
            error = spam - float(probability(self._say(slots)))
            if abs(error) > self.MARGIN:
                self._weights[slots] += self.STEP * error / math.sqrt(len(slots))


def _table(model: Model) -> NDArray[np.float32]:
    """The model's weights in log-odds, region by region; what it has not seen is 0."""
    weights = np.where(model.weights == UNSEEN, 0, model.weights).astype(np.float32)
    regions = weights.reshape(len(model.layout.names), -1)
    regions *= np.array([model.fusion.scale[part] for part in model.layout.part_of_view], np.float32)[:, None]
    return weights
