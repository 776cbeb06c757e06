"""A pattern as a program for the kernel's matcher (native/matcher.c), which counts its steps and reads no clock.

Instructions are five numbers: what to do, three that say with what, and for repeats of a set the octet that must come
next (-1: any).  What the matcher does not know, `regex` decides as before; a test holds both to each other.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from ..kernel import native
from .tree import ALL_CODES, FAILURES, FLAGS, codes_of, parse, walk

MAX_CODE = 4_000
"""Instructions of a program."""
MAX_GROUPS = 10
"""Groups that are referred to, the others not counted."""
CHAR, SET, JUMP, SPLIT, GREEDY, LAZY, POSSESSIVE, SAVE, REFERENCE, LOOK, LOOKED, AT, MATCH = range(13)
_START, _LINE_START, _END, _LINE_END, _VERY_END, _BOUNDARY, _NO_BOUNDARY = range(7)
_AHEAD, _NOT_AHEAD, _ATOMIC = range(3)
_SINGLE = ("LITERAL", "NOT_LITERAL", "ANY", "IN")
_RUNS = {"MAX_REPEAT": GREEDY, "MIN_REPEAT": LAZY, "POSSESSIVE_REPEAT": POSSESSIVE}
_PLACES = {
    "AT_BEGINNING": _START, "AT_BEGINNING_STRING": _START, "AT_END": _END, "AT_END_STRING": _VERY_END,
    "AT_BOUNDARY": _BOUNDARY, "AT_NON_BOUNDARY": _NO_BOUNDARY,
}  # fmt: skip
_IN_LINES = {"AT_BEGINNING": _LINE_START, "AT_END": _LINE_END}
_SWITCH = re.compile(rb"(?<=[^\\])\(\?([ims]+)\)((?:[^()|\[\]\\]|\\.)*)\)", re.S)
"""Flags from some place to the end of a group without alternatives, which Python's own parser does not take."""
_ONE_WAY = re.compile(rb"\(\?>|[*+?}]\+")
"""What matches in the first way that it can: an atomic group, or a repeat that gives nothing back."""
_RUN = re.compile(rb"\^?(?:\[[^\]]*\]|\\?.)\{\d")
"""What a pattern may start with that starts with a run of a class."""
Search = Callable[[bytes, bytes, int, int, int, int], "int | None"]
find: Search | None = native.find if native else None
"""The matcher (program, text, start, stop, steps, most), `None` where there is no kernel."""


class _Unknown(Exception):
    """What the matcher does not do."""


def program(pattern: bytes, flags: str, many: bool = False) -> bytes | None:
    """The program of a pattern, `None` if it cannot be one; ``many``: its matches are to be counted."""
    try:
        parsed, flags = parse(_simpler(pattern, many), flags)
        if many and not parsed.getwidth()[0]:
            return None
        return _Assembler(parsed, flags).assembled(parsed)
    except (*FAILURES, _Unknown, KeyError):
        return None


def _simpler(pattern: bytes, many: bool) -> bytes:
    """The same pattern in fewer steps, its switches as groups.

    Whole lines, one by one, are any text that starts with no line end and ends with one: where it matters only that
    there is a match, for the shortest is tried first.
    """
    if not many and not _ONE_WAY.search(pattern):
        pattern = pattern.replace(rb"(?:[^\x0a]+\x0a+)*", rb"(?:[^\x0a](?s:.*?)\x0a)?")
    return _SWITCH.sub(rb"(?\1:\2))", pattern)


def run_ahead(pattern: bytes, flags: str) -> int:
    """How many octets of one class a match starts with: where that is many, most of a text is passed over."""
    written = program(pattern, flags) if _RUN.match(pattern) else None
    return int(struct.unpack_from("=5i", written)[4]) if written else 0


