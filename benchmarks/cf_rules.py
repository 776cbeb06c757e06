"""Rules in SpamAssassin's language: what they cost, and whether they hit what SpamAssassin hits.

``--rules PATH`` (several times) names rule files or folders, by default the stock rules where Debian installs them.
One row: rules read, pattern rules that do not run, microseconds a mail with the reading of the mail included, best
of three rounds in batches of 64.  With ``--against-spamassassin`` SpamAssassin itself (one Perl process, local
tests only) sees the same mails in the same run; a second row gives the share of (mail, rule) pairs hit by either
that both hit, over pattern rules, metas of such and functions that run here, and the differences by rule; "functions"
gives for each function of eval rules pairs hit by both, missed and extra.  Without ``--corpus`` the mails are then
those of `AGAINST`.  `benchmarks rules` hands its ``--rules`` and ``--against-spamassassin`` over to here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from mailfilter.errors import MailFilterError
from mailfilter.message import Message
from mailfilter.ruleset.compiled import CompiledRules
from mailfilter.ruleset.reader import read_rules
from mailfilter.ruleset.rules import PATTERN_KINDS, Kind

from .corpus import load

STOCK = ("/etc/spamassassin", "/usr/share/spamassassin")
AGAINST = ("spamassassin", "modern-spam-2023")
"""Corpora of the comparison where none are named, `AGAINST_LIMIT` mails of each at most."""
AGAINST_LIMIT = 400
ROUNDS = 3
BATCH = 64
DRIVER = Path(__file__).with_name("spamassassin_hits.pl")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options beyond those of every benchmark."""
    parser.add_argument("--rules", action="append", default=[], metavar="PATH", help="rule file or folder")
    parser.add_argument("--against-spamassassin", action="store_true", help="compare hits; local rules folder first")
    parser.add_argument("--slow", action="store_true", help="without hyperscan")
    parser.add_argument("--limit", type=int, default=0, help="mails of each corpus, drawn evenly")


def run(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield the row of the cost, then that of the comparison."""
    paths = args.rules or [path for path in STOCK if Path(path).is_dir()]
    if not paths:
        raise MailFilterError("no --rules, and SpamAssassin's own are not installed")
    start = time.perf_counter()
    rules = read_rules(paths)
    compiled = CompiledRules(rules, fast=False if args.slow else None)
    ready = time.perf_counter() - start
    corpora, limit = args.corpus, 60 if args.quick else args.limit or None
    if args.against_spamassassin and not corpora:
        corpora, limit = list(AGAINST), limit or AGAINST_LIMIT
    raws = [mail.raw for name in corpora or [""] for mail in load([name] if name else [], limit=limit).mails]
    best, _ = _timed(compiled, raws, subrules=False)
    every, found = _timed(compiled, raws, subrules=True)
    patterns = [rule for rule in rules.rules.values() if rule.kind in PATTERN_KINDS]
    wanted = [rule for rule in patterns if rule.points and not rule.is_net]
    row: dict[str, object] = {
        "benchmark": "cf-rules",
        "corpus": "+".join(name.rstrip("/").rpartition("/")[2] for name in corpora),
        "mails": len(raws),
        "rules": len(rules.rules),
        "pattern_rules": len(wanted),
        "unsupported": sum(rule.name not in compiled.running for rule in wanted),
        "engine": "hyperscan" if compiled.is_fast else "regex",
        "ready_seconds": round(ready, 2),
        "us_per_mail": round(1e6 * best / max(1, len(raws)), 1),
        "mails_per_cpu_second": round(len(raws) / best, 1),
        "us_per_mail_all_subrules": round(1e6 * every / max(1, len(raws)), 1),
        "timeouts": sum(compiled.timeouts.values()),
    }
    yield row
    if args.against_spamassassin:
        yield _against(compiled, raws, found, best, paths)


def _timed(compiled: CompiledRules, raws: Sequence[bytes], subrules: bool) -> tuple[float, list[set[str]]]:
    """Best CPU seconds of the rounds, and the names that hit in each mail; without ``subrules`` as the check runs."""
    best = float("inf")
    found: list[set[str]] = []
    for _ in range(ROUNDS):
        results = []
        start = time.process_time()
        for at in range(0, len(raws), BATCH):
            mails = [(Message(raw), None) for raw in raws[at : at + BATCH]]
            results += compiled.run_many(mails, subrules=subrules)
        best = min(best, time.process_time() - start)
        found = [set(result.hits) for result in results]
    return best, found


def _against(
    compiled: CompiledRules, raws: Sequence[bytes], found: Sequence[set[str]], cpu: float, paths: Sequence[str]
) -> dict[str, object]:
    """Pairs of mail and rule that both find, and those that one finds alone."""
    theirs, their_cpu = _spamassassin(raws, paths)
    known = {name for name in compiled.running if name not in compiled.metas.uncertain}
    both, missed, extra = Counter[str](), Counter[str](), Counter[str]()
    for ours, hits in zip(found, theirs, strict=True):
        ours, hits = ours & known, hits & known
        both.update(ours & hits)
        missed.update(hits - ours)
        extra.update(ours - hits)
    pairs = both.total() + missed.total() + extra.total()
    return {
        "benchmark": "cf-rules",
        "against": "spamassassin",
        "mails": len(raws),
        "rules": len(known),
        "pairs": pairs,
        "agree_pct": round(100 * both.total() / max(1, pairs), 3),
        "differences": missed.total() + extra.total(),
        "missed": dict(missed.most_common(40)),
        "extra": dict(extra.most_common(40)),
        "functions": _by_function(compiled, known, (both, missed, extra)),
        "spamassassin_mails_per_cpu_second": round(len(raws) / their_cpu, 2),
        "times_faster": round(their_cpu / cpu, 1),
    }


def _by_function(
    compiled: CompiledRules, known: Collection[str], counts: Sequence[Counter[str]]
) -> dict[str, list[int]]:
    """Pairs hit by both, missed and extra, of each function whose rules are compared."""
    sums: dict[str, list[int]] = {}
    for rule in compiled.running.values():
        if rule.kind is Kind.EVAL and rule.name in known:
            before = sums.setdefault(rule.function, [0, 0, 0])
            sums[rule.function] = [old + count[rule.name] for old, count in zip(before, counts, strict=True)]
    return dict(sorted(sums.items()))


def _spamassassin(raws: Sequence[bytes], paths: Sequence[str]) -> tuple[list[set[str]], float]:
    """The rules that SpamAssassin hits in each mail, and its CPU seconds."""
    if not shutil.which("perl"):
        raise MailFilterError("perl is not installed: apt-get install spamassassin")
    site, rules = (paths[0], paths[-1]) if len(paths) > 1 else (STOCK[0], paths[0])
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, raw in enumerate(raws):
            path = Path(folder, f"{number}.eml")
            path.write_bytes(raw)
            files.append(str(path))
        command = ["perl", str(DRIVER), rules, site, folder]
        done = subprocess.run(command, input="\n".join(files), capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != len(raws) + 1:
        raise MailFilterError(f"SpamAssassin stopped after {len(lines)} mails: {done.stderr.strip()[-300:]}")
    return [set(json.loads(line)["hits"]) for line in lines[:-1]], float(json.loads(lines[-1])["cpu_seconds"])
