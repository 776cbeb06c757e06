"""Text of a mail: made fit to be shown as evidence, and looked at for alphabets that pass for another."""

from __future__ import annotations

import re

LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
LOOKALIKE = re.compile("[\u0370-\u052f\u0531-\u058f\u13a0-\u13fd\ua4d0-\ua4f7\uff21-\uff5a]")
"""Greek, Cyrillic, Armenian, Cherokee, Lisu and full-width letters: the scripts that pass for Latin."""

_MIXED = re.compile(
    f"{LOOKALIKE.pattern}(?:{LATIN.pattern}{{1,3}}{LOOKALIKE.pattern}"
    f"|(?<={LATIN.pattern}{LOOKALIKE.pattern}){LOOKALIKE.pattern}{{0,2}}{LATIN.pattern})"
)


def quote(text: str, limit: int = 80) -> str:
    """At most ``limit`` characters in quotes, one line, everything unprintable escaped.

    Unprintable includes line ends, terminal escapes, bidirectional controls and zero-width characters, so
    evidence can neither break a log line nor show itself in another order than it stands.
    """
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def mixed_word(text: str) -> str:
    """The first place in ``text`` where alphabets that look alike change within a word and back, or ``""``.

    One change is common and honest (``μs``, ``kΩ``, a Russian ending on an English word); there and back is not.
    """
    if text.isascii():
        return ""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        match = _MIXED.search(text)
        return text[max(0, match.start() - 9) : match.end() + 9] if match else ""
    return ""
