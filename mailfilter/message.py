"""A mail as an immutable view of its bytes.

`Message` never raises on content.  Where mail programs would read a mail differently, `Message.readings` gives each
reading, and `parts`, `texts`, `links` and `attachments` are the union of all: what no reader sees, a check still does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from .mime.addresses import Address, parse_addresses
from .mime.charsets import decode_header_bytes
from .mime.defects import Defect, DefectKind
from .mime.headers import Header
from .mime.html import render
from .mime.links import Link, text_links
from .mime.part import Part
from .mime.readings import Reading, other_readings
from .mime.tree import Reader
from .mime.words import MAX_WORDS, header_text, unfold

__all__ = ["Address", "Defect", "DefectKind", "Header", "Link", "Message", "Part", "Reading", "Text"]

MAX_LINKS = 10_000
"""Links that are collected from one text."""

_new = tuple.__new__  # a named tuple's own constructor takes twice as long


class Text(NamedTuple):
    """A text of a mail: the part it comes from, its kind, what a reader sees, as decoded, and what is hidden."""

    part: str
    kind: Literal["plain", "html"]
    visible: str
    source: str
    hidden: str = ""


class Message:
    """One mail, ``Message(raw)``; every property is computed when it is first asked for, and only then.

    ``raw``  the bytes as given, less a leading mbox ``From `` (or ``>From ``) line.
    ``mbox_from``  that line without its line end, ``b""`` if there was none.
    """

    __slots__ = (
        "_attachments", "_defects", "_digest", "_given", "_links", "_mailboxes", "_others", "_parts", "_raw",
        "_reader", "_readings", "_root", "_texts", "_values",
    )  # fmt: skip

    def __init__(self, raw: bytes | bytearray | memoryview) -> None:
        raw = bytes(raw)
        start = 0
        if raw.startswith((b"From ", b">From ")):
            start = raw.find(b"\n") + 1 or raw.find(b"\r") + 1 or len(raw)
        self._given = raw
        self._raw: bytes | None = None if start else raw
        self._reader = Reader(raw, start, {})
        self._root: Part | None = None
        self._others: list[Reading] | None = None
        self._readings: tuple[Reading, ...] | None = None
        self._parts: tuple[Part, ...] | None = None
        self._texts: tuple[Text, ...] | None = None
        self._links: tuple[Link, ...] | None = None
        self._attachments: tuple[Part, ...] | None = None
        self._defects: tuple[Defect, ...] | None = None
        self._digest = ""
        self._values: dict[str, str] = {}
        self._mailboxes: dict[str, tuple[Address, ...]] = {}

    def __repr__(self) -> str:
        return f"<Message {len(self.raw)} bytes, {self.root.content_type}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Message, (self._given,))

    @property
    def raw(self) -> bytes:
        """The bytes of the mail."""
        if self._raw is None:
            self._raw = self._given[self._reader.base :]
        return self._raw

    @property
    def mbox_from(self) -> bytes:
        """The mbox line that stood before the mail."""
        return self._given[: self._reader.base].rstrip(b"\r\n")

    @property
    def digest(self) -> str:
        """SHA-256 of `raw`, hexadecimal."""
        if not self._digest:
            self._digest = hashlib.sha256(self.raw).hexdigest()
        return self._digest

    @property
    def root(self) -> Part:
        """The MIME tree of the primary reading: what most mail programs show."""
        if self._root is None:
            self._root = self._reader.read()
        return self._root

    @property
    def headers(self) -> tuple[Header, ...]:
        """The headers of the mail itself, in order."""
        return self.root.headers

    def readings(self) -> tuple[Reading, ...]:
        """Every reading of the mail, the primary one first; usually there is only that."""
        if self._readings is None:
            root, reader = self.root, self._reader
            readings = (Reading(None, root), *self._other_readings())
            self._readings = (*readings, Reading(reader.outside, root.with_outside())) if reader.outside else readings
        return self._readings

    def _other_readings(self) -> list[Reading]:
        if self._others is None:
            self._others = other_readings(self._reader, self.root)
        return self._others

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts of the primary reading, parents before children, then those that only other readings show."""
        if self._parts is None:
            root, reader = self.root, self._reader
            parts = list(root.walk()) if root.children else [root]
            if reader.outside:
                parts += [leaf for part in parts for leaf in part.outside]
            if (reader.disputes or reader.coded) and (others := self._other_readings()):
                parts += _only_in_others(parts, others)
            self._parts = tuple(parts)
        return self._parts

    @property
    def texts(self) -> tuple[Text, ...]:
        """All texts of all readings, those of attachments among them."""
        if self._texts is None:
            self._evaluate()
        return self._texts or ()

    @property
    def links(self) -> tuple[Link, ...]:
        """All links of all texts, no duplicates."""
        if self._links is None:
            self._evaluate()
        return self._links or ()

    def _evaluate(self) -> None:
        """Render every text once, for `texts` and `links`."""
        texts: list[Text] = []
        links: dict[Link, None] = {}
        for part in self.parts:
            if part.is_text and (source := part.text):
                text, found, capped = _render(part, source)
                texts.append(text)
                if found:
                    links.update(dict.fromkeys(found))
                if capped:
                    self._reader.choose(DefectKind.LINK_LIMIT, part.path, 0)
        self._links = tuple(links)
        self._texts = tuple(texts)

    @property
    def attachments(self) -> tuple[Part, ...]:
        """Parts of all readings that mail programs offer as files."""
        if self._attachments is None:
            self._attachments = tuple([part for part in self.parts if part.is_attachment])
        return self._attachments

    @property
    def defects(self) -> tuple[Defect, ...]:
        """What is wrong with the mail in its primary reading, and which caps were hit."""
        if self._defects is None:
            for part in self.parts:
                if len(part.text) > 8 * MAX_LINKS and _may_hold_many_links(part.text):
                    _ = self.links
                if not part.block[4] and _holds_many_words(part):
                    self._reader.choose(DefectKind.WORD_LIMIT, part.path, 0)
            self._defects = tuple(self._reader.defects)
        return self._defects

    @property
    def header_values(self) -> tuple[str, ...]:
        """The values of all headers, decoded, in order; cheaper than one by one from `headers`."""
        return self.root.header_values

    def header(self, name: str) -> str:
        """The first value of a header, decoded and unfolded; ``""`` if there is none."""
        value = self._values.get(name)
        if value is None:
            root = self._root or self.root
            found = root._block[3].get(name.lower())
            self._values[name] = value = header_text(found[0], root._header_charset) if found else ""
        return value

    def header_all(self, name: str) -> tuple[str, ...]:
        """All values of a header, decoded and unfolded, in order."""
        charset = self.root.header_charset
        return tuple([header_text(raw, charset) for raw in self.root.block.values(name.lower())])

    def addresses(self, name: str) -> tuple[Address, ...]:
        """The mailboxes in all headers of this name, in order."""
        known = self._mailboxes.get(name)
        if known is not None:
            return known
        found: tuple[Address, ...] = ()
        for text in self.root._block[3].get(name.lower(), ()):
            if not text.isascii():
                text = decode_header_bytes(text.encode("latin-1"), self.root.header_charset)
            found += parse_addresses(unfold(text))
        self._mailboxes[name] = found
        return found

    @property
    def subject(self) -> str:
        """The decoded subject, one line."""
        return self.header("subject")


