"""Our own classifier as a filter of the benchmarks."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mailfilter.classifier import Model
from mailfilter.classifier.features import layout
from mailfilter.classifier.model import UNSEEN, Fusion
from mailfilter.classifier.train import EVERYTHING, Example, Options, train
from mailfilter.message import Message

from .filters import Answer, Answers, Filter, Flags, Floats, Setup
from .metrics import probability

if TYPE_CHECKING:
    from mailfilter.classifier.site import SiteModel

VIEWS = {"portable": Options().views, "everything": EVERYTHING}
"""What a model looks at: what the shipped one does, which carries over between sites, or the header block too."""


def model_of(start: str) -> Model | None:
    """The shipped model for ``"default"``, none for ``"empty"``, else the one at that path; raises `ModelError`."""
    return None if start == "empty" else Model.load(None if start == "default" else start)


class OurFilter(Filter):
    """The content model: trained in one go (`train`), or taught mail by mail (`learn`) on top of a model or of nothing.

    What is taught goes into a site's file on disk, as in use.  A base that knows nothing stands in for none.
    """

    name = "ours"

    def __init__(self, setup: Setup) -> None:
        self._given = setup.threshold
        self.options = Options(views=VIEWS[setup.views])
        self.model = model_of(setup.start)
        self._site: SiteModel | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    @property
    def threshold(self) -> float:
        """The one that was given, or else the model's own, which what is taught can move."""
        if self._given is not None:
            return self._given
        source = self._site or self.model
        return source.threshold if source is not None else 0.0

    def train(self, mails: Sequence[bytes], spam: Flags, corpora: Sequence[str]) -> None:
        examples = zip(mails, spam.tolist(), corpora, strict=True)
        self.model = train((Example(raw, label, corpus) for raw, label, corpus in examples), self.options)
        self.close()

    def trained_on(self) -> tuple[str, ...]:
        return () if self.model is None else tuple(sorted(self.model.facts.get("corpora", {})))

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
        score = float(self._taught().score([Message(raw)])[0])
        return Answer(score, score > self.threshold)

    def learn(self, raw: bytes, spam: bool) -> None:
        site = self._taught()
        site.learn([(Message(raw), spam)])
        site.judge(())  # takes in what was taught, so that its cost counts as learning

    def _taught(self) -> SiteModel:
        if self._site is None:
            from mailfilter.classifier.site import SiteModel

            self._scratch = tempfile.TemporaryDirectory(prefix="mailfilter-bench-")
            self._site = SiteModel(self.model or _blank(), Path(self._scratch.name) / "site.db")
        return self._site

    def close(self) -> None:
        if self._site is not None:
            self._site.close()
        if self._scratch is not None:
            self._scratch.cleanup()
        self._site = self._scratch = None

    def probabilities(self, scores: Floats) -> Floats:
        return probability(scores)


def _blank() -> Model:
    """A model that has seen nothing: it says 0 of every mail, and that it does not know it."""
    used = layout(Options().views)
    parts = len(used.parts)
    weights = np.full(used.slots, UNSEEN, np.int8)
    return Model(used, weights, Fusion((1.0,) * parts, (0.0,) * parts, 0.0, (0.2, 0.6)), {})
