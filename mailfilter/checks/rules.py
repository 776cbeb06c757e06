"""Rules in SpamAssassin's language (``[rules] paths``); without any this check finds nothing and loads nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import SettingError
from ..symbols import Findings, Symbol, SymbolInfo, declared_by, shipped_catalogue
from . import Mail

if TYPE_CHECKING:
    from ..config import Config
    from ..ruleset.compiled import CompiledRules
    from ..ruleset.rules import Rule
    from ..ruleset.state import Found

_log = logging.getLogger("mailfilter")
TIMED_OUT = "RULE_TIMEOUT"
PREFIX = "CF_"
"""Put before the name of a rule that a symbol of ours has already."""

_GROUPS = {"header": "headers", "uri": "links", "mimeheader": "structure", "full": "structure"}


class RuleCheck:
    """Findings of rule files: a symbol for every rule with points; subrules (``__NAME``) only feed metas."""

    name = "rules"

    def __init__(self, compiled: CompiledRules | None = None) -> None:
        self.compiled = compiled
        self.symbols: tuple[SymbolInfo, ...] = declared_by(self.name)
        self._names: dict[str, str] = {}
        if compiled is not None:
            taken = {info.name for info in shipped_catalogue()}
            shown = [rule for rule in compiled.running.values() if not rule.is_subrule]
            self._names = {rule.name: PREFIX + rule.name if rule.name in taken else rule.name for rule in shown}
            self.symbols += tuple(self._info(rule, compiled.points(rule)) for rule in shown)

    def _info(self, rule: Rule, points: float) -> SymbolInfo:
        group = _GROUPS.get(rule.family or rule.kind.value, "content")
        description = rule.description or f"rule {rule.name} of {rule.place.file}"
        return SymbolInfo(self._names[rule.name], description, group, points, self.name)

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail."""
        if self.compiled is None:
            return [() for _ in mails]
        pairs = [(mail.message, mail.envelope) for mail in mails]
        return [self._findings(found) for found in self.compiled.run_many(pairs, subrules=False)]

    def _findings(self, found: Found) -> Findings:
        names, rules = self._names, self.compiled.running if self.compiled else {}
        symbols = [
            Symbol(names[rule], self._value(rules[rule], worth), _shown(rules[rule], found.text(rule)))
            for rule, worth in found.hits.items()
            if rule in names
        ]
        if found.cut_off:
            symbols.append(Symbol(TIMED_OUT, 1.0, "cut off: " + ", ".join(sorted(found.cut_off)[:20])))
        return tuple(symbols)

    @staticmethod
    def _value(rule: Rule, worth: float) -> float:
        """What multiplies the points: how often a ``tflags multiple`` rule hit, else 1."""
        return float(worth) if "multiple" in rule.tflags and rule.expression == "" else 1.0


def _shown(rule: Rule, text: str) -> str:
    """Evidence: where a rule looked and the text up to where it matched."""
    place = f"{rule.kind.value} {rule.target}".strip()
    return f"{place}: {text}" if text else place


def configured(config: Config) -> RuleCheck:
    """The check that the settings ask for.  Raises `SettingError` under ``strict`` when a rule file has errors."""
    section = config.rules
    if not section.paths:
        return RuleCheck()
    from ..ruleset.cache import Cache
    from ..ruleset.compiled import CompiledRules
    from ..ruleset.reader import read_rules
    from ..ruleset.soundness import broken

    rules = read_rules(section.paths)
    cache = {"default": None, "off": ""}.get(section.cache, section.cache)
    if section.strict:
        wrong = (*rules.errors, *broken(rules.rules, Cache(cache), every=True))
        if wrong:
            raise SettingError(config.source, tuple(f"rules: {fault}" for fault in wrong))
    points = {name.removeprefix(PREFIX): value for name, value in config.scores.items()}
    own = {name: value for name, value in points.items() if name in rules.rules}
    compiled = CompiledRules(rules, timeout=section.timeout, cache=cache, scores=own, trust=config.trusted())
    errors = (*rules.errors, *compiled.errors)
    if errors:
        more = f" (and {len(errors) - 1} errors more: see `mailfilter rules lint`)" if errors[1:] else ""
        _log.warning("rules: %s%s", errors[0], more)
    return RuleCheck(compiled)
