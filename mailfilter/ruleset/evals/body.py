"""Functions about the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ..facts import Facts
from ._common import Query

_HEADER_END = re.compile(rb"\n\r?\n")  # a third of the time of bytes.find


def body_length(facts: Facts) -> int:
    """Octets behind the header."""
    end = _HEADER_END.search(facts.full)
    return len(facts.full) - end.end() if end else 0


def _at_most(arguments: Sequence[str]) -> Callable[[int], bool]:
    most = int(arguments[0])
    return lambda length: length <= most


LONG_URI = 8192


def longest_uri(facts: Facts) -> int:
    """Octets of the longest URI."""
    return max(map(len, facts.uris), default=0)


def blank_share(facts: Facts) -> tuple[int, float]:
    """How many lines the text parts have, and how many per cent of them are blank."""
    lines = b"".join(facts.chunks).splitlines()
    return len(lines), 100 * sum(not line.strip() for line in lines) / len(lines) if lines else 0.0


def _blank_lines(arguments: Sequence[str]) -> Callable[[tuple[int, float]], bool]:
    """Of enough lines so many per cent are blank; of too few lines none count as such."""
    low, high, enough = float(arguments[0]), float(arguments[1]), int(arguments[2])
    return lambda found: low <= (found[1] if found[0] >= enough else 0) <= high


FUNCTIONS: dict[str, Query[Any]] = {
    "check_blank_line_ratio": Query(blank_share, _blank_lines),
    "check_body_length": Query(body_length, _at_most),
    "check_uri_truncated": Query(longest_uri, lambda arguments: lambda length: length >= LONG_URI),
}
"""Name in rule files → what it asks."""
