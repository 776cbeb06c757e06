"""Rule files to a `RuleSet`: read, put together, checked against each other.  Never raises on content."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from .captures import unanswered
from .directives import RuleBuilder
from .evals import BY_NAME, fault, is_known
from .expressions import names, parse
from .lines import Reader, find_files
from .rules import Domains, Fault, Kind, Rule, RuleSet, Severity

_GLOB = re.compile(r"(?<!_)\brules_matching\(\s*([A-Za-z_*?][\w*?]{0,127})\s*\)")
MAX_GLOB = 1000
"""Rules that one ``rules_matching()`` stands for."""


def read_rules(paths: Sequence[str | Path], lang: str = "en_US") -> RuleSet:
    """Read files and folders in order.  ``lang`` chooses among ``lang`` lines, as $LANG does."""
    faults: list[Fault] = []
    reader = Reader(faults.append, lang)
    builder = RuleBuilder(faults.append)
    for path in find_files(paths, faults.append):
        for line in reader.read(path):
            builder.take(line)
    return _finish(builder, faults, reader)


def read_text(text: str, name: str = "rules.cf", lang: str = "en_US") -> RuleSet:
    """Read rules out of a text."""
    faults: list[Fault] = []
    reader = Reader(faults.append, lang)
    builder = RuleBuilder(faults.append)
    for line in reader.read_text(text, Path(name)):
        builder.take(line)
    return _finish(builder, faults, reader)


def _finish(builder: RuleBuilder, faults: list[Fault], reader: Reader) -> RuleSet:
    rules = _put_together(builder)
    rules = {name: _expanded(rule, rules) for name, rule in rules.items()}
    faults += _unanswered(rules)
    faults += _unheeded(builder, rules)
    _check_names(builder, rules)
    faults += _unsupported(rules)
    faults += _metas(rules)
    for (file, word), times in builder.ignored.items():
        place = builder.ignored_at[file, word]
        faults.append(Fault(place, "", Severity.NOTE, "setting without a meaning here", word, times))
    order = {file: number for number, file in enumerate(dict.fromkeys(reader.files))}
    faults.sort(key=lambda fault: (order.get(fault.place.file, -1), fault.place.line))
    return RuleSet(
        rules=MappingProxyType(rules),
        faults=tuple(faults),
        files=tuple(order),
        domains=Domains(frozenset(builder.top), frozenset(builder.two), frozenset(builder.three)),
        redirectors=tuple(builder.redirectors),
        lists=MappingProxyType({name: frozenset(words) for name, words in builder.lists.items()}),
    )


def _put_together(builder: RuleBuilder) -> dict[str, Rule]:
    """Rules with what other lines say about them."""
    rules = {}
    for name, draft in builder.drafts.items():
        rule = draft.rule
        if name in builder.tagged and rule.pattern is not None:
            rule = builder.with_tags(draft, builder.tagged[name])
        description = builder.descriptions.get(name)
        scores, tflags = builder.scores.get(name), builder.tflags.get(name)
        priority = builder.priorities.get(name)
        rules[name] = replace(
            rule,
            description=description[0] if description else "",
            scores=scores[0] if scores else None,
            tflags=tflags[0] if tflags else frozenset(),
            priority=priority[0] if priority else 0,
        )
    return rules


def _expanded(rule: Rule, rules: Mapping[str, Rule]) -> Rule:
    """A meta with ``rules_matching(GLOB)`` spelled out as a sum, itself left out."""
    if rule.kind is not Kind.META or "rules_matching" not in rule.expression:
        return rule

    def spell(match: re.Match[str]) -> str:
        found = [name for name in fnmatch.filter(rules, match[1]) if name != rule.name][:MAX_GLOB]
        return "(" + (" + ".join(found) or "0") + ")"

    return replace(rule, expression=_GLOB.sub(spell, rule.expression))


def _check_names(builder: RuleBuilder, rules: Mapping[str, Rule]) -> None:
    """Lines about rules that do not exist."""
    tables = (
        ("score for a missing rule", builder.scores), ("describe for a missing rule", builder.descriptions),
        ("tflags for a missing rule", builder.tflags), ("priority for a missing rule", builder.priorities),
    )  # fmt: skip
    for reason, table in tables:
        for name, (_, place) in table.items():
            if name not in rules:
                builder.note(place, name, reason)
    for name, place in builder.tagged.items():
        if name not in rules:
            builder.note(place, name, "replace_rules for a missing rule")


def _unanswered(rules: dict[str, Rule]) -> list[Fault]:
    """Take the pattern from rules that ask for text that nobody captures."""
    found = []
    for name, missing in unanswered(rules).items():
        rule = rules[name]
        rules[name] = replace(rule, pattern=None)
        detail = ", ".join(f"%{{{word}}}" for word in missing)
        found.append(Fault(rule.place, name, Severity.UNSUPPORTED, "uses text that no rule captures", detail))
    return found


def _unheeded(builder: RuleBuilder, rules: dict[str, Rule]) -> list[Fault]:
    """Take the pattern from mimeheader rules with flags that change what they look at, which is not done here."""
    found = []
    for name, (tflags, place) in builder.tflags.items():
        unheeded = sorted(flag for flag in tflags if flag == "concat" or flag.startswith("range="))
        if unheeded and name in rules and rules[name].kind is Kind.MIMEHEADER:
            rules[name] = replace(rules[name], pattern=None)
            found.append(Fault(place, name, Severity.UNSUPPORTED, "flag that is not heeded here", ", ".join(unheeded)))
    return found


def _unsupported(rules: Mapping[str, Rule]) -> list[Fault]:
    """Rules that are right but not run."""
    found = []
    for rule in rules.values():
        if rule.kind is Kind.EVAL and not is_known(rule):
            reason = "asks the network" if rule.is_net else "function without its facts here"
            found.append(Fault(rule.place, rule.name, Severity.UNSUPPORTED, reason, _call(rule)))
        elif rule.kind is Kind.EVAL and (wrong := fault(rule)):
            found.append(Fault(rule.place, rule.name, Severity.ERROR, "pattern cannot be read", wrong))
        elif rule.points == 0 and not rule.is_subrule:
            found.append(Fault(rule.place, rule.name, Severity.NOTE, "switched off by a score of 0"))
    return found


def _call(rule: Rule) -> str:
    """A function as a fault shows it; its first argument where only some are known."""
    return f"{rule.function}({', '.join(rule.arguments[:1]) if rule.function in BY_NAME else ''})"


def _metas(rules: Mapping[str, Rule]) -> list[Fault]:
    """Metas that name what does not exist, or each other in a ring."""
    found = []
    needs = {}
    for rule in rules.values():
        if rule.kind is Kind.META:
            operands = names(parse(rule.expression))
            needs[rule.name] = operands
            missing = [name for name in operands if name not in rules and name != "local_tests_only"]
            if missing:
                detail = ", ".join(missing[:6]) + (" …" if len(missing) > 6 else "")
                found.append(Fault(rule.place, rule.name, Severity.NOTE, "meta names what does not exist", detail))
    for name in rings(needs):
        found.append(Fault(rules[name].place, name, Severity.ERROR, "metas in a ring", "never hits"))
    return found


def rings(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Metas that wait for each other, directly or through one that does (Kahn, 1962)."""
    waiting = {name: {other for other in others if other in needs} for name, others in needs.items()}
    users: dict[str, list[str]] = {}
    for name, others in waiting.items():
        for other in others:
            users.setdefault(other, []).append(name)
    ready = [name for name, others in waiting.items() if not others]
    while ready:
        done = ready.pop()
        waiting.pop(done)
        for user in users.get(done, ()):
            waiting[user].discard(done)
            if not waiting[user]:
                ready.append(user)
    return list(waiting)


def ring_free(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Metas in an order in which each comes after those that it needs; those of a ring are left out."""
    left_out = set(rings(needs))
    order: dict[str, None] = {}
    for start in needs:
        stack = [start]
        while stack:
            name = stack[-1]
            todo = [other for other in needs[name] if other in needs and other not in order and other not in left_out]
            if name in order or name in left_out:
                stack.pop()
            elif todo:
                stack.extend(todo)
            else:
                order[name] = None
                stack.pop()
    return tuple(order)
