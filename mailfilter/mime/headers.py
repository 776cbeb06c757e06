"""The header block: where it ends, and its headers in order."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from .defects import DefectKind
from .words import header_text

MAX_HEADERS = 5000
"""Header lines of one entity that become a `Header` each; of the rest only the MIME ones do."""
_MAX_JUNK = 500

_BLOCK = re.compile(rb"(?:[!-9;-~]+:[^\n]*(?:\n|\Z)(?:[ \t][^\n]*(?:\n|\Z))*+)*+")
_HEADER = re.compile(rb"([!-9;-~]+):([^\n]*(?:\n[ \t][^\n]*)*+)")
_SPACED = re.compile(rb"([!-9;-~]+)[ \t]+:([^\n]*(?:\n[ \t][^\n]*)*+)(?:\n|\Z)")
_BLANK = re.compile(rb"\r*(?:\n|\Z)")
_MIME_LINE = re.compile(rb"^(?:content-[a-z-]{1,40}|mime-version)[ \t]*:", re.I | re.M)


class Header(NamedTuple):
    """One header as written.

    ``raw`` is what follows the colon, folds kept, without the last line end.  ``charset`` is what bytes above 127
    mean if they are not UTF-8.
    """

    name: str
    raw: bytes
    charset: str = ""

    @property
    def value(self) -> str:
        """Decoded and unfolded, trimmed."""
        return header_text(self[1], self[2])


class Chooser(Protocol):
    """What the readers below report to; see `mailfilter.mime.tree.Reader`."""

    def choose(self, kind: DefectKind, place: str, alternatives: int, detail: str = "") -> int:
        """Report a disputed spot and be told which reading to take."""
        ...


Pairs = list[tuple[bytes, bytes]]


def read_block(chooser: Chooser, buf: bytes, start: int, end: int, place: str) -> tuple[Pairs, int]:
    """(name, raw) pairs of the header block at ``start``, and where the body starts."""
    stop = _end_of_headers(buf, start, end)
    if stop < end:
        blank = _BLANK.match(buf, stop, end)
        if not blank or stop == start:
            return _odd_block(chooser, buf, start, end, place)
        body = blank.end()
    else:
        body = end
    pairs = _split(chooser, buf, start, stop, place)
    if b"\r" in buf[start:stop] and pairs:
        pairs = _without_cr(chooser, buf, start, stop, place, pairs)
    if buf.find(b"\0", start, stop) >= 0:
        chooser.choose(DefectKind.HEADER_NUL, place, 1)
    return pairs, body


def _end_of_headers(buf: bytes, start: int, end: int) -> int:
    match = _BLOCK.match(buf, start, end)
    return match.end() if match else start


def _split(chooser: Chooser, buf: bytes, start: int, stop: int, place: str) -> Pairs:
    """Headers of a well-formed stretch.  Beyond the cap only MIME headers are taken."""
    if buf.count(b"\n", start, stop) <= MAX_HEADERS:
        return _HEADER.findall(buf, start, stop)
    pairs: Pairs = []
    for match in _HEADER.finditer(buf, start, stop):
        if len(pairs) < MAX_HEADERS:
            pairs.append((match[1], match[2]))
            continue
        chooser.choose(DefectKind.HEADER_LIMIT, place, 0)
        for late in _MIME_LINE.finditer(buf, match.start(), stop):
            found = _HEADER.match(buf, late.start(), stop)
            if found and len(pairs) < MAX_HEADERS + 100:
                pairs.append((found[1], found[2]))
        break
    return pairs


def _without_cr(chooser: Chooser, buf: bytes, start: int, stop: int, place: str, pairs: Pairs) -> Pairs:
    """Drop the carriage return before each line end; a bare one elsewhere is disputed."""
    if buf.count(b"\r", start, stop) != buf.count(b"\r\n", start, stop):
        chooser.choose(DefectKind.BARE_CR, place, 1)
    return [(name, raw[:-1] if raw[-1:] == b"\r" else raw) for name, raw in pairs]


def _odd_block(chooser: Chooser, buf: bytes, start: int, end: int, place: str) -> tuple[Pairs, int]:
    """A header block that something interrupts: walk on from one interruption to the next."""
    pairs: Pairs = []
    position = start
    for _ in range(_MAX_JUNK):
        stop = _end_of_headers(buf, position, end)
        if stop > position:
            pairs += _split(chooser, buf, position, stop, place)
        blank = _BLANK.match(buf, stop, end)
        if blank:
            if stop == start and stop < end:
                chooser.choose(DefectKind.NO_HEADERS, place, 0)
            return _finish(chooser, buf, start, stop, place, pairs), blank.end()
        newline = buf.find(b"\n", stop, end)
        after = end if newline < 0 else newline + 1
        spaced = _SPACED.match(buf, stop, end)
        if spaced and chooser.choose(DefectKind.HEADER_SPACE, place, 1) == 0:
            pairs.append((spaced[1], spaced[2]))
            after = spaced.end()
        elif (not spaced and not _skip(chooser, buf, stop, after, end, place, bool(pairs))) or spaced:
            break
        position = after
    return _finish(chooser, buf, start, stop, place, pairs), stop


def _skip(chooser: Chooser, buf: bytes, start: int, after: int, end: int, place: str, inside: bool) -> bool:
    """Whether an odd line is passed over (else the body starts with it)."""
    if buf.startswith((b"From ", b">From "), start):
        chooser.choose(DefectKind.HEADER_FROM, place, 0)
        return True
    if buf[start] in b" \t":
        chooser.choose(DefectKind.HEADER_CONTINUATION, place, 0)
        return True
    kind = DefectKind.NO_BLANK_LINE if inside else DefectKind.NO_HEADERS
    blank = _next_blank(buf, after, end)
    if _MIME_LINE.search(buf, after, blank):
        return chooser.choose(DefectKind.HEADER_JUNK, place, 1, _shown(buf[start:after])) == 1
    chooser.choose(kind, place, 0, _shown(buf[start:after]))
    return False


_EMPTY_LINE = re.compile(rb"\n\r*\n")


def _next_blank(buf: bytes, start: int, end: int) -> int:
    match = _EMPTY_LINE.search(buf, max(start - 1, 0), end)
    return match.start() if match else end


def _finish(chooser: Chooser, buf: bytes, start: int, stop: int, place: str, pairs: Pairs) -> Pairs:
    if buf.find(b"\0", start, stop) >= 0:
        chooser.choose(DefectKind.HEADER_NUL, place, 1)
    if buf.find(b"\r", start, stop) >= 0:
        return _without_cr(chooser, buf, start, stop, place, pairs)
    return pairs


def _shown(line: bytes) -> str:
    """The start of a line for a person to read."""
    return line[:40].decode("ascii", "replace").strip()
