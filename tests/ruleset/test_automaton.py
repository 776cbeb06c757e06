"""The table of states finds what `regex` finds, at every place where it ends."""

from __future__ import annotations

import random

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.kernel import native
from mailfilter.message import Message
from mailfilter.ruleset import automaton
from mailfilter.ruleset.automaton import Automaton, Places
from mailfilter.ruleset.compiled import CompiledRules
from mailfilter.ruleset.reader import read_text
from mailfilter.ruleset.rules import Kind

pytestmark = pytest.mark.skipif(native is None, reason="needs the C kernel")

PIECES = st.sampled_from(
    ["a", "b", "[^a]", r"\s", r"\S", r"\w", ".", "(?:a|bb)", "(?:a|ab|b)", "[ab]", " ", r"\b", r"\B", "^", "(?i:A)",
     r"\n", r"\d", r"[^\n0-9a-z]", r"(?:^|\s)", r"(?:\b|_)"]
)  # fmt: skip
COUNTS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?"])
SEQUENCES = st.lists(
    st.tuples(PIECES, COUNTS).map(lambda pair: f"(?:{pair[0]}){pair[1]}" if pair[1] else pair[0]),
    min_size=1,
    max_size=5,
).map("".join)
PATTERNS = st.one_of(
    SEQUENCES,
    st.tuples(SEQUENCES, SEQUENCES, COUNTS, SEQUENCES).map(lambda four: f"(?:{four[0]}|{four[1]}){four[2]}{four[3]}"),
)
TEXTS = st.lists(st.text(st.sampled_from("aaabbAB  1._"), max_size=12), min_size=1, max_size=4).map(
    lambda lines: "".join(line + "\n" for line in lines).encode()
)


def _holds(pattern: str, flags: str, text: bytes, start: int, end: int) -> bool:
    """Whether a pattern matches from start to end within all of the text."""
    letters = {"i": regex.I, "s": regex.S}
    compiled = regex.compile(
        b"(?:" + pattern.encode() + b")(?<=\\A[\\x00-\\xff]{%d})" % end,
        regex.V1 | regex.M | sum(letters[flag] for flag in flags),
    )
    return compiled.match(text, start) is not None


@settings(max_examples=250, deadline=None)
@given(st.lists(PATTERNS, min_size=1, max_size=3), st.sampled_from(["", "i", "s"]), st.lists(TEXTS, max_size=3))
def test_it_finds_what_regex_finds(patterns: list[str], flags: str, texts: list[bytes]) -> None:
    places = Places()
    taken = [number for number, one in enumerate(patterns) if places.add(one.encode(), flags + "m", number)]
    table = Automaton(places)
    for text in texts:
        found = table.scan(text)
        assert found is not None
        for number in taken:
            expected = {end for end in range(1, len(text) + 1)
                        if any(_holds(patterns[number], flags, text, start, end) for start in range(end))}  # fmt: skip
            if not patterns[number].endswith(("b", "B", ")", "?", "*", "+", "}")):
                assert {end for one, end in found if one == number} == expected
            else:
                assert {end for one, end in found if one == number} >= expected - {len(text)}
                assert {end for one, end in found if one == number} <= expected


def test_what_is_too_much_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places()
    assert not places.add(rb"a*", "m", 0)
    assert not places.add(rb"(?:abcdefgh){100}", "m", 0)
    assert not places.add(rb"(a)\1", "m", 0)
    assert not places.add(rb"a(?=b)", "m", 0)
    assert places.add(rb"a[ab]{9}b", "m", 7)
    chosen = random.Random(5)
    texts = [bytes(chosen.choices(b"ab", k=300)) + b"\n" for _ in range(20)]
    pattern = regex.compile(rb"a[ab]{9}b")
    table = Automaton(places)
    monkeypatch.setattr(automaton, "MAX_STATES", 1_000)
    table._states = automaton._States(table.width)
    decided = 0
    for text in texts * 3:
        found = table.scan(text)
        if found is not None:
            decided += 1
            assert [end for _, end in found] == [match.end() for match in pattern.finditer(text, overlapped=True)]
    assert 10 < decided < 60


def test_rules_hit_the_same_with_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    databases = pytest.importorskip("mailfilter.ruleset.databases", reason="needs pip install mailfilter[fast]")
    words = ["casino", "mortal", "winner", "credit", "urgent", "doctor", "parcel", "wallet"]
    rules = [rf"body WORD_{word} /\b{'[^a-z]?'.join(f'[{one}{one.upper()}]' for one in word)}\b/" for word in words]
    rules += [r"body LONG /\b(?:[a-z]{6,}[\s.]+){3}/", r"body __NOT /(?!casino)[ck][a4]s[i1]n[o0]/"]
    rules += [r"body FEW /[wW][i1]nn[e3]r.{0,9}!/", "meta SAID __NOT && FEW", "body CARD /card/"]
    monkeypatch.setattr(databases, "TABLE_AFTER", 3)
    compiled = CompiledRules(read_text("\n".join(rules)), cache="", fast=True)
    chosen = random.Random(7)
    letters = "a4i1o0e3!-. "
    mails = []
    for number in range(60):
        said = "".join(chosen.choice([*words, "".join(chosen.choices(letters, k=3)), " ", "\n"]) for _ in range(40))
        said = "".join(chosen.choice([one, one, one, one.upper(), one + "-"]) for one in said) + "c4s1no W1nn3r ok!"
        mails.append(Message(f"Subject: {said[:20].split()}\n\n{said}{'é' * (number % 5 == 4)}\n".encode()))
    found = [compiled.run(mail).hits for mail in mails]
    look = compiled.lines[Kind.BODY].first_look
    assert look.screen.table is not None
    monkeypatch.setattr(databases, "TABLE_AFTER", 10_000)
    assert found == [compiled.run(mail).hits for mail in mails]
    assert len({tuple(sorted(hits)) for hits in found}) > 10
    assert sum("SAID" in hits for hits in found) > 10
