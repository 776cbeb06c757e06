"""The standard library's own reading of a pattern as a tree (it has no public name)."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

FLAGS = (("i", re.I), ("s", re.S), ("m", re.M))
FAILURES = (re.error, RecursionError, OverflowError, ValueError, ImportError)
"""What `parse` raises for a pattern that it cannot read."""
CATEGORIES = {
    "CATEGORY_DIGIT": "\\d", "CATEGORY_NOT_DIGIT": "\\D", "CATEGORY_SPACE": "\\s", "CATEGORY_NOT_SPACE": "\\S",
    "CATEGORY_WORD": "\\w", "CATEGORY_NOT_WORD": "\\W",
}  # fmt: skip
DOT_ALL = int(re.S)
REPEATS = frozenset(("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"))


def parse(pattern: bytes, flags: str) -> tuple[Any, str]:
    """The tree, a sequence of (operation, value), and the flags with those that the pattern sets for all of it."""
    parsed = importlib.import_module("re._parser").parse(pattern, re.DOTALL if "s" in flags else 0)
    own = parsed.state.flags
    return parsed, "".join(sorted(set(flags) | {name for name, flag in FLAGS if own & flag}))


def walk(items: Any) -> Iterator[tuple[str, Any]]:
    """Every element of a tree as (operation, value), those within groups included."""
    stack = [items]
    while stack:
        for operation, value in stack.pop():
            name = str(operation)
            yield name, value
            if name in REPEATS:
                stack.append(value[2])
            elif name == "SUBPATTERN":
                stack.append(value[3])
            elif name == "ATOMIC_GROUP":
                stack.append(value)
            elif name == "BRANCH":
                stack += value[1]
            elif name in ("ASSERT", "ASSERT_NOT"):
                stack.append(value[1])


def char(code: int) -> str:
    """A character as it stands in a pattern or a class."""
    text = chr(code)
    return text if code < 128 and text.isalnum() else f"\\x{code:02x}"


ALL_CODES = frozenset(range(256))
_WORD = frozenset(code for code in range(128) if chr(code).isalnum() or code == 95)
_SPACE = frozenset((9, 10, 11, 12, 13, 32))
_DIGIT = frozenset(range(48, 58))
_CATEGORY_CODES = {
    "CATEGORY_DIGIT": _DIGIT, "CATEGORY_NOT_DIGIT": ALL_CODES - _DIGIT, "CATEGORY_SPACE": _SPACE,
    "CATEGORY_NOT_SPACE": ALL_CODES - _SPACE, "CATEGORY_WORD": _WORD, "CATEGORY_NOT_WORD": ALL_CODES - _WORD,
}  # fmt: skip


def codes_of(name: str, value: Any, flags: str) -> frozenset[int]:
    """The octets that a single character of a pattern stands for, under the flags out of ``is``."""
    if name == "ANY":
        return ALL_CODES if "s" in flags else ALL_CODES - {10}
    if name in ("LITERAL", "NOT_LITERAL"):
        value = ((name, value),)
    codes: set[int] = set()
    negative = False
    for operation, member in value:
        match str(operation):
            case "NEGATE":
                negative = True
            case "LITERAL" | "NOT_LITERAL":
                codes.add(member)
                negative = negative or str(operation) == "NOT_LITERAL"
            case "RANGE":
                codes.update(range(member[0], member[1] + 1))
            case "CATEGORY":
                codes |= _CATEGORY_CODES[str(member)]
    if "i" in flags:
        codes |= {ord(chr(code).swapcase()) for code in codes if code < 128}
    return ALL_CODES - codes if negative else frozenset(codes)


def byte_class(codes: frozenset[int]) -> str:
    """A class of these octets, the shorter way round."""
    if not codes:
        return "[^\\x00-\\xff]"
    if len(codes) == len(ALL_CODES):
        return "[\\x00-\\xff]"
    negative = len(codes) > 128
    ordered = sorted(ALL_CODES - codes if negative else codes)
    out = []
    start = last = ordered[0]
    for code in [*ordered[1:], 1000]:
        if code != last + 1:
            out.append(char(start) if start == last else f"{char(start)}-{char(last)}")
            start = code
        last = code
    return f"[{'^' if negative else ''}{''.join(out)}]"


def trimmed(items: Any) -> list[Any]:
    """A sequence without what may be empty at its end: it would only make a match end in many places."""
    kept = list(items)
    while kept:
        name, value = str(kept[-1][0]), kept[-1][1]
        if name in REPEATS:
            if value[0] == 0:
                kept.pop()
                continue
            kept[-1] = (kept[-1][0], (value[0], value[0], value[2]))
        elif name in ("AT", "ASSERT", "ASSERT_NOT"):
            kept.pop()
            continue
        break
    return kept


def bare(items: Any) -> list[Any]:
    """A sequence without what adds nothing to whether it is found: repeats at its ends are as short as may be."""
    kept = list(items)
    if any(name.startswith("GROUPREF") for name, _ in walk(kept)):
        return kept
    for end in (0, -1):
        while kept:
            operation, value = kept[end]
            if str(operation) not in REPEATS or _looks_around(value[2]):
                break
            if value[0]:
                kept[end] = (operation, (value[0], value[0], value[2]))
                break
            kept.pop(end)
    return kept


def _looks_around(items: Any) -> bool:
    return any(name == "AT" or name.startswith("ASSERT") for name, _ in walk(items))


def written(name: str, value: Any, flags: str) -> str:
    """A single character's text as it is."""
    match name:
        case "LITERAL":
            return char(value)
        case "NOT_LITERAL":
            return f"[^{char(value)}]"
        case "ANY":
            return "[\\x00-\\xff]" if "s" in flags else "[^\\n]"
    out = []
    for operation, member in value:
        match str(operation):
            case "NEGATE":
                out.append("^")
            case "LITERAL":
                out.append(char(member))
            case "RANGE":
                out.append(f"{char(member[0])}-{char(member[1])}")
            case "CATEGORY":
                out.append(CATEGORIES[str(member)])
            case other:
                raise ValueError(other)
    return "[" + "".join(out) + "]"


def size(items: Any) -> int:
    """How many characters a sequence has when its repeats are written out."""
    total = 0
    for operation, value in items:
        match str(operation):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                times = value[0] + 1 if str(value[1]) == "MAXREPEAT" else int(value[1])
                total += times * size(value[2])
            case "SUBPATTERN":
                total += size(value[3])
            case "ATOMIC_GROUP":
                total += size(value)
            case "BRANCH":
                total += sum(map(size, value[1]))
            case "LITERAL" | "NOT_LITERAL" | "IN" | "ANY":
                total += 1
    return total


def is_last_line_end(items: Any) -> bool:
    """Whether a look-ahead is what Perl's ``\\Z`` was written as."""
    if len(items) != 2 or str(items[1][1]) != "AT_END_STRING" or str(items[0][0]) not in REPEATS:
        return False
    low, high, body = items[0][1]
    return (low, high) == (0, 1) and [(str(name), value) for name, value in body] == [("LITERAL", 10)]
