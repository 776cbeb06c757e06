"""Patterns without a text that must be there, looked for by one table of states instead of by hyperscan.

hyperscan is quick where a pattern demands some text; a pattern made of classes alone it follows octet by octet, in sets
of states, for every text.  Here the states in which a text can be are numbered as they are met (as RE2 does), so
that nearly every octet of the next text is one look into a table.  Glushkov's construction: a state is a set of places
in the patterns.  Texts are lines, each with its end.
"""

from __future__ import annotations

import threading
from array import array
from typing import Any, NamedTuple

from ..kernel import native
from .literals import required
from .tree import ALL_CODES, FAILURES, FLAGS, REPEATS, codes_of, parse, walk

MAX_PLACES = 700
"""Places in one pattern."""
MAX_STATES = 6_000
"""States that are kept; when there are more, all are forgotten."""
MAX_UNKNOWN = 500
"""Steps that nobody has taken before in one text, after which hyperscan looks at it."""
MAX_COUNT = 70
"""How often a piece of a pattern is written out at most."""
MAX_STARTS = 6
"""Places at which a pattern can start."""
FITS = 4
"""Counts changes of what `is_fit` says."""
MIN_WIDTH = 4
"""Octets of a match at least."""
_FREE, _BOUNDARY, _LINE_START, _NO_BOUNDARY = range(4)
"""What must hold between two places: nothing, or an anchor."""
_ANCHORS = {"AT_BOUNDARY": _BOUNDARY, "AT_BEGINNING": _LINE_START, "AT_NON_BOUNDARY": _NO_BOUNDARY}
_SINGLE = ("LITERAL", "NOT_LITERAL", "ANY", "IN")
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset(b"0123456789")
_UNKNOWN = 0x10000
_ENDS = 0x8000
_Edge = tuple[int, int]
"""A place, and the anchor between it and its neighbour."""
Codes = frozenset[int]


class _Unfit(Exception):
    """A pattern that is none for a table."""


class Part(NamedTuple):
    """A piece of a pattern: where it can start and end, and under which anchors it may be empty."""

    first: list[_Edge]
    last: list[_Edge]
    empty: frozenset[int]


class End(NamedTuple):
    """A pattern that ends at a place: its number, and how many octets before where the text is by then."""

    number: int
    back: int