def _only_in_others(primary: Iterable[Part], readings: Iterable[Reading]) -> list[Part]:
    """Parts whose place, content, type or names no earlier reading shows.

    A multipart that an earlier reading takes apart, and this one does not, has content that was not shown.
    """
    places = {_place(part): part.is_container for part in primary}
    contents: set[tuple[object, ...]] = set()
    found = []
    for reading in readings:
        for part in reading.root.walk():
            place = _place(part)
            cut = places.get(place)
            if cut is not None and (part.is_container or not cut):
                continue
            places[place] = part.is_container
            if not contents:
                contents.update(map(_content, primary))
            if (content := _content(part)) not in contents:
                contents.add(content)
                found.append(part)
    return found


def _place(part: Part) -> tuple[object, ...]:
    """What makes a part the same without a look at its content: where it lies and how it is read."""
    if part.span is None:
        return (id(part),)
    return (part.header_span, part.span, part.content_type, part.encoding, id(part.label), part.dialect)


def _content(part: Part) -> tuple[object, ...]:
    """What makes a part the same for a check."""
    if part.children and not part.is_text:
        return (part.content_type, part.headers)
    return (part.content_type, part.charset, part.names, part.data)


def _may_hold_many_links(text: str) -> bool:
    """Whether a text can hold more links than are collected."""
    return max(text.count("<"), text.count("://"), text.count("www.")) > MAX_LINKS


def _holds_many_words(part: Part) -> bool:
    """Whether a header holds more encoded words than are decoded."""
    return any(raw.count("=?") > MAX_WORDS for raw in part.block.raws if len(raw) > 8 * MAX_WORDS)


def _render(part: Part, source: str) -> tuple[Text, list[Link], bool]:
    """A part's text as a reader sees it, its links, and whether links were left out."""
    if part.is_html:
        visible, hidden, links, capped = render(source, MAX_LINKS)
        links += text_links(visible, MAX_LINKS)
        return _new(Text, (part.path, "html", visible, source, hidden)), links, capped
    visible = part.shown_text if part._files or part._children is None else source
    links = text_links(visible, MAX_LINKS)
    if "\r" in visible:
        visible = visible.replace("\r\n", "\n")
    return _new(Text, (part.path, "plain", visible, source, "")), links, len(links) >= MAX_LINKS
