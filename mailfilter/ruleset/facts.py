"""What rules look at in one mail, computed when a rule first asks for it.

All text is octets (UTF-8), each one character of a `str` in latin-1 until it goes to the matcher as `bytes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..envelope import Envelope
from ..message import Message
from ..mime.headers import Block
from ..mime.part import Part
from ..trust import NOBODY, Trust
from .bodytext import MAX_LINE, characters, cut_lines, effective_type, normalised, pieces_of, split_lines
from .fields import first_ip, is_special, reader, sender_of
from .headertext import Fields, Mailbox, decoded, decoded_all, fields, mailboxes, octets
from .htmltext import HtmlText
from .lazily import lazily
from .relays import Relays, relays
from .uris import UriFinder

__all__ = ["Facts", "is_special"]

MAX_TEXT = 50_000
"""Characters of one rendered part that body rules see."""
MAX_RAW = 500_000
"""Octets of one decoded part that rawbody rules see."""


class Facts:
    """The texts of one mail."""

    def __init__(
        self, message: Message, finder: UriFinder, envelope: Envelope | None = None, trust: Trust = NOBODY
    ) -> None:
        self.message = message
        self.envelope = envelope
        self.trust = trust
        self.finder = finder
        self.derived: dict[Callable[..., Any], Any] = {}
        """What functions of eval rules found out, by the function that did."""
        self._html_uris: list[str] = []
        self._pages: dict[Part, HtmlText] = {}
        self._fields: dict[str, str | None] = {}
        self._mailboxes: dict[str, list[Mailbox]] = {}

    @lazily
    def index(self) -> Mapping[str, Sequence[str]]:
        """Raw values of header fields (octets, folds kept) by name in lower case."""
        return self.message.root.block.by_name

    @lazily
    def headers(self) -> list[tuple[str, str]]:
        """Names as written and raw values (octets, folds kept) of all header fields."""
        block = self.message.root.block
        return list(zip(block.written, block.raws, strict=True))

    @lazily
    def fields(self) -> Fields:
        """All header fields, decoded and raw."""
        block = self.message.root.block
        return fields(block.written, block.names, block.raws)

    @property
    def full(self) -> bytes:
        """The mail as it came."""
        return self.message.raw

    @lazily
    def leaves(self) -> tuple[Part, ...]:
        """Parts without parts, of every reading of the mail."""
        return tuple([part for part in self.message.parts if part.is_text or not part.is_container])

    @lazily
    def kinds(self) -> list[tuple[Part, str]]:
        """The leaves, and as what rules see each (`effective_type`)."""
        return [(part, effective_type(part)) for part in self.leaves]

    @lazily
    def sources(self) -> dict[Part, str]:
        """The HTML parts as they are decoded, CRLF made LF."""
        return {part: _characters(part.data, part.charset) for part, kind in self.kinds if kind == "text/html"}

    @lazily
    def paragraphs(self) -> list[bytes]:
        """The rendered text: the subject, then paragraphs with single blanks, each line with its line end."""
        pieces = []
        for part, kind in self.kinds:
            text = self._rendered(part, kind) if kind in ("text/plain", "text/html") else ""
            pieces.append(text[:MAX_TEXT])
        subject = self.field("subject:last") or ""
        return split_lines((subject.encode("latin-1") or b"\n") + normalised("\n".join(pieces)))

    def _rendered(self, part: Part, kind: str) -> str:
        data = part.data
        if part.depth and len(data) > MAX_LINE and part.encoding in ("", "7bit", "8bit", "binary"):
            data = cut_lines(data)
        if kind == "text/plain":
            return _characters(data, part.charset)
        html = self.page(part) if data is part.data else HtmlText(_characters(data, part.charset))
        self._html_uris += html.uris
        return html.text

    def page(self, part: Part) -> HtmlText:
        """An HTML part rendered, its long lines not cut."""
        page = self._pages.get(part)
        if page is None:
            page = self._pages[part] = HtmlText(self.sources[part])
        return page

    @lazily
    def chunks(self) -> list[bytes]:
        """The decoded text parts, HTML as it stands, in pieces of at most 4096 octets."""
        found: list[bytes] = []
        for part, kind in self.kinds:
            if kind in ("text/plain", "text/html") or (kind.startswith("message/") and not part.children):
                data = part.data[:MAX_RAW]
                found += pieces_of(data.replace(b"\r\n", b"\n") if b"\r" in data else data)
        return found

    @lazily
    def uris(self) -> list[bytes]:
        """Every form of every URI, those of HTML and those that mail programs make of plain text."""
        text = b"".join(self.paragraphs)
        html = [octets(uri) for uri in self._html_uris]
        return [uri.encode("latin-1", "replace") for uri in self.finder.of(html, text)]

    @lazily
    def relays(self) -> Relays:
        """The hops of the mail."""
        originating = ""
        for name in ORIGINATING:
            if name in self.index:
                originating = first_ip(self.index[name][-1]) or originating
        return relays(self.fields.values.get("received", ()), originating, self.envelope, self.trust)

    @lazily
    def untrusted_text(self) -> str:
        """``X-Spam-Relays-Untrusted``"""
        return self.relays.untrusted_text()

    @lazily
    def external_text(self) -> str:
        """``X-Spam-Relays-External``"""
        hops = self.relays
        return hops.external_text() if hops.internal < len(hops.trusted) else self.untrusted_text

    @lazily
    def sender(self) -> Sequence[str]:
        """The envelope's sender as far as it is known; see `sender_of`."""
        return sender_of(self)

    def mailboxes(self, value: str) -> Sequence[Mailbox]:
        """The mailboxes in a field's value."""
        found = self._mailboxes.get(value)
        if found is None:
            found = self._mailboxes[value] = mailboxes(value)
        return found

    def field(self, target: str) -> str | None:
        """What a header rule sees of ``target`` (a name with modifiers, ``"From:addr"``), `None` if there is none.

        Several values stand one a line.
        """
        known = self._fields
        if target in known:
            return known[target]
        found = None
        needed, read = reader(target)
        if (not needed or needed in self.index) and (values := read(self)):
            found = values[0] if len(values) == 1 else ("" if values[0].endswith("\n") else "\n").join(values)
        known[target] = found
        return found

    @lazily
    def _part_indexes(self) -> list[Mapping[str, Sequence[str]]]:
        """Raw values of header fields by name in lower case, of each part, the mail itself first."""
        return [part.block.by_name for part in self.message.parts]

    def part_fields(self, target: str) -> list[str | None]:
        """What a mimeheader rule sees of ``target`` in each part, the mail itself first."""
        name, raw = (target[:-4], True) if target.endswith(":raw") else (target, False)
        if name == "ALL":
            return [_whole(part.block) for part in self.message.parts]
        low = name.lower()
        found: list[str | None] = []
        for index in self._part_indexes:
            values = index.get(low)
            if values is None:
                found.append(None)
            else:
                found.append((values[-1].lstrip(" \t") if raw else decoded(low, values[-1])) + "\n")
        return found


ORIGINATING = ("x-yahoo-post-ip", "x-originating-ip", "x-apparently-from", "x-senderip", "x-aol-ip")
"""Fields in which web mailers note where a mail was written."""


def _whole(block: Block) -> str:
    """All fields of a header block, decoded."""
    values = decoded_all(block.names, block.raws)
    return "".join([f"{name}: {value}" for name, value in zip(block.written, values, strict=True)])


def _characters(data: bytes, charset: str) -> str:
    """A part's text, CRLF made LF."""
    text = characters(data, charset)
    return text.replace("\r\n", "\n") if "\r" in text else text
