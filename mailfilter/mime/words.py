"""Header text: unfolding (RFC 5322), encoded words (RFC 2047), raw 8-bit (RFC 6532)."""

from __future__ import annotations

import binascii
import re

from .charsets import decode_header_bytes, decode_text

MAX_WORDS = 2000
"""Encoded words that are decoded in one header; the rest is kept as it stands."""

_WORD = re.compile(r"=\?([^?\s]{1,100})\?([bBqQ])\?([^?]*)\?=")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")
_Q_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")


def unfold(text: str) -> str:
    """One line: line ends within a header go (RFC 5322, 2.2.3); a tab that a fold left becomes a blank."""
    return text.replace("\r", "").replace("\n\t", " ").replace("\n", "")


def header_text(latin1: str, charset: str = "") -> str:
    """An unfolded header's value as a reader sees it: trimmed, encoded words decoded.

    ``latin1``  the raw bytes, each one character.  ``charset``  what 8-bit bytes mean that are not UTF-8.
    """
    text = latin1 if latin1.isascii() else decode_header_bytes(latin1.encode("latin-1"), charset)
    return (decode_words(text) if "=?" in text else text).strip()


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


def count_words(text: str) -> int:
    """How many encoded words there are, as cheaply as can be told."""
    return text.count("?=")


def word_bytes(encoding: str, data: str) -> bytes:
    """The bytes of one encoded word; never raises."""
    if encoding in "qQ":
        raw = data.replace("_", " ").encode("utf-8", "replace")
        return _Q_ESCAPE.sub(lambda m: binascii.unhexlify(m[1]), raw) if b"=" in raw else raw
    clean = _NOT_BASE64.sub("", data.partition("=")[0])
    if len(clean) % 4 == 1:
        clean = clean[:-1]
    return binascii.a2b_base64(clean + "=" * (-len(clean) % 4))
