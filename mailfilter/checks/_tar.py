"""The members of a tar file, by its headers (POSIX pax, ustar, GNU long names)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_BLOCK = 512
_LONGEST = 4096


class TarEntry(NamedTuple):
    """A member's name, and where its content lies."""

    name: str
    start: int
    size: int


def is_tar(data: bytes) -> bool:
    """Whether the data begins with a tar header: its magic, or a checksum that is right."""
    return data[257:262] == b"ustar" or (len(data) >= _BLOCK and _checksum_is_right(data[:_BLOCK]))


def tar_entries(data: bytes) -> Iterator[TarEntry]:
    """Members in their order, until what follows is no header."""
    at, name = 0, ""
    while at + _BLOCK <= len(data):
        header = data[at : at + _BLOCK]
        at += _BLOCK
        if not header.strip(b"\0"):
            continue
        size = _number(header[124:136])
        if size < 0 or not _checksum_is_right(header):
            return
        kind = header[156:157]
        if kind == b"L":
            name = _text(data[at : at + min(size, _LONGEST)])
        elif kind in b"xX":
            name = _pax_path(data[at : at + min(size, _LONGEST)]) or name
        elif kind != b"g":
            yield TarEntry(name or _ustar_name(header), at, size if kind in (b"0", b"\0", b"7") else 0)
            name = ""
        at += -(-size // _BLOCK) * _BLOCK


def _checksum_is_right(header: bytes) -> bool:
    return _number(header[148:156]) == sum(header[:148]) + 256 + sum(header[156:])


def _number(field: bytes) -> int:
    """Octal digits, or base 256 where the first bit is set; -1 for neither."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        return -1


def _ustar_name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _pax_path(records: bytes) -> str:
    """The path among ``LENGTH KEY=VALUE`` records, ``""`` if it is not there."""
    for record in records.split(b"\n"):
        _, _, pair = record.partition(b" ")
        if pair.startswith(b"path="):
            return _text(pair[5:])
    return ""


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")
