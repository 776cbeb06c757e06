"""Patterns that the exact engine does not take: found when rules are loaded, not when a mail needs one.

Compiling the stock rules' patterns takes twenty seconds, reading them with the standard library's parser one; what
that takes the engine takes as well, nearly always.  So only what it refuses is compiled, unless every pattern has to
be.  What was found out is kept in the cache of compiled databases.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from .cache import Cache
from .charclasses import PatternError
from .exact import Exact
from .progress import Progress
from .rules import PATTERN_KINDS, Fault, Rule, Severity
from .tree import FAILURES, parse

REASON = "pattern cannot be compiled"


def broken(rules: Mapping[str, Rule], cache: Cache | None = None, every: bool = False) -> list[Fault]:
    """A fault for each rule whose pattern cannot be run; ``every``  each pattern is compiled to find that out."""
    some = [rule for rule in rules.values() if rule.kind in PATTERN_KINDS and rule.pattern is not None]
    key = _key(some, every)
    found = _kept(cache, key)
    if found is None:
        found = _broken(some, every)
        if cache is not None:
            cache.write(key, json.dumps(found).encode())
    return [
        Fault(rules[name].place, name, Severity.ERROR, REASON, why) for name, why in found.items() if name in rules
    ]


def _key(rules: Sequence[Rule], every: bool) -> str:
    digest = hashlib.sha256()
    for rule in rules:
        if rule.pattern is not None:
            digest.update(b"%b\0%b\0%b\0" % (rule.name.encode(), rule.pattern.flags.encode(), rule.pattern.exact))
    return Cache.key([b"sound", version("regex").encode(), b"%d" % every, digest.digest()])


def _kept(cache: Cache | None, key: str) -> dict[str, str] | None:
    body = cache.read(key) if cache is not None else None
    try:
        found = json.loads(body) if body else None
    except ValueError:
        return None
    return {str(name): str(why) for name, why in found.items()} if isinstance(found, dict) else None


def _broken(rules: Sequence[Rule], every: bool) -> dict[str, str]:
    found = {}
    said = Progress("checking patterns")
    for rule in rules:
        if rule.pattern is None or not (every or _is_odd(rule)):
            continue
        said.after(1)
        try:
            _ = Exact(rule.name, rule.pattern).compiled
        except PatternError as error:
            found[rule.name] = str(error)
    return found


def _is_odd(rule: Rule) -> bool:
    """Whether the standard library's parser does not take the pattern."""
    try:
        if rule.pattern is not None:
            parse(rule.pattern.exact, rule.pattern.flags)
    except FAILURES:
        return True
    return False
