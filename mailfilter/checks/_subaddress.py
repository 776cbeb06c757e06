"""Addresses that were given to one sender only: ``ada+shop@example.org`` for shop.example (RFC 5233 and its kin).

A tag is what follows ``+``, ``-``, ``=`` or ``_`` in the local part.  Who writes to an address whose tag names him has
most likely been given it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MARKS = frozenset("+-=_")
"""Characters that part a tag from the mailbox, and its words."""
SHORTEST = 4
"""Letters that a word of a tag needs to name somebody."""
LONGEST = 64
"""Characters of a local part (RFC 5321, section 4.5.3.1.1); what is longer is not looked at."""

_PARTS = re.compile("[-+=_]")


def may_be_tagged(text: str) -> bool:
    """Whether a header or an address holds a character that begins a tag."""
    return not MARKS.isdisjoint(text)


def namer(addresses: Iterable[str], domains: Iterable[str]) -> tuple[str, str] | None:
    """The first address, and the first of ``domains`` that a tag in it names; None if there is none.

    ``addresses`` lower case; ``domains`` registered domains.  A word of a tag names a domain whose first label it is,
    or where one of the two begins with the other and has five letters or more.  An address within the domain itself
    was not given away.
    """
    for address in addresses:
        local, _, domain = address.rpartition("@")
        words = [word for word in _PARTS.split(local[:LONGEST])[1:] if len(word) >= SHORTEST]
        if not words:
            continue
        for owner in domains:
            label = owner.partition(".")[0]
            if domain != owner and not domain.endswith("." + owner) and any(_names(word, label) for word in words):
                return address, owner
    return None


def _names(word: str, label: str) -> bool:
    if word == label:
        return True
    shorter, longer = sorted((word, label), key=len)
    return len(shorter) > SHORTEST and longer.startswith(shorter)
