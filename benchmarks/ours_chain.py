"""The whole offline chain as a filter of the benchmarks: as shipped, or taught and tuned on what it is given."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

import numpy as np

from mailfilter import Config, FilterChain
from mailfilter.archives import ArchivedMail
from mailfilter.assembly import checks
from mailfilter.checks.content import ContentCheck
from mailfilter.classifier.train import AT_HOME, train
from mailfilter.classifier.train import Options as Training
from mailfilter.message import Message
from mailfilter.tuning import Options, read, tune
from mailfilter.tuning.settings import settings

from .cross_fitting import FIXED, cross_fitted
from .filters import Answer, Answers, Filter, Flags, Floats, Setup
from .ours import model_of

MAX_FP = 0.0005
"""Share of ham that the limits may lose on training mail that the fit was left without."""


class ChainFilter(Filter):
    """`FilterChain` without lookups; ``spam`` is a score at or above its quarantine limit.

    `train` trains a content model, makes the hit table of the same mails with content values cross-fitted, fits points
    and limits to it, and reads the settings back in as a user of `mailfilter tune` would.  It learns nothing mail by
    mail.
    """

    name = "chain"

    def __init__(self, setup: Setup) -> None:
        self._training = AT_HOME if setup.views == "everything" else Training()
        self._chain = FilterChain(stateless=True)
        model = model_of(setup.start) if setup.start != "empty" else None
        self._trained = () if model is None else tuple(sorted(model.facts.get("corpora", {})))

    @property
    def threshold(self) -> float:
        return self._chain.policy.quarantine or 0.0

    def trained_on(self) -> tuple[str, ...]:
        return self._trained

    def learn(self, raw: bytes, spam: bool) -> None:
        """One mail teaches the chain nothing here: see `benchmarks.online` for learning in use."""

    def train(self, mails: Sequence[bytes], spam: Flags, corpora: Sequence[str]) -> None:
        archived = [
            ArchivedMail(str(number), raw, "spam" if label else "ham", number + 1)
            for number, (raw, label) in enumerate(zip(mails, spam.tolist(), strict=True))
        ]
        table = cross_fitted(archived, self._training, folds=5)
        tuned = tune(read([table]), Options(max_fp=MAX_FP, ranges=FIXED))
        config = Config.from_mapping(tomllib.loads(settings(tuned)), "tuned settings")
        others = [check for check in checks(config) if not isinstance(check, ContentCheck)]
        model = train(((mail.raw, mail.label == "spam") for mail in archived), self._training)
        self._chain = FilterChain(config, checks=[*others, ContentCheck(model)], stateless=True)

    def prepare(self, mails: Sequence[bytes]) -> Sequence[bytes]:
        return mails

    def answers(self, prepared: Sequence[Any]) -> Answers:
        scores = np.array([verdict.score for verdict in self._chain.check_many(prepared)])
        return Answers(scores, scores >= self.threshold)

    def classify(self, raw: bytes) -> Answer:
        score = self._chain.check(Message(raw)).score
        return Answer(score, score >= self.threshold)

    def probabilities(self, scores: Floats) -> Floats | None:
        return None
