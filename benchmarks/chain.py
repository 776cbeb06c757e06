"""The whole offline chain with default settings: errors, mails per CPU second, time of a single mail, peak memory.

A mail counts as called spam from the quarantine limit on (its X-Spam-Flag is YES): ``fp`` is ham at or above it,
``fn`` spam below it.  Greylisting only delays, so it is counted apart.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator

import numpy as np

from mailfilter import Envelope, FilterChain, Mail, Message
from mailfilter.archives import ArchivedMail, find_corpus, read_archive
from mailfilter.decision import Action

from .corpus import content_headers_only, interval, load, upper95
from .rescoring import peak_mib

SINGLE = 400
"""Mails that are timed one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--config", metavar="FILE", help="settings; default: built in")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="timed passes; the median counts")
    parser.add_argument("--headers", choices=("all", "content"), default="all", help="headers that the chain sees")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row per corpus."""
    chain = FilterChain.from_config(args.config) if args.config else FilterChain.default()
    for name in args.corpus:
        yield measure(chain, name, args)


def measure(chain: FilterChain, name: str, args: argparse.Namespace) -> dict[str, object]:
    """Stream once for errors and peak memory, then time batches and single mails from memory."""
    limit = 200 if args.quick else None
    peak = None if args.quick else _streamed_peak(chain, name)
    corpus = load(name, limit=limit)
    kept = content_headers_only if args.headers == "content" else bytes
    raws = [kept(mail.raw) for mail in corpus.mails]
    actions = np.array([verdict.action.severity for verdict in chain.check_many(raws)])
    spam = corpus.is_spam
    ham = np.array([mail.label == "ham" for mail in corpus.mails])
    flagged = actions >= Action.QUARANTINE.severity
    delayed = actions == Action.GREYLIST.severity
    fp, fn = int((flagged & ham).sum()), int((~flagged & spam).sum())
    singly = _single(chain, raws)
    return {
        "corpus": name,
        "headers": args.headers,
        "mails": len(raws),
        "ham": int(ham.sum()),
        "spam": int(spam.sum()),
        "unreadable": len(corpus.unreadable),
        "fp": fp,
        "fp_interval95_pct": [round(end, 3) for end in interval(fp, int(ham.sum()))],
        "fp_upper95_pct": round(upper95(fp, int(ham.sum())), 3),
        "fn": fn,
        "fn_interval95_pct": [round(end, 3) for end in interval(fn, int(spam.sum()))],
        "ham_greylisted": int((delayed & ham).sum()),
        "spam_greylisted": int((delayed & spam).sum()),
        "mails_per_cpu_second": round(len(raws) / _batch_seconds(chain, raws, 1 if args.quick else args.repeat)),
        "p50_ms": round(float(np.percentile(singly, 50)), 3),
        "p99_ms": round(float(np.percentile(singly, 99)), 3),
        "peak_mib": peak,
    }


def _streamed_peak(chain: FilterChain, name: str) -> float:
    """Peak resident memory in MiB of this process after streaming the corpus through the chain."""
    items = (item for item in read_archive(find_corpus(name, os.environ)) if isinstance(item, ArchivedMail))
    for _ in chain.check_many(Mail(Message(item.raw), Envelope()) for item in items):
        pass
    return peak_mib()


def _batch_seconds(chain: FilterChain, raws: list[bytes], repeat: int) -> float:
    """CPU seconds of one batched pass, reading of messages included: the median of ``repeat``."""
    passes = []
    for _ in range(repeat):
        start = time.process_time()
        for _ in chain.check_many(raws):
            pass
        passes.append(time.process_time() - start)
    return float(np.median(passes))


def _single(chain: FilterChain, raws: list[bytes]) -> list[float]:
    """CPU milliseconds of each of an even choice of mails, checked one by one."""
    step = max(1, len(raws) // SINGLE)
    times = []
    for raw in raws[::step]:
        start = time.process_time_ns()
        chain.check(raw)
        times.append((time.process_time_ns() - start) / 1e6)
    return times
