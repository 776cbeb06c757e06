"""A simpler pattern that matches wherever a given one does: quick to compile, and confirmed by the exact one.

Look-around, references and anchors within are dropped, long counted repeats become open ones, and what comes after
the first few thousand characters is left off.  Whatever the pattern matches, the simpler one matches too.
"""

from __future__ import annotations

import re
from typing import Any

from .patterns import Pattern
from .tree import CATEGORIES, FAILURES, FLAGS, REPEATS, char, parse, trimmed, walk

MAX_LENGTH = 3_000
"""Characters of a relaxed pattern."""
MAX_COUNT = 3
"""Repeats that stay counted."""
COSTLY = 140
"""Elements of a group that may not be repeated three times or more."""


def relaxed(pattern: bytes, flags: str, most: int = MAX_LENGTH) -> tuple[bytes, str] | None:
    """Such a pattern and its flags, `None` if there is none worth its name (it would match nearly everything)."""
    try:
        parsed, flags = parse(pattern, flags)
        text, room = "".ljust(2 * most), 2 * most
        while len(text) > most and room > 100:
            room //= 2
            text, _ = _sequence(trimmed(parsed), room)
    except (*FAILURES, _Unknown):
        return None
    text = text.removesuffix("\\b")
    return (text.encode("latin-1"), flags) if _telling(text) else None


class _Unknown(Exception):
    """An element that is not known."""


def is_costly(pattern: Pattern) -> bool:
    """Whether a long group is repeated: such patterns take the exact engine milliseconds a kilobyte."""
    if len(pattern.exact) < 2 * COSTLY:
        return False
    try:
        return _has_long_repeat(parse(pattern.exact, pattern.flags)[0])
    except FAILURES:
        return False


def _has_long_repeat(items: Any) -> bool:
    return any(name in REPEATS and value[1] >= 3 and _size(value[2]) >= COSTLY for name, value in walk(items))


def _size(items: Any) -> int:
    """Elements of a sequence, those within groups counted, alternatives above ASCII alone not."""
    total = 0
    stack = list(items)
    while stack:
        operation, value = stack.pop()
        total += 1
        match str(operation):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                stack += list(value[2])
            case "SUBPATTERN":
                stack += list(value[3])
            case "ATOMIC_GROUP":
                stack += list(value)
            case "BRANCH":
                stack += [item for branch in value[1] if _high(branch) is None for item in branch]
    return total


def _telling(text: str) -> bool:
    """Whether a pattern cannot match the empty text."""
    try:
        return re.match(f"(?:{text})".encode("latin-1"), b"") is None
    except re.error:
        return False


def _sequence(items: Any, room: int) -> tuple[str, bool]:
    """Text of a sequence, and whether all of it is there; what does not fit ends it."""
    out: list[str] = []
    for operation, value in items:
        text, whole = _element(str(operation), value, room)
        out.append(text)
        room -= len(text)
        if not whole or room <= 0:
            return "".join(out), False
    return "".join(out), True


def _element(name: str, value: Any, room: int) -> tuple[str, bool]:
    match name:
        case "LITERAL":
            return char(value), True
        case "NOT_LITERAL":
            return f"[^{char(value)}]", True
        case "ANY":
            return ".", True
        case "IN":
            return _members(value), True
        case "SUBPATTERN":
            text, whole = _sequence(value[3], room)
            return _group(text, value[1], value[2]), whole
        case "ATOMIC_GROUP":
            text, whole = _sequence(value, room)
            return f"(?:{text})", whole
        case "BRANCH":
            return _branch(value[1], room)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return _repeat(value, room)
        case "ASSERT" | "ASSERT_NOT":
            return "", True
        case "AT":
            return ("\\b" if str(value) == "AT_BOUNDARY" else ""), True
        case "GROUPREF" | "GROUPREF_EXISTS":
            return "", False
    raise _Unknown(name)


