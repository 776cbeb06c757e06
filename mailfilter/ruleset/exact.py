"""The bounded engine, for patterns that hyperscan cannot decide, and for all without it.

The kernel's matcher looks first, as it needs no clock: it gives up after so many steps.  What it does not decide,
`regex` does, with a time limit.

Time is given out by a `Budget`: so much for one rule in one mail, and ten times that for all rules of the mail.  A
rule that takes longer than it may (the engine looks at the clock now and then only) takes it from no other rule.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

import regex

from .charclasses import PatternError
from .literals import required
from .patterns import Pattern
from .program import find, program
from .tree import DOT_ALL, FAILURES, codes_of, parse, walk

_FLAGS = {"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL}
SHORT = 10_000
"""Octets of a text whose matches are all found before they are counted."""
_LETTER = re.compile(rb"(?:\(\?:)?([A-Za-z])\)?")
MAX_REACH = 1_000
"""Characters on either side of where a pattern was seen that are looked at instead of all the text."""
MAX_SHOWN = 60
"""Octets of the text that is shown as evidence."""
MAX_LINE = 2_000
"""Octets on either side of the end of a match that are searched for what to show."""
SHOWN_TIME = 0.01
"""Seconds for that."""
RULES_PER_MAIL = 10
"""How many rules may use up their time in one mail before the others go without."""


STEPS = 50_000
"""Steps of the kernel's matcher, a third of a millisecond, after which `regex` decides."""
UNCOUNTED = 0.0005
"""Seconds that are not counted."""
Span = tuple[int, int]
Shown = tuple[bytes, int, "Exact"]


@dataclass(slots=True)
class Budget:
    """Seconds that are left: ``rule`` is each rule's in one mail, ``mail`` what is left for all; who ran out."""

    rule: float
    mail: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    cut_off: dict[str, None] = field(default_factory=dict)
    shown: dict[str, Shown] = field(default_factory=dict)
    """Where a rule that counts once was seen to match, for evidence: a text, where a match ends, the pattern."""

    def __post_init__(self) -> None:
        self.mail = self.rule * RULES_PER_MAIL


