"""What rules look at in one mail, computed when a rule first asks for it.

All text is octets (UTF-8), each one character of a `str` in latin-1 until it goes to the matcher as `bytes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from ..envelope import Envelope
from ..message import Message
from ..mime.part import Part
from ..trust import NOBODY, Trust
from .bodytext import MAX_LINE, characters, cut_lines, effective_type, normalised, pieces_of, split_lines
from .headertext import MAX_ALL, Mailbox, decoded, mailboxes, octets, shown_name
from .htmltext import HtmlText
from .relays import Relays, relays
from .uris import UriFinder

MAX_TEXT = 50_000
"""Characters of one rendered part that body rules see."""
MAX_RAW = 500_000
"""Octets of one decoded part that rawbody rules see."""

_IP = re.compile(r"(?<![.\d])(?:\d{1,3}\.){3}\d{1,3}(?![.\d])|(?<![\w:])[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{2,38}")
_HOST = re.compile(r"[a-z0-9][a-z0-9._-]{0,250}\.[a-z][a-z0-9-]+", re.I)


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
        self._decoded: dict[tuple[str, str], str] = {}
        self._mailboxes: dict[str, list[Mailbox]] = {}

    def decoded(self, low: str, latin1: str) -> str:
        """A field's value as rules see it, with its line end."""
        key = (low, latin1)
        found = self._decoded.get(key)
        if found is None:
            found = self._decoded[key] = decoded(low, latin1) + "\n"
        return found

    @cached_property
    def lines(self) -> list[str]:
        """All header fields, decoded, each with its name and line end; no more of them than fit."""
        block = self.message.root.block
        decoded = self.decoded
        return _fitting(
            [
                f"{name}: {decoded(low, latin1)}"
                for name, low, latin1 in zip(block.written, block.names, block.raws, strict=False)
            ]
        )

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """Names as written and raw values (octets, folds kept) of all header fields."""
        block = self.message.root.block
        return list(zip(block.written, block.raws, strict=False))

    @property
    def full(self) -> bytes:
        """The mail as it came."""
        return self.message.raw

    @cached_property
    def leaves(self) -> tuple[Part, ...]:
        """Parts without parts, of every reading of the mail."""
        return tuple([part for part in self.message.parts if part.is_text or not part.is_container])

    @cached_property
    def kinds(self) -> list[tuple[Part, str]]:
        """The leaves, and as what rules see each (`effective_type`)."""
        return [(part, effective_type(part)) for part in self.leaves]

    @cached_property
    def sources(self) -> dict[Part, str]:
        """The HTML parts as they are decoded, CRLF made LF."""
        return {part: _characters(part.data, part.charset) for part, kind in self.kinds if kind == "text/html"}

    @cached_property
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

    @cached_property
    def chunks(self) -> list[bytes]:
        """The decoded text parts, HTML as it stands, in pieces of at most 4096 octets."""
        found: list[bytes] = []
        for part, kind in self.kinds:
            if kind in ("text/plain", "text/html") or (kind.startswith("message/") and not part.children):
                data = part.data[:MAX_RAW]
                found += pieces_of(data.replace(b"\r\n", b"\n") if b"\r" in data else data)
        return found

    @cached_property
    def uris(self) -> list[bytes]:
        """Every form of every URI, those of HTML and those that mail programs make of plain text."""
        text = b"".join(self.paragraphs)
        html = [octets(uri) for uri in self._html_uris]
        return [uri.encode("latin-1", "replace") for uri in self.finder.of(html, text)]

    @cached_property
    def index(self) -> Mapping[str, Sequence[str]]:
        """Raw values of header fields (octets, folds kept) by name in lower case."""
        return self.message.root.block.by_name

    @cached_property
    def relays(self) -> Relays:
        """The hops of the mail."""
        originating = ""
        for name in ORIGINATING:
            for latin1 in self.index.get(name, ())[-1:]:
                found = _IP.search(latin1)
                originating = found[0] if found else originating
        lines = [self.decoded("received", latin1) for latin1 in self.index.get("received", ())]
        return relays(lines, originating, self.envelope, self.trust)

    def field(self, target: str) -> str | None:
        """What a header rule sees of ``target`` (a name with modifiers, ``"From:addr"``), `None` if there is none.

        Several values stand one a line.
        """
        if target in self._fields:
            return self._fields[target]
        values = self._values(target)
        found = None
        if values:
            found = ("" if values[0].endswith("\n") else "\n").join(values)
        self._fields[target] = found
        return found

    def _values(self, target: str) -> list[str]:
        name, low, modifiers = _words(target)
        special = SPECIAL.get(name) or SPECIAL.get(low)
        if not modifiers and special is None:
            return [self.decoded(low, latin1) for latin1 in self.index.get(low, ())]
        parsed = "addr" in modifiers or "name" in modifiers
        if special is not None:
            values = special(self, "raw" in modifiers)
        elif "raw" in modifiers or parsed:
            values = [latin1[:8192].replace("\r\n", "\n") + "\n" for latin1 in self.index.get(low, ())]
        else:
            values = [self.decoded(low, latin1) for latin1 in self.index.get(low, ())]
        if "first" in modifiers:
            values = values[:1]
        elif "last" in modifiers:
            values = values[-1:]
        if parsed and values:
            values = self._parsed(values, "addr" in modifiers, "raw" in modifiers)
        for modifier in modifiers:
            if modifier in ("host", "domain", "ip", "revip"):
                values = [found for value in values if (found := self._reduced(value, modifier, parsed))]
        return values

    def _parsed(self, values: list[str], address: bool, raw: bool) -> list[str]:
        """The addresses or the names within values."""
        boxes: list[Mailbox] = []
        for value in values:
            if value not in self._mailboxes:
                self._mailboxes[value] = mailboxes(value)
            boxes += self._mailboxes[value]
        if address:
            return [box.address for box in boxes if box.address is not None]
        return [box.name if raw else shown_name(box.name) for box in boxes if box.name is not None]

    def _reduced(self, value: str, modifier: str, parsed: bool) -> str:
        """The first host, its domain, or the first address within a value."""
        if modifier in ("ip", "revip"):
            found = _IP.search(value)
            address = found[0] if found else ""
            return ".".join(reversed(address.split("."))) if modifier == "revip" and ":" not in address else address
        if parsed:
            host = value.rpartition("@")[2].strip() if "@" in value else ""
        else:
            after = value.rpartition("@")[2] if "@" in value else value
            hosts = [match[0] for match in _HOST.finditer(after) if self.finder.is_domain(match[0])]
            host = hosts[0] if hosts else ""
        return self.finder.registered(host) if modifier == "domain" else host

    @cached_property
    def part_indexes(self) -> list[dict[str, str]]:
        """The last raw value of each field by name in lower case, of each part, the mail itself first."""
        return [{field[0].lower(): field.latin1 for field in part.headers} for part in self.message.parts]

    def part_fields(self, target: str) -> list[str | None]:
        """What a mimeheader rule sees of ``target`` in each part, the mail itself first."""
        name, raw = (target[:-4], True) if target.endswith(":raw") else (target, False)
        low = name.lower()
        if name == "ALL":
            return [
                "".join([f"{field[0]}: {self.decoded(field[0].lower(), field.latin1)}" for field in part.headers])
                for part in self.message.parts
            ]
        found: list[str | None] = []
        for index in self.part_indexes:
            latin1 = index.get(low)
            if latin1 is None:
                found.append(None)
            else:
                found.append(latin1.lstrip(" \t") + "\n" if raw else self.decoded(low, latin1))
        return found


