"""An SPF record taken apart (RFC 7208 sections 4.6, 5, 6 and 12); any fault in it spoils the whole record."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .spf_macros import Macro, SpfSyntaxError, check_macros

VERSION = "v=spf1"
QUALIFIERS = "+-~?"
_NO_DOMAIN, _MAY_HAVE, _MUST_HAVE = range(3)
_DOMAIN = {"all": _NO_DOMAIN, "include": _MUST_HAVE, "exists": _MUST_HAVE, "a": _MAY_HAVE, "mx": _MAY_HAVE,
           "ptr": _MAY_HAVE}  # fmt: skip
LOOKS_UP = frozenset(("include", "exists", "a", "mx", "ptr"))
"""Mechanisms that count against the limit of ten (section 4.6.4)."""

_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_MECHANISM = re.compile(r"([+?~-]?)([A-Za-z0-9]+)(.*)", re.DOTALL)
_PREFIXES = re.compile(r"(?:/([0-9]+))?(?://([0-9]+))?\Z")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_TOP_LABEL = re.compile(r"(?=[a-z0-9-]*[a-z-])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.IGNORECASE)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One directive: ``qualifier`` is one of ``+-~?``, ``name`` is in lower case.

    ``domain``  the domain-spec with its macros, ``""`` where it is left out and the current domain is meant.
    ``prefix4``, ``prefix6``  lengths of the networks; ``network``  that of ip4 and ip6.
    """

    qualifier: str
    name: str
    domain: str = ""
    prefix4: int = 32
    prefix6: int = 128
    network: Network | None = None


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """Mechanisms in order, and the domain-specs of the two modifiers that mean something (``""``: not there)."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str = ""
    explanation: str = ""


def is_spf(text: str) -> bool:
    """Whether a TXT record is an SPF record (section 4.5)."""
    return text[:7].rstrip(" ").lower() == VERSION and text[6:7] in ("", " ")


def parse_record(text: str) -> SpfRecord:
    """Read a record.  Raises `SpfSyntaxError`."""
    if not text.isascii():
        raise SpfSyntaxError("the record is not ASCII")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in text[len(VERSION) :].split(" "):
        if not term:
            continue
        found = _MODIFIER.fullmatch(term)
        if found is None:
            mechanisms.append(_mechanism(term))
        elif (name := found[1].lower()) not in ("redirect", "exp"):
            check_macros(found[2])
        elif name in modifiers:
            raise SpfSyntaxError(f"{name}= stands twice")
        else:
            modifiers[name] = _domain_spec(found[2], term)
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect", ""), modifiers.get("exp", ""))


def _mechanism(term: str) -> Mechanism:
    found = _MECHANISM.fullmatch(term)
    if found is None:
        raise SpfSyntaxError(f"{term[:60]!r} is neither a mechanism nor a modifier")
    qualifier, name, rest = found[1] or "+", found[2].lower(), found[3]
    if name in ("ip4", "ip6"):
        return Mechanism(qualifier, name, network=_network(name, rest, term))
    if name not in _DOMAIN:
        raise SpfSyntaxError(f"{term[:60]!r}: there is no such mechanism")
    prefix4, prefix6 = 32, 128
    if name in ("a", "mx"):
        rest, prefix4, prefix6 = _prefixes(rest, term)
    domain = _domain_spec(rest[1:], term) if rest.startswith(":") else ""
    if (rest and not domain) or (domain and _DOMAIN[name] == _NO_DOMAIN):
        raise SpfSyntaxError(f"{term[:60]!r}: {name} does not take that")
    if not domain and _DOMAIN[name] == _MUST_HAVE:
        raise SpfSyntaxError(f"{term[:60]!r}: {name} needs a domain")
    return Mechanism(qualifier, name, domain, prefix4, prefix6)


def _prefixes(rest: str, term: str) -> tuple[str, int, int]:
    """What stands before the prefix lengths, and the lengths for IPv4 and IPv6."""
    found = _PREFIXES.search(rest)
    assert found is not None  # it matches the empty end
    return rest[: found.start()], _length(found[1], 32, term), _length(found[2], 128, term)


def _length(digits: str | None, most: int, term: str) -> int:
    if digits is None:
        return most
    if not _LENGTH.fullmatch(digits) or int(digits) > most:
        raise SpfSyntaxError(f"{term[:60]!r}: a prefix length is out of range")
    return int(digits)


def _network(name: str, rest: str, term: str) -> Network:
    kind, most = (ipaddress.IPv4Address, 32) if name == "ip4" else (ipaddress.IPv6Address, 128)
    text, slash, digits = rest[1:].partition("/")
    if not rest.startswith(":") or (slash and not digits) or "%" in text:
        raise SpfSyntaxError(f"{term[:60]!r}: {name} needs an address")
    try:
        address = kind(text)
    except ValueError:
        raise SpfSyntaxError(f"{term[:60]!r}: {name} needs an address") from None
    return ipaddress.ip_network((address.packed, _length(digits if slash else None, most, term)), strict=False)


def _domain_spec(text: str, term: str) -> str:
    """A domain-spec ends in a macro or a top label (section 7.1)."""
    macros = check_macros(text)
    last = macros[-1] if macros else ""
    if isinstance(last, Macro):
        return text
    _, dot, top = last.removesuffix(".").rpartition(".")
    if not dot or not _TOP_LABEL.fullmatch(top):
        raise SpfSyntaxError(f"{term[:60]!r}: {text[:60]!r} is no domain name")
    return text
