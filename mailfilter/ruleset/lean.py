"""What is left of a pattern when the text is ASCII alone: exactly as good there, often a twentieth as long.

Alternatives and members of classes above ASCII go; a pattern that needs one matches nothing there.
"""

from __future__ import annotations

import re
from typing import Any

from .patterns import Pattern
from .tree import CATEGORIES, FAILURES, FLAGS, char, parse

WORTH = 100
"""Characters from which on a pattern is worth the trouble."""
_ANCHORS = {
    "AT_BEGINNING": "^", "AT_BEGINNING_STRING": "\\A", "AT_BOUNDARY": "\\b", "AT_NON_BOUNDARY": "\\B", "AT_END": "$",
    "AT_END_STRING": "\\Z",
}  # fmt: skip


class _Dead(Exception):
    """A piece that ASCII text cannot match."""


class _Unchanged(Exception):
    """A pattern that is better left as it is."""


def shortened(pattern: Pattern) -> Pattern | None:
    """The pattern for ASCII text: the given one, a shorter one, or `None` if it cannot match there."""
    small = lean(pattern.exact, pattern.flags)
    if small is None:
        return pattern
    return Pattern(pattern.source, small[0], small[0], small[1]) if small[0] else None


def lean(pattern: bytes, flags: str) -> tuple[bytes, str] | None:
    """The pattern for ASCII text and its flags; empty bytes if it cannot match there, `None` to use the given one."""
    if len(pattern) < WORTH or not re.search(rb"\\x[89a-f]", pattern):
        return None
    try:
        parsed, flags = parse(pattern, flags)
        text = _sequence(parsed)
    except _Dead:
        return b"", flags
    except (*FAILURES, _Unchanged, KeyError):
        return None
    return text.encode("latin-1"), flags


def _sequence(items: Any) -> str:
    return "".join([_element(str(operation), value) for operation, value in items])


def _element(name: str, value: Any) -> str:
    match name:
        case "LITERAL":
            if value > 127:
                raise _Dead
            return char(value)
        case "NOT_LITERAL":
            return f"[^{char(value)}]"
        case "ANY":
            return "."
        case "IN":
            return _members(value)
        case "AT":
            return _ANCHORS[str(value)]
        case "SUBPATTERN":
            on = "".join(letter for letter, flag in FLAGS if value[1] & flag)
            off = "".join(letter for letter, flag in FLAGS if value[2] & flag)
            return f"(?{on}{'-' + off if off else ''}:{_sequence(value[3])})"
        case "ATOMIC_GROUP":
            return f"(?>{_sequence(value)})"
        case "BRANCH":
            return _branch(value[1])
        case "ASSERT" | "ASSERT_NOT":
            return _assertion(name == "ASSERT_NOT", *value)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return _repeat(name, *value)
    raise _Unchanged


def _branch(branches: Any) -> str:
    kept: dict[str, None] = {}
    for branch in branches:
        try:
            kept[_sequence(branch)] = None
        except _Dead:
            continue
    if not kept:
        raise _Dead
    return "(?:" + "|".join(kept) + ")"


def _assertion(negative: bool, direction: int, items: Any) -> str:
    try:
        text = _sequence(items)
    except _Dead:
        if negative:
            return ""
        raise
    return f"(?{'<' if direction < 0 else ''}{'!' if negative else '='}{text})"


def _repeat(name: str, low: int, high: Any, items: Any) -> str:
    try:
        text = _sequence(items)
    except _Dead:
        if low:
            raise
        return ""
    most = "" if str(high) == "MAXREPEAT" else str(int(high))
    single = len(items) == 1 and str(items[0][0]) in ("LITERAL", "NOT_LITERAL", "ANY", "IN")
    text = text if single else f"(?:{text})"
    mark = {"MIN_REPEAT": "?", "POSSESSIVE_REPEAT": "+"}.get(name, "")
    return f"{text}{{{low},{most}}}{mark}"


def _members(items: Any) -> str:
    out = []
    negative = False
    for operation, value in items:
        match str(operation):
            case "NEGATE":
                negative = True
            case "LITERAL":
                if value < 128 or negative:
                    out.append(char(value))
            case "RANGE":
                if value[0] < 128 or negative:
                    out.append(f"{char(value[0])}-{char(value[1])}")
            case "CATEGORY":
                out.append(CATEGORIES[str(value)])
    if not out:
        raise _Dead
    return "[" + "^" * negative + "".join(out) + "]"
