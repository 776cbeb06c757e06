"""HTML to what a reader sees, what is hidden from him, and links; linear in the size of the source.

A tokeniser of ours over ``source.split("<")``: comments and inline tags do not separate words, block tags do;
``script``, ``style`` and ``title`` are not shown; text within an element that a style or the ``hidden``
attribute makes invisible is kept apart.  Comments for Outlook (``<!--[if mso]>``) count as hidden.
"""

from __future__ import annotations

import contextlib
import html as _entities
import re
from typing import NamedTuple
from urllib.parse import urljoin

from .links import Link, Origin, clean_url, host_of

_NAME = re.compile(r"/?[a-zA-Z][^\s/>]*")
_ATTRIBUTE = re.compile(
    r"""\b(href|src|action|background|formaction)\s{0,20}=\s{0,20}(?:"([^"]*)"?|'([^']*)'?|([^\s<>"']+))""", re.I
)
_INVISIBLE = re.compile(
    r"display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden|font-size\s{0,9}:\s{0,9}0(?![.\d]*[1-9])"
    r"|opacity\s{0,9}:\s{0,9}0(?![.\d]*[1-9])|\shidden(?=[\s=/>]|\Z)|mso-hide\s{0,9}:\s{0,9}all"
    r"|font-size\s{0,9}:\s{0,9}1px(?=.{0,200}(?<!-)color)", re.I | re.S
)  # fmt: skip
_MAY_HIDE = ("display", "hidden", "font-size", "opacity", "visibility")
_INLINE = frozenset(
    ["a", "abbr", "acronym", "b", "basefont", "bdi", "bdo", "big", "blink", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark", "nobr", "o:p", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "meta", "link", "base"]
)
_RAW = frozenset(["script", "style", "title", "xmp", "iframe", "noembed", "noframes", "template"])
_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "basefont"])
_SELF_CLOSING = frozenset(["p", "li", "td", "th", "tr", "option", "dt", "dd"])
_ORIGINS: dict[str, Origin] = {
    "href": "href", "src": "src", "background": "src", "action": "action", "formaction": "action",
}  # fmt: skip


class Rendered(NamedTuple):
    """What became of an HTML text."""

    visible: str
    hidden: str
    links: list[Link]
    capped: bool


def render(source: str, max_links: int = 10_000) -> Rendered:
    """Visible text (one line per block), hidden text, and links with the text that shows them."""
    renderer = _Renderer(source, max_links)
    renderer.run()
    return Rendered(
        _tidy("".join(renderer.shown)), _tidy(" ".join(renderer.veiled)), renderer.finish(), renderer.capped
    )


def _tidy(text: str) -> str:
    """Entities decoded, runs of blanks made one, empty lines dropped."""
    if "&" in text:
        text = _entities.unescape(text)
    return "\n".join([line for raw in text.split("\n") if (line := " ".join(raw.split()))])


