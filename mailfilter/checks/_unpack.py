"""Bounded unpacking: what one mail's archives may cost, and streams that are decompressed no further than that."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 8
"""Archives within archives that are looked into."""
MAX_MEMBERS = 10_000
"""Members, of all archives of one mail, that are looked at."""
MAX_WORK = 32 << 20
"""Octets that are unpacked for one mail; a slow method's count for more."""
MAX_OPEN = 12 << 20
"""Octets of one archive within another that are unpacked."""
BOMB_SIZE = 100 << 20
"""Octets that an archive has to unpack to before it is called a bomb."""
BOMB_RATIO = 100
"""How many times its own size that has to be."""

_CHUNK = 65_536
_SAMPLE = 2 << 20
_MEASURED = 64 << 20
_MOST_STREAMS = 50
_LZMA_MEMORY = 64 << 20
_FAULTS = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError)


class Bomb(Exception):
    """An archive that is made to exhaust whoever unpacks it; the text says how."""


class Unread(Exception):
    """An archive, or the rest of one, that was not looked into; the text says why."""


@dataclass(slots=True)
class Budget:
    """What is left to spend on one mail, and what its archives claim to hold.

    ``size``  octets of the archives that are attached; ``claimed``  octets that all archives claim to unpack to.
    """

    members: int = MAX_MEMBERS
    work: int = MAX_WORK
    size: int = 0
    claimed: int = 0

    def take_member(self) -> None:
        """One member more; raises `Bomb` when there are too many."""
        self.members -= 1
        if self.members < 0:
            raise Bomb(f"more than {MAX_MEMBERS} members")

    def take_work(self, octets: int) -> None:
        """Octets that were unpacked; raises `Unread` when it was all that one mail gets."""
        self.work -= octets
        if self.work < 0:
            raise Unread(f"more than {MAX_WORK >> 20} MB to unpack")

    def claim(self, octets: int) -> None:
        """What one archive says that it unpacks to; raises `Bomb` when all of them are beyond measure."""
        self.claimed += octets
        if self.claimed >= BOMB_SIZE and self.claimed >= BOMB_RATIO * self.size:
            raise Bomb(f"{self.size} octets say that they unpack to {self.claimed >> 20} MB")


_COST = {"deflate": 1, "gzip": 1, "xz": 2, "bzip2": 6, "zlib": 1}
"""What an octet of each method's output costs, in octets of the fastest one's."""
_ENGINES: dict[str, Callable[[], Any]] = {
    "deflate": lambda: zlib.decompressobj(-15),
    "zlib": zlib.decompressobj,
    "gzip": lambda: zlib.decompressobj(31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY),
}


def unpack(method: str, data: bytes | memoryview, limit: int, budget: Budget) -> bytes:
    """Up to ``limit`` octets of what a stream holds; a damaged one ends there.  Raises `Unread` if it is too much."""
    out = bytearray()
    for piece, _ in pieces(method, data):
        budget.take_work(len(piece) * _COST[method])
        out += piece
        if len(out) >= limit:
            break
    return bytes(out[:limit])


def peek(method: str, data: bytes | memoryview, size: int = 64) -> bytes:
    """The first few octets of what a stream holds."""
    try:
        return bytes(_ENGINES[method]().decompress(bytes(data[: size + 448]), size))
    except _FAULTS:
        return b""


def measure(method: str, data: bytes | memoryview, budget: Budget) -> None:
    """Raise `Bomb` where a stream unpacks to very many times its size; one that begins at a usual rate is left alone.

    The output is thrown away.  A slow method's stream is called a bomb sooner, at a rate that is the higher.
    """
    most, seen = min(_MEASURED, BOMB_SIZE // _COST[method]), 0
    for piece, read in pieces(method, data):
        seen += len(piece)
        if seen >= most:
            raise Bomb(f"{read} octets unpack to more than {most >> 20} MB")
        if seen >= _SAMPLE and seen < BOMB_RATIO * _COST[method] * (read - _CHUNK):
            break
    budget.take_work(max(min(seen, _SAMPLE), seen // 4) * _COST[method])


def pieces(method: str, data: bytes | memoryview) -> Iterator[tuple[bytes, int]]:
    """What a stream holds, a piece at a time, and how much was read for it; streams in a row are one, as for gunzip."""
    view, at = memoryview(data), 0
    for _ in range(_MOST_STREAMS):
        engine = _ENGINES[method]()
        try:
            while not engine.eof:
                tail = getattr(engine, "unconsumed_tail", b"")
                if not tail and getattr(engine, "needs_input", True):
                    tail = view[at : at + _CHUNK]
                    at += len(tail)
                    if not tail:
                        return
                yield engine.decompress(tail, _CHUNK), at
        except _FAULTS:
            return
        at -= len(engine.unused_data)
        if method in ("deflate", "zlib") or at >= len(view):
            return