class Exact:
    """One pattern, compiled when it is first needed."""

    def __init__(self, rule: str, pattern: Pattern) -> None:
        self.rule = rule
        self.pattern = pattern
        self.is_shown = not rule.startswith("__")

    @cached_property
    def compiled(self) -> regex.Pattern[bytes]:
        """Raises `PatternError` when the engine does not take it."""
        return self._compile(regex.VERSION1)

    @cached_property
    def compiled_for_lines(self) -> regex.Pattern[bytes]:
        """The same for several lines in one text, for a pattern that stays `in_lines`."""
        return self._compile(regex.VERSION1 | regex.MULTILINE)

    @cached_property
    def in_lines(self) -> bool:
        """Whether the pattern matches in lines that stand in one text what it matches in each of them alone."""
        return stays_in_line(self.pattern.exact, self.pattern.flags)

    def _compile(self, flags: int) -> regex.Pattern[bytes]:
        for letter in self.pattern.flags:
            flags |= _FLAGS[letter]
        try:
            # Full case folding, which `regex` does by itself, loses a single octet beyond ASCII.
            return regex.compile(b"(?-f)" + self.pattern.exact, flags, cache_pattern=False)
        except (regex.error, RecursionError, OverflowError, ValueError, TypeError) as error:
            raise PatternError(str(error)) from None

    @cached_property
    def literals(self) -> tuple[bytes, ...]:
        """Of these one must be in the text, in lower case."""
        return tuple(required(self.pattern.exact, self.pattern.flags))

    @cached_property
    def letter(self) -> bytes:
        """The one letter that the pattern consists of, empty if it is more than that."""
        match = _LETTER.fullmatch(self.pattern.exact)
        return match[1] if match else b""

    def may_match(self, lower: bytes) -> bool:
        """Whether a text, given in lower case, can match at all."""
        literals = self.literals
        return not literals or any(text in lower for text in literals)

    def excerpt(self, text: bytes, end: int) -> str:
        """What the pattern matches in the line of ``text`` where a match was seen to end, cut to be shown."""
        start = max(text.rfind(b"\n", 0, max(end - 1, 0)) + 1, end - MAX_LINE)
        stop = text.find(b"\n", end)
        line = text[start : min(stop + 1 or len(text), end + MAX_LINE)]
        try:
            match = self.compiled.search(line, timeout=SHOWN_TIME)
        except (TimeoutError, MemoryError, RecursionError, PatternError):
            match = None
        found = match[0][:MAX_SHOWN] if match else text[max(0, end - MAX_SHOWN) : end]
        return " ".join(found.decode("utf-8", "replace").split())

    @cached_property
    def reach(self) -> tuple[int, int]:
        """How far before and after a place where it was seen a match can lie; -1 if there is no telling."""
        return reach(self.pattern.exact, self.pattern.flags)

    def window(self, text: bytes, span: Span | None) -> tuple[int, int]:
        """Where in a text to look if matches were seen to end in ``span``."""
        if span is None:
            return 0, len(text)
        before, after = self.reach
        start = max(0, span[0] - before) if before >= 0 else 0
        return start, min(len(text), span[1] + after) if after >= 0 and span[1] >= 0 else len(text)

    @cached_property
    def programs(self) -> dict[tuple[bool, bool], bytes | None]:
        """What the kernel's matcher runs, as far as made: by whether for lines and whether matches are counted."""
        return {}

    def _program(self, lines: bool, many: bool) -> bytes | None:
        key = lines, many
        if key not in self.programs:
            self.programs[key] = program(self.pattern.exact, self.pattern.flags + "m" * lines, many)
        return self.programs[key]

    def count(self, text: bytes, most: int, budget: Budget, lines: bool = False, span: Span | None = None) -> int:
        """Matches that do not overlap, at most ``most`` (0: all).

        ``lines``: the text is one or more lines; ``span``  the first and the last place where matches were seen to
        end (-1: there may be more), of a pattern that counts once.
        """
        if most != 1 and self.letter:
            found = text.count(self.letter)
            if "i" in self.pattern.flags:
                found += text.count(self.letter.swapcase())
            return min(found, most) if most else found
        lines = lines and self.in_lines
        start, stop = self.window(text, span) if span and most == 1 else (0, len(text))
        written = self._program(lines, most != 1) if find is not None else None
        end = find(written, text, start, stop, STEPS, most) if find is not None and written is not None else None
        if end is None:
            return self._timed(text, most, budget, lines, start, stop)
        if most != 1:
            return end
        if end >= 0 and self.is_shown:
            budget.shown[self.rule] = (text, end, self)
        return int(end >= 0)

    def _timed(self, text: bytes, most: int, budget: Budget, lines: bool, start: int, stop: int) -> int:
        """`count` by `regex`, within the time that is left."""
        left = min(budget.rule - budget.spent.get(self.rule, 0.0), budget.mail)
        if left <= 0:
            budget.cut_off[self.rule] = None
            return 0
        try:
            compiled = self.compiled_for_lines if lines else self.compiled  # making it takes no time from a mail
        except (MemoryError, PatternError):
            budget.cut_off[self.rule] = None
            return 0
        began = time.thread_time()
        found = 0
        try:
            if most == 1:
                match = compiled.search(text, start, stop, timeout=left)
                found = int(match is not None)
                if match is not None and self.is_shown:
                    budget.shown[self.rule] = (text, match.end(), self)
            elif len(text) <= SHORT:
                found = len(compiled.findall(text, timeout=left))
                found = min(found, most) if most else found
            else:
                found = sum(1 for _ in islice(compiled.finditer(text, timeout=left), most or None))
        except (TimeoutError, MemoryError, RecursionError):
            budget.cut_off[self.rule] = None
        used = time.thread_time() - began
        if used > UNCOUNTED:
            budget.spent[self.rule] = budget.spent.get(self.rule, 0.0) + used
            budget.mail -= min(used, left)
        return found


def stays_in_line(pattern: bytes, flags: str) -> bool:
    """Whether nothing in a pattern can match a line end, look before it, or tell the first line from the others."""
    try:
        parsed, flags = parse(pattern, flags)
    except FAILURES:
        return False
    for name, value in walk(parsed):
        if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
            if 10 in codes_of(name, value, flags):
                return False
        elif name in ("ASSERT", "ASSERT_NOT"):
            if value[0] < 0:
                return False
        elif name == "AT":
            if str(value) not in ("AT_BEGINNING", "AT_END", "AT_BOUNDARY"):
                return False
        elif name == "SUBPATTERN" and value[1] & DOT_ALL:
            return False
    return True


def reach(pattern: bytes, flags: str) -> tuple[int, int]:
    """How far before and after a place within or at the end of a match anything lies that the match depends on.

    -1 where that has no bound or is not known.  ``\\b`` looks at one character; nothing that is bounded ends in ``$``,
    which would take the edge of a window for the end of the text.
    """
    try:
        parsed, flags = parse(pattern, flags)
    except FAILURES:
        return -1, -1
    most = int(parsed.getwidth()[1])
    around = 1
    ends = False
    for name, value in walk(parsed):
        if name in ("ASSERT", "ASSERT_NOT"):
            around += int(value[1].getwidth()[1])
        elif name == "AT":
            ends = ends or str(value).startswith("AT_END")
        elif name.startswith("GROUPREF"):
            return -1, -1
    if most > MAX_REACH:
        return -1, -1
    return most + 2, -1 if ends or around > MAX_REACH else most + around + 2
