"""A rule set made ready to run, and the run over one mail."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import regex

from ..collector import undisturbed
from ..envelope import Envelope
from ..message import Message
from ..trust import NOBODY, Trust
from . import ordinary
from .cache import Cache
from .captures import Captures, lost
from .evals import bound, is_known
from .exact import Budget, Exact
from .facts import Facts, is_special
from .groups import Group, Hits, Target, resolve
from .lean import shortened
from .metas import Metas
from .patterns import Pattern
from .relax import is_costly
from .rules import Fault, Kind, Rule, RuleSet, Severity
from .soundness import broken
from .spelling import Text
from .state import Found, HeaderGroup, State, turned
from .uris import UriFinder

if TYPE_CHECKING:
    from .hyper import Compiler

_log = logging.getLogger("mailfilter")
MAX_PATTERN = 75_000
"""Characters of a pattern, tags replaced, beyond which it is not run: no first look is quick enough."""
TIMEOUT = 0.1
"""Seconds that one rule may take in one mail."""


_TEXTS = {Kind.BODY: Text.ENDED, Kind.URI: Text.LINES}
"""What is looked at line by line; all else is a text for itself."""


class CompiledRules:
    """Rules ready to run; safe to use from several threads.

    ``timeout``  seconds a rule may take in one mail; ``cache``  a folder for compiled databases (`None`: the user's
    own, ``""``: none); ``fast``  whether hyperscan is used (`None`: if it is there); ``scores``  points that replace
    those of the rule files; a rule that has some here runs even where the files switch it off; ``progress``  is
    called with the number of patterns done; ``trust``  which hosts are ours, for rules about the way of a mail;
    ``strict``  every pattern is tried with the exact engine.  ``faults``  rules that are not run, and why.
    """

    def __init__(
        self,
        rules: RuleSet,
        *,
        timeout: float = TIMEOUT,
        cache: str | None = None,
        fast: bool | None = None,
        scores: Mapping[str, float] | None = None,
        progress: Callable[[int], None] | None = None,
        trust: Trust = NOBODY,
        strict: bool = False,
    ) -> None:
        self.rules = rules
        self.trust = trust
        self.timeout = timeout
        self.timeouts: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self._scores = scores or {}
        compiler = _compiler(cache, fast, progress)
        self._shorter = compiler.choices.shorter if compiler else shortened
        costly = compiler.choices.costly if compiler else is_costly
        self.running = {rule.name: rule for rule in rules.rules.values() if self._runs(rule, costly)}
        bad = broken(rules.rules if strict else self.running, compiler.cache if compiler else None, every=strict)
        self.faults += bad
        for fault in bad:
            self.running.pop(fault.rule, None)
        for name in lost(rules.rules, self.running, self.is_off):
            del self.running[name]
        self.captures = Captures(self.running)
        self.cache_notes: Sequence[str] = compiler.cache.notes if compiler else ()
        self.is_fast = compiler is not None
        self._make_groups(compiler)
        if compiler:
            compiler.finish()
        self.finder = UriFinder(rules.domains, [_redirector(pattern.exact) for pattern in rules.redirectors])
        off = [rule.name for rule in rules.rules.values() if rule.kind is Kind.META and rule.name not in self.running]
        unknown = [
            rule.name
            for rule in rules.rules.values()
            if rule.name not in self.running and rule.kind is not Kind.META and not (rule.is_net or self.is_off(rule))
        ]
        self.metas = Metas(rules.rules, unknown, off, self._doubtful(), self._common())
        self.unknown = frozenset(unknown)

    @property
    def errors(self) -> tuple[Fault, ...]:
        """Rules that are not run for an error of their own."""
        return tuple(fault for fault in self.faults if fault.severity is Severity.ERROR)

    def _doubtful(self) -> set[str]:
        """Subrules that hyperscan does not decide."""
        groups = [*self.lines.values(), *(group.group for group in self.headers)]
        return {name for group in groups for name in group.doubtful()}

    def _common(self) -> set[str]:
        """Patterns that hit, or may hit, in ordinary mails."""
        states = self._matched([(Message(raw), None) for raw in ordinary.MAILS], subrules=False)
        return {name for state in states for name in (*state.hits, *(state.pending or ()))}

    def points(self, rule: Rule) -> float:
        """Points of a rule, the settings' before its own; a subrule has 1 unless it is switched off."""
        return self._scores.get(rule.name, rule.points)

    def is_off(self, rule: Rule) -> bool:
        """Whether a rule is switched off by its own score of 0, and the settings say nothing else."""
        return rule.points == 0 and rule.name not in self._scores

    def _runs(self, rule: Rule, costly: Callable[[Pattern], bool]) -> bool:
        if rule.is_net or self.is_off(rule):
            return False
        if rule.kind is Kind.META:
            return True
        if rule.kind is Kind.EVAL:
            return is_known(rule)
        if rule.exists:
            return True
        if rule.pattern is None:
            return False
        if len(rule.pattern.exact) > MAX_PATTERN:
            reason, detail = "pattern over the engine's limit", f"{len(rule.pattern.exact)} characters of {MAX_PATTERN}"
            self.faults.append(Fault(rule.place, rule.name, Severity.UNSUPPORTED, reason, detail))
            return False
        if costly(rule.pattern):
            reason = "too slow: a long group is repeated"
            self.faults.append(Fault(rule.place, rule.name, Severity.UNSUPPORTED, reason))
            return False
        return True

    def _make_groups(self, compiler: Compiler | None) -> None:
        of_kind: dict[Kind, list[Rule]] = {kind: [] for kind in Kind}
        for rule in self.running.values():
            if rule.name not in self.captures.blind:
                of_kind[rule.kind].append(rule)
        self.lines = {
            kind: self._group(of_kind[kind], compiler) for kind in (Kind.BODY, Kind.RAWBODY, Kind.URI, Kind.FULL)
        }
        self.headers = self._by_target(of_kind[Kind.HEADER], compiler)
        self.parts = self._by_target(of_kind[Kind.MIMEHEADER], compiler)
        self.evals = bound(of_kind[Kind.EVAL], self.rules.lists)

    def _group(self, rules: Sequence[Rule], compiler: Compiler | None) -> Group:
        targets = []
        for rule in rules:
            if rule.pattern is not None:
                no_subject = rule.kind is Kind.BODY and "nosubject" in rule.tflags
                most = 1 if rule.negated else rule.max_hits
                text = _TEXTS.get(rule.kind, Text.WHOLE)
                targets.append(Target.make(rule.name, rule.pattern, most, self._shorter, text, no_subject))
        return Group(targets, compiler.look(targets) if compiler and targets else None)

    def _by_target(self, rules: Sequence[Rule], compiler: Compiler | None) -> list[HeaderGroup]:
        targets: dict[str, list[Rule]] = {}
        for rule in rules:
            targets.setdefault(rule.target, []).append(rule)
        return [
            HeaderGroup(
                target,
                self._group([rule for rule in some if not rule.exists], compiler),
                tuple(rule.name for rule in some if rule.negated),
                tuple(
                    (rule, Exact(rule.name, rule.pattern))
                    for rule in some
                    if rule.pattern and rule.if_unset is not None
                ),
                tuple(rule.name for rule in some if rule.exists),
                "" if is_special(target) else target.partition(":")[0].lower(),
            )
            for target, some in targets.items()
        ]

    def run(self, message: Message, envelope: Envelope | None = None, *, subrules: bool = True) -> Found:
        """Everything that hits in one mail; without ``subrules``, these only as far as other rules ask for them."""
        return self.run_many([(message, envelope)], subrules=subrules)[0]

    def run_many(self, mails: Sequence[tuple[Message, Envelope | None]], *, subrules: bool = True) -> list[Found]:
        """`run` over several mails, kind by kind: so each database stays in the processor's cache."""
        with undisturbed():
            states = self._matched(mails, subrules)
            self._asked(states)
            return [self._finished(state) for state in states]

    def _matched(self, mails: Sequence[tuple[Message, Envelope | None]], subrules: bool) -> list[State]:
        """Mails in which all patterns have been looked for."""
        finder, timeout, trust = self.finder, self.timeout, self.trust
        states = [State.of(Facts(message, finder, envelope, trust), timeout, subrules) for message, envelope in mails]
        lines = self.lines
        self._headers(states)
        for state in states:
            if self.parts:
                self._mime_headers(state)
        if lines[Kind.BODY].targets:
            for state in states:
                lines[Kind.BODY].match_lines(state.facts.paragraphs, state.hits, state.budget, state.pending)
        if lines[Kind.URI].targets:
            for state in states:
                lines[Kind.URI].match_lines(state.facts.uris, state.hits, state.budget, state.pending)
        if lines[Kind.RAWBODY].targets:
            for state in states:
                for chunk in state.facts.chunks:
                    lines[Kind.RAWBODY].match(chunk, state.hits, state.budget, state.pending)
        if lines[Kind.FULL].targets:
            for state in states:
                lines[Kind.FULL].match(state.facts.full, state.hits, state.budget, state.pending)
        return states

    def _asked(self, states: Sequence[State]) -> None:
        """What patterns with captures and functions say, function by function: so its code stays in the cache."""
        for state in states:
            self.captures.settle(state.facts, state.hits, state.budget, state.pending)
        every = [(state.facts, state.hits) for state in states]
        for fact, tests in self.evals:
            for facts, hits in every:
                value = fact(facts)
                if value is not None:
                    for name, test in tests:
                        if test(value):
                            hits[name] = 1

    def _finished(self, state: State) -> Found:
        """Metas, once all else has been looked for."""
        hits, budget = state.hits, state.budget
        subrules = state.pending is None
        found = self.metas.run(hits, state.pending or {}, lambda doubts: resolve(doubts, hits, budget), subrules)
        if budget.cut_off:
            self.timeouts.update(list(budget.cut_off))
        return Found(found, tuple(budget.cut_off), budget.shown)

    def _headers(self, states: Sequence[State]) -> None:
        """All header rules: what hits where fields are missing, then the fields that are there."""
        missing = self._missing
        for state in states:
            index = state.facts.index
            for name, counts in missing.items():
                if name not in index:
                    state.hits.update(counts)
        there: dict[str, list[State]] = {group.plain: [] for group in self.headers}
        for state in states:
            for name in state.facts.index:
                if name in there:
                    there[name].append(state)
        for group in self.headers:
            for state in there[group.plain] if group.plain else states:
                self._header(group, state)

    @cached_property
    def _missing(self) -> dict[str, Hits]:
        """What hits where a field is missing, by its name."""
        missing: dict[str, Hits] = {}
        for group in self.headers:
            if group.plain and self._absent(group):
                missing.setdefault(group.plain, {}).update(self._absent(group))
        return missing

    def _header(self, group: HeaderGroup, state: State) -> None:
        value = state.facts.field(group.target)
        hits = state.hits
        if value is None:
            hits.update(self._absent(group))
            return
        for name in group.exists:
            hits[name] = 1
        if not group.group.targets:
            return
        text = value.encode("latin-1", "replace")
        if not group.negated:
            group.group.match(text, hits, state.budget, state.pending)
            return
        own: Hits = {}
        group.group.match(text, own, state.budget)
        hits.update(turned(own, group.negated))

    def _absent(self, group: HeaderGroup) -> Hits:
        """What hits where the header is missing: the text that stands in for it, else none at all."""
        if group.absent is None:
            found: Hits = {}
            budget = Budget(self.timeout)
            group.group.match(b"", found, budget)
            for rule, exact in group.unset:
                found.pop(rule.name, None)
                text = (rule.if_unset or "").encode("latin-1", "replace")
                if count := exact.count(text, rule.max_hits, budget):
                    found[rule.name] = count
            group.absent = turned(found, group.negated)
        return group.absent

    def _mime_headers(self, state: State) -> None:
        for group in self.parts:
            values = state.facts.part_fields(group.target)
            own: Hits = {} if group.negated else state.hits
            if None in values:
                own.update(self._absent_part(group))
            for value in dict.fromkeys(values) if len(values) > 1 else values:
                if value is not None:
                    group.group.match(value.encode("latin-1", "replace"), own, state.budget)
            if group.negated:
                state.hits.update(turned(own, group.negated))

    def _absent_part(self, group: HeaderGroup) -> Hits:
        """What hits where a part has no such field, rules that want no match not yet turned round."""
        return turned(self._absent(group), group.negated)


def _redirector(pattern: bytes) -> regex.Pattern[str]:
    return regex.compile(pattern.decode("latin-1"), regex.IGNORECASE | regex.VERSION1)


def _compiler(cache: str | None, fast: bool | None, progress: Callable[[int], None] | None) -> Compiler | None:
    """hyperscan's side, `None` without it."""
    if fast is False:
        return None
    try:
        from .hyper import Compiler
    except ImportError:
        if fast:
            raise
        return None
    return Compiler(Cache(cache), progress)