class _Assembler:
    """Writes a program, element by element."""

    def __init__(self, parsed: Any, flags: str) -> None:
        self.flags = flags
        self.code: list[list[int]] = []
        self.sets: dict[frozenset[int], int] = {}
        self.inner = 0
        used = {value for name, value in walk(parsed) if name == "GROUPREF"}
        if len(used) > MAX_GROUPS:
            raise _Unknown("groups")
        self.groups = {number: slot for slot, number in enumerate(sorted(used))}

    def assembled(self, parsed: Any) -> bytes:
        """All of it: a head, the instructions, the sets."""
        first, empty = self.first_of(parsed)
        start = -1 if empty or first == ALL_CODES else self.set_of(first)
        self.sequence(parsed)
        self.put(MATCH)
        self.hurry()
        anchor = self.code[0][1] if self.code[0][:1] == [AT] and self.code[0][1] in (_START, _LINE_START) else -1
        run = self.code[anchor >= 0]
        least = run[2] if run[0] in (GREEDY, POSSESSIVE) and run[1] == start and run[2] >= 2 else 0
        numbers = [
            len(self.code),
            len(self.sets),
            start,
            anchor,
            least,
            *(number for one in self.code for number in one),
        ]
        sets = [sum(1 << code for code in codes).to_bytes(32, "little") for codes in self.sets]
        return struct.pack(f"={len(numbers)}i", *numbers) + b"".join(sets)

    def hurry(self) -> None:
        """Repeats of a set: which octet must come next; not to be made shorter where what comes next is not of it."""
        for this, after in zip(self.code, self.code[1:], strict=False):
            if this[0] not in (GREEDY, LAZY):
                continue
            needed: frozenset[int] | None = None
            if after[0] == CHAR:
                this[4] = after[1]
                needed = frozenset((after[1],))
            elif after[0] == SET or (after[0] in (GREEDY, LAZY, POSSESSIVE) and after[2]):
                needed = self.codes_in(after[1])
            if this[0] == GREEDY and needed is not None and not needed & self.codes_in(this[1]):
                this[0] = POSSESSIVE

    def put(self, what: int, a: int = 0, b: int = 0, c: int = 0) -> list[int]:
        if len(self.code) >= MAX_CODE:
            raise _Unknown("too long")
        self.code.append([what, a, b, c, -1])
        return self.code[-1]

    def set_of(self, codes: frozenset[int]) -> int:
        """The number of a set: of its table, or -1 for any octet, or -2 less the one octet that is not in it."""
        if len(codes) >= 255:
            return -2 - next(iter(ALL_CODES - codes), -1)
        return self.sets.setdefault(codes, len(self.sets))

    def codes_in(self, number: int) -> frozenset[int]:
        """The octets of a set."""
        if number < 0:
            return ALL_CODES - {-2 - number}
        return list(self.sets)[number]

    def sequence(self, items: Any) -> None:
        for name, value in items:
            self.element(str(name), value)

    def element(self, name: str, value: Any) -> None:
        """One element of the parsed pattern, by its name in `re`'s parser; `_Unknown` where there is no step for it."""
        if name in _SINGLE:
            codes = codes_of(name, value, self.flags)
            self.put(*((CHAR, next(iter(codes))) if len(codes) == 1 else (SET, self.set_of(codes))))
        elif name == "SUBPATTERN":
            self.group(value)
        elif name == "BRANCH":
            self.branch(value[1])
        elif name in _RUNS:
            self.repeat(name, value)
        elif name == "AT":
            inside = _IN_LINES if "m" in self.flags else _PLACES
            self.put(AT, inside.get(str(value), _PLACES[str(value)]))
        elif name == "GROUPREF":
            self.put(REFERENCE, self.groups[value], "i" in self.flags)
        elif name in ("ASSERT", "ASSERT_NOT"):
            self.look(name == "ASSERT_NOT", *value)
        elif name == "ATOMIC_GROUP":
            self.closed(_ATOMIC, 0, lambda: self.sequence(value))
        else:
            raise _Unknown(name)

    def group(self, value: Any) -> None:
        """A group, the flags that hold within it, and where it starts and ends if something refers to it."""
        number, added, dropped, items = value
        before = self.flags
        on = {letter for letter, flag in FLAGS if added & flag}
        off = {letter for letter, flag in FLAGS if dropped & flag}
        self.flags = "".join(sorted({*before, *on} - off))
        slot = self.groups.get(number, -1)
        if slot >= 0 and self.inner:
            raise _Unknown("a group that is referred to, repeated or in a look-around")
        if slot >= 0:
            self.put(SAVE, 2 * slot)
        self.sequence(items)
        if slot >= 0:
            self.put(SAVE, 2 * slot + 1)
        self.flags = before

    def branch(self, ways: Any) -> None:
        """Alternatives, in the order in which they are tried."""
        ends = []
        for way in ways[:-1]:
            split = self.put(SPLIT)
            split[1] = len(self.code)
            self.sequence(way)
            ends.append(self.put(JUMP))
            split[2] = len(self.code)
        self.sequence(ways[-1])
        for end in ends:
            end[1] = len(self.code)

    def look(self, negative: bool, direction: int, items: Any) -> None:
        low, high = items.getwidth()
        if direction < 0 and low != high:
            raise _Unknown("looks back by no fixed number")
        kind = _NOT_AHEAD if negative else _AHEAD
        self.closed(kind, int(low) if direction < 0 else 0, lambda: self.sequence(items))

    def closed(self, kind: int, back: int, inside: Callable[[], None]) -> None:
        """A look-around or an atomic group: it matches in one way."""
        start = self.put(LOOK, kind, 0, back)
        self.inner += 1
        inside()
        self.inner -= 1
        self.put(LOOKED)
        start[2] = len(self.code)

    def repeat(self, name: str, value: Any) -> None:
        """A repeat: of single octets one step, of a group a loop."""
        low, high, body = value
        most = -1 if str(high) == "MAXREPEAT" else int(high)
        if most == 0:
            return
        if len(body) == 1 and str(body[0][0]) in _SINGLE:
            codes = codes_of(str(body[0][0]), body[0][1], self.flags)
            self.put(_RUNS[name], self.set_of(codes), low, most)
            return
        if (low, most) != (0, 1) and not body.getwidth()[0]:
            raise _Unknown("repeats what may be empty")
        self.inner += 1
        if name == "POSSESSIVE_REPEAT":
            self.closed(_ATOMIC, 0, lambda: self.copies(body, low, most, False))
        else:
            self.copies(body, low, most, name == "MIN_REPEAT")
        self.inner -= 1

    def copies(self, body: Any, low: int, most: int, lazy: bool) -> None:
        """A sequence written out as often as it must be there, then those that may be."""
        for _ in range(low):
            self.sequence(body)
        again = len(self.code)
        splits = []
        for _ in range(most - low if most >= 0 else 1):
            splits.append(self.put(SPLIT))
            splits[-1][2 if lazy else 1] = len(self.code)
            self.sequence(body)
        if most < 0:
            self.put(JUMP, again)
        for split in splits:
            split[1 if lazy else 2] = len(self.code)

    def first_of(self, items: Any) -> tuple[frozenset[int], bool]:
        """Octets of which a match starts with one, some more maybe, and whether it may be empty."""
        found: frozenset[int] = frozenset()
        for name, value in items:
            first, empty = self._first(str(name), value)
            found |= first
            if not empty:
                return found, False
        return found, True

    def _first(self, name: str, value: Any) -> tuple[frozenset[int], bool]:
        if name in _SINGLE:
            return ALL_CODES if name == "ANY" else codes_of(name, value, "") | codes_of(name, value, "i"), False
        if name in ("SUBPATTERN", "ATOMIC_GROUP"):
            return self.first_of(value[3] if name == "SUBPATTERN" else value)
        if name == "BRANCH":
            firsts = [self.first_of(branch) for branch in value[1]]
            return frozenset().union(*(first for first, _ in firsts)), any(empty for _, empty in firsts)
        if name in _RUNS:
            first, empty = self.first_of(value[2])
            return first, empty or value[0] == 0
        if name == "GROUPREF":
            return ALL_CODES, True
        return frozenset(), True
