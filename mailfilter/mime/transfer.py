"""Content transfer encodings (RFC 2045) and uuencode, tolerant, with a say in what is disputed.

A decoder is handed ``choose(kind, alternatives)``: it reports a disputed spot and is told which reading to take,
0 for the primary one.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable

from .defects import DefectKind

Choose = Callable[[DefectKind, int], int]

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BLANKS = b" \t\r\n"
_FINE = _ALPHABET + _BLANKS
_FIRST_JUNK = re.compile(rb"[^A-Za-z0-9+/= \t\r\n]")
_NOT_ALPHABET = bytes(set(range(256)) - set(_ALPHABET))
_NOT_ALPHABET_OR_PAD = bytes(set(_NOT_ALPHABET) - {ord("=")})
_URL_SAFE = bytes.maketrans(b"-_", b"+/")

IDENTITY = frozenset(("", "7bit", "8bit", "binary"))
UUENCODE = frozenset(("x-uuencode", "uuencode", "x-uue", "uue"))
KNOWN = IDENTITY | UUENCODE | {"base64", "quoted-printable"}


def decode_base64(body: bytes, choose: Choose) -> bytes:
    """Decode base64.

    Primary reading: characters outside the alphabet are skipped and the first complete padding ends the data, as
    in the standard library.  Disputed: to stop at the first such character; to go on after padding (group by
    group, or as if the padding were not there).
    """
    junk = body.translate(None, _FINE)
    if junk:
        pads = junk.count(b"=")
        if pads != len(junk):
            url_safe = not junk.translate(None, b"-_=")
            variant = choose(DefectKind.BASE64_JUNK, 2 if url_safe else 1)
            if variant == 1 and (match := _FIRST_JUNK.search(body)):
                body = body[: match.start()]
            elif variant == 2:
                body = body.translate(_URL_SAFE)
        if pads and b"=" in body.rstrip(b"= \t\r\n"):
            return _after_padding(body, choose)
    return _groups(body.translate(None, _NOT_ALPHABET), choose)


def _after_padding(body: bytes, choose: Choose) -> bytes:
    """Base64 with something after the first padding sign."""
    clean = body.translate(None, _NOT_ALPHABET_OR_PAD)
    if b"=" not in clean.rstrip(b"="):
        return _groups(clean.rstrip(b"="), choose)
    variant = choose(DefectKind.BASE64_PADDING, 2)
    if variant == 1:
        return b"".join([_groups(segment, choose) for segment in clean.split(b"=") if segment])
    if variant == 2:
        return _groups(clean.replace(b"=", b""), choose)
    try:
        return binascii.a2b_base64(clean)
    except binascii.Error:
        return _groups(clean.replace(b"=", b""), choose)


def _groups(clean: bytes, choose: Choose) -> bytes:
    """Decode characters that are all of the alphabet; an incomplete last group gives the bytes it holds."""
    rest = len(clean) % 4
    if rest == 1:
        choose(DefectKind.BASE64_LENGTH, 0)
        clean, rest = clean[:-1], 0
    return binascii.a2b_base64(clean + b"=" * (4 - rest) if rest else clean)


_BEGIN = re.compile(rb"^begin ([0-7]{3,4})[ \t]+([^\r\n]{1,255})\r?\n", re.M)


BEGIN_HINT = re.compile(rb"\nbegin ")
"""Cheaper to search for than `_BEGIN`; it misses a file that starts with the text."""


class UuBlock:
    """A uuencoded file within a text: its name, its data, where it stands, and whether it was whole."""

    __slots__ = ("data", "end", "name", "start", "whole")

    def __init__(self, name: bytes, data: bytes, start: int, end: int, whole: bool) -> None:
        self.name, self.data, self.start, self.end, self.whole = name, data, start, end, whole


MAX_BEGINNINGS = 5000
"""Lines that look like the beginning of a uuencoded file and are tried, in one text."""


def find_uu_blocks(body: bytes, limit: int) -> list[UuBlock]:
    """The uuencoded files within a text, at most ``limit``.  Linear: each line is looked at once."""
    found: list[UuBlock] = []
    position = 0
    for _ in range(MAX_BEGINNINGS):
        match = _BEGIN.search(body, position) if len(found) < limit else None
        if not match:
            break
        data, position, whole = _uu_lines(body, match.end())
        if data or whole:
            found.append(UuBlock(match[2], data, match.start(), position, whole))
    return found


def _uu_lines(body: bytes, position: int) -> tuple[bytes, int, bool]:
    """Decode lines up to ``end`` or to the first that is not uuencoded; the data, where it ends, and if well."""
    out: list[bytes] = []
    while position < len(body):
        newline = body.find(b"\n", position)
        after = len(body) if newline < 0 else newline + 1
        line = body[position:after].rstrip(b"\r\n")
        if line.rstrip() == b"end":
            return b"".join(out), after, True
        if line and line != b"`" and (decoded := _uu_line(line)) is None:
            return b"".join(out), position, False
        if line and line != b"`":
            out.append(decoded or b"")
        position = after
    return b"".join(out), position, False


def _uu_line(line: bytes) -> bytes | None:
    """One line's bytes, or ``None`` if it cannot be uuencoded."""
    if not 32 <= line[0] <= 96:
        return None
    size = (line[0] - 32) & 63
    needed = (size * 4 + 2) // 3
    if len(line) - 1 > needed + 8 or len(line) - 1 < needed - 63:
        return None
    try:
        return binascii.a2b_uu(line[: 1 + (size + 2) // 3 * 4])
    except binascii.Error:
        return None


def decode_uuencode(body: bytes, choose: Choose) -> bytes:
    """Data of a part whose transfer encoding is uuencode: its first block, or the body itself if there is none."""
    blocks = find_uu_blocks(body, 1)
    if not blocks or not blocks[0].whole:
        choose(DefectKind.UU_BROKEN, 0)
    return blocks[0].data if blocks else body


def decode(body: bytes, encoding: str, choose: Choose) -> bytes:
    """Undo a transfer encoding (one of `KNOWN`; anything else is taken as it is)."""
    if encoding == "base64":
        return decode_base64(body, choose)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding in UUENCODE:
        return decode_uuencode(body, choose)
    return body


def looks_like_base64(body: bytes) -> bool:
    """Whether a text could be nothing but base64: the alphabet, lines, padding at the end; 16 or more characters."""
    text = body.strip()
    return len(text) >= 16 and not text.rstrip(b"=").translate(None, _FINE) and b" " not in text
