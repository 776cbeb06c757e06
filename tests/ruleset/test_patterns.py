"""Perl's patterns rewritten, simplified and bounded."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.ruleset.charclasses import PatternError
from mailfilter.ruleset.exact import Budget, Exact
from mailfilter.ruleset.lean import lean
from mailfilter.ruleset.literals import required
from mailfilter.ruleset.patterns import parse_pattern
from mailfilter.ruleset.relax import is_costly, relaxed

MATCHES = [
    (r"/foo\z/", b"a foo", b"foo\n"),
    (r"/foo\Z/", b"foo\n", b"foo\n\n"),
    (r"/foo$/", b"foo\n", b"foo\nx"),
    (r"/^b/m", b"a\nb", b"ab"),
    (r"/a.b/s", b"a\nb", b"ab"),
    (r"/a.b/", b"axb", b"a\nb"),
    (r"/FOO/i", b"foo", b"bar"),
    (r"/a b #c/x", b"ab", b"a b"),
    (r"/\Qa.b\E./", b"a.bx", b"axbx"),
    (r"/\x41\x{42}\103\e\cA/", b"ABC\x1b\x01", b"ABC"),
    (r"/[[:alpha:]][[:^digit:]-]/", b"a-", b"11"),
    (r"/[]a]+$/", b"]a]", b"b"),
    (r"/[\w-.]+$/", b"a-.", b"!"),
    (r"/a{,2}b{/", b"aab{", b"b"),
    (r"/(?<n>a+)b\k<n>/", b"aabaa", b"ab"),
    (r"/(a)\1/", b"aa", b"ab"),
    (r"/a++b/", b"aab", b"aa"),
    (r"/(?>a+)b/", b"aab", b"aa"),
    (r"/(?i)a(?-i:B)/", b"AB", b"Ab"),
    (r"/x(?=y)/", b"xy", b"xz"),
    (r"/(?<!a)b/", b"cb", b"ab"),
    (r"m{a/b}", b"a/b", b"ab"),
    (r"m!a\!b!", b"a!b", b"ab"),
    (r"qr(a(b))", b"ab", b"a"),
    (r"/caf\xe9/", b"caf\xe9", b"cafe"),
    (r"/[i\x{0456}]x/", b"ix", b"x"),
    (r"/\hx\Hy\Nz/", b" xayaz", b"x"),
    (r"/a\/b/", b"a/b", b"ab"),
    (r"/a(?#no)b/", b"ab", b"a"),
    (r"/a\bb|c\b/", b"c d", b"cd"),
]


@pytest.mark.parametrize(("text", "good", "bad"), MATCHES)
def test_patterns_mean_what_they_mean_in_perl(text: str, good: bytes, bad: bytes) -> None:
    exact = Exact("OWN", parse_pattern(text))
    assert exact.count(good, 1, Budget(5))
    assert not exact.count(bad, 1, Budget(5))


@pytest.mark.parametrize(
    "text",
    ["x", "/x", "m\\x\\", "/x/z", "/(/", "/)/", "/[a/", "/a\\", "/\\y/", "/(?{1})/", "/(*FAIL)/", "/[b-a]/",
     "/[[:nope:]]/", "/a/b/", "/" + "x" * 600_000 + "/", "/\\p{L}/", "/\\b{wb}/"],
)  # fmt: skip
def test_what_is_no_pattern_is_said(text: str) -> None:
    with pytest.raises(PatternError):
        parse_pattern(text)


def search(pattern: bytes, flags: str, text: bytes) -> bool:
    letters = {"i": regex.I, "m": regex.M, "s": regex.S}
    return regex.search(pattern, text, regex.V1 | sum(letters[flag] for flag in flags)) is not None


PIECES = st.sampled_from(
    ["a", "b", "foo", "[ab]", "[^a]", ".", "\\w", "\\s", "\\b", "(?:a|b)", "(?:foo|bar)", "a?", "b*", "a{2,5}", "(?=a)",
     "(?!b)", "(a)", "(?<=a)", "x+", "(?:foo){1,4}", "[\\xc3][\\xa0-\\xa9]", "(?:e|[\\xc3][\\xa9]|\\xe9)", "(?>a+)", "^", "$"]  # noqa: E501
)  # fmt: skip
TEXTS = st.text(st.sampled_from("abfoorx \n\xc3\xa9\xe9"), max_size=30).map(lambda text: text.encode("latin-1"))


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=6).map("".join), TEXTS)
def test_simpler_forms_match_wherever_the_pattern_does(body: str, text: bytes) -> None:
    pattern = parse_pattern(f"/{body}/i")
    hit = search(pattern.exact, "i", text)
    if hit:
        simple = relaxed(pattern.exact, "i")
        assert simple is None or search(simple[0], simple[1] + "m", text)
        words = required(pattern.exact, "i")
        assert not words or any(word in text.lower() for word in words)
    if text.isascii() and (small := lean(pattern.exact + b"(?:|[\\x80-\\xff]{300}" + b"\\xff" * 60 + b")", "i")):
        assert bool(small[0] and search(small[0], small[1], text)) == hit


def test_a_pattern_that_would_hang_is_cut_off_and_named() -> None:
    budget = Budget(0.02)
    exact = Exact("OWN", parse_pattern(r"/(x+x+)+\1y/"))
    assert not exact.count(b"x" * 3000 + b"!", 1, budget)
    assert list(budget.cut_off) == ["OWN"]
    assert budget.mail < 0.2


def test_repeated_long_groups_are_known_to_be_slow() -> None:
    words = "|".join(f"word{number}" for number in range(300))
    assert is_costly(parse_pattern(f"/(?:{words}){{3}}/"))
    assert not is_costly(parse_pattern(f"/(?:{words})/"))


def test_counts_do_not_overlap_and_stop_at_the_limit() -> None:
    exact = Exact("OWN", parse_pattern("/aa/"))
    assert exact.count(b"aaaaa", 0, Budget(1)) == 2
    assert exact.count(b"a" * 100, 3, Budget(1)) == 3
    assert exact.count(b"a" * 30_000, 7, Budget(1)) == 7
