"""Functions about HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ..facts import Facts
from ._common import Query, Sought, once
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


_Test = Callable[[HtmlFacts], bool]


def _comparison(expression: str) -> Callable[[float], bool]:
    match = _COMPARISON.match(expression)
    if match is None:
        return lambda value: False
    compare, limit = _COMPARED[match[1]], float(match[2])
    return lambda value: compare(float(value), limit)


def html(facts: Facts) -> HtmlFacts | None:
    """Facts of the HTML of a mail, `None` where there is none: no function about it hits then."""
    found = once(facts, html_facts)
    return found if found.is_html else None


def _tag_exists(arguments: Sequence[str]) -> _Test:
    name = arguments[0]
    return lambda found: name in found.elements


def _tag_balance(arguments: Sequence[str]) -> _Test:
    name, fits = arguments[0], _comparison(arguments[1])
    return lambda found: name in found.elements and fits(found.elements[name])


def _text_match(arguments: Sequence[str]) -> _Test:
    texts, wanted = _TEXTS[arguments[0]], Sought(arguments[1])
    return lambda found: wanted.in_any(texts(found))


def _range(arguments: Sequence[str]) -> _Test:
    number, low, high = _NUMBERS[arguments[0]], float(arguments[1]), float(arguments[2])
    return lambda found: low < number(found) <= high


def _eval(arguments: Sequence[str]) -> _Test:
    number, fits = _NUMBERS[arguments[0]], _comparison(arguments[1])
    return lambda found: fits(number(found))


def _image_only(arguments: Sequence[str]) -> _Test:
    low, high = float(arguments[0]), float(arguments[1])
    return lambda found: "img" in found.elements and low < found.length <= high


def letters_for_pixel(facts: Facts) -> float | None:
    """Characters shown for each pixel of the images in HTML, `None` without such images."""
    found = html(facts)
    return html_letters(facts) / found.area if found is not None and found.area > 0 else None


def _between(arguments: Sequence[str]) -> Callable[[float], bool]:
    low, high = float(arguments[0]), float(arguments[1])
    return lambda ratio: low < ratio <= high


FUNCTIONS: dict[str, Query[Any]] = {
    "check_iframe_src": Query(html, lambda arguments: lambda found: found.iframe_source),
    "html_eval": Query(html, _eval),
    "html_image_only": Query(html, _image_only),
    "html_image_ratio": Query(letters_for_pixel, _between),
    "html_range": Query(html, _range),
    "html_tag_balance": Query(html, _tag_balance),
    "html_tag_exists": Query(html, _tag_exists),
    "html_test": Query(html, lambda arguments: _TESTS[arguments[0]]),
    "html_text_match": Query(html, _text_match),
}
"""Name in rule files → what it asks."""
