"""Addresses in header values (RFC 5322), tolerant and linear: comments and quotes may nest or never end."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..kernel import native
from .words import decode_words

MAX_TEXT = 200_000
"""Characters of one header that are looked at; what follows is left out."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[()]|<[^<>]*>?|[,;:]|\\.|[^"()<,;:\\]+|.', re.S)


_COMMON = re.compile(r'(?:\s*"([^"\\]*)"\s*|([^"()<>,;:\\]*))(?:<([^<>]*)>\s*)?\Z')
"""One mailbox without comments and escapes, which most headers hold: a name, quoted or not, and an address."""


_new = tuple.__new__  # a named tuple's own constructor takes twice as long


class Address(NamedTuple):
    """One mailbox: the display name, decoded, and the address as written, without brackets."""

    display: str
    address: str


def parse_addresses(text: str) -> tuple[Address, ...]:
    """The mailboxes of a header value, groups flattened; encoded words are decoded after the commas are read."""
    if native is not None and len(text) < MAX_TEXT and (mailbox := native.mailbox(text)) is not None:
        return (_new(Address, mailbox),) if mailbox else ()
    return _parse_addresses(text)


def _parse_addresses(text: str) -> tuple[Address, ...]:
    """The same for any value."""
    found: list[Address] = []
    common = _COMMON.match(text) if len(text) < MAX_TEXT else None
    if common:
        name = common[2] if common[1] is None else common[1]
        _add(found, [name], (common[3] or "").strip(), [])
        return tuple(found)
    words: list[str] = []
    angle = ""
    depth = 0
    comment: list[str] = []
    for match in _TOKEN.finditer(text, 0, MAX_TEXT):
        token = match[0]
        if token == "(":
            depth += 1
        elif token == ")":
            depth = max(0, depth - 1)
        elif depth:
            comment.append(token)
        elif token in (",", ";"):
            _add(found, words, angle, comment)
            words, angle, comment = [], "", []
        elif token == ":" and not angle:
            words = []
        elif token[0] == "<":
            angle = angle or token.strip("<>").strip()
        elif token[0] == '"':
            words.append(_unquote(token))
        else:
            words.append(token)
    _add(found, words, angle, comment)
    return tuple(found)


def _unquote(token: str) -> str:
    body = token[1:-1] if len(token) > 1 and token.endswith('"') else token[1:]
    return re.sub(r"\\(.)", r"\1", body, flags=re.S) if "\\" in body else body


def _add(found: list[Address], words: list[str], angle: str, comment: list[str]) -> None:
    display = " ".join("".join(words).split())
    if not angle and "@" in display:
        angle, display = display, " ".join("".join(comment).split())
    if angle or display:
        found.append(Address(decode_words(display) if "=?" in display else display, angle))
