"""Rules over mails: what they look at, what hits, with hyperscan and without, and what is not known."""

from __future__ import annotations

import importlib.util
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.envelope import Envelope
from mailfilter.message import Message
from mailfilter.ruleset.compiled import CompiledRules
from mailfilter.ruleset.reader import read_text

HAS_HYPERSCAN = (
    importlib.util.find_spec("hyperscan") is not None or os.environ.get("MAILFILTER_REQUIRE_SERVERS") == "1"
)
"""Where everything is required the tests run, and fail without it."""
ENGINES = [
    False,
    pytest.param(True, marks=pytest.mark.skipif(not HAS_HYPERSCAN, reason="needs pip install mailfilter[fast]")),
]

MAIL = (
    b"Received: from relay.example.net (relay.example.net [203.0.113.7]) by mx.example.org (Postfix) with ESMTP id 4F00; "  # noqa: E501
    b"Mon, 1 Jan 2024 10:00:00 +0000\r\n"
    b'From: "Tom\'s Shop" <sales@shop.example.com>\r\nTo: a@example.org,\r\n b@example.org\r\n'
    b"Subject: =?utf-8?q?caf=C3=A9?= =?utf-8?q?_prices?=\r\nMessage-ID: <=?utf-8?q?raw?=@x>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nFirst  line\r\ngoes on.\r\n\r\n\r\nSecond paragraph, see www.example.com/a%2Fb.\r\n"  # noqa: E501
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b'<p>Th<b>ir</b>d<br>one<p>fo&uuml;rth<style>x{}</style> <a href=3D"http://1113343453/x?y">go</a>\r\n'
    b'--b\r\nContent-Type: application/octet-stream; name="a.exe"\r\n\r\nMZ\r\n--b--\r\n'
)


def hits(
    rules: str, mail: bytes = MAIL, fast: bool | None = False, envelope: Envelope | None = None
) -> dict[str, float]:
    compiled = CompiledRules(read_text(rules), cache="", fast=fast, timeout=5)
    return compiled.run(Message(mail), envelope).hits


LOOKS = [
    r"body OWN /^First line goes on\.$/",
    r"body OWN /^Second paragraph/",
    r"body OWN /^Third one$/",
    r"body OWN /fo\xc3\xbcrth/",
    r"body OWN /^caf\xc3\xa9 prices$/",
    r"body OWN !/x{}/",
    r"rawbody OWN /Th<b>ir<\/b>d/",
    r"rawbody OWN /line\ngoes/",
    r"rawbody OWN !/MZ/",
    r"full OWN /Th<b>ir.*href=3D/s",
    r"full OWN /\r\n\r\nMZ/",
    r"uri OWN m{^http://www\.example\.com/a%2Fb$}",
    r"uri OWN m{^http://66\.92\.69\.221/x\?y$}",
    r"uri OWN !/mailto/",
    r'mimeheader OWN Content-Type =~ /name="a\.exe"/',
    r"mimeheader OWN Content-Type =~ /multipart/",
    r"mimeheader OWN Content-Type !~ /gif/",
    r"header OWN Subject =~ /^caf\xc3\xa9 prices$/",
    r"header OWN Subject:raw =~ /^ =\?utf-8/",
    r"header OWN From:addr =~ /^sales@shop\.example\.com$/",
    r"header OWN From:name =~ /^Tom's Shop$/",
    r"header OWN From:addr:domain =~ /^example\.com$/",
    r"header OWN To:addr =~ /^a\@example\.org\nb\@example\.org$/",
    r"header OWN ToCc =~ /a\@example\.org, b/",
    r"header OWN MESSAGEID =~ /=\?utf-8\?q\?raw/",
    r"header OWN ALL =~ /^Subject: caf\xc3\xa9 prices$/m",
    r"header OWN ALL =~ /^From:.*?^To:/ms",
    r"header OWN Received:ip =~ /^203\.0\.113\.7$/",
    r"header OWN X-Spam-Relays-External =~ /^\[ ip=203\.0\.113\.7 rdns=relay\.example\.net helo=relay\.example\.net by=mx\.example\.org ident= envfrom= intl=0 id=4F00 auth= msa=0 \]$/",  # noqa: E501
    r"header OWN exists:Subject",
    r"header OWN !exists:X-None",
    r"header OWN X-None !~ /x/",
    r"header OWN X-None =~ /^none$/ [if-unset: none]",
    r"header OWN X-None =~ /^$/",
    r"header OWN !X-None =~ /./",
]


