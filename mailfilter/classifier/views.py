"""What of a mail the classifier looks at: a few byte strings per mail, its *views*.

Each view is of one kind: *grams* are read as overlapping 4-byte windows, *tokens* as words and pairs of
neighbouring words, parted by single spaces.  Views are normalised so that the same words look the same however
they were wrapped (transfer encoding, HTML, letter case, digits, invisible and look-alike characters).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..kernel import native
from .relations import relations, structure

if TYPE_CHECKING:
    from ..message import Link, Message


class View(NamedTuple):
    """One view: its name, the part of the model that it belongs to, and its kind, ``grams`` or ``tokens``."""

    name: str
    part: str
    kind: str
    doc: str


VIEWS = (
    View("header", "header", "grams", "the header block as it came"),
    View("body", "body", "grams", "the bodies as their author wrote them: HTML source or text, transfer-decoded"),
    View("text", "text", "grams", "subject and text as a reader sees them"),
    View("subject", "meta", "grams", "subject and sender"),
    View("links", "meta", "grams", "where links lead"),
    View("words", "words", "tokens", "words of subject and text, and pairs of them"),
    View("marks", "meta", "tokens", "structure, and how sender, links and text relate"),
    View("tags", "meta", "tokens", "the skeleton of HTML: tags, and names of attributes and style properties"),
)
"""Every view there is, grams first.  A model says which of them it uses; the order is part of the file format."""

HEADER_BYTES = 4000
BODY_BYTES = 4000
TAG_BYTES = 6000
TAGS = 500
TEXT_BYTES = 3000
WORD_BYTES = 4000
LINK_BYTES = 1500
LINKS = 40

_INVISIBLE = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u3164\ufeff\uffa0"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f]"
)
_LOOKALIKES = str.maketrans(
    "абвгеёзийкмнорстухѕіјһԁԛԝαβεηικμνορτυχωɡɩɑ",
    "abbreезийkmhopctyxsijhdqwabenikuvoptuxwgia",
)
"""Cyrillic and Greek letters that look like Latin ones; applied to words of mixed script only."""
_LOWER = bytes.maketrans(bytes(range(65, 91)), bytes(range(97, 123)))
_SQUEEZE = bytes(
    0x20 if byte < 33 or byte == 127 else 0x30 if 48 <= byte <= 57 else byte + 32 if 65 <= byte <= 90 else byte
    for byte in range(256)
)
"""Lower case, digits to 0, control characters to spaces."""
_SKELETON = re.compile(rb"<[/!]?[a-z][a-z0-9]{0,15}|(?<![a-z-])[a-z-]{2,20}+(?=[=:])")
"""A tag's start, or a name before ``=`` or ``:``; possessive and bounded, so linear."""
_LONG = re.compile(rb"[0-9a-f]{12,}")
_POSING = re.compile("[\u0370-\u052f]")
_MIXED = re.compile("[a-z][\u0370-\u03ff\u0400-\u04ff\u0500-\u052f]|[\u0370-\u03ff\u0400-\u04ff\u0500-\u052f][a-z]")
_RECIPIENTS = frozenset(("to", "cc", "bcc", "delivered-to", "x-original-to", "envelope-to"))
_ADDRESS = re.compile(rb"(?<![^\s<>,;:\"()])[^\s<>,;:\"()][^\s<>,;:\"()@]*+@[^\s<>,;:\"()]++")
"""A stretch of characters with an ``@`` within; looked for only where such a stretch begins, so in linear time."""


def plain(text: str) -> bytes:
    """``text`` in the form that views hold: UTF-8, lower case, digits as 0, one space between words.

    Compatibility characters are unfolded (NFKC), invisible ones dropped, and letters of another script within a
    Latin word read as the Latin letters that they pose as.
    """
    if native is not None and (made := native.plain(text)) is not None:
        return made  # type: ignore[no-any-return]
    return _plain(text)


def _plain(text: str) -> bytes:
    """The same for any text."""
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
        if not unicodedata.is_normalized("NFKC", text):
            text = unicodedata.normalize("NFKC", text)
        text = text.lower()
        if _POSING.search(text) and _MIXED.search(text):
            text = " ".join(w.translate(_LOOKALIKES) if _MIXED.search(w) else w for w in text.split())
    octets = text.encode("utf-8", "replace")
    return native.squeeze(octets) if native is not None else _squeezed(octets)


