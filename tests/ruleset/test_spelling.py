"""Patterns for hyperscan match in joined lines exactly what they match in each line alone, or more if they say so."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.ruleset.exact import Exact
from mailfilter.ruleset.groups import joined
from mailfilter.ruleset.patterns import translate
from mailfilter.ruleset.spelling import Text, spelled

from .strategies import sequences

hyperscan = pytest.importorskip("hyperscan", reason="needs pip install mailfilter[fast]")

PIECES = st.sampled_from(
    ["a", "b", "[^a]", r"\s", r"\S", r"\W", r"\w", ".", "a|b", "[ab]", " ", r"\b", "^", "$", "(?!a)", "(?=b)",
     "(?<!a)", "(?<=b)", "(?!ab)", "(?i:A)", r"\n", r"\d"]
)  # fmt: skip
COUNTS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}"])
SEQUENCES = sequences(PIECES, COUNTS)
PATTERNS = st.one_of(
    SEQUENCES,
    st.tuples(SEQUENCES, SEQUENCES, COUNTS, SEQUENCES).map(lambda four: f"(?:{four[0]}|{four[1]}){four[2]}{four[3]}"),
)
LINES = st.lists(st.text(st.sampled_from("aabbAB  1.\t"), max_size=8), min_size=1, max_size=4)


def seen(form: bytes, flags: str, text: bytes) -> bool | None:
    """Whether hyperscan matches; `None` if it does not take the pattern."""
    bits = {"i": hyperscan.HS_FLAG_CASELESS, "s": hyperscan.HS_FLAG_DOTALL, "m": hyperscan.HS_FLAG_MULTILINE}
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        wanted = sum(bits[flag] for flag in flags) | hyperscan.HS_FLAG_ALLOWEMPTY
        database.compile(expressions=[form], ids=[0], elements=1, flags=[wanted])
    except hyperscan.error:
        return None
    found: list[int] = []
    database.scan(text, match_event_handler=lambda number, start, end, flags, context: found.append(end))
    return bool(found)


@settings(max_examples=400, deadline=None)
@given(PATTERNS, st.sampled_from(["", "i", "s", "is"]), LINES, st.sampled_from(Text), st.booleans())
def test_joined_lines_are_lines(source: str, flags: str, lines: list[str], text: Text, loose: bool) -> None:
    pattern = translate(source, flags)
    form = spelled(pattern.exact, pattern.flags, text, loose)
    if form is None:
        return
    raw = [line.encode() + (b"\n" if text is Text.ENDED else b"") for line in lines]
    if text is Text.WHOLE:
        raw = [b"\n".join(raw)]
    compiled = Exact("OWN", pattern).compiled
    expected = any(compiled.search(line) for line in raw)
    hit = seen(form.expression, form.flags, raw[0] if text is Text.WHOLE else joined(raw))
    if hit is not None:
        assert hit == expected if form.exact else hit or not expected, form


@settings(max_examples=200, deadline=None)
@given(PATTERNS, st.sampled_from(["", "i", "s"]), LINES)
def test_a_pattern_that_stays_in_its_line_is_counted_in_all_lines_at_once(
    source: str, flags: str, lines: list[str]
) -> None:
    exact = Exact("OWN", translate(source, flags))
    if not exact.in_lines or exact.compiled.search(b""):
        return
    raw = [line.encode() + b"\n" for line in lines]
    alone = sum(len(exact.compiled.findall(line)) for line in raw)
    assert len(exact.compiled_for_lines.findall(b"".join(raw))) == alone


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.text(st.sampled_from("aabbAB  1."), max_size=60))
def test_a_window_around_a_match_is_enough(source: str, text: str) -> None:
    exact = Exact("OWN", translate(source))
    raw = text.encode()
    for match in exact.compiled.finditer(raw):
        start, stop = exact.window(raw, (match.end(), match.end()))
        assert exact.compiled.search(raw, start, stop), (start, stop)
        break
    assert regex.__version__