@pytest.mark.parametrize("fast", ENGINES)
@pytest.mark.parametrize("line", LOOKS)
def test_what_rules_look_at(line: str, fast: bool) -> None:
    expected = "!/" not in line and " !exists" not in line and " !X-" not in line
    plain = line.replace("OWN !", "OWN ")
    assert ("OWN" in hits(plain + "\n", fast=fast)) is expected


@pytest.mark.parametrize("fast", ENGINES)
def test_counts(fast: bool) -> None:
    text = "body __A /o/\ntflags __A multiple\nbody __B /o/\ntflags __B multiple maxhits=2\nbody __C /o/\n"
    found = hits(text + "meta SUM (__A + __B + 2 * __C) >= 10\nmeta TEN __A > 9\n", fast=fast)
    assert (found["__B"], found["__C"]) == (2, 1)
    assert found["__A"] > 5
    assert "SUM" in found
    nosubject = "body __S /caf/\nbody __N /caf/\ntflags __N nosubject\n"
    assert set(hits(nosubject, fast=fast)) == {"__S"}


def test_metas_know_arithmetic_and_order_does_not_matter() -> None:
    text = (
        "meta Z !A && B\nmeta Y (B + C) * 2 == 4 && (C > A)\nmeta X A || (B ^ C) || Z\nmeta W 1 - 1\nmeta V 3 / 0\n"
        "meta U B ? A : C\nmeta T ()\nmeta S NOBODY || B\nbody B /First/\nbody C /Second/\nbody A /nothing/\n"
    )
    assert set(hits(text)) == {"B", "C", "Z", "Y", "X", "S"}


def test_what_is_not_known_is_neither_hit_nor_miss() -> None:
    text = (
        "body UNKNOWN eval:nobody_knows()\nbody A /First/\nbody NET eval:asks()\ntflags NET net\nbody OFF /First/\nscore OFF 0\n"  # noqa: E501
        "meta SURE A || UNKNOWN\nmeta OPEN A && UNKNOWN\nmeta NOT A && !UNKNOWN\nmeta DEEP A && !NOT\n"
        "meta ENOUGH (A + A + UNKNOWN) >= 2\nmeta SHORT (A + UNKNOWN) >= 2\nmeta UNDER (A + UNKNOWN) < 2\n"
        "meta TIE A == UNKNOWN\nmeta LOCAL A && !NET\nmeta SWITCHED A && !OFF\n"
    )
    assert set(hits(text)) == {"A", "SURE", "ENOUGH", "LOCAL", "SWITCHED"}


def test_a_ring_never_hits_and_the_rest_runs() -> None:
    assert set(hits("meta A !B\nmeta B !A\nmeta C A\nbody D /First/\n")) == {"D"}


def test_the_envelope_comes_before_what_the_mail_says() -> None:
    rules = "header OWN X-Spam-Relays-External =~ /^\\[ ip=198.51.100.1 rdns=h.example helo=hello /\nheader TWO EnvelopeFrom =~ /^x@/\n"  # noqa: E501
    envelope = Envelope(client_ip="198.51.100.1", client_name="h.example", helo="hello", mail_from="x@example.net")
    assert set(hits(rules, envelope=envelope)) == {"OWN", "TWO"}
    assert set(hits(rules)) == set()


def test_scores_switch_rules_on() -> None:
    rules = read_text("body A /First/\nscore A 0\nbody B /First/\nbody C /First/\nscore C 0\n")
    compiled = CompiledRules(rules, cache="", fast=False, scores={"A": 1.0, "B": 0.0})
    assert set(compiled.run(Message(MAIL)).hits) == {"A", "B"}
    assert compiled.points(rules.rules["B"]) == 0


