"""Rules that look for what other rules have captured: ``%{NAME}`` in a pattern.

Such a rule is looked for with its templates wide open, together with all others; only where that matches are the
captures made and the real pattern is tried.  So mails that cannot hit cost nothing.  What captures does so before
all other rules, kind by kind, as in SpamAssassin; a rule of which a template has no value does not run.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import regex

from .charclasses import PatternError
from .exact import Budget, Exact
from .facts import Facts
from .knowntags import is_known, known
from .literals import required
from .patterns import translate
from .rules import Kind, Rule
from .templates import asked, filled, given, is_turned

MAX_CAPTURED = 4096
"""Octets that a rule may have in the place of its templates; with more it is cut off."""
Values = dict[str, tuple[bytes, ...]]
_SOME_VALUE = b"jq" * 50
"""Longer than what is around a template, and not in it."""
_ORDER = (Kind.HEADER, Kind.MIMEHEADER, Kind.BODY, Kind.URI, Kind.RAWBODY, Kind.FULL)


@dataclass(frozen=True, slots=True)
class _User:
    """A rule that asks: its pattern as written, its flags, the names it asks for.

    ``blind``: no first look helps; ``literal``: a text in which it matches holds what one of the names stands for.
    """

    rule: Rule
    body: str
    flags: str
    asks: tuple[str, ...]
    blind: bool
    literal: bool


class Captures:
    """What captures and what asks, of the rules that run.

    ``blind``  names of rules that are not to be looked for with the others.
    """

    def __init__(self, running: Mapping[str, Rule]) -> None:
        wanted = {name for rule in running.values() for name in rule.asks}
        self.givers = [
            (rule, Exact(rule.name, rule.pattern))
            for rule in sorted(running.values(), key=_stage)
            if rule.pattern and not rule.negated and not wanted.isdisjoint(gives(rule))
        ]
        self.users = [_user(rule) for rule in running.values() if rule.asks]
        self.names = frozenset(user.rule.name for user in self.users)
        self.blind = frozenset(user.rule.name for user in self.users if user.blind)

    def settle(
        self, facts: Facts, hits: MutableMapping[str, int], budget: Budget, pending: MutableMapping[str, Any] | None
    ) -> None:
        """Decide about the rules that ask; ``hits`` and ``pending`` say which of them may hit."""
        if not self.blind and self.names.isdisjoint(hits) and (not pending or self.names.isdisjoint(pending)):
            return
        every: Values | None = None
        early: dict[str, Exact | None] = {}
        for user in self.users:
            name = user.rule.name
            seen = hits.pop(name, 0)
            doubtful = pending is not None and pending.pop(name, None) is not None
            if seen or doubtful or user.blind:
                budget.shown.pop(name, None)
                every = self.captured(facts, budget, early) if every is None else every
                if name not in early and not _may_hit(user, facts, every):
                    continue
                exact = early[name] if name in early else _exact(user, facts, every, budget)
                if exact is not None and (count := _count(user.rule, exact, facts, budget)):
                    hits[name] = count

    def captured(self, facts: Facts, budget: Budget, early: MutableMapping[str, Exact | None]) -> Values:
        """What the rules capture in a mail, by name; the last rule that captures a name has it.

        ``early`` takes the patterns of rules that capture and ask: what is captured after them they do not know.
        """
        values: Values = {}
        for rule, exact in self.givers:
            chosen = exact
            if rule.asks:
                found = early[rule.name] = _exact(_user(rule), facts, values, budget)
                if found is None:
                    continue
                chosen = found
            values.update(_groups(rule, chosen, facts, budget))
        return values


def gives(rule: Rule) -> tuple[str, ...]:
    """Names that a rule captures."""
    return given(rule.pattern.source) if rule.pattern and not rule.negated else ()


def _stage(rule: Rule) -> int:
    return _ORDER.index(rule.kind) if rule.kind in _ORDER else len(_ORDER)


@lru_cache(1000)
def _user(rule: Rule) -> _User:
    assert rule.pattern is not None
    body, _, flags = rule.pattern.source[1:].rpartition("/")
    blind = rule.negated or rule.if_unset is not None or is_turned(body)
    return _User(rule, body, flags, asked(body), blind, not blind and _is_literal(body, flags))


def _is_literal(body: str, flags: str) -> bool:
    """Whether every match of a pattern holds what a template stands for."""
    try:
        pattern = translate(filled(body, lambda name: (_SOME_VALUE,)), flags)
    except PatternError:
        return False
    texts = required(pattern.exact, pattern.flags)
    return bool(texts) and all(_SOME_VALUE in text for text in texts)


def _texts(rule: Rule, facts: Facts) -> Sequence[bytes]:
    """What a rule looks at, each text for itself."""
    if rule.kind is Kind.BODY:
        return facts.paragraphs["nosubject" in rule.tflags :]
    if rule.kind is Kind.URI:
        return facts.uris
    if rule.kind is Kind.RAWBODY:
        return facts.chunks
    if rule.kind is Kind.FULL:
        return (facts.full,)
    found = facts.part_fields(rule.target) if rule.kind is Kind.MIMEHEADER else [facts.field(rule.target)]
    instead = rule.if_unset or ""
    return [(instead if value is None else value).encode("latin-1", "replace") for value in found]


def _count(rule: Rule, exact: Exact, facts: Facts, budget: Budget) -> int:
    """How often a rule hits with its templates filled in."""
    count = 0
    most = 1 if rule.negated else rule.max_hits
    for text in _texts(rule, facts):
        count += exact.count(text, most - count if most else 0, budget)
        if most and count >= most:
            break
    return int(not count) if rule.negated else count


def _may_hit(user: _User, facts: Facts, values: Values) -> bool:
    """Whether what a rule asks for stands in what it looks at, where it must."""
    if not user.literal:
        return True
    text = b"\n".join(_texts(user.rule, facts)).lower()
    return any(one.lower() in text for name in user.asks for one in values.get(name) or known(name, facts))


def _exact(user: _User, facts: Facts, values: Values, budget: Budget) -> Exact | None:
    """The rule's pattern with its templates filled in, `None` where one has no value: then the rule does not run."""
    found = {name: values.get(name) or known(name, facts) for name in user.asks}
    if not all(found.values()):
        return None
    if sum(len(text) for texts in found.values() for text in texts) > MAX_CAPTURED:
        budget.cut_off[user.rule.name] = None
        return None
    return _made(user, tuple(found.items()))


