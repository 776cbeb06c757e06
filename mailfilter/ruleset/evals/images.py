"""Functions about images: how many parts are some, and how large they are on the screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, NamedTuple

from ..facts import Facts
from ._common import Query, once

_KINDS = {"image/gif": "gif", "image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg"}
MAX_SEGMENTS = 1000


class Pixels(NamedTuple):
    """Images and their area by kind; ``"all"`` is the sum."""

    counts: dict[str, int]
    areas: dict[str, int]


def pixels(facts: Facts) -> Pixels:
    """GIF, PNG and JPEG parts; the area of those whose size can be read."""
    counts, areas = {"all": 0}, {"all": 0}
    for part in facts.leaves:
        kind = _KINDS.get(part.content_type)
        found = _SIZES[kind](part.data) if kind else None
        for name in (kind, "all") if kind else ():
            counts[name] = counts.get(name, 0) + 1
            areas[name] = areas.get(name, 0) + (found[0] * found[1] if found else 0)
    return Pixels(counts, areas)


def _gif(data: bytes) -> tuple[int, int] | None:
    if data[:4] != b"GIF8" or len(data) < 13:
        return None
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")


def _png(data: bytes) -> tuple[int, int] | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


_FRAME = re.compile(rb"[\xc0-\xcf]")
_NO_FRAME = b"\xc4\xc8\xcc"


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Size in the first frame header (ITU-T T.81, B.2.2)."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    for _ in range(MAX_SEGMENTS):
        if data[at : at + 1] != b"\xff" or at + 9 > len(data):
            return None
        marker = data[at + 1 : at + 2]
        if _FRAME.match(marker) and marker not in _NO_FRAME:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


_SIZES = {"gif": _gif, "png": _png, "jpeg": _jpeg}


def _between(arguments: Sequence[str]) -> Callable[[float], bool]:
    low, high = float(arguments[1]), float(arguments[2]) if len(arguments) > 2 else inf
    return lambda value: low <= value <= high


def _image_count(arguments: Sequence[str]) -> Callable[[Pixels], bool]:
    kind, fits = arguments[0], _between(arguments)
    return lambda found: fits(found.counts.get(kind, 0))


def _pixel_coverage(arguments: Sequence[str]) -> Callable[[Pixels], bool]:
    kind, fits = arguments[0], _between(arguments)
    return lambda found: fits(found.areas.get(kind, 0))


class Ratios(NamedTuple):
    """Octets of text, and the images for each pixel of which they are counted."""

    text: int
    pixels: Pixels


def _text_ratio(family: str) -> Query[Ratios]:
    """Octets of text, of HTML as it stands in a rawbody rule, for each pixel of the images."""

    def fact(facts: Facts) -> Ratios | None:
        found = once(facts, pixels)
        if not found.areas["all"]:
            return None
        lines = facts.chunks if family == "rawbody" else facts.paragraphs
        return Ratios(sum(map(len, lines)), found)

    def test(arguments: Sequence[str]) -> Callable[[Ratios], bool]:
        kind, low, high = arguments[0], float(arguments[1]), float(arguments[2])

        def hits(found: Ratios) -> bool:
            area = found.pixels.areas.get(kind, 0)
            return area > 0 and low <= round(found.text / area, 3) <= high

        return hits

    return Query(fact, test)


def _pixels(facts: Facts) -> Pixels:
    return once(facts, pixels)


FUNCTIONS: dict[str, Query[Any]] = {
    "image_count": Query(_pixels, _image_count),
    "pixel_coverage": Query(_pixels, _pixel_coverage),
}
"""Name in rule files → what it asks."""
OF_FAMILY: dict[str, Callable[[str], Query[Any]]] = {"image_to_text_ratio": _text_ratio}
"""Name in rule files → what makes the query for rules of one kind (``"body"``, ``"rawbody"``)."""
