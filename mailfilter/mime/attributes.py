"""Links in the attributes of HTML tags, and character references."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from html.entities import html5
from urllib.parse import urljoin

from .links import Link, Origin, clean_url, host_of

ATTRIBUTES: tuple[tuple[str, Origin], ...] = (
    ("href", "href"), ("src", "src"), ("background", "src"), ("action", "action"), ("data", "src"),
)  # fmt: skip
"""Attributes that hold a link, and what kind of link that is."""

_VALUE = re.compile(r"""\s{0,20}=\s{0,20}(?:"([^"]*)"?|'([^']*)'?|([^\s<>"']+))""")
_REFERENCE = re.compile(
    r"&(?:#(?:[xX]0{0,99}([0-9a-fA-F]{1,7})|0{0,99}([0-9]{1,8}))|([a-zA-Z][a-zA-Z0-9]{1,31}))(;?)"
)  # hexadecimal, decimal, name; semicolon
MAX_BARE_NAME = 6
"""Characters of the longest name that counts without a semicolon."""


def unescape(text: str) -> str:
    """Character references in text to characters; unlike `html.unescape` for any number of digits."""
    return _REFERENCE.sub(_in_text, text)


def unescape_url(url: str) -> str:
    """The same in an attribute, where ``&copy=`` is the start of a parameter."""
    return _REFERENCE.sub(_in_attribute, url)


def _in_text(match: re.Match[str]) -> str:
    hexadecimal, decimal, name, semicolon = match.groups()
    return _by_name(name, semicolon) if name else _by_number(hexadecimal, decimal)


@lru_cache(4096)
def _by_name(name: str, semicolon: str) -> str:
    """The character of a name, or of the start of one: some names count without a semicolon."""
    if semicolon and (found := html5.get(f"{name};")):
        return found
    for size in range(min(len(name), MAX_BARE_NAME), 1, -1):
        if bare := html5.get(name[:size]):
            return bare + name[size:] + semicolon
    return f"&{name}{semicolon}"


def _in_attribute(match: re.Match[str]) -> str:
    hexadecimal, decimal, name, semicolon = match.groups()
    if not name:
        return _by_number(hexadecimal, decimal)
    if semicolon:
        return html5.get(f"{name};", match[0])
    return match[0] if match.string.startswith("=", match.end()) else html5.get(name, match[0])


def _by_number(hexadecimal: str | None, decimal: str | None) -> str:
    code = int(hexadecimal, 16) if hexadecimal else int(decimal or "0")
    if 0x80 <= code < 0xA0:
        return bytes((code,)).decode("cp1252", "replace")
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def attribute(head: str, name: str) -> str:
    """The URL that an attribute of a tag holds, ``""`` if it has none of that name."""
    start = head.find(name)
    if start > 0 and head[start - 1] == " " and (match := _VALUE.match(head, start + len(name))):
        url = match[1] or match[2] or match[3] or ""
    else:
        url = _odd_attribute(head, name)
    if url:
        url = clean_url(url)
        return unescape_url(url) if "&" in url else url
    return ""


def _odd_attribute(head: str, name: str) -> str:
    """The same where the name is not in lower case, or not after a blank."""
    low = head.lower()
    start = low.find(name)
    while start > 0:
        end = start + len(name)
        if (low[start - 1] in " \t\r\n\f\"'/" or low.startswith("form", start - 4)) and (
            match := _VALUE.match(head, end)
        ):
            return match[1] or match[2] or match[3] or ""
        start = low.find(name, end)
    return ""


def resolved(links: Iterable[Link], base: str) -> list[Link]:
    """The links, relative ones resolved: ``base`` says against what."""
    found = []
    for link in links:
        url = link.url
        if not link.host and ":" not in url.partition("/")[0]:
            with suppress(ValueError):
                url = urljoin(base, url)
            link = Link(url, link.text, link.origin, host_of(url))
        found.append(link)
    return found
