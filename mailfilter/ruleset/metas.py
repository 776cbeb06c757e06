"""Metas: compiled, and worked out for one mail from what hit, no more of them than can have changed.

What is not known is neither a hit nor a miss (law 3).  A meta over rules that are not run here is worked out twice:
what it is worth at least, whatever those would have said, and at most.  It hits when it is worth something at least.
Rules that ask the network count as not hit, as in SpamAssassin without it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from .expressions import Node, names, parse
from .reader import ring_free
from .rules import Kind, Rule

Values = dict[str, float]
_Worth = Callable[[Values, Values], float]
_D = TypeVar("_D")
_PYTHON = {"||": "or", "&&": "and"}
_EXACT_ONLY = ("==", "!=", "^", "/", "?")


class _Meta(NamedTuple):
    name: str
    least: _Worth
    most: _Worth | None
    """`None` when nothing unknown is in it."""


class Metas:
    """All metas of a rule set, in an order in which each comes after those that it needs.

    ``unknown``  names of rules that are not run here; ``off``  names of metas that never hit.
    """

    def __init__(self, rules: Mapping[str, Rule], unknown: Iterable[str], off: Iterable[str] = ()) -> None:
        trees = {rule.name: parse(rule.expression) for rule in rules.values() if rule.kind is Kind.META}
        needs = {name: names(tree) for name, tree in trees.items()}
        left_out = set(off)
        order = [name for name in ring_free(needs) if name not in left_out]
        self.uncertain = set(unknown)
        made = []
        for name in order:
            tainted = any(other in self.uncertain for other in needs[name])
            made.append((name, _Writer(self.uncertain, trees), tainted))
            if tainted:
                self.uncertain.add(name)
        self.metas = _compiled(made, trees)
        self.users = self._users(order, trees, needs)
        self.base: Values = dict.fromkeys([*rules, *(name for some in needs.values() for name in some)], 0)
        self.base_most: Values = dict.fromkeys(trees, 0)
        for meta in self.metas:
            self._work_out(meta, self.base, self.base_most)
        self.always = {name: worth for name, worth in self.base.items() if worth}

    @staticmethod
    def _users(
        order: Sequence[str], trees: Mapping[str, Node], needs: Mapping[str, Sequence[str]]
    ) -> dict[str, list[int]]:
        """Which metas are to be worked out again when a name changes.

        Of names that must all hit, only the one is watched that the fewest metas use.
        """
        uses = Counter(other for name in order for other in needs[name])
        users: dict[str, list[int]] = {}
        for number, name in enumerate(order):
            must = _musts(trees[name])
            watched = [min(must, key=lambda other: (uses[other], other))] if must else needs[name]
            for other in watched:
                users.setdefault(other, []).append(number)
        return users

    @staticmethod
    def _work_out(meta: _Meta, values: Values, most: Values) -> bool:
        """Put a meta's worth into ``values`` and ``most``; whether that changed anything."""
        least = meta.least(values, most)
        worth = (least if least > 0 else 1) if least else 0
        changed = worth != values[meta.name]
        if changed:
            values[meta.name] = worth
        if meta.most is not None:
            upper = meta.most(values, most)
            worth = (upper if upper > 0 else 1) if upper else 0
            if worth != most[meta.name]:
                most[meta.name] = worth
                changed = True
        return changed

    def run(
        self,
        found: Mapping[str, float],
        pending: Mapping[str, _D] = {},
        resolve: Callable[[_D], None] | None = None,
    ) -> Values:
        """What hit, metas included.

        ``pending``  names not decided yet; ``resolve`` adds one to ``found`` if it hits, once a meta asks for it.
        """
        values = _Values(self.base, found, pending, resolve)
        hits: Values = dict(self.always)
        most = dict(self.base_most)
        metas, users = self.metas, self.users
        waiting = {number for name in (*found, *pending) if name in users for number in users[name]}
        heap = list(waiting)
        heapq.heapify(heap)
        while heap:
            meta = metas[heapq.heappop(heap)]
            if self._work_out(meta, values, most):
                hits[meta.name] = values[meta.name]
                for number in users.get(meta.name, ()):
                    if number not in waiting:
                        waiting.add(number)
                        heapq.heappush(heap, number)
        hits.update(found)
        return {name: worth for name, worth in hits.items() if worth}


