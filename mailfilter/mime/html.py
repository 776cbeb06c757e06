"""HTML to what a reader sees, what is hidden from him, and links; linear in the size of the source.

A tokeniser over ``source.split("<")``: comments and inline tags do not separate words, block tags do; ``script``
and ``style`` are not shown; text within an element that a style or the ``hidden`` attribute makes invisible is
kept apart, and so are the title and what only Outlook shows (``<!--[if mso]>``).

Why no parser that builds a tree: see docs/decisions/0001-reader.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..kernel import native
from .attributes import ATTRIBUTES, attribute, resolved, unescape, unescape_url
from .chunks import BREAK, MARKS, SHRUNK, marked_chunks, unmarked
from .links import Link, Origin, host_of
from .tags import ANCHOR, ANCHOR_END, BLOCK, CELL, CLOSED_BY_NEXT, INLINE, KINDS, NOTHING, RAW, VOID

MAX_ASIDES = 10_000
"""Comments for Outlook that are read."""

_SEPARATORS = {BLOCK: BREAK, CELL: " "}

_NAME = re.compile(r"/?[a-zA-Z][^\s/>]*")
_QUOTED = re.compile(r"""=\s{0,20}(?:"[^"]*"|'[^']*')""")
_OPENED = re.compile(r"""=\s{0,20}(["'])""")
_BLANKS = re.compile(r"\s{2,}|[^\S ]")
LONG_LINE = 10_000
_new = tuple.__new__  # a named tuple's own constructor takes twice as long


class Rendered(NamedTuple):
    """What became of an HTML text."""

    visible: str
    hidden: str
    links: list[Link]
    capped: bool


class _Walked(NamedTuple):
    """What one pass over a text gives: texts as they were but for line ends, links not resolved."""

    shown: str
    veiled: str
    links: list[Link]
    base: str
    capped: bool
    asides: list[str]


def render(source: str, max_links: int = 10_000) -> Rendered:
    """Visible text (one line per block), hidden text, and links with the text that shows them."""
    shown, veiled, found, base, capped, asides = _walk(source, max_links)
    if asides:
        aside = _walk(" ".join(asides), max_links - len(found))
        veiled = f"{veiled}{BREAK}{aside.shown}"
        found += aside.links
        capped |= aside.capped
    return Rendered(_tidy(shown), _tidy(veiled) if veiled else "", resolved(found, base) if base else found, capped)


def _walk(source: str, max_links: int) -> _Walked:
    """One pass over one text, in C where that can be."""
    if native is not None and (walked := native.walk(unmarked(source), max_links)) is not None:
        shown, veiled, links, base, capped, asides = walked
        made = [_finished(*link) if link[3] is None else _new(Link, link) for link in links]
        return _Walked(shown, veiled, made, _reference(base), capped, asides)
    renderer = _Renderer(source, max_links)
    renderer.run()
    texts = "".join(renderer.shown), "".join(renderer.veiled)
    return _Walked(*texts, renderer.links, renderer.base, renderer.capped, renderer.asides)


def _finished(url: str, text: str, origin: Origin, _: None = None) -> Link:
    """A link of which all is as it is written."""
    url = _reference(url)
    return Link(url, _one_text(text), origin, host_of(url))


def _reference(url: str) -> str:
    return unescape_url(url) if "&" in url else url


def _one_text(text: str) -> str:
    """The text of a link, one line."""
    if "&" in text or BREAK in text:
        text = _tidy(text)
    return " ".join(text.split())


def _tidy(text: str) -> str:
    """Entities decoded, runs of blanks made one, empty lines dropped."""
    if native is not None and (tidied := native.tidy(text)) is not None:
        return tidied  # type: ignore[no-any-return]
    return _tidied(text)


def _tidied(text: str) -> str:
    """The same for any text."""
    if "&" in text:
        text = text.replace("&nbsp;", " ")
        if "&" in text:
            text = unescape(text)
    return "\n".join([_one_line(line) for line in text.split(BREAK) if line and not line.isspace()])


def _one_line(line: str) -> str:
    """Runs of blanks made one; a very long line is not cut into words, for the sake of memory."""
    return " ".join(line.split()) if len(line) < LONG_LINE else _BLANKS.sub(" ", line).strip()


