"""Texts of which every match of a pattern must hold at least one: cheap to look for before the pattern is run."""

from __future__ import annotations

from typing import Any

from .tree import FAILURES, REPEATS, parse

MAX_LITERALS = 400
MIN_LENGTH = 3


def required(pattern: bytes, flags: str) -> frozenset[bytes]:
    """Such texts in lower case, to be looked for in text in lower case; empty if there are none."""
    if len(pattern) > 20_000:
        return frozenset()
    try:
        parsed, _ = parse(pattern, flags)
    except FAILURES:
        return frozenset()
    return _best(parsed) or frozenset()


def _best(items: Any) -> frozenset[bytes] | None:
    """The most telling set of texts in a sequence: the one whose shortest text is longest."""
    found: list[frozenset[bytes]] = []
    run = bytearray()
    for operation, value in items:
        name = str(operation)
        if name == "LITERAL" and value < 128:
            run += bytes([value]).lower()
            continue
        letter = _letter(name, value)
        run += letter
        if len(run) >= MIN_LENGTH:
            found.append(frozenset([bytes(run)]))
        run = bytearray(letter)
        inner = None if letter else _inside(name, value)
        if inner:
            found.append(inner)
    if len(run) >= MIN_LENGTH:
        found.append(frozenset([bytes(run)]))
    return max(found, key=lambda texts: (min(map(len, texts)), -len(texts)), default=None)


def _letter(name: str, value: Any) -> bytes:
    """The letter of a repeat like ``d+``: it stands at least once both before and after what is around it."""
    if name in REPEATS and value[0] and len(value[2]) == 1:
        operation, code = value[2][0]
        if str(operation) == "LITERAL" and code < 128:
            return bytes([code]).lower()
    return b""


def _inside(name: str, value: Any) -> frozenset[bytes] | None:
    """Texts that one element of a sequence demands."""
    if name == "SUBPATTERN":
        return _best(value[3])
    if name == "ATOMIC_GROUP":
        return _best(value)
    if name in REPEATS:
        return _best(value[2]) if value[0] else None
    if name == "BRANCH":
        texts: set[bytes] = set()
        for branch in value[1]:
            best = _best(branch)
            if not best:
                return None
            texts |= best
        return frozenset(texts) if len(texts) <= MAX_LITERALS else None
    return None
