"""Long work is said while it goes on, short work is not."""

from __future__ import annotations

import logging

import pytest

from mailfilter.ruleset import progress
from mailfilter.ruleset.patterns import Pattern
from mailfilter.ruleset.pieces import halves


def test_what_takes_long_says_how_far_it_is(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.WARNING, "mailfilter")
    short = progress.Progress("compiling rules")
    short.before(3)
    short.after(3)
    assert not caplog.messages
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    long = progress.Progress("compiling rules")
    long.before(500, "; kept")
    long.before(500, "; kept")
    long.after(500)
    assert caplog.messages == [
        "compiling rules takes a while the first time; kept",
        "compiling rules: 500 patterns in 0 s",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a(?:bb|[|)]cc|d)e", (b"a(?:bb)e", b"a(?:[|)]cc|d)e")),
        (b"a(?:(?:b|c)d|e\\|f)g", (b"a(?:(?:b|c)d)g", b"a(?:e\\|f)g")),
        (b"(?:a|b)+c", None),
        (b"(?:(?:a|b)c)*d", None),
        (b"(?=(?:a|b))c", None),
        (b"(?!a|b)c", None),
        (b"(?:(x)|b)\\1", None),
        (b"abc", None),
    ],
)
def test_a_pattern_is_cut_at_alternatives_that_stand_once(text: bytes, expected: tuple[bytes, bytes] | None) -> None:
    found = halves(Pattern("", text, text, ""))
    assert (found and tuple(half.exact for half in found)) == expected
