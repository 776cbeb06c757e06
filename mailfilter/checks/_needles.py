"""Which of a few rare strings are in a text: one call for all of them, which most texts are done with."""

from __future__ import annotations

import sys

from ..kernel import native

_COMMON = "etaoinsrhldcumfpgwybvkxjqz -.,/<>=\n"
"""Octets from the most common on; what is not here is rarer."""


class Needles:
    """Up to 31 needles, ASCII and not empty; bit ``n`` of what is found stands for the needle ``n``."""

    def __init__(self, *needles: str) -> None:
        self._texts = needles
        self._octets = tuple(needle.encode("ascii") for needle in needles)
        self._pivots = bytes(map(_rarest, needles))

    def within(self, text: str, limit: int = sys.maxsize) -> int:
        """Bits of the needles that lie within the first ``limit`` characters."""
        if native is not None:
            found: int | None = native.holds(text, self._octets, self._pivots, limit)
            if found is not None:
                return found
        return sum([(text.find(needle, 0, limit) >= 0) << n for n, needle in enumerate(self._texts)])

    def in_bytes(self, data: bytes, limit: int = sys.maxsize) -> int:
        """The same of the first ``limit`` octets, in upper or lower case; the needles are to be in lower case."""
        if native is not None:
            return int(native.holds(data, self._octets, self._pivots, limit))
        text = data[:limit].lower()
        return sum([(needle in text) << n for n, needle in enumerate(self._octets)])


def _rarest(needle: str) -> int:
    """Place of the octet that a search stops at least often."""
    return max(range(len(needle)), key=lambda at: _COMMON.find(needle[at]) % 256)
