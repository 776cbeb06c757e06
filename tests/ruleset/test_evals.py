"""Functions of eval: rules, each against what SpamAssassin 4.0.1 says of mails that we wrote for it.

``eval_rules.cf`` has one rule and more for each function, ``eval_mails.json`` the mails, ``eval_hits.json`` what
SpamAssassin hits in each; where it is installed it is asked again.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.envelope import Envelope
from mailfilter.message import Message
from mailfilter.ruleset.compiled import CompiledRules
from mailfilter.ruleset.evals import BY_NAME, FUNCTIONS
from mailfilter.ruleset.evals._common import globs
from mailfilter.ruleset.reader import read_rules, read_text
from mailfilter.ruleset.rules import Severity

from . import spamassassin

HERE = Path(__file__).parent
RULES = read_rules([HERE / "eval_rules.cf"])
MAILS: dict[str, bytes] = {
    name: text.encode("latin-1") for name, text in json.loads((HERE / "eval_mails.json").read_text()).items()
}
HITS: dict[str, list[str]] = json.loads((HERE / "eval_hits.json").read_text())


@pytest.fixture(scope="module")
def compiled() -> CompiledRules:
    return CompiledRules(RULES, cache="", fast=False)


def test_every_function_has_a_rule_that_hits_and_a_mail_that_it_does_not_hit() -> None:
    assert {rule.function for rule in RULES.rules.values()} == FUNCTIONS
    asked = {(rule.function, rule.arguments[0]) for rule in RULES.rules.values() if rule.function in BY_NAME}
    untold = {("check_for_mime", "mime_body_html_count"), ("check_for_mime", "mime_body_text_count"),
              ("html_eval", "image_area"), ("html_eval", "max_size"), ("html_range", "image_area")}  # fmt: skip
    assert asked == {(function, name) for function, names in BY_NAME.items() for name in names} - untold
    assert not RULES.faults
    hits = [name for names in HITS.values() for name in names]
    for name in RULES.rules.keys() - {"FAR_HTML", "BOUNCE"}:
        assert 0 < hits.count(name) < len(MAILS), name
    assert hits.count("FAR_HTML") == 0  # SpamAssassin loses what the function asks for
    assert hits.count("BOUNCE") == len(MAILS)  # a fact of the settings


@pytest.mark.parametrize("name", MAILS)
def test_hits_are_those_of_spamassassin(compiled: CompiledRules, name: str) -> None:
    assert sorted(set(compiled.run(Message(MAILS[name])).hits)) == HITS[name]


@pytest.mark.parametrize("name", ["plain", "alt_rel", "iframe", "b64_77", "free_body"])
def test_line_ends_change_nothing(compiled: CompiledRules, name: str) -> None:
    mail = MAILS[name].replace(b"\n", b"\r\n")
    ours = set(compiled.run(Message(mail)).hits) ^ set(HITS[name])
    assert not ours - {"LENGTH_40"}


def test_spamassassin_still_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spamassassin.required()
    monkeypatch.setenv("LC_ALL", "C")
    hits = spamassassin.hits(tmp_path, {"eval_rules.cf": (HERE / "eval_rules.cf").read_text()}, MAILS)
    assert {name: sorted(found.keys() & RULES.rules.keys()) for name, found in hits.items()} == HITS


def test_without_places_no_charset_is_far() -> None:
    text = (
        "header A eval:check_for_faraway_charset_in_headers()\n"
        "rawbody B eval:check_for_mime('mime_faraway_charset')\n"
    )
    raws = [MAILS[name] for name in ("far_subject", "far_text", "far_plain")]
    for places, found in (("", 0), ("ok_locales all\n", 0), ("ok_locales ru\n", 1), ("ok_locales en\n", 3)):
        compiled = CompiledRules(read_text(places + text), cache="", fast=False)
        assert sum(len(compiled.run(Message(raw)).hits) for raw in raws) == found, places


def test_alternatives_of_many_words_take_no_longer() -> None:
    function = "eval:multipart_alternative_difference"
    text = f"body A {function}('99','100')\nbody B {function}('9','20')\n"
    words = b" ".join(b"w%d" % number for number in range(10_000))
    head = b"Content-Type: multipart/alternative; boundary=b\n\n--b\n\n"
    raw = head + words + b"\n--b\nContent-Type: text/html\n\n" + words + b"\n" + words + b"\n--b--\n"
    start = time.process_time()
    assert set(CompiledRules(read_text(text), cache="", fast=False).run(Message(raw)).hits) == {"A"}
    assert time.process_time() - start < 5


@pytest.mark.parametrize("name", ["check_for_uppercase", "similar_recipients", "check_welcomelist_bounce_relays"])
def test_much_of_a_kind_takes_no_longer(name: str) -> None:
    rules = f"welcomelist_bounce_relays *.x\nbody A eval:{name}('0.1','99')\n"
    more = "rawbody B eval:check_for_mime('mime_qp_count')\n"
    compiled = CompiledRules(read_text(rules + more), cache="", fast=False)
    raw = b"To: %b\nContent-Transfer-Encoding: quoted-printable\n\n" % b", ".join([b"a%d@x.y" % n for n in range(3000)])
    for body in (b"=20" * 300_000, b"Received: a.b " * 60_000, b"Received: x\n y\n" * 60_000, b" A" * 400_000):
        start = time.process_time()
        compiled.run(Message(raw + body))
        assert time.process_time() - start < 5


def test_a_function_asked_for_facts_that_are_not_here_is_reported_with_its_argument() -> None:
    rules = read_text(
        "body OWN eval:html_test('font_low_contrast')\nrawbody TWO eval:check_for_mime('mimepart_limit_exceeded')\n"
        "body THREE eval:html_test()\nbody FOUR eval:html_test('html')\n"
    )
    told = [(fault.rule, fault.severity, fault.detail) for fault in rules.faults]
    unsupported = Severity.UNSUPPORTED
    assert told == [
        ("OWN", unsupported, "html_test(font_low_contrast)"),
        ("TWO", unsupported, "check_for_mime(mimepart_limit_exceeded)"),
        ("THREE", unsupported, "html_test()"),
    ]
    assert set(CompiledRules(rules, cache="", fast=False).running) == {"FOUR"}


@pytest.mark.parametrize("arguments", ["", "'x'", "'Subject'", "'Subject','x','y'", "'undef','undef','undef'"])
def test_arguments_that_make_no_sense_never_raise(arguments: str) -> None:
    text = "".join(f"body F{n} eval:{name}({arguments})\n" for n, name in enumerate(sorted(FUNCTIONS)))
    compiled = CompiledRules(read_text(text), cache="", fast=False)
    for raw in (b"", MAILS["img_all"], MAILS["free_body"], MAILS["outlook"]):
        compiled.run(Message(raw))


def test_a_bad_pattern_among_the_arguments_never_hits() -> None:
    rules = read_text("body A eval:html_text_match('title', '(x')\nheader B eval:check_freemail_from('(x')\n")
    assert [(fault.rule, fault.reason) for fault in rules.errors] == [
        ("A", "pattern cannot be read"), ("B", "pattern cannot be read"),
    ]  # fmt: skip
    compiled = CompiledRules(rules, cache="", fast=False)
    assert not compiled.run(Message(MAILS["title"])).hits


def test_a_slow_pattern_among_the_arguments_is_cut_off() -> None:
    rules = read_text("body A eval:html_text_match('title', '(x+x+)+y(?!!)!')\n")
    title = b"<title>" + b"x" * 5000 + b"</title>"
    raw = b"Content-Type: text/html\n\n" + title * 50
    start = time.process_time()
    assert not CompiledRules(rules, cache="", fast=False).run(Message(raw)).hits
    assert time.process_time() - start < 3


def test_whom_the_mail_alone_names_is_not_welcome() -> None:
    rules = read_text("welcomelist_from a@example.net\nheader W eval:check_from_in_welcomelist()\n")
    assert [(fault.place.line, fault.severity) for fault in rules.faults] == [(1, Severity.UNSUPPORTED)]
    assert not CompiledRules(rules, cache="", fast=False).run(Message(MAILS["plain"])).hits


def test_a_welcome_sender_is_believed_only_from_his_host(compiled: CompiledRules) -> None:
    mail = Message(b"From: friend@welcome.example\n\nhello\n")
    for client, welcome in (
        ("mail.welcome.example", True),
        ("welcome.example", True),
        ("mail.unwelcome.example", False),
    ):
        envelope = Envelope(client_ip="192.0.2.1", helo=client, client_name=client)
        assert ("FROM_WELCOME" in compiled.run(mail, envelope).hits) is welcome


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("enlist_addrlist NAME a@b", "needs a (name)"),
        ("enlist_uri_host (X)", "needs a (name)"),
        ("welcomelist_from_rcvd a@b", "needs an address and a domain"),
        ("blocklist_from", "needs words"),
        ("blocklist_subject", "needs a text"),
        ("delist_uri_host", "needs hosts"),
    ],
)
def test_wrong_lists_are_named(line: str, wrong: str) -> None:
    rules = read_text(line + "\n")
    assert [(fault.place.line, fault.reason) for fault in rules.errors] == [(1, "syntax")]
    assert wrong in rules.errors[0].detail


def test_old_names_of_lists_and_removal() -> None:
    rules = read_text("blacklist_from A@b c@d\nunblacklist_from a@b\nwhitelist_uri_host x.example\n")
    assert rules.lists == {"blocklist_from": {"c@d"}, "uri(welcome)": {"x.example"}}


@given(st.text("ab.@", max_size=8), st.text("ab*?.@", min_size=1, max_size=8))
def test_globs_are_those_of_a_shell(text: str, word: str) -> None:
    from fnmatch import fnmatchcase

    assert globs(frozenset((word,)))(text) is fnmatchcase(text, word)


def test_many_stars_take_no_longer() -> None:
    start = time.process_time()
    assert not globs(frozenset(("*a" * 200 + "b",)))("a" * 20_000)
    assert time.process_time() - start < 2
