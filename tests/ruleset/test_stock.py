"""SpamAssassin's own rules, and SpamAssassin itself, where they are installed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mailfilter.ruleset.compiled import CompiledRules
from mailfilter.ruleset.reader import read_rules
from mailfilter.ruleset.rules import PATTERN_KINDS, RuleSet

STOCK = ("/etc/spamassassin", "/usr/share/spamassassin")
SAMPLE = Path(__file__).parents[2] / "corpora" / "sample"


@pytest.fixture(scope="module")
def stock() -> RuleSet:
    if not all(Path(path).is_dir() for path in STOCK):
        reason = "needs SpamAssassin: apt-get install --no-install-recommends spamassassin"
        if os.environ.get("MAILFILTER_REQUIRE_SERVERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return read_rules(STOCK)


@pytest.fixture(scope="module")
def compiled(stock: RuleSet) -> CompiledRules:
    return CompiledRules(stock, cache="", fast=False, timeout=5)


def test_all_stock_files_are_read_and_nearly_all_patterns_run(stock: RuleSet, compiled: CompiledRules) -> None:
    assert len(stock.files) == sum(len([*Path(path).glob("*.cf"), *Path(path).glob("*.pre")]) for path in STOCK)
    assert not stock.errors
    wanted = [rule for rule in stock.rules.values() if rule.kind in PATTERN_KINDS and rule.points]
    idle = {rule.name for rule in wanted if rule.name not in compiled.running}
    assert len(wanted) > 1400
    assert len(idle) <= 0.01 * len(wanted)
    assert idle <= {fault.rule for fault in (*stock.faults, *compiled.faults)}


def test_hits_are_those_of_spamassassin(compiled: CompiledRules) -> None:
    from benchmarks.cf_rules import _against
    from mailfilter.archives import ArchivedMail, read_archive
    from mailfilter.message import Message

    raws = [item.raw for item in read_archive(SAMPLE) if isinstance(item, ArchivedMail)][:12]
    found = [set(compiled.run(Message(raw)).hits) for raw in raws]
    row = _against(compiled, raws, found, 1.0, STOCK)
    assert isinstance(row["pairs"], int)
    assert row["pairs"] > 20 * len(raws)
    assert isinstance(row["agree_pct"], float)
    assert row["agree_pct"] >= 97, row


def test_without_hyperscan_stock_rules_hit_the_same(stock: RuleSet) -> None:
    pytest.importorskip("hyperscan", reason="needs pip install mailfilter[fast]")
    from mailfilter.archives import ArchivedMail, read_archive
    from mailfilter.message import Message
    from mailfilter.ruleset.rules import Kind

    short = {
        name: rule
        for name, rule in stock.rules.items()
        if rule.kind in PATTERN_KINDS and rule.pattern and len(rule.pattern.exact) < 300
    }
    light = {
        name: rule for number, (name, rule) in enumerate(short.items()) if number % 8 == 0 or rule.kind is Kind.FULL
    }
    some = replace(stock, rules=light)
    assert len({rule.kind for rule in light.values()} & set(Kind)) == len(PATTERN_KINDS)
    slow, fast = (CompiledRules(some, cache="", fast=choice, timeout=600) for choice in (False, True))
    mails = [(Message(item.raw), None) for item in read_archive(SAMPLE) if isinstance(item, ArchivedMail)][:15]
    pairs = list(zip(slow.run_many(mails), fast.run_many(mails), strict=True))
    assert not [(one.cut_off, other.cut_off) for one, other in pairs if one.cut_off or other.cut_off]
    assert [sorted(one.hits.items() ^ other.hits.items()) for one, other in pairs] == [[] for _ in pairs]
    assert sum(len(other.hits) for _, other in pairs) > len(mails)
