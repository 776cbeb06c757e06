"""Content classifier on mail it has not seen: errors, ranking, calibration, speed; against other filters.

    content --odd-even CORPUS                   learn the odd lines of the index, test on the even ones
    content --train A B --test C D              learn some corpora, test on others
    content --model default|PATH --test C D     a model as it is

Each filter has its own threshold; that of our model is part of its training.  With ``--cross-validate`` one is chosen
from outside, on the training mails alone.  Test mails with an exact or near twin among the training mails do not count;
``with_duplicates`` has them in.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .filters import MAKERS, Answers, Filter, Flags, Floats, LeftOut, Setup, add_threshold, make
from .metrics import compare, ece, error_row, errors, ranking_row, short
from .plots import Curve, check, draw_scores
from .splits import FOLDS, Seen, Split, chosen_threshold, split_of

QUICK = 200
LEARNERS = ("ours", "ngram-baseline")
"""Filters whose threshold `--cross-validate` chooses."""
SINGLE = 300
"""Mails that are timed one by one."""


@dataclass(frozen=True, slots=True)
class Result:
    """Answers of one filter to the test mails that count, as it calls them, and its row."""

    name: str
    answers: Answers
    probabilities: Floats | None
    row: dict[str, object]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--odd-even", metavar="CORPUS", help="learn odd lines of its index, test on even lines")
    parser.add_argument("--train", nargs="+", default=[], metavar="CORPUS", help="corpora to learn")
    parser.add_argument("--test", nargs="+", default=[], metavar="CORPUS", help="corpora to test on, taken together")
    parser.add_argument("--model", metavar="default|PATH", help="test this model instead of training one")
    parser.add_argument("--headers", choices=("all", "content", "both"), help="default: both, --quick: all")
    parser.add_argument("--views", choices=("portable", "everything"), default="everything", help="what ours looks at")
    parser.add_argument("--filter", action="append", choices=sorted(set(MAKERS) - {"command"}), help="default: ours")
    parser.add_argument(
        "--ham-loss", type=float, default=0.05, metavar="PCT",
        help="ham that may be lost in cross-validation when a threshold is chosen; default 0.05",
    )  # fmt: skip
    parser.add_argument("--cross-validate", action="store_true", help=f"thresholds of {', '.join(LEARNERS)} anew")
    add_threshold(parser)
    parser.add_argument("--plot", metavar="FILE", help="ROC, DET and reliability as .png or .svg")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row per filter and set of headers, then comparisons of the first filter with the others."""
    if args.plot:
        check(args.plot)
    split = split_of(args, QUICK if args.quick else None)
    wanted = args.headers or ("all" if args.quick else "both")
    modes = ("all", "content") if wanted == "both" else (wanted,)
    curves: list[Curve] = []
    for headers in modes:
        results: list[Result] = []
        for item in _measured(split, headers, args):
            if isinstance(item, Result):
                results.append(item)
            yield item.row if isinstance(item, Result) else item
        spam = split.test.is_spam[split.fresh]
        for result in results:
            label = result.name if len(modes) == 1 else f"{result.name}, {headers} headers"
            curves.append(Curve(label, result.answers.score, spam, result.probabilities))
        yield from _comparisons(results, spam, {"benchmark": "content", "test": split.name, "headers": headers})
    if args.plot:
        yield {"benchmark": "content", "plot": draw_scores(args.plot, split.name, curves)}


def _measured(split: Split, headers: str, args: argparse.Namespace) -> Iterator[Result | dict[str, object]]:
    """The result of each filter, or a row that says why there is none."""
    seen = Seen.of(split, headers)
    setup = Setup(start=args.model or "empty", views=args.views, threshold=args.threshold)
    for name in args.filter or ["ours"]:
        about: dict[str, object] = {"benchmark": "content", "filter": name, "test": split.name, "headers": headers}
        try:
            if args.model and name != "ours":
                raise LeftOut(f"--model is a model of ours; give --train or --odd-even for {name}")
            with make(name, setup) as tested:
                yield _measure(tested, split, seen, about | _trained(tested, seen), setup, args)
        except LeftOut as reason:
            yield about | {"left_out": str(reason)}


