"""What is learned and what is tested, so that nothing is tested on what was learned; thresholds from training alone."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mailfilter.archives import find_corpus
from mailfilter.errors import ArchiveError, MailFilterError

from .corpus import Corpus, load, near_duplicates, presented
from .filters import Answers, Flags, Floats, Setup, make

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Split:
    """Mails to learn and to test on.

    ``corpora``     the corpus of each training mail.
    ``fresh``       test mails that have no twin in training, so that they count.
    ``duplicates``  what a row says about twins.
    """

    name: str
    train: Corpus | None
    corpora: tuple[str, ...]
    test: Corpus
    fresh: Flags
    duplicates: dict[str, object]


def split_of(args: argparse.Namespace, limit: int | None) -> Split:
    """The split that the options describe; ``limit`` keeps so many mails of each corpus.

    Raises `MailFilterError` unless it is exactly one of the three kinds, `ArchiveError` for a corpus not there.
    """
    kinds = [bool(args.odd_even), bool(args.train), bool(args.model)]
    if args.corpus or sum(kinds) != 1 or bool(args.test) == bool(args.odd_even):
        raise MailFilterError("give --odd-even CORPUS, or --train A B --test C D, or --model default --test C D")
    if args.odd_even:
        whole = load(args.odd_even, limit=None if limit is None else 2 * limit).labelled()
        odd, even = whole.lines(1), whole.lines(0)
        return _split(f"{whole.name}, even lines", odd, (whole.name,) * len(odd.mails), even)
    test = load(args.test, limit=limit).labelled()
    if args.model:
        return _split_of_model(args.model, test)
    pieces = [load(name, limit=limit).labelled() for name in args.train]
    train = Corpus("+".join(piece.name for piece in pieces), sum((piece.mails for piece in pieces), ()), ())
    return _split(test.name, train, tuple(piece.name for piece in pieces for _ in piece.mails), test)


def _split(name: str, train: Corpus, corpora: tuple[str, ...], test: Corpus) -> Split:
    if not train.mails or not test.mails:
        raise MailFilterError(f"{name}: {'nothing to learn' if not train.mails else 'nothing to test on'}")
    twins = near_duplicates([mail.raw for mail in train.mails], [mail.raw for mail in test.mails])
    return Split(name, train, corpora, test, _without(twins, len(test.mails)), {"duplicates": len(twins)})


def _split_of_model(start: str, test: Corpus) -> Split:
    """A model was trained elsewhere: twins are looked for in the corpora that it names, where they are at hand."""
    from .ours import OurFilter

    trained = OurFilter(Setup(start=start)).trained_on()
    raws: list[bytes] = []
    missing = []
    for name in trained:
        try:
            find_corpus(name, os.environ)
        except ArchiveError:
            missing.append(name)
        else:
            raws += (mail.raw for mail in load(name).mails)
    twins = near_duplicates(raws, [mail.raw for mail in test.mails])
    about: dict[str, object] = {"duplicates": len(twins), "trained_on": list(trained)}
    if missing:
        about["duplicates_not_sought_in"] = missing
    return Split(test.name, None, (), test, _without(twins, len(test.mails)), about)


def _without(twins: Any, n: int) -> Flags:
    fresh = np.ones(n, dtype=bool)
    fresh[twins] = False
    return fresh


@dataclass(frozen=True, slots=True)
class Seen:
    """A split as a filter gets to see it, with one set of headers."""

    train: list[bytes]
    train_spam: Flags
    train_corpora: tuple[str, ...]
    test: list[bytes]

    @classmethod
    def of(cls, split: Split, headers: str) -> Seen:
        """``headers``: ``"all"`` or ``"content"``."""
        train = split.train.mails if split.train is not None else ()
        spam = split.train.is_spam if split.train is not None else np.empty(0, dtype=bool)
        return cls(
            [presented(mail.raw, headers) for mail in train],
            spam,
            split.corpora,
            [presented(mail.raw, headers) for mail in split.test.mails],
        )


def cross_validated(name: str, setup: Setup, seen: Seen, folds: int = FOLDS) -> tuple[Floats, Flags]:
    """Scores of training mails by filters that have not learned them, and which of the scores count.

    Every ``folds``-th mail is left out in turn; one with a twin among the rest does not count.
    """
    number = np.arange(len(seen.train)) % folds
    scores, counts = np.zeros(len(number)), np.zeros(len(number), dtype=bool)
    for fold in range(folds):
        out, rest = np.flatnonzero(number == fold), np.flatnonzero(number != fold)
        if len(np.unique(seen.train_spam[rest])) < 2:
            continue
        with make(name, setup) as tested:
            tested.train([seen.train[i] for i in rest], seen.train_spam[rest], [seen.train_corpora[i] for i in rest])
            mails = [seen.train[i] for i in out]
            answers: Answers = tested.answers(tested.prepare(mails))
        scores[out] = answers.score
        counts[out] = _without(near_duplicates([seen.train[i] for i in rest], mails), len(out))
    return scores, counts


def lowest_threshold(scores: Floats, is_spam: Flags, ham_loss: float) -> float:
    """The lowest threshold that loses at most the share ``ham_loss`` of ham; raises ValueError without ham."""
    ham: Sequence[float] = np.sort(scores[~is_spam])[::-1].tolist()
    if not ham:
        raise ValueError("no ham to choose a threshold by")
    return ham[min(int(ham_loss * len(ham) + 1e-9), len(ham) - 1)]


def chosen_threshold(name: str, setup: Setup, seen: Seen, ham_loss: float, folds: int = FOLDS) -> float:
    """A threshold from the training mails alone: see `cross_validated` and `lowest_threshold`."""
    scores, counts = cross_validated(name, setup, seen, folds)
    if not (counts & ~seen.train_spam).any():
        raise MailFilterError("too little ham in training to choose a threshold by cross-validation")
    return lowest_threshold(scores[counts], seen.train_spam[counts], ham_loss)
