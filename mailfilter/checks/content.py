"""The content classifier as a check: graded findings of a calibrated log-odds of spam.

The model draws its log-odds towards 0 where it has seen little like a mail, so a stranger's newsletter costs
nobody anything: it is shown as unsure instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..symbols import Findings, Symbol, declared_by
from . import Mail

if TYPE_CHECKING:
    from ..classifier import Clue, Judgement
    from ..message import Message


class ContentModel(Protocol):
    """What the check asks of a model: `mailfilter.classifier.Model`, or `SiteModel`, which goes on learning."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it was trained on, for people."""
        ...

    @property
    def threshold(self) -> float:
        """Log-odds above which a mail should be called spam."""
        ...

    def judge(self, messages: Sequence[Message]) -> Judgement:
        """Calibrated log-odds of spam of each message, and how much has been seen of such mail (0..1)."""
        ...

    def explain(self, message: Message, n: int) -> tuple[Clue, ...]:
        """The ``n`` pieces of the mail that moved its log-odds most, strongest first."""
        ...


QUIET = 1.0
"""Log-odds, either way, up to which the model says nothing."""
CERTAIN = 6.0
"""Log-odds above the threshold from which a spam finding is as certain as it can be."""
SURE_HAM = 4.0
"""Log-odds of ham from which a ham finding has its full value."""
FAMILIAR = 0.5
"""Support below which a mail is called strange to the model."""

_new = tuple.__new__  # a named tuple's own constructor takes twice as long


class ContentCheck:
    """What the words, links and build of a mail say, by a model trained on labelled mail."""

    name = "content"
    symbols = declared_by("content")

    def __init__(self, model: ContentModel) -> None:
        self.model = model

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        judged = self.model.judge([mail.message for mail in mails])
        rows = zip(judged.log_odds.tolist(), judged.support.tolist(), strict=True)
        return [_findings(log_odds, support, self.model.threshold) for log_odds, support in rows]

    def explain(self, message: Message, n: int) -> tuple[Clue, ...]:
        """The ``n`` pieces of the mail that moved its log-odds most; takes longer than `run`, for people only."""
        return self.model.explain(message, n)


def spam_grade(log_odds: float, threshold: float) -> float:
    """Value of a spam finding, 0..1: rises from `QUIET` to the threshold, where its points are just a quarantine's."""
    span = max(threshold - QUIET, 1.0)
    return round(min(max((log_odds - QUIET) / span, 0.0), 1.0), 3)


def certain_grade(log_odds: float, threshold: float) -> float:
    """Value of how far a mail lies above the threshold, 0..1: where `spam_grade` is full, this still tells apart."""
    return round(min(max((log_odds - threshold) / CERTAIN, 0.0), 1.0), 3)


def ham_grade(log_odds: float) -> float:
    """Value of a ham finding, 0..1."""
    return round(min(max((-log_odds - QUIET) / (SURE_HAM - QUIET), 0.0), 1.0), 3)


def _findings(log_odds: float, support: float, threshold: float) -> Findings:
    evidence = f"log-odds {log_odds:.1f}, familiarity {support:.2f}"
    chance = 1 / (1 + math.exp(-min(max(log_odds, -40.0), 40.0)))
    probability = _new(Symbol, ("CONTENT_PROBABILITY", round(chance, 6), evidence))
    if log_odds > QUIET and (value := spam_grade(log_odds, threshold)):
        spam = _new(Symbol, ("CONTENT_SPAM", value, evidence))
        certain = certain_grade(log_odds, threshold)
        return (probability, spam, Symbol("CONTENT_CERTAIN", certain, evidence)) if certain else (probability, spam)
    if value := ham_grade(log_odds):
        return probability, _new(Symbol, ("CONTENT_HAM", value, evidence))
    if support < FAMILIAR:
        return probability, Symbol("CONTENT_STRANGE", 1.0, evidence)
    return (probability,)
