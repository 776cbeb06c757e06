"""Our whole chain and other mail filters on the same mails, in one run: errors, and what a mail costs.

    peers --odd-even CORPUS               all learn the odd lines of the index and are tested on the even ones
    peers --train A B --test C D          all learn some corpora and are tested on others
    peers --test C D                      out of the box: ours as shipped, the rules of the others, nothing learned

Each filter decides at its own limit, as its makers ship it; ours at the limits that its tuning gave it.  Nothing was
chosen on the test mails; those with a twin among the training mails are shown apart.  A filter that is not installed
has a row that says so.  ``mails_per_cpu_second`` counts the filter's own processes, for as many mails as it judged;
``p50_ms`` and ``p99_ms`` are CPU per mail asked one by one, for filters that run in this process.  A filter that is
slow is asked about a part of the mails only (``--slow``, drawn evenly), and compared with ours on those.  Two filters
at two limits can each be better in one error; ``missed_at_their_ham_lost`` is what ours would miss at a limit (seen
afterwards, so it is a comparison and no promise) that loses as much ham as the other one did.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mailfilter.errors import MailFilterError

from .filters import Answers, Filter, Flags, Floats, LeftOut, Setup, make
from .metrics import compare, error_row, errors, ranking_row, short
from .splits import Seen, Split, split_of

Places = NDArray[np.intp]

PEERS = ("chain", "bogofilter", "spamprobe", "spamassassin-rules", "rspamd")
"""Ours first: the others are compared with it."""
LEARN_ONLY = ("bogofilter", "spamprobe")
"""Filters that know nothing before they have learned."""
SLOW = ("spamassassin-rules",)
QUICK = 150
SINGLE = 300


@dataclass(frozen=True, slots=True)
class Judged:
    """What a filter said of the test mails at ``places``."""

    name: str
    places: Places
    answers: Answers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--odd-even", metavar="CORPUS", help="learn odd lines of its index, test on even lines")
    parser.add_argument("--train", nargs="+", default=[], metavar="CORPUS", help="corpora to learn")
    parser.add_argument("--test", nargs="+", default=[], metavar="CORPUS", help="corpora to test on, taken together")
    parser.add_argument("--filter", action="append", choices=PEERS, help=f"default: {' '.join(PEERS)}")
    parser.add_argument("--headers", choices=("all", "content"), default="all", help="headers that all filters see")
    parser.add_argument("--views", choices=("portable", "everything"), default="everything", help="what ours looks at")
    parser.add_argument("--slow", type=int, default=600, metavar="N", help=f"mails for {', '.join(SLOW)}; 0: all")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row a filter, then one that compares ours with it."""
    if args.corpus and not args.test:
        args.test = args.corpus
    args.corpus, learned = [], bool(args.odd_even or args.train)
    args.model = "" if learned else "default"
    split = split_of(args, QUICK if args.quick else None)
    seen = Seen.of(split, args.headers)
    setup = Setup(start="empty" if learned else "default", views=args.views)
    first: Judged | None = None
    for name in args.filter or PEERS:
        about: dict[str, object] = {"benchmark": "peers", "filter": name, "test": split.name, "headers": args.headers}
        try:
            if not learned and name in LEARN_ONLY:
                raise LeftOut(f"{name} knows nothing before it has learned: give --train or --odd-even")
            with make(name, setup) as tested:
                judged, row = _measured(tested, split, seen, args)
        except LeftOut as reason:
            yield about | {"left_out": str(reason)}
            continue
        yield about | row
        if first is None:
            first = judged
        else:
            yield {"benchmark": "peers", "test": split.name, "comparison": _against(first, judged, split.test.is_spam)}


def _measured(tested: Filter, split: Split, seen: Seen, args: argparse.Namespace) -> tuple[Judged, dict[str, object]]:
    """Teach a filter, ask it, and work out its row."""
    start = tested.cpu()
    if seen.train:
        tested.train(seen.train, seen.train_spam, seen.train_corpora)
    taught = tested.cpu()
    places = _places(len(seen.test), args.slow if tested.name in SLOW else 0)
    mails = [seen.test[place] for place in places.tolist()]
    answers = tested.answers(tested.prepare(mails))
    done = tested.cpu()
    spam, fresh = split.test.is_spam[places], split.fresh[places]
    row: dict[str, object] = {
        "learned": len(seen.train),
        "n": len(mails),
        **error_row(errors(answers.spam, spam)),
        **ranking_row(answers.score, spam),
        "threshold": tested.threshold,
        "mails_per_cpu_second": short(len(mails) / max(done - taught, 1e-9)),
        "learn_cpu_seconds": short(taught - start),
        **_single(tested, mails),
        "without_twins": error_row(errors(answers.spam[fresh], spam[fresh])),
        **split.duplicates,
    }
    return Judged(tested.name, places, answers), row


def _places(n: int, most: int) -> Places:
    """All places, or ``most`` of them, evenly."""
    return np.arange(n) if not most or n <= most else np.linspace(0, n - 1, most).round().astype(np.intp)


def _single(tested: Filter, mails: Sequence[bytes]) -> dict[str, object]:
    """Median and 99th percentile of CPU milliseconds of one mail, over an even choice of mails."""
    if not tested.in_process:
        return {"p50_ms": None, "p99_ms": None}
    times = []
    for raw in mails[:: max(1, len(mails) // SINGLE)]:
        start = time.process_time_ns()
        tested.classify(raw)
        times.append((time.process_time_ns() - start) / 1e6)
    return {"p50_ms": short(float(np.percentile(times, 50))), "p99_ms": short(float(np.percentile(times, 99)))}


def _against(ours: Judged, other: Judged, is_spam: Flags) -> dict[str, object]:
    """Ours against another, on the mails that both judged."""
    both, mine, theirs = np.intersect1d(ours.places, other.places, return_indices=True)
    if not len(both):
        raise MailFilterError("no mail was judged by both filters")
    scores = ours.answers.score[mine], other.answers.score[theirs]
    called = ours.answers.spam[mine], other.answers.spam[theirs]
    spam = is_spam[both]
    found = compare((ours.name, other.name), scores, called, spam)
    mine_wrong, theirs_wrong = (errors(one, spam) for one in called)
    ahead = mine_wrong.ham_lost <= theirs_wrong.ham_lost and mine_wrong.spam_missed <= theirs_wrong.spam_missed
    return {
        "n": len(both),
        **found,
        "errors": {one.name: wrong._asdict() for one, wrong in ((ours, mine_wrong), (other, theirs_wrong))},
        "ahead_in_both_errors": ahead,
        "missed_at_their_ham_lost": _missed(scores[0], spam, theirs_wrong.ham_lost),
    }


def _missed(scores: Floats, spam: Flags, lost: int) -> int | None:
    """Spam missed at the lowest limit that loses no more than ``lost`` ham; None without ham."""
    ham = np.sort(scores[~spam])[::-1]
    if not len(ham):
        return None
    limit = ham[lost] if lost < len(ham) else -np.inf
    return int((scores[spam] <= limit).sum())
