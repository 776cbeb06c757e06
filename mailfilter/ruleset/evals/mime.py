"""Functions about the parts of a mail and how they are encoded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Any

from ...mime.part import Part
from ..facts import Facts
from ._common import Listed, Lists, Query
from .locales import near


@dataclass(slots=True)
class Parts:
    """What the parts of a mail are, counted; sizes in octets, lines in characters."""

    base64: int = 0
    base64_text: bool = False
    base64_line: int = 0
    quoted_long: bool = False
    quoted_needlessly: bool = False
    attachment: bool = False
    odd_iso: bool = False
    ascii_illegal: int = 0
    unicode_ratio: float = 0.0
    html: int = 0
    text: int = 0
    html_size: int = 0
    text_size: int = 0
    alternative: bool = False
    not_text: bool = False
    charsets: set[str] = field(default_factory=set)


_NEEDLESS = re.compile(
    rb"=(?:3[0-9ABCEF]|2[1-9A-F]|[456][0-9A-F]|7[0-9A-E]|(?<!=09=)(?<!=20=)(?:09|20)(?:=09|=20)*+(?![ \t\r]*$))", re.M
)
"""An octet of quoted-printable text that needed no encoding; blanks at the end of a line do."""
_LONG = 79
"""Characters of a line of quoted-printable that is too long."""
_ODD_ISO = re.compile(r"iso-\S+-\S+\b", re.I)
_ISO = re.compile(
    r"iso-(?:8859-(?:[1-9]|1[0-6])(?:-[ei])?|2022-(?:kr|cn|cn-ext|jp(?:-[123])?)|10646-ucs-[24]|ir-\d+)\Z", re.I
)
_ASCII_GOOD = b"\t\r\n" + bytes(range(0x20, 0x7F))
_ENTITY = re.compile(rb"&#[xX][0-9A-Fa-f]{4};")
_FINE = re.compile(r"(?:text|multipart|message)/|application/(?:rtf|x-pkcs7|pkcs7)", re.I)


@lru_cache(256)
def _is_fine(content_type: str) -> bool:
    """Whether a type is nothing odd within alternatives."""
    return _FINE.match(content_type) is not None


def parts(facts: Facts) -> Parts:
    """The parts of a mail, counted."""
    found = Parts()
    for part in facts.leaves:
        _count(facts, part, found)
    for part in facts.message.root.walk():
        if part.content_type == "multipart/alternative":
            found.alternative = True
            found.not_text |= any(not _is_fine(child.content_type) for child in part.children)
    return found


def _longest(raw: bytes) -> int:
    """Characters of the longest line."""
    raw = (raw.replace(b"\r", b"") if b"\r" in raw else raw).strip(b"\n")
    first = raw.find(b"\n")
    ends = raw[first :: first + 1] if first > 0 else b""
    if ends and ends.count(b"\n") == len(ends) == raw.count(b"\n"):
        return max(first, len(raw) - len(ends) * (first + 1))  # lines of one length, as an encoder makes them
    return max(map(len, raw.split(b"\n")))


@lru_cache(256)
def _is_odd(charset: str) -> bool:
    """Whether a charset has the form of an ISO standard's name and is none."""
    return bool(_ODD_ISO.match(charset)) and not _ISO.match(charset)


def _count(facts: Facts, part: Part, found: Parts) -> None:
    raw = facts.full[slice(*part.span)] if part.span else part.data
    kind, encoding, charset = part.content_type, part.encoding, part.charset
    if kind.startswith("multipart/"):
        kind = "text/plain"  # nothing in it is a part, so it is shown as it stands
    is_text = kind.startswith("text/")
    found.charsets.add(charset)
    if encoding == "base64":
        found.base64 += 1
        found.base64_line = max(found.base64_line, 1 + _longest(raw))
        found.base64_text |= is_text and not part.disposition and charset in ("", "us-ascii")
    elif encoding == "quoted-printable":
        found.quoted_long |= is_text and _longest(raw) >= _LONG
        found.quoted_needlessly = found.quoted_needlessly or _NEEDLESS.search(raw) is not None
    found.attachment |= part.disposition == "attachment"
    found.odd_iso |= _is_odd(charset)
    if not is_text:
        return
    size = len(raw)
    if kind == "text/html":
        found.html += 1
        found.html_size += size
    else:
        found.text += 1
        found.text_size += size
    if kind == "text/plain" and charset in ("", "us-ascii") and encoding in ("", "7bit", "8bit"):
        lone = raw.count(b"\r") - raw.count(b"\r\n") if b"\r" in raw else 0
        found.ascii_illegal += len(raw.translate(None, _ASCII_GOOD)) + lone
    if encoding in ("", "7bit", "8bit") and kind != "text/html" and b"&#" in raw:
        found.unicode_ratio = max(found.unicode_ratio, len(_ENTITY.findall(raw)) / size)


_Test = Callable[[Parts], bool]


_TESTS: dict[str, _Test] = {
    "mime_base64_count": lambda found: found.base64 > 0,
    "mime_base64_encoded_text": lambda found: found.base64_text,
    "mime_qp_count": lambda found: found.quoted_needlessly,
    "mime_qp_long_line": lambda found: found.quoted_long,
    "mime_attachment": lambda found: found.attachment,
    "mime_bad_iso_charset": lambda found: found.odd_iso,
    "mime_body_html_count": lambda found: found.html > 0,
    "mime_body_text_count": lambda found: found.text > 0,
    "mime_multipart_alternative": lambda found: found.alternative,
}
BY_NAME = {"check_for_mime": frozenset((*_TESTS, "mime_faraway_charset"))}
"""What the first argument may be."""


def _for_mime(lists: Lists) -> Query[Parts]:
    is_near = near(lists.get("ok_locales", ()))

    def is_far(found: Parts) -> bool:
        return is_near is not None and any(charset and not is_near(charset) for charset in found.charsets)

    return Query(parts, lambda arguments: is_far if arguments[0] == "mime_faraway_charset" else _TESTS[arguments[0]])


def _base64_length(arguments: Sequence[str]) -> _Test:
    low, high = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else inf
    return lambda found: low <= found.base64_line <= high


def _unicode_ratio(arguments: Sequence[str]) -> _Test:
    low = float(arguments[0])
    return lambda found: found.unicode_ratio >= low


def _multipart_ratio(arguments: Sequence[str]) -> _Test:
    low, high = float(arguments[0]), float(arguments[1])

    def hits(found: Parts) -> bool:
        ratio = 1.0
        if found.html and found.text and found.html_size and found.alternative:
            ratio = found.text_size / found.html_size
        return low <= ratio < high

    return hits


FUNCTIONS: dict[str, Query[Any]] = {
    "check_abundant_unicode_ratio": Query(parts, _unicode_ratio),
    "check_base64_length": Query(parts, _base64_length),
    "check_for_ascii_text_illegal": Query(parts, lambda arguments: lambda found: found.ascii_illegal > 0),
    "check_for_mime_html": Query(parts, lambda arguments: lambda found: found.html > 0),
    "check_for_mime_html_only": Query(parts, lambda arguments: lambda found: found.html > 0 and found.text == 0),
    "check_ma_non_text": Query(parts, lambda arguments: lambda found: found.not_text),
    "check_mime_multipart_ratio": Query(parts, _multipart_ratio),
}
"""Name in rule files → what it asks."""
LISTED: dict[str, Listed] = {"check_for_mime": _for_mime}
"""The same for what asks lists."""
