"""Addresses that were given to one sender only: ``ada+shop@example.org`` for shop.example (RFC 5233 and its kin).

A tag is what follows ``+``, ``-``, ``=`` or ``_`` in the local part.  Who writes to an address whose tag names him has
most likely been given it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SHORTEST = 4
"""Letters that a word of a tag needs to name somebody."""

TAGGED = re.compile(r"[-+=_]([^\s<>,;:\"()@]{4,64})@([A-Za-z0-9.-]+)")
"""A tag and the domain of its address, wherever it stands; bounded (RFC 5321, section 4.5.3.1.1), so in linear time."""
_PARTS = re.compile("[-+=_]")


def tags(texts: Iterable[str], hosts: str) -> list[tuple[str, str]]:
    """Tags and domains, lower case, of the addresses in ``texts`` (addresses, or raw values of headers).

    Only those of which a word, as far as it must, stands somewhere in ``hosts``.
    """
    found = [pair for text in texts for pair in TAGGED.findall(text.lower())]
    return [
        (tag, domain.rstrip("."))
        for tag, domain in found
        if any(word[:SHORTEST] in hosts for word in _PARTS.split(tag) if len(word) >= SHORTEST)
    ]


def namer(tag: str, domain: str, owners: Iterable[str]) -> str:
    """The first of ``owners``, registered domains, that the tag of an address at ``domain`` names; ``""`` if none.

    A word of a tag names an owner whose first label it is, or where one of the two begins with the other and has five
    letters or more.  An address within the owner's own domain was not given away.
    """
    words = [word for word in _PARTS.split(tag) if len(word) >= SHORTEST]
    for owner in owners if words else ():
        label = owner.partition(".")[0]
        if any(_names(word, label) for word in words) and domain != owner and not domain.endswith("." + owner):
            return owner
    return ""


def _names(word: str, label: str) -> bool:
    if word == label:
        return True
    shorter, longer = sorted((word, label), key=len)
    return len(shorter) > SHORTEST and longer.startswith(shorter)
