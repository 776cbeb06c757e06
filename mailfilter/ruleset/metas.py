"""Metas: compiled, and worked out for one mail from what hit, no more of them than can have changed.

What is not known is neither a hit nor a miss (law 3).  A meta over rules that are not run here is worked out twice:
what it is worth at least, whatever those would have said, and at most.  It hits when it is worth something at least.
Rules that ask the network count as not hit, as in SpamAssassin without it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from .expressions import Node, names, parse
from .reader import ring_free
from .rules import Kind, Rule

Values = dict[str, float]
_Row = list[Any]
"""What each name is worth, by its number; `None` while a name is not decided yet."""
_Worth = Callable[[_Row, _Row, Callable[[int], float]], float]
_D = TypeVar("_D")
_PYTHON = {"||": "or", "&&": "and"}
_EXACT_ONLY = ("==", "!=", "^", "/", "?")


class _Meta(NamedTuple):
    number: int
    least: _Worth
    most: _Worth | None
    """`None` when nothing unknown is in it."""


class Metas:
    """All metas of a rule set, in an order in which each comes after those that it needs.

    ``unknown``  names of rules that are not run here; ``off``  names of metas that never hit; ``doubtful``  names that
    may come undecided to a run: metas ask for them last.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule],
        unknown: Iterable[str],
        off: Iterable[str] = (),
        doubtful: Collection[str] = frozenset(),
    ) -> None:
        trees = {rule.name: parse(rule.expression) for rule in rules.values() if rule.kind is Kind.META}
        needs = {name: names(tree) for name, tree in trees.items()}
        left_out = set(off)
        order = [name for name in ring_free(needs) if name not in left_out]
        self.doubtful = frozenset(doubtful)
        self.uncertain = set(unknown)
        every = dict.fromkeys([*order, *rules, *(name for some in needs.values() for name in some)])
        self.names = tuple(every)
        self.numbers = {name: number for number, name in enumerate(every)}
        """Metas first, in their order."""
        writer = _Writer(self.uncertain, self.numbers, len(order), self.doubtful)
        texts = []
        tainted = set()
        for name in order:
            if any(other in self.uncertain for other in needs[name]):
                tainted.add(name)
            texts.append((writer.text(trees[name], "low"), writer.text(trees[name], "high") if name in tainted else ""))
            if name in tainted:
                self.uncertain.add(name)
        self.metas = _compiled(texts)
        self.base: _Row = [0] * len(every)
        self.base_most: _Row = [0] * len(order)
        for meta in self.metas:
            _work_out(meta, self.base, self.base_most, _nobody)
        self.always = {name: worth for name, worth in zip(self.names, self.base, strict=True) if worth}
        self.users = self._users(order, trees, needs, tainted)

    def _users(
        self, order: Sequence[str], trees: Mapping[str, Node], needs: Mapping[str, Sequence[str]], tainted: set[str]
    ) -> dict[int, list[int]]:
        """Which metas are to be worked out again when a name changes.

        Of names without any of which a meta is worth nothing, only the one is watched that the fewest metas use.
        """
        uses = Counter(other for name in order for other in needs[name])
        users: dict[int, list[int]] = {}
        for number, name in enumerate(order):
            must = [] if name in tainted else [one for one in _musts(trees[name]) if one not in self.always]
            rank = [(one in self.doubtful, uses[one], one) for one in must]
            for other in [min(rank)[2]] if rank else needs[name]:
                users.setdefault(self.numbers[other], []).append(number)
        return users

    def run(
        self,
        found: Mapping[str, float],
        pending: Mapping[str, _D] = {},
        resolve: Callable[[_D], None] | None = None,
    ) -> Values:
        """What hit, metas included.

        ``pending``  names not decided yet; ``resolve`` adds one to ``found`` if it hits, once a meta asks for it.
        """
        numbers, values, most = self.numbers, self.base[:], self.base_most[:]

        def decide(number: int) -> float:
            name = self.names[number]
            if resolve is not None:
                resolve(pending[name])
            worth = values[number] = found.get(name, 0)
            return worth

        changed = [numbers[name] for name in (*found, *pending)]
        for name, worth in found.items():
            values[numbers[name]] = worth
        for name in pending:
            values[numbers[name]] = None
            if name not in self.doubtful:
                decide(numbers[name])
        hits: Values = dict(self.always)
        metas, users = self.metas, self.users
        waiting = {user for number in changed if number in users for user in users[number]}
        heap = list(waiting)
        heapq.heapify(heap)
        while heap:
            number = heapq.heappop(heap)
            if _work_out(metas[number], values, most, decide):
                hits[self.names[number]] = values[number]
                for user in users.get(number, ()):
                    if user not in waiting:
                        waiting.add(user)
                        heapq.heappush(heap, user)
        hits.update(found)
        return {name: worth for name, worth in hits.items() if worth}


def _nobody(number: int) -> float:
    return 0


