"""What a file is, told by its first bytes; its name decides only where the bytes leave it open."""

from __future__ import annotations

import re
from enum import Enum

HEAD = 4096
"""Bytes of a file that are looked at."""


class Kind(Enum):
    """Kinds of file that mail comes in, and what comes instead."""

    EMPTY = "empty"
    MAIL = "a mail"
    MBOX = "an mbox"
    TAR = "a tar archive"
    ZIP = "a zip archive"
    GZIP = "gzip data"
    BZIP2 = "bzip2 data"
    XZ = "xz data"
    UNKNOWN = "no mail"

    @property
    def compressed(self) -> bool:
        """Whether this is one compressed stream."""
        return self in (Kind.GZIP, Kind.BZIP2, Kind.XZ)

    @property
    def archive(self) -> bool:
        """Whether this holds members with names."""
        return self in (Kind.TAR, Kind.ZIP)


_MAGIC = (
    (b"\x1f\x8b\x08", Kind.GZIP),
    (b"\xfd7zXZ\x00", Kind.XZ),
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),
)

_FOREIGN = (
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE file (Outlook .msg, old Office)"),
    (b"!BDN", "an Outlook .pst store"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%PDF-", "a PDF file"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x7fELF", "an ELF program"),
)

# A colon alone makes no header: "Note: see below" starts many a text.  One name that mail really has must be near.
_FIELD = re.compile(rb"[!-9;-~]{1,200}[ \t]{0,8}:")
_KNOWN_FIELD = re.compile(
    rb"^(?:received|return-path|delivered-to|envelope-to|from|to|cc|subject|date|message-id|mime-version|reply-to|sender"
    rb"|content-type|content-transfer-encoding|status|dkim-signature|arc-[a-z-]{1,40}|x-[a-z0-9-]{1,80}"
    rb"|list-[a-z-]{1,40}|resent-[a-z-]{1,20}|authentication-results)[ \t]{0,8}:",
    re.IGNORECASE | re.MULTILINE,
)
_FROM_DATE = re.compile(rb"\d{1,2}:\d\d.{0,40}\b(?:19|20)\d\d\b")
"""Time and year of a From_ line; they come in several orders: ctime, with a zone before or after the year."""


def kind_of(head: bytes, name: str = "") -> Kind:
    """The kind of file that begins with ``head`` (its first `HEAD` bytes, or all of it).

    ``name`` matters for an empty tar only, which is nothing but zeros.
    """
    if not head:
        return Kind.EMPTY
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return Kind.BZIP2
    if is_tar_header(head[:512]) or (name.endswith(".tar") and not head[:512].strip(b"\0")):
        return Kind.TAR
    return _text_kind(head)


def _text_kind(head: bytes) -> Kind:
    """Whether text is an mbox, a mail, or neither."""
    first, _, rest = head.partition(b"\n")
    if first.startswith(b"From "):
        if from_line(first) or _FIELD.match(rest):
            return Kind.MBOX
    elif first.startswith(b">From "):
        head = rest
    return Kind.MAIL if _FIELD.match(head) and _KNOWN_FIELD.search(head) else Kind.UNKNOWN


def from_line(line: bytes) -> bool:
    """Whether ``line`` is a From_ line (RFC 4155) and not prose: ``From``, a sender, a time and a year."""
    return line.startswith(b"From ") and _FROM_DATE.search(line[:400]) is not None


def field_line(text: bytes) -> bool:
    """Whether ``text`` begins like a header field."""
    return _FIELD.match(text) is not None


def is_tar_header(block: bytes) -> bool:
    """Whether 512 bytes are a tar header: the checksum fits, in any dialect of tar."""
    if len(block) < 512:
        return False
    try:
        stated = int(block[148:156].strip(b" \0") or b"-1", 8)
    except ValueError:
        return False
    return stated == sum(block) - sum(block[148:156]) + 8 * 0x20


def foreign(head: bytes) -> str:
    """What a file is that holds no mail, ``""`` when that is not known either."""
    return next((what for magic, what in _FOREIGN if head.startswith(magic)), "")


def named_like_mail(name: str) -> bool:
    """Whether a file name alone says "mail": ``x.eml``, or all digits as in an MH folder."""
    last = name.rpartition("/")[2]
    return last.lower().endswith((".eml", ".mail", ".mbox")) or (last.isascii() and last.isdigit())
