"""Header text: unfolding (RFC 5322), encoded words (RFC 2047), raw 8-bit (RFC 6532)."""

from __future__ import annotations

import binascii
import re

from ..kernel import native
from .charsets import decode_header_bytes, decode_text

MAX_WORDS = 2000
"""Encoded words that are decoded in one header; the rest is kept as it stands."""

_WORD = re.compile(r"=\?([^?\s]{1,100})\?([bBqQ])\?([^?]*)\?=")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")


def unfold(text: str) -> str:
    """One line: line ends within a header go, the blanks after them stay (RFC 5322, 2.2.3)."""
    return text.replace("\n", "").replace("\r", "")


def header_text(latin1: str, charset: str = "") -> str:
    """A header's value as a reader sees it: one line, trimmed, encoded words decoded.

    ``latin1``  the raw bytes, each one character.  ``charset``  what 8-bit bytes mean that are not UTF-8.
    """
    if native is not None and (value := native.header_text(latin1)) is not None:
        return value  # type: ignore[no-any-return]
    return _header_text(latin1, charset)


def _header_text(latin1: str, charset: str) -> str:
    """The same for any value."""
    text = unfold(latin1) if "\n" in latin1 or "\r" in latin1 else latin1
    if not text.isascii():
        text = decode_header_bytes(text.encode("latin-1"), charset)
    if "=?" in text:
        text = decode_words(text).replace("\n", " ").replace("\r", " ")  # a word may hold line ends
    return text.strip()


def decode_words(text: str) -> str:
    """``text`` with its encoded words decoded; blanks between two of them are dropped.

    Neighbours of the same charset are joined before they are decoded, because mailers cut within characters.
    """
    pieces = _WORD.split(text, MAX_WORDS)
    if len(pieces) == 1:
        return text
    out = [pieces[0]]
    pending: list[bytes] = []
    label = ""
    for i in range(1, len(pieces), 4):
        charset, between = pieces[i].partition("*")[0].lower(), pieces[i + 3]
        if pending and charset != label:
            out.append(decode_text(b"".join(pending), label)[0])
            pending = []
        label = charset
        pending.append(word_bytes(pieces[i + 1], pieces[i + 2]))
        if between.strip(" \t\r\n"):
            out += (decode_text(b"".join(pending), label)[0], between)
            pending = []
    if pending:
        out += (decode_text(b"".join(pending), label)[0], pieces[-1])
    return "".join(out)


def word_bytes(encoding: str, data: str) -> bytes:
    """The bytes of one encoded word; never raises."""
    if encoding in "qQ":
        return binascii.a2b_qp(data.encode("utf-8", "replace"), header=True)
    try:
        return binascii.a2b_base64(data)
    except ValueError:  # a wrong length, or not ASCII
        clean = _NOT_BASE64.sub("", data.partition("=")[0])
        clean = clean[: len(clean) - (len(clean) % 4 == 1)]
        return binascii.a2b_base64(clean + "=" * (-len(clean) % 4))