class Places:
    """The places of all patterns: the octets of each, which ones follow, what ends there."""

    def __init__(self) -> None:
        self.codes: list[Codes] = []
        self.follow: list[tuple[set[int], set[int], set[int], set[int]]] = []
        self.starts: tuple[set[int], set[int], set[int], set[int]] = (set(), set(), set(), set())
        self.ends: dict[int, list[End]] = {}

    def add(self, expression: bytes, flags: str, number: int) -> bool:
        """Add a pattern; false if it is not fit for a table."""
        before = len(self.codes)
        try:
            parsed, flags = parse(expression, flags)
            part = self._sequence(parsed, flags, before + MAX_PLACES)
            if part.empty or any(anchor == _LINE_START for _, anchor in part.last):
                raise _Unfit("may be empty, or looks at the next line")
            for place, anchor in part.last:
                after = place if anchor == _FREE else self._new(ALL_CODES, before + MAX_PLACES + 4)
                if anchor != _FREE:
                    self.follow[place][anchor].add(after)
                self.ends.setdefault(after, []).append(End(number, int(anchor != _FREE)))
        except (*FAILURES, _Unfit):
            del self.codes[before:], self.follow[before:]
            self.ends = {place: ends for place, ends in self.ends.items() if place < before}
            return False
        for place, anchor in part.first:
            self.starts[anchor].add(place)
        return True

    def _new(self, codes: Codes, most: int) -> int:
        if len(self.codes) >= most:
            raise _Unfit("too many places")
        self.codes.append(codes)
        self.follow.append((set(), set(), set(), set()))
        return len(self.codes) - 1

    def _sequence(self, items: Any, flags: str, most: int) -> Part:
        found = Part([], [], frozenset((_FREE,)))
        for name, value in items:
            found = self._joined(found, self._element(str(name), value, flags, most))
        return found

    def _joined(self, one: Part, other: Part) -> Part:
        for place, anchor in one.last:
            for after, more in other.first:
                self.follow[place][_both(anchor, more)].add(after)
        return Part(
            one.first + [(place, _both(empty, anchor)) for empty in one.empty for place, anchor in other.first],
            other.last + [(place, _both(anchor, empty)) for empty in other.empty for place, anchor in one.last],
            frozenset(_both(empty, more) for empty in one.empty for more in other.empty),
        )

    def _element(self, name: str, value: Any, flags: str, most: int) -> Part:
        if name in _SINGLE:
            place = self._new(codes_of(name, value, flags), most)
            return Part([(place, _FREE)], [(place, _FREE)], frozenset())
        if name == "SUBPATTERN":
            on = {letter for letter, flag in FLAGS if value[1] & flag}
            off = {letter for letter, flag in FLAGS if value[2] & flag}
            return self._sequence(value[3], "".join(sorted({*flags, *on} - off)), most)
        if name == "BRANCH":
            parts = [self._sequence(branch, flags, most) for branch in value[1]]
            return Part(
                [edge for part in parts for edge in part.first],
                [edge for part in parts for edge in part.last],
                frozenset().union(*(part.empty for part in parts)),
            )
        if name in REPEATS and name != "POSSESSIVE_REPEAT":
            return self._repeat(value, flags, most)
        if name == "AT" and str(value) in _ANCHORS:
            return Part([], [], frozenset((_ANCHORS[str(value)],)))
        raise _Unfit(name)

    def _repeat(self, value: Any, flags: str, most: int) -> Part:
        low, high, body = value
        endless = str(high) == "MAXREPEAT"
        times = max(int(low), 1) if endless else int(high)
        if times > MAX_COUNT:
            raise _Unfit("a long repeat")
        found = Part([], [], frozenset((_FREE,)))
        for number in range(times):
            part = self._sequence(body, flags, most)
            if endless and number == times - 1:
                self._joined(part, part)
            if number >= low:
                part = Part(part.first, part.last, part.empty | {_FREE})
            found = self._joined(found, part)
        return found


def _both(one: int, other: int) -> int:
    """One anchor for two."""
    if one in (_FREE, other):
        return other
    if other == _FREE:
        return one
    raise _Unfit("two anchors")


def is_fit(expression: bytes, flags: str) -> bool:
    """Whether a pattern goes into a table with others.

    It does if it demands no text, has few ways to start, does not end every few octets, and is no longer than
    `MAX_PLACES`: such a pattern is in few states, and hyperscan slow with it.  One that repeats letters or digits is
    always somewhere in its middle, and would multiply the states of the others.
    """
    places = Places()
    if required(expression, flags) or not places.add(expression, flags, 0) or sum(map(len, places.starts)) > MAX_STARTS:
        return False
    parsed, flags = parse(expression, flags)
    return parsed.getwidth()[0] >= MIN_WIDTH and not any(
        _most(codes, _LETTERS) or _most(codes, _DIGITS) for codes in _repeated(parsed, flags)
    )


def repeats_words(expression: bytes, flags: str) -> bool:
    """Whether a pattern demands no text and repeats letters alone: hyperscan follows it through every word."""
    try:
        parsed, flags = parse(expression, flags)
    except FAILURES:
        return False
    letters = _LETTERS | {code - 32 for code in _LETTERS}
    return any(codes <= letters and _most(codes, _LETTERS) for codes in _repeated(parsed, flags)) and not required(
        expression, flags
    )


def _repeated(parsed: Any, flags: str) -> list[Codes]:
    """The octets of what a pattern repeats more than twice."""
    return [
        codes_of(one, codes, flags)
        for name, value in walk(parsed)
        if name in REPEATS and (str(value[1]) == "MAXREPEAT" or value[1] > 2)
        for one, codes in walk(value[2])
        if one in _SINGLE
    ]


def _most(codes: Codes, kind: Codes) -> bool:
    """Whether more than half of a kind of octets are there."""
    return len(kind & codes) > len(kind) // 2


