"""The header block: where it ends, and its headers in order.

A well-formed block is split in a few passes over all of it; whatever is odd about it (`_OddBlock`) takes the slow
way, line by line, and says what was odd.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import repeat
from typing import NamedTuple, Protocol

from ..kernel import native
from .defects import DefectKind
from .words import header_text, unfold

MAX_HEADERS = 2000
"""Header lines of one entity that become a `Header` each; of the rest only the MIME ones do."""
MAX_BLOCK = 500_000
"""Bytes of a header block that are taken apart the quick way."""
MAX_JUNK = 500
"""Interruptions of a header block after which the body is taken to start."""

_Split = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], dict[str, tuple[str, ...]], bool]

_new = tuple.__new__  # a named tuple's own constructor takes twice as long
_LF_GAP = re.compile(rb"\n\n")  # searching is faster than bytes.find for this
_CRLF_GAP = re.compile(rb"\r\n\r\n")
_LF_HEADER = re.compile(r"^([!-9;-~]++):([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.M)
_CRLF_HEADER = re.compile(r"^([!-9;-~]++):([^\r]*+(?:\r\n[ \t][^\r]*+)*+)", re.M)


class Header(NamedTuple):
    """One header.

    ``name``  as written.
    ``latin1``  what follows the colon as written, folds kept, without the last line end; each byte one character.
    ``charset``  what bytes above 127 mean if they are not UTF-8.
    """

    name: str
    latin1: str
    charset: str = ""

    @property
    def value(self) -> str:
        """As a reader sees it: one line, trimmed, encoded words and 8-bit bytes decoded."""
        text = self[1]
        if "?" in text or not text.isascii() or "\r" in text:
            return header_text(text, self[2])
        return (text.replace("\n", "") if "\n" in text else text).strip()

    @property
    def raw(self) -> bytes:
        """What follows the colon as written, folds kept, without the last line end."""
        return self[1].encode("latin-1")


class _PlainHeader(Header):
    """A header of a block in which there is nothing to decode: its value takes half the time."""

    __slots__ = ()

    @property
    def value(self) -> str:
        """As a reader sees it: one line, trimmed."""
        text = self[1]
        return unfold(text).strip() if "\n" in text else text.strip()


class Chooser(Protocol):
    """What finds of odd things are reported to; see `mailfilter.mime.tree.Reader`."""

    def choose(self, kind: DefectKind, place: str, alternatives: int, detail: str = "") -> int:
        """Report a disputed spot and be told which reading to take."""
        ...


class Block(NamedTuple):
    """A header block taken apart but not decoded."""

    written: tuple[str, ...]
    """The names as written."""
    raws: tuple[str, ...]
    """What follows the colons, each byte one character."""
    names: tuple[str, ...]
    """The names in lower case."""
    by_name: Mapping[str, tuple[str, ...]]
    """Raw values by name in lower case, in order."""
    plain: bool
    """Whether there is nothing to decode: all ASCII, no encoded words."""
    body: int
    """Where the body starts."""

    @property
    def folded(self) -> str:
        """The names in lower case, a colon before and after each."""
        return f":{':'.join(self[2])}:" if self[2] else ""

    def values(self, name: str) -> tuple[str, ...]:
        """Raw values of all headers of a name (lower case)."""
        return self[3].get(name, ())

    def texts(self, charset: str) -> tuple[str, ...]:
        """All values decoded at once, which takes less than half the time of asking header by header."""
        raws = self[1]
        if self[4]:
            return tuple([unfold(raw).strip() if "\n" in raw else raw.strip() for raw in raws])
        return tuple([header_text(raw, charset) for raw in raws])

    def headers(self, charset: str) -> tuple[Header, ...]:
        """The headers; ``charset`` is what bytes above 127 mean that are not UTF-8."""
        kind = _PlainHeader if self[4] else Header
        return tuple(map(_new, repeat(kind), zip(self[0], self[1], repeat(charset), strict=False)))


NO_BLOCK = Block((), (), (), {}, True, 0)


def read_block(chooser: Chooser, buf: bytes, start: int, end: int, place: str) -> Block:
    """The header block at ``start``."""
    newline = buf.find(b"\n", start, end)
    if newline == start or (newline == start + 1 and buf[start] == 13):
        if not place:
            chooser.choose(DefectKind.NO_HEADERS, place, 0)
        return Block((), (), (), {}, True, newline + 1)
    crlf = newline > 0 and buf[newline - 1] == 13
    empty = (_CRLF_GAP if crlf else _LF_GAP).search(buf, start, end)
    if empty:
        gap, body = empty.span()
    else:
        gap, body = end - (end > start and buf[end - 1] == 10) * (1 + crlf), end
    if gap - start <= MAX_BLOCK:
        split = native.header_block if native is not None else _split
        if parts := split(buf, start, gap, crlf):
            return _new(Block, (*parts, body))
    return _odd_block(chooser, buf, start, end, place)


def _split(buf: bytes, start: int, end: int, crlf: bool) -> _Split | None:
    """A header block without anything odd about it, all of `Block` but where the body starts; ``None`` for others."""
    text = str(buf[start:end], "latin-1")
    if (text.count("\r") != text.count("\n") if crlf else "\r" in text) or "\0" in text:
        return None
    pairs = (_CRLF_HEADER if crlf else _LF_HEADER).findall(text)
    if not pairs or len(pairs) > MAX_HEADERS:
        return None
    names, raws = zip(*pairs, strict=False)
    joined = ":".join(names)
    if len(joined) + len("".join(raws)) + len(pairs) + crlf * (len(pairs) - 1) != len(text):
        return None
    lowered = tuple(joined.lower().split(":"))
    plain = ("?" not in text or "=?" not in text) and text.isascii()
    return names, raws, lowered, _indexed(lowered, raws), plain


def _indexed(names: tuple[str, ...], raws: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    index: dict[str, tuple[str, ...]] = {}
    for name, raw in zip(names, raws, strict=True):
        index[name] = (*index[name], raw) if name in index else (raw,)
    return index


_BLOCK = re.compile(rb"(?:[!-9;-~]++:[^\n]*+(?:\n|\Z)(?:[ \t][^\n]*+(?:\n|\Z))*+)*+")
_HEADER = re.compile(rb"([!-9;-~]++):([^\n]*+(?:\n[ \t][^\n]*+)*+)")
_SPACED = re.compile(rb"([!-9;-~]++)[ \t]++:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_BLANK = re.compile(rb"\r*+(?:\n|\Z)")
_EMPTY_LINE = re.compile(rb"\n\r*+\n")
_MIME_LINE = re.compile(rb"^(?:content-[a-z-]{1,40}|mime-version)[ \t]*+:", re.I | re.M)


def _odd_block(chooser: Chooser, buf: bytes, start: int, end: int, place: str) -> Block:
    """A header block that something interrupts: walk on from one interruption to the next."""
    block = _OddBlock(chooser, buf, end, place)
    position = stop = body = start
    for _ in range(MAX_JUNK):
        found = _BLOCK.match(buf, position, end)
        stop = body = found.end() if found else position
        if stop > position:
            block.take(position, stop)
        if blank := _BLANK.match(buf, stop, end):
            if stop == start and not place:
                chooser.choose(DefectKind.NO_HEADERS, place, 0)
            body = blank.end()
            break
        position = block.pass_over(stop)
        if position == stop:
            break
    block.look_for_controls(start, stop)
    written = tuple([str(name, "latin-1") for name, _ in block.pairs])
    raws = tuple([str(raw.rstrip(b"\r"), "latin-1") for _, raw in block.pairs])
    names = tuple([name.lower() for name in written])
    return Block(written, raws, names, _indexed(names, raws), False, body)


class _OddBlock:
    """Collects the headers of an odd block."""

    def __init__(self, chooser: Chooser, buf: bytes, end: int, place: str) -> None:
        self.chooser, self.buf, self.end, self.place = chooser, buf, end, place
        self.pairs: list[tuple[bytes, bytes]] = []
        self.blank = self.mime = -1

    def take(self, start: int, stop: int) -> None:
        """Headers of a well-formed stretch.  Beyond the cap only MIME headers are taken."""
        for match in _HEADER.finditer(self.buf, start, stop):
            if len(self.pairs) >= MAX_HEADERS:
                self.chooser.choose(DefectKind.HEADER_LIMIT, self.place, 0)
                self._take_mime(match.start(), stop)
                return
            self.pairs.append((match[1], match[2]))

    def _take_mime(self, start: int, stop: int) -> None:
        for late in _MIME_LINE.finditer(self.buf, start, stop):
            if len(self.pairs) >= MAX_HEADERS + 100:
                return
            if found := _HEADER.match(self.buf, late.start(), stop):
                self.pairs.append((found[1], found[2]))

    def pass_over(self, start: int) -> int:
        """Where to go on after the odd line at ``start``; ``start`` itself if the body begins there."""
        spaced = _SPACED.match(self.buf, start, self.end)
        if spaced:
            if self.chooser.choose(DefectKind.HEADER_SPACE, self.place, 1):
                return start
            self.pairs.append((spaced[1], spaced[2]))
            return spaced.end()
        newline = self.buf.find(b"\n", start, self.end)
        after = self.end if newline < 0 else newline + 1
        return after if self._is_junk(start, after) else start

    def _is_junk(self, start: int, after: int) -> bool:
        """Whether an odd line is passed over (else the body starts with it)."""
        buf, choose = self.buf, self.chooser.choose
        if buf.startswith((b"From ", b">From "), start):
            choose(DefectKind.HEADER_FROM, self.place, 0)
            return True
        if buf[start] in b" \t":
            choose(DefectKind.HEADER_CONTINUATION, self.place, 0)
            return True
        shown = buf[start : min(after, start + 40)].decode("ascii", "replace").strip()
        if self._mime_follows(after):
            return choose(DefectKind.HEADER_JUNK, self.place, 1, shown) == 1
        choose(DefectKind.NO_BLANK_LINE if self.pairs else DefectKind.NO_HEADERS, self.place, 0, shown)
        return False

    def _mime_follows(self, start: int) -> bool:
        """Whether there is a MIME header between ``start`` and the next empty line; searched for once."""
        if self.blank < 0:
            blank = _EMPTY_LINE.search(self.buf, max(start - 1, 0), self.end)
            self.blank = blank.start() if blank else self.end
        if self.mime < start:
            match = _MIME_LINE.search(self.buf, start, self.blank)
            self.mime = match.start() if match else self.end
        return self.mime < self.blank

    def look_for_controls(self, start: int, stop: int) -> None:
        """NUL and bare carriage returns, which some programs take for the end of a line or of everything."""
        line = self.buf.find(b"\n", stop, self.end)
        if self.buf.find(b"\0", start, self.end if line < 0 else line) >= 0:  # the line that ended the block included
            self.chooser.choose(DefectKind.HEADER_NUL, self.place, 1)
        returns = self.buf.count(b"\r", start, stop)
        if returns and returns != self.buf.count(b"\r\n", start, stop):
            self.chooser.choose(DefectKind.BARE_CR, self.place, 1)
