"""Mail → numbers: which hashed n-grams occur in a mail.  Presence, not counts: counting was measured to ruin it.

Every view has a region of `SLOTS` slots in one table; an n-gram's slot is a multiplicative hash of its bytes.  A
mail is the set of its slots.  Duplicates are dropped through a small stamp table, which also drops one of two
n-grams that share a stamp: about 3 % of a long mail, the same ones each time, for a third of the cost.

4-byte windows: a zero-copy view of overlapping 32-bit words.  Words: a polynomial hash of each by differences of
one prefix sum, so that no loop runs over words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .views import VIEWS, views

if TYPE_CHECKING:
    from ..message import Message

FORMAT = 1
"""Version of everything that decides which slot an n-gram has: views, normalisation, hashing."""
BITS = 20
SLOTS = 1 << BITS

_GRAM = np.uint32(0x9E3779B1)
_POWER = np.uint64(0x5851F42D4C957F2D)
_PAIR = np.uint64(0xD6E8FEB86659FD93)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT32, _SHIFT64 = np.uint32(32 - BITS), np.uint64(64 - BITS)
_STAMP_BITS = 17
_STAMP_MASK = (1 << _STAMP_BITS) - 1
_LONGEST = 16384
_SPACE = 32


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    """``base ** 0 … base ** (count - 1)`` modulo 2^64."""
    value, values = 1, []
    for _ in range(count):
        values.append(value)
        value = value * base & 0xFFFFFFFFFFFFFFFF
    return np.array(values, dtype=np.uint64)


_POWERS = _powers(int(_POWER), _LONGEST + 2)
_INVERSES = _powers(pow(int(_POWER), -1, 1 << 64), _LONGEST + 2)


class Layout(NamedTuple):
    """Which views are used and where each has its region in the table."""

    names: tuple[str, ...]
    grams: tuple[int, ...]
    """Positions of the gram views within ``names``."""
    tokens: tuple[int, ...]
    """Positions of the token views within ``names``."""

    @property
    def slots(self) -> int:
        """Length of the table."""
        return SLOTS * len(self.names)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the model's parts, in the order of `part_of_view`."""
        return tuple(dict.fromkeys(_BY_NAME[name].part for name in self.names))

    @property
    def part_of_view(self) -> tuple[int, ...]:
        """Position of each view's part within `parts`."""
        parts = self.parts
        return tuple(parts.index(_BY_NAME[name].part) for name in self.names)


_BY_NAME = {view.name: view for view in VIEWS}


def layout(names: Sequence[str]) -> Layout:
    """The layout of the views called ``names``.  Raises `KeyError` for a view that does not exist."""
    unknown = set(names) - _BY_NAME.keys()
    if unknown:
        raise KeyError(f"no such view: {', '.join(sorted(unknown))}")
    ordered = tuple(view.name for view in VIEWS if view.name in names)
    kinds = [_BY_NAME[name].kind for name in ordered]
    grams = tuple(i for i, kind in enumerate(kinds) if kind == "grams")
    tokens = tuple(i for i, kind in enumerate(kinds) if kind == "tokens")
    return Layout(ordered, grams, tokens)


class Features(NamedTuple):
    """The n-grams of one mail.

    ``slots``  their slots in the table, view by view, without duplicates; intp.
    ``counts``  how many of them each view has; intp, one per view, never 0.
    """

    slots: NDArray[np.intp]
    counts: NDArray[np.intp]


def gram_slots(data: bytes) -> NDArray[np.uint32]:
    """Slots within a region of all 4-byte windows of ``data``, duplicates included; empty for less than 4 bytes."""
    if len(data) < 4:
        return np.empty(0, np.uint32)
    windows = np.ndarray((len(data) - 3,), "<u4", data, 0, (1,))
    return (windows * _GRAM) >> _SHIFT32


def token_spans(data: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and ends of the words of ``data``, which starts and ends with a space and has no two in a row."""
    spaces = np.flatnonzero(data == _SPACE)
    return spaces[:-1] + 1, spaces[1:]


def token_slots(data: bytes) -> NDArray[np.uint64]:
    """Slots within a region of all words of ``data``, then of all pairs of neighbours, duplicates included."""
    if not data:
        return np.empty(0, np.uint64)
    octets = np.frombuffer(b" " + data[:_LONGEST] + b" ", np.uint8)
    starts, ends = token_spans(octets)
    sums = np.cumsum(octets * _POWERS[: len(octets)])
    words = (sums[ends - 1] - sums[starts - 1]) * _INVERSES[starts]
    pairs = words[:-1] * _PAIR + words[1:]
    return (np.concatenate((words, pairs)) * _MIX) >> _SHIFT64


class Extractor:
    """Features of mails for one layout.  Holds a stamp table, so one per thread."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._stamps = np.zeros(_STAMP_MASK + 1, np.uint16)
        self._order = np.arange(1 << 16, dtype=np.uint16)

    def extract(self, message: Message) -> Features:
        """Features of one mail."""
        return self.hash(views(message, self.layout.names))

    def hash(self, texts: Sequence[bytes]) -> Features:
        """Features of views that are made already, in the order of the layout.

        The first slot of each region stands in every mail: a part's constant.
        """
        pieces: list[NDArray[np.intp]] = []
        starts: list[int] = []
        total = 0
        for position, text in enumerate(texts):
            make = gram_slots if position in self.layout.grams else token_slots
            found = make(text)
            piece = np.empty(len(found) + 1, np.intp)
            piece[0] = 0
            piece[1:] = found
            piece += position << BITS
            pieces.append(piece)
            starts.append(total)
            total += len(piece)
        slots = np.concatenate(pieces)
        order = self._order[:total]
        places = slots & _STAMP_MASK
        self._stamps[places] = order
        kept = self._stamps[places] == order
        kept[starts] = True
        counts = np.add.reduceat(kept, starts, dtype=np.intp)
        return Features(slots[kept], counts)


def extract(message: Message, used: Layout) -> Features:
    """Features of one mail; for many, an `Extractor` is cheaper."""
    return Extractor(used).extract(message)