def _group(text: str, added: int, dropped: int) -> str:
    on = "".join(letter for letter, flag in FLAGS if added & flag)
    off = "".join(letter for letter, flag in FLAGS if dropped & flag)
    return f"(?{on}{'-' + off if off else ''}:{text})"


def _branch(branches: Any, room: int) -> tuple[str, bool]:
    """Alternatives; those of octets above ASCII alone become one class, numeric entities become one of any number."""
    merged, branches = without_high(branches)
    texts: dict[str, None] = {merged: None} if merged else {}
    whole = True
    share = max(room // max(1, len(branches)), 40)
    for branch in branches:
        text, complete = _sequence(branch, share)
        texts[text] = None
        whole = whole and complete
    return "(?:" + "|".join(texts) + ")", whole


def without_high(branches: Any) -> tuple[str, list[Any]]:
    """What matches all branches of octets above ASCII alone and of numeric entities, and the other branches."""
    first: set[int] = set()
    longest = 0
    entity = False
    others = []
    for branch in branches:
        high = _high(branch)
        if high is not None:
            first |= high[0]
            longest = max(longest, high[1])
        elif [(str(kind), value) for kind, value in branch[:2]] == [("LITERAL", 38), ("LITERAL", 35)]:
            entity = True
        else:
            others.append(branch)
    texts = []
    if first:
        texts.append(f"[{''.join(map(char, sorted(first)))}][\\x80-\\xff]{{0,{longest - 1}}}")
    if entity:
        texts.append("&\\x23\\w+;?")
    return "|".join(texts), others


def _high(items: Any) -> tuple[set[int], int] | None:  # noqa: PLR0912
    """First octets and greatest length of a sequence of octets above ASCII alone, `None` if it is none."""
    first: set[int] = set()
    longest = 0
    for operation, value in items:
        match str(operation):
            case "LITERAL":
                codes, length = {value}, 1
            case "IN":
                codes, length = set(), 1
                for kind, member in value:
                    if str(kind) == "LITERAL":
                        codes.add(member)
                    elif str(kind) == "RANGE":
                        codes.update(range(member[0], member[1] + 1))
                    else:
                        return None
            case "SUBPATTERN":
                inner = _high(value[3])
                if inner is None:
                    return None
                codes, length = inner
            case "BRANCH":
                inners = [_high(branch) for branch in value[1]]
                if any(inner is None for inner in inners):
                    return None
                codes = set().union(*(inner[0] for inner in inners if inner))
                length = max(inner[1] for inner in inners if inner)
            case _:
                return None
        if not codes or min(codes) < 128:
            return None
        first = first or codes
        longest += length
    return (first, longest) if first else None


def _repeat(value: Any, room: int) -> tuple[str, bool]:
    low, high, body = value
    high = 1_000_000 if str(high) == "MAXREPEAT" else int(high)
    text, whole = _sequence(body, room)
    if not whole:
        return (f"(?:{text})", False) if low else ("", False)
    if text in ("", "\\b"):
        return "", True
    single = len(body) == 1 and str(body[0][0]) in ("LITERAL", "NOT_LITERAL", "ANY", "IN")
    text = text if single else f"(?:{text})"
    if (low, high) == (0, 1):
        return text + "?", True
    if (low, high) == (1, 1):
        return text, True
    if high <= MAX_COUNT and single:
        return f"{text}{{{low},{high}}}", True
    low = min(low, MAX_COUNT)
    if len(text) * low > room:
        low = min(low, 1)
    return {0: f"{text}*", 1: f"{text}+"}.get(low, f"{text}{{{low},}}"), True


def _members(items: Any) -> str:
    out = []
    for operation, value in items:
        match str(operation):
            case "NEGATE":
                out.append("^")
            case "LITERAL":
                out.append(char(value))
            case "RANGE":
                out.append(f"{char(value[0])}-{char(value[1])}")
            case "CATEGORY":
                out.append(CATEGORIES[str(value)])
            case other:
                raise _Unknown(other)
    return "[" + "".join(out) + "]"