@lru_cache(256)
def _made(user: _User, found: tuple[tuple[str, tuple[bytes, ...]], ...]) -> Exact | None:
    values = dict(found)
    try:
        return Exact(user.rule.name, translate(filled(user.body, values.__getitem__), user.flags))
    except PatternError:
        return None


_RUN = re.compile(rb"\(\?P<\w+>\.[*+]\)")
"""A pattern that captures a line, which takes no time that would have to be limited."""


def _groups(rule: Rule, exact: Exact, facts: Facts, budget: Budget) -> Values:
    """What one rule captures: its first match, all with ``tflags multiple``; nothing empty, nothing twice."""
    found: dict[str, dict[bytes, None]] = {}
    names = given(exact.pattern.source)
    left = rule.max_hits
    for match in _matches(rule, exact, _texts(rule, facts), budget):
        for name in names:
            several = exact.pattern.exact.count(b"(?P<%s>" % name.encode()) > 1
            for text in match.captures(name) if several else [match[name]]:
                found.setdefault(name, {}).update({text: None} if text else {})
        left -= 1
        if not left:
            break
    return {name: tuple(texts) for name, texts in found.items()}


def _matches(rule: Rule, exact: Exact, texts: Sequence[bytes], budget: Budget) -> Iterator[regex.Match[bytes]]:
    """Matches in all texts, in order, within the rule's time."""
    if _RUN.fullmatch(exact.pattern.exact):
        for text in texts:
            yield from exact.compiled.finditer(text)
        return
    start = time.thread_time()
    left = min(budget.rule - budget.spent.get(rule.name, 0.0), budget.mail)
    try:
        for text in texts:
            rest = left - (time.thread_time() - start)
            if rest <= 0:
                raise TimeoutError
            yield from exact.compiled.finditer(text, timeout=rest)
    except (TimeoutError, MemoryError, RecursionError, PatternError):
        budget.cut_off[rule.name] = None
    finally:
        used = time.thread_time() - start
        budget.spent[rule.name] = budget.spent.get(rule.name, 0.0) + used
        budget.mail -= min(used, left)


def lost(rules: Mapping[str, Rule], running: Mapping[str, Rule], is_off: Callable[[Rule], bool]) -> list[str]:
    """Rules that ask for what a rule captures that is not run here: nobody knows whether they would hit."""
    users = [rule for rule in running.values() if rule.asks]
    if not users:
        return []
    stopped = [rule for rule in rules.values() if rule.name not in running and not is_off(rule)]
    unknown = {name for rule in stopped for name in gives(rule)}
    return [rule.name for rule in users if not unknown.isdisjoint(rule.asks)]


def unanswered(rules: Mapping[str, Rule]) -> Mapping[str, Collection[str]]:
    """Rules that ask for what no rule captures and nothing else knows, with those names."""
    users = [rule for rule in rules.values() if rule.asks]
    if not users:
        return {}
    every = {name for rule in rules.values() for name in gives(rule)}
    missing = {rule.name: [name for name in rule.asks if name not in every and not is_known(name)] for rule in users}
    return {name: names for name, names in missing.items() if names}
