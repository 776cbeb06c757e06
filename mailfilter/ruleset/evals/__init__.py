"""Functions of ``eval:`` rules whose facts are here, and how one is made for a rule set.

Each file knows functions of one kind by the name that rule files give them.  What a function means was found out by
running SpamAssassin beside it; ``benchmarks rules --against-spamassassin`` tells how well each agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..facts import Facts
from ..rules import Rule
from . import alternatives, amounts, body, bounces, freemail, headers, html, images, lists, locales, marks, mime, relays
from ._common import Listed, Lists, Query, nothing, pattern

PLAIN: dict[str, Query[Any]] = {
    **alternatives.FUNCTIONS, **amounts.FUNCTIONS, **body.FUNCTIONS, **headers.FUNCTIONS, **html.FUNCTIONS,
    **images.FUNCTIONS, **marks.FUNCTIONS, **mime.FUNCTIONS, **relays.FUNCTIONS,
}  # fmt: skip
LISTED: dict[str, Listed] = {
    **bounces.FUNCTIONS, **freemail.FUNCTIONS, **lists.FUNCTIONS, **locales.FUNCTIONS, **mime.LISTED,
}  # fmt: skip
OF_FAMILY = images.OF_FAMILY
FUNCTIONS = frozenset((*PLAIN, *LISTED, *OF_FAMILY))
"""Names that rule files may use."""
BY_NAME = {**html.BY_NAME, **mime.BY_NAME}
"""What the first argument of a function may be, where it asks one of several facts."""


def is_known(rule: Rule) -> bool:
    """Whether the facts that an eval rule asks for are here."""
    names = BY_NAME.get(rule.function)
    return rule.function in FUNCTIONS and (names is None or (bool(rule.arguments) and rule.arguments[0] in names))


_PATTERNS = {"html_text_match": 1, "check_freemail_header": 1, "check_freemail_from": 0, "check_freemail_body": 0}
"""Which argument is a pattern."""


def fault(rule: Rule) -> str:
    """What is wrong with the pattern among a rule's arguments, ``""`` if nothing is."""
    at = _PATTERNS.get(rule.function)
    try:
        _ = pattern(rule.arguments[at]) if at is not None and at < len(rule.arguments) else None
    except ValueError as error:
        return str(error)
    return ""


Bound = list[tuple[Callable[[Facts], Any], list[tuple[str, Callable[[Any], bool]]]]]
"""Facts, and the rules that ask them: their names and what each makes of the fact."""


def bound(rules: Iterable[Rule], known: Lists) -> Bound:
    """The functions of eval rules, which ask the lists ``known`` if they ask any, by the fact that they ask.

    A rule with arguments that make no sense is left out: it never hits.
    """
    queries: dict[tuple[str, str], Query[Any]] = {}
    asked: dict[Callable[[Facts], Any], list[tuple[str, Callable[[Any], bool]]]] = {}
    for rule in rules:
        key = rule.function, rule.family if rule.function in OF_FAMILY else ""
        if key not in queries:
            queries[key] = _query(rule, known)
        query = queries[key]
        try:
            test = query.test(rule.arguments)
        except (ValueError, IndexError):
            continue
        asked.setdefault(query.fact, []).append((rule.name, test))
    return [(fact, tests) for fact, tests in asked.items() if fact is not nothing]


def _query(rule: Rule, known: Lists) -> Query[Any]:
    if rule.function in LISTED:
        return LISTED[rule.function](known)
    return OF_FAMILY[rule.function](rule.family) if rule.function in OF_FAMILY else PLAIN[rule.function]
