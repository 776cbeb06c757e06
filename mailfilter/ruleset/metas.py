"""Metas: compiled, and worked out for one mail from what hit, no more of them than can have changed.

A meta that only feeds others (``__NAME``) is worked out when one of those asks for it.

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
_Ask = Callable[[int], float]
_Worth = Callable[[_Row, _Row, _Ask, _Ask], float]
_D = TypeVar("_D")
_PYTHON = {"||": "or", "&&": "and"}
_EXACT_ONLY = ("==", "!=", "^", "/", "?")
MAX_ASKED = 40
"""How many metas may ask for each other in a row; deeper ones are worked out whether asked for or not."""


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
        tainted: set[str] = set()
        costs = dict.fromkeys(self.doubtful, MAX_ASKED)
        writer = _Writer(self.uncertain, self.numbers, len(order), costs)
        texts = []
        depths: dict[str, int] = {}
        for name in order:
            if any(other in self.uncertain for other in needs[name]):
                tainted.add(name)
            texts.append((writer.text(trees[name], "low"), writer.text(trees[name], "high") if name in tainted else ""))
            depths[name] = 1 + max((depths.get(other, 0) for other in needs[name]), default=0)
            if name in tainted:
                self.uncertain.add(name)
            if name.startswith("__") and depths[name] <= MAX_ASKED:
                costs[name] = max(depths[name], *(costs.get(other, 0) for other in (name, *needs[name])))
        self.metas = _compiled(texts)
        self.asked = tuple(name in costs for name in order)
        """Which metas are worked out only when asked for."""
        self.base: _Row = [0] * len(every)
        self.base_most: _Row = [0] * len(order)
        for number, least, most in self.metas:
            worth = _positive(least(self.base, self.base_most, _nobody, _nobody))
            self.base[number] = self.base_most[number] = worth
            if most is not None:
                self.base_most[number] = _positive(most(self.base, self.base_most, _nobody, _nobody))
        self.always = {name: worth for name, worth in zip(self.names, self.base, strict=True) if worth}
        self.users = self._users({name: trees[name] for name in order}, needs, costs)

    def _users(
        self, trees: Mapping[str, Node], needs: Mapping[str, Sequence[str]], costs: Mapping[str, int]
    ) -> dict[int, list[int]]:
        """Which metas are to be worked out again when a name changes.

        Of names without any of which a meta is worth nothing, only the one is watched that the fewest metas use.
        """
        uses = Counter(other for name in trees for other in needs[name])
        users: dict[int, list[int]] = {}
        for number, name in enumerate(trees):
            must = [one for one in _musts(trees[name]) if one not in self.always and one not in self.uncertain]
            rank = [(costs.get(one, 0), uses[one], one) for one in must]
            for other in [min(rank)[2]] if rank else needs[name]:
                users.setdefault(self.numbers[other], []).append(number)
        return users

    def run(
        self,
        found: Mapping[str, float],
        pending: Mapping[str, _D] = {},
        resolve: Callable[[_D], None] | None = None,
        subrules: bool = True,
    ) -> Values:
        """What hit, metas included; without ``subrules`` not all of those.

        ``pending``  names not decided yet; ``resolve`` adds one to ``found`` if it hits, once a meta asks for it.
        """
        numbers, values, most = self.numbers, self.base[:], self.base_most[:]

        def decide(number: int) -> float:
            name = self.names[number]
            if number < len(metas):
                worth = values[number] = _positive(metas[number].least(values, most, decide, bound))
                return worth
            if resolve is not None:
                resolve(pending[name])
            worth = values[number] = found.get(name, 0)
            return worth

        def bound(number: int) -> float:
            highest = metas[number].most
            worth = decide(number) if highest is None else _positive(highest(values, most, decide, bound))
            most[number] = worth
            return worth

        metas, users, asked = self.metas, self.users, self.asked
        changed = [numbers[name] for name in (*found, *pending)]
        for name, worth in found.items():
            values[numbers[name]] = worth
        for name in pending:
            values[numbers[name]] = None
            if name not in self.doubtful:
                decide(numbers[name])
        hits: Values = dict(self.always)
        waiting = {user for number in changed if number in users for user in users[number]}
        heap = list(waiting)
        heapq.heapify(heap)
        later: list[int] = []
        while heap:
            number = heapq.heappop(heap)
            if metas[number].most is not None:
                most[number] = None
            if asked[number]:
                values[number] = None
                later.append(number)
            else:
                worth = _positive(metas[number].least(values, most, decide, bound))
                if worth == values[number] and most[number] is not None:
                    continue
                values[number] = hits[self.names[number]] = worth
            for user in users.get(number, ()):
                if user not in waiting:
                    waiting.add(user)
                    heapq.heappush(heap, user)
        for number in later:
            if values[number] is None and subrules:
                decide(number)
            hits[self.names[number]] = values[number] or 0
        hits.update(found)
        return {name: worth for name, worth in hits.items() if worth}


def _nobody(number: int) -> float:
    return 0


def _positive(worth: float) -> float:
    """What a meta counts: anything but nothing is a hit."""
    return (worth if worth > 0 else 1) if worth else 0


def _musts(tree: Node) -> list[str]:
    """Names without any of which a meta is worth nothing."""
    if tree.kind == "name":
        return [tree.value]
    if tree.kind == "&&":
        return _musts(tree.parts[0]) + _musts(tree.parts[1])
    return []


def _compiled(texts: Sequence[tuple[str, str]]) -> list[_Meta]:
    """Python functions for all metas at once, from what each is worth at least and at most."""
    lines = [f"lambda v, p, q, h: {text}" if text else "None" for pair in texts for text in pair]
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

    def __init__(self, uncertain: set[str], numbers: Mapping[str, int], metas: int, costs: Mapping[str, int]) -> None:
        self.uncertain = uncertain
        self.numbers = numbers
        self.metas = metas
        self.costs = costs
        """Of what may be undecided, how dear it is to ask."""

    def tainted(self, node: Node) -> bool:
        return any(name in self.uncertain for name in names(node))

    def cost(self, node: Node) -> int:
        return max((self.costs.get(name, 0) for name in names(node)), default=0)

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
            operands = sorted(operands, key=self.cost)
            if operands[-1] is not last and not truth:
                operands.append(last)
        inner = truth or node.kind == "&&"
        texts = [self.text(one, bound, inner and (truth or one is not last)) for one in operands]
        return f"({f' {_PYTHON[node.kind]} '.join(texts)})"

    def _name(self, name: str, bound: str) -> str:
        if name == "local_tests_only":
            return "1"
        number = self.numbers[name]
        if bound == "high" and name in self.uncertain:
            if number >= self.metas:
                return "1"
            return f"(h({number}) if p[{number}] is None else p[{number}])"
        return f"(q({number}) if v[{number}] is None else v[{number}])" if name in self.costs else f"v[{number}]"


def _operands(node: Node, kind: str) -> list[Node]:
    """What a chain of one sign joins, in order."""
    found: list[Node] = []
    while node.kind == kind:
        found.append(node.parts[1])
        node = node.parts[0]
    return [node, *reversed(found)]
