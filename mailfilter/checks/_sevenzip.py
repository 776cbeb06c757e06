"""The members of a 7z file, by its header (7zFormat.txt of the LZMA SDK); the header itself may be compressed."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from typing import Any, NamedTuple

SIGNATURE = b"7z\xbc\xaf\x27\x1c"
_AES = b"\x06\xf1\x07\x01"
_LZMA1, _LZMA2, _COPY = b"\x03\x01\x01", b"\x21", b"\x00"
_ENCODED, _PACK, _SIZE, _UNPACK, _FOLDER, _UNPACK_SIZE, _NAMES = 0x17, 0x06, 0x09, 0x07, 0x0B, 0x0C, 0x11
_MOST_HEADER = 1 << 20
"""Octets of a header that are looked at."""
_MOST_PLACES = 2_000
_MOST_LISTS = 20
"""Places in a header that are tried as the list of names, and how many of them are read."""


class SevenZip(NamedTuple):
    """Names of the members, whether any is encrypted, and whether the names could be read."""

    names: list[str]
    encrypted: bool
    read: bool


def read_sevenzip(data: bytes) -> SevenZip:
    """The header's content; a damaged one has no names."""
    start = 32 + int.from_bytes(data[12:20], "little")
    header = data[start : start + min(int.from_bytes(data[20:28], "little"), _MOST_HEADER)]
    encrypted = _AES in header
    for _ in range(4):
        if not header.startswith(bytes([_ENCODED])):
            break
        try:
            header = _decode(data, header)
        except (IndexError, ValueError, lzma.LZMAError):
            return SevenZip([], encrypted, False)
        encrypted = encrypted or _AES in header
    names = list(_names(header))
    return SevenZip(names, encrypted, bool(names))


def _decode(data: bytes, header: bytes) -> bytes:
    """A compressed header: one stream, one coder.  Raises `ValueError` or `IndexError` for anything else."""
    at = _expect(header, 1, _PACK)
    position, at = _number(header, at)
    count, at = _number(header, at)
    at = _expect(header, at, _SIZE)
    packed, at = _number(header, at)
    while header[at] != _UNPACK:  # further sizes and checksums
        at += 1
    at = _expect(header, at + 1, _FOLDER)
    folders, at = _number(header, at)
    flags = header[at + 1 + 1]
    if count != 1 or folders != 1 or header[at] or header[at + 1] != 1 or flags & 0xD0:
        raise ValueError("more than one coder")
    at += 3
    coder = header[at : at + (flags & 15)]
    at += flags & 15
    properties = b""
    if flags & 0x20:
        size, at = _number(header, at)
        properties, at = header[at : at + size], at + size
    at = _expect(header, at, _UNPACK_SIZE)
    size, at = _number(header, at)
    stream = data[32 + position : 32 + position + packed]
    return _undo(coder, properties, stream, min(size, _MOST_HEADER))


def _undo(coder: bytes, properties: bytes, stream: bytes, size: int) -> bytes:
    if coder == _COPY:
        return stream[:size]
    if coder not in (_LZMA1, _LZMA2):
        raise ValueError("a coder that is not read")
    filters: dict[str, Any] = {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 22}
    if coder == _LZMA1:
        rest, lc = divmod(properties[0], 9)
        pb, lp = divmod(rest, 5)
        filters = {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 22, "lc": lc, "lp": lp, "pb": pb}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[filters]).decompress(stream, size)


def _names(header: bytes) -> Iterator[str]:
    """Every list of names that is to be found: UTF-16, each ended by NUL, behind its property's number and length."""
    at, lists = header.find(_NAMES), 0
    for _ in range(_MOST_PLACES):
        if at < 0 or lists == _MOST_LISTS:
            return
        try:
            size, start = _number(header, at + 1)
        except IndexError:
            return
        field = header[start + 1 : start + size]
        if size > 4 and size % 2 and header[start] == 0 and len(field) == size - 1 and field.endswith(b"\0\0"):
            lists += 1
            text = field.decode("utf-16-le", "replace")
            if "\0\0" not in text:
                yield from text[:-1].split("\0")
                at = start + size - 1
        at = header.find(_NAMES, at + 1)


def _expect(header: bytes, at: int, wanted: int) -> int:
    if header[at] != wanted:
        raise ValueError("not as expected")
    return at + 1


def _number(header: bytes, at: int) -> tuple[int, int]:
    """7z's number: the leading one bits of the first octet say how many octets follow."""
    first, at = header[at], at + 1
    value, mask = 0, 0x80
    for shift in range(0, 64, 8):
        if not first & mask:
            return value + ((first & (mask - 1)) << shift), at
        value |= header[at] << shift
        at += 1
        mask >>= 1
    return value, at