class _States:
    """States met so far: their table, and what each is made of: places, and whether a word and a line go on there."""

    def __init__(self, width: int) -> None:
        self.table = array("H", bytes(2 * width * MAX_STATES))
        self.made: list[tuple[frozenset[int], bool, bool]] = [(frozenset(), False, False), (frozenset(), False, True)]
        self.ends: list[tuple[End, ...]] = [(), ()]
        self.numbers = {self.made[1]: 1}
        self.reached: dict[tuple[int, bool], tuple[int, ...]] = {}
        """Places after a state, by whether a word starts or ends between."""
        self.lock = threading.Lock()


class Automaton:
    """A table of states for patterns in lines; safe to use from several threads."""

    def __init__(self, places: Places) -> None:
        self._follow, self._ends = places.follow, places.ends
        kinds = {codes: number for number, codes in enumerate(dict.fromkeys(places.codes))}
        words = frozenset(code for code in range(128) if chr(code).isalnum() or code == 95)
        marks = [(code in words, code == 10, *(code in codes for codes in kinds)) for code in range(256)]
        classes = {mark: number for number, mark in enumerate(dict.fromkeys(marks))}
        self.classes = bytes(classes[mark] for mark in marks)
        self.width = len(classes)
        self._is_word = [mark[0] for mark in classes]
        self._is_end = [mark[1] for mark in classes]
        holds = [sum(1 << number for number, mark in enumerate(classes) if mark[2 + kind]) for kind in kinds.values()]
        self._classes_of = [holds[kinds[codes]] for codes in places.codes]
        self._starts = {
            (kind, edge, line): frozenset(
                place for anchor in _anchors(edge, line) for place in places.starts[anchor]
                if self._classes_of[place] >> kind & 1
            )
            for kind in range(self.width) for edge in (False, True) for line in (False, True)
        }  # fmt: skip
        self._states = _States(self.width)

    def scan(self, text: bytes) -> list[tuple[int, int]] | None:
        """Every number of a pattern with every place where it ends, in order; `None` if it would take too long."""
        assert native is not None
        states, size = self._states, len(text)
        found: list[tuple[int, int]] = []
        unknown = at = 0
        state = 1
        while at < size:
            step = native.follow(states.table, self.classes, self.width, text, at, state)
            at, state = step >> 17, step & 0x7FFF
            if step & _UNKNOWN:
                unknown += 1
                state = self._next(states, state, self.classes[text[at]]) if unknown <= MAX_UNKNOWN else 0
                if not state:
                    return None
                at += 1
            found += [(end.number, at - end.back) for end in states.ends[state]]
        return found

    def _next(self, states: _States, state: int, kind: int) -> int:
        """The state after an octet of a class, noted in the table; 0 if there is no room, and then all is forgotten."""
        with states.lock:
            places, was_word, line = states.made[state]
            edge = self._is_word[kind] != was_word
            reached = states.reached.get((state, edge))
            if reached is None:
                anchors, follow = _anchors(edge, line), self._follow
                reached = tuple(set().union(*[follow[place][anchor] for place in places for anchor in anchors]))
                states.reached[state, edge] = reached
            classes = self._classes_of
            kept = self._starts[kind, edge, line].union([place for place in reached if classes[place] >> kind & 1])
            made = (kept, self._is_word[kind], self._is_end[kind])
            number = states.numbers.get(made)
            if number is None:
                number = len(states.made)
                if number >= MAX_STATES:
                    self._states = _States(self.width)
                    return 0
                states.numbers[made] = number
                states.made.append(made)
                states.ends.append(tuple(sorted({end for place in kept for end in self._ends.get(place, ())})))
            states.table[state * self.width + kind] = number | (_ENDS if states.ends[number] else 0)
            return number


def _anchors(edge: bool, line: bool) -> tuple[int, ...]:
    """Anchors that hold where a word starts or ends or not, and where a line starts or not."""
    inside = _BOUNDARY if edge else _NO_BOUNDARY
    return (_FREE, inside, _LINE_START) if line else (_FREE, inside)
