"""[[policy.rules]]: other limits and actions for some recipients and directions.

For each recipient the first rule counts that is for the mail's direction and that recipient; what it leaves out is as
in the sections.  A rule without recipients is for all, also where no recipient is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ..envelope import DIRECTIONS, Envelope
from ..sections import (
    AttachmentsSection,
    AuthenticationSection,
    DnsSection,
    PolicySection,
    SendersSection,
    VirusSection,
)
from ..settings import build, setting
from .addresses import folded, keys, pattern_fault

ANYONE = "*"
"""Recipient of a rule that is for everybody."""

OWN = ("greylist", "quarantine", "bounce", "delete", "on_check_failed")
"""Settings of [policy] that a rule may give."""
OTHERS: Mapping[str, Any] = {
    "virus": VirusSection,
    "attachments": AttachmentsSection,
    "dns": DnsSection,
    "authentication": AuthenticationSection,
    "senders": SendersSection,
}
"""Sections whose on_... a rule may give."""


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """[[policy.rules]]  for whom a rule is; beside these keys it has limits, and on_... as in their sections"""

    name: str = setting("", "text", "what a verdict calls this rule; empty: its number")
    directions: tuple[str, ...] = setting((), "texts", "inbound, outbound, internal; empty: all")
    recipients: tuple[str, ...] = setting((), "texts", "addresses, domains, .domains, or *; empty: all")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: for whom, and by section what it sets."""

    head: PolicyRule
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_rules(tables: Sequence[Mapping[str, Any]], faults: list[str]) -> tuple[Rule, ...]:
    """Check the tables of [[policy.rules]]; faults are appended."""
    return tuple(_rule(table, f"policy.rules[{number}]", number, faults) for number, table in enumerate(tables, 1))


def _rule(table: Mapping[str, Any], where: str, number: int, faults: list[str]) -> Rule:
    sets = {key: value for key, value in table.items() if key in OWN or key in OTHERS}
    known = [item.name for item in fields(PolicyRule)]
    may = ", ".join((*known, *OWN, *(f"{name}.on_..." for name in OTHERS)))
    for key in table:
        if key not in sets and key not in known:
            faults.append(f"{where}.{key}: unknown setting; a rule has {may}")
    head = build(PolicyRule, {key: table[key] for key in known if key in table}, where, faults)
    faults.extend(_head_faults(head, where))
    own = {key: value for key, value in sets.items() if key in OWN}
    overrides = {"policy": _checked(PolicySection, own, where, faults)}
    for name in sets.keys() & OTHERS.keys():
        part = sets[name]
        if isinstance(part, Mapping) and (stray := [key for key in part if not str(key).startswith("on_")]):
            faults.extend(f"{where}.{name}.{key}: a rule gives on_... of [{name}], and nothing else" for key in stray)
            continue
        overrides[name] = _checked(OTHERS[name], part, f"{where}.{name}", faults)
    return Rule(head if head.name else PolicyRule(f"rule {number}", head.directions, head.recipients), overrides)


def _checked(section: Any, part: object, where: str, faults: list[str]) -> dict[str, Any]:
    """The checked values of the keys that are given."""
    made = build(section, part, where, faults)
    return {key: getattr(made, key) for key in part if hasattr(made, key)} if isinstance(part, Mapping) else {}


def _head_faults(head: PolicyRule, where: str) -> Iterator[str]:
    for direction in head.directions:
        if direction not in DIRECTIONS:
            yield f'{where}.directions: no direction "{direction}"; there are {", ".join(DIRECTIONS)}'
    for recipient in head.recipients:
        if recipient != ANYONE and (fault := pattern_fault(recipient)):
            yield f"{where}.recipients: {fault}"


class RuleIndex:
    """Which rule is for a recipient, by hash: 0 for none, else its number from 1 on."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._by_pattern: dict[str, dict[str, int]] = {direction: {} for direction in DIRECTIONS}
        for number, rule in enumerate(rules, 1):
            patterns = ["" if pattern == ANYONE else folded(pattern) for pattern in rule.head.recipients] or [""]
            for direction in rule.head.directions or DIRECTIONS:
                for pattern in patterns:
                    self._by_pattern[direction].setdefault(pattern, number)
        self._any = bool(rules)

    def __bool__(self) -> bool:
        return self._any

    def number(self, direction: str, recipient: str | None) -> int:
        """The first rule for a folded recipient; ``None`` where no recipient is known."""
        found = self._by_pattern[direction]
        wanted = ("",) if recipient is None else ("", *keys(recipient))
        return min((found[key] for key in wanted if key in found), default=0)

    def numbers(self, envelope: Envelope) -> tuple[int, ...]:
        """The rules that some recipient of an envelope has, ascending; 0 stands for none of them."""
        recipients: Sequence[str | None] = [folded(recipient) for recipient in envelope.rcpt_to] or [None]
        return tuple(sorted({self.number(envelope.direction, recipient) for recipient in recipients}))
