"""Rule files: what is read, and what is said about what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.ruleset.reader import read_rules, read_text, rings
from mailfilter.ruleset.rules import Kind, RuleSet, Severity


def faults(rules: RuleSet, severity: Severity = Severity.ERROR) -> list[tuple[int, str, str]]:
    return [(fault.place.line, fault.rule, fault.reason) for fault in rules.faults if fault.severity is severity]


def test_a_rule_and_what_other_lines_say_of_it() -> None:
    rules = read_text(
        "score OWN 1 2 3 4\n"
        "header OWN From:addr !~ m{@example\\.org$}i [if-unset: none]\n"
        "describe OWN  Not from us # a comment\n"
        "tflags OWN multiple maxhits=3 nice\n"
        "priority OWN -5\n"
    )
    rule = rules.rules["OWN"]
    assert (rule.kind, rule.target, rule.negated, rule.if_unset) == (Kind.HEADER, "From:addr", True, "none")
    assert (rule.description, rule.points, rule.max_hits, rule.priority) == ("Not from us", 1.0, 3, -5)
    assert str(rule.place) == "rules.cf:2"
    assert not rules.faults


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("bodyy OWN /x/", "unknown directive"),
        ("body OWN", "syntax"),
        ("body 1OWN /x/", "syntax"),
        ("body OWN /x", "pattern cannot be read"),
        ("body OWN x", "pattern cannot be read"),
        ("body OWN /x/q", "pattern cannot be read"),
        ("body OWN /(x/", "pattern cannot be read"),
        ("body OWN /a/b/", "pattern cannot be read"),
        ("body OWN /(?{die})/", "pattern cannot be read"),
        ("header OWN From:wrong =~ /x/", "syntax"),
        ("header OWN exists:a b", "syntax"),
        ("meta OWN A && (B", "expression cannot be read"),
        ("meta OWN A ; B", "expression cannot be read"),
        ("score OWN x", "syntax"),
        ("score OWN 1 2", "syntax"),
        ("tflags OWN", "syntax"),
        ("priority OWN x", "syntax"),
        ("replace_tag A", "syntax"),
        ("if version >", "condition cannot be read"),
        ("endif", "syntax"),
        ("include", "syntax"),
        ("include /no/such/file.cf", "cannot be read"),
        ("header OWN eval:f(", "syntax"),
        ("body OWN eval:f(a b)", "syntax"),
    ],
)
def test_a_wrong_line_is_named_with_its_place_and_the_rest_still_counts(line: str, reason: str) -> None:
    rules = read_text(f"body FINE /x/\n{line}\nendif\n" if line.startswith("if") else f"body FINE /x/\n{line}\n")
    assert [(number, why) for number, _, why in faults(rules)] == [(2, reason)]
    assert list(rules.rules) == ["FINE"]


def test_what_is_harmless_is_noted() -> None:
    rules = read_text(
        "body OWN /x/\nbody OWN /y/\nscore NONE 1\ndescribe NONE x\ntflags NONE net\npriority NONE 1\n"
        "replace_rules NONE\nmeta M NONE && OWN\nuse_bayes 1\nuse_bayes 0\ntflags OWN odd\ntest OWN ok x\n"
    )
    assert faults(rules) == []
    assert faults(rules, Severity.NOTE) == [
        (2, "OWN", "duplicate name"),
        (3, "NONE", "score for a missing rule"),
        (4, "NONE", "describe for a missing rule"),
        (5, "NONE", "tflags for a missing rule"),
        (6, "NONE", "priority for a missing rule"),
        (7, "NONE", "replace_rules for a missing rule"),
        (8, "M", "meta names what does not exist"),
        (9, "", "setting without a meaning here"),
        (11, "OWN", "unknown tflag"),
    ]
    assert [fault.times for fault in rules.faults if fault.place.line == 9] == [2]
    assert rules.rules["OWN"].pattern is not None
    assert rules.rules["OWN"].pattern.source == "/y/"


def test_metas_in_a_ring_are_named_and_so_is_what_waits_for_them() -> None:
    rules = read_text("meta A B\nmeta B C\nmeta C A\nmeta D A || FINE\nbody FINE /x/\nmeta E FINE\n")
    assert {rule for _, rule, reason in faults(rules) if reason == "metas in a ring"} == {"A", "B", "C", "D"}
    assert rings({"A": ["A"], "B": []}) == ["A"]


def test_unsupported_rules_are_reported_each() -> None:
    rules = read_text(
        "body OWN eval:check_something('a', 2)\nheader NET eval:check_rbl('x','y.example')\ntflags NET net\n"
        "uri CAPTURED m|/%{NAME}|\nheader HERE eval:check_for_missing_to_header()\n"
    )
    assert [(rule, reason) for _, rule, reason in faults(rules, Severity.UNSUPPORTED)] == [
        ("OWN", "function without its facts here"),
        ("NET", "asks the network"),
        ("CAPTURED", "uses text that no rule captures"),
    ]
    assert rules.rules["OWN"].arguments == ("a", "2")


def test_conditions() -> None:
    text = (
        "if (version >= 3.004002)\nbody NEW /x/\nelse\nbody OLD /x/\nendif\n"
        "ifplugin Mail::SpamAssassin::Plugin::MIMEHeader\nmimeheader MIME Content-Type =~ /x/\nendif\n"
        "ifplugin Mail::SpamAssassin::Plugin::Nobody\nbody NOBODY /x/\nif version\nbody IN /x/\nendif\nendif\n"
        "if !plugin(Mail::SpamAssassin::Plugin::Nobody) && can(Mail::SpamAssassin::Conf::feature_bug6558_free)\n"
        "body BOTH /x/\nendif\nloadplugin Mail::SpamAssassin::Plugin::Nobody\n"
        "ifplugin Mail::SpamAssassin::Plugin::Nobody\nbody LOADED /x/\nendif\n"
    )
    rules = read_text(text)
    assert list(rules.rules) == ["NEW", "MIME", "BOTH", "LOADED"]
    assert not rules.faults
    assert faults(read_text("if version\nbody A /x/\n")) == [(1, "", "condition without endif")]


def test_languages() -> None:
    text = "describe OWN english\nlang de describe OWN deutsch\nlang en_US describe OWN american\nbody OWN /x/\n"
    assert read_text(text).rules["OWN"].description == "american"
    assert read_text(text, lang="de_DE").rules["OWN"].description == "deutsch"


def test_tags() -> None:
    rules = read_text(
        "replace_tag A [a4]\nreplace_tag N <A>n\nreplace_inter I -?\nreplace_post P +\nreplace_pre B \\b\n"
        "body ONE /<A><A>x/\nbody TWO /<inter I><post P>x<A><A>y/i\nbody THREE /<N>/\nbody FOUR /<pre B>x<A>/\n"
        "body FIVE /<a b>/\nbody SIX /<A>/\nreplace_rules ONE TWO THREE FOUR FIVE\n"
    )
    exact = {name: rule.pattern.exact for name, rule in rules.rules.items() if rule.pattern}
    assert exact["ONE"] == b"[a4][a4]x"
    assert exact["TWO"] == b"x[a4]+-?[a4]+y"
    assert exact["THREE"] == b"[a4]n"
    assert exact["FOUR"] == b"x\\b[a4]"
    assert exact["FIVE"].replace(b"\\", b"") == b"<a b>"
    assert exact["SIX"] == b"<A>"


def test_files_folders_and_includes(tmp_path: Path) -> None:
    (tmp_path / "b.cf").write_text("body B /x/\ninclude more/c.inc\n")
    (tmp_path / "a.cf").write_bytes(b"body A /caf\xe9/\n")
    (tmp_path / "z.pre").write_text("loadplugin Mail::SpamAssassin::Plugin::Own\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "c.inc").write_text("ifplugin Own\nbody C /x/\nendif\ninclude c.inc\n")
    rules = read_rules([tmp_path])
    assert list(rules.rules) == ["A", "B", "C"]
    assert {reason for _, _, reason in faults(rules)} == {"includes in a ring"}
    assert rules.rules["A"].pattern is not None
    assert rules.rules["A"].pattern.exact == b"caf\\xe9"
    assert faults(read_rules([tmp_path / "none.cf", tmp_path / "more"])) != []


def test_rules_matching_is_spelled_out() -> None:
    rules = read_text("body __A_1 /x/\nbody __A_2 /x/\nmeta __A_SUM rules_matching(__A_*) > 1\n")
    assert rules.rules["__A_SUM"].expression == "(__A_1 + __A_2) > 1"


WORDS = st.sampled_from(
    ["header", "body", "meta", "score", "if", "else", "endif", "tflags", "OWN", "A && B", "/x/", "eval:f()", "=~", "From",  # noqa: E501
     "replace_tag", "describe", "lang", "(", "rules_matching(*)", "1", "include x", "\\", "[", "{", "%{A}", "\n", "#"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=60).map(" ".join)))
def test_any_text_gives_rules_and_faults(text: str) -> None:
    rules = read_text(text)
    assert all(str(fault) for fault in rules.faults)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_rules_and_faults(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("rules") / "own.cf"
    path.write_bytes(data)
    read_rules([path])
