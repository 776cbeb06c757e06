"""A rule set made ready to run, and the run over one mail."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import regex

from ..envelope import Envelope
from ..message import Message
from .cache import Cache
from .evals import FUNCTIONS
from .exact import Budget, Exact
from .facts import Facts, is_special
from .groups import Group, Hits, Target
from .lean import shortened
from .metas import Metas, Values
from .patterns import PatternError
from .relax import is_costly
from .rules import PATTERN_KINDS, Fault, Kind, Rule, RuleSet, Severity
from .spelling import Text
from .uris import UriFinder

if TYPE_CHECKING:
    from .hyper import Compiler

_log = logging.getLogger("mailfilter")
MAX_PATTERN = 75_000
"""Characters of a pattern, tags replaced, beyond which it is not run: no first look is quick enough."""
MAX_SHOWN = 60
"""Octets of the text that is shown as evidence."""
TIMEOUT = 0.1
"""Seconds that one rule may take in one mail."""


@dataclass(slots=True)
class Found:
    """What a run found: worth by name (counts of patterns, values of metas), and who ran out of time."""

    hits: Values
    cut_off: tuple[str, ...] = ()
    places: Mapping[str, tuple[bytes, int]] = field(default_factory=dict)

    def text(self, rule: str) -> str:
        """What stands where a rule matched, up to the end of the match; ``""`` if that was not noted."""
        if rule not in self.places:
            return ""
        text, end = self.places[rule]
        line = text[max(0, end - MAX_SHOWN) : end].rstrip(b"\n").rpartition(b"\n")[2]
        return " ".join(line.decode("utf-8", "replace").split())


@dataclass(slots=True)
class _HeaderGroup:
    """Rules over one header: those that test its text, those that want it absent or present."""

    target: str
    group: Group
    negated: tuple[str, ...]
    unset: tuple[tuple[Rule, Exact], ...]
    exists: tuple[str, ...]
    plain: str
    """The field's name in lower case, ``""`` for what is no field."""
    absent: Hits | None = None


_TEXTS = {Kind.BODY: Text.ENDED, Kind.URI: Text.LINES}
"""What is looked at line by line; all else is a text for itself."""


