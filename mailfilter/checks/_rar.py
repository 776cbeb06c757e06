"""The members of a rar file, version 4 and 5, by the block headers of RARLAB's technical notes; nothing is unpacked."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

RAR4, RAR5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"

_MOST_BLOCKS = 50_000
_MAIN4, _FILE4, _END4 = 0x73, 0x74, 0x7B
_FILE5, _ENCRYPTION5, _END5 = 2, 4, 5
_HEADER4 = struct.Struct("<xxBHH")
_FILE_HEADER4 = struct.Struct("<LLxLLxxHL")


class RarEntry(NamedTuple):
    """A member; with encrypted headers there is one, without a name."""

    name: str
    encrypted: bool
    size: int = 0


def rar_entries(data: bytes) -> Iterator[RarEntry]:
    """Members in their order, until what follows is no header; a program may stand before the archive."""
    for signature, read in ((RAR5, _entries5), (RAR4, _entries4)):
        at = data.find(signature)
        if at >= 0:
            with contextlib.suppress(struct.error, IndexError):
                yield from read(data, at + len(signature))
            return


def _entries4(data: bytes, at: int) -> Iterator[RarEntry]:
    for _ in range(_MOST_BLOCKS):
        kind, flags, size = _HEADER4.unpack_from(data, at)
        if kind == _MAIN4 and flags & 0x80:
            yield RarEntry("", True)
            return
        if size < _HEADER4.size or kind == _END4:
            return
        more = 0
        if kind == _FILE4:
            packed, unpacked, _, _, length, _ = _FILE_HEADER4.unpack_from(data, at + _HEADER4.size)
            start = at + _HEADER4.size + _FILE_HEADER4.size
            if flags & 0x100:
                high = struct.unpack_from("<LL", data, start)
                packed, unpacked, start = packed + (high[0] << 32), unpacked + (high[1] << 32), start + 8
            yield RarEntry(_name4(data[start : start + min(length, 4096)]), bool(flags & 0x04), unpacked)
            more = packed
        elif flags & 0x8000:
            (more,) = struct.unpack_from("<L", data, at + _HEADER4.size)
        at += size + more


def _name4(field: bytes) -> str:
    """A name in the sender's charset, followed by NUL and what turns it into Unicode; the ending is the same."""
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _entries5(data: bytes, at: int) -> Iterator[RarEntry]:
    for _ in range(_MOST_BLOCKS):
        size, start = _vint(data, at + 4)
        end = start + size
        kind, at = _vint(data, start)
        flags, at = _vint(data, at)
        if kind == _ENCRYPTION5:
            yield RarEntry("", True)
            return
        extra = packed = 0
        if flags & 1:
            extra, at = _vint(data, at)
        if flags & 2:
            packed, at = _vint(data, at)
        if kind == _FILE5:
            yield _file5(data, at, data[max(at, end - extra) : end])
        if kind == _END5 or not size:
            return
        at = end + packed


def _file5(data: bytes, at: int, extra: bytes) -> RarEntry:
    flags, at = _vint(data, at)
    size, at = _vint(data, at)
    _, at = _vint(data, at)  # attributes
    at += 4 * bool(flags & 2) + 4 * bool(flags & 4)  # time, checksum
    _, at = _vint(data, at)  # method
    _, at = _vint(data, at)  # system
    length, at = _vint(data, at)
    name = data[at : at + min(length, 4096)].decode("utf-8", "replace")
    return RarEntry(name, _has_record(extra, 1), 0 if flags & 8 else size)


def _has_record(extra: bytes, wanted: int) -> bool:
    """Whether an extra area has a record of this type (1: the file is encrypted)."""
    at = 0
    while at < len(extra):
        size, start = _vint(extra, at)
        if start < len(extra) and _vint(extra, start)[0] == wanted:
            return True
        at = start + max(size, 1)
    return False


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length and where it ends; `IndexError` beyond the data."""
    value = shift = 0
    while True:
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80 or shift > 63:
            return value, at
