"""What a meta is worth, written as Python, and which names it takes to change that.

Every expression has two bounds: what it is worth at least ("low") and at most ("high") when rules that are not run
here might have said anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

from .expressions import Node, names

Row = list[Any]
"""What each name is worth, by its number; `None` while a name is not decided yet."""
_PYTHON = {"||": "or", "&&": "and"}
_EXACT_ONLY = ("==", "!=", "^", "/", "?")
_OTHER = {"low": "high", "high": "low"}
_BOTH = frozenset(_OTHER)
MAX_WATCHED = 500
"""Names that one meta may wait for; one with more is worked out for every mail."""


MAX_CEILING = 600
"""Characters of the text of what a meta is worth at most, beyond which a constant has to do."""

DEAR = 40
"""What it costs to ask for something that is not decided, in metas that ask for each other."""
MAX_SHORT = 150
"""Characters of the text of a meta that is written where it is asked for."""
COMMON = 1000
"""Metas that use a name: one that often hits is taken for one that so many use."""


class Watched(NamedTuple):
    """Names without a change of any of which a bound of a meta stays as it is, `None` for too many of them."""

    low: frozenset[str] | None
    high: frozenset[str] | None


class Names:
    """What is known of the names in metas.

    ``numbers``  of all names, those of the ``metas`` metas first; ``counts``  the most that a rule counts, 0 without
    limit; ``costs``  how dear it is to ask for what may be undecided.
    """

    def __init__(
        self,
        numbers: Mapping[str, int],
        metas: int,
        counts: Mapping[str, int],
        uncertain: Iterable[str],
        costs: Mapping[str, int],
    ) -> None:
        self.numbers = numbers
        self.metas = metas
        self.most = {name: float(count or inf) for name, count in counts.items()}
        self.uncertain = set(uncertain)
        self.tops: dict[str, int] = {}
        """Numbers of metas with something unknown in them, among their like."""
        self.costs = dict(costs)
        self.trees: dict[str, Node] = {}
        """Of metas that are worked out only when asked for."""
        self.short: dict[tuple[str, str], str] = {}
        """Texts of small ones of those, by name and bound: they stand where they are asked for."""

    def tainted(self, node: Node) -> bool:
        """Whether something unknown is in an expression."""
        return any(name in self.uncertain for name in names(node))

    def cost(self, node: Node) -> int:
        """How dear the dearest name of an expression is to ask for."""
        return max((self.costs.get(name, 0) for name in names(node)), default=0)

    def limit(self, node: Node) -> float:
        """The most that an expression can be worth, whatever hits; never less than nothing."""
        kind, parts = node.kind, node.parts
        if kind == "number":
            return float(node.value)
        if kind == "name":
            return self.most.get(node.value, 1.0)
        if kind in ("!", "<", "<=", ">", ">=", "==", "!="):
            return 1.0
        limits = [self.limit(part) for part in parts]
        match kind:
            case "&&":
                return limits[1]
            case "||":
                return max(limits)
            case "?":
                return max(limits[1:])
            case "+":
                return limits[0] + limits[1]
        return inf


class Writer:
    """Writes an expression as Python.

    Names become numbers; nothing of the rule file but numbers gets into the text.  Of what is joined by ``&&`` (and by
    ``||`` where only the truth counts) what may be undecided is asked for last, and not at all for a sum that is
    compared with a number which it cannot reach.
    """

    def __init__(self, known: Names) -> None:
        self.known = known

    def text(self, node: Node, bound: str, truth: bool = False) -> str:
        """The expression of ``node`` for the bound, ``"low"`` or ``"high"``; ``truth``: only that counts."""
        kind, parts = node.kind, node.parts
        if kind == "number":
            return f"{float(node.value):.12g}"
        if kind == "name":
            return self._name(node.value, bound)
        other = _OTHER[bound]
        if kind in _EXACT_ONLY and self.known.tainted(node):
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
        sought = self._reachable(node, bound) if kind in (">", ">=") else ""
        return f"({sought}{one} {kind} {two})"

    def _joined(self, node: Node, bound: str, truth: bool) -> str:
        """Operands of ``&&`` or ``||``; the worth of ``&&`` is that of its last operand."""
        parts = operands(node, node.kind)
        last = parts[-1]
        if node.kind == "&&" or truth:
            parts = sorted(parts, key=self.known.cost)
            if parts[-1] is not last and not truth:
                parts.append(last)
        inner = truth or node.kind == "&&"
        texts = [self.text(one, bound, inner and (truth or one is not last)) for one in parts]
        if node.kind == "&&":
            dear = [number for number, part in enumerate(parts) if self.known.cost(part) >= DEAR]
            if dear:
                texts[dear[0] : dear[0]] = self._possible([parts[number] for number in dear[1:]], bound)
        return f"({f' {_PYTHON[node.kind]} '.join(texts)})"

    def _possible(self, parts: Sequence[Node], bound: str) -> list[str]:
        """Whether each of some expressions may be worth something, found out without asking."""
        ceilings = {self._ceiling(part, bound): None for part in parts}
        return [text for text in ceilings if "v[" in text and len(text) < MAX_CEILING]

    def _reachable(self, node: Node, bound: str) -> str:
        """For a sum compared with a number: whether it can be reached by what has been asked for, and " and "."""
        left, right = node.parts
        if right.kind != "number" or left.kind != "+" or not self.known.cost(left):
            return ""
        ceiling = self._ceiling(left, bound)
        return f"{ceiling} {node.kind} {self.text(right, bound)} and " if ceiling else ""

    def _ceiling(self, node: Node, bound: str) -> str:
        """At most what an expression is worth, found out without asking; ``""`` if there is no limit."""
        if not self.known.cost(node):
            return self.text(node, bound)
        limit = self.known.limit(node)
        constant = "" if limit == inf else f"{limit:g}"
        match node.kind:
            case "name":
                return self._name_ceiling(node.value, bound, constant)
            case "&&":
                texts = [self._ceiling(part, bound) for part in operands(node, "&&")]
                return f"({' and '.join(text or '1' for text in texts)})" if texts[-1] else ""
            case "||" if constant:
                texts = [self._ceiling(part, bound) for part in operands(node, "||")]
                return f"({constant} if {' or '.join(texts)} else 0)"
            case "+" if constant:
                return f"({' + '.join(self._ceiling(part, bound) for part in operands(node, '+'))})"
            case ">" if node.parts[1].kind == "number" and (left := self._ceiling(node.parts[0], bound)):
                return f"({left} > {node.parts[1].value})"
        return constant

    def _name_ceiling(self, name: str, bound: str, constant: str) -> str:
        known = self.known
        if bound == "high" and name in known.uncertain:
            return constant
        number = known.numbers[name]
        inner = self._ceiling(known.trees[name], bound) if name in known.trees else constant
        inner = inner if 0 < len(inner) < MAX_CEILING else constant
        return f"({inner} if v[{number}] is None else v[{number}])" if inner else ""

    def _name(self, name: str, bound: str) -> str:
        known = self.known
        if name == "local_tests_only":
            return "1"
        if (name, bound) in known.short:
            return known.short[name, bound]
        number = known.numbers[name]
        if bound == "high" and name in known.uncertain:
            if number >= known.metas:
                return "1"
            top = known.tops[name]
            return f"(h({top}) if p[{top}] is None else p[{top}])"
        return f"(q({number}) if v[{number}] is None else v[{number}])" if name in known.costs else f"v[{number}]"


def is_logic(node: Node) -> bool:
    """Whether an expression is made of names with ``&&``, ``||`` and ``!`` alone, and so never worth less than 0."""
    return node.kind == "name" or (node.kind in ("&&", "||", "!") and all(map(is_logic, node.parts)))


def operands(node: Node, kind: str) -> list[Node]:
    """What a chain of one sign joins, in order."""
    found: list[Node] = []
    while node.kind == kind:
        found.append(node.parts[1])
        node = node.parts[0]
    return [node, *reversed(found)]


class Watcher:
    """Finds out what each meta waits for, one after the other, those that it needs before it.

    ``uses``  how many metas use a name, and ``common``  names that often hit: of names of which one is enough, those
    are watched that are rare, and that few use.
    """

    def __init__(self, known: Names, uses: Mapping[str, int], common: Collection[str]) -> None:
        self.known = known
        self.uses = uses
        self.common = common
        self.watched: dict[str, Watched] = {}
        self.zero: dict[str, frozenset[str]] = {}
        """Bounds of each meta that are nothing as long as nothing hits."""

    def add(self, name: str, tree: Node) -> None:
        """Note what a meta waits for."""
        low, zero = self._watched(tree, "low"), self._is_zero(tree, "low")
        if self.known.tainted(tree):
            self.watched[name] = Watched(low, self._watched(tree, "high"))
            self.zero[name] = frozenset(bound for bound in _OTHER if self._is_zero(tree, bound))
        else:
            self.watched[name] = Watched(low, low)
            self.zero[name] = _BOTH if zero else frozenset()

    def _is_zero(self, node: Node, bound: str) -> bool:
        """Whether an expression is certainly worth nothing as long as nothing hits."""
        parts = node.parts
        match node.kind:
            case "number":
                return not float(node.value)
            case "name":
                if node.value in self.zero:
                    return bound in self.zero[node.value]
                return node.value != "local_tests_only" and (bound == "low" or node.value not in self.known.uncertain)
            case "&&":
                return any(self._is_zero(part, bound) for part in parts)
            case "||" | "+":
                return all(self._is_zero(part, bound) for part in parts)
            case ">":
                return parts[1].kind == "number" and self._is_zero(parts[0], bound)
        return False

    def _watched(self, node: Node, bound: str) -> frozenset[str] | None:
        if node.kind == "name":
            return self._of_name(node.value, bound)
        if node.kind == "&&":
            parts = operands(node, "&&")
            enough = [self._watched(part, bound) for part in parts if self._is_zero(part, bound)]
            if enough:
                return min(enough, key=self._rank)
        elif node.kind in ("||", "+", "+1"):
            parts = operands(node, node.kind) if len(node.parts) > 1 else list(node.parts)
        elif node.kind == "!":
            return self._watched(node.parts[0], _OTHER[bound])
        elif node.kind == ">" and self._is_zero(node, bound):
            parts = self._enough(operands(node.parts[0], "+"), bound, float(node.parts[1].value))
        else:
            return _united(self._watched(part, one) for part in node.parts for one in _OTHER)
        return _united(self._watched(part, bound) for part in parts)

    def _enough(self, terms: list[Node], bound: str, limit: float) -> list[Node]:
        """Terms one of which it takes to lift a sum of nothings over a limit: not those that cannot do so together."""
        left: list[Node] = []
        for term in sorted(terms, key=lambda term: self._rank(self._watched(term, bound)), reverse=True):
            if self.known.limit(term) > limit:
                left.append(term)
            else:
                limit -= self.known.limit(term)
        return left

    def _of_name(self, name: str, bound: str) -> frozenset[str] | None:
        if name in self.watched:
            return self.watched[name].low if bound == "low" else self.watched[name].high
        return frozenset() if name in self.known.uncertain else frozenset((name,))

    def _rank(self, watched: frozenset[str] | None) -> tuple[float, list[str]]:
        if watched is None:
            return inf, []
        ranks = [1 + self.uses.get(name, 0) + self.known.costs.get(name, 0) for name in watched]
        return sum(ranks) + COMMON * sum(name in self.common for name in watched), sorted(watched)


def _united(sets: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    found: frozenset[str] = frozenset()
    for one in sets:
        if one is None or len(found) > MAX_WATCHED:
            return None
        found = found | one if found else one
    return found if len(found) <= MAX_WATCHED else None
