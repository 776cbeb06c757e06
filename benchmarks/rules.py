"""Hit table of the local rules: how much of ham and spam each finds, and what they cost.

The first row gives the corpora, CPU microseconds a mail of the local checks together and each (the mail already
taken apart; the best of several rounds over each batch of 64), and how much of ham and spam their points alone bring
to 2 and to 5.  Then one row a symbol: points, hits, rates in per cent, and S/O as SpamAssassin has it: the share
of the spam rate in the sum of both rates.

With ``--without``: what the whole offline chain, as shipped, loses and misses, and what it would without each check and
each rule: ``fn_more`` spam that falls below the quarantine limit, ``fp_fewer`` ham that does.

With ``--rules PATH`` or ``--against-spamassassin``: rules in SpamAssassin's language instead, which
`benchmarks.cf_rules` measures; its other options (``--slow``, ``--limit``) hold as well.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mailfilter import FilterChain
from mailfilter.checks import LocalCheck, Mail
from mailfilter.checks.attachments import AttachmentCheck
from mailfilter.checks.claims import ClaimCheck
from mailfilter.checks.headers import HeaderCheck
from mailfilter.checks.links import LinkCheck
from mailfilter.checks.sender import SenderCheck
from mailfilter.checks.structure import StructureCheck
from mailfilter.checks.topics import TopicCheck
from mailfilter.checks.traps import TrapCheck
from mailfilter.envelope import Envelope
from mailfilter.message import Message
from mailfilter.symbols import Findings
from mailfilter.verdict import Verdict

from . import cf_rules
from .corpus import Corpus, load

BATCH = 64
CHECKS: tuple[Callable[[], LocalCheck], ...] = (
    HeaderCheck, SenderCheck, StructureCheck, LinkCheck, AttachmentCheck, ClaimCheck, TrapCheck, TopicCheck,
)  # fmt: skip


@dataclass
class _Tally:
    """Counts over all corpora.  Keys: label; (label, limit); (symbol, label, corpus); and seconds by check."""

    mails: Counter[str] = field(default_factory=Counter)
    over: Counter[tuple[str, int]] = field(default_factory=Counter)
    hits: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def rate(self, count: int, label: str) -> float:
        """Per cent of the mails of a label."""
        return round(100 * count / max(1, self.mails[label]), 3)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options beyond those of every benchmark."""
    parser.add_argument("--by-corpus", action="store_true", help="give the hits of every symbol per corpus as well")
    parser.add_argument("--without", action="store_true", help="what the chain would miss without each rule")
    parser.add_argument("--rounds", type=int, default=5, help="rounds over each batch, of which the best counts (5)")
    cf_rules.add_arguments(parser)


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield the summary row, then one row a symbol, in the order of the catalogue."""
    if args.rules or args.against_spamassassin:
        yield from cf_rules.run(args)
        return
    if args.without:
        yield from without(args.corpus, 200 if args.quick else None)
        return
    checks = [make() for make in CHECKS]
    tally = _Tally()
    for name in args.corpus or [()]:
        _count(checks, load(name, limit=200 if args.quick else None).labelled(), tally, args.rounds)
    yield _summary(args.corpus, tally)
    for check in checks:
        for info in check.symbols:
            yield _row(info.name, info.points, tally, args.by_corpus)


def _count(checks: Sequence[LocalCheck], corpus: Corpus, tally: _Tally, rounds: int) -> None:
    """Add one corpus to the tally."""
    points = {info.name: info.points for check in checks for info in check.symbols}
    for start in range(0, len(corpus.mails), BATCH):
        batch = corpus.mails[start : start + BATCH]
        mails = [Mail(_taken_apart(item.raw), Envelope()) for item in batch]
        rows = [_timed(check, mails, tally, rounds) for check in checks]
        for item, findings in zip(batch, zip(*rows, strict=True), strict=True):
            label = str(item.label)
            names = {symbol.name for found in findings for symbol in found}
            total = sum(points[name] for name in names)
            tally.mails[label] += 1
            tally.over.update((label, limit) for limit in (2, 5) if total >= limit)
            tally.hits.update((name, label, corpus.name) for name in names)


def _taken_apart(raw: bytes) -> Message:
    """A message with everything computed that checks share, so that only their own work is timed."""
    message = Message(raw)
    _ = message.header("subject"), message.texts, message.links, message.defects
    _ = [(part.names, part.data, part.detected_type) for part in message.attachments]
    return message


def _timed(check: LocalCheck, mails: Sequence[Mail], tally: _Tally, rounds: int) -> Sequence[Findings]:
    """What the check finds; its best CPU time goes into the tally."""
    best = float("inf")
    found: Sequence[Findings] = ()
    for _ in range(max(1, rounds)):
        start = time.process_time()
        found = check.run(mails)
        best = min(best, time.process_time() - start)
    tally.seconds[check.name] += best
    return found


def _summary(corpora: Sequence[str], tally: _Tally) -> dict[str, object]:
    mails = tally.mails["ham"] + tally.mails["spam"]
    each = {check: round(1e6 * seconds / max(1, mails), 1) for check, seconds in tally.seconds.items()}
    return {
        "benchmark": "rules",
        "corpus": "+".join(name.rstrip("/").rpartition("/")[2] for name in corpora),
        "mails": mails,
        "ham": tally.mails["ham"],
        "spam": tally.mails["spam"],
        "us_per_mail": round(sum(each.values()), 1),
        "us_each": each,
        **{
            f"{label}_at_{limit}": tally.rate(tally.over[label, limit], label)
            for label in ("ham", "spam")
            for limit in (2, 5)
        },
    }


def _row(name: str, points: float, tally: _Tally, by_corpus: bool) -> dict[str, object]:
    by_label: Counter[str] = Counter()
    by_place: dict[str, int] = {}
    for (symbol, label, corpus), count in sorted(tally.hits.items()):
        if symbol == name:
            by_label[label] += count
            by_place[f"{corpus}/{label}"] = count
    ham, spam = tally.rate(by_label["ham"], "ham"), tally.rate(by_label["spam"], "spam")
    row: dict[str, object] = {
        "symbol": name,
        "points": points,
        "ham_hits": by_label["ham"],
        "spam_hits": by_label["spam"],
        "ham_rate": ham,
        "spam_rate": spam,
        "s_o": round(spam / (ham + spam), 3) if ham + spam else None,
    }
    return {**row, "by_corpus": by_place} if by_corpus else row


def without(corpora: Sequence[str], limit: int | None = None) -> Iterator[dict[str, object]]:
    """Errors of the shipped chain, and without each check and each rule in turn, those that matter most first."""
    chain = FilterChain.default()
    for name in corpora:
        corpus = load(name, limit=limit).labelled()
        verdicts = list(chain.check_many([mail.raw for mail in corpus.mails]))
        yield from _without(corpus, verdicts, chain)


def _without(corpus: Corpus, verdicts: Sequence[Verdict], chain: FilterChain) -> Iterator[dict[str, object]]:
    spam, line = corpus.is_spam, chain.policy.quarantine or 0.0
    scores = np.array([verdict.score for verdict in verdicts])
    fp, fn = _errors(scores, spam, line)
    counts = {"ham": int((~spam).sum()), "spam": int(spam.sum()), "fp": fp, "fn": fn}
    yield {"benchmark": "rules", "corpus": corpus.name, **counts}
    rows: list[tuple[bool, int, dict[str, object]]] = []
    for (kind, of), points in _given(verdicts, chain).items():
        fp_left, fn_then = _errors(scores - points, spam, line)
        hits = {"ham_hits": int((points[~spam] != 0).sum()), "spam_hits": int((points[spam] != 0).sum())}
        row = {f"without_{kind}": of, "fn_more": fn_then - fn, "fp_fewer": fp - fp_left, **hits}
        rows.append((kind == "rule", fn - fn_then, row))
    yield from (row for _, _, row in sorted(rows, key=lambda entry: entry[:2]))


def _given(verdicts: Sequence[Verdict], chain: FilterChain) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Points that each check and each rule gave each mail; keys: ("check" or "rule", name)."""
    given: dict[tuple[str, str], NDArray[np.float64]] = {}
    for number, verdict in enumerate(verdicts):
        for symbol in verdict.symbols:
            check = chain.catalogue[symbol.name].check if symbol.points else ""
            for key in (("rule", symbol.name), ("check", check)) if check else ():
                given.setdefault(key, np.zeros(len(verdicts)))[number] += symbol.points
    return given


def _errors(scores: NDArray[np.float64], spam: NDArray[np.bool_], line: float) -> tuple[int, int]:
    """Ham at or above the line, spam below it."""
    return int((scores[~spam] >= line).sum()), int((scores[spam] < line).sum())
