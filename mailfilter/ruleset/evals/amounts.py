"""Functions about how much of a text is of one kind: capitals, blanks, a title beside the subject."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ..facts import Facts
from ._common import Query
from .html import html

_LOWER = (string.ascii_lowercase + string.digits).encode()
_UPPER = string.ascii_uppercase.encode()
_ENCODED = re.compile(rb"(?:[A-Za-z0-9+/=]{60,76} ){2}")
_SHIFTED = re.compile(rb"\x1b\$B.*\x1b\(B", re.S)
_LIKE_CAPITALS = re.compile(r"koi|jp|jis|euc|gb|big5|isoir|cp1251|windows-1251|georgianps|pt154|tis", re.I)
_CHARSET = re.compile(r"charset=(?:\"([^\"]+)\"|'([^']+)'|(\S+))", re.I)
_LEAST_ENCODED = 60
_ENOUGH = 200


@lru_cache(256)
def _like_capitals(charset: str) -> bool:
    return _LIKE_CAPITALS.search(charset) is not None


def capitals(facts: Facts) -> float | None:
    """Per cent of ASCII letters and digits that are capital letters, in paragraphs of several words.

    0 for a short text and where the charset's octets look like capitals.
    """
    match = _CHARSET.search(facts.field("Content-Type") or "")
    if match and _like_capitals(match[1] or match[2] or match[3]):
        return 0.0
    text = b"".join(
        [
            line
            for line in facts.paragraphs
            if (at := line.find(b" ", 1, -2)) > 0 and (at < _LEAST_ENCODED or not _ENCODED.match(line))
        ]
    )
    if b"\x1b" in text and b"\x1b$B" in text:  # one octet alone is looked for much faster
        text = b"".join([_SHIFTED.sub(b"", line) for line in text.splitlines(keepends=True)])
    if len(text) < _ENOUGH:
        return 0.0
    rest = text.translate(None, _LOWER)
    lower, upper = len(text) - len(rest), len(rest) - len(rest.translate(None, _UPPER))
    return 100 * upper / (upper + lower) if upper + lower else 0.0


def _above(arguments: Sequence[str]) -> Callable[[float], bool]:
    low, high = float(arguments[0]), float(arguments[1])
    return lambda share: low < share <= high


def blanks(line: bytes) -> int:
    """Per cent of blanks to other characters, 100 at most."""
    count, size = line.count(b" "), len(line)
    return 100 if 2 * count >= size else 100 * count // (size - count)


_SHORT = 5
"""Octets of a paragraph too short to tell."""


def _from_to(arguments: Sequence[str]) -> Callable[[Sequence[bytes]], bool]:
    """`blanks` of the paragraph with most of them, -1 without one; no more of them looked at than tell."""
    low, high = float(arguments[0]), float(arguments[1])
    high = 101 if high >= 100 else high

    def hits(paragraphs: Sequence[bytes]) -> bool:
        most = -1
        for line in paragraphs:
            if len(line) > _SHORT:
                most = max(most, blanks(line))
                if most >= high:
                    return False
        return low <= most < high

    return hits


def title_share(facts: Facts) -> float | None:
    """How many times as long as the subject the longest title of HTML is, `None` without a subject or HTML."""
    found = html(facts)
    subject = facts.field("Subject")
    if found is None or not subject:
        return None
    return max(map(len, found.titles), default=0) / len(subject)


def _more(arguments: Sequence[str]) -> Callable[[float], bool]:
    ratio = float(arguments[0])
    return lambda share: share > ratio


FUNCTIONS: dict[str, Query[Any]] = {
    "check_for_uppercase": Query(capitals, _above),
    "html_title_subject_ratio": Query(title_share, _more),
    "tvd_vertical_words": Query(lambda facts: facts.paragraphs, _from_to),
}
"""Name in rule files → what it asks."""
