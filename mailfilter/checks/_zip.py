"""The member names of a zip file, found by signature; nothing is unpacked.

Readers differ on which of a zip's two lists of members counts, and on what precedes or follows them.  Both lists are
looked at wherever they stand: local file headers and central directory headers (APPNOTE 4.3.7 and 4.3.12).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MOST = 2000
"""Headers of either kind that are looked at in one file."""
LONGEST = 1024
"""Bytes of a name that are looked at."""

_LAYOUTS = ((b"PK\x03\x04", 6, 26, 30), (b"PK\x01\x02", 8, 28, 46))
"""Signature, offset of the flags, offset of the name's length, offset of the name."""
_ENCRYPTED = 0x1
_UTF8 = 0x800


class Entry(NamedTuple):
    """One header: the member's name as written, and whether it is marked as encrypted."""

    name: str
    encrypted: bool


def zip_entries(data: bytes) -> Iterator[Entry]:
    """Members by every header found, local headers first; a name may come twice."""
    for signature, flags_at, length_at, name_at in _LAYOUTS:
        at = data.find(signature)
        for _ in range(MOST):
            if at < 0 or at + name_at > len(data):
                break
            flags = _number(data, at + flags_at)
            length = min(_number(data, at + length_at), LONGEST)
            name = data[at + name_at : at + name_at + length]
            yield Entry(name.decode("utf-8" if flags & _UTF8 else "cp437", "replace"), bool(flags & _ENCRYPTED))
            at = data.find(signature, at + len(signature))


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")
