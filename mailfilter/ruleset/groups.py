"""All patterns of one kind at once: a first look that misses nothing, then the bounded engine where that is needed.

The first look is hyperscan over all lines of the mail in one go, or without it a search for texts that each pattern
demands.  Of most patterns it says for certain whether they match (`spelling`); the others, and all that are counted,
are given to the `regex` module with a time limit.  Both ways give the same hits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from .exact import Budget, Exact, Shown, Span
from .patterns import Pattern
from .spelling import Text

SHORT = 100
"""Octets of a text up to which what was seen in it is kept."""
MAX_KEPT = 500
"""Texts of which that is kept."""
Hits = dict[str, int]
"""How often each rule hit."""


@dataclass(slots=True)
class Seen:
    """What a first look saw, by number of pattern.

    ``sure``  where the first match ends; ``likely``  all places where one may end, `None` if it may be anywhere.
    """

    sure: dict[int, int] = field(default_factory=dict)
    likely: dict[int, list[int] | None] = field(default_factory=dict)


@dataclass(slots=True)
class Known:
    """What follows from a first look: hits, where those were seen that are shown, and what has to be confirmed."""

    hits: Hits
    shown: dict[str, Shown]
    likely: tuple[tuple[int, list[int] | None], ...]


_NOTHING = Known({}, {}, ())
FirstLook = Callable[[bytes, bool], Seen]
"""(text in lines, whether it is ASCII) to what was seen there."""
Lean = Callable[[Pattern], Pattern | None]
"""A pattern to one that means the same in ASCII text: itself, a shorter one, or `None` if nothing there matches."""


@dataclass(slots=True)
class Target:
    """One rule's pattern: how often it may count, the engine, and one for lines of ASCII where that is quicker.

    ``lean`` is `None` when the pattern cannot match ASCII text; ``skip_first``: the first line does not count.
    """

    rule: str
    pattern: Pattern
    most: int
    exact: Exact
    lean: Exact | None
    text: Text = Text.WHOLE
    skip_first: bool = False

    @classmethod
    def make(
        cls, rule: str, pattern: Pattern, most: int, shorter: Lean, text: Text, skip_first: bool = False
    ) -> Target:
        """The target of a rule."""
        exact = Exact(rule, pattern)
        small = shorter(pattern)
        lean = exact if small is pattern else None if small is None else Exact(rule, small)
        return cls(rule, pattern, most, exact, lean, text, skip_first)


Doubt = tuple["Group", Target, bytes, int, "list[int] | None", bool]
"""What `Group.confirm` needs to know."""
Pending = dict[str, list[Doubt]]
"""Subrules that nobody has decided yet."""


def resolve(doubts: Iterable[Doubt], hits: Hits, budget: Budget) -> None:
    """Decide what was put off."""
    for group, target, text, first, places, plain in doubts:
        group.confirm(target, text, first, places, plain, hits, budget)


class Group:
    """Patterns that look at the same texts."""

    def __init__(self, targets: Sequence[Target], first_look: FirstLook | None = None) -> None:
        self.targets = tuple(targets)
        self.names = tuple(target.rule for target in targets)
        self.decided = tuple(target.most == 1 for target in targets)
        self.skips = tuple(target.skip_first for target in targets)
        self.shown = tuple(not target.rule.startswith("__") for target in targets)
        self._given = first_look
        self._kept: dict[bytes, Known] | None = None if any(self.skips) else {}

    def doubtful(self) -> list[str]:
        """Subrules that may have to wait for the bounded engine."""
        sure: frozenset[int] = getattr(self._given, "sure", frozenset())
        return [
            target.rule
            for number, target in enumerate(self.targets)
            if not self.shown[number] and (number not in sure or target.most != 1 or target.skip_first)
        ]

    @cached_property
    def first_look(self) -> FirstLook:
        """The first look: what was given, else a search for demanded texts."""
        return self._given or self._literals

    def _literals(self, text: bytes, ascii_only: bool) -> Seen:
        lower = text.lower()
        seen = Seen()
        for number, target in enumerate(self.targets):
            engine = target.lean if ascii_only else target.exact
            if engine is not None and (not engine.literals or any(word in lower for word in engine.literals)):
                seen.likely[number] = None
        return seen

    def match_lines(self, lines: Sequence[bytes], hits: Hits, budget: Budget, pending: Pending | None = None) -> None:
        """Add what hits in the lines to ``hits``; those of ASCII alone are looked at for themselves."""
        if not lines:
            return
        text = joined(lines)
        if text.isascii():
            self.match(text, hits, budget, pending, text.find(b"\n") + 1)
            return
        kinds: tuple[list[bytes], list[bytes]] = ([], [])
        for line in lines:
            kinds[line.isascii()].append(line)
        for some in kinds:
            if some:
                first = len(joined(lines[:1])) if some[0] is lines[0] else 0
                self.match(joined(some), hits, budget, pending, first)

    def match(self, text: bytes, hits: Hits, budget: Budget, pending: Pending | None = None, first: int = 0) -> None:
        """Add what hits in ``text`` to ``hits``; of lines, each has its end; ``first`` is the length of the first.

        With ``pending``, subrules that the bounded engine would have to decide are put there instead.
        """
        kept = self._kept if len(text) <= SHORT else None
        known = kept.get(text) if kept is not None else None
        if known is None:
            known = self._known(text, first)
            if kept is not None:
                if len(kept) >= MAX_KEPT:
                    kept.clear()
                kept[text] = known
        if known is _NOTHING:
            return
        hits.update(known.hits)
        budget.shown.update(known.shown)
        for number, places in known.likely:
            target = self.targets[number]
            if pending is None or self.shown[number]:
                self.confirm(target, text, first, places, text.isascii(), hits, budget)
            elif target.rule in pending:
                pending[target.rule].append((self, target, text, first, places, text.isascii()))
            else:
                pending[target.rule] = [(self, target, text, first, places, text.isascii())]

    def _known(self, text: bytes, first: int) -> Known:
        """The first look, and what follows from it alone."""
        seen = self.first_look(text, text.isascii())
        if not seen.sure and not seen.likely:
            return _NOTHING
        names, decided, skips, shown = self.names, self.decided, self.skips, self.shown
        hits: Hits = {}
        places: dict[str, Shown] = {}
        likely = seen.likely
        for number, end in seen.sure.items():
            if skips[number] and end <= first:
                likely = {**likely, number: None}
            elif not decided[number]:
                likely = {**likely, number: [end]}
            else:
                hits[names[number]] = 1
                if shown[number]:
                    places[names[number]] = (text, end, self.targets[number].exact)
        return Known(hits, places, tuple(likely.items()))

    def confirm(
        self, target: Target, text: bytes, first: int, places: list[int] | None, plain: bool, hits: Hits, budget: Budget
    ) -> None:
        """Let the bounded engine decide, or count."""
        most = target.most
        before = hits.get(target.rule, 0)
        if before and most in (1, before):
            return
        if most == 1 and target.text is Text.WHOLE:
            whole = target.lean if plain else target.exact
            if whole is not None and whole.count(text, 1, budget, False, (places[0], -1) if places else None):
                hits[target.rule] = 1
            return
        left = most - before if most else 0
        if places and (most != 1 or target.skip_first):
            places = [max(places[0], 1)] if most != 1 else places
        count = 0
        in_lines = target.text is not Text.WHOLE
        for piece in _pieces(target, text, first, places, plain):
            engine = target.lean if piece.is_ascii else target.exact
            if engine is not None:
                count += engine.count(piece.text, left - count if left else 0, budget, in_lines, piece.span)
                if left and count >= left:
                    break
        if count:
            hits[target.rule] = before + count


class Piece(NamedTuple):
    """A text to look at, whether it is ASCII, and the first and the last place where matches were seen to end.

    The last one is -1 when there may be more.
    """

    text: bytes
    is_ascii: bool
    span: Span | None = None


def _pieces(target: Target, text: bytes, first: int, places: list[int] | None, plain: bool) -> Iterable[Piece]:
    """The whole, lines from one on, or certain lines."""
    if target.text is Text.WHOLE:
        return (Piece(text, plain),)
    first = first if target.skip_first else 0
    if target.most == 1 and places is not None:
        return _lines_at(text, places, first, target.text is Text.ENDED)
    start = max(text.rfind(b"\n", 0, places[0] - 1) + 1, first) if places else first
    engine = target.lean if plain else target.exact if target.lean is target.exact else None
    if engine is not None and engine.in_lines:
        return (Piece(text[start:], plain),)
    return _lines(text[start:], target.text is Text.ENDED)


def _lines(text: bytes, ended: bool) -> Iterable[Piece]:
    for line in text.split(b"\n")[:-1]:
        yield Piece(line + b"\n" if ended else line, line.isascii())


def _lines_at(text: bytes, places: Sequence[int], first: int, ended: bool) -> Iterable[Piece]:
    """The lines in which the places lie; a match that took the end of its line ends after it."""
    number, size = 0, len(places)
    while number < size:
        place = places[number]
        start = max(text.rfind(b"\n", 0, max(place - 1, 0)) + 1, first)
        stop = text.find(b"\n", max(place - 1, 0)) + 1 or len(text)
        number += 1
        while number < size and places[number] <= stop:
            number += 1
        if place > first:
            line = text[start : stop if ended else stop - 1]
            yield Piece(line, line.isascii(), (place - start, places[number - 1] - start))


def joined(lines: Sequence[bytes]) -> bytes:
    """Lines in one text, each with a line end."""
    return b"".join([line if line.endswith(b"\n") else line + b"\n" for line in lines])
