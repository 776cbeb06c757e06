"""What can be said of a host name without asking anybody: whose it is, and whether it dresses up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from ..kernel import native
from ._lists import read_list, words
from ._text import LATIN, LOOKALIKE

LONGEST = 253
"""Longest host name of the DNS in text form (RFC 1035); what is longer is cut from the left."""

FREEMAIL = words("domains.toml", "freemail")
SHORTENERS = words("domains.toml", "shorteners")
_SECOND_LEVEL = words("domains.toml", "second_level")


def registered_domain(host: str) -> str:
    """The part of a host name that somebody registered: ``example.co.uk`` of ``www.mail.example.co.uk``.

    An approximation of the Public Suffix List (``second_level`` in ``rules/domains.toml``).  An address literal
    and a name without a dot are returned as they are.
    """
    return _registered(host[-LONGEST:])


@lru_cache(maxsize=8192)
def _registered(host: str) -> str:
    host = host.rstrip(".")
    labels = host.rsplit(".", 3)
    if len(labels) < 3 or labels[-1].isdigit() or ":" in host:
        return host
    deep = len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if deep else -2 :])


def domain_of(address: str) -> str:
    """Lower-case domain of a mail address, ``""`` if it has none."""
    return address.rpartition("@")[2].strip(" .>").lower() if "@" in address else ""


def disguise(host: str) -> str:
    """How a host name dresses up, ``""`` if it does not: a label whose letters pass for Latin ones.

    Labels in punycode (RFC 3492) are decoded first.  A label wholly in another script, or in accented Latin, is an
    honest internationalised name, unless every letter of it passes for a Latin one below a Latin top-level domain.
    """
    host = host[-LONGEST:]
    return "" if host.isascii() and "xn--" not in host else _disguise(host)


_PASSES_FOR_LATIN = frozenset("асеһіјӏорѕѵхуԁԛԝьгαικνορυχγօոսցհյ")


@lru_cache(maxsize=2048)
def _disguise(host: str) -> str:
    end = host.rpartition(".")[2]
    foreign_end = not end.isascii() or end.startswith("xn--")
    for label in _unicode_labels(host):
        letters = [letter for letter in label if letter.isalpha()]
        if not any(map(LOOKALIKE.match, letters)):
            continue
        if any(map(LATIN.match, letters)) or (not foreign_end and set(letters) <= _PASSES_FOR_LATIN):
            return label
    return ""


def _unicode_labels(host: str) -> Iterator[str]:
    for label in host.lower().split("."):
        if not label.startswith("xn--"):
            yield label
            continue
        try:
            yield label[4:].encode("ascii").decode("punycode")
        except UnicodeError:
            yield label


_TABLE: dict[str, list[str]] = read_list("brands.toml")["brands"]
_BRANDS = {name.replace(" ", ""): frozenset(domains) for name, domains in _TABLE.items()}
_SPELLED = {name.replace(" ", ""): name for name in _TABLE}
_BRAND = re.compile("|".join(name.replace(" ", "[ ._-]?") for name in _SPELLED.values()))
_BRAND_WORDS = frozenset(_SPELLED) | {name.partition(" ")[0] for name in _SPELLED.values()}
_LETTERS = re.compile("[a-z]{3,}")


def may_name_brand(text: str) -> bool:
    """Whether a word of ``text`` is the first of a brand's name: a quick test before `brand_in`."""
    if native is not None and native.may_hold(text, _brand_bits()) is False:
        return False
    return not _BRAND_WORDS.isdisjoint(_LETTERS.findall(text.lower()))


@cache
def _brand_bits() -> bytes:
    """A bit for the hash of each of these words (FNV-1a, folded to 16 bits), as the kernel wants them."""
    bits = bytearray(1 << 13)
    for word in _BRAND_WORDS:
        value = 2166136261
        for octet in word.encode():
            value = (value ^ octet) * 16777619 & 0xFFFFFFFF
        value = (value ^ value >> 16) & 0xFFFF
        bits[value >> 3] |= 1 << (value & 7)
    return bytes(bits)


def brand_in(text: str, domain: str) -> str:
    """The first brand of ``rules/brands.toml`` that ``text`` (lower case) names and ``domain`` is not, or ``""``.

    ``domain`` is a registered domain; it is the brand's if its first label is the name, or if it is listed.
    """
    if not may_name_brand(text):
        return ""
    for match in _BRAND.finditer(text):
        start, end = match.span()
        if text[start - 1 : start].isalpha() or text[end : end + 1].isalpha():
            continue
        name = re.sub("[ ._-]", "", match[0])
        if not domain.startswith(name + ".") and domain not in _BRANDS[name]:
            return _SPELLED[name]
    return ""
