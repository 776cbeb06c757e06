"""What a filter is to the benchmarks, and where each comes from.

A filter classifies a mail (a score, higher for spam, and its own word) and learns one.  `make` builds one by name;
what cannot run here raises `LeftOut` with the reason, which goes into a row: a peer is never left out silently.
"""

from __future__ import annotations

import argparse
import resource
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mailfilter.errors import MailFilterError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class LeftOut(MailFilterError):
    """A filter that cannot run here; ``str()`` says why."""


class Answer(NamedTuple):
    """What a filter says of one mail: a score, higher for spam, and its own word at its own threshold."""

    score: float
    spam: bool


class Answers(NamedTuple):
    """`Answer` for many mails, as arrays."""

    score: Floats
    spam: Flags


@dataclass(frozen=True, slots=True)
class Setup:
    """How to build a filter.

    ``start``    what our filter begins with: ``"default"`` (the shipped model), ``"empty"`` or a model's path.
    ``views``    ``"portable"`` or ``"everything"``: whether ours looks at the text of the header block.
    ``command``  a program for `benchmarks.adapters.CommandFilter`, as typed in a shell.
    ``threshold``  log-odds above which ours calls a mail spam; None for the model's own.
    """

    start: str = "empty"
    views: str = "everything"
    command: str = ""
    threshold: float | None = None


def add_threshold(parser: argparse.ArgumentParser) -> None:
    """The option ``--threshold``, one for all benchmarks of our model."""
    parser.add_argument(
        "--threshold", type=float, metavar="X", help="log-odds above which ours says spam; default: the model's own"
    )


class Filter(ABC):
    """A filter under test.  `learn` and `classify` take one mail; `train` and `answers` many, faster where it can.

    ``name``  as rows show it.
    """

    name: str
    in_process = True
    """Whether it runs in this process, so that the time of a single mail says something of the filter."""

    @property
    def threshold(self) -> float | None:
        """Score above which it calls a mail spam at present, ``None`` if it does not say."""
        return None

    @abstractmethod
    def classify(self, raw: bytes) -> Answer:
        """What the filter says of a mail, from what it has learned so far."""

    @abstractmethod
    def learn(self, raw: bytes, spam: bool) -> None:
        """Learn one mail."""

    def train(self, mails: Sequence[bytes], spam: Flags, corpora: Sequence[str]) -> None:
        """Learn many mails at once; ``corpora`` names the corpus of each."""
        for raw, label in zip(mails, spam.tolist(), strict=True):
            self.learn(raw, label)

    def prepare(self, mails: Sequence[bytes]) -> Sequence[Any]:
        """Mails as `answers` wants them, so that reading can be timed apart from classifying."""
        return mails

    def answers(self, prepared: Sequence[Any]) -> Answers:
        """`classify` for many mails that `prepare` gave, nothing learned between them."""
        found = [self.classify(raw) for raw in prepared]
        return Answers(np.array([one.score for one in found]), np.array([one.spam for one in found], dtype=bool))

    def probabilities(self, scores: Floats) -> Floats | None:
        """Scores as probabilities of spam, ``None`` for a filter whose scores claim to be none."""
        return None

    def trained_on(self) -> tuple[str, ...]:
        """Names of the corpora that a filter knows before anything is learned here."""
        return ()

    def cpu(self) -> float:
        """CPU seconds spent so far by this process and by programs that it ran and that have ended."""
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + spent.ru_utime + spent.ru_stime

    def close(self) -> None:  # noqa: B027  (most filters hold nothing)
        """End programs and remove files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _ours(setup: Setup) -> Filter:
    from .ours import OurFilter

    return OurFilter(setup)


def _chain(setup: Setup) -> Filter:
    from .ours_chain import ChainFilter

    return ChainFilter(setup)


def _ngrams(setup: Setup) -> Filter:
    from .baselines import NgramFilter

    return NgramFilter()


def _bow(setup: Setup) -> Filter:
    from .baselines import BowFilter

    return BowFilter()


def _bogofilter(setup: Setup) -> Filter:
    from .adapters import Bogofilter

    return Bogofilter()


def _spamprobe(setup: Setup) -> Filter:
    from .adapters import SpamProbe

    return SpamProbe()


def _spamassassin(setup: Setup) -> Filter:
    from .adapters import SpamAssassin

    return SpamAssassin("bayes")


def _spamassassin_rules(setup: Setup) -> Filter:
    from .adapters import SpamAssassin

    return SpamAssassin("rules")


def _rspamd(setup: Setup) -> Filter:
    from .rspamd import Rspamd

    return Rspamd()


def _command(setup: Setup) -> Filter:
    from .adapters import CommandFilter

    return CommandFilter(setup.command)


MAKERS: dict[str, Callable[[Setup], Filter]] = {
    "ours": _ours,
    "ngram-baseline": _ngrams,
    "bow-baseline": _bow,
    "bogofilter": _bogofilter,
    "spamprobe": _spamprobe,
    "spamassassin": _spamassassin,
    "spamassassin-rules": _spamassassin_rules,
    "rspamd": _rspamd,
    "chain": _chain,
    "command": _command,
}
"""Filters by name.  ``spamassassin`` is its Bayes alone, ``spamassassin-rules`` all of it offline."""


def make(name: str, setup: Setup) -> Filter:
    """The filter called ``name``.  Raises `LeftOut` where it cannot run."""
    return MAKERS[name](setup)