def _work_out(meta: _Meta, values: _Row, most: _Row, decide: Callable[[int], float]) -> bool:
    """Put a meta's worth into ``values`` and ``most``; whether that changed anything."""
    number, least, highest = meta
    worth = least(values, most, decide)
    worth = (worth if worth > 0 else 1) if worth else 0
    changed: bool = worth != values[number]
    if changed:
        values[number] = worth
    if highest is not None:
        upper = highest(values, most, decide)
        upper = (upper if upper > 0 else 1) if upper else 0
        if upper != most[number]:
            most[number] = upper
            changed = True
    return changed


def _musts(tree: Node) -> list[str]:
    """Names without any of which a meta is worth nothing."""
    if tree.kind == "name":
        return [tree.value]
    if tree.kind == "&&":
        return _musts(tree.parts[0]) + _musts(tree.parts[1])
    return []


def _compiled(texts: Sequence[tuple[str, str]]) -> list[_Meta]:
    """Python functions for all metas at once, from what each is worth at least and at most."""
    lines = [f"lambda v, p, q: {text}" if text else "None" for pair in texts for text in pair]
    space: dict[str, Any] = {"__builtins__": {}, "int": int, "div": _divided}
    functions = eval(compile("[" + ",\n".join(lines) + "]", "<metas>", "eval"), space)
    return [_Meta(number, functions[2 * number], functions[2 * number + 1]) for number in range(len(texts))]


def _divided(one: float, other: float) -> float:
    return one / other if other else 0.0


class _Writer:
    """Writes an expression as Python: what it is worth at least ("low") or at most ("high").

    Names become numbers; nothing of the rule file but numbers gets into the text.  Of what is joined by ``&&`` (and by
    ``||`` where only the truth counts) what may be undecided is asked for last.
    """

    def __init__(self, uncertain: set[str], numbers: Mapping[str, int], metas: int, doubtful: frozenset[str]) -> None:
        self.uncertain = uncertain
        self.numbers = numbers
        self.metas = metas
        self.doubtful = doubtful

    def tainted(self, node: Node) -> bool:
        return any(name in self.uncertain for name in names(node))

    def is_doubtful(self, node: Node) -> bool:
        return any(name in self.doubtful for name in names(node))

    def text(self, node: Node, bound: str, truth: bool = False) -> str:
        """The expression of ``node`` for the bound, ``"low"`` or ``"high"``; ``truth``: only that counts."""
        kind, parts = node.kind, node.parts
        if kind == "number":
            return f"{float(node.value):.12g}"
        if kind == "name":
            return self._name(node.value, bound)
        other = "high" if bound == "low" else "low"
        if kind in _EXACT_ONLY and self.tainted(node):
            return "0" if bound == "low" else "1"
        if kind == "!":
            return f"(not {self.text(parts[0], other, True)})"
        if kind == "-1":
            return f"(-{self.text(parts[0], other)})"
        if kind == "+1":
            return self.text(parts[0], bound)
        if kind == "?":
            yes, no = self.text(parts[1], bound, truth), self.text(parts[2], bound, truth)
            return f"({yes} if {self.text(parts[0], bound, True)} else {no})"
        if kind in _PYTHON:
            return self._joined(node, bound, truth)
        one = self.text(parts[0], bound if kind not in ("<", "<=") else other)
        two = self.text(parts[1], other if kind in ("-", ">", ">=") else bound)
        if kind == "/":
            return f"div({one}, {two})"
        if kind == "^":
            return f"(int({one}) ^ int({two}))"
        return f"({one} {kind} {two})"

    def _joined(self, node: Node, bound: str, truth: bool) -> str:
        """Operands of ``&&`` or ``||``; the worth of ``&&`` is that of its last operand."""
        operands = _operands(node, node.kind)
        last = operands[-1]
        if node.kind == "&&" or truth:
            quick = [one for one in operands if not self.is_doubtful(one)]
            slow = [one for one in operands if self.is_doubtful(one)]
            again = [last] if slow and quick and not truth and last is quick[-1] else []
            operands = [*quick, *slow, *again]
        inner = truth or node.kind == "&&"
        texts = [self.text(one, bound, inner and (truth or one is not last)) for one in operands]
        return f"({f' {_PYTHON[node.kind]} '.join(texts)})"

    def _name(self, name: str, bound: str) -> str:
        if name == "local_tests_only":
            return "1"
        number = self.numbers[name]
        if bound == "high" and name in self.uncertain:
            return f"p[{number}]" if number < self.metas else "1"
        return f"(q({number}) if v[{number}] is None else v[{number}])" if name in self.doubtful else f"v[{number}]"


def _operands(node: Node, kind: str) -> list[Node]:
    """What a chain of one sign joins, in order."""
    found: list[Node] = []
    while node.kind == kind:
        found.append(node.parts[1])
        node = node.parts[0]
    return [node, *reversed(found)]