@pytest.mark.parametrize("fast", ENGINES)
def test_a_slow_rule_is_cut_off_and_the_others_run(fast: bool) -> None:
    slow = "".join(f"body SLOW{n} /(x+x+)+\\1y(?!!)!{{1,{n + 2}}}/\n" for n in range(3))
    others = "body __SLOW /(x+x+)+\\1y(?!!)!/\nmeta M __SLOW || LAST\nbody LAST /First/\nuri U /example/\n"
    rules = read_text(slow + others)
    compiled = CompiledRules(rules, cache="", fast=fast, timeout=0.02)
    mail = Message(MAIL + b"\n" + b"x" * 400 + b"y!!! http://www.example.com/\n")
    for subrules in (True, False):
        found = compiled.run(mail, subrules=subrules)
        assert {"LAST", "U", "M"} <= set(found.hits)
        assert {"SLOW0", "SLOW1", "SLOW2"} <= set(found.cut_off)
    assert compiled.timeouts["SLOW0"] == 2


@pytest.mark.parametrize("fast", ENGINES)
def test_subrules_that_nobody_asks_for_change_nothing(fast: bool) -> None:
    rules = read_text(
        "body __A /(?!z)First/\nbody __B /(?!z)nothing/\nbody __C /(?!z)line/\nbody D /First/\n"
        "meta AND __A && __C\nmeta NOT D && !__B\nmeta OR __B || __A\nmeta SUM (__A + __B + __C) >= 2\nmeta NONE __B && __A\n"  # noqa: E501
    )
    compiled = CompiledRules(rules, cache="", fast=fast)
    every = {name for name in compiled.run(Message(MAIL)).hits if not name.startswith("__")}
    some = {name for name in compiled.run(Message(MAIL), subrules=False).hits if not name.startswith("__")}
    assert every == some == {"AND", "NOT", "OR", "SUM", "D"}


@pytest.mark.parametrize("fast", ENGINES)
def test_several_mails_at_once_are_single_mails(fast: bool) -> None:
    compiled = CompiledRules(read_text(PATTERNS), cache="", fast=fast)
    mails = [Message(MAIL), Message(b"Subject: foo\n\nxx\n"), Message(b""), Message(MAIL[:30])]
    together = compiled.run_many([(mail, None) for mail in mails])
    assert [found.hits for found in together] == [compiled.run(mail).hits for mail in mails]


PATTERNS = (
    "body A /f[o0]+\\b/i\nbody B /^x.*y$/\nbody C /(a+)b\\1/\nbody D /x(?!y)/\nbody E /[\\xc3\\xe9][\\xa9]?/\nuri F /example/\n"  # noqa: E501
    "rawbody G /<b>/i\nheader H Subject =~ /fo+/i\nheader I Subject !~ /x/\nfull J /o\\s+x/\nbody K /o{2,}|xx/\ntflags K multiple\n"  # noqa: E501
    "body L /(?:a|b|fo)+x\\z/\nbody M /(?:e|[\\xc3][\\xa9]|[\\xc4-\\xc9][\\x80-\\xbf]|"
    + "|".join(f"[\\xd0][\\x{0x90 + n:02x}]" for n in range(30))
    + ")x/i\n"
)
BODIES = st.text(st.sampled_from("abfoxyé \n<>@.:/"), max_size=120)


@pytest.mark.skipif(not HAS_HYPERSCAN, reason="needs pip install mailfilter[fast]")
def test_both_engines_give_the_same_hits() -> None:
    rules = read_text(PATTERNS)
    slow, fast = (CompiledRules(rules, cache="", fast=choice, timeout=5) for choice in (False, True))

    @settings(max_examples=300, deadline=None)
    @given(BODIES, st.sampled_from(["", "utf-8"]))
    def same(body: str, charset: str) -> None:
        kind = f"Content-Type: text/{'html' if charset else 'plain'}; charset=utf-8\n"
        mail = Message(f"Subject: {' '.join(body.split())}\n{kind}\n{body}\nhttp://www.example.com/\n".encode())
        assert slow.run(mail).hits == fast.run(mail).hits

    same()


