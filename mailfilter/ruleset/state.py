"""What a run works on: groups of rules over one header, a mail on its way, and what was found in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .exact import Budget, Exact
from .facts import Facts
from .groups import Group, Hits, Pending
from .metas import Values
from .rules import Rule


@dataclass(slots=True)
class Found:
    """What a run found: worth by name (counts of patterns, values of metas), and who ran out of time."""

    hits: Values
    cut_off: tuple[str, ...] = ()
    places: Mapping[str, tuple[bytes, int, Exact]] = field(default_factory=dict)

    def text(self, rule: str) -> str:
        """What a rule matched, cut to be shown; ``""`` if that was not noted."""
        if rule not in self.places:
            return ""
        text, end, exact = self.places[rule]
        return exact.excerpt(text, end)


@dataclass(slots=True)
class HeaderGroup:
    """Rules over one header: those that test its text, those that want it absent or present."""

    target: str
    group: Group
    negated: tuple[str, ...]
    unset: tuple[tuple[Rule, Exact], ...]
    exists: tuple[str, ...]
    plain: str
    """The field's name in lower case, ``""`` for what is no field."""
    absent: Hits | None = None


@dataclass(slots=True)
class State:
    """A mail on its way: what rules look at, what hit, time, and what is not decided yet."""

    facts: Facts
    hits: Hits
    budget: Budget
    pending: Pending | None

    @classmethod
    def of(cls, facts: Facts, timeout: float, subrules: bool) -> State:
        return cls(facts, {}, Budget(timeout), None if subrules else {})


def turned(found: Hits, negated: Iterable[str]) -> Hits:
    """Hits of rules that want a match, and rules of the others that found none."""
    if not negated:
        return found
    turned = {name: count for name, count in found.items() if name not in negated}
    turned.update({name: 1 for name in negated if name not in found})
    return turned
