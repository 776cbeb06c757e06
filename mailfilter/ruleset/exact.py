"""The bounded engine: `regex` with a time limit, for patterns that hyperscan cannot decide, and for all without it.

Time is given out by a `Budget`: so much for one rule in one mail, and ten times that for all rules of the mail.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import cached_property

import regex

from .literals import required
from .patterns import Pattern, PatternError
from .tree import DOT_ALL, FAILURES, codes_of, parse, walk

_FLAGS = {"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL}
SHORT = 10_000
"""Octets of a text whose matches are all found before they are counted."""
_LETTER = re.compile(rb"(?:\(\?:)?([A-Za-z])\)?")
RULES_PER_MAIL = 10
"""How many rules may use up their time in one mail before the others go without."""


@dataclass(slots=True)
class Budget:
    """Seconds that are left: ``rule`` is each rule's in one mail, ``mail`` what is left for all; who ran out."""

    rule: float
    mail: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    cut_off: dict[str, None] = field(default_factory=dict)
    shown: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    """Where a rule that counts once was seen to match, for evidence: a text, and where in it the match ends."""

    def __post_init__(self) -> None:
        self.mail = self.rule * RULES_PER_MAIL


class Exact:
    """One pattern, compiled when it is first needed."""

    def __init__(self, rule: str, pattern: Pattern) -> None:
        self.rule = rule
        self.pattern = pattern

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
            return regex.compile(self.pattern.exact, flags, cache_pattern=False)
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

    def count(self, text: bytes, most: int, budget: Budget, lines: bool = False) -> int:  # noqa: PLR0912
        """Matches that do not overlap, at most ``most`` (0: all); of a text of one or more ``lines``."""
        if most != 1 and self.letter:
            found = text.count(self.letter)
            if "i" in self.pattern.flags:
                found += text.count(self.letter.swapcase())
            return min(found, most) if most else found
        left = min(budget.rule - budget.spent.get(self.rule, 0.0), budget.mail)
        if left <= 0:
            budget.cut_off[self.rule] = None
            return 0
        start = time.perf_counter()
        found = 0
        try:
            compiled = self.compiled_for_lines if lines and self.in_lines else self.compiled
            if most == 1:
                match = compiled.search(text, timeout=left)
                if match is not None:
                    found = 1
                    if not self.rule.startswith("__"):
                        budget.shown[self.rule] = (text, match.end())
            elif len(text) <= SHORT:
                found = len(compiled.findall(text, timeout=left))
                found = min(found, most) if most else found
            else:
                for _ in compiled.finditer(text, timeout=left):
                    found += 1
                    if found == most:
                        break
        except TimeoutError:
            budget.cut_off[self.rule] = None
        except (MemoryError, RecursionError, PatternError):
            budget.cut_off[self.rule] = None
        used = time.perf_counter() - start
        if used > 0.0005:
            budget.spent[self.rule] = budget.spent.get(self.rule, 0.0) + used
            budget.mail -= used
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
