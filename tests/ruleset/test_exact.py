"""The bounded engine says the same with the kernel's matcher and without it."""

from __future__ import annotations

import pytest

from mailfilter.ruleset import exact
from mailfilter.ruleset.exact import Budget, Exact
from mailfilter.ruleset.patterns import translate


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize(
    ("source", "flags", "text", "count"),
    [
        (r"\xc3", "i", b"ab\xc3\xa9", 1),
        (r"(?i:\xc3)", "", b"ab\xc3\xa9", 1),
        (r"[\xc3]+x?", "i", b"\xc3\xc3b\xc3", 2),
        (r"\xe9", "i", b"\xc9", 0),
        (r"K", "i", b"k\xe2\x84\xaa", 1),
        (r"(?:[^\n]+\n+)*a", "", b"b\na\nb\na\na", 1),
        (r"(?:(?:[^\n]+\n+)*)?+a", "", b"b\na", 1),
        (r"(?>(?:[^\n]+\n+)*)c", "", b"a\nb\nc", 1),
        (r"(?>(?:[^\n]+\n+)*)b\nc", "", b"a\nb\nc", 0),
    ],
)
def test_matches_are_those_of_perl(
    source: str, flags: str, text: bytes, count: int, kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernel:
        monkeypatch.setattr(exact, "find", None)
    engine = Exact("X", translate(source, flags))
    assert engine.count(text, 0, Budget(1.0)) == count
    assert engine.count(text, 1, Budget(1.0)) == min(count, 1)
