"""The scoring core on a synthetic table: mails scored a second, and stored rows decided anew a second.

One core; 20 hits a mail and 1,000 symbols unless told otherwise, every value drawn from 0.001 to 1 for a share
``--graded`` of the hits and 1.0 for the rest.  ``messages_per_second`` times `mailfilter.scoring.score` alone;
``rows_redecided_per_second`` times what `rescore --from` does with a table in memory: scores, floors, malware and
limits (`score` and `decide`); one symbol in a hundred is malware or has a floor, and one mail in a thousand hits one.
``capped_messages_per_second`` is `score` with four capped groups.  CPU seconds, the best of ``--repeat`` rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from mailfilter.decision import Action, Marks, Policy, decide
from mailfilter.scoring import Caps, Hits, Points, contributions, cuts, score, sums
from mailfilter.symbols import MALWARE, UNKNOWN, Catalogue, SymbolInfo

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--mails", type=int, default=10_000_000, metavar="N", help="rows of the table")
    parser.add_argument("--hits", type=int, default=20, metavar="N", help="hits a mail")
    parser.add_argument("--symbols", type=int, default=1000, metavar="N", help="columns")
    parser.add_argument("--graded", type=float, default=0.1, metavar="SHARE", help="hits whose value is not 1.0")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="timed rounds; the best counts")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row."""
    rows = 20_000 if args.quick else args.mails
    hits, weights = table(rows, args.hits, args.symbols, args.graded)
    group = (np.arange(args.symbols) % 5 - 1).astype(np.int8)
    caps = Caps(("a", "b", "c", "d"), np.array([5000, 8000, 3000, 4000], np.int64), group)
    policy, marks = _marks(args.symbols)
    found, seconds = _timed(lambda: score(hits, weights), args.repeat)
    _, again = _timed(lambda: decide(score(hits, weights), hits, marks, policy), args.repeat)
    capped, with_caps = _timed(lambda: score(hits, weights, caps), 1)
    yield {
        "mails": rows,
        "hits_per_mail": args.hits,
        "symbols": args.symbols,
        "graded_share": args.graded,
        "messages_per_second": round(rows / seconds),
        "rows_redecided_per_second": round(rows / again),
        "seconds_to_redecide": round(again, 3),
        "capped_messages_per_second": round(rows / with_caps),
        "same_as_shown": _same(hits, weights, caps, found, capped),
    }


def table(rows: int, per_row: int, symbols: int, graded: float) -> tuple[Hits, Points]:
    """A hit table with ``per_row`` hits a row, ascending in each; weights -3 to 5 points."""
    random = np.random.default_rng(0)
    marked = max(1, symbols // 100)
    indices = random.integers(marked, symbols, (rows, per_row), dtype=np.int32)
    indices[::1000, 0] = random.integers(0, marked, len(indices[::1000]))
    indices.sort(axis=1)
    values = np.ones(rows * per_row)
    chosen = random.integers(0, len(values), int(graded * len(values)))
    values[chosen] = np.round(random.random(len(chosen)), 3)
    indptr = np.arange(0, rows * per_row + 1, per_row, dtype=np.int64)
    weights = random.integers(-3000, 5001, symbols).astype(np.int64)
    return Hits(indptr, indices.ravel(), values), weights


def _marks(symbols: int) -> tuple[Policy, Marks]:
    """A policy with a floor for one symbol in 200 and malware of as many, the columns that one mail in 1,000 hits."""
    marked = max(1, symbols // 100)
    groups = [MALWARE if n < marked // 2 else UNKNOWN if n < marked else "headers" for n in range(symbols)]
    catalogue = Catalogue(SymbolInfo(f"S{n}", "synthetic", group, 0.0, "x") for n, group in enumerate(groups))
    policy = Policy(floors={f"S{n}": Action.GREYLIST for n in range(marked // 2, marked)})
    return policy, Marks.of(catalogue, policy)


def _same(hits: Hits, weights: Points, caps: Caps, found: Points, capped: Points) -> bool:
    """Whether the sums of what is shown for the first rows are, to the bit, what the fast path gives."""
    rows = min(hits.rows, 2000)
    end = hits.indptr[rows]
    few = Hits(hits.indptr[: rows + 1], hits.indices[:end], hits.values[:end])
    per_hit = contributions(few, weights)
    shown = sums(few, per_hit)
    return bool((shown == found[:rows]).all() and (shown + cuts(few, per_hit, caps).sum(1) == capped[:rows]).all())


def _timed(work: Callable[[], T], repeat: int) -> tuple[T, float]:
    best = float("inf")
    for _ in range(max(1, repeat)):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return result, best
