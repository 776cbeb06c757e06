"""``(?<NAME>…)`` and ``%{NAME}``: what rules capture and what others look for, as in SpamAssassin."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.message import Message
from mailfilter.ruleset.compiled import CompiledRules
from mailfilter.ruleset.reader import read_text
from mailfilter.ruleset.rules import Severity
from mailfilter.ruleset.templates import asked, filled, is_turned, widened

from . import spamassassin

RULES = r"""
util_rb_tld com net
body __HELLO /\bHello, (?<HELLO_NAME>\w+)\b/
header IN_FROM From =~ /\b%{HELLO_NAME}\b/i
header NOT_IN_FROM From !~ /\b%{HELLO_NAME}\b/i
header AHEAD From =~ /^(?!.*%{HELLO_NAME})/i
header UNSET X-Not-There =~ /^%{HELLO_NAME}$/ [if-unset: Joe]
header __TO To:addr =~ /(?<TO_ADDR>.*)/
body TO_TWICE /%{TO_ADDR}/
tflags TO_TWICE multiple
body TO_NO_SUBJECT /^.{0,40}%{TO_ADDR}/
tflags TO_NO_SUBJECT nosubject
uri TO_URI m|^https?://[^/]*/.*\#%{TO_ADDR}|i
rawbody TO_RAW /=.?%{TO_ADDR}/
full TO_FULL /^To: %{TO_ADDR}$/m
body LITERAL /a %\{TO_ADDR\}/
body HEADER_TAG /\(%{HEADER(From:name)}\)/
body DOMAIN /\@%{AUTHORDOMAIN}/
body SENDER /\@%{SENDERDOMAIN}/
body __MANY /code (?<CODE>\d+)/
tflags __MANY multiple maxhits=2
header CODE_SUBJECT Subject =~ /code %{CODE}$/
body __ONE /first (?<FIRST>\d+)/
header FIRST_SUBJECT Subject =~ /first %{FIRST}\b/
header __TWO Subject =~ /(?:(?<TWO>one|two))+/
body TWO_BODY /^says %{TWO}/
header __BOTH_NUMBERS Subject =~ /both (?<NUMBER>\w+) and (?<NUMBER>\w+)/
body NUMBERS /^%{NUMBER} %{NUMBER}\b/
uri __HOST m|^https?://(?<URI_HOST>[^/]+)|
header HOST_SUBJECT Subject =~ /%{URI_HOST}/
body __CHAIN /for %{TO_ADDR}: (?<CHAIN>\w+)/
body CHAINED /again %{CHAIN}/
header __EARLY Subject =~ /%{CODE}(?<EARLY>.)/
body LATE /%{EARLY}/
meta BOTH IN_FROM && TO_TWICE
meta NEITHER !IN_FROM && !TO_TWICE
mimeheader __NAMED Content-Type =~ /name="(?<NAMED>[^"]+)"/
body NAME_TOLD /file %{NAMED}/
body OFF_GIVER /ab(?<GONE>c)/
score OFF_GIVER 0
body GONE_USER /%{GONE}/
"""
_HEAD = b"From: Joe Doe <joe@example.net>\nTo: me+1@example.com\n"
_URIS = b"http://www.example.com/a/b#me+1@example.com\n"
MAILS = {
    "all": _HEAD + b"Subject: a code 22\n\nHello, Joe code 11 code 22 code 33\nme+1@example.com or me+1@example.com or "
    b"me-1@example.com x=me+1@example.com\n\n(Joe Doe)\n\njoe@example.net\n\na %{TO_ADDR}\n" + _URIS,
    "other": _HEAD + b"Subject: code 33 www.example.com\n\nHello, Jim. abc code 1 code 2 code 33\n" + _URIS,
    "none": _HEAD + b"Subject: me+1@example.com\n\nnothing\n",
    "no_to": b"From: Joe <joe@example.net>\nSubject: x\n\nHello, Joe, me+1@example.com http://example.com/#y\n",
    "dots": b"To: a.b@example.com\nSubject: s\n\naxb@example.com\n",
    "first": b"Subject: first 2\n\nfirst 1\n\nfirst 2\n",
    "first_too": b"Subject: first 1\n\nfirst 1 and first 2\n",
    "two": b"Subject: onetwo\n\nsays one\n",
    "two_too": b"Subject: onetwo\n\nsays two\n",
    "three": b"Subject: both three and four\n\nfour three\n",
    "chain": _HEAD + b"Subject: s\n\nfor me+1@example.com: word\n\nagain word\n",
    "unchained": _HEAD + b"Subject: s\n\nfor me-1@example.com: word\n\nagain word\n",
    "envelope": b"Return-Path: <a@sender.example>\n" + _HEAD + b"Subject: s\n\nask x@sender.example\n",
    "meta": b"To: (x)[y] <q@example.com>\nSubject: ($&|*+)\n\nq@example.com\n",
    "parts": b"Subject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n"
    b'see the file a(b.pdf\n\n--b\nContent-Type: application/pdf; name="a(b.pdf"\n\nx\n--b--\n',
    "latin": "To: \xe9@example.com\nSubject: s\n\nfor \xe9@example.com\n".encode(),
}
HITS = {
    "all": "BOTH*4 CODE_SUBJECT DOMAIN HEADER_TAG IN_FROM LITERAL TO_FULL TO_NO_SUBJECT TO_RAW TO_TWICE*4 TO_URI UNSET "
    "__HELLO __HOST __MANY*2 __TO",
    "other": "AHEAD HOST_SUBJECT NOT_IN_FROM TO_FULL TO_TWICE TO_URI __HELLO __HOST __MANY*2 __TO",
    "none": "TO_FULL TO_TWICE __TO",
    "no_to": "IN_FROM UNSET __HELLO __HOST __TO",
    "dots": "NEITHER TO_FULL __TO",
    "first": "FIRST_SUBJECT NEITHER __ONE __TO",
    "first_too": "FIRST_SUBJECT NEITHER __ONE __TO",
    "two": "NEITHER __TO __TWO",
    "two_too": "NEITHER TWO_BODY __TO __TWO",
    "three": "NEITHER NUMBERS __BOTH_NUMBERS __TO",
    "chain": "CHAINED TO_FULL TO_NO_SUBJECT TO_TWICE __CHAIN __TO",
    "unchained": "NEITHER TO_FULL __TO",
    "envelope": "NEITHER SENDER TO_FULL __TO",
    "meta": "TO_NO_SUBJECT TO_TWICE __TO",
    "parts": "NAME_TOLD NEITHER __NAMED __TO",
    "latin": "TO_FULL TO_NO_SUBJECT TO_TWICE __HOST __TO",
}
"""What SpamAssassin 4.0.1 hits in each, ``*N`` for N times."""


def hits(name: str) -> dict[str, int]:
    words = (word.partition("*") for word in HITS[name].split())
    return {rule: int(times or 1) for rule, _, times in words}


@pytest.fixture(scope="module", params=[False, None], ids=["slow", "fast"])
def compiled(request: pytest.FixtureRequest) -> CompiledRules:
    return CompiledRules(read_text(RULES), cache="", fast=request.param)


def test_every_rule_hits_somewhere_and_not_everywhere() -> None:
    rules = read_text(RULES)
    assert not rules.errors
    every = [name for mail in MAILS for name in hits(mail)]
    for name in rules.rules:
        if name not in ("LATE", "__EARLY", "GONE_USER", "OFF_GIVER", "__TO"):
            assert 0 < every.count(name) < len(MAILS), name


@pytest.mark.parametrize("name", MAILS)
def test_what_hits_is_what_hits_in_spamassassin(compiled: CompiledRules, name: str) -> None:
    found = compiled.run(Message(MAILS[name]))
    assert {rule: int(worth) for rule, worth in found.hits.items()} == hits(name)
    assert not found.cut_off
    few = compiled.run(Message(MAILS[name]), subrules=False).hits
    assert {rule for rule in few if not rule.startswith("__")} == {rule for rule in hits(name) if rule[0] != "_"}


@pytest.mark.parametrize("name", ["all", "other", "three"])
def test_spamassassin_still_says_so(tmp_path: Path, name: str) -> None:
    spamassassin.required()
    # A process of its own for each mail: SpamAssassin's patterns keep what the first mail captured (Perl's /o).
    assert spamassassin.hits(tmp_path, {"rules.cf": RULES}, {name: MAILS[name]}) == {name: hits(name)}


def test_nothing_is_captured_where_nobody_could_hit(compiled: CompiledRules, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = read_text("header __TO To:addr =~ /(?<TO_ADDR>.*)/\nbody ASKS /code %{TO_ADDR} only/\n")
    compiled = CompiledRules(rules, cache="", fast=False)
    monkeypatch.setattr(compiled.captures, "captured", None)
    assert set(compiled.run(Message(MAILS["all"])).hits) == {"__TO"}


def test_what_nobody_captures_is_reported_and_not_known() -> None:
    rules = read_text("body A /x %{NOT_THERE}%{HEADER(Subject)} %{NOR_THIS}/\nmeta B !A\nbody C /[%{NOT_THERE}]/\n")
    told = [(fault.rule, fault.severity, fault.reason, fault.detail) for fault in rules.faults]
    assert told == [
        ("A", Severity.UNSUPPORTED, "uses text that no rule captures", "%{NOT_THERE}, %{NOR_THIS}"),
        ("C", Severity.ERROR, "pattern cannot be read", "a template within a class of characters"),
    ]
    compiled = CompiledRules(rules, cache="", fast=False)
    assert compiled.unknown == {"A"}
    assert not compiled.run(Message(MAILS["all"])).hits


def test_who_asks_a_rule_that_is_not_run_here_is_not_known_either() -> None:
    text = f"body __TOO_LONG /(?<LONG>a)|{'abcdefgh' * 10_000}/\nbody ASKS /b%{{LONG}}/\nmeta NOT !ASKS\n"
    compiled = CompiledRules(read_text(text), cache="", fast=False)
    assert compiled.unknown == {"__TOO_LONG", "ASKS"}
    assert not compiled.run(Message(b"Subject: x\n\nba\n")).hits


def test_much_captured_text_is_cut_off_and_slow_captures_as_well() -> None:
    rules = read_text(
        "full __ALL /(?<ALL>a+)/\nfull ASKS /%{ALL}/\nfull __SLOW /(?<SLOW>(x+x+)+)y(?!!)/\nfull ASKS_TOO /%{SLOW}/\n"
    )
    compiled = CompiledRules(rules, cache="", fast=False, timeout=0.02)
    assert compiled.run(Message(b"Subject: s\n\n" + b"a" * 5000)).cut_off == ("ASKS",)
    assert "__SLOW" in compiled.run(Message(b"Subject: s\n\n" + b"x" * 5000 + b"y!")).cut_off


@given(st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=3), st.binary(max_size=30))
def test_captured_text_is_taken_literally(values: list[bytes], around: bytes) -> None:
    from mailfilter.ruleset.exact import Exact
    from mailfilter.ruleset.patterns import translate

    exact = Exact("R", translate(filled("\\A%{A_1}", lambda name: values)))
    assert all(exact.compiled.match(value + around) for value in values)
    assert bool(exact.compiled.match(around)) is around.startswith(tuple(values))


@pytest.mark.parametrize(
    ("body", "names", "turned"),
    [
        ("x%{A}y%{B_2}%{A}", ("A", "B_2"), False),
        (r"\%{A} %{a} %{A_} %{} %{_A} a{2}", (), False),
        ("(?!x)%{A}(?<!y)", ("A",), False),
        ("(?!x(?:y%{A}))", ("A",), True),
        ("(?<!%{A})", ("A",), True),
        (r"\(?!%{A}", ("A",), False),
        (r"[(?!]%{A}", ("A",), False),
        ("%{HEADER(From:addr)}", ("HEADER(From:addr)",), False),
    ],
)
def test_templates_in_patterns(body: str, names: tuple[str, ...], turned: bool) -> None:
    assert asked(body) == names
    assert is_turned(body) is turned
    assert not asked(widened(body))


@pytest.mark.parametrize(
    ("pattern", "text", "hits"),
    [
        ("see (?:%{WORD})?end", "see end", True),
        ("see (?:%{WORD}|some)end", "see someend", True),
        ("see (?:%{WORD})+end", "see ABCabcend", True),
        ("see %{WORD}end", "see Abcend", False),
        ("see %{WORD}(?i:end)", "see abcEND", True),
    ],
)
def test_what_a_template_stands_for_is_looked_for_first_only_where_it_must_be_there(
    pattern: str, text: str, hits: bool
) -> None:
    rules = read_text(f"header __WORD Subject =~ /(?<WORD>\\w+)/\nbody OWN /{pattern}/{'i' * ('ABC' in text)}\n")
    compiled = CompiledRules(rules, cache="", fast=False)
    assert ("OWN" in compiled.run(Message(f"Subject: abc\n\n{text}\n".encode())).hits) is hits
