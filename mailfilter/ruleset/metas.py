"""Metas: compiled, and worked out for one mail from what hit, no more of them than can have changed.

A meta that only feeds others (``__NAME``) is worked out when one of those asks for it.

What is not known is neither a hit nor a miss (law 3).  A meta over rules that are not run here is worked out twice:
what it is worth at least, whatever those would have said, and at most.  It hits when it is worth something at least.
Rules that ask the network count as not hit, as in SpamAssassin without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .expressions import Node, names, parse
from .metatext import DEAR, MAX_SHORT, Names, Row, Watcher, Writer, is_logic
from .reader import ring_free
from .rules import Kind, Rule

Values = dict[str, float]
_Ask = Callable[[int], float]
_Worth = Callable[[Row, Row, _Ask, _Ask], float]
_D = TypeVar("_D")
MAX_ASKED = DEAR
"""How many metas may ask for each other in a row; deeper ones are worked out whether asked for or not."""


class Metas:
    """All metas of a rule set.

    ``unknown``  names of rules that are not run here; ``off``  names of metas that never hit; ``doubtful``  names that
    may come undecided to a run: metas ask for them last; ``common``  names that often hit.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule],
        unknown: Iterable[str],
        off: Iterable[str] = (),
        doubtful: Collection[str] = frozenset(),
        common: Collection[str] = frozenset(),
    ) -> None:
        trees = {rule.name: parse(rule.expression) for rule in rules.values() if rule.kind is Kind.META}
        needs = {name: names(tree) for name, tree in trees.items()}
        left_out = set(off)
        order = [name for name in ring_free(needs) if name not in left_out]
        self.doubtful = frozenset(doubtful)
        self._depths = _depths(order, needs)
        asked = [name for name in order if name.startswith("__") and self._depths[name] <= MAX_ASKED]
        every = dict.fromkeys([*asked, *order, *rules, *(name for some in needs.values() for name in some)])
        self.asked = len(asked)
        """How many metas are worked out only when asked for; they have the first numbers."""
        self.names = tuple(every)
        self.numbers = {name: number for number, name in enumerate(every)}
        """Metas that wait to be asked for, then the others, each after those that it needs, then rules."""
        counts = {rule.name: rule.max_hits for rule in rules.values() if rule.kind is not Kind.META}
        costs = dict.fromkeys(self.doubtful, MAX_ASKED)
        self._known = Names(self.numbers, len(order), counts, unknown, costs)
        self._watcher = Watcher(self._known, Counter(other for name in order for other in needs[name]), common)
        texts = {name: self._text(name, trees[name], needs[name]) for name in order}
        self.least, self.most = _compiled([texts[name] for name in self.names[: len(order)]])
        self.uncertain = self._known.uncertain
        self._set_base(order)
        self._set_due(order)

    def _text(self, name: str, tree: Node, needs: Sequence[str]) -> tuple[str, str]:
        """The text of a meta's bounds, the upper one empty if it is the lower; notes what others need to know of it."""
        known = self._known
        tainted = known.tainted(tree)
        writer = Writer(known)
        texts = writer.text(tree, "low"), writer.text(tree, "high") if tainted else ""
        self._watcher.add(name, tree)
        known.most[name] = max(1.0, known.limit(tree))
        if tainted:
            known.uncertain.add(name)
            known.tops[name] = len(known.tops)
        if self.numbers[name] < self.asked:
            known.trees[name] = tree
            for bound, text in zip(("low", "high"), (texts[0], texts[1] or texts[0]), strict=True):
                if len(text) <= MAX_SHORT and is_logic(tree):
                    known.short[name, bound] = text
            known.costs[name] = max(self._depths[name], *(known.costs.get(other, 0) for other in (name, *needs)))
        return texts

    def _set_base(self, order: Sequence[str]) -> None:
        """What all names are worth as long as nothing hits."""
        known, numbers = self._known, self.numbers
        self.of_top = [numbers[name] for name in known.tops]
        self._deep = {numbers[name]: top for name, top in known.tops.items() if self._depths[name] > MAX_ASKED}
        """Numbers of those whose upper bound is worked out with the lower one."""
        base: Row = [0] * len(self.names)
        tops: Row = [0] * len(known.tops)
        for name in order:
            number = numbers[name]
            base[number] = _positive(self.least[number](base, tops, _nobody, _nobody))
            if name in known.tops:
                tops[known.tops[name]] = _positive(self.most[number](base, tops, _nobody, _nobody))
        self.always = {name: worth for name, worth in zip(self.names, base, strict=True) if worth}
        self._shown = {name: worth for name, worth in self.always.items() if numbers[name] >= self.asked}
        self.base_tops = [tops[top] if number in self._deep else None for top, number in enumerate(self.of_top)]

    def _set_due(self, order: Sequence[str]) -> None:
        """Which metas are to be worked out when a name changes, or in any case."""
        self._due: dict[str, list[int]] = {}
        self._due_asked: dict[str, list[int]] = {}
        self._every: list[int] = []
        self._every_asked: list[int] = []
        for name in order:
            number = self.numbers[name]
            low, high = self._watcher.watched[name]
            watched = low if number not in self._deep or low is None or high is None else low | high
            if watched is None:
                (self._every_asked if number < self.asked else self._every).append(number)
            for other in watched or ():
                (self._due_asked if number < self.asked else self._due).setdefault(other, []).append(number)

    def base(self) -> Row:
        """What all names are worth as long as nothing hits; `None` for what waits to be asked for."""
        base: Row = [None] * self.asked + [0] * (len(self.names) - self.asked)
        for name, worth in self._shown.items():
            base[self.numbers[name]] = worth
        return base

    def run(
        self,
        found: Mapping[str, float],
        pending: Mapping[str, _D] = {},
        resolve: Callable[[_D], None] | None = None,
        subrules: bool = True,
    ) -> Values:
        """What hit, metas included; without ``subrules`` not those metas that only feed others.

        ``pending``  names not decided yet; ``resolve`` adds one to ``found`` if it hits, once a meta asks for it.
        """
        run = _Run(self, found, pending, resolve)
        values, tops, decide, bound = run.values, run.tops, run.decide, run.bound
        least, known, deep, due = self.least, self.names, self._deep, self._due
        changed = (*found, *pending)
        hits = dict(self.always if subrules else self._shown)
        for number in sorted(set(self._every).union(*[due[name] for name in changed if name in due])):
            worth = least[number](values, tops, decide, bound)
            if worth or values[number]:
                values[number] = hits[known[number]] = (worth if worth > 0 else 1) if worth else 0
            if number in deep:
                bound(deep[number])
        if subrules:
            due = self._due_asked
            for number in sorted(set(self._every_asked).union(*[due[name] for name in changed if name in due])):
                hits[known[number]] = decide(number) if values[number] is None else values[number]
        hits.update(found)
        return {name: worth for name, worth in hits.items() if worth}


