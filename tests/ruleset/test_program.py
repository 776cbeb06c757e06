"""The kernel's matcher finds what `regex` finds, ends where that ends, and never takes more steps than it may."""

from __future__ import annotations

import time

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.ruleset.charclasses import PatternError
from mailfilter.ruleset.exact import Exact
from mailfilter.ruleset.patterns import translate
from mailfilter.ruleset.program import find, program, run_ahead

from .strategies import sequences

pytestmark = pytest.mark.skipif(find is None, reason="needs the C kernel")

PIECES = st.sampled_from(
    ["a", "b", "B", "[^a]", r"\s", r"\S", r"\W", r"\w", ".", "a|b", "a|ab|b", "[ab]", " ", r"\b", r"\B", "^", "$",
     r"\A", r"\z", r"\Z", "(?!a)", "(?=b)", "(?<!a)", "(?<=b)", "(?<=ab)", "(?!ab)", "(?=a*b)", "(?i:A)", "(?s:.)",
     r"\n", r"\d", "(?>a|ab)", "(?>a+)", "aab", r"[\xc3]", r"[^\n]"]
)  # fmt: skip
COUNTS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "+?", "??", "{1,3}?", "*+"])
SEQUENCES = sequences(PIECES, COUNTS)
PATTERNS = st.one_of(
    SEQUENCES,
    st.tuples(SEQUENCES, SEQUENCES, COUNTS, SEQUENCES).map(lambda four: f"(?:{four[0]}|{four[1]}){four[2]}{four[3]}"),
    st.tuples(SEQUENCES, SEQUENCES, SEQUENCES, SEQUENCES).map(
        lambda four: rf"{four[0]}({four[1]}){four[2]}\1{four[3]}"
    ),
)
TEXTS = st.text(st.sampled_from("aaabbAB  1.\n\xc3"), max_size=40).map(lambda text: text.encode("latin-1"))
FLAGS = {"i": regex.I, "m": regex.M, "s": regex.S}


@settings(max_examples=800, deadline=None)
@given(PATTERNS, st.sampled_from(["", "i", "m", "s", "im", "ms", "ims"]), TEXTS, st.integers(0, 9), st.integers(0, 9))
def test_it_finds_what_regex_finds(source: str, flags: str, text: bytes, before: int, after: int) -> None:
    pattern = translate(source, flags)
    try:
        compiled = Exact("OWN", pattern).compiled
    except PatternError:
        return
    start = min(before, len(text))
    stop = max(start, len(text) - after)
    written = program(pattern.exact, pattern.flags)
    if written is not None:
        match = compiled.search(text, start, stop)
        found = find(written, text, start, stop, 20_000, 1)
        assert found is None or found == (match.end() if match else -1)
    counted = program(pattern.exact, pattern.flags, many=True)
    if counted is not None:
        found = find(counted, text, 0, len(text), 20_000, 0)
        assert found is None or found == len(compiled.findall(text))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([rb"^[^\r\n]{9}", rb"^[^\n]{7,}b", rb"\W{5}", rb"^[^a-z]{6,9}$", rb"[^\na]{8}(?=b)"]),
    st.sampled_from(["", "m"]),
    st.lists(st.sampled_from([b"aaa", b"b", b"\n", b"\r", b" -", b"BBBB", b"...."]), max_size=40).map(b"".join),
)
def test_long_runs_are_looked_for_from_behind(pattern: bytes, flags: str, text: bytes) -> None:
    assert run_ahead(pattern, flags) >= 5
    compiled = regex.compile(pattern, regex.V1 | sum(FLAGS[flag] for flag in flags))
    match = compiled.search(text)
    assert find(program(pattern, flags), text, 0, len(text), 50_000, 1) == (match.end() if match else -1)
    assert find(program(pattern, flags, True), text, 0, len(text), 50_000, 0) == len(compiled.findall(text))


def test_steps_are_limited() -> None:
    written = program(rb"(?:a|aa|a[a])+b\d", "")
    start = time.thread_time()
    assert find(written, b"a" * 5_000 + b"b", 0, 5_001, 50_000, 1) is None
    assert time.thread_time() - start < 1
    assert find(written, b"xx aab1", 0, 7, 50_000, 1) == 7


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (rb"a[^\n]*?b", b"a" * 500_000 + b"\n"),
        (rb"(a{200000}).*?\1", b"a" * 200_000 + (b"a" * 199_000 + b"b") * 2),
        (rb"a[ab]*c", b"a" * 500_000),
        (rb"a[ab]*+c", b"a" * 500_000),
    ],
)
def test_octets_passed_in_vain_are_steps_too(source: bytes, text: bytes) -> None:
    start = time.thread_time()
    assert find(program(source, ""), text, 0, len(text), 50_000, 1) is None
    assert time.thread_time() - start < 1


def test_what_it_does_not_do_is_said() -> None:
    for source in (rb"(?:a*)*b", rb"(?:(a)|b)+\1", rb"(?=(a))\1", rb"(a)?(?(1)b|c)", rb"(?:abcdefgh){1000}", rb"("):
        assert program(source, "") is None
    assert program(rb"a*", "", many=True) is None


def test_no_program_makes_it_stumble() -> None:
    written = bytearray(program(rb"^(a|b)+?(?=c)(?<!d)[xyz]{2,}(q)\2$", "im") or b"")
    text = b"abcxxyzqq\nab" * 3
    for place in range(len(written)):
        for value in (0, 1, 127, 128, 255):
            broken = bytes(written[:place]) + bytes([value]) + bytes(written[place + 1 :])
            find(broken, text, 0, len(text), 2_000, 1)
    for size in range(len(written)):
        assert find(bytes(written[:size]), text, 0, len(text), 2_000, 1) is None
