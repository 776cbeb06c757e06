"""The rules check in the chain: symbols, points, evidence, and what runs out of time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mailfilter import Config, FilterChain
from mailfilter.assembly import BUILT_IN
from mailfilter.checks.rules import RuleCheck
from mailfilter.errors import SettingError

RULES = (
    "body __PILLS /pills/i\nheader __BUY Subject =~ /buy/i\nmeta BUY_PILLS __PILLS && __BUY\nscore BUY_PILLS 2.5\n"
    "describe BUY_PILLS Somebody sells pills\nbody MANY /x/\ntflags MANY multiple maxhits=3\nscore MANY 0.5\n"
    "body GTUBE /test mail/\nscore GTUBE 1\nheader NICE From =~ /friend/\ntflags NICE nice\n"
)
MAIL = b"From: friend@example.org\nSubject: Buy\n\nPills x x x x, a test mail\n"


def chain(folder: Path, text: str = RULES, scores: dict[str, float] | None = None, **settings: Any) -> FilterChain:
    (folder / "own.cf").write_text(text)
    table = {"paths": [str(folder)], "cache": "off", "timeout": 5, **settings}
    others = [name for name in BUILT_IN if name != "rules"]
    config = {"rules": table, "checks": {"disable": others}, "scores": scores or {}}
    return FilterChain(Config.from_mapping(config))


def test_rules_give_symbols_with_points_and_evidence(tmp_path: Path) -> None:
    verdict = chain(tmp_path).check(MAIL)
    found = {symbol.name: (symbol.points, symbol.group, symbol.evidence) for symbol in verdict.symbols}
    assert found == {
        "BUY_PILLS": (2.5, "content", "meta"),
        "MANY": (1.5, "content", "body"),
        "CF_GTUBE": (1.0, "content", "body: test mail"),
        "NICE": (-1.0, "headers", "header From: friend"),
    }
    assert verdict.score == 4.0
    assert {symbol.description for symbol in verdict.symbols if symbol.name == "BUY_PILLS"} == {"Somebody sells pills"}


def test_points_come_from_the_settings_too(tmp_path: Path) -> None:
    scores = {"BUY_PILLS": 0.0, "MANY": 2.0, "CF_GTUBE": 0.25}
    verdict = chain(tmp_path, RULES.replace("score MANY 0.5", "score MANY 0"), scores).check(MAIL)
    assert {symbol.name: symbol.points for symbol in verdict.symbols} == {
        "BUY_PILLS": 0.0,
        "MANY": 6.0,
        "CF_GTUBE": 0.25,
        "NICE": -1.0,
    }


def test_a_batch_finds_what_single_mails_find(tmp_path: Path) -> None:
    mails = [MAIL, b"\n", b"Subject: buy\n\npills\n", MAIL[:40]]
    with chain(tmp_path) as one:
        assert [v.symbols for v in one.check_many(mails)] == [one.check(mail).symbols for mail in mails]


def test_a_rule_out_of_time_is_unknown(tmp_path: Path) -> None:
    verdict = chain(tmp_path, r"body SLOW /(x+x+)+\1y(?!!)!/", timeout=0.001).check(b"\n" + b"x" * 200 + b"y!\n")
    assert [(symbol.name, symbol.points, symbol.evidence) for symbol in verdict.unknown] == [
        ("RULE_TIMEOUT", 0.0, "cut off: SLOW")
    ]
    assert not verdict.symbols


def test_errors_are_passed_over_unless_strict(tmp_path: Path) -> None:
    text = RULES + "bodyy WRONG /x/\n"
    assert chain(tmp_path, text).check(MAIL).score == 4.0
    with pytest.raises(SettingError) as error:
        chain(tmp_path, text, strict=True)
    assert error.value.faults == (f"rules: {tmp_path}/own.cf:13: error: unknown directive: bodyy",)


def test_without_rules_nothing_is_loaded() -> None:
    code = (
        "import sys; from mailfilter.checks.rules import configured; from mailfilter import Config;"
        "check = configured(Config()); assert [*check.run([None, None])] == [(), ()];"
        "assert not [name for name in sys.modules if name.startswith(('mailfilter.ruleset', 'hyperscan', 'regex'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert [info.name for info in RuleCheck().symbols] == ["RULE_TIMEOUT"]
