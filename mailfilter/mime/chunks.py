"""HTML cut before each ``<``, with marks where a style makes what follows invisible."""

from __future__ import annotations

import re
from itertools import accumulate

BREAK, VEILED, SHRUNK = "\x1e", "\x1c", "\x1d"
"""Marks of ours, dropped from the source: the end of a line; and, before what follows a ``<``, that the tag hides
its content wholly, or until a font size is set."""
MARKS = (VEILED, SHRUNK)
DROP = {ord(mark): None for mark in (BREAK, VEILED, SHRUNK)}

MAX_MARKS = 10_000
"""Invisible elements of each kind that are looked for; beyond, everything counts as visible."""

_BLANK = r"\s{0,9}"
_ZERO = rf"{_BLANK}:{_BLANK}0(?![.\d]{{0,20}}[1-9])"
_HIDING = tuple(
    re.compile(pattern)
    for pattern in (
        rf"display{_BLANK}:{_BLANK}none",
        rf"visibility{_BLANK}:{_BLANK}hidden",
        rf"opacity{_ZERO}",
        r" hidden(?=[\s=/>])",
    )
)
_TINY = re.compile(rf"font-size{_ZERO}")


def unmarked(source: str) -> str:
    """``source`` without characters that are marks of ours."""
    return source.translate(DROP) if BREAK in source or VEILED in source or SHRUNK in source else source


def marked_chunks(source: str) -> list[str]:
    """What follows each ``<``, marked where a style hides what comes."""
    source = unmarked(source)
    chunks = source.split("<")
    if source.isascii():
        low = source.lower()
    else:  # only ASCII in lower case: faster, and positions stay
        low = source.encode("utf-8", "replace").lower().decode("utf-8")
    if "style" in low or " hidden" in low:
        for mark, patterns in ((VEILED, _HIDING), (SHRUNK, (_TINY,))):
            ends = sorted([match.end() for pattern in patterns for match in pattern.finditer(low)])
            if ends:
                _mark(chunks, ends[:MAX_MARKS], mark)
    return chunks


def _mark(chunks: list[str], ends: list[int], mark: str) -> None:
    """Put a mark before the chunks within whose tag one of the positions (in order) lies."""
    following = iter(ends)
    end = next(following, None)
    start = 0
    for i, total in enumerate(list(accumulate(map(len, chunks)))):
        stop = total + i
        if end is not None and end <= stop:
            chunk = chunks[i]
            bracket = chunk.find(">")
            if chunk[:1] not in MARKS and (bracket < 0 or end - start <= bracket):
                chunks[i] = mark + chunk
            while end is not None and end <= stop:
                end = next(following, None)
        if end is None:
            return
        start = stop + 1
