"""All patterns of one kind at once: a first look that misses nothing, then the bounded engine on what is left.

The first look is hyperscan over all lines of the mail in one go, or without it a search for texts that each pattern
demands.  It may say yes too often and never no wrongly; what hits is decided by `regex` alone, line by line, so both
give the same hits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from .exact import Budget, Exact
from .lean import lean
from .patterns import Pattern

Hits = dict[str, int]
"""How often each rule hit."""
FirstLook = Callable[[bytes, bool], Iterable[tuple[int, int]]]
"""(text in lines, whether it is ASCII) to candidates: numbers of patterns, and where they were seen to end.

0 says nothing; a positive end is the first one, there may be others; negative ones are all that there are.
"""


@dataclass(slots=True)
class Target:
    """One rule's pattern: how often it may count, the engine, and one for lines of ASCII where that is quicker.

    ``lean`` is `None` when the pattern cannot match ASCII text.
    """

    rule: str
    pattern: Pattern
    most: int
    exact: Exact
    lean: Exact | None
    skip_first: bool = False

    @classmethod
    def make(cls, rule: str, pattern: Pattern, most: int, skip_first: bool = False) -> Target:
        """The target of a rule."""
        exact = Exact(rule, pattern)
        small = lean(pattern.exact, pattern.flags)
        if small is None:
            return cls(rule, pattern, most, exact, exact, skip_first)
        if not small[0]:
            return cls(rule, pattern, most, exact, None, skip_first)
        shorter = Pattern(pattern.source, small[0], small[0], small[1])
        return cls(rule, pattern, most, exact, Exact(rule, shorter), skip_first)


class Group:
    """Patterns that look at the same lines."""

    def __init__(self, targets: Sequence[Target], first_look: FirstLook | None = None) -> None:
        self.targets = tuple(targets)
        self._given = first_look

    @cached_property
    def first_look(self) -> FirstLook:
        """The first look: what was given, else a search for demanded texts."""
        return self._given or self._literals

    def _literals(self, text: bytes, ascii_only: bool) -> Iterator[tuple[int, int]]:
        lower = text.lower()
        for number, target in enumerate(self.targets):
            exact = target.lean if ascii_only else target.exact
            if exact is not None and (not exact.literals or any(word in lower for word in exact.literals)):
                yield number, 0

    def match(self, lines: Sequence[bytes], hits: Hits, budget: Budget) -> None:
        """Add what hits in ``lines`` to ``hits``."""
        if not lines or not self.targets:
            return
        text = joined(lines)
        plain = text.isascii()
        ends: dict[int, list[int]] = {}
        for number, end in self.first_look(text, plain):
            ends.setdefault(number, []).append(end)
        for number, places in ends.items():
            target = self.targets[number]
            if target.rule not in hits:
                count = self._confirm(target, self._where(target, lines, places), plain, budget)
                if count:
                    hits[target.rule] = count

    @staticmethod
    def _where(target: Target, lines: Sequence[bytes], places: Sequence[int]) -> Sequence[bytes]:
        """The lines to look at: those in which a match was seen to end if every end is known, else all of them."""
        if target.skip_first:
            return lines[1:]
        if len(lines) == 1 or 0 in places:
            return lines
        if max(places) < 0:
            return _holding(lines, [-end for end in places])
        return lines if target.most != 1 else _likely_first(lines, max(places))

    def _confirm(self, target: Target, lines: Sequence[bytes], plain: bool, budget: Budget) -> int:
        """How often a pattern hits in the lines."""
        most, exact, small = target.most, target.exact, target.lean
        count = 0
        for line in lines:
            engine = small if plain or line.isascii() else exact
            if engine is None:
                continue
            count += engine.count(line, most - count if most else 0, budget)
            if most and count >= most:
                break
        return count


def joined(lines: Sequence[bytes]) -> bytes:
    """Lines in one text, each with a line end."""
    if len(lines) == 1:
        return lines[0]
    return b"".join([line if line.endswith(b"\n") else line + b"\n" for line in lines])


def _likely_first(lines: Sequence[bytes], end: int) -> Sequence[bytes]:
    """The lines, the one in which a match was seen to end before the others."""
    at = 0
    for number, line in enumerate(lines):
        at += len(line) + (not line.endswith(b"\n"))
        if end <= at:
            return lines if number == 0 else (line, *lines[:number], *lines[number + 1 :])
    return lines


def _holding(lines: Sequence[bytes], ends: Sequence[int]) -> list[bytes]:
    """The lines in which the ends lie."""
    found: list[bytes] = []
    at = number = 0
    wanted = sorted(set(ends))
    for line in lines:
        at += len(line) + (not line.endswith(b"\n"))
        if number < len(wanted) and wanted[number] <= at:
            found.append(line)
            while number < len(wanted) and wanted[number] <= at:
                number += 1
    return found
