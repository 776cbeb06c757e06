"""Functions about how far the HTML and the plain text of a ``multipart/alternative`` say the same."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, filterfalse, islice, repeat
from operator import not_
from typing import Any, NamedTuple

from ...mime.part import Part
from ..bodytext import characters
from ..facts import Facts
from ._common import Query, limit

_MARKS = string.punctuation.replace("_", "")
_WORD = re.compile(r"\w")
_IMAGE = re.compile(r"<img\b", re.I)
_MEETING = ["multipart/alternative", "text/html", "text/calendar"]
FEW = 4
MAX_TEXT = 200_000
"""Characters of a part that are compared."""


class Pair(NamedTuple):
    """The words of the HTML and of the other texts of one ``multipart/alternative``, in order and each once."""

    html: list[str]
    text: list[str]
    html_words: set[str]
    text_words: set[str]

    def differs(self, least: float, most: float) -> bool:
        """Whether more than ``least`` and at most ``most`` per cent of the words of HTML are not in the text as often.

        A few of the words that both have mostly tell that too few are left; else all are counted.
        """
        size = left = len(self.html_words)
        both = self.html_words & self.text_words
        for word in islice(both, FEW):
            left -= self.html.count(word) <= self.text.count(word)
            if 100 * left / size <= least:
                return False
        if len(both) > FEW:
            html, text = Counter(self.html), Counter(self.text)
            left = size - sum([html[word] <= text[word] for word in both])
        return least < 100 * left / size <= most


def pairs(facts: Facts) -> list[Pair] | None:
    """The alternatives of a mail that hold HTML with words or an image, `None` where there are none."""
    found = []
    kinds: dict[Part, str] = {}
    for part in facts.message.root.walk():
        if part.content_type == "multipart/alternative":
            kinds = kinds or dict(facts.kinds)
            if part is facts.message.root and [each.content_type for each in part.walk()] == _MEETING:
                return None
            pair = _pair(facts, part.walk(), kinds)
            found += [pair] if pair.html_words else []
    return found or None


def _pair(facts: Facts, parts: Iterable[Part], kinds: dict[Part, str]) -> Pair:
    html: list[str] = []
    text: list[str] = []
    pages = []
    for part in parts:
        kind = kinds.get(part, "")
        if kind == "text/html":
            pages.append(part)
            html += facts.page(part).text[:MAX_TEXT].split()
        elif kind.startswith("text/"):
            text += characters(part.data, part.charset)[:MAX_TEXT].split()
    words = _words(html)
    if not words and any(_IMAGE.search(facts.sources[page]) for page in pages):
        html, words = ["\n"], {"\n"}
    return Pair(html, text, words, _words(text))


def _words(pieces: Iterable[str]) -> set[str]:
    """Each piece that holds a letter, a digit or a low line, once."""
    words = set(pieces)
    odd = [*filterfalse(str.isalnum, words)]
    rests = [*map(str.strip, odd, repeat(_MARKS))]
    words.difference_update(compress(odd, map(not_, rests)))
    if not "".join(rests).isascii():
        words.difference_update(
            [word for word, rest in zip(odd, rests, strict=True) if not (rest.isascii() or _WORD.search(rest))]
        )
    return words


def _share(arguments: Sequence[str]) -> Callable[[list[Pair]], bool]:
    """The alternatives that differ most do so by more than the first argument (0: any) and no more than the second."""
    low, high = float(arguments[0]), limit(arguments[1], 100.0)

    def hits(found: list[Pair]) -> bool:
        if high < 100 and any(pair.differs(high, 100) for pair in found):
            return False
        return low == 0 or any(pair.differs(low, 100) for pair in found)

    return hits


def _counts(arguments: Sequence[str]) -> Callable[[list[Pair]], bool]:
    """The last text has so many times the words of its HTML, which has more than the second argument."""
    ratio, least = float(arguments[0]), float(arguments[1])
    return lambda found: least < len(found[-1].html_words) < len(found[-1].text_words) / ratio


FUNCTIONS: dict[str, Query[Any]] = {
    "multipart_alternative_difference": Query(pairs, _share),
    "multipart_alternative_difference_count": Query(pairs, _counts),
}
"""Name in rule files → what it asks."""
