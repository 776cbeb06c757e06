"""Train on all corpora but one and test on that one, for each: how the model does where it has never been.

    leave-one-out [--corpus A --corpus B …] [--test-only C …] [--headers content] [--limit N]

Without ``--corpus``: the corpora that the shipped model is trained on.  Every model also judges the corpora that are
never trained on: their own ham and spam, and, where they have spam only, that against the ham that was left out.
A corpus of spam only is compared with the ham of all others, each mail judged by the model that has not seen its
corpus; the last row takes all left-out mails together in the same way.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mailfilter.errors import MailFilterError

from .corpus import Corpus, load, near_duplicates, presented
from .false_positives import lost_by_model
from .filters import Answers, Flags, Setup, add_threshold
from .metrics import ece, error_row, errors, probability, ranking_row, short
from .ours import OurFilter
from .plots import Curve, check, draw_scores

SHIPPABLE = (
    "spamassassin", "enron-ham", "nazario-2005", "modern-spam-2023", "list-linux-man", "list-linux-raid",
    "list-spam-2023", "bounces",
)  # fmt: skip
TEST_ONLY = ("phishing-pot-2024", "household-2026")
QUICK = 60
LEVELS = (0.0, 1.0, 2.0, 4.0, 6.0)
"""Log-odds at which errors are counted besides, to see what another threshold would do."""


class Judged(NamedTuple):
    """Answers to mails, and what is true."""

    answers: Answers
    spam: Flags

    def only(self, kept: Flags) -> Judged:
        """Those of the mails that are ``kept``."""
        return Judged(Answers(self.answers.score[kept], self.answers.spam[kept]), self.spam[kept])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--test-only", nargs="*", metavar="CORPUS", help=f"default: {' '.join(TEST_ONLY)}")
    parser.add_argument("--headers", choices=("all", "content"), default="content", help="headers to be seen")
    parser.add_argument("--views", choices=("portable", "everything"), default="portable", help="what the model sees")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many mails of each corpus")
    parser.add_argument("--list", action="store_true", help="one row per ham lost, with its clues")
    add_threshold(parser)
    parser.add_argument("--plot", metavar="FILE", help="ROC, DET and reliability of all left-out mails, .png or .svg")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Rows per corpus left out, then the row of all."""
    if args.plot:
        check(args.plot)
    limit = QUICK if args.quick else args.limit
    names = args.corpus or list(SHIPPABLE[: 4 if args.quick else None])
    corpora = [load(name, limit=limit).labelled() for name in names]
    if len(corpora) < 2:
        raise MailFilterError("leave-one-out needs at least two corpora: give --corpus A --corpus B")
    others = [load(name, limit=limit).labelled() for name in (TEST_ONLY if args.test_only is None else args.test_only)]
    pooled: dict[str, Judged] = {}
    for number, left in enumerate(corpora):
        about: dict[str, object] = {"benchmark": "leave-one-out", "left_out": left.name, "headers": args.headers}
        rest = corpora[:number] + corpora[number + 1 :]
        spam = np.concatenate([one.is_spam for one in rest])
        if spam.all() or not spam.any():
            yield about | {"skipped": f"the other corpora hold {'spam' if spam.all() else 'ham'} only"}
            continue
        yield from _one(left, rest, others, about, pooled, args)
    yield from _together(pooled, args)


def _together(pooled: dict[str, Judged], args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Left-out mails of several corpora against each other."""
    if not pooled:
        return
    everything = _joined(list(pooled.values()))
    ham = everything.only(~everything.spam)
    about: dict[str, object] = {"benchmark": "leave-one-out", "left_out": "each", "headers": args.headers}
    for name, judged in pooled.items():
        if len(ham.spam) and len(judged.spam) and judged.spam.all():
            yield about | {"test": f"spam of {name}, ham of each"} | _figures(_joined([judged, ham]))
    yield about | {"test": "each"} | _figures(everything)
    if args.plot:
        scores = everything.answers.score
        curve = Curve("all left-out mails", scores, everything.spam, probability(scores))
        yield {"benchmark": "leave-one-out", "plot": draw_scores(args.plot, "leave one corpus out", [curve])}


def _one(
    left: Corpus,
    rest: Sequence[Corpus],
    others: Sequence[Corpus],
    about: dict[str, object],
    pooled: dict[str, Judged],
    args: argparse.Namespace,
) -> Iterator[dict[str, object]]:
    """Train without ``left``, and judge it and the corpora that are for testing only."""
    tested = OurFilter(Setup(views=args.views, threshold=args.threshold))
    raws = [mail.raw for one in rest for mail in one.mails]
    spam = np.concatenate([one.is_spam for one in rest])
    start = tested.cpu()
    tested.train([presented(raw, args.headers) for raw in raws], spam, [one.name for one in rest for _ in one.mails])
    cost = short(1e6 * (tested.cpu() - start) / len(raws))
    judged = _judge(tested, left, args.headers)
    fresh = np.ones(len(judged.spam), dtype=bool)
    fresh[near_duplicates(raws, [mail.raw for mail in left.mails])] = False
    pooled[left.name] = kept = judged.only(fresh)
    about = about | {"train_mails": len(raws)}
    more = {"duplicates": int((~fresh).sum()), "train_us_per_mail": cost}
    yield about | {"test": left.name} | _figures(kept) | more
    if args.list:
        mails = [mail for mail, new in zip(left.mails, fresh.tolist(), strict=True) if new and mail.label == "ham"]
        yield from (about | row for row in lost_by_model(tested, mails, args.headers))
    ham = kept.only(~kept.spam)
    for other in others:
        there = _judge(tested, other, args.headers)
        if not there.spam.all():
            yield about | {"test": other.name} | _figures(there)
        elif len(ham.spam):
            yield about | {"test": f"spam of {other.name}, ham of {left.name}"} | _figures(_joined([there, ham]))


def _joined(several: Sequence[Judged]) -> Judged:
    """The mails of several together."""
    scores, called = zip(*(one.answers for one in several), strict=True)
    return Judged(
        Answers(np.concatenate(scores), np.concatenate(called)), np.concatenate([one.spam for one in several])
    )


def _judge(tested: OurFilter, corpus: Corpus, headers: str) -> Judged:
    answers = tested.answers(tested.prepare([presented(mail.raw, headers) for mail in corpus.mails]))
    return Judged(answers, corpus.is_spam)


def _figures(judged: Judged) -> dict[str, Any]:
    """Errors at the model's threshold, ranking where both classes are there, calibration."""
    row = {"n": len(judged.spam)} | error_row(errors(judged.answers.spam, judged.spam))
    row |= ranking_row(judged.answers.score, judged.spam)
    odds = probability(judged.answers.score)
    row["errors_above"] = {
        f"{level:g}": {"fp": found.ham_lost, "fn": found.spam_missed}
        for level, found in ((level, errors(judged.answers.score > level, judged.spam)) for level in LEVELS)
    }
    row["ece"] = short(ece(odds, judged.spam)) if len(odds) else None
    row["ece_balanced"] = short(ece(odds, judged.spam, balanced=True)) if len(odds) else None
    return row