class CompiledRules:
    """Rules ready to run; safe to use from several threads.

    ``timeout``  seconds a rule may take in one mail; ``cache``  a folder for compiled databases (`None`: the user's
    own, ``""``: none); ``fast``  whether hyperscan is used (`None`: if it is there); ``scores``  points that replace
    those of the rule files; a rule that has some here runs even where the files switch it off; ``progress``  is
    called with the number of patterns done.
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
    ) -> None:
        self.rules = rules
        self.timeout = timeout
        self.timeouts: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self._scores = scores or {}
        self.running = {rule.name: rule for rule in rules.rules.values() if self._runs(rule)}
        compiler = _compiler(cache, fast, progress)
        self._shorter = compiler.choices.shorter if compiler else shortened
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
        self.metas = Metas(rules.rules, unknown, off)
        self.unknown = frozenset(unknown)

    def points(self, rule: Rule) -> float:
        """Points of a rule, the settings' before its own; a subrule has 1 unless it is switched off."""
        return self._scores.get(rule.name, rule.points)

    def is_off(self, rule: Rule) -> bool:
        """Whether a rule is switched off by its own score of 0, and the settings say nothing else."""
        return rule.points == 0 and rule.name not in self._scores

    def _runs(self, rule: Rule) -> bool:
        if rule.is_net or self.is_off(rule):
            return False
        if rule.kind is Kind.META:
            return True
        if rule.kind is Kind.EVAL:
            return rule.function in FUNCTIONS
        if rule.exists:
            return True
        if rule.pattern is None:
            return False
        if len(rule.pattern.exact) > MAX_PATTERN:
            reason, detail = "pattern over the engine's limit", f"{len(rule.pattern.exact)} characters of {MAX_PATTERN}"
            self.faults.append(Fault(rule.place, rule.name, Severity.UNSUPPORTED, reason, detail))
            return False
        if is_costly(rule.pattern.exact, rule.pattern.flags):
            reason = "too slow: a long group is repeated"
            self.faults.append(Fault(rule.place, rule.name, Severity.UNSUPPORTED, reason))
            return False
        return True

    def _make_groups(self, compiler: Compiler | None) -> None:
        of_kind: dict[Kind, list[Rule]] = {kind: [] for kind in Kind}
        for rule in self.running.values():
            of_kind[rule.kind].append(rule)
        self.lines = {
            kind: self._group(of_kind[kind], compiler) for kind in (Kind.BODY, Kind.RAWBODY, Kind.URI, Kind.FULL)
        }
        self.headers = self._by_target(of_kind[Kind.HEADER], compiler)
        self.parts = self._by_target(of_kind[Kind.MIMEHEADER], compiler)
        self.evals = [(rule.name, FUNCTIONS[rule.function], rule.arguments) for rule in of_kind[Kind.EVAL]]

    def _group(self, rules: Sequence[Rule], compiler: Compiler | None) -> Group:
        targets = []
        for rule in rules:
            if rule.pattern is not None:
                no_subject = rule.kind is Kind.BODY and "nosubject" in rule.tflags
                most = 1 if rule.negated else rule.max_hits
                text = _TEXTS.get(rule.kind, Text.WHOLE)
                targets.append(Target.make(rule.name, rule.pattern, most, self._shorter, text, no_subject))
        return Group(targets, compiler.look(targets) if compiler and targets else None)

    def _by_target(self, rules: Sequence[Rule], compiler: Compiler | None) -> list[_HeaderGroup]:
        targets: dict[str, list[Rule]] = {}
        for rule in rules:
            targets.setdefault(rule.target, []).append(rule)
        return [
            _HeaderGroup(
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

    def check_patterns(self) -> list[Fault]:
        """Compile every pattern with the exact engine; faults of those that it does not take."""
        found = []
        for rule in self.rules.rules.values():
            if rule.kind in PATTERN_KINDS and rule.pattern is not None:
                try:
                    _ = Exact(rule.name, rule.pattern).compiled
                except PatternError as error:
                    found.append(Fault(rule.place, rule.name, Severity.ERROR, "pattern cannot be compiled", str(error)))
        return found

    def run(self, message: Message, envelope: Envelope | None = None) -> Found:
        """Everything that hits in one mail."""
        facts = Facts(message, self.finder, envelope)
        budget = Budget(self.timeout)
        hits: Hits = {}
        for group in self.headers:
            self._header(group, facts, hits, budget)
        if self.parts:
            self._mime_headers(facts, hits, budget)
        lines = self.lines
        if lines[Kind.BODY].targets:
            lines[Kind.BODY].match_lines(facts.paragraphs, hits, budget)
        if lines[Kind.URI].targets:
            lines[Kind.URI].match_lines(facts.uris, hits, budget)
        if lines[Kind.RAWBODY].targets:
            for chunk in facts.chunks:
                lines[Kind.RAWBODY].match(chunk, hits, budget)
        if lines[Kind.FULL].targets:
            lines[Kind.FULL].match(facts.full, hits, budget)
        for name, function, arguments in self.evals:
            try:
                if function(facts, arguments):
                    hits[name] = 1
            except (ValueError, IndexError):
                continue
        self.timeouts.update(list(budget.cut_off))
        return Found(self.metas.run(hits), tuple(budget.cut_off), budget.shown)

    def _header(self, group: _HeaderGroup, facts: Facts, hits: Hits, budget: Budget) -> None:
        value = None if group.plain and group.plain not in facts.index else facts.field(group.target)
        if value is not None:
            own: Hits = {}
            if group.group.targets:
                group.group.match(value.encode("latin-1", "replace"), own, budget)
            for name in group.exists:
                hits[name] = 1
        else:
            if group.absent is None:
                group.absent = self._absent(group)
            own = group.absent
        for name, count in own.items():
            if name not in group.negated:
                hits[name] = count
        for name in group.negated:
            if name not in own:
                hits[name] = 1

    def _absent(self, group: _HeaderGroup) -> Hits:
        """What hits where the header is missing: the text that stands in for it, else none at all."""
        found: Hits = {}
        budget = Budget(self.timeout)
        group.group.match(b"", found, budget)
        for rule, exact in group.unset:
            found.pop(rule.name, None)
            text = (rule.if_unset or "").encode("latin-1", "replace")
            if count := exact.count(text, rule.max_hits, budget):
                found[rule.name] = count
        return found

    def _mime_headers(self, facts: Facts, hits: Hits, budget: Budget) -> None:
        for group in self.parts:
            values = facts.part_fields(group.target)
            present = [value.encode("latin-1", "replace") for value in values if value is not None]
            own: Hits = {}
            for value in present:
                group.group.match(value, own, budget)
            if len(present) < len(values):
                if group.absent is None:
                    group.absent = self._absent(group)
                own = {**group.absent, **own}
            for name, count in own.items():
                if name not in group.negated:
                    hits[name] = count
            for name in group.negated:
                if name not in own:
                    hits[name] = 1


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
