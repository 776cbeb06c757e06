"""Mail → numbers: which hashed n-grams occur in a mail.  Presence, not counts: counting was measured to ruin it.

Every view has a region of `SLOTS` slots in one table; an n-gram's slot is a multiplicative hash of its bytes.  A
mail is the set of its slots.

The views of a whole batch are hashed side by side, since calls cost more than bytes do: 4-byte windows as a
zero-copy view of overlapping 32-bit words; words by differences of one prefix sum of a polynomial hash, so that no
loop runs over words.  Row (mail and view) and slot together are one 32-bit key, so one sort drops the duplicates,
exactly, and leaves the slots of each row in ascending order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .views import VIEWS, views

if TYPE_CHECKING:
    from ..message import Message

FORMAT = 2
"""Version of everything that decides which slot an n-gram has: views, normalisation, hashing."""
BITS = 20
SLOTS = 1 << BITS

_GRAM = np.uint32(0x9E3779B1)
_POWER = np.uint64(0x5851F42D4C957F2D)
_PAIR = np.uint64(0xD6E8FEB86659FD93)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT32, _SHIFT64 = np.uint32(32 - BITS), np.uint64(64 - BITS)
_LONGEST = 16384
_SPACE = 32
_ROWS = 1 << (32 - BITS)
"""Rows (mails times views) that keys can tell apart; a longer batch is hashed in pieces."""


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    """``base ** 0 … base ** (count - 1)`` modulo 2^64."""
    factors = np.full(count, base, np.uint64)
    factors[0] = 1
    powers: NDArray[np.uint64] = np.multiply.accumulate(factors)
    return powers


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
    def kinds(self) -> bytes:
        """Of each view whether it is read as words (1) or as windows (0)."""
        return _kinds(self.names)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the model's parts, in the order of `part_of_view`."""
        return _parts(self.names)

    @property
    def part_of_view(self) -> tuple[int, ...]:
        """Position of each view's part within `parts`."""
        return _part_of_view(self.names)


_BY_NAME = {view.name: view for view in VIEWS}


@cache
def _parts(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_BY_NAME[name].part for name in names))


@cache
def _kinds(names: tuple[str, ...]) -> bytes:
    return bytes(_BY_NAME[name].kind == "tokens" for name in names)


@cache
def _part_of_view(names: tuple[str, ...]) -> tuple[int, ...]:
    parts = _parts(names)
    return tuple(parts.index(_BY_NAME[name].part) for name in names)


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
    """The n-grams of one mail, or of a batch.

    ``slots``  their slots in the table, mail by mail and view by view, ascending, without duplicates; intp.
    ``counts``  how many of them each view has, never 0; intp, (views,) for one mail, (mails, views) for a batch.
    """

    slots: NDArray[np.intp]
    counts: NDArray[np.intp]


def gram_slots(data: bytes) -> NDArray[np.uint32]:
    """Slots within a region of all 4-byte windows of ``data``, duplicates included; empty for less than 4 bytes."""
    if len(data) < 4:
        return np.empty(0, np.uint32)
    windows: NDArray[np.uint32] = np.ndarray((len(data) - 3,), "<u4", data, 0, (1,))
    return (windows * _GRAM) >> _SHIFT32