class _Values(dict[str, float]):
    """Worth by name; names that are pending are missing until somebody asks for them."""

    __slots__ = ("_found", "_pending", "_resolve")

    def __init__(
        self, base: Values, found: Mapping[str, float], pending: Mapping[str, _D], resolve: Callable[[_D], None] | None
    ) -> None:
        super().__init__(base)
        self.update(found)
        self._found, self._pending, self._resolve = found, pending, resolve
        for name in pending:
            self.pop(name, None)

    def __missing__(self, name: str) -> float:
        doubts = self._pending.get(name)
        if doubts is not None and self._resolve is not None:
            self._resolve(doubts)
        worth = self[name] = self._found.get(name, 0)
        return worth


def _musts(tree: Node) -> list[str]:
    """Names without any of which a meta is worth nothing."""
    if tree.kind == "name":
        return [tree.value]
    if tree.kind == "&&":
        return _musts(tree.parts[0]) + _musts(tree.parts[1])
    return []


def _compiled(made: Sequence[tuple[str, _Writer, bool]], trees: Mapping[str, Node]) -> list[_Meta]:
    """Python functions for all metas at once."""
    lines = []
    for name, writer, tainted in made:
        lines.append(f"(lambda v, p: {writer.text(trees[name], 'low')})")
        lines.append(f"(lambda v, p: {writer.text(trees[name], 'high')})" if tainted else "None")
    space: dict[str, Any] = {"__builtins__": {}, "int": int, "div": _divided}
    functions = eval(compile("[" + ",\n".join(lines) + "]", "<metas>", "eval"), space)
    return [_Meta(name, functions[2 * at], functions[2 * at + 1]) for at, (name, _, _) in enumerate(made)]


def _divided(one: float, other: float) -> float:
    return one / other if other else 0.0


class _Writer:
    """Writes an expression as Python: what it is worth at least ("low") or at most ("high").

    Names come out of the parser, so they are words; nothing else of the rule file gets into the text.
    """

    def __init__(self, uncertain: Iterable[str], metas: Mapping[str, Node]) -> None:
        self.uncertain = frozenset(uncertain)
        self.metas = metas

    def tainted(self, node: Node) -> bool:
        return any(name in self.uncertain for name in names(node))

    def text(self, node: Node, bound: str) -> str:
        """The expression of ``node`` for the bound, ``"low"`` or ``"high"``."""
        kind, parts = node.kind, node.parts
        if kind == "number":
            return f"{float(node.value):.12g}"
        if kind == "name":
            return self._name(node.value, bound)
        other = "high" if bound == "low" else "low"
        if kind in _EXACT_ONLY and self.tainted(node):
            return "0" if bound == "low" else "1"
        if kind == "!":
            return f"(not {self.text(parts[0], other)})"
        if kind == "-1":
            return f"(-{self.text(parts[0], other)})"
        if kind == "+1":
            return self.text(parts[0], bound)
        if kind == "?":
            yes, no = self.text(parts[1], bound), self.text(parts[2], bound)
            return f"({yes} if {self.text(parts[0], bound)} else {no})"
        one = self.text(parts[0], bound if kind not in ("<", "<=") else other)
        two = self.text(parts[1], other if kind in ("-", ">", ">=") else bound)
        if kind == "/":
            return f"div({one}, {two})"
        if kind == "^":
            return f"(int({one}) ^ int({two}))"
        return f"({one} {_PYTHON.get(kind, kind)} {two})"

    def _name(self, name: str, bound: str) -> str:
        if name == "local_tests_only":
            return "1"
        if bound == "high" and name in self.uncertain:
            return f"p[{name!r}]" if name in self.metas else "1"
        return f"v[{name!r}]"
