"""The language of rule files, each feature: hits are those of SpamAssassin 4.0.1, which is asked again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailfilter.message import Message
from mailfilter.ruleset.compiled import CompiledRules
from mailfilter.ruleset.reader import read_rules, read_text
from mailfilter.ruleset.rules import Severity

from . import spamassassin

RULES = r"""
# comment
util_rb_tld com net org
header H_ADDR From:addr =~ /^joe\@example\.net$/
header H_NAME From:name =~ /^Joe D\xc3\xb6e$/
header H_RAW Subject:raw =~ /=\?/
header H_DEC Subject =~ /sch\xc3\xb6n/
header H_ALL ALL =~ /^X-Two: b/m
header H_TOCC ToCc =~ /c\@example\.org/
header H_MID MESSAGEID =~ /<1\@x>/
header H_EX exists:X-Two
header H_EX2 exists:X-Three
header H_UNSET X-Four =~ /^UNSET$/ [if-unset: UNSET]
header H_NOT Subject !~ /nothing/
header H_NOT2 X-Nope !~ /x/
header H_FIRST X-Two:first =~ /^a/
header H_LAST X-Two:last =~ /^b/
header H_RELAY X-Spam-Relays-Untrusted =~ / helo=out\.example\.net /
header H_RELAYT X-Spam-Relays-External =~ / ip=192\.0\.2\.5 /
header H_DOMAIN From:addr:domain =~ /^example\.net$/
header H_HOST From:addr:host =~ /^example\.net$/
body B_TWICE /word/
tflags B_TWICE multiple
body B_MAX /word/
tflags B_MAX multiple maxhits=2
body B_NOSUBJ /schoen/
tflags B_NOSUBJ nosubject
body B_NICE /word/
tflags B_NICE nice
body B_FOUR /word/
score B_FOUR 0 1 0 1
body B_FOUR2 /word/
score B_FOUR2 1 0 0 0
body B_ZERO /word/
score B_ZERO 0
rawbody R_ONE /<b>/
full F_ONE /^MIME-Version/m
uri U_ONE /^http:\/\/www\.example\.com\/x$/
mimeheader M_ONE Content-Type =~ /text\/html/
meta M_SUM (B_TWICE + B_MAX > 3)
meta M_CNT B_MAX == 2
meta M_AND B_TWICE && !R_NONE
rawbody R_NONE /nowhere to be found/
meta M_MATCH (rules_matching(H_EX*) == 1)
meta M_MATCH2 rules_matching(B_*) > 2
meta M_TERN (B_TWICE > 9) || (B_MAX * 2 == 4)
if can(Mail::SpamAssassin::Conf::feature_capture_rules)
body I_CAN /word/
else
body I_CANNOT /word/
endif
if (version >= 3.004001) && (version < 5)
body I_VERSION /word/
if (version > 4.1)
body I_NESTED /word/
else
body I_NESTED_ELSE /word/
endif
endif
if !can(Mail::SpamAssassin::Conf::feature_nonsense)
body I_NOTCAN /word/
endif
if can(Mail::SpamAssassin::Plugin::NoSuch)
body I_NOPLUGIN /word/
endif
ifplugin Mail::SpamAssassin::Plugin::MIMEEval
body I_PLUGIN /word/
endif
ifplugin Mail::SpamAssassin::Plugin::Nowhere
body I_PLUGIN_NO /word/
else
body I_PLUGIN_ELSE /word/
endif
if has(Mail::SpamAssassin::Plugin::DNSEval::has_check_rbl_headers)
body I_HAS /word/
endif
if plugin(Mail::SpamAssassin::Plugin::HTMLEval)
body I_PLUG /word/
endif
if perl_version >= 5.010
body I_PERL /word/
endif
include more/included.cf
ifplugin Mail::SpamAssassin::Plugin::ReplaceTags
replace_start <
replace_end >
replace_tag A [a\@4]
replace_tag B (?:b|8)
replace_pre P1 x
replace_inter I1 [-_]?
replace_post Q1 +
body T_ONE /<A><B>c/
body T_INTER /<inter I1><A><B><A>/
body T_POST /<post Q1><A>z/
body T_PRE /<pre P1><A>y/
body T_NOTAG /<A>/
replace_rules T_ONE T_INTER T_POST T_PRE
endif
lang en body L_EN /word/
lang de body L_DE /word/
body D_TWICE /nope/
body D_TWICE /word/
body P_ONE /word/
priority P_ONE -5
header E_MIME eval:check_for_missing_to_header()
meta RING1 RING2
meta RING2 RING1 || B_TWICE
meta NOBODY NOT_THERE && B_TWICE
meta NOBODY2 NOT_THERE || B_TWICE
meta NOBODY3 !NOT_THERE
body X_FLAG m{ w o r d }x
body X_CASE m!WORD!i
body X_HASH /a \# b/
body X_OCT /w\157rd/
test X_HASH ok whatever
score NOT_THERE 3
describe NOT_THERE too
"""
INCLUDED = "body INCLUDED /word/\n"
MAILS = {
    "one": b"Received: from out.example.net (out.example.net [192.0.2.5]) by mx.example.org with ESMTP id a; "
    b"Mon, 2 Jan 2023 10:00:00 +0000\n"
    b"From: =?utf-8?q?Joe_D=C3=B6e?= <joe@example.net>\nTo: a@example.org\nCc: c@example.org\n"
    b"Message-Id: <1@x>\nSubject: =?utf-8?q?sch=C3=B6n_schoen?=\nX-Two: a\nX-Two: b\nMIME-Version: 1.0\n"
    b"Content-Type: text/html\n\n"
    b'<b>word</b> word word aab4 <A> 4bc a-b-a aaaz xay <a href="http://www.example.com/x">y</a> a # b a.b\n',
    "two": b"From: x@y.com\nSubject: nothing\n\nno w0rd a_8_4 axy axb <A>y @@z\n",
    "three": b"From: a <x@y.com>, joe@example.net\nX-Four: UNSE\nX-Two: b\nSubject: schoen\n\nword\n",
}
HITS = {
    "one": "B_FOUR2 B_MAX*2 B_NICE B_TWICE*3 D_TWICE F_ONE H_ADDR H_ALL H_DEC H_DOMAIN H_EX H_FIRST H_HOST "
    "H_LAST H_MID H_NAME H_NOT H_NOT2 H_RAW H_RELAY H_RELAYT H_TOCC H_UNSET INCLUDED I_CAN I_NESTED_ELSE "
    "I_NOTCAN I_PERL I_PLUG I_PLUGIN I_PLUGIN_ELSE I_VERSION L_EN M_AND M_CNT M_MATCH M_MATCH2 M_ONE "
    "M_SUM M_TERN NOBODY2*3 NOBODY3 P_ONE R_ONE T_INTER T_ONE T_POST T_PRE U_ONE X_CASE X_FLAG X_HASH "
    "X_OCT",
    "two": "E_MIME H_NOT2 H_UNSET NOBODY3 T_INTER T_NOTAG T_POST",
    "three": "B_FOUR2 B_MAX B_NICE B_TWICE D_TWICE E_MIME H_ALL H_EX H_LAST H_NOT H_NOT2 INCLUDED I_CAN "
    "I_NESTED_ELSE I_NOTCAN I_PERL I_PLUG I_PLUGIN I_PLUGIN_ELSE I_VERSION L_EN M_AND M_MATCH M_MATCH2 "
    "NOBODY2 NOBODY3 P_ONE X_CASE X_FLAG X_OCT",
}
"""What SpamAssassin hits in each, ``*N`` for N times."""


def test_hits_are_those_of_spamassassin(tmp_path: Path) -> None:
    path = tmp_path / "a.cf"
    path.write_text(RULES, "latin-1")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "included.cf").write_text(INCLUDED)
    rules = read_rules([path])
    assert {fault.reason for fault in rules.errors} == {"metas in a ring"}
    assert rules.files == (str(path), str(tmp_path / "more" / "included.cf"))
    for fast in (False, None):
        compiled = CompiledRules(rules, cache="", fast=fast)
        ours = {name: compiled.run(Message(raw)).hits for name, raw in MAILS.items()}
        assert {name: {rule: int(n) for rule, n in found.items()} for name, found in ours.items()} == hits()


def test_spamassassin_still_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spamassassin.required()
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    assert spamassassin.hits(tmp_path, {"a.cf": RULES, "more/included.cf": INCLUDED}, MAILS) == hits()


def hits() -> dict[str, dict[str, int]]:
    words = {name: [word.partition("*") for word in text.split()] for name, text in HITS.items()}
    return {name: {rule: int(times or 1) for rule, _, times in some} for name, some in words.items()}


@pytest.mark.parametrize("flag", ["concat", "range=2-3"])
def test_flags_of_mimeheader_rules_that_are_not_heeded_are_reported(flag: str) -> None:
    rules = read_text(f"mimeheader A Content-Type =~ /x/\ntflags A {flag}\nmeta B !A\nbody C /x/\ntflags C {flag}\n")
    assert [(fault.place.line, fault.rule, fault.severity, fault.detail) for fault in rules.faults] == [
        (2, "A", Severity.UNSUPPORTED, flag)
    ]
    compiled = CompiledRules(rules, cache="", fast=False)
    assert compiled.unknown == {"A"}
    assert set(compiled.run(Message(b"Subject: x\n\nx\n")).hits) == {"C"}


def test_a_file_that_includes_itself_is_read_once(tmp_path: Path) -> None:
    for name, other in (("a.cf", "more/b.cf"), ("more/b.cf", "../a.cf")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"body OF_{path.stem.upper()} /x/\ninclude {other}\n")
    rules = read_rules([tmp_path / "a.cf"])
    assert set(rules.rules) == {"OF_A", "OF_B"}
    assert [(fault.reason, fault.place.line) for fault in rules.faults] == [("includes in a ring", 2)]


@pytest.mark.parametrize("condition", ["can(nonsense)", "has()", "plugin(", "1 +"])
def test_a_condition_that_makes_no_sense_is_an_error(condition: str) -> None:
    rules = read_text(f"if {condition}\nbody A /x/\nelse\nbody B /x/\nendif\n")
    assert [(fault.reason, fault.place.line) for fault in rules.errors] == [("condition cannot be read", 1)]
    assert set(rules.rules) == {"B"}