ANY = CompiledRules(read_text(PATTERNS + "mimeheader N Content-Type =~ /x/\nheader O X-Spam-Relays-External =~ /ip/\nheader P From:name =~ /./\n"  # noqa: E501
                              "header Q ALL:raw =~ /x/\nheader R EnvelopeFrom =~ /@/\n"), cache="", fast=False, timeout=1)  # fmt: skip  # noqa: E501
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["From", "To", "Received", "Subject", "Content-Type", "Content-Transfer-Encoding", "Return-Path"]
        ),
        st.text(st.sampled_from('ab@<>"(),;:=?/.[] \t\\é\nfromby[1.2.3]'), max_size=60),
    ),
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.tuples(HEADERS, BODIES).map(
    lambda pair: ("".join(f"{name}: {text}\n" for name, text in pair[0]) + "\n" + pair[1]).encode("utf-8", "replace")
)))  # fmt: skip
def test_any_mail_gives_hits(raw: bytes) -> None:
    assert ANY.run(Message(raw)).hits == ANY.run(Message(raw)).hits


@pytest.mark.skipif(not HAS_HYPERSCAN, reason="needs pip install mailfilter[fast]")
def test_threads_share_compiled_rules() -> None:
    compiled = CompiledRules(read_text(PATTERNS), cache="", fast=True)
    expected = compiled.run(Message(MAIL)).hits
    wrong: list[object] = []

    def work() -> None:
        for _ in range(50):
            found = compiled.run(Message(MAIL)).hits
            if found != expected:
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not HAS_HYPERSCAN, reason="needs pip install mailfilter[fast]")
def test_the_cache_is_used_and_nothing_foreign_is_loaded(tmp_path: Path) -> None:
    from mailfilter.ruleset.cache import Cache
    from mailfilter.ruleset.hyper import Compiler

    folder = tmp_path / "cache"
    rules = read_text("body A /First line/\nheader B Subject =~ /caf/\n")

    def run() -> set[str]:
        compiled = CompiledRules(rules, cache=str(folder), fast=True)
        assert set(compiled.run(Message(MAIL)).hits) == {"A", "B"}
        return {note.rpartition(": ")[2] for note in compiled.cache_notes}

    assert run() == set()
    files = sorted(folder.glob("*.db"))
    stamps = {path: path.stat().st_mtime_ns for path in files}
    assert run() == set()
    assert {path: path.stat().st_mtime_ns for path in files} == stamps
    assert not list(folder.glob("new-*"))
    for damage in (
        b"",
        b"garbage",
        files[0].read_bytes()[:-1],
        files[0].read_bytes()[:90] + b"\xff" + files[0].read_bytes()[91:],
    ):
        for path in files:
            path.write_bytes(damage)
        assert run() == {"damaged, or not from here; compiled again"}
        assert run() == set()
    folder.chmod(0o777)
    assert len(run()) == 1
    assert Compiler(Cache("")).cache.usable is False


def test_a_folder_that_cannot_be_made_is_a_note(tmp_path: Path) -> None:
    from mailfilter.ruleset.cache import Cache

    (tmp_path / "file").write_text("x")
    cache = Cache(str(tmp_path / "file" / "cache"))
    assert cache.read("0" * 64) is None
    cache.write("0" * 64, b"x")
    assert len(cache.notes) == 1


@pytest.mark.skipif(not HAS_HYPERSCAN, reason="needs pip install mailfilter[fast]")
def test_twins_of_a_pattern_that_is_too_large_as_it_is(tmp_path: Path) -> None:
    """Two rules with one pattern that hyperscan takes in a later form only: both find it, and making ready ends."""
    large = "/(?:[a-z]{3,9}x){90,99}[^a]{300}b/"
    others = "".join(f"body WORD{number} /word{number} (?:and|or) text/\n" for number in range(3))
    text = f"body FIRST {large}\nbody SECOND {large}\n{others}"
    mail = Message(b"Subject: s\n\nword1 and text " + b"abcdx" * 95 + b"-" * 300 + b"b\n")
    for _ in range(2):
        rules = CompiledRules(read_text(text), fast=True, cache=str(tmp_path))
        assert set(rules.run(mail).hits) == {"FIRST", "SECOND", "WORD1"}