def _characters(data: bytes, charset: str) -> str:
    """A part's text, CRLF made LF."""
    text = characters(data, charset)
    return text.replace("\r\n", "\n") if "\r" in text else text


ORIGINATING = ("x-yahoo-post-ip", "x-originating-ip", "x-apparently-from", "x-senderip", "x-aol-ip")
"""Fields in which web mailers note where a mail was written."""


def _all(facts: Facts, raw: bool) -> list[str]:
    if raw:
        return _fitting([f"{name}:{latin1.replace(chr(13), '')}\n" for name, latin1 in facts.headers])
    return facts.lines


def _fitting(values: list[str]) -> list[str]:
    """As many values as all fields together may have characters."""
    if sum(map(len, values)) <= MAX_ALL:
        return values
    size = 0
    for number, value in enumerate(values):
        size += len(value)
        if size > MAX_ALL:
            return values[:number]
    return values


def _trusted_part(facts: Facts, raw: bool) -> list[str]:
    """Everything down to the first Received field that cannot be trusted, that one included."""
    count = 0
    values = _all(facts, raw)
    for number, value in enumerate(values):
        if value[:9].lower() == "received:":
            if count == facts.relays.first_untrusted:
                return values[: number + 1]
            count += 1
    return values


def _untrusted_part(facts: Facts, raw: bool) -> list[str]:
    """Everything from the first Received field on that cannot be trusted."""
    count = 0
    values = _all(facts, raw)
    for number, value in enumerate(values):
        if value[:9].lower() == "received:":
            if count == facts.relays.first_untrusted:
                return values[number:]
            count += 1
    return []


