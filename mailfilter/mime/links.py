"""Links: where they lead, and those in plain text."""

from __future__ import annotations

import re
from itertools import islice, repeat
from typing import Literal, NamedTuple

from ..kernel import native

Origin = Literal["href", "src", "action", "text"]

MAX_URL = 4096
"""Characters of a link in plain text that are looked at."""

_TAIL = re.compile(r"[^\s<>\"\x00-\x20]{1,4096}")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}:")
_SLASHES = re.compile(r"[\\/]*")
_HOST_END = re.compile(r"[/?#\\]")
_PLAIN_HOST = re.compile(r"[a-zA-Z0-9-][a-zA-Z0-9.-]*[a-zA-Z0-9-]\Z")
_SCHEME_END = re.compile("://")  # patterns that start with plain text are searched for faster than by str.find
_WWW = (re.compile(r"ww\."), re.compile(r"WW\."))
_TRAILING = ".,;:!?'*_~|"
_PAIRS = {")": "(", "]": "[", "}": "{"}
_WEB = frozenset(("http:", "https:", "ftp:"))


_new = tuple.__new__  # a named tuple's own constructor takes twice as long


class Link(NamedTuple):
    """A link: where it leads, the text a reader sees for it, where it was found, its host (lower case)."""

    url: str
    text: str
    origin: Origin
    host: str


def host_of(url: str) -> str:
    """The host that a browser would go to, lower case, ``""`` if there is none (``mailto:``, relative links)."""
    if native is not None and (host := native.host(url)) is not None:
        return host  # type: ignore[no-any-return]
    return _host_of(url)


def _host_of(url: str) -> str:
    """The same for any form of an address."""
    pieces = url.split("/", 3)
    if len(pieces) > 2 and not pieces[1] and pieces[0].lower() in _WEB and _PLAIN_HOST.match(pieces[2]):
        return pieces[2].lower()
    match = _SCHEME.match(url)
    if match:
        if match[0].lower() not in _WEB and not url.startswith("//", match.end()):
            return ""
        start = _SLASHES.match(url, match.end()).end()  # type: ignore[union-attr]
    elif url[:1] in ("/", "\\") and url[1:2] in ("/", "\\"):
        start = 2
    else:
        return ""
    stop = _HOST_END.search(url, start)
    authority = url[start : stop.start() if stop else len(url)].rpartition("@")[2]
    if "%" in authority:
        authority = re.sub("%([2-7][0-9A-Fa-f])", lambda m: chr(int(m[1], 16)), authority)
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].strip(". \t").lower()


def clean_url(url: str) -> str:
    """A URL as browsers take it: blanks around it and line ends and tabs within it dropped."""
    url = url.strip(" \t\r\n\f\x00")
    if "\n" in url or "\t" in url or "\r" in url:
        url = url.translate({9: None, 10: None, 13: None})
    return url


def text_links(text: str, limit: int) -> list[Link]:
    """Links that mail programs make of plain text: ``http://``, ``https://``, ``ftp://`` and ``www.``; linear."""
    found = native.text_links(text, limit) if native is not None else None
    return _text_links(text, limit) if found is None else list(map(_new, repeat(Link), found))


def _text_links(text: str, limit: int) -> list[Link]:
    """The same for any text."""
    found = []
    end = 0
    for start in sorted(_find_starts(text, limit))[:limit]:
        if start < end:
            continue
        url = _trim(_TAIL.match(text, start)[0])  # type: ignore[index]
        full = url if "://" in url[:10] else f"http://{url}"
        end = start + len(url)
        host = _host_of(full)
        if host and (len(url) > 4):
            found.append(Link(full, url, "text", host))
    return found


def _find_starts(text: str, limit: int) -> list[int]:
    """Where links start, not in order."""
    starts = _find_schemes(text, limit)
    for pattern in _WWW:
        for match in islice(pattern.finditer(text), limit):
            start = match.start() - 1
            before = text[start - 1] if start > 0 else " "
            if start >= 0 and text[start] in "wW" and not (before.isalnum() or before in "/.-@_"):
                starts.append(start)
    return starts


def _find_schemes(text: str, limit: int) -> list[int]:
    """Where web schemes start."""
    starts = []
    for match in islice(_SCHEME_END.finditer(text), limit):
        position = match.start()
        before = text[max(0, position - 5) : position].lower()
        for scheme in ("https", "http", "ftp"):
            if before.endswith(scheme):
                starts.append(position - len(scheme))
                break
    return starts


def _trim(url: str) -> str:
    """Drop the punctuation that ends a sentence and brackets that were not opened within."""
    while url:
        last = url[-1]
        if last in _TRAILING or (last in _PAIRS and _PAIRS[last] not in url):
            url = url[:-1]
        else:
            break
    return url
