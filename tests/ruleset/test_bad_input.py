"""Rule files of people who err: every mistake is named with its line, and what is right still runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailfilter import FilterChain
from mailfilter.cli import main
from mailfilter.errors import SettingError
from mailfilter.message import Message
from mailfilter.ruleset.compiled import CompiledRules
from mailfilter.ruleset.reader import read_text
from mailfilter.ruleset.rules import Severity

BAD = r"""body UNCLOSED /(x
bodyy UNKNOWN /x/
body CATASTROPHE /(x+x+)+\1y(?!!)!/
body REPEATED /(?:a|b){2}{3}/
body TWICE /nothing like it/
body TWICE /words/
meta RING_A RING_B
meta RING_B RING_A
meta NAMES_NOBODY NOBODY && TWICE
score NOBODY_EITHER 1
score TWICE one
body NO_FUNCTION eval:nobody_knows()
uri CAPTURED /%{NAME}x/
include nowhere.cf
if version >
body NEVER /x/
endif
body FINE /words/
"""
TOLD = [
    (1, "UNCLOSED", "error", "pattern cannot be read"),
    (2, "", "error", "unknown directive"),
    (4, "REPEATED", "error", "pattern cannot be compiled"),
    (6, "TWICE", "note", "duplicate name"),
    (7, "RING_A", "error", "metas in a ring"),
    (8, "RING_B", "error", "metas in a ring"),
    (9, "NAMES_NOBODY", "note", "meta names what does not exist"),
    (10, "NOBODY_EITHER", "note", "score for a missing rule"),
    (11, "TWICE", "error", "syntax"),
    (12, "NO_FUNCTION", "unsupported", "function without its facts here"),
    (13, "CAPTURED", "unsupported", "uses text that no rule captures"),
    (14, "", "error", "cannot be read"),
    (15, "", "error", "condition cannot be read"),
]
MAIL = b"Subject: x\n\nsome words " + b"x" * 300 + b"y!! and more\n"


def test_every_mistake_is_named_with_file_line_rule_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.cf"
    path.write_text(BAD)
    assert main(["rules", "lint", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    for line, (number, rule, severity, reason) in zip(lines, TOLD, strict=False):
        assert line.startswith(f"{path}:{number}: {severity}: {f'{rule}: ' if rule else ''}{reason}"), line
    counts = lines[len(TOLD) : -1]
    assert counts[0] == "     2 error       metas in a ring"
    assert sum(int(line.split()[0]) for line in counts) == len(TOLD)
    assert lines[-1].startswith("9 rules in 1 files; of 5 with a pattern 3 run")


def test_lint_strict_also_minds_what_is_not_run_here(tmp_path: Path) -> None:
    path = tmp_path / "own.cf"
    path.write_text("body FINE /x/\nbody NO_FUNCTION eval:nobody_knows()\n")
    assert main(["rules", "lint", "--quiet", str(path)]) == 0
    assert main(["rules", "lint", "--quiet", "--strict", str(path)]) == 1
    path.write_text("body FINE /x/\n")
    assert main(["rules", "lint", "--quiet", "--strict", str(path)]) == 0


@pytest.mark.parametrize("fast", [False, None])
def test_what_is_right_runs_beside_what_is_wrong(fast: bool | None) -> None:
    compiled = CompiledRules(read_text(BAD), cache="", fast=fast, timeout=0.02)
    found = compiled.run(Message(MAIL))
    assert set(found.hits) == {"TWICE", "FINE"}
    assert "CATASTROPHE" in found.cut_off
    assert compiled.timeouts["CATASTROPHE"] == 1


def test_the_chain_runs_unless_it_is_strict(tmp_path: Path) -> None:
    (tmp_path / "own.cf").write_text(BAD)
    config = tmp_path / "mailfilter.toml"
    config.write_text(f'[rules]\npaths = ["{tmp_path / "own.cf"}"]\ncache = "off"\n')
    names = {symbol.name for symbol in FilterChain.from_config(config).check(MAIL).symbols}
    assert {"FINE", "TWICE"} <= names
    config.write_text(config.read_text() + "strict = true\n")
    with pytest.raises(SettingError, match=r"own\.cf:1: error: UNCLOSED"):
        FilterChain.from_config(config)


def test_a_pattern_over_the_limit_is_reported_and_not_run() -> None:
    rules = read_text(f"body HUGE /{'abcdefgh' * 10_000}/\nbody FINE /words/\n")
    compiled = CompiledRules(rules, cache="", fast=False)
    assert [(fault.place.line, fault.rule, fault.severity) for fault in compiled.faults] == [
        (1, "HUGE", Severity.UNSUPPORTED)
    ]
    assert set(compiled.run(Message(MAIL)).hits) == {"FINE"}


def test_scores_and_flags_as_documented() -> None:
    rules = read_text(
        "body A /x/\nscore A 1 2 3 4\nscore A (1)\nbody B /x/\nscore B -0.5\nscore B (0.25) (0) (0) (0)\n"
        "body T_C /x/\nbody D /x/\ntflags D nice\nbody E /x/\ntflags E multiple maxhits=2\n"
        "header F eval:check_all_trusted()\ntflags F net learn noautolearn\nbody G /x/\npriority G -10\npriority G 5\n"
        "if (can(Mail::SpamAssassin::Conf::feature_registryboundaries))\nbody H /x/\nelse\nbody I /x/\nendif\n"
        "if version < 3\nif version > 1\nbody J /x/\nelse\nbody K /x/\nendif\nelse\nbody L /x/\nendif\n"
    )
    assert not rules.errors
    points = {name: rule.points for name, rule in rules.rules.items()}
    assert [*(rules.rules["A"].scores or ())] == [2, 3, 4, 5]
    assert (points["B"], points["T_C"], points["D"], points["G"]) == (-0.25, 0.01, -1.0, 1.0)
    assert (rules.rules["E"].max_hits, rules.rules["F"].is_net, rules.rules["G"].priority) == (2, True, 5)
    assert set(rules.rules) == set("ABDEFGHL") | {"T_C"}
    hits = CompiledRules(rules, cache="", fast=False).run(Message(b"Subject: x\n\nx x x x\n")).hits
    assert (hits["E"], hits["A"]) == (2, 1)
    assert "F" not in hits


@pytest.mark.parametrize("fast", [False, None])
def test_a_pattern_that_cannot_be_compiled_is_found_when_rules_are_loaded(tmp_path: Path, fast: bool | None) -> None:
    rules = read_text("body REPEATED /(?:a|b){2}{3}/\nmeta NOT !REPEATED\nbody FINE /words/\n")
    for _ in range(2):
        compiled = CompiledRules(rules, cache=str(tmp_path / "cache"), fast=fast)
        assert [(fault.place.line, fault.rule) for fault in compiled.errors] == [(1, "REPEATED")]
        assert compiled.unknown == {"REPEATED"}
        found = compiled.run(Message(MAIL))
        assert (set(found.hits), found.cut_off) == ({"FINE"}, ())


def test_strict_refuses_what_cannot_be_compiled_with_all_that_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "mailfilter.toml"
    config.write_text(f'[rules]\npaths = ["{tmp_path / "own.cf"}"]\ncache = "off"\nstrict = true\n')
    for text, wrong in (("body A /(?:a){2}{3}/\n", ["own.cf:1: error: A: pattern cannot be compiled"]),
                        ("body A /(?:a){2}{3}/\nbody B /(/\n", ["own.cf:1", "own.cf:2"]),
                        ("body A /x/\nbody B /y/\n", [])):  # fmt: skip
        (tmp_path / "own.cf").write_text(text)
        if not wrong:
            FilterChain.from_config(config)
            continue
        with pytest.raises(SettingError) as caught:
            FilterChain.from_config(config)
        assert len(caught.value.faults) == len(wrong)
        assert all(word in str(caught.value) for word in wrong)


def test_a_warning_names_the_first_error_and_how_to_see_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "own.cf").write_text(BAD)
    config = tmp_path / "mailfilter.toml"
    config.write_text(f'[rules]\npaths = ["{tmp_path / "own.cf"}"]\ncache = "off"\n')
    FilterChain.from_config(config)
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"{tmp_path / 'own.cf'}:1: error: UNCLOSED" in line
    assert "(and 7 errors more: see `mailfilter rules lint`)" in line
