"""What functions about HTML ask: elements, comments, links' texts, titles, areas of images, sizes of letters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape

from ...kernel import native
from ..facts import Facts
from ..htmltext import HtmlText, _is_open

MAX_PIECES = 2_000
"""Comments, titles and links' texts that are kept of one mail."""
MAX_PIECE = 10_000
"""Characters kept of one of them."""
_DEFAULT_SIDE = 200
"""Pixels of a side of an image that its tag tells of as no number above 0."""
_LITERAL = frozenset(("script", "style", "title", "textarea", "xmp", "iframe", "plaintext"))
_COMMENT = re.compile(r"![^A-Za-z]")
"""A comment; what goes on with a letter is a declaration."""
_NAME = re.compile(r"(/?)([A-Za-z][^\s>/]{0,60})")
_ATTRIBUTE = re.compile(
    r"""(?:\A|[\s"'/])(width|height|size|src|action)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*))""", re.I
)


@dataclass(slots=True)
class HtmlFacts:
    """Facts of all HTML parts of a mail together.

    ``elements``  how many of each are open at the end (an end tag without a start tag counts for nothing); ``length``
    characters of the source, ``area`` pixels of images.
    """

    is_html: bool = False
    elements: dict[str, int] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    length: int = 0
    area: int = 0
    largest: int = 3
    embeds: bool = False
    mailto_form: bool = False
    iframe_source: bool = False


def html_facts(facts: Facts) -> HtmlFacts:
    """Read every HTML part of a mail."""
    found = HtmlFacts()
    for source in facts.sources.values():
        found.is_html = True
        found.length += len(source)
        walked = native.rule_facts(source, found.elements) if native is not None else None
        if walked is None:
            _Walk(source, found)
        else:
            _take(found, *walked)
    return found


def _take(
    found: HtmlFacts, elements: dict[str, int], comments: list[tuple[str, int]], anchors: list[str], titles: list[str],
    images: list[tuple[str, str]], sizes: list[str], embeds: bool, mailto: bool, frame_source: bool,
) -> None:  # fmt: skip
    """Add what the kernel saw in one source (``native/rulefacts.c``)."""
    found.elements = elements
    for whole, rest in comments:
        text = whole[:MAX_PIECE]
        _keep(found.comments, text[: len(text) - rest] if rest else text)
    for text in anchors:
        _keep(found.anchors, unescape(text))
    for text in titles:
        _keep(found.titles, unescape(text))
    found.area += sum([_pixels(width, height) for width, height in images])
    found.largest = max([found.largest, *map(_size, set(sizes))])
    found.embeds |= embeds
    found.mailto_form |= mailto
    found.iframe_source |= frame_source


def html_letters(facts: Facts) -> int:
    """Characters of the text that all HTML parts show, blanks left out."""
    return sum([len("".join(facts.page(part).text.split())) for part in facts.sources])


class _Walk(HtmlText):
    """One pass over the tags of a source."""

    __slots__ = ("_anchor", "_found", "_source")

    def __init__(self, source: str, found: HtmlFacts) -> None:
        self._found = found
        self._anchor: list[str] | None = None
        self.uris, self.base, self.text = {}, "", ""
        self._chunks = source.split("<")
        self._at = 1
        self._walk()

    def _walk(self) -> None:
        while self._at < len(self._chunks):
            chunk = self._chunks[self._at]
            self._at += 1
            match = _NAME.match(chunk)
            if match is None:
                start = self._at - 1
                text = self._other(chunk)
                if _COMMENT.match(chunk):
                    self._comment(start, text)
            else:
                attributes, _, text = chunk[match.end() :].partition(">")
                if "=" in attributes and ('"' in attributes or "'" in attributes) and _is_open(attributes):
                    attributes, text = self._whole(attributes, text)
                name = match[2].lower()
                self._tag(name, match[1] == "/", attributes)
                if name in _LITERAL and not match[1]:
                    text = self._literal(name, text)
                    if name == "title":
                        _keep(self._found.titles, unescape(text))
                        text = ""
            if text and self._anchor is not None and len(self._anchor) < MAX_PIECES:
                self._anchor.append(text)

    def _comment(self, start: int, rest: str) -> None:
        """Keep a comment or declaration, its brackets included."""
        pieces = ["", *self._chunks[start : min(self._at, start + 200)]]
        whole = "<".join(pieces)[:MAX_PIECE]
        _keep(self._found.comments, whole[: len(whole) - len(rest)] if rest else whole)

    def _tag(self, name: str, ends: bool, attributes: str) -> None:
        found = self._found
        count = found.elements.get(name, 0)
        found.elements[name] = max(count - 1, 0) if ends else count + 1
        if name == "a":
            if self._anchor is not None:
                _keep(found.anchors, unescape("".join(self._anchor)))
            self._anchor = None if ends else []
        elif ends:
            return
        elif name == "img":
            found.area += _area(attributes)
            if self._anchor is not None and len(self._anchor) < MAX_PIECES:
                self._anchor.append("<img>")
        elif name in ("embed", "object"):
            found.embeds = True
        elif name == "iframe":
            found.iframe_source |= bool(_values(attributes).get("src"))
        elif name == "form":
            found.mailto_form |= _values(attributes).get("action", "").lower().startswith("mailto:")
        elif name == "font":
            found.largest = max(found.largest, _size(_values(attributes).get("size", "")))


def _keep(pieces: list[str], text: str) -> None:
    if len(pieces) < MAX_PIECES:
        pieces.append(text[:MAX_PIECE])


def _values(attributes: str) -> dict[str, str]:
    return {match[1].lower(): match[2] or match[3] or match[4] or "" for match in _ATTRIBUTE.finditer(attributes)}


def _area(attributes: str) -> int:
    values = _values(attributes)
    if "width" not in values or "height" not in values:
        return 0
    return _pixels(values["width"], values["height"])


def _pixels(width: str, height: str) -> int:
    return _side(width, 800) * _side(height, 600)


def _side(text: str, window: int) -> int:
    """Pixels of a side, per cent being of a window's."""
    match = re.match(r"(\d{1,5})(%?)\Z", text, re.A)
    pixels = int(match[1]) * window // 100 if match and match[2] else int(match[1]) if match else 0
    return pixels or _DEFAULT_SIDE


def _size(text: str) -> int:
    """A font's size, 3 being the usual one."""
    match = re.match(r"\s*([+-]?)(\d{1,3})", text)
    if not match:
        return 3
    return 3 + int(match[1] + match[2]) if match[1] else int(match[2])
