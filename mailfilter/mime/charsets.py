"""Charset labels to text, without an exception for any label or any bytes.

Labels are read as browsers read them (https://encoding.spec.whatwg.org): ``iso-8859-1`` and ``us-ascii`` mean
windows-1252, ``gb2312`` means GB 18030, and so on.  Only codecs that turn bytes into text in linear time are
used; ``zlib``, ``rot13``, ``idna``, ``punycode``, ``unicode_escape`` or ``undefined`` are no charsets.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

_WIDER = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "hz": "hz", "euc_kr": "cp949", "shift_jis": "cp932", "big5": "big5hkscs",
    "iso2022_jp": "iso2022_jp_ext", "utf-8-sig": "utf-8",
}  # fmt: skip
_ALIASES = {
    "unicode-1-1-utf-7": "utf-7", "x-unicode-2-0-utf-7": "utf-7", "ks_c_5601-1987": "cp949", "ks_c_5601": "cp949",
    "x-sjis": "cp932", "x-gbk": "gb18030", "x-euc-jp": "euc_jp", "x-big5": "big5hkscs", "windows-31j": "cp932",
    "iso-8859-8-i": "iso8859-8", "iso-8859-8-e": "iso8859-8", "x-mac-roman": "mac-roman", "macintosh": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic", "dos-874": "cp874", "windows-874": "cp874", "x-user-defined": "cp1252",
    "unicode": "utf-16", "utf8mb4": "utf-8", "x-unknown": "", "default": "", "unknown-8bit": "", "x-utf-8": "utf-8",
    "iso-10646-ucs-2": "utf-16", "ucs-2": "utf-16", "visual": "iso8859-8", "cp-850": "cp850", "cp-1252": "cp1252",
}  # fmt: skip
_NO_CHARSETS = frozenset(
    ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "unicode-escape", "raw-unicode-escape")
)
_NO_C1 = bytes(set(range(256)) - set(range(0x80, 0xA0)))
_SURROGATE = re.compile("[\ud800-\udfff]")
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_ODD = re.compile(r"[^a-z0-9._:+-]")


@lru_cache(1024)
def find_codec(label: str) -> str | None:
    """The codec that a label means, ``""`` for a label that says nothing, ``None`` for one that nobody knows."""
    name = _ODD.sub("", label.lower())
    if not name:
        return ""
    name = _ALIASES.get(name, name)
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return "" if not name else None
    if info.name in _NO_CHARSETS or not info._is_text_encoding:
        return None
    return _WIDER.get(info.name, info.name)


def decode_text(data: bytes, label: str) -> tuple[str, bool, bool]:
    """Text of ``data``, whether the label is a known one (or absent), and whether all bytes are of that charset.

    Never raises and holds no lone surrogate.  Without a usable label, and for text labelled with a subset of
    ASCII that is not, UTF-8 is tried first and then windows-1252.
    """
    if data[:1] in (b"\xef", b"\xff", b"\xfe"):
        for bom, codec in _BOMS:
            if data.startswith(bom):
                return data[len(bom) :].decode(codec, "replace"), True, True
    return _by_label(data, label)


def _by_label(data: bytes, label: str) -> tuple[str, bool, bool]:
    codec = find_codec(label) if label else ""
    if data.isascii() and codec in ("", "utf-8", "cp1252", None):
        return data.decode("ascii"), codec is not None, True
    if not codec or (codec == "cp1252" and "ascii" in label.lower()):
        return _guess(data), codec is not None, not codec and codec is not None
    return _decode_as(data, codec)


def _guess(data: bytes) -> str:
    """UTF-8 if it is that, else windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _single(data)


def _single(data: bytes) -> str:
    """windows-1252, with the five bytes that it lacks read as in ISO 8859-1."""
    if not data.translate(None, _NO_C1):
        return data.decode("latin-1")  # the same, and several times faster
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _mislabelled(data: bytes, codec: str) -> str:
    """Text that is not of its charset: UTF-8 if it is that, else the charset with U+FFFD for what is wrong."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode(codec, "replace")
    except (UnicodeError, LookupError, ValueError):
        return _single(data)


def _decode_as(data: bytes, codec: str) -> tuple[str, bool, bool]:
    """Text by a known codec."""
    if codec == "cp1252":
        return _single(data), True, True
    good = True
    try:
        text = data.decode(codec)
    except (UnicodeError, LookupError, ValueError):
        good = False
        text = _mislabelled(data, codec)
    if codec.startswith("utf-7") and _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text, True, good


def decode_header_bytes(raw: bytes, charset: str = "") -> str:
    """Raw 8-bit header bytes: UTF-8 (RFC 6532), else the charset the mail declares, else windows-1252."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if charset and (codec := find_codec(charset)) and not codec.startswith(("utf", "iso2022", "hz")):
            return _decode_as(raw, codec)[0]
        return _single(raw)