def _trained(tested: Filter, seen: Seen) -> dict[str, object]:
    """Train the filter if there is anything to learn, and say on what and how long it took."""
    if not seen.train:
        return {"train_us_per_mail": None}
    start = tested.cpu()
    tested.train(seen.train, seen.train_spam, seen.train_corpora)
    spent = 1e6 * (tested.cpu() - start) / len(seen.train)
    return {"train_mails": len(seen.train), "train_us_per_mail": short(spent)}


def _measure(
    tested: Filter, split: Split, seen: Seen, about: dict[str, object], setup: Setup, args: argparse.Namespace
) -> Result:
    """Ask the filter about all test mails, and work out its row."""
    start = tested.cpu()
    prepared = tested.prepare(seen.test)
    read = tested.cpu()
    answers = tested.answers(prepared)
    done = tested.cpu()
    called, threshold, origin = answers.spam, tested.threshold, "own"
    if args.cross_validate and tested.name in LEARNERS and seen.train:
        folds = 2 if args.quick else FOLDS
        chosen = chosen_threshold(tested.name, setup, seen, args.ham_loss / 100, folds)
        called, threshold, origin = answers.score > chosen, chosen, "cross-validated"
    probabilities = tested.probabilities(answers.score)
    row = about | {
        "n": int(split.fresh.sum()),
        **_figures(answers.score, called, probabilities, split.test.is_spam, split.fresh),
        "threshold": {"kind": origin, "value": short(threshold) if threshold is not None else None},
        "us_per_mail": short(1e6 * (done - read) / len(seen.test)),
        "single_us_per_mail": _single(tested, prepared) if tested.in_process else None,
        "read_us_per_mail": short(1e6 * (read - start) / len(seen.test)),
        **split.duplicates,
    }
    if origin != "own":
        row["at_own_threshold"] = error_row(errors(answers.spam[split.fresh], split.test.is_spam[split.fresh]))
    if not split.fresh.all():
        everything = np.ones(len(called), dtype=bool)
        row["with_duplicates"] = _figures(answers.score, called, probabilities, split.test.is_spam, everything)
    kept = Answers(answers.score[split.fresh], called[split.fresh])
    return Result(tested.name, kept, None if probabilities is None else probabilities[split.fresh], row)


def _single(tested: Filter, prepared: Sequence[Any]) -> float:
    """Median CPU time of one mail asked alone, in microseconds, over an even choice of mails."""
    times = []
    for one in prepared[:: max(1, len(prepared) // SINGLE)]:
        start = time.process_time_ns()
        tested.answers([one])
        times.append(time.process_time_ns() - start)
    return short(float(np.median(times)) / 1000)


def _figures(
    scores: Floats, called: Flags, probabilities: Floats | None, is_spam: Flags, counted: Flags
) -> dict[str, Any]:
    """Errors, ranking and calibration on the mails that are ``counted``."""
    spam = is_spam[counted]
    row = error_row(errors(called[counted], spam)) | ranking_row(scores[counted], spam)
    row["ece"] = row["ece_balanced"] = None
    if probabilities is not None and len(spam):
        row["ece"] = short(ece(probabilities[counted], spam))
        row["ece_balanced"] = short(ece(probabilities[counted], spam, balanced=True))
    return row


def _comparisons(results: Sequence[Result], spam: Flags, about: dict[str, object]) -> Iterator[dict[str, object]]:
    """The first filter against each other one."""
    for other in results[1:]:
        pair = (results[0], other)
        scores = (pair[0].answers.score, pair[1].answers.score)
        called = (pair[0].answers.spam, pair[1].answers.spam)
        yield about | {"comparison": compare((pair[0].name, pair[1].name), scores, called, spam)}
