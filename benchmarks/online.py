"""Filters that learn as mail comes in: classify each mail in the order of the index, then learn it (TREC spam track).

    online --corpus C [--filter ours] [--filter bogofilter] … [--start default] [--start empty] [--feedback immediate]
    online --corpus C --filter command --command 'PROGRAM'      any other filter; see `benchmarks.adapters`

Feedback: ``immediate``, every label right after the mail; ``delayed``, each label after a number of further mails
drawn evenly from 0 to a fifth of the corpus (at most 1,000); ``partial``, the labels of a random third, the others
never.  The draws are the same for every filter and every run.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mailfilter.errors import MailFilterError

from .corpus import Corpus, load, miss_at, presented, roca
from .filters import MAKERS, Answers, Filter, Flags, LeftOut, Setup, add_threshold, make
from .metrics import compare, ece, error_row, errors, lam, ranking_row, short
from .plots import Progress, check, draw_progress
from .saved import fingerprint, load_saved, save

QUICK = 100
POINTS = 25
SKIP = 100
"""Mails after which a filter should have found its feet; rows have figures for what comes after, too."""
NEVER = -1


@dataclass(frozen=True, slots=True)
class Run:
    """What a filter said of each mail in turn, and the CPU seconds that classifying and learning took."""

    name: str
    answers: Answers
    classifying: float
    learning: float
    learned: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--feedback", choices=("immediate", "delayed", "partial"), default="immediate")
    parser.add_argument("--filter", action="append", choices=sorted(MAKERS), help="may be given several times")
    parser.add_argument("--start", action="append", metavar="default|empty|PATH", help="what ours starts from")
    parser.add_argument("--command", default="", metavar="PROGRAM", help="for --filter command")
    parser.add_argument("--headers", choices=("all", "content"), default="all", help="headers to be seen")
    parser.add_argument(
        "--views", choices=("portable", "everything"), default="everything", help="of ours, when it starts from nothing"
    )
    add_threshold(parser)
    parser.add_argument("--save", metavar="FOLDER", help="keep the answers of each filter there")
    parser.add_argument("--against", action="append", default=[], metavar="FILE", help="answers kept by --save")
    parser.add_argument("--plot", metavar="FILE", help="learning curves as .png or .svg")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """For each corpus one row per filter, then comparisons of the first filter with the others."""
    if args.plot:
        check(args.plot)
    load(args.corpus, limit=1)  # raises before anything is measured
    for name in args.corpus:
        yield from _on_corpus(load(name, limit=QUICK if args.quick else None).labelled(), args)


def _on_corpus(corpus: Corpus, args: argparse.Namespace) -> Iterator[dict[str, object]]:
    spam = corpus.is_spam
    if spam.all() or not spam.any():
        raise MailFilterError(f"{corpus.name}: learning needs ham and spam, there is only one of them")
    about: dict[str, object] = {"benchmark": "online", "corpus": corpus.name, "headers": args.headers}
    about["feedback"] = args.feedback
    mails = [presented(mail.raw, args.headers) for mail in corpus.mails]
    asked = fingerprint(mails, spam, f"{args.headers} {args.feedback}")
    kept = [load_saved(path, asked) for path in args.against]
    runs: list[Run] = []
    for label, name, setup in _contestants(args):
        try:
            with make(name, setup) as tested:
                runs.append(play(label, tested, mails, spam, when(args.feedback, len(mails))))
                known = {"trained_on_it": True} if corpus.name in tested.trained_on() else {}
                yield about | {"filter": label} | known | _row(runs[-1], tested, spam)
            if args.save:
                save(args.save, label, asked, runs[-1].answers)
        except LeftOut as reason:
            yield about | {"filter": label, "left_out": str(reason)}
    everyone = [(one.name, one.answers) for one in runs] + [(f"{name} (saved)", answers) for name, answers in kept]
    yield from (about | {"comparison": found} for found in _comparisons(everyone, spam))
    if args.plot and everyone:
        curves = [
            Progress(label, [point["mails"] for point in points], [point["one_minus_roca_pct"] for point in points])
            for label, points in ((label, curve(answers, spam)) for label, answers in everyone)
        ]
        title = f"{corpus.name}, {args.feedback} feedback"
        path = args.plot if len(args.corpus) == 1 else _numbered(args.plot, corpus.name)
        yield about | {"plot": draw_progress(path, title, curves, "1 - ROCA so far, %")}


def _numbered(path: str, name: str) -> str:
    stem, dot, suffix = path.rpartition(".")
    return f"{stem}-{name}{dot}{suffix}"


def _contestants(args: argparse.Namespace) -> Iterator[tuple[str, str, Setup]]:
    """Label, filter and how to build it."""
    starts = args.start or ["empty"]
    for name in args.filter or ["ours"]:
        if name == "command" and not args.command:
            raise MailFilterError("--filter command needs --command PROGRAM")
        for start in starts if name == "ours" else ["empty"]:
            label = f"ours from {start}" if name == "ours" and len(starts) > 1 else name
            yield label, name, Setup(start, args.views, args.command, args.threshold)


def when(feedback: str, n: int, seed: int = 0) -> list[int]:
    """For each mail the number of the mail after which its label is told; `NEVER`, or beyond the end, if it is not."""
    numbers = np.arange(n)
    random = np.random.default_rng(seed)
    if feedback == "delayed":
        numbers = numbers + random.integers(0, min(1000, n // 5) + 1, n)
    elif feedback == "partial":
        numbers = np.where(random.random(n) < 1 / 3, numbers, NEVER)
    return [int(number) for number in numbers]


def play(name: str, tested: Filter, mails: Sequence[bytes], spam: Flags, told: Sequence[int]) -> Run:
    """Run one filter through the mails in their order."""
    due: defaultdict[int, list[int]] = defaultdict(list)
    for mail, moment in enumerate(told):
        due[moment].append(mail)
    scores, called = np.zeros(len(mails)), np.zeros(len(mails), dtype=bool)
    classifying = learning = 0.0
    learned = 0
    for number, raw in enumerate(mails):
        start = tested.cpu()
        scores[number], called[number] = tested.classify(raw)
        middle = tested.cpu()
        for mail in due[number]:
            tested.learn(mails[mail], bool(spam[mail]))
            learned += 1
        classifying, learning = classifying + middle - start, learning + tested.cpu() - middle
    return Run(name, Answers(scores, called), classifying, learning, learned)


def _row(done: Run, tested: Filter, spam: Flags) -> dict[str, object]:
    scores, called = done.answers
    probabilities = tested.probabilities(scores)
    row = _figures(done.answers, spam) | {
        "learned": done.learned,
        "ece": None if probabilities is None else short(ece(probabilities, spam)),
        "classify_us_per_mail": short(1e6 * done.classifying / len(spam)),
        "learn_us_per_mail": short(1e6 * done.learning / max(done.learned, 1)),
    }
    if len(spam) > 2 * SKIP:
        row[f"after_first_{SKIP}"] = _figures(Answers(scores[SKIP:], called[SKIP:]), spam[SKIP:])
    return row | {"curve": curve(done.answers, spam)}


def _figures(answers: Answers, spam: Flags) -> dict[str, Any]:
    found = errors(answers.spam, spam)
    row = {"mails": len(spam)} | error_row(found) | {"lam_pct": short(lam(found))} | ranking_row(answers.score, spam)
    row["sm_pct_at_hm_0.1"] = row["fn_pct_at_fp_0.1"]
    return row


def curve(answers: Answers, spam: Flags, points: int = POINTS) -> list[dict[str, Any]]:
    """Measures over the mails so far, at evenly spaced points.

    ``since_100``: 1 - ROCA without the first `SKIP` mails.  A measure is None while a class is missing.
    """
    ends = sorted({round(len(spam) * (number + 1) / points) for number in range(points)} - {0})
    return [_point(answers, spam, end) for end in ends]


def _point(answers: Answers, spam: Flags, end: int) -> dict[str, Any]:
    found = errors(answers.spam[:end], spam[:end])
    point: dict[str, Any] = {"mails": end, "fp": found.ham_lost, "fn": found.spam_missed, "lam_pct": short(lam(found))}
    for name, start in (("one_minus_roca_pct", 0), (f"since_{SKIP}", SKIP)):
        part = spam[start:end]
        both = bool(part.any() and not part.all())
        point[name] = short(roca(answers.score[start:end], part)) if both else None
        if start == 0:
            point["sm_pct_at_hm_0.1"] = short(miss_at(answers.score[:end], part, 0.001)) if both else None
    return point


def _comparisons(everyone: Sequence[tuple[str, Answers]], spam: Flags) -> Iterator[dict[str, object]]:
    """The first filter against each other one, on all mails and on those after the first `SKIP`."""
    for label, other in everyone[1:]:
        name, first = everyone[0]
        for part, start in (("all", 0), (f"after_first_{SKIP}", SKIP)):
            if len(spam) > 2 * start:
                scores, called = (first.score[start:], other.score[start:]), (first.spam[start:], other.spam[start:])
                yield {"mails": part} | compare((name, label), scores, called, spam[start:])