class _Run:
    """What is known of one mail.

    No pair of functions that know each other: they would stay until the collector comes.
    """

    __slots__ = ("found", "of", "pending", "resolve", "tops", "values")

    def __init__(
        self,
        of: Metas,
        found: Mapping[str, float],
        pending: Mapping[str, Any],
        resolve: Callable[[Any], None] | None,
    ) -> None:
        self.of, self.found, self.pending, self.resolve = of, found, pending, resolve
        values = self.values = of.base()
        self.tops = of.base_tops[:]
        numbers = of.numbers
        for name, worth in found.items():
            values[numbers[name]] = worth
        for name in pending:
            values[numbers[name]] = None
        if not pending.keys() <= of.doubtful:
            for name in pending.keys() - of.doubtful:
                self.decide(numbers[name])

    def decide(self, number: int) -> float:
        """What a name is worth that was not decided."""
        of = self.of
        if number < len(of.least):
            worth = of.least[number](self.values, self.tops, self.decide, self.bound)
            worth = (worth if worth > 0 else 1) if worth else 0
        else:
            if self.resolve is not None:
                self.resolve(self.pending[of.names[number]])
            worth = self.found.get(of.names[number], 0)
        self.values[number] = worth
        return worth

    def bound(self, top: int) -> float:
        """What a meta with something unknown in it is worth at most."""
        most = self.of.most[self.of.of_top[top]]
        worth = self.tops[top] = _positive(most(self.values, self.tops, self.decide, self.bound))
        return worth


def _depths(order: Sequence[str], needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many metas there are in a row below each, itself included."""
    depths: dict[str, int] = {}
    for name in order:
        depths[name] = 1 + max((depths.get(other, 0) for other in needs[name]), default=0)
    return depths


def _nobody(number: int) -> float:
    return 0


def _positive(worth: float) -> float:
    """What a meta counts: anything but nothing is a hit."""
    return (worth if worth > 0 else 1) if worth else 0


def _compiled(texts: Sequence[tuple[str, str]]) -> tuple[list[_Worth], list[_Worth]]:
    """Python functions for all metas at once: what each is worth at least, and at most where that may be more."""
    lines = [f"lambda v, p, q, h: {text}" if text else "None" for pair in texts for text in pair]
    space: dict[str, Any] = {"__builtins__": {}, "int": int, "div": _divided}
    functions = eval(compile("[" + ",\n".join(lines) + "]", "<metas>", "eval"), space)
    return functions[::2], functions[1::2]


def _divided(one: float, other: float) -> float:
    return one / other if other else 0.0
