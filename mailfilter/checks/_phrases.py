"""Thousands of phrases in the texts of a batch of mails, in a few microseconds a mail.

A phrase is found by an *anchor*, eight bytes of it.  The text is looked at in steps of two bytes, so of each phrase two
neighbouring anchors are kept and one of them always lies on a step.  All steps of all texts are hashed at once and
looked up in a table of bits; what is left over (about two places a mail) is compared byte for byte.  The work grows
with the length of the text and with nothing else.

The idea is that of q-gram filters (Rabin and Karp 1987 for many patterns), sampled like those of `grep -F`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ..kernel import native

ANCHOR, STEP = 8, 2
SHORTEST = ANCHOR + STEP - 1
"""Bytes of a phrase, the blanks around it counted, that its anchors need."""
_BITS = 20
_FIRST, _SECOND = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77)
_SHIFT = np.uint32(32 - _BITS)

_BLANK = "\t\n\v\f\r-/_\\|=+~<>"
_DROPPED = b"\0'\"`!#$%&()*,.:;?@[]^{}"
_TABLE = bytes(ord(" ") if chr(code) in _BLANK else code + 32 if 65 <= code <= 90 else code for code in range(256))
_KEPT = bytes(0 if code in _DROPPED else _TABLE[code] for code in range(256))
"""The same for the kernel: 0 for what is dropped."""
_UNSEEN = re.compile(rb"\xe2(?:\x80[\x8b-\x8f\x98-\x9e\xa6]|\x81\xa0)")
"""Zero-width characters, curly quotes and dots, in UTF-8."""
_ALSO_UNSEEN = re.compile(rb"\xc2[\xad\xb4]|\xcd\x8f|\xef\xbb\xbf")
"""Soft hyphen, accent, joiner, byte order mark."""
_GAP = re.compile(rb"\xe2\x80[\x93\x94]|\xc2\xa0")
"""Dashes and the no-break space."""
_STYLED = (b"\xf0\x9d", b"\xf0\x9f\x84", b"\xf0\x9f\x85", b"\xef\xbc", b"\xef\xbd", b"\xe2\x93")
"""Beginnings of letters that stand for plain ones: mathematical, in squares, full-width, in circles."""


def plain(text: str) -> bytes:
    """``text`` as it is compared: lower case, one blank before it and one behind, no punctuation, nothing unseen.

    Letters that only look different (mathematical, full-width) are those that they stand for (NFKC, Unicode Annex 15).
    """
    if native is not None:
        made = native.phrase_text(text, _KEPT)
        return bytes(native.phrase_text(_lowered(text), _KEPT) if made is None else made)
    if text.isascii():
        raw = text.encode()
    else:
        raw = _lowered(text)
        if b"\xe2" in raw:
            raw = _UNSEEN.sub(b"", raw)
        if b"\xc2" in raw or b"\xcd" in raw or b"\xef" in raw:
            raw = _ALSO_UNSEEN.sub(b"", raw)
        if b"\xe2" in raw or b"\xc2" in raw:
            raw = _GAP.sub(b" ", raw)
    return b" %b " % raw.replace(b" \n", b" ").translate(_TABLE, _DROPPED)


def _lowered(text: str) -> bytes:
    """A text that is not ASCII in lower case, its letters those that they stand for; UTF-8."""
    raw = text.lower().encode("utf-8", "replace")
    if (b"\xf0" in raw or b"\xef" in raw or b"\xe2" in raw) and any(map(raw.__contains__, _STYLED)):
        return unicodedata.normalize("NFKC", text).lower().encode("utf-8", "replace")
    return raw


class Phrases:
    """Finds phrases by number; ``phrases`` as people write them, none shorter than `SHORTEST` in `plain` form.

    Raises ValueError for a phrase that is too short or stands twice.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self.texts = tuple(plain(phrase) for phrase in phrases)
        if short := [text.decode().strip() for text in self.texts if len(text) < SHORTEST]:
            raise ValueError(f"too short to be found: {', '.join(short)}")
        if len(set(self.texts)) < len(self.texts):
            raise ValueError("a phrase stands twice")
        self._anchors: dict[bytes, list[tuple[int, int]]] = {}
        self._table = np.zeros(1 << _BITS, np.bool_)
        for number, text in enumerate(self.texts):
            start = _rarest(text)
            for at in range(start, start + STEP):
                self._anchors.setdefault(text[at : at + ANCHOR], []).append((number, at))
        words = np.frombuffer(b"".join(self._anchors), "<u4")
        self._table[_hashed(words[::2], words[1::2])] = True
        self._bits = np.packbits(self._table, bitorder="little").tobytes()

    def find(self, texts: Sequence[bytes]) -> list[list[int]]:
        """Numbers of the phrases in each text (in `plain` form), each once, in the order of their place."""
        padded = [text + b"\0" * (-len(text) % 4) for text in texts]
        together = b"".join([*padded, b"\0\0\0\0\0\0\0\0"])
        found: list[list[int]] = [[] for _ in texts]
        places = self._places(together)
        if not places:
            return found
        ends = list(accumulate(map(len, padded)))
        standing, phrases = self._anchors.get, self.texts
        for place in places:
            for number, at in standing(together[place : place + ANCHOR], ()):
                if place >= at and together.startswith(phrases[number], place - at):
                    found[bisect_right(ends, place)].append(number)
        return [list(dict.fromkeys(numbers)) if numbers else numbers for numbers in found]

    def _places(self, together: bytes) -> list[int]:
        """Places, on steps of two bytes, where an anchor may stand, in order; ``together`` is whole words of four."""
        if native is not None:
            places: list[int] = native.anchors(together, self._bits)
            return places
        even, odd = np.frombuffer(together, "<u4"), np.frombuffer(together, "<u4", len(together) // 4 - 1, 2)
        first = self._table.take(_hashed(even[:-1], even[1:])).nonzero()[0]
        second = self._table.take(_hashed(odd[:-1], odd[1:])).nonzero()[0]
        return sorted([*(first * 4).tolist(), *(second * 4 + 2).tolist()])


def _hashed(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Hashes of two words each, (n,)."""
    return np.asarray((first * _FIRST ^ second * _SECOND) >> _SHIFT)


def _rarest(text: bytes) -> int:
    """Where the anchors begin: across a gap between two words if there is one, with few letters of short words.

    Words are common and pairs of words are not; what stands at a gap is compared least often.
    """
    words = text.split(b" ")
    sums = list(accumulate(b"\0".join([_LENGTHS[min(len(word), 9)] * len(word) for word in words]), initial=0))
    last, gap, places = len(text) - SHORTEST, 0, []
    for word in words[1:-2]:
        gap += len(word) + 1
        places += [at for at in (gap - 5, gap - 4, gap - 3) if 0 <= at <= last]
    return max(places or range(last + 1), key=lambda at: sums[at + SHORTEST] - sums[at])


_LENGTHS = tuple(bytes([length]) for length in range(10))
