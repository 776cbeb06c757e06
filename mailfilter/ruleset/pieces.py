"""A pattern cut in two at its alternatives, for hyperscan, to which some are too large as they are."""

from __future__ import annotations

import re

from .patterns import Pattern

_REFERENCE = re.compile(rb"\\[1-9]|\(\?P|\(\?\(")


def halves(pattern: Pattern) -> tuple[Pattern, Pattern] | None:
    """Two patterns of which one matches wherever the given one does; `None` if it has no group to cut.

    Cut is the longest group of alternatives that is neither repeated nor within a group that is, nor in look-around.
    """
    text = pattern.exact
    best: tuple[int, int, list[int]] | None = None
    for start, end, bars in _groups(text):
        if bars and (best is None or end - start > best[1] - best[0]):
            best = start, end, bars
    if best is None:
        return None
    start, end, bars = best
    middle = min(bars, key=lambda bar: abs(bar - (start + end) // 2))
    parts = (text[:middle] + text[end:], text[:start] + text[middle + 1 :])
    one, other = (Pattern(pattern.source, part, part, pattern.flags) for part in parts)
    return one, other


def _groups(text: bytes) -> list[tuple[int, int, list[int]]]:
    """Plain groups ``(?:...)`` that stand once: where their content starts and ends, and the ``|`` at their level."""
    if _REFERENCE.search(text):
        return []
    stack: list[tuple[int, list[int]]] = []
    found: list[tuple[int, int, list[int]]] = []
    at = 0
    while at < len(text):
        char = text[at : at + 1]
        if char == b"\\":
            at += 1
        elif char == b"[":
            at = _class_end(text, at)
        elif char == b"(":
            stack.append((at, []))
        elif char == b"|" and stack:
            stack[-1][1].append(at)
        elif char == b")" and stack:
            start, bars = stack.pop()
            again = text[at + 1 : at + 2] in (b"?", b"*", b"+", b"{")
            if again or text[start : start + 3] != b"(?:":
                found = [group for group in found if group[0] < start]
            if not again and text[start : start + 3] == b"(?:":
                found.append((start + 3, at, bars))
        at += 1
    return found


def _class_end(text: bytes, at: int) -> int:
    """Where a class ends."""
    at += 2 if text[at + 1 : at + 2] == b"^" else 1
    at += text[at : at + 1] == b"]"
    while at < len(text) and text[at : at + 1] != b"]":
        at += 2 if text[at : at + 1] == b"\\" else 1
    return at