class _Renderer:
    """One pass over one text."""

    def __init__(self, source: str, max_links: int) -> None:
        self.chunks = source.replace("\r", " ").replace("\n", " ").split("<")
        self.at = 1
        self.shown = [self.chunks[0]]
        self.veiled: list[str] = []
        self.out = self.shown
        self.veil = ""
        self.veil_depth = 0
        self.links: list[tuple[str, Origin, str]] = []
        self.anchor = ""
        self.anchor_out = self.shown
        self.anchor_start = 0
        self.base = ""
        self.max_links = max_links
        self.capped = False
        self.open_quotes = {'"': True, "'": True}
        low = source.lower()
        self.may_hide = any(word in low for word in _MAY_HIDE)

    def run(self) -> None:
        chunks = self.chunks
        while self.at < len(chunks):
            chunk = chunks[self.at]
            self.at += 1
            match = _NAME.match(chunk)
            if match:
                self.tag(match[0].lower(), chunk, match.end())
            elif chunk[:1] in ("!", "?", "/"):
                self.declaration(chunk)
            else:
                self.out.append("<" + chunk)
        self.close_anchor()

    def tag(self, name: str, chunk: str, end: int) -> None:
        """A start or end tag and the text after it."""
        attributes, _, text = chunk[end:].partition(">")
        if "=" in attributes and ('"' in attributes or "'" in attributes):
            attributes, text = self.whole(attributes, text)
        if name[0] == "/":
            self.end_tag(name[1:])
        else:
            self.start_tag(name, attributes)
            if name in _RAW:
                self.raw(name, text)
                return
        if text:
            self.out.append(text)

    def whole(self, attributes: str, text: str) -> tuple[str, str]:
        """Attributes in which a quoted value may hold ``>`` or ``<``: go on to where the quote ends."""
        for quote in ('"', "'"):
            if attributes.count(quote) % 2 == 0 or f"={quote}" not in attributes.replace(" ", ""):
                continue
            if quote in text:
                more, _, rest = text.partition(quote)
                tail, _, text = rest.partition(">")
                return f"{attributes}>{more}{quote}{tail}", text
            if not self.open_quotes[quote]:
                continue
            pieces = [attributes, ">", text]
            for i in range(self.at, len(self.chunks)):
                chunk = self.chunks[i]
                if quote in chunk:
                    more, _, rest = chunk.partition(quote)
                    tail, _, text = rest.partition(">")
                    self.at = i + 1
                    return "".join([*pieces, "<", more, quote, tail]), text
                pieces += ("<", chunk)
            self.open_quotes[quote] = False
        return attributes, text

    def start_tag(self, name: str, attributes: str) -> None:
        if name not in _INLINE:
            self.out.append("\n" if name not in ("td", "th") else " ")
        if self.veil:
            if name == self.veil and name not in _SELF_CLOSING:
                self.veil_depth += 1
            elif name == self.veil:
                self.unveil()
        if name == "a":
            self.close_anchor()
        if "=" in attributes:
            self.collect(name, attributes)
        if self.may_hide and not self.veil and name not in _VOID and attributes and _INVISIBLE.search(attributes):
            self.veil, self.veil_depth, self.out = name, 1, self.veiled

    def end_tag(self, name: str) -> None:
        if name == "a":
            self.close_anchor()
        if name not in _INLINE:
            self.out.append("\n" if name not in ("td", "th") else " ")
        if name == self.veil:
            self.veil_depth -= 1
            if self.veil_depth <= 0:
                self.unveil()

    def unveil(self) -> None:
        self.veil, self.out = "", self.shown

    def raw(self, name: str, text: str) -> None:
        """Pass over the content of a raw text element; a title is kept as hidden text."""
        closing = f"/{name}"
        skipped = [text]
        while self.at < len(self.chunks):
            chunk = self.chunks[self.at]
            self.at += 1
            if chunk[: len(closing)].lower() == closing:
                self.out.append(chunk.partition(">")[2])
                break
            skipped.append(chunk)
        if name == "title":
            self.veiled.append("<".join(skipped))

    def declaration(self, chunk: str) -> None:
        """Comments, doctypes, processing instructions and other things that start with ``!``, ``?`` or ``/``."""
        if not chunk.startswith("!--"):
            if chunk[:7].lower() == "![endif" and self.veil == "!":
                self.unveil()
            self.out.append(chunk.partition(">")[2])
            return
        if chunk.startswith(("!-->", "!--->")):
            self.out.append(chunk.partition(">")[2])
            return
        if chunk.startswith("!--[if") and not self.veil and not chunk.rstrip().endswith("-->"):
            self.veil, self.out = "!", self.veiled
            self.out.append(chunk.partition(">")[2])
            return
        start = 3
        while True:
            found = chunk.find("-->", start)
            if found >= 0:
                self.out.append(chunk[found + 3 :])
                return
            if self.at >= len(self.chunks):
                return
            chunk, start = self.chunks[self.at], 0
            self.at += 1

    def collect(self, name: str, attributes: str) -> None:
        """Links in a tag's attributes."""
        for attribute, double, single, bare in _ATTRIBUTE.findall(attributes):
            url = clean_url(double or single or bare)
            if "&" in url:
                url = _entities.unescape(url)
            kind = attribute.lower()
            if not url:
                continue
            if name == "base":
                self.base = self.base or url
            elif len(self.links) >= self.max_links:
                self.capped = True
            elif kind == "href" and name == "a":
                self.anchor, self.anchor_out, self.anchor_start = url, self.out, len(self.out)
            else:
                self.links.append((url, _ORIGINS[kind], ""))

    def close_anchor(self) -> None:
        if self.anchor:
            text = _tidy("".join(self.anchor_out[self.anchor_start :])).replace("\n", " ")
            self.links.append((self.anchor, "href", text))
            self.anchor = ""

    def finish(self) -> list[Link]:
        """The links, relative ones resolved where a ``base`` says against what."""
        found = []
        for url, origin, text in self.links:
            host = host_of(url)
            if not host and self.base and ":" not in url.partition("/")[0]:
                with contextlib.suppress(ValueError):
                    url = urljoin(self.base, url)
                host = host_of(url)
            found.append(Link(url, text, origin, host))
        return found
