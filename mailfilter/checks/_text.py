"""Text of a mail made fit to be shown as evidence."""

from __future__ import annotations


def quote(text: str, limit: int = 80) -> str:
    """At most ``limit`` characters in quotes, one line, everything unprintable escaped.

    Unprintable includes line ends, terminal escapes, bidirectional controls and zero-width characters, so
    evidence can neither break a log line nor show itself in another order than it stands.
    """
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
