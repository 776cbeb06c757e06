"""Documents that act: PDF that runs a script or a program, web pages that put a file together, RTF with objects in it.

Searched by the words that the readers look for; nothing is interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from ._needles import Needles
from ._unpack import Budget, Unread, unpack

LONGEST = 4 << 20
"""Octets of one document that are looked at."""
_MOST_STREAMS = 30
"""Compressed object streams of one PDF that are looked into."""
_STREAM_SIZE = 1 << 20

_MOST_NAMES = 20_000
"""Escaped names of one PDF that are looked at."""

_PDF_NAME = re.compile(rb"/(JavaScript|JS|Launch)(?![A-Za-z0-9#])")
_PDF_ESCAPED = re.compile(rb"/[A-Za-z]{0,10}#[0-9A-Fa-f]{2}[A-Za-z0-9#]{0,30}")
_PDF_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_OBJECT_STREAM = re.compile(rb"/ObjStm\b")

_PUTS_TOGETHER = (b"atob(", b"fromcharcode", b"uint8array", b";base64,", b"decodeuricomponent(", b"unescape(")
_HANDS_OUT = (
    b"new blob(", b"createobjecturl", b"mssaveoropenblob", b"mssaveblob", b".download=", b".download =",
    b"setattribute('download'", b'setattribute("download"',
)  # fmt: skip
_SCRIPT = Needles("<script", "onload")

_RTF_OBJECTS = (b"\\objdata", b"\\objupdate", b"\\objautlink")


def pdf_actions(data: bytes, budget: Budget) -> Iterator[str]:
    """``script`` and ``launch``, each once, where a PDF has such an action, also within compressed objects."""
    found: set[str] = set()
    for text in _pdf_texts(data[:LONGEST], budget):
        for escaped in islice(_PDF_ESCAPED.finditer(text), _MOST_NAMES):
            name = _PDF_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), escaped[0])
            found.update("launch" if match[1] == b"Launch" else "script" for match in _PDF_NAME.finditer(name))
        found.update("launch" if match[1] == b"Launch" else "script" for match in _PDF_NAME.finditer(text))
    yield from sorted(found)


def _pdf_texts(data: bytes, budget: Budget) -> Iterator[bytes]:
    yield data
    for number, match in enumerate(_OBJECT_STREAM.finditer(data)):
        start = data.find(b"stream", match.end(), match.end() + 500)
        if number >= _MOST_STREAMS or start < 0:
            continue
        start += 6 + (2 if data[start + 6 : start + 8] == b"\r\n" else 1)
        try:
            yield unpack("zlib", memoryview(data)[start : start + _STREAM_SIZE], _STREAM_SIZE, budget)
        except Unread:
            return


def smuggles(data: bytes) -> bool:
    """Whether a web page's script puts a file together and hands it to the reader to be saved (HTML smuggling)."""
    if not _SCRIPT.in_bytes(data, LONGEST):
        return False
    text = data[:LONGEST].lower()
    return any(word in text for word in _PUTS_TOGETHER) and any(word in text for word in _HANDS_OUT)


def rtf_objects(data: bytes) -> bool:
    """Whether an RTF document holds an embedded or linked object."""
    text = data[:LONGEST].lower()
    return any(word in text for word in _RTF_OBJECTS)
