"""The members of a zip file, found by signature.

Readers differ on which of a zip's two lists of members counts, and on what precedes or follows them.  Both lists are
looked at wherever they stand: local file headers and central directory headers (APPNOTE 4.3.7 and 4.3.12).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

MOST = 10_000
"""Headers of either kind that are looked at in one file."""
LONGEST = 1024
"""Bytes of a name that are looked at."""

_LOCAL = struct.Struct("<4s2xHH8xLLHH")
_CENTRAL = struct.Struct("<4s4xHH8xLLH16x")
_LAYOUTS = ((b"PK\x03\x04", _LOCAL), (b"PK\x01\x02", _CENTRAL))
_ENCRYPTED = 0x1
_UTF8 = 0x800
STORED, DEFLATED = 0, 8


class Entry(NamedTuple):
    """One header: the member's name as written, and whether it is marked as encrypted.

    ``size`` and ``packed`` are octets as the header has them, 0 where it leaves them open; ``start`` is where the
    content begins, 0 for an entry of the central directory.
    """

    name: str
    encrypted: bool
    method: int = 0
    size: int = 0
    packed: int = 0
    start: int = 0


def zip_entries(data: bytes, most: int = MOST) -> Iterator[Entry]:
    """Members by every header found, local headers first; a name may come twice.

    Ends a list after ``most`` and one more.
    """
    for signature, layout in _LAYOUTS:
        at = data.find(signature)
        for _ in range(most + 1):
            if at < 0 or at + layout.size > len(data):
                break
            yield _entry(data, at, layout)
            at = data.find(signature, at + len(signature))


def _entry(data: bytes, at: int, layout: struct.Struct) -> Entry:
    _, flags, method, packed, size, length, *more = layout.unpack_from(data, at)
    begin = at + layout.size
    name = data[begin : begin + min(length, LONGEST)].decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    start = begin + length + more[0] if more else 0
    return Entry(name, bool(flags & _ENCRYPTED), method, size, packed, start)
