"""Functions about HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..facts import Facts
from ._common import Function, found_in, once, pattern
from .htmlfacts import HtmlFacts, html_facts, html_letters

_TESTS: dict[str, Callable[[HtmlFacts], bool]] = {
    "html": lambda found: found.is_html,
    "embeds": lambda found: found.embeds,
    "form_action_mailto": lambda found: found.mailto_form,
}
_TEXTS: dict[str, Callable[[HtmlFacts], list[str]]] = {
    "comment": lambda found: found.comments,
    "anchor": lambda found: found.anchors,
    "title": lambda found: found.titles,
}
_NUMBERS: dict[str, Callable[[HtmlFacts], float]] = {
    "length": lambda found: found.length,
    "image_area": lambda found: found.area,
    "max_size": lambda found: found.largest,
}
_COMPARISON = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*(-?\d+(?:\.\d+)?)\s*\Z")
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__, "==": float.__eq__,
    "!=": float.__ne__,
}  # fmt: skip
BY_NAME = {
    "html_test": frozenset(_TESTS), "html_text_match": frozenset(_TEXTS), "html_range": frozenset(_NUMBERS),
    "html_eval": frozenset(_NUMBERS),
}  # fmt: skip
"""What the first argument may be, where a function asks one of several facts."""


def _compare(value: float, expression: str) -> bool:
    match = _COMPARISON.match(expression)
    return match is not None and _COMPARED[match[1]](float(value), float(match[2]))


def _html(facts: Facts) -> HtmlFacts:
    return once(facts, html_facts)


def _test(facts: Facts, arguments: Sequence[str]) -> bool:
    return _TESTS[arguments[0]](_html(facts))


def _tag_exists(facts: Facts, arguments: Sequence[str]) -> bool:
    return arguments[0] in _html(facts).elements


def _tag_balance(facts: Facts, arguments: Sequence[str]) -> bool:
    elements = _html(facts).elements
    return arguments[0] in elements and _compare(elements[arguments[0]], arguments[1])


def _text_match(facts: Facts, arguments: Sequence[str]) -> bool:
    texts = _TEXTS[arguments[0]](_html(facts))
    return bool(texts) and found_in(texts, pattern(arguments[1]))


def _range(facts: Facts, arguments: Sequence[str]) -> bool:
    found = _html(facts)
    return found.is_html and float(arguments[1]) < _NUMBERS[arguments[0]](found) <= float(arguments[2])


def _eval(facts: Facts, arguments: Sequence[str]) -> bool:
    found = _html(facts)
    return found.is_html and _compare(_NUMBERS[arguments[0]](found), arguments[1])


def _image_only(facts: Facts, arguments: Sequence[str]) -> bool:
    found = _html(facts)
    return "img" in found.elements and float(arguments[0]) < found.length <= float(arguments[1])


def _image_ratio(facts: Facts, arguments: Sequence[str]) -> bool:
    area = _html(facts).area
    return area > 0 and float(arguments[0]) < once(facts, html_letters) / area <= float(arguments[1])


def _iframe_source(facts: Facts, arguments: Sequence[str]) -> bool:
    return _html(facts).iframe_source


FUNCTIONS: dict[str, Function] = {
    "check_iframe_src": _iframe_source,
    "html_eval": _eval,
    "html_image_only": _image_only,
    "html_image_ratio": _image_ratio,
    "html_range": _range,
    "html_tag_balance": _tag_balance,
    "html_tag_exists": _tag_exists,
    "html_test": _test,
    "html_text_match": _text_match,
}
"""Name in rule files → function."""
