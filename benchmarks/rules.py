"""Hit table of the local rules: how much of ham and spam each finds, and what all of them cost.

The first row gives the corpora, CPU microseconds a mail of the five checks (the mail already taken apart; best of
three rounds, in batches of 64), and the error rates of their points alone at 5.  Then one row a symbol: points,
hits in ham and spam, rates in per cent, and S/O as SpamAssassin has it: the share of the spam rate in both rates.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from mailfilter.checks import LocalCheck, Mail
from mailfilter.checks.attachments import AttachmentCheck
from mailfilter.checks.headers import HeaderCheck
from mailfilter.checks.links import LinkCheck
from mailfilter.checks.sender import SenderCheck
from mailfilter.checks.structure import StructureCheck
from mailfilter.envelope import Envelope
from mailfilter.message import Message

from .corpus import Corpus, load

BATCH = 64
ROUNDS = 3
CHECKS: tuple[Callable[[], LocalCheck], ...] = (HeaderCheck, SenderCheck, StructureCheck, LinkCheck, AttachmentCheck)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options beyond those of every benchmark."""
    parser.add_argument("--by-corpus", action="store_true", help="give the hits of every symbol per corpus as well")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield the summary row, then one row a symbol, in the order of the catalogue."""
    checks = [make() for make in CHECKS]
    totals: Counter[str] = Counter()
    hits: Counter[tuple[str, str, str]] = Counter()
    wrong: Counter[str] = Counter()
    cpu = 0.0
    for name in args.corpus or [""]:
        corpus = load([name] if name else [], limit=200 if args.quick else None).labelled()
        cpu += _count(checks, corpus, totals, hits, wrong)
    mails = totals["ham"] + totals["spam"]
    yield {
        "benchmark": "rules",
        "corpus": "+".join(name.rstrip("/").rpartition("/")[2] for name in args.corpus),
        "mails": mails,
        "ham": totals["ham"],
        "spam": totals["spam"],
        "us_per_mail": round(1e6 * cpu / max(1, mails), 1),
        "ham_at_5": round(_rate(wrong["ham"], totals["ham"]), 3),
        "spam_at_5": round(_rate(wrong["spam"], totals["spam"]), 3),
    }
    for check in checks:
        for info in check.symbols:
            yield _row(info.name, info.points, hits, totals, args.by_corpus)


def _count(
    checks: Sequence[LocalCheck],
    corpus: Corpus,
    totals: Counter[str],
    hits: Counter[tuple[str, str, str]],
    wrong: Counter[str],
) -> float:
    """Count the hits of one corpus; returns CPU seconds of the checks alone."""
    points = {info.name: info.points for check in checks for info in check.symbols}
    cpu = 0.0
    for start in range(0, len(corpus.mails), BATCH):
        batch = corpus.mails[start : start + BATCH]
        mails = [Mail(_taken_apart(item.raw), Envelope()) for item in batch]
        best, findings = _timed(checks, mails)
        cpu += best
        for item, found in zip(batch, findings, strict=True):
            label = str(item.label)
            totals[label] += 1
            wrong[label] += sum(points[name] for name in found) >= 5
            hits.update((name, label, corpus.name) for name in found)
    return cpu


def _taken_apart(raw: bytes) -> Message:
    """A message with everything computed that checks share, so that only their own work is timed."""
    message = Message(raw)
    _ = [header.value for header in message.headers], message.texts, message.links, message.defects
    _ = [(part.names, part.data, part.detected_type) for part in message.attachments]
    return message


def _timed(checks: Sequence[LocalCheck], mails: Sequence[Mail]) -> tuple[float, list[set[str]]]:
    """Best CPU seconds of the rounds, and the names found in each mail."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        rows = [check.run(mails) for check in checks]
        best = min(best, time.process_time() - start)
    return best, [{symbol.name for found in row for symbol in found} for row in zip(*rows, strict=True)]


def _row(
    name: str, points: float, hits: Counter[tuple[str, str, str]], totals: Counter[str], by_corpus: bool
) -> dict[str, object]:
    by_label: Counter[str] = Counter()
    by_place: dict[str, int] = {}
    for (symbol, label, corpus), count in sorted(hits.items()):
        if symbol == name:
            by_label[label] += count
            by_place[f"{corpus}/{label}"] = count
    ham, spam = by_label["ham"], by_label["spam"]
    ham_rate, spam_rate = _rate(ham, totals["ham"]), _rate(spam, totals["spam"])
    both = ham_rate + spam_rate
    row: dict[str, object] = {
        "symbol": name,
        "points": points,
        "ham_hits": ham,
        "spam_hits": spam,
        "ham_rate": round(ham_rate, 3),
        "spam_rate": round(spam_rate, 3),
        "s_o": round(spam_rate / both, 3) if both else None,
    }
    if by_corpus:
        row["by_corpus"] = by_place
    return row


def _rate(count: int, of: int) -> float:
    return 100 * count / of if of else 0.0