def token_spans(data: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and ends of the words of ``data``, which starts and ends with a space."""
    spaces = np.flatnonzero(data == _SPACE)
    starts, ends = spaces[:-1] + 1, spaces[1:]
    words = ends > starts
    return starts[words], ends[words]


def token_slots(data: bytes) -> NDArray[np.uint32]:
    """Slots within a region of all words of ``data``, then of all pairs of neighbours, duplicates included."""
    return _token_keys([data], [0])


def _gram_keys(texts: Sequence[bytes], rows: Sequence[int]) -> NDArray[np.uint32]:
    """Keys of all windows of ``texts``, each of which is of one row."""
    joined = b"".join(texts)
    if len(joined) < 4:
        return np.empty(0, np.uint32)
    lengths = np.array([len(text) for text in texts])
    keys = gram_slots(joined)
    keys |= np.repeat(_heads(rows), lengths)[:-3]
    whole = np.ones(len(joined), np.bool_)
    ends = np.cumsum(lengths)
    # Windows that begin in a text's last three bytes reach into the next text.
    for back in (1, 2, 3):
        whole[ends - back] = False
    return keys[whole[:-3]]


def _token_keys(texts: Sequence[bytes], rows: Sequence[int]) -> NDArray[np.uint32]:
    """Keys of all words of ``texts`` and of all pairs of neighbours, each text of one row."""
    octets = np.frombuffer(b"".join([b" %b " % text[:_LONGEST] for text in texts]), np.uint8)
    lengths = np.array([min(len(text), _LONGEST) + 2 for text in texts])
    starts, ends = token_spans(octets)
    firsts = np.cumsum(lengths) - lengths
    places = np.arange(len(octets)) - np.repeat(firsts, lengths)
    sums = np.cumsum(octets * _POWERS[places])
    words = (sums[ends - 1] - sums[starts - 1]) * _INVERSES[places[starts]]
    heads = np.repeat(_heads(rows), lengths)[starts]
    pairs = words[:-1] * _PAIR + words[1:]
    neighbours = starts[1:] == ends[:-1] + 1
    neighbours &= heads[1:] == heads[:-1]
    hashes = np.concatenate((words, pairs[neighbours]))
    keys: NDArray[np.uint32] = ((hashes * _MIX) >> _SHIFT64).astype(np.uint32)
    keys |= np.concatenate((heads, heads[1:][neighbours]))
    return keys


def _heads(rows: Sequence[int]) -> NDArray[np.uint32]:
    """Keys of the first slot of ``rows``."""
    return np.array(rows, np.uint32) << np.uint32(BITS)


class Extractor:
    """Features of mails for one layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def extract(self, message: Message) -> Features:
        """Features of one mail."""
        return self.hash(views(message, self.layout.names))

    def extract_many(self, messages: Sequence[Message]) -> Features:
        """Features of a batch."""
        return self.hash_many([views(message, self.layout.names) for message in messages])

    def hash(self, texts: Sequence[bytes]) -> Features:
        """Features of one mail whose views are made already, in the order of the layout."""
        slots, counts = self.hash_many([texts])
        return Features(slots, counts[0])

    def hash_in_order(self, texts: Sequence[bytes]) -> Features:
        """`hash` with each view's slots in the order in which they first stand in its text; slower, for training."""
        keys = self._keys([texts])
        first = np.sort(np.unique(keys, return_index=True)[1])
        keys = keys[first]
        views_of_keys = (keys >> np.uint32(BITS)).astype(np.intp)
        order = np.argsort(views_of_keys, kind="stable")
        return Features(keys[order].astype(np.intp), np.bincount(views_of_keys, minlength=len(self.layout.names)))

    def hash_many(self, mails: Sequence[Sequence[bytes]]) -> Features:
        """Features of a batch of mails whose views are made already.

        The first slot of each region stands in every mail: a part's constant.
        """
        most = _ROWS // len(self.layout.names)
        pieces = [self._hash(mails[start : start + most]) for start in range(0, len(mails), most)]
        if len(pieces) == 1:
            return pieces[0]
        slots = np.concatenate([piece.slots for piece in pieces] or [np.empty(0, np.intp)])
        empty = np.empty((0, len(self.layout.names)), np.intp)
        return Features(slots, np.concatenate([piece.counts for piece in pieces] or [empty]))

    def _keys(self, mails: Sequence[Sequence[bytes]]) -> NDArray[np.uint32]:
        """Keys of everything in a batch, that of each row's constant first; duplicates included."""
        used = self.layout
        width = len(used.names)
        rows = range(0, len(mails) * width, width)
        pieces = [_heads(range(len(mails) * width))]
        for kind, make in ((used.grams, _gram_keys), (used.tokens, _token_keys)):
            if kind:
                texts = [mail[view] for mail in mails for view in kind]
                pieces.append(make(texts, [row + view for row in rows for view in kind]))
        return np.concatenate(pieces)

    def _hash(self, mails: Sequence[Sequence[bytes]]) -> Features:
        width = len(self.layout.names)
        heads = _heads(range(len(mails) * width))
        keys = self._keys(mails)
        keys.sort()
        first = np.empty(len(keys), np.bool_)
        first[:1] = True
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        keys = keys[first]
        counts = np.diff(np.searchsorted(keys, heads), append=len(keys))
        slots = keys.astype(np.intp)
        # A key holds the row of the whole batch; the table has a region per view only.
        regions = np.arange(len(heads)) // width * width << BITS
        slots -= np.repeat(regions, counts)
        return Features(slots, counts.reshape(len(mails), width))


def extract(message: Message, used: Layout) -> Features:
    """Features of one mail."""
    return Extractor(used).extract(message)