class _Renderer:
    """One pass over one text; whoever needs more chunks takes them from the same iterator."""

    def __init__(self, source: str, max_links: int) -> None:
        chunks = marked_chunks(source)
        self.shown = [chunks[0]]
        self.veiled: list[str] = []
        self.asides: list[str] = []
        self.chunks: Iterator[str] = iter(chunks)
        next(self.chunks)
        self.links: list[Link] = []
        self.anchor = ""
        self.anchor_out = self.shown
        self.anchor_start = 0
        self.base = ""
        self.max_links = max_links
        self.capped = False
        self.unclosed: set[str] = set()

    def run(self) -> None:
        """Take the whole text."""
        chunks = None
        while chunks is not self.chunks:  # an unclosed quote makes a new iterator
            chunks = self.chunks
            self.walk(self.shown, "", False)
        self.close_anchor()

    def walk(self, out: list[str], veil: str, shrunk: bool) -> None:
        """Append text to ``out``, to the end of the source, or of the element ``veil`` if that is not empty."""
        kinds, separators = KINDS.get, _SEPARATORS
        depth = 1
        for chunk in self.chunks:
            head, closed, text = chunk.partition(">")
            kind = kinds(head)
            if kind is None or not closed:
                kind = kinds(head.partition(" ")[0])
                if kind is None or not closed or head.count('"') & 1 or head.count("'") & 1:
                    kind, head, text = self.classify(chunk, head, closed, text, out, bool(veil))
            if kind <= CELL:
                if kind:
                    out.append(separators[kind])
            elif kind == ANCHOR_END:
                self.close_anchor()
            elif kind == NOTHING:
                continue
            elif kind == RAW:
                self.raw(head, text)
                continue
            else:
                self.collect(head, kind == ANCHOR, out)
            out.append(text)
            if veil:
                depth += _nesting(head, veil)
                if depth <= 0 or (shrunk and "font-size" in head.lower()):
                    self.shown.append(out.pop())
                    out.append(" ")
                    return

    def classify(
        self, chunk: str, head: str, closed: str, text: str, out: list[str], veiled: bool
    ) -> tuple[int, str, str]:
        """Kind, tag, and text after it, of what is not a plain tag."""
        mark = chunk[:1]
        marked = mark in MARKS
        if marked:
            chunk, head = chunk[1:], head[1:]
        match = _NAME.match(chunk)
        if not match:
            return self.declaration(chunk)
        if not closed:
            head, text = self.up_to_bracket(chunk)
            if not head:
                return INLINE, "", text
        if "=" in head:
            head, text = self.whole(head, text)
        name = match[0].lower()
        kind = KINDS.get(name, INLINE)
        if veiled or not marked or name[0] == "/" or name in VOID or kind == RAW:
            return kind, head, text
        out.append(_SEPARATORS.get(kind, ""))
        if kind == ANCHOR:
            self.collect(head, True, self.veiled)
        self.veiled += (BREAK, text)
        self.walk(self.veiled, name, mark == SHRUNK)
        return NOTHING, "", ""

    def up_to_bracket(self, chunk: str) -> tuple[str, str]:
        """A tag that goes on over further ``<`` up to a ``>``; without one it is text that looks like a tag."""
        pieces = [chunk]
        for following in self.chunks:
            head, closed, text = following.partition(">")
            pieces.append(head)
            if closed:
                return "<".join(pieces), text
        return "", "<" + "<".join(pieces)

    def whole(self, head: str, text: str) -> tuple[str, str]:
        """A tag in which a quoted value may hold ``>`` or ``<``: it goes on to where the quote ends."""
        quote = '"'
        if not head.endswith('="') or "'" in head or not head.count('"') & 1:
            match = _OPENED.search(_QUOTED.sub("", head))
            quote = match[1] if match else ""
        if not quote or quote in self.unclosed:
            return head, text
        if quote in text:
            more, _, rest = text.partition(quote)
            tail, _, text = rest.partition(">")
            return f"{head}>{more}{quote}{tail}", text
        pieces = [head, ">", text]
        taken = []
        for chunk in self.chunks:
            more, found, rest = chunk.partition(quote)
            pieces += ("<", more)
            if found:
                tail, _, text = rest.partition(">")
                return "".join([*pieces, quote, tail]), text
            taken.append(chunk)
        self.unclosed.add(quote)
        self.chunks = iter(taken)
        return head, text

    def raw(self, head: str, text: str) -> None:
        """Pass over the content of a raw text element; a title is kept as hidden text."""
        name = _NAME.match(head)[0].lower()  # type: ignore[index]
        closing = f"/{name}"
        skipped = [text]
        for chunk in self.chunks:
            if chunk[: len(closing)].lower() == closing:
                self.shown.append(chunk.partition(">")[2])
                break
            skipped.append(chunk)
        if name == "title":
            self.veiled += (BREAK, "<".join(skipped), BREAK)

    def declaration(self, chunk: str) -> tuple[int, str, str]:
        """Comments, doctypes and the like; a ``<`` before anything else is text."""
        if not chunk or chunk[0] not in "!?/":
            return INLINE, "", "<" + chunk
        if not chunk.startswith("!--") or chunk.startswith(("!-->", "!--->")):
            return INLINE, "", chunk.partition(">")[2]
        pieces = []
        piece: str | None = chunk[3:]
        while piece is not None:
            before, found, after = piece.partition("-->")
            pieces.append(before)
            if found:
                if chunk.startswith("!--[if") and len(self.asides) < MAX_ASIDES:
                    self.asides.append("<".join(pieces).partition("]>")[2])
                return INLINE, "", after
            piece = next(self.chunks, None)
        return NOTHING, "", ""

    def collect(self, head: str, is_anchor: bool, out: list[str]) -> None:
        """Links in a tag's attributes."""
        if is_anchor:
            self.close_anchor()
            url = attribute(head, "href")
            if url and len(self.links) < self.max_links:
                self.anchor, self.anchor_out, self.anchor_start = url, out, len(out)
            self.capped |= bool(url) and not self.anchor
            return
        low = head.lower()
        for name, origin in ATTRIBUTES:
            if name not in low or not (url := attribute(head, name)):
                continue
            if low.startswith("base "):
                self.base = self.base or url
            elif len(self.links) < self.max_links:
                self.links.append(Link(url, "", origin, host_of(url)))
            else:
                self.capped = True
                return

    def close_anchor(self) -> None:
        """An anchor ends at its end tag or where the next one starts."""
        if self.anchor:
            text = "".join(self.anchor_out[self.anchor_start :])
            self.links.append(Link(self.anchor, _one_text(text), "href", host_of(self.anchor)))
            self.anchor = ""


def _nesting(head: str, veil: str) -> int:
    """What a tag does to the depth within an invisible element."""
    start = head[: len(veil) + 2].lower()
    if start.startswith(veil) and not start[len(veil) : len(veil) + 1].isalnum():
        return -1 if veil in CLOSED_BY_NEXT else 1
    return -1 if start[1:].startswith(veil) and start[0] == "/" and not _goes_on(head, veil) else 0


def _goes_on(head: str, veil: str) -> bool:
    """Whether the name of an end tag is longer than ``veil``."""
    return head[len(veil) + 1 : len(veil) + 2].isalnum()