def _squeezed(octets: bytes) -> bytes:
    """Lower case, digits as 0, one space between words, none around them."""
    return b" ".join(octets.translate(_SQUEEZE).split())


def _header(message: Message) -> bytes:
    block = message.root.block
    lines: list[bytes] = []
    for name, raw in zip(block.names, block.raws, strict=True):
        value = raw.encode("latin-1")
        lines.append(b"%b:%b" % (name.encode(), _ADDRESS.sub(b"@", value) if name in _RECIPIENTS else value))
    return b"\n".join(lines).replace(b"\r", b"")[:HEADER_BYTES]


def _body(message: Message) -> bytes:
    room, pieces = BODY_BYTES, []
    for text in message.texts[:3]:
        source = text.source[:room]
        if not source.isascii():
            source = _INVISIBLE.sub("", source)
        piece = source.encode("utf-8", "replace").replace(b"\r", b"")
        pieces.append(piece)
        room -= len(piece)
        if room <= 0:
            break
    return b"\n".join(pieces)[:BODY_BYTES]


def _tags(message: Message) -> bytes:
    for text in message.texts:
        if text.kind == "html":
            source = text.source[:TAG_BYTES].encode("utf-8", "replace")
            return native.skeleton(source, TAGS) if native is not None else _skeleton(source)
    return b""


def _skeleton(source: bytes) -> bytes:
    return b" ".join(_SKELETON.findall(source.translate(_LOWER))[:TAGS])


def visible(message: Message, size: int) -> bytes:
    """Subject and visible text of all parts, normalised; the first ``size`` bytes of it."""
    pieces = [plain(message.subject[:400])]
    room = 2 * WORD_BYTES
    left = size - len(pieces[0])
    for text in message.texts:
        if room <= 0:
            break
        piece = _start(text.visible, room, left)
        room -= len(piece)
        left -= len(piece) + 1
        pieces.append(piece)
        if left <= 0:
            break
    return b" ".join(pieces)[:size]


def _start(text: str, room: int, size: int) -> bytes:
    """What `plain` makes of ``text[:room]``, or a beginning of it of at least ``size`` bytes, which is cheaper."""
    tried = max(size, 0) + _SLACK
    if tried < room and tried < len(text):
        # The last word may be cut, so it does not count.
        piece = plain(text[:tried]).rpartition(b" ")[0]
        if len(piece) >= size:
            return piece
    return plain(text[:room])


_SLACK = 200
"""Characters beyond those wanted: normalising takes some away, and the last word of a piece is not used."""


def _subject(message: Message) -> bytes:
    senders = " ".join(message.header(name)[:200] for name in ("from", "reply-to"))
    return plain(message.subject[:200]) + b"\n" + plain(senders)


def _links(message: Message) -> bytes:
    found = message.links
    if native is not None and (made := native.link_view(found)) is not None:
        return made  # type: ignore[no-any-return]
    return _link_view(found)


def _link_view(links: tuple[Link, ...]) -> bytes:
    """Where links lead, each address once."""
    octets = "\n".join([link.url[:120] for link in links[:LINKS]]).encode("utf-8", "replace")
    return b"\n".join(dict.fromkeys(_shortened(octets).split(b"\n")))[:LINK_BYTES]


def _shortened(octets: bytes) -> bytes:
    """Lower case, long runs of hexadecimal digits as one ``#``, other digits as 0."""
    return _LONG.sub(b"#", octets.translate(_LOWER)).translate(_DIGITS)


_DIGITS = bytes.maketrans(b"0123456789", b"0000000000")


def _marks(message: Message) -> bytes:
    return b"%b %b" % (" ".join(structure(message)).encode("utf-8", "replace"), relations(message))


def views(message: Message, names: tuple[str, ...]) -> list[bytes]:
    """The views called ``names`` of one mail, in that order."""
    size = WORD_BYTES if "words" in names else TEXT_BYTES if "text" in names else 0
    text = visible(message, size) if size else b""
    ready = {"text": text[:TEXT_BYTES], "words": text[:WORD_BYTES]}
    return [ready[name] if name in ready else _MAKERS[name](message) for name in names]


_MAKERS: dict[str, Callable[[Message], bytes]] = {
    "header": _header,
    "body": _body,
    "subject": _subject,
    "links": _links,
    "marks": _marks,
    "tags": _tags,
}