def _several(*names: str) -> Callable[[Facts, bool], list[str]]:
    def values(facts: Facts, raw: bool) -> list[str]:
        found = []
        for name in names:
            for latin1 in facts.index.get(name, ()):
                found.append(re.sub(r"\r?\n\s+", " ", latin1) + "\n" if raw else facts.decoded(name, latin1))
        return [value for value in found if value != "\n" or not raw]

    return values


def _envelope_from(facts: Facts, raw: bool) -> list[str]:
    """The envelope's sender; without an envelope what the mail says of it, if it can be believed."""
    envelope = facts.envelope
    if envelope is not None and envelope.mail_from is not None:
        return [envelope.mail_from]
    hops = facts.relays
    hop = hops.untrusted[0] if hops.untrusted else hops.trusted[-1] if hops.trusted else None
    if hop is not None and hop.envfrom is not None and (hop.envfrom == "" or hop.envfrom.find("@") > 0):
        return [hop.envfrom]
    if "@" in (facts.field("X-Sender:first:addr") or "") and "(fetchmail" in (facts.field("Received") or ""):
        return []
    order = [header[0].lower() for header in facts.message.headers]
    for name in ("x-envelope-from", "envelope-sender", "return-path"):
        values = facts._values(f"{name}:first:addr")
        if values:
            if "received" not in order[: order.index(name)]:
                return values[:1]
            if name == "x-envelope-from":
                return []
    return []


@cache
def _words(target: str) -> tuple[str, str, tuple[str, ...]]:
    """The name of a target as written and in lower case, and its modifiers."""
    name, *modifiers = target.split(":")
    return name, name.lower(), tuple(modifiers)


SPECIAL: dict[str, Callable[[Facts, bool], list[str]]] = {
    "ALL": _all,
    "ALL-TRUSTED": _trusted_part,
    "ALL-INTERNAL": _trusted_part,
    "ALL-UNTRUSTED": _untrusted_part,
    "ALL-EXTERNAL": _untrusted_part,
    "tocc": _several("to", "cc"),
    "MESSAGEID": _several("x-message-id", "resent-message-id", "x-original-message-id", "message-id"),
    "envelopefrom": _envelope_from,
    "x-spam-relays-untrusted": lambda facts, raw: [facts.relays.untrusted_text()],
    "x-spam-relays-external": lambda facts, raw: [facts.relays.external_text()],
    "x-spam-relays-trusted": lambda facts, raw: [facts.relays.trusted_text()],
    "x-spam-relays-internal": lambda facts, raw: [facts.relays.internal_text()],
}
"""Names that are no field: how their values are made."""


def is_special(target: str) -> bool:
    """Whether a target is no field of the mail but made of several, or of other facts."""
    name = target.partition(":")[0]
    return name in SPECIAL or name.lower() in SPECIAL
